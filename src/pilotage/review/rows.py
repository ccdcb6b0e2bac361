"""Reading and moving the rows of the queue. Everything that changes a task's places or state goes through :func:`move`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, func, select, update

from pilotage.core import InputError, NotFound, Refused
from pilotage.judging import ABOUT_ITEMS, Rater
from pilotage.review.arms import SEEDED
from pilotage.review.tables import review_assignment, review_counter, review_decision, review_task
from pilotage.review.webhooks.outbox import tell_done
from pilotage.store import Ready, Row, RowLike, WriteTransaction

A = review_assignment.c
D = review_decision.c
T = review_task.c
_NUMBERS = ("claims", "answers", "flags", "overlap")

_OF: BindParameter[str] = bindparam("workspace")
_TASK = Ready(select(review_task).where(T.workspace_id == _OF, T.id == bindparam("task")))
_ASSIGNMENT = Ready(select(review_assignment).where(A.workspace_id == _OF, A.task_id == bindparam("task"), A.rater_id == bindparam("by")))
_DECISION = Ready(select(review_decision).where(D.workspace_id == _OF, D.rater_id == bindparam("by"), D.key == bindparam("key")))


def check_person(rater: Rater) -> None:
    """Raise ``InputError`` unless ``rater`` is a person: the queue is for people, and a machine never counts as one."""
    if rater.kind != "person":
        raise InputError(
            f"Only people review; '{rater.name}' is a {rater.kind}.",
            why="a machine's judgement must never be counted as a person's",
            mend="let the machine judge as a rater of its own kind",
        )


def load_task(conn: Connection, workspace_id: str, task_id: str) -> Row:
    """The task's row. Raises ``NotFound`` if there is none."""
    row = _TASK.first(conn, {"workspace": workspace_id, "task": task_id})
    if row is None:
        raise NotFound("There is no such review task.", where=task_id, mend="claim one from the queue")
    return row


def check_role(task: RowLike, roles: Collection[str] | None) -> None:
    """Raise ``Refused`` unless ``roles`` hold the one the task needs: a role may have been taken away since the task was claimed."""
    if roles is not None and task["role"] and task["role"] not in roles:
        raise Refused(
            f"This item needs the role '{task['role']}', which you do not hold.",
            where=task["id"],
            why="the role may have been taken away since you claimed it",
            mend="leave it to somebody who holds it, or ask an admin",
        )


def load_assignment(conn: Connection, workspace_id: str, task_id: str, rater_id: str) -> Row | None:
    """What this person has to do with this task, or None."""
    return _ASSIGNMENT.first(conn, {"workspace": workspace_id, "task": task_id, "by": rater_id})


def load_decision(conn: Connection, workspace_id: str, rater_id: str, key: str) -> Row | None:
    """The decision this person made under the idempotency key ``key``, or None."""
    return _DECISION.first(conn, {"workspace": workspace_id, "by": rater_id, "key": key})


def set_assignment(tx: WriteTransaction, task_id: str, rater_id: str, **values: Any) -> None:
    """Change the assignment's columns."""
    of = {"of_workspace": tx.workspace_id, "of_task": task_id, "of_rater": rater_id}
    _setting(tuple(values)).run(tx.conn, {**of, **{f"new_{name}": value for name, value in values.items()}})


@lru_cache
def _setting(columns: tuple[str, ...]) -> Ready:
    of = (A.workspace_id == bindparam("of_workspace"), A.task_id == bindparam("of_task"), A.rater_id == bindparam("of_rater"))
    return Ready(update(review_assignment).where(*of).values({name: bindparam(f"new_{name}") for name in columns}))


def move(
    tx: WriteTransaction,
    task: RowLike,
    *,
    claims: int = 0,
    answers: int = 0,
    flags: int = 0,
    overlap: int = 0,
    state: str | None = None,
) -> str:
    """Add to the task's numbers, settle its state (``state`` forces one) and keep the queue's counters true. Returns the new state.

    The counters are of work: what is put to measure people (gold, exams) is no progress.
    """
    enough = task["answers"] + answers >= task["overlap"] + overlap
    settled = state or ("withdrawn" if task["state"] == "withdrawn" else "done" if enough else "open")
    added = {name: change for name, change in zip(_NUMBERS, (claims, answers, flags, overlap), strict=True) if change}
    _moving(tuple(added)).run(tx.conn, {"of_workspace": tx.workspace_id, "of_task": task["id"], "settled": settled, **_plus(added)})
    changes = {"flags": flags}
    if task["purpose"] in ABOUT_ITEMS:
        changes["answers"] = answers
        if settled != task["state"]:
            changes[task["state"]] = -1
            changes[settled] = 1
    count(tx, task["queue"], task["role"], **changes)
    if settled == "done" and task["state"] == "open" and task["purpose"] in ABOUT_ITEMS:
        tell_done(tx, task_id=task["id"], project=task["queue"], item_id=task["item_id"], left=lambda: _open(tx, task["queue"]))
    return settled


@lru_cache
def _moving(changed: tuple[str, ...]) -> Ready:
    of = (T.workspace_id == bindparam("of_workspace"), T.id == bindparam("of_task"))
    return Ready(
        update(review_task).where(*of).values({"state": bindparam("settled"), **{name: T[name] + bindparam(f"plus_{name}") for name in changed}})
    )


def _plus(changes: Mapping[str, int]) -> dict[str, int]:
    return {f"plus_{name}": change for name, change in changes.items()}


def freed(tx: WriteTransaction, task: RowLike, assignment: RowLike) -> int:
    """What letting go of this assignment changes the task's ``claims`` by: -1 where it holds a place.

    A planted suggestion is about the person and never holds one. Claims from before that was so did; for these the places are counted anew.
    """
    if assignment["state"] != "claimed":
        return 0
    if assignment["arm"] != SEEDED:
        return -1
    held = (A.workspace_id == tx.workspace_id, A.task_id == task["id"], A.state == "claimed", func.coalesce(A.arm, "") != SEEDED)
    places = int(tx.conn.execute(select(func.count()).select_from(review_assignment).where(*held)).scalar_one())
    return min(0, places - int(task["claims"]))


def lost_place(tx: WriteTransaction, task: RowLike, assignment: RowLike, *, since: int) -> bool:
    """Whether others took the place of somebody who let the task go at ``since`` (µs, UTC).

    A planted suggestion has no place to lose. It is lost all the same once others were served a full task after it was let go, as the place of work
    would be: what is refused for work and never for planted suggestions, or the other way about, would tell them apart.
    """
    if task["claims"] + task["answers"] < task["overlap"]:
        return False
    if assignment["arm"] != SEEDED:
        return True
    others = (A.workspace_id == tx.workspace_id, A.task_id == task["id"], A.rater_id != assignment["rater_id"], A.served_at > since)
    return tx.conn.execute(select(A.task_id).where(*others).limit(1)).first() is not None


def _open(tx: WriteTransaction, queue: str) -> int:
    c = review_counter.c
    return int(tx.conn.execute(select(func.sum(c.open)).where(c.workspace_id == tx.workspace_id, c.queue == queue)).scalar() or 0)


def count(tx: WriteTransaction, queue: str, role: str, **changes: int) -> None:
    """Add ``changes`` to the counters of ``queue`` and ``role``."""
    changes = {name: change for name, change in changes.items() if change}
    if not changes:
        return
    of = {"of_workspace": tx.workspace_id, "of_queue": queue, "of_role": role}
    if not _counting(tuple(changes)).run(tx.conn, {**of, **_plus(changes)}):
        tx.insert(review_counter, {"queue": queue, "role": role, **changes})


@lru_cache
def _counting(changed: tuple[str, ...]) -> Ready:
    c = review_counter.c
    of = (c.workspace_id == bindparam("of_workspace"), c.queue == bindparam("of_queue"), c.role == bindparam("of_role"))
    return Ready(update(review_counter).where(*of).values({name: c[name] + bindparam(f"plus_{name}") for name in changed}))
