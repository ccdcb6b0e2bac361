"""A decision of a person: kept once under its key, told to the ledger, and the reasons why one cannot stand."""

from __future__ import annotations

from typing import Any, TypeVar

from pilotage.core import Conflict, InputError, PilotageError, Refused, new_id
from pilotage.judging import Rater
from pilotage.ledger import record
from pilotage.review.tables import review_decision
from pilotage.review.task import Answered
from pilotage.store import RowLike, WriteTransaction

MAX_ACTIVE_MS = 24 * 3600 * 1000
MAX_KEY = 200
T = TypeVar("T")

# An answer is not here: each of its judgements has an entry of its own.
_LEDGER_TYPE = {
    "committed": "review.committed",
    "escalated": "review.escalated",
    "skipped": "review.skipped",
    "flagged": "review.flagged",
    "unflagged": "review.unflagged",
    "undone": "review.undone",
    "refused": "review.refused",
}


def decide(
    tx: WriteTransaction,
    rater: Rater,
    kind: str,
    task: RowLike,
    *,
    key: str,
    request: str,
    answers: dict[str, Any] | None = None,
    judgements: dict[str, str] | None = None,
    note: str | None = None,
    late: bool = False,
    arm: str | None = None,
    active_ms: int | None = None,
    personal: dict[str, Any] | None = None,
) -> str:
    """Keep the decision and tell the ledger. Free text goes behind a commitment, so that it can be erased without breaking the chain."""
    made = new_id("dec", clock=tx.clock)
    tx.insert(
        review_decision,
        {
            "id": made,
            "task_id": task["id"],
            "queue": task["queue"],
            "rater_id": rater.id,
            "kind": kind,
            "key": key,
            "request": request,
            "answers": answers or {},
            "judgements": judgements or {},
            "note": note,
            "late": int(late),
            "arm": arm,
            "active_ms": active_ms,
        },
        actor=rater.name,
    )
    body: dict[str, Any] = {"decision": made, "queue": task["queue"], "item": task["item_id"], "rubric": task["rubric_id"]}
    if answers:
        body["answers"] = answers
    if judgements:
        body["judgements"] = judgements
    if note:
        body["note"] = note
    if kind in _LEDGER_TYPE:
        record(tx, type=_LEDGER_TYPE[kind], subject=task["id"], body=body, actor=rater.name, personal=personal)
    return made


def again(before: RowLike, request: str) -> Answered | PilotageError:
    if before["request"] != request:
        return Conflict(
            "This request's key was used for another decision.",
            where=before["task_id"],
            why="a repeated request must be the same request",
            mend="send a new decision with a key of its own",
        )
    if before["kind"] == "refused":
        return Conflict(str(before["note"]), where=before["task_id"], why="it was refused when it first came; it is kept in your history")
    return Answered(before["id"], before["task_id"], before["judgements"], late=bool(before["late"]), repeated=True)


def taken(task_id: str) -> Conflict:
    return Conflict(
        "Others have taken this item in the meantime.",
        where=task_id,
        why="your claim on it had lapsed or was given back",
        mend="nothing: what you sent is kept in your history, and the item is in other hands",
    )


def withdrawn(task_id: str) -> Conflict:
    return Conflict("This item was withdrawn from review.", where=task_id, mend="nothing: take the next one")


def not_claimed(task_id: str) -> Refused:
    return Refused("You have not claimed this item.", where=task_id, why="only who was served an item can decide on it", mend="claim from the queue")


def judgement_key(rater_id: str, key: str, question: str) -> str:
    return f"{rater_id}:{key}:{question}"


def check_key(key: str) -> None:
    if not key or len(key) > MAX_KEY:
        raise InputError("A decision needs a key of its own.", why="so that sending it twice counts once", mend=f"give 1 to {MAX_KEY} characters")


def check_time(active_ms: int | None, *, field: str, where: str) -> None:
    """Raise ``InputError`` unless a time is none, or 0 to a day of milliseconds."""
    if active_ms is not None and not 0 <= active_ms <= MAX_ACTIVE_MS:
        mend = "give 0 to a day of milliseconds, or leave it out"
        raise InputError(f"{active_ms} ms cannot be the time spent.", where=f"{where} field '{field}'", mend=mend)


def raise_or_return(outcome: T | PilotageError) -> T:
    # A refusal is returned by the job, not raised in it: raising would undo the record of what was refused.
    if isinstance(outcome, PilotageError):
        raise outcome
    return outcome
