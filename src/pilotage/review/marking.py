"""Marking a task: as one somebody should look into, and as one whose blurred content was uncovered."""

from __future__ import annotations

from pilotage.core import PilotageError, digest, new_id
from pilotage.judging import Rater, ensure_rater
from pilotage.ledger import record
from pilotage.review.deciding import again, check_key, decide, not_claimed, raise_or_return
from pilotage.review.rows import check_person, load_assignment, load_decision, load_task, move, set_assignment
from pilotage.review.task import Answered
from pilotage.store import Workspace, WriteTransaction


def flag(
    workspace: Workspace,
    task_id: str,
    rater: Rater,
    *,
    flagged: bool = True,
    reason: str | None = None,
    idempotency_key: str | None = None,
) -> Answered:
    """Mark a task as one somebody should look into (``flagged=False`` lifts it). It stays to be answered or skipped.

    Raises ``Refused`` if the person never claimed it.
    """
    check_person(rater)
    key = idempotency_key or new_id("key", clock=workspace.clock)
    check_key(key)
    request = digest({"flag": task_id, "flagged": flagged})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise not_claimed(task_id)
        if bool(assignment["flagged"]) == flagged:
            return Answered("", task_id, {}, repeated=True)
        set_assignment(tx, task_id, rater_id, flagged=int(flagged))
        move(tx, task, flags=1 if flagged else -1)
        personal = {"reason": reason} if reason else None
        made = decide(tx, rater, "flagged" if flagged else "unflagged", task, key=key, request=request, personal=personal)
        return Answered(made, task_id, {})

    return raise_or_return(workspace.write(job))


def reveal(workspace: Workspace, task_id: str, rater: Rater) -> bool:
    """Record that a person uncovered blurred content; True the first time. Raises ``Refused`` if they never claimed the task."""
    check_person(rater)

    def job(tx: WriteTransaction) -> bool:
        rater_id = ensure_rater(tx, rater)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise not_claimed(task_id)
        if assignment["revealed"]:
            return False
        set_assignment(tx, task_id, rater_id, revealed=1)
        record(tx, type="review.revealed", subject=task_id, body={"queue": task["queue"], "item": task["item_id"]}, actor=rater.name)
        return True

    return workspace.write(job)
