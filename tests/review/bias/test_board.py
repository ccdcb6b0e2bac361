"""Seeds are planted, served, missed and counted; and the board reads what really happened."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select
from team import PROJECT, RUBRIC, project, put, ticket, work

from pilotage.core import Conflict, NotFound, Refused
from pilotage.judging import Option, Question, Rubric, judgements, person
from pilotage.ledger.tables import ledger_entry
from pilotage.review import NewTask, Suggestion, claim, put_tasks
from pilotage.review.bias import Needed, PlannedSeed, Seeding, aided_answers, board, compare_settings, plan_seeds, plant, seed_candidates
from pilotage.review.measuring.gold import add_gold
from pilotage.review.measuring.known import Known
from pilotage.review.projects import change_project, load_project
from pilotage.store import Workspace

FEW = Needed(seeds=2, per_arm=2)
ALL_SEEDED = {"seeded": 0.5, "withheld": 0.25}


def seeded_project(workspace: Workspace, n: int = 24, **settings: Any) -> Seeding:
    """A project of ``n`` tickets, all planted with a wrong topic."""
    project(workspace, overlap={"start": 2}, arms=ALL_SEEDED, gold={"share": 0}, **settings)
    put(workspace, [ticket(number, language="de" if number % 2 else "fr") for number in range(n)])
    tasks = seed_candidates(workspace, PROJECT, "topic")
    seeding = Seeding(tuple(PlannedSeed(each.task_id, "topic", "login", "given", True) for each in tasks), len(tasks), 0.05, 0.5)
    assert plant(workspace, PROJECT, seeding) == n
    return seeding


def follows(_login: str, task: Any) -> dict[str, Any]:
    return {"topic": (task.suggestion or {}).get("topic", "bill")}


def looks(_login: str, _task: Any) -> dict[str, Any]:
    return {"topic": "bill"}


def truth_of(workspace: Workspace, n: int) -> dict[tuple[str, str], str]:
    return {(ticket(number, language="de" if number % 2 else "fr").id, "topic"): "bill" for number in range(n)}


def test_who_follows_misses_every_seed_and_who_looks_none(workspace: Workspace) -> None:
    seeded_project(workspace)
    for login, says in (("ada", follows), ("bob", looks), ("eve", looks)):
        work(workspace, login, says)
    found = board(workspace, PROJECT, truth=truth_of(workspace, 24), slice_by="language", needed=FEW)
    assert found.people["ada"].miss_rate.estimate == 1.0
    assert found.people["bob"].miss_rate.estimate == 0.0
    assert 0 < found.team.miss_rate.estimate < 1  # type: ignore[operator]
    assert set(found.slices) == {"de", "fr"}
    assert found.team.excess_on_seeds.estimate > 0  # type: ignore[operator]
    assert found.arms["seeded"] == found.team.miss_rate.n > 0
    assert found.truth_from == {"given": 24}


def test_a_seeded_answer_frees_its_place_and_everybody_elses_count(workspace: Workspace) -> None:
    seeded_project(workspace, 12)
    seeded = sum(len(work(workspace, login, looks)) for login in ("ada", "bob", "eve", "kim", "liv", "max", "ned", "oda"))
    about = judgements(workspace, question="topic")
    planted = judgements(workspace, question="topic", purposes=("seeded",))
    assert len(about) == 24  # two true answers an item, whatever was planted on the way
    assert len(about) + len(planted) == seeded


def test_a_planted_suggestion_looks_like_any_other(workspace: Workspace) -> None:
    seeded_project(workspace, 12)
    shown = claim(workspace, PROJECT, person("ada"), 12)
    planted = [task for task in shown if task.suggestion == {"topic": "login"}]
    true = [task for task in shown if task.suggestion == {"topic": "bill"}]
    assert planted and true
    told = {name for task in shown for name in vars(task)}
    assert not told & {"arm", "purpose", "seed", "planted", "gold", "selected_by"}
    for name in ("why", "priority", "due_at", "harmful", "kind", "rubric_id"):
        assert {str(getattr(task, name)) for task in planted} <= {str(getattr(task, name)) for task in true}


def test_the_ledger_says_that_there_are_seeds_but_not_where(workspace: Workspace) -> None:
    seeding = seeded_project(workspace, 6)
    said = _entries(workspace)
    assert len(said) == 1 and said[0]["count"] == 6
    assert not any(each.task_id in str(said) for each in seeding.seeds)


def _entries(workspace: Workspace) -> list[dict[str, Any]]:
    with workspace.read() as conn:
        rows = conn.execute(select(ledger_entry.c.body).where(ledger_entry.c.workspace_id == workspace.id, ledger_entry.c.type == "review.seeded"))
        return [json.loads(row.body) for row in rows]


def test_planting_again_plants_nothing_twice_and_another_value_is_refused(workspace: Workspace) -> None:
    seeding = seeded_project(workspace, 4)
    assert plant(workspace, PROJECT, seeding) == 0
    assert seed_candidates(workspace, PROJECT, "topic") == []
    other = Seeding((PlannedSeed(seeding.seeds[0].task_id, "topic", "other", "given", True),), 1, 0.05, 1)
    with pytest.raises(Conflict, match="another seed"):
        plant(workspace, PROJECT, other)


def test_without_consent_or_off_the_open_work_nothing_is_planted(workspace: Workspace) -> None:
    project(workspace, consent="", arms=ALL_SEEDED)
    put(workspace, [ticket(1)])
    found = plan_seeds(seed_candidates(workspace, PROJECT, "topic"), rate=0.05, dealt=0.05, confusion={"bill": {"login": 3}})
    with pytest.raises(Refused, match="consent"):
        plant(workspace, PROJECT, found)
    change_project(workspace, PROJECT, number=1, settings=load_project(workspace, PROJECT).settings.model_copy(update={"consent": "yes"}))
    gold = add_gold(workspace, PROJECT, [Known(ticket(2), {"topic": "bill"})])
    with pytest.raises(Refused, match="purpose 'gold'"):
        plant(workspace, PROJECT, Seeding((PlannedSeed(gold.task_ids[0], "topic", "login", "given", False),), 1, 0.05, 1))
    with pytest.raises(NotFound):
        plant(workspace, "elsewhere", found)
    assert plant(workspace, PROJECT, found) == 1


def test_gold_is_no_candidate_and_makes_the_truth_known(workspace: Workspace) -> None:
    project(workspace, arms=ALL_SEEDED)
    put(workspace, [ticket(1)])
    add_gold(workspace, PROJECT, [Known(ticket(1), {"topic": "login"})])
    (only,) = seed_candidates(workspace, PROJECT, "topic")
    assert (only.suggestion, only.truth) == ("bill", "login")


def test_versions_of_the_settings_are_compared(workspace: Workspace) -> None:
    seeded_project(workspace, 12)
    work(workspace, "ada", follows, at_most=6)
    work(workspace, "bob", follows, at_most=6)
    settings = load_project(workspace, PROJECT).settings
    changed = settings.model_copy(update={"countermeasures": settings.countermeasures.model_copy(update={"evidence_first": True})})
    change_project(workspace, PROJECT, number=1, settings=changed)
    work(workspace, "ada", looks)
    work(workspace, "bob", looks)
    found = compare_settings(workspace, PROJECT, before=1, after=2, needed=FEW)
    assert "countermeasures.evidence_first False → True" in found.name
    assert found.difference.estimate == -1.0
    with pytest.raises(NotFound, match="no version 7"):
        compare_settings(workspace, PROJECT, before=1, after=7)


def test_an_empty_project_has_a_board_that_says_so(workspace: Workspace) -> None:
    project(workspace)
    found = board(workspace, PROJECT)
    assert found.team.n == 0 and not any(figure.measured for figure in found.team.figures)
    assert RUBRIC.name == "support" and "known truths: none" in str(found)


def test_which_tasks_carry_a_seed_cannot_be_drawn_by_who_knows_their_ids(workspace: Workspace) -> None:
    project(workspace, arms={"seeded": 1.0})
    put(workspace, [ticket(number) for number in range(400)])
    found = seed_candidates(workspace, PROJECT, "topic")
    planted = {each.task_id for each in plan_seeds(found, rate=0.05, confusion={"bill": {"login": 3}}).seeds}
    known = [replace(each, drawn_by="") for each in found]  # the ids are all that who is served them knows
    guessed = {each.task_id for each in plan_seeds(known, rate=0.05, confusion={"bill": {"login": 3}}).seeds}
    assert len(planted & guessed) <= len(planted) / 2
    assert planted == {each.task_id for each in plan_seeds(found, rate=0.05, confusion={"bill": {"login": 3}}).seeds}


def test_answers_to_questions_of_several_roles_are_all_in_the_figures(workspace: Workspace) -> None:
    yes_no = (Option("yes"), Option("no"))
    asked = [Question(name, "?", "choice", options=yes_no, required_role=role) for name, role in (("true", "expert"), ("kind", "editor"))]
    project(workspace, rubric=Rubric("two roles", tuple(asked), "Look twice."))
    proposed = [Suggestion(name, "yes", probability=0.9, model="m", model_version="1") for name in ("true", "kind")]
    put_tasks(workspace, PROJECT, [NewTask(ticket(number), proposed) for number in range(6)])
    done = work(workspace, "ann", lambda _, task: dict.fromkeys(task.questions, "yes"))
    assert len(done) == 12
    assert Counter((each.question, each.suggestion) for each in aided_answers(workspace, PROJECT)) == {("true", "yes"): 6, ("kind", "yes"): 6}
