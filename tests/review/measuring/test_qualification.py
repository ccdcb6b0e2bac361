"""Exams and calibration rounds: who may start, and what a new guideline asks first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pilotage.core import Conflict, InputError, ManualClock, NotFound, Refused
from pilotage.judging import Question, person
from pilotage.ledger import create_workspace, entries
from pilotage.review import claim, release, skip
from pilotage.review.measuring import (
    ExamStanding,
    begin_exam,
    close_round,
    current_round,
    exam_standing,
    exam_tries,
    feedback,
    finish_exam,
    must_calibrate,
    open_exam,
    open_round,
    round_report,
    settle,
)
from pilotage.review.projects import change_project, load_project
from pilotage.review.skills import skills_of
from pilotage.store import Workspace

from .conftest import QUESTION, MakeTeam, Team

EXAM = {"skill": "tone", "items": 4, "pass_at": 0.75, "tries": 2, "wait": "1h", "valid_for": "30d"}
ANN = person("ann")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def workspace(location: str, clock: ManualClock) -> Iterator[Workspace]:
    """A fresh workspace whose clock the tests move."""
    with create_workspace(location, actor="tester", clock=clock) as opened:
        yield opened


def exam_of(make_team: MakeTeam, pool: int = 8, **terms: object) -> Team:
    team = make_team(qualification={**EXAM, **terms})
    open_exam(team.workspace, team.name, [team.known(f"exam {n}") for n in range(pool)])
    return team


def sit(team: Team, wrong: int = 0) -> None:
    for n, task in enumerate(begin_exam(team.workspace, team.name, ANN)):
        team.answer(task.task_id, "ann", "bad" if n < wrong else "good")


def test_passing_gives_the_skill_until_it_lapses_and_opens_the_work(make_team: MakeTeam, clock: ManualClock) -> None:
    team = exam_of(make_team)
    team.put("work")
    assert claim(team.workspace, team.name, ANN, 5) == []
    sit(team, wrong=1)
    result = finish_exam(team.workspace, team.name, ANN)
    assert result.passed and (result.right, result.n) == (3, 4)
    [skill] = skills_of(team.workspace, "ann")
    assert (skill.skill, skill.source, skill.expires_at) == ("tone", "exam", clock.now_us() + 30 * 86_400_000_000)
    assert len(claim(team.workspace, team.name, ANN, 5)) == 1
    assert [entry.type for entry in entries(team.workspace) if entry.type.startswith("exam.")] == ["exam.opened", "exam.begun", "exam.passed"]
    with pytest.raises(Conflict, match="already"):
        begin_exam(team.workspace, team.name, ANN)


def test_failing_says_what_was_wrong_only_when_the_exam_is_over(make_team: MakeTeam) -> None:
    team = exam_of(make_team)
    tasks = [task.task_id for task in begin_exam(team.workspace, team.name, ANN)]
    team.answer(tasks[0], "ann", "bad")
    assert feedback(team.workspace, tasks[0], ANN) == []
    for task in tasks[1:]:
        team.answer(task, "ann", "odd")
    result = finish_exam(team.workspace, team.name, ANN)
    assert not result.passed
    assert {(each.right, each.explanation) for each in result.mistakes} == {("good", "because")} and len(result.mistakes) == 4
    [told] = feedback(team.workspace, tasks[0], ANN)
    assert told.right == "good"
    assert skills_of(team.workspace, "ann") == []


def test_tries_wait_draw_new_items_and_run_out(make_team: MakeTeam, clock: ManualClock) -> None:
    team = exam_of(make_team, pool=12)
    first = {task.item_id for task in begin_exam(team.workspace, team.name, ANN)}
    result = finish_exam(team.workspace, team.name, ANN, give_up=True)
    assert (result.unanswered, result.right) == (4, 0)
    with pytest.raises(Refused, match="may begin"):
        begin_exam(team.workspace, team.name, ANN)
    clock.advance(3601)
    second = {task.item_id for task in begin_exam(team.workspace, team.name, ANN)}
    assert not first & second
    finish_exam(team.workspace, team.name, ANN, give_up=True)
    clock.advance(3601)
    with pytest.raises(Refused, match="tries of this exam are used"):
        begin_exam(team.workspace, team.name, ANN)


def test_a_try_that_runs_is_gone_on_with(make_team: MakeTeam) -> None:
    team = exam_of(make_team)
    tasks = begin_exam(team.workspace, team.name, ANN)
    team.answer(tasks[0].task_id, "ann", "good")
    again = begin_exam(team.workspace, team.name, ANN)
    assert {task.task_id for task in again} == {task.task_id for task in tasks[1:]}
    with pytest.raises(Conflict, match="not answered yet"):
        finish_exam(team.workspace, team.name, ANN)


def test_the_lower_bound_is_harder_to_reach_than_the_rate(make_team: MakeTeam) -> None:
    team = exam_of(make_team, judged_by="lower")
    sit(team)
    result = finish_exam(team.workspace, team.name, ANN)
    assert result.rate == 1 and result.lower < 0.75 and not result.passed


def test_a_pool_that_is_used_up_is_said(make_team: MakeTeam, clock: ManualClock) -> None:
    team = exam_of(make_team, pool=5)
    sit(team, wrong=4)
    finish_exam(team.workspace, team.name, ANN)
    clock.advance(3601)
    with pytest.raises(Refused, match="Only 1 items"):
        begin_exam(team.workspace, team.name, ANN)


def test_an_exam_needs_terms_a_large_enough_pool_and_a_try_that_runs(make_team: MakeTeam) -> None:
    team = exam_of(make_team)
    with pytest.raises(NotFound):
        finish_exam(team.workspace, team.name, ANN)
    with pytest.raises(InputError, match="too small"):
        open_exam(team.workspace, team.name, [team.known("one")])


def test_exam_answers_never_become_consensus(make_team: MakeTeam) -> None:
    team = exam_of(make_team)
    sit(team)
    assert settle(team.workspace, team.name).written == 0


def round_of(make_team: MakeTeam) -> Team:
    team = make_team(calibration_round={"items": 2})
    project = load_project(team.workspace, team.name)
    change_project(team.workspace, team.name, number=project.number, guideline="Be fair, and brief.")
    open_round(team.workspace, team.name, [team.known(f"round {n}") for n in range(3)])
    return team


def calibrates(team: Team, login: str) -> bool:
    with team.workspace.read() as conn:
        return must_calibrate(conn, team.workspace.id, team.name, login, team.guideline_id)


def test_work_is_served_only_after_the_round_and_each_answer_is_told(make_team: MakeTeam) -> None:
    team = round_of(make_team)
    work = team.put("work")
    for _ in range(2):
        assert calibrates(team, "ann")
        [task] = claim(team.workspace, team.name, ANN, 1)
        assert task.task_id != work
        team.answer(task.task_id, "ann", "bad")
        [told] = feedback(team.workspace, task.task_id, ANN)
        assert (told.right, told.was_right) == ("good", False)
    assert not calibrates(team, "ann") and calibrates(team, "ben")
    assert [task.task_id for task in claim(team.workspace, team.name, ANN, 5)] == [work]
    report = round_report(team.workspace, team.name)
    [ann] = report.people
    assert ann.done and (ann.answered, ann.accuracy.right) == (2, 0)


def test_the_report_leaves_out_free_text_of_which_no_agreement_is_counted(make_team: MakeTeam) -> None:
    team = make_team(QUESTION, Question(name="why", prompt="Why?", kind="text"), calibration_round={"items": 1})
    number = load_project(team.workspace, team.name).number
    change_project(team.workspace, team.name, number=number, guideline="Be fairer.")
    open_round(team.workspace, team.name, [team.known("round 0")])
    [change] = round_report(team.workspace, team.name).changes
    assert change.question == "tone" and change.difference is None and change.reason


def test_who_settled_the_items_themselves_does_not_wait_for_ever(make_team: MakeTeam) -> None:
    team = make_team(calibration_round={"items": 2})
    team.judge("round 0", ann="good", ben="good")
    team.judge("round 1", ann="good", ben="good")
    open_round(team.workspace, team.name, [team.known("round 0"), team.known("round 1")])
    assert not calibrates(team, "ann") and calibrates(team, "eve")


def test_a_guideline_has_one_round_and_closing_it_lets_everybody_work(make_team: MakeTeam) -> None:
    team = round_of(make_team)
    with pytest.raises(Conflict):
        open_round(team.workspace, team.name, [team.known("more 1"), team.known("more 2")])
    assert close_round(team.workspace, team.name) == 1
    assert not calibrates(team, "ann")
    assert current_round(team.workspace, team.name).state == "closed"
    assert close_round(team.workspace, team.name) == 0


def test_a_round_needs_enough_items(make_team: MakeTeam) -> None:
    team = make_team(calibration_round={"items": 2})
    with pytest.raises(InputError, match="to practise on"):
        open_round(team.workspace, team.name, [team.known("one")])


def test_agreement_before_and_under_the_guideline_is_reported_or_said_to_be_unknown(make_team: MakeTeam) -> None:
    team = make_team(calibration_round={"items": 1})
    for n in range(3):
        team.judge(f"old {n}", ann="good", ben="bad" if n else "good")
    project = load_project(team.workspace, team.name)
    change_project(team.workspace, team.name, number=project.number, guideline="Be fair, and brief.")
    open_round(team.workspace, team.name, [team.known("round 0")])
    [change] = round_report(team.workspace, team.name).changes
    assert change.difference is None and "before" in change.reason and change.before.n_units == 3


def test_looking_at_an_exam_says_what_may_be_done_and_how_the_last_try_went(make_team: MakeTeam, clock: ManualClock) -> None:
    team = exam_of(make_team, pool=12)

    def stands() -> ExamStanding:
        found = exam_standing(team.workspace, team.name, "ann")
        assert found is not None
        return found

    assert (stands().state, stands().last) == ("open", None)
    tasks = begin_exam(team.workspace, team.name, ANN)
    team.answer(tasks[0].task_id, "ann", "bad")
    assert (stands().state, stands().left, stands().last) == ("running", 3, None)
    result = finish_exam(team.workspace, team.name, ANN, give_up=True)
    assert stands().state == "wait" and stands().last == result and len(result.mistakes) == 1
    clock.advance(3601)
    assert stands().state == "open"
    sit(team)
    result = finish_exam(team.workspace, team.name, ANN)
    assert stands().state == "held" and stands().last == result
    assert [(each.login, each.number, each.state) for each in exam_tries(team.workspace, team.name)] == [("ann", 2, "passed"), ("ann", 1, "failed")]
    assert exam_standing(team.workspace, "another", "ann") is None


def test_what_was_skipped_or_lapsed_in_a_try_is_in_hand_again_when_it_goes_on(make_team: MakeTeam) -> None:
    team = exam_of(make_team)
    tasks = [task.task_id for task in begin_exam(team.workspace, team.name, ANN)]
    skip(team.workspace, tasks[0], ANN)
    release(team.workspace, [tasks[1]], ANN)
    assert {task.task_id for task in begin_exam(team.workspace, team.name, ANN)} == set(tasks)
    for task in tasks:
        team.answer(task, "ann", "good")
    assert finish_exam(team.workspace, team.name, ANN).right == 4


def test_a_page_that_renews_what_is_held_shortens_no_exam(make_team: MakeTeam, clock: ManualClock) -> None:
    team = exam_of(make_team)
    tasks = {task.task_id for task in begin_exam(team.workspace, team.name, ANN)}
    assert {task.task_id for task in claim(team.workspace, team.name, ANN, 5, holder="page", take_over=True)} == tasks
    clock.advance(3600)
    assert {task.task_id for task in claim(team.workspace, team.name, ANN, 5, holder="page")} == tasks
