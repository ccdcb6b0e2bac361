"""Reading and moving the rows of the queue. Everything that changes a task's places or state goes through :func:`move`."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import BindParameter, Connection, RowMapping, bindparam, func, select, update

from pilotage.core import InputError, NotFound, Refused
from pilotage.judging import ABOUT_ITEMS, Rater
from pilotage.review.arms import SEEDED
from pilotage.review.tables import review_assignment, review_counter, review_decision, review_task
from pilotage.review.webhooks.outbox import tell_done
from pilotage.store import WriteTransaction

A = review_assignment.c
D = review_decision.c
T = review_task.c

# Made once: building a statement costs as much as running it, and these run with every answer.
_OF: BindParameter[str] = bindparam("workspace")
_TASK = select(review_task).where(T.workspace_id == _OF, T.id == bindparam("task"))
_ASSIGNMENT = select(review_assignment).where(A.workspace_id == _OF, A.task_id == bindparam("task"), A.rater_id == bindparam("by"))
_DECISION = select(review_decision).where(D.workspace_id == _OF, D.rater_id == bindparam("by"), D.key == bindparam("key"))


def check_person(rater: Rater) -> None:
    """Raise ``InputError`` unless ``rater`` is a person: the queue is for people, and a machine never counts as one."""
    if rater.kind != "person":
        raise InputError(
            f"Only people review; '{rater.name}' is a {rater.kind}.",
            why="a machine's judgement must never be counted as a person's",
            mend="let the machine judge as a rater of its own kind",
        )


def load_task(conn: Connection, workspace_id: str, task_id: str) -> RowMapping:
    """The task's row. Raises ``NotFound`` if there is none."""
    row = conn.execute(_TASK, {"workspace": workspace_id, "task": task_id}).mappings().first()
    if row is None:
        raise NotFound("There is no such review task.", where=task_id, mend="claim one from the queue")
    return row


def check_role(task: RowMapping, roles: Collection[str] | None) -> None:
    """Raise ``Refused`` unless ``roles`` hold the one the task needs: a role may have been taken away since the task was claimed."""
    if roles is not None and task["role"] and task["role"] not in roles:
        raise Refused(
            f"This item needs the role '{task['role']}', which you do not hold.",
            where=task["id"],
            why="the role may have been taken away since you claimed it",
            mend="leave it to somebody who holds it, or ask an admin",
        )


def load_assignment(conn: Connection, workspace_id: str, task_id: str, rater_id: str) -> RowMapping | None:
    """What this person has to do with this task, or None."""
    return conn.execute(_ASSIGNMENT, {"workspace": workspace_id, "task": task_id, "by": rater_id}).mappings().first()


def load_decision(conn: Connection, workspace_id: str, rater_id: str, key: str) -> RowMapping | None:
    """The decision this person made under the idempotency key ``key``, or None."""
    return conn.execute(_DECISION, {"workspace": workspace_id, "by": rater_id, "key": key}).mappings().first()


def set_assignment(tx: WriteTransaction, task_id: str, rater_id: str, **values: Any) -> None:
    """Change the assignment's columns."""
    where = (A.workspace_id == tx.workspace_id, A.task_id == task_id, A.rater_id == rater_id)
    tx.conn.execute(update(review_assignment).where(*where).values(**values))


def move(
    tx: WriteTransaction,
    task: RowMapping,
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
    added = {"claims": claims, "answers": answers, "flags": flags, "overlap": overlap}
    tx.conn.execute(
        update(review_task)
        .where(T.workspace_id == tx.workspace_id, T.id == task["id"])
        .values(state=settled, **{name: T[name] + change for name, change in added.items() if change})
    )
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


def freed(tx: WriteTransaction, task: RowMapping, assignment: Any) -> int:
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


def lost_place(tx: WriteTransaction, task: RowMapping, assignment: RowMapping, *, since: int) -> bool:
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
    c = review_counter.c
    done = tx.conn.execute(
        update(review_counter)
        .where(c.workspace_id == tx.workspace_id, c.queue == queue, c.role == role)
        .values(**{name: c[name] + change for name, change in changes.items()})
    )
    if done.rowcount == 0:
        tx.insert(review_counter, {"queue": queue, "role": role, **changes})
