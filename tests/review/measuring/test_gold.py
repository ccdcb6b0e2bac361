"""Gold: hidden among the work, seen by few, never told before, and tested for leaking."""

from __future__ import annotations

from typing import Any

import pytest

from pilotage.core import InputError, Refused
from pilotage.judging import ABOUT_RATERS, judgements, person
from pilotage.ledger import entries
from pilotage.review import claim, undo
from pilotage.review.measuring import (
    accuracy_of,
    add_gold,
    alerts,
    confusion,
    feedback,
    gold_from,
    gold_items,
    leak_test,
    least_exposed,
    my_page,
    open_adjudications,
    retire_gold,
    settle,
    speed_of,
    team_accuracy,
)
from pilotage.review.measuring.accuracy import accuracy, accuracy_over_time
from pilotage.review.measuring.gold import leaking
from pilotage.review.measuring.known import KnownAnswer

from .conftest import QUESTION, MakeTeam, Team, serve_only


def add(team: Team, n: int, **options: Any) -> list[str]:
    return list(add_gold(team.workspace, team.name, [team.known(f"gold {k}") for k in range(n)], **options).task_ids)


def test_gold_looks_like_work_to_who_is_served_it(make_team: MakeTeam) -> None:
    team = make_team(gold={"share": 0.5, "exposure_cap": 3})
    add(team, 3)
    for n in range(3):
        team.put(f"work {n}", overlap=9)
    served = claim(team.workspace, team.name, person("ann"), 6)
    gold = {item.item_id for item in gold_items(team.workspace, team.name)}
    assert {task.item_id in gold for task in served} == {True, False}
    assert {(task.why, task.priority, task.suggestion) for task in served} == {(("labelling",), 0, None)}
    assert not {"purpose", "gold", "arm", "seed"} & set(served[0].to_dict())


def test_a_right_answer_to_free_text_is_refused_and_nothing_is_kept(team: Team) -> None:
    with pytest.raises(InputError):
        add_gold(team.workspace, team.name, [team.known("one"), team.known("two", tone="nonsense")])
    assert gold_items(team.workspace, team.name) == []


def test_the_same_item_cannot_be_gold_with_another_answer(team: Team) -> None:
    add_gold(team.workspace, team.name, [team.known("one", tone="good")])
    add_gold(team.workspace, team.name, [team.known("one", tone="good")])
    with pytest.raises(InputError, match="other answers"):
        add_gold(team.workspace, team.name, [team.known("one", tone="bad")])


def test_the_answers_of_gold_are_not_in_the_ledger(team: Team) -> None:
    add(team, 1)
    for entry in entries(team.workspace):
        if entry.type in ("gold.added", "review.put"):
            assert "good" not in str(entry.body)


def test_who_judged_an_item_is_never_served_it_as_gold(team: Team) -> None:
    item = team.judge("one", ann="good", ben="good", cem="good")
    settle(team.workspace, team.name)
    made = gold_from(team.workspace, team.name, [item])
    for login in ("ann", "ben", "cem"):
        assert serve_only(team.workspace, team.name, login, made.task_ids) == []
    assert len(serve_only(team.workspace, team.name, "eve", made.task_ids)) == 1


def test_what_two_people_said_is_not_sure_enough_for_gold_but_a_decision_is(team: Team) -> None:
    two = team.judge("two", ann="good", ben="good")
    split = team.judge("split", ann="good", ben="bad")
    settle(team.workspace, team.name)
    assert set(gold_from(team.workspace, team.name, [two, split]).refused) == {two, split}
    [task] = open_adjudications(team.workspace, team.name)
    team.answer(task, "eve", "bad")
    settle(team.workspace, team.name)
    assert len(gold_from(team.workspace, team.name, [split]).task_ids) == 1


def test_the_least_seen_gold_comes_first_and_full_gold_not_at_all(team: Team) -> None:
    tasks = add(team, 3, exposure_cap=2)
    team.answer(tasks[0], "ann", "good")
    team.answer(tasks[0], "ben", "good")
    team.answer(tasks[1], "ann", "good")
    cem = person("cem")
    with team.workspace.read() as conn:
        found = least_exposed(conn, team.workspace.id, team.name, cem.id, cem.name, n=5)
    assert found == [tasks[2], tasks[1]]


def test_gold_tells_nothing_unless_the_project_does(team: Team) -> None:
    [task] = add(team, 1)
    team.answer(task, "ann", "bad")
    work = team.put("work", overlap=1)
    team.answer(work, "ann", "bad")
    assert feedback(team.workspace, task, person("ann")) == feedback(team.workspace, work, person("ann")) == []


def test_what_is_right_is_told_only_after_the_answer_and_only_to_who_gave_it(make_team: MakeTeam) -> None:
    team = make_team(gold={"share": 0, "feedback": True})
    [task] = add(team, 1)
    serve_only(team.workspace, team.name, "ann", [task])
    for login in ("ann", "ben"):
        with pytest.raises(Refused):
            feedback(team.workspace, task, person(login))
    team.answer(task, "ann", "bad")
    [told] = feedback(team.workspace, task, person("ann"))
    assert (told.given, told.right, told.was_right, told.explanation) == ("bad", "good", False, "because")
    assert my_page(team.workspace, team.name, "ann").feedback == (told,)
    assert my_page(team.workspace, team.name, "ben").feedback == ()


def test_what_is_changed_after_being_told_measures_nothing(make_team: MakeTeam) -> None:
    team = make_team(gold={"share": 0, "feedback": True})
    [task] = add(team, 1)
    team.answer(task, "ann", "bad")
    feedback(team.workspace, task, person("ann"))
    undo(team.workspace, task, person("ann"))
    team.answer(task, "ann", "good")
    [found] = accuracy_of(team.workspace, team.name, "ann")
    assert (found.n, found.right) == (1, 0)


def test_an_answer_taken_back_before_being_told_counts_as_it_stands(team: Team) -> None:
    [task] = add(team, 1)
    team.answer(task, "ann", "bad")
    undo(team.workspace, task, person("ann"))
    assert accuracy_of(team.workspace, team.name, "ann") == []
    team.answer(task, "ann", "good")
    [found] = accuracy_of(team.workspace, team.name, "ann")
    assert (found.n, found.right) == (1, 1)


def test_own_numbers_count_gold_like_work_so_that_they_tell_nothing(team: Team) -> None:
    [task] = add(team, 1)
    team.answer(task, "ann", "good", active_ms=900)
    page = my_page(team.workspace, team.name, "ann")
    assert (page.answered, page.speed.n) == (1, 1) and page.accuracy == ()


def test_retired_gold_counts_for_nobody_and_is_served_to_nobody(team: Team) -> None:
    tasks = add(team, 2)
    team.answer(tasks[0], "ann", "bad")
    with pytest.raises(InputError):
        retire_gold(team.workspace, team.name, tasks[:1], reason="")
    assert retire_gold(team.workspace, team.name, tasks[:1], reason="the answer was wrong") == 1
    assert retire_gold(team.workspace, team.name, tasks[:1], reason="again") == 0
    assert accuracy_of(team.workspace, team.name, "ann") == []
    assert serve_only(team.workspace, team.name, "ben", tasks[:1]) == []


def test_answers_to_gold_are_found_only_by_their_purpose(team: Team) -> None:
    [task] = add(team, 1)
    team.answer(task, "ann", "good")
    assert judgements(team.workspace) == []
    assert [each.purpose for each in judgements(team.workspace, purposes=ABOUT_RATERS)] == ["gold"]


def test_accuracy_comes_with_bounds_and_below_twenty_there_is_none() -> None:
    few = accuracy([1.0] * 19, login="ann", question="tone")
    assert few.estimate is None and few.status == "not_assessable" and "needs 20" in few.reason
    assert 0.9 < few.posterior < 1 and few.posterior_lower < few.posterior
    enough = accuracy([1.0] * 18 + [0.0] * 2, login="ann", question="tone")
    assert enough.estimate == 0.9 and enough.lower is not None and enough.upper is not None
    assert enough.lower < 0.9 < enough.upper


def test_rolling_accuracy_looks_at_the_last_and_by_slice(team: Team) -> None:
    known = [team.known(f"gold {n}", slices={"language": "de" if n % 2 else "en"}) for n in range(40)]
    tasks = add_gold(team.workspace, team.name, known).task_ids
    for n, task in enumerate(tasks):
        team.answer(task, "ann", "bad" if n < 20 else "good")
    [whole] = accuracy_of(team.workspace, team.name, "ann", last=None)
    assert whole.estimate == 0.5
    found = team_accuracy(team.workspace, team.name, last=20, by="language")
    assert found[0].estimate == 1.0
    assert [(each.slice, each.estimate) for each in found[1:]] == [({"language": "de"}, 0.5), ({"language": "en"}, 0.5)]
    assert [each.accuracy.n for each in accuracy_over_time(team.workspace, team.name, "ann", "tone")] == [40]
    [table] = confusion(team.workspace, team.name, "tone")
    assert table.counts == {"good": {"bad": 20, "good": 20}}


def test_an_alert_needs_the_upper_bound_below_the_floor_and_changes_nothing(team: Team) -> None:
    tasks = add(team, 25)
    for n, task in enumerate(tasks):
        team.answer(task, "ann", "bad" if n % 2 else "good")
        team.answer(task, "ben", "bad" if n < 4 else "good")
    before = sum(1 for _ in entries(team.workspace))
    assert [(alert.login, alert.kind) for alert in alerts(team.workspace, team.name, floor=0.85)] == [("ann", "below_floor")]
    assert sum(1 for _ in entries(team.workspace)) == before


def test_a_streak_of_quick_acceptances_is_seen(team: Team) -> None:
    from pilotage.review.new_task import Suggestion

    for n in range(6):
        task = team.put(f"work {n}", overlap=1, suggestions=[Suggestion("tone", "good", model="m", model_version="1")])
        team.answer(task, "ann", "bad" if n == 2 else "good", active_ms=5000 if n == 2 else 700)
    found = speed_of(team.workspace, team.name, "ann")
    assert (found.shown, found.accepted, found.longest_streak, found.median_ms) == (6, 5, 3, 700.0)


def exposures(items: int, people: int, right: Any) -> list[tuple[KnownAnswer, bool]]:
    return [
        (KnownAnswer(f"task {i}", f"item {i}", "tone", f"r{p}", f"r{p}", "x", "x", "", None, {}, None, p), bool(right(i, p)))
        for p in range(people)
        for i in range(items)
    ]


def test_gold_that_everybody_knows_late_is_suspected_to_leak() -> None:
    # Each person meets half of the items early and half late; late ones are always right.
    outcomes = [(answer, late or index % 2 == 0) for index, (answer, late) in enumerate(_mixed())]
    assert leaking(outcomes).suspected


def test_honest_gold_is_not_suspected() -> None:
    outcomes = exposures(20, 12, lambda i, p: (i * 7 + p * 3) % 4 != 0)
    found = leaking(outcomes)
    assert found.rise.measured and not found.suspected and found.items == {}


def test_better_people_coming_late_are_no_leak() -> None:
    outcomes = exposures(20, 12, lambda i, p: p >= 6 or (i + p) % 2)
    assert not leaking(outcomes).suspected


def test_too_little_gold_says_nothing_about_leaking(team: Team) -> None:
    add(team, 1)
    found = leak_test(team.workspace, team.name)
    assert not found.rise.measured and "needs 10" in str(found.rise)


def _mixed() -> list[tuple[KnownAnswer, bool]]:
    made = []
    for p in range(12):
        for i in range(20):
            # Odd items are met in the opposite order of people, so nobody is only early or only late.
            at = p if i % 2 == 0 else 11 - p
            made.append((KnownAnswer(f"task {i}", f"item {i}", "tone", f"r{p}", f"r{p}", "x", "x", "", None, {}, None, at), at >= 6))
    return sorted(made, key=lambda entry: entry[0].at)


def test_the_question_fixture_is_what_the_tests_think() -> None:
    assert [option.value for option in QUESTION.options] == ["good", "bad", "odd"]
