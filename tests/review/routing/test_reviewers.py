"""What reviewers let pass, counted from gold and planted errors of the project itself."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from routed import RUBRIC

from pilotage.core import InputError, NotFound
from pilotage.judging import Item, person
from pilotage.review import NewTask, Suggestion, answer, claim, put_tasks
from pilotage.review.bias import PlannedSeed, Seeding, plant, seed_candidates
from pilotage.review.measuring.gold import add_gold
from pilotage.review.measuring.known import Known
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.routing import Misses, count_misses
from pilotage.store import Workspace


def reply(number: int) -> Item:
    return Item(kind="output", source_id=f"o{number}", payload={"question": f"q{number}", "reply": "yes"}, slices={})


def begin(workspace: Workspace, **settings: Any) -> None:
    declared = {"name": "refunds", "consent": "Some suggestions are planted errors.", **settings}
    create_project(workspace, ProjectSettings.model_validate(declared), rubric=RUBRIC, salt="fixed")


def work(workspace: Workspace, login: str, says: Any) -> int:
    done = 0
    while claimed := claim(workspace, "refunds", person(login), 20):
        for task in claimed:
            answer(workspace, task.task_id, person(login), {"correct": says(task)}, idempotency_key=f"{login}-{task.task_id}")
            done += 1
    return done


def test_gold_that_is_wrong_counts_and_who_calls_it_right_missed_it(workspace: Workspace) -> None:
    begin(workspace, gold={"share": 1.0})
    add_gold(workspace, "refunds", [Known(reply(number), {"correct": "no" if number < 40 else "yes"}) for number in range(60)])
    put_tasks(workspace, "refunds", [NewTask(reply(100))])  # gold is dealt among work
    assert work(workspace, "rita", lambda task: "yes" if int(task.payload["question"][1:]) < 10 else "no") >= 60
    found = count_misses(workspace, "refunds", "correct", wrong=["no"])
    assert (found.gold, found.gold_missed, found.seeds) == (40, 10, 0)
    figure = found.figure()
    assert figure.measured and figure.estimate == 0.25 and figure.n == 40 and figure.lower < 0.25 < figure.upper
    costs = found.for_costs()
    assert (costs.missed, costs.of) == (10, 40)
    # A doubt is no acquittal where the policy says so.
    assert count_misses(workspace, "refunds", "correct", wrong=["no", "unclear"]).gold_missed == 10


def test_a_planted_all_clear_that_is_followed_was_missed_and_a_planted_alarm_tells_nothing(workspace: Workspace) -> None:
    begin(workspace, arms={"seeded": 1.0})
    put_tasks(
        workspace,
        "refunds",
        [NewTask(reply(n), suggestions=[Suggestion("correct", "no" if n < 4 else "yes", model="m", model_version="1")]) for n in range(8)],
    )
    tasks = seed_candidates(workspace, "refunds", "correct")
    seeds = tuple(PlannedSeed(each.task_id, "correct", "yes" if each.suggestion == "no" else "no", "given", True) for each in tasks)
    plant(workspace, "refunds", Seeding(seeds, 8, 0.05, 1.0))
    work(workspace, "rita", lambda task: task.suggestion["correct"])
    work(workspace, "rolf", lambda task: "no")
    found = count_misses(workspace, "refunds", "correct", wrong=["no"])
    assert (found.seeds, found.seeds_missed, found.gold) == (8, 4, 0)
    assert not found.figure().measured and "8" in found.figure().reason
    assert "4 of 8" in str(found) and "rita" not in str(found.to_dict())


def test_work_and_audits_never_count(workspace: Workspace) -> None:
    begin(workspace)
    put_tasks(workspace, "refunds", [NewTask(reply(n)) for n in range(3)] + [NewTask(reply(9), purpose="audit")])
    work(workspace, "rita", lambda _: "no")
    found = count_misses(workspace, "refunds", "correct", wrong=["no"])
    assert found == Misses("refunds", "correct")
    with pytest.raises(InputError, match="no reviewer error"):
        found.for_costs()


def test_what_cannot_be_counted_is_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        count_misses(workspace, "nothing", "correct", wrong=["no"])
    begin(workspace)
    with pytest.raises((InputError, NotFound)):
        count_misses(workspace, "refunds", "other", wrong=["no"])
    with pytest.raises(InputError):
        count_misses(workspace, "refunds", "correct", wrong=["maybe"])


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_the_parts_add_up(a: int, b: int, c: int, d: int) -> None:
    found = Misses("p", "q", gold=a + b, gold_missed=a, seeds=c + d, seeds_missed=c)
    assert (found.n, found.missed) == (a + b + c + d, a + c)
    assert found.figure().measured == (found.n >= 30)
