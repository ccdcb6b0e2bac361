"""Handing on, overdue items, who did how much, and the trail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from pilotage.core import Conflict, InputError, ManualClock, Refused
from pilotage.judging import Item, Rubric, person
from pilotage.ledger import entries
from pilotage.review import (
    NewTask,
    answer,
    claim,
    counts,
    escalate,
    escalate_overdue,
    events,
    export_judgements,
    put_tasks,
    skip,
    waiting,
    workload,
)
from pilotage.review.projects import Gold, ProjectSettings, Sla, create_project
from pilotage.review.tables import review_task
from pilotage.store import Workspace

ANN, BEN = person("ann"), person("ben")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def timed(tmp_path: Path, clock: ManualClock, rubric: Rubric) -> Iterator[Workspace]:
    """A workspace whose time the test moves, with a project whose items are due in an hour and then go to the owner."""
    with Workspace.create(tmp_path / "timed", clock=clock) as workspace:
        settings = ProjectSettings(name="p", sla=Sla(due="1h", escalate_to="owner", raise_priority=5), gold=Gold(share=0))
        create_project(workspace, settings, rubric=rubric, guideline="Be fair.")
        put_tasks(workspace, "p", (NewTask(Item("output", str(n), {})) for n in range(3)))
        yield workspace


def test_a_person_hands_an_item_on_with_a_reason(timed: Workspace) -> None:
    (task,) = claim(timed, "p", ANN, n=1, roles={"reviewer"})
    with pytest.raises(InputError, match="needs a reason"):
        escalate(timed, task.task_id, ANN, " ")
    made = escalate(timed, task.task_id, ANN, "a lawyer must see this", idempotency_key="k")
    assert escalate(timed, task.task_id, ANN, "a lawyer must see this", idempotency_key="k").repeated
    assert made.decision_id
    assert task.task_id not in {each.task_id for each in claim(timed, "p", BEN, n=9, roles={"reviewer"})}
    (first, *_) = claim(timed, "p", person("olga"), n=9, roles={"owner"})
    assert first.task_id == task.task_id  # it rose
    (entry,) = entries(timed, type="review.escalated")
    assert entry.actor == "ann" and "lawyer" not in str(entry.body)
    answer(timed, first.task_id, person("olga"), {"failure": "no"}, idempotency_key="o", roles={"owner"})


def test_only_who_holds_an_item_hands_it_on(timed: Workspace) -> None:
    (task,) = claim(timed, "p", ANN, n=1)
    with pytest.raises(Refused, match="not claimed"):
        escalate(timed, task.task_id, BEN, "why not")
    skip(timed, task.task_id, ANN)
    with pytest.raises(Conflict, match="You skipped"):
        escalate(timed, task.task_id, ANN, "why not")


def test_what_is_overdue_is_raised_once_and_handed_over_when_it_is_free(timed: Workspace, clock: ManualClock) -> None:
    assert escalate_overdue(timed) == []
    clock.advance(3_500)
    (held,) = claim(timed, "p", ANN, n=1)
    clock.advance(200)
    (done,) = escalate_overdue(timed)
    assert (done.project, done.raised, done.handed_over) == ("p", 3, 2)
    assert escalate_overdue(timed) == []
    with timed.read() as conn:
        rows = {row.id: row for row in conn.execute(select(review_task))}
    assert {row.priority for row in rows.values()} == {5}
    assert [row.role for row in rows.values() if row.id == held.task_id] == [""]
    answer(timed, held.task_id, ANN, {"failure": "no"}, idempotency_key="1", roles={"reviewer"})
    assert {(each.role, each.open) for each in waiting(timed, "p")} == {("owner", 2)}
    assert counts(timed, "p").open == 2
    assert len(entries(timed, type="review.overdue")) == 1


def test_a_queue_without_an_sla_is_left_alone(timed: Workspace, clock: ManualClock, rubric: Rubric) -> None:
    put_tasks(timed, "bare", [NewTask(Item("output", "x", {}), due_at=clock.now_us())], rubric=rubric)
    clock.advance(10)
    assert escalate_overdue(timed) == []


def test_work_is_counted_whatever_became_of_it(timed: Workspace, clock: ManualClock) -> None:
    one, two, three = claim(timed, "p", ANN, n=3, lease_s=60)
    answer(timed, one.task_id, ANN, {"failure": "no"}, idempotency_key="1", active_ms=1_500)
    skip(timed, two.task_id, ANN)
    clock.advance(61)
    claim(timed, "p", BEN, n=2)
    with pytest.raises(Conflict):
        answer(timed, three.task_id, ANN, {"failure": "no"}, idempotency_key="3", active_ms=900)
    ann, ben = workload(timed, "p")
    assert (ann.login, ann.answered, ann.skipped, ann.refused, ann.active_ms, ann.timed) == ("ann", 1, 1, 1, 1_500, 1)
    assert (ben.login, ben.answered, ben.held) == ("ben", 0, 2)
    assert workload(timed, "p", since_us=clock.now_us() + 1) == [type(ben)("ben", held=2)]


def test_the_trail_tells_serving_answering_and_taking_out_in_order(timed: Workspace) -> None:
    (task,) = claim(timed, "p", ANN, n=1)
    answer(timed, task.task_id, ANN, {"failure": "no"}, idempotency_key="1")
    list(export_judgements(timed, "p", actor="olga"))
    trail = events(timed, limit=50)
    assert [event.what for event in trail][-3:] == ["review.served", "judgement.made", "review.exported"]
    assert [event.what for event in events(timed, who="ann")] == ["review.served", "judgement.made"]
    assert [event.who for event in events(timed, types=["review.exported"])] == ["olga"]
    assert [event.what for event in events(timed, subjects=[task.item_id])] == ["judgement.made"]
    assert events(timed, after=trail[-1].seq) == []
