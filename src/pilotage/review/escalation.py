"""Escalation: a person who cannot decide hands an item on, and an item that is overdue is raised."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, select, update

from pilotage.core import Conflict, InputError, PilotageError, digest, new_id
from pilotage.judging import Rater, ensure_rater
from pilotage.ledger import record
from pilotage.review.deciding import again, check_key, decide, not_claimed, raise_or_return
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.projects.project import find_terms
from pilotage.review.projects.settings import Sla
from pilotage.review.rows import A, T, check_person, count, freed, load_assignment, load_decision, load_task, move, set_assignment
from pilotage.review.tables import MAX_PRIORITY, position_of, review_task
from pilotage.review.task import Answered
from pilotage.review.webhooks.outbox import emit
from pilotage.store import Workspace, WriteTransaction

CHUNK = 500
MAX_REASON = 10_000


@dataclass(frozen=True)
class Overdue:
    """How many overdue tasks were raised in priority, and how many of them handed to another role, by project."""

    project: str
    raised: int
    handed_over: int


def escalate(workspace: Workspace, task_id: str, rater: Rater, reason: str, *, idempotency_key: str | None = None) -> Answered:
    """Hand a claimed task on: the person is not served it again, it rises in the queue and, where the project says so, waits for another role.

    Raises
    ------
    InputError
        If there is no reason.
    Conflict
        If the person answered or skipped the task already.
    Refused
        If they never claimed it.
    """
    check_person(rater)
    if not reason.strip() or len(reason) > MAX_REASON:
        mend = f"say in at most {MAX_REASON:,} characters what makes it hard"
        raise InputError("Handing an item on needs a reason.", where=task_id, why="who takes it over starts from it", mend=mend)
    key = idempotency_key or new_id("key", clock=workspace.clock)
    check_key(key)
    request = digest({"escalate": task_id})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise not_claimed(task_id)
        if assignment["state"] in ("answered", "skipped"):
            raise Conflict(f"You {assignment['state']} this item; it cannot be handed on.", where=task_id, mend="undo that first")
        gone = freed(tx, task, assignment)
        set_assignment(tx, task_id, rater_id, state="skipped")
        move(tx, task, claims=gone)
        terms = find_terms(tx.conn, tx.workspace_id, task["queue"])
        sla = terms.settings.sla if terms is not None else None
        _raise(tx, load_task(tx.conn, tx.workspace_id, task_id), sla or Sla())
        made = decide(tx, rater, "escalated", task, key=key, request=request, personal={"reason": reason})
        emit(tx, "task.escalated", subject=task_id, project=task["queue"], data={"item": task["item_id"]})
        return Answered(made, task_id, {})

    return raise_or_return(workspace.write(job))


def escalate_overdue(workspace: Workspace, project: str | None = None) -> list[Overdue]:
    """Raise every open task that is past its due date, once each, as its project's ``sla`` says; queues without one are left alone.

    A task somebody holds is raised, but handed to another role only when it is free: who works on it may finish. Run it as often as you like.

    Cost: an index range over what is overdue; a transaction and a ledger entry per 500 tasks.
    """
    done: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    seen: set[str] = set()

    def job(tx: WriteTransaction) -> tuple[dict[str, tuple[int, int]], set[str]] | None:
        wanted = [
            T[name] for name in ("id", "queue", "role", "asks", "priority", "created_at", "claims", "state", "due_at", "escalated_at", "purpose")
        ]
        where = [T.workspace_id == tx.workspace_id, T.state == "open", T.due_at <= tx.clock.now_us(), T.escalated_at.is_(None)]
        where.append(T.purpose.not_in(TEST_PURPOSES))  # a known item that rises, or waits for another role, is known for one
        if project is not None:
            where.append(T.queue == project)
        if seen:
            where.append(T.queue.not_in(sorted(seen)))
        rows = tx.conn.execute(select(*wanted).where(*where).order_by(T.due_at).limit(CHUNK)).mappings().all()
        if not rows:
            return None
        by_queue: dict[str, list[RowMapping]] = defaultdict(list)
        chunk: dict[str, tuple[int, int]] = {}
        alone: set[str] = set()
        for row in rows:
            by_queue[row["queue"]].append(row)
        for queue, late in sorted(by_queue.items()):
            terms = find_terms(tx.conn, tx.workspace_id, queue)
            if terms is None or terms.settings.sla is None or terms.state != "active":
                alone.add(queue)
                continue
            handed = [row["id"] for row in late if _raise(tx, row, terms.settings.sla)]
            chunk[queue] = (len(late), len(handed))
            body: dict[str, Any] = {"overdue": [row["id"] for row in late], "handed_over": handed, "to": terms.settings.sla.escalate_to}
            record(tx, type="review.overdue", subject=queue, body=body)
        return chunk, alone

    # A job may run twice, so it answers with what it did and counts nothing itself.
    while (found := workspace.write(job)) is not None:
        seen |= found[1]
        for queue, (raised, handed_over) in found[0].items():
            done[queue][0] += raised
            done[queue][1] += handed_over
    return [Overdue(queue, raised, handed) for queue, (raised, handed) in sorted(done.items())]


def _raise(tx: WriteTransaction, task: RowMapping, sla: Sla) -> bool:
    """Raise the task in the queue and, if nobody holds it, hand it over; True if it was handed over."""
    priority = min(MAX_PRIORITY, task["priority"] + sla.raise_priority)
    values: dict[str, Any] = {
        "priority": priority,
        "position": position_of(priority, task["created_at"], task["id"]),
        "escalated_at": tx.clock.now_us(),
    }
    over = sla.escalate_to is not None and sla.escalate_to != task["role"] and task["claims"] == 0 and not _in_hand(tx, task["id"])
    if over:
        values["role"] = sla.escalate_to
        if task["purpose"] not in TEST_PURPOSES:
            count(tx, task["queue"], task["role"], **{task["state"]: -1})
            count(tx, task["queue"], str(sla.escalate_to), **{task["state"]: 1})
    tx.conn.execute(update(review_task).where(T.workspace_id == tx.workspace_id, T.id == task["id"]).values(**values))
    return over


def _in_hand(tx: WriteTransaction, task_id: str) -> bool:
    """Whether somebody holds it, with a place or, for a planted suggestion, without one."""
    held = select(A.task_id).where(A.workspace_id == tx.workspace_id, A.task_id == task_id, A.state == "claimed").limit(1)
    return tx.conn.execute(held).first() is not None
