"""Claims: order, leases, and never more people on a task than it asks for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pilotage.core import Conflict, InputError, ManualClock, Refused
from pilotage.judging import Item, Option, Question, Rater, Rubric, judgements, person
from pilotage.review import answer, claim, counts, put_task, release, skip, undo
from pilotage.review.tables import review_task
from pilotage.store import Workspace

ANN, BEN = person("ann"), person("ben")


def ids(claimed: list[Any]) -> list[str]:
    return [task.task_id for task in claimed]


def places_are_kept(workspace: Workspace) -> bool:
    with workspace.read() as conn:
        rows = conn.execute(select(review_task).where(review_task.c.workspace_id == workspace.id)).mappings().all()
    return all(row["claims"] + row["answers"] <= row["overlap"] and row["claims"] >= 0 for row in rows)


def test_the_highest_priority_comes_first_and_among_equals_the_oldest(tmp_path: Path, rubric: Rubric, item: Callable[..., Item]) -> None:
    clock = ManualClock()
    with Workspace.create(tmp_path, clock=clock) as workspace:
        put: dict[str, str] = {}
        for name, priority in (("old", 0), ("urgent", 5), ("later", -3), ("new", 0)):
            put[name] = workspace.write(
                lambda tx, name=name, priority=priority: put_task(tx, "pilot", item(name), rubric, ["sample"], priority=priority)
            )
            clock.advance(1)
        assert ids(claim(workspace, "pilot", ANN, n=10)) == [put[name] for name in ("urgent", "old", "new", "later")]


def test_a_claim_carries_all_that_is_needed_to_answer(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one", suggestion={"failure": "yes", "correction": "No."}, harmful=True, payload={"clause": "3.1"})
    (task,) = claim(workspace, "pilot", ANN)
    assert task.task_id == task_id
    assert task.payload["clause"] == "3.1"
    assert task.suggestion == {"failure": "yes", "correction": "No."}
    assert task.harmful and not task.revealed
    assert task.why == ("breach_candidate",)
    assert task.expires_at > workspace.clock.now_us()


def test_nobody_is_served_a_task_twice(workspace: Workspace, put: Callable[..., str]) -> None:
    for name in "abcd":
        put(name, overlap=2)
    held = ids(claim(workspace, "pilot", ANN, n=2))
    rest = ids(claim(workspace, "pilot", ANN, n=5))
    assert len(held) == 2 and len(rest) == 2 and not set(held) & set(rest)
    answer(workspace, held[0], ANN, {"failure": "no"}, idempotency_key="k1")
    skip(workspace, held[1], ANN)
    assert claim(workspace, "pilot", ANN) == []
    assert len(claim(workspace, "pilot", BEN, n=5)) == 4


def test_what_a_person_skipped_comes_back_only_when_they_ask(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    skip(workspace, task_id, ANN)
    assert claim(workspace, "pilot", ANN) == []
    assert ids(claim(workspace, "pilot", ANN, skipped_too=True)) == [task_id]
    assert counts(workspace, "pilot").open == 1


def test_a_skip_returns_the_task_to_others(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    assert claim(workspace, "pilot", BEN) == []
    skip(workspace, task_id, ANN)
    assert ids(claim(workspace, "pilot", BEN)) == [task_id]


def test_live_claims_count_against_the_overlap(workspace: Workspace, put: Callable[..., str]) -> None:
    put("one", overlap=2)
    assert len(claim(workspace, "pilot", ANN)) == 1
    assert len(claim(workspace, "pilot", BEN)) == 1
    assert claim(workspace, "pilot", person("cat")) == []


def test_nobody_is_served_their_own_work(workspace: Workspace, put: Callable[..., str]) -> None:
    put("in the payload", payload={"authors": ["ann"]})
    put("said by the caller", authors=["ann"])
    assert claim(workspace, "pilot", ANN) == []
    assert len(claim(workspace, "pilot", BEN)) == 2


def test_a_role_is_needed_where_the_rubric_says_so(workspace: Workspace, put: Callable[..., str]) -> None:
    question = Question(name="dose", prompt="Is the dose right?", kind="bool", required_role="physician")
    put("one", rubric=Rubric(name="medicine", questions=(question,)))
    assert claim(workspace, "pilot", ANN, roles={"reviewer"}) == []
    assert len(claim(workspace, "pilot", BEN, roles={"reviewer", "physician"})) == 1


def test_a_lapsed_claim_frees_its_place(tmp_path: Path, rubric: Rubric, item: Callable[..., Item]) -> None:
    clock = ManualClock()
    with Workspace.create(tmp_path, clock=clock) as workspace:
        task_id = workspace.write(lambda tx: put_task(tx, "pilot", item("one"), rubric, ["sample"]))
        claim(workspace, "pilot", ANN, lease_s=60)
        clock.advance(59)
        assert claim(workspace, "pilot", BEN) == []
        clock.advance(1)
        assert ids(claim(workspace, "pilot", BEN, lease_s=60)) == [task_id]
        clock.advance(60)
        assert ids(claim(workspace, "pilot", ANN)) == [task_id]


def test_a_page_that_was_loaded_again_gets_back_what_it_held(workspace: Workspace, put: Callable[..., str]) -> None:
    for number in range(5):
        put(str(number), priority=-number)
    held = ids(claim(workspace, "pilot", ANN, n=2, holder="tab"))
    again = ids(claim(workspace, "pilot", ANN, n=3, holder="tab"))
    assert again[:2] == held and len(again) == 3
    assert held[0] not in ids(claim(workspace, "pilot", ANN, n=3, holder="tab", having=[held[0]]))


def test_another_window_gets_other_tasks_unless_it_takes_over(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN, holder="closed window")
    assert claim(workspace, "pilot", ANN, holder="new window") == []
    assert claim(workspace, "pilot", BEN, holder="closed window", take_over=True) == []
    assert ids(claim(workspace, "pilot", ANN, holder="new window", take_over=True)) == [task_id]
    assert ids(claim(workspace, "pilot", ANN, holder="new window")) == [task_id]


def test_a_holder_renews_its_leases_by_asking_for_nothing(tmp_path: Path, rubric: Rubric, item: Callable[..., Item]) -> None:
    clock = ManualClock()
    with Workspace.create(tmp_path, clock=clock) as workspace:
        task_id = workspace.write(lambda tx: put_task(tx, "pilot", item("one"), rubric, ["sample"]))
        claim(workspace, "pilot", ANN, lease_s=60, holder="tab")
        clock.advance(50)
        assert claim(workspace, "pilot", ANN, n=0, lease_s=60, holder="tab", having=[task_id]) == []
        clock.advance(50)
        assert claim(workspace, "pilot", BEN) == []
        clock.advance(10)
        assert ids(claim(workspace, "pilot", BEN)) == [task_id]
        assert claim(workspace, "pilot", ANN, holder="tab") == []


def test_what_is_given_back_is_free_at_once(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    claim(workspace, "pilot", ANN)
    assert release(workspace, [task_id, task_id], ANN) == 1
    assert release(workspace, [task_id], ANN) == 0
    assert ids(claim(workspace, "pilot", ANN)) == [task_id]


@pytest.mark.parametrize("n", [-1, 51])
def test_an_odd_number_of_tasks_is_refused(workspace: Workspace, n: int) -> None:
    with pytest.raises(InputError, match="cannot be claimed at once"):
        claim(workspace, "pilot", ANN, n=n)


def test_a_machine_cannot_claim(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="Only people review"):
        claim(workspace, "pilot", Rater(kind="model", name="judge", version="1"))


def test_thirty_two_people_racing_while_claims_lapse_lose_nothing_and_never_crowd_a_task(
    tmp_path: Path, rubric: Rubric, item: Callable[..., Item]
) -> None:
    clock = ManualClock()
    people = [person(f"p{number}") for number in range(32)]
    accepted: set[tuple[str, str]] = set()
    refused: set[tuple[str, str]] = set()
    failures: list[BaseException] = []
    with Workspace.create(tmp_path, clock=clock) as workspace:

        def fill(tx: Any) -> list[str]:
            return [put_task(tx, "pilot", item(f"item {n}"), rubric, ["sample"], overlap=1 + n % 3) for n in range(40)]

        task_ids = workspace.write(fill)

        def work(rater: Rater) -> None:
            try:
                for turn in range(8):
                    claimed = claim(workspace, "pilot", rater, n=2, lease_s=10)
                    if turn % 3 == 2:
                        clock.advance(6)  # everybody's leases run down while they race
                    for place, task in enumerate(claimed):
                        if place and turn % 2:
                            continue  # walked away from
                        for _ in range(2):  # every answer is sent twice
                            try:
                                answer(workspace, task.task_id, rater, {"failure": "no"}, idempotency_key=task.task_id)
                                accepted.add((task.task_id, rater.name))
                            except Conflict:
                                refused.add((task.task_id, rater.name))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=(rater,)) for rater in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failures == []
        assert not accepted & refused
        assert places_are_kept(workspace)
        clock.advance(1000)
        for last in map(person, ("x", "y", "z")):  # whatever was walked away from can be finished: nothing is stuck
            while claimed := claim(workspace, "pilot", last, n=20):
                for task in claimed:
                    answer(workspace, task.task_id, last, {"failure": "no"}, idempotency_key=task.task_id)
                    accepted.add((task.task_id, last.name))
        made = judgements(workspace, question="failure", current_only=False)
        per_item = Counter(judgement.item_id for judgement in made)
        with workspace.read() as conn:
            rows = conn.execute(select(review_task).where(review_task.c.workspace_id == workspace.id)).mappings().all()
        assert {row["id"] for row in rows} == set(task_ids)
        assert len(made) == len(accepted)
        assert all(row["state"] == "done" and per_item[row["item_id"]] == row["answers"] == row["overlap"] for row in rows)
        assert counts(workspace, "pilot").done == 40


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.integers(0, 2), st.sampled_from(["claim", "answer", "skip", "undo", "release", "wait"]), st.integers(0, 2)), max_size=25
    )
)
def test_whatever_people_do_places_are_kept_and_counters_are_true(
    tmp_path_factory: pytest.TempPathFactory, rubric: Rubric, item: Callable[..., Item], steps: list[tuple[int, str, int]]
) -> None:
    clock = ManualClock()
    people = [person(name) for name in ("ann", "ben", "cat")]
    with Workspace.create(tmp_path_factory.mktemp("w"), clock=clock) as workspace:
        tasks = workspace.write(lambda tx: [put_task(tx, "pilot", item(str(n)), rubric, ["sample"], overlap=1 + n % 2) for n in range(3)])
        for number, (who, what, which) in enumerate(steps):
            clock.advance(0.01)
            rater, task_id = people[who], tasks[which]
            try:
                if what == "claim":
                    claim(workspace, "pilot", rater, n=1 + which, lease_s=30)
                elif what == "answer":
                    answer(workspace, task_id, rater, {"failure": "no"}, idempotency_key=f"k{number}")
                elif what == "skip":
                    skip(workspace, task_id, rater)
                elif what == "undo":
                    undo(workspace, task_id, rater)
                elif what == "release":
                    release(workspace, [task_id], rater)
                else:
                    clock.advance(31)
            except (Conflict, Refused):
                pass
            assert places_are_kept(workspace)
        with workspace.read() as conn:
            rows = conn.execute(select(review_task).where(review_task.c.workspace_id == workspace.id)).mappings().all()
        states = Counter(row["state"] for row in rows)
        seen = counts(workspace, "pilot")
        assert (seen.open, seen.done, seen.answers) == (states["open"], states["done"], sum(row["answers"] for row in rows))
        current = Counter(j.item_id for j in judgements(workspace, question="failure") if not j.abstained)
        assert all(current[row["item_id"]] == row["answers"] for row in rows)


def test_a_choice_without_a_role_is_open_to_all_roles(workspace: Workspace, put: Callable[..., str]) -> None:
    question = Question(name="ok", prompt="Is it well?", kind="choice", options=(Option("a"), Option("b")))
    put("one", rubric=Rubric(name="plain", questions=(question,)))
    assert len(claim(workspace, "pilot", ANN, roles=set())) == 1
