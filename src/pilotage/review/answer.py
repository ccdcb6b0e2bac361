"""What a person does with a task: answer, skip, flag, reveal, undo.

Each request carries an idempotency key of its sender. The same request again is a no-op that returns what the first one did, so a page may send it
until it hears back. What cannot be accepted is refused *and recorded*: a person's work never vanishes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import RowMapping, select, update

from pilotage.core import MICROSECONDS, Conflict, InputError, PilotageError, Refused, digest, new_id
from pilotage.judging import Judgement, Rater, add_judgement, ensure_rater
from pilotage.judging.rubric import find_rubric
from pilotage.ledger import record
from pilotage.review.claim import LEASE_S
from pilotage.review.questions import check_answers, without_text
from pilotage.review.rows import D, check_person, check_role, load_assignment, load_decision, load_task, move, set_assignment
from pilotage.review.tables import review_decision
from pilotage.review.task import CORRECTION, Answered
from pilotage.store import Workspace, WriteTransaction

MAX_ACTIVE_MS = 24 * 3600 * 1000
MAX_KEY = 200


def answer(
    workspace: Workspace,
    task_id: str,
    rater: Rater,
    answers: Mapping[str, Any],
    *,
    idempotency_key: str,
    suggestion: Mapping[str, Any] | None = None,
    active_ms: int | None = None,
    correction: str | None = None,
    reason: str | None = None,
    roles: Collection[str] | None = None,
) -> Answered:
    """Record a person's answers to a task they claimed: one judgement per question.

    An answer that comes after the claim lapsed is accepted while nobody else took the place.

    Parameters
    ----------
    answers
        ``{question: value}`` for every question of the rubric (free text may be left out).
    suggestion
        What was shown as a proposal, ``{question: value}``; None if nothing was.
    active_ms
        How long the person was at it, idle time removed. Milliseconds, at most a day.
    correction
        The correct response, as the person reviewed or wrote it. Kept as a judgement of the question ``correction``.
    reason
        Why, in the person's words.
    roles
        What the person may do now; a task that needs another role is refused. None skips the check, for callers that made it.

    Raises
    ------
    InputError
        If a value does not fit the rubric, or a question is not answered.
    Conflict
        If the place was taken by others meanwhile, the task is withdrawn, the person answered it before, or the key was used for something else.
        The refused answer is kept in the person's history.
    Refused
        If the person never claimed the task, or no longer holds the role it needs.
    """
    check_person(rater)
    _check_key(idempotency_key)
    if active_ms is not None and not 0 <= active_ms <= MAX_ACTIVE_MS:
        raise InputError(f"{active_ms} ms cannot be the time spent.", where=task_id, mend="give 0 to a day of milliseconds, or leave it out")
    values = dict(answers)
    if correction is not None:
        values[CORRECTION] = correction
    request = digest({"task": task_id, "answers": values, "reason": reason})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, idempotency_key)
        if before is not None:
            return _again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise _not_claimed(task_id)
        check_role(task, roles)
        rubric = find_rubric(tx.conn, task["rubric_id"], workspace_id=tx.workspace_id)
        check_answers(rubric, values, whole=True)
        choices = without_text(rubric, values)
        refusal = _refusal(task, assignment)
        if refusal is not None:
            said = {"answers": values, "reason": reason}
            _decide(tx, rater, "refused", task, key=idempotency_key, request=request, answers=choices, note=refusal.what, personal=said)
            return refusal
        late = assignment["state"] == "released" or assignment["expires_at"] <= tx.clock.now_us()
        judgements = {
            question: add_judgement(
                tx,
                Judgement(
                    item_id=task["item_id"],
                    question=question,
                    rater_id=rater_id,
                    rubric_id=task["rubric_id"],
                    value=value,
                    reason=reason,
                    suggestion=None if suggestion is None else suggestion.get(question),
                    arm=None if suggestion is None else "suggestion_shown",
                    active_ms=active_ms,
                    idempotency_key=_judgement_key(rater_id, idempotency_key, question),
                ),
            )
            for question, value in values.items()
        }
        set_assignment(tx, task_id, rater_id, state="answered")
        move(tx, task, claims=-1 if assignment["state"] == "claimed" else 0, answers=1)
        decision_id = _decide(tx, rater, "answered", task, key=idempotency_key, request=request, answers=choices, judgements=judgements, late=late)
        return Answered(decision_id, task_id, judgements, late=late)

    return _raise_or_return(workspace.write(job))


def skip(workspace: Workspace, task_id: str, rater: Rater, *, idempotency_key: str | None = None, reason: str | None = None) -> Answered:
    """Leave a claimed task to others. The same person is not offered it again unless they ask for what they skipped.

    Raises ``Refused`` if the person never claimed it and ``Conflict`` if they answered it.
    """
    check_person(rater)
    key = idempotency_key or new_id("key", clock=workspace.clock)
    _check_key(key)
    request = digest({"skip": task_id})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return _again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise _not_claimed(task_id)
        if assignment["state"] == "answered":
            raise Conflict("You answered this item; it cannot be skipped.", where=task_id, mend="undo the answer first")
        if assignment["state"] == "skipped":
            return Answered("", task_id, {}, repeated=True)
        set_assignment(tx, task_id, rater_id, state="skipped")
        move(tx, task, claims=-1 if assignment["state"] == "claimed" else 0)
        personal = {"reason": reason} if reason else None
        made = _decide(tx, rater, "skipped", task, key=key, request=request, personal=personal)
        return Answered(made, task_id, {})

    return _raise_or_return(workspace.write(job))


def undo(workspace: Workspace, task_id: str, rater: Rater, *, idempotency_key: str | None = None, lease_s: float = LEASE_S) -> Answered:
    """Take back one's own answer or skip. The task is open again and held by the same person, and the judgements are superseded by abstentions.

    Nothing is deleted: the first answer, the undoing and what follows all stay on record.

    Raises ``Refused`` if there is nothing to undo, and ``Conflict`` if the task is withdrawn or, after a skip, others took the place.
    """
    check_person(rater)
    key = idempotency_key or new_id("key", clock=workspace.clock)
    _check_key(key)
    request = digest({"undo": task_id})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return _again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None or assignment["state"] not in ("answered", "skipped"):
            raise Refused("There is nothing of yours to undo here.", where=task_id, why="you neither answered nor skipped this item")
        if task["state"] == "withdrawn":
            raise _withdrawn(task_id)
        answered = assignment["state"] == "answered"
        if not answered and task["claims"] + task["answers"] >= task["overlap"]:
            raise _taken(task_id)
        last = _last(tx, task_id, rater_id, kind=assignment["state"])
        judgements = {
            question: _abstain(tx, task, question, rater_id, key) for question in (last["judgements"] if last is not None and answered else ())
        }
        if last is not None:
            tx.conn.execute(update(review_decision).where(D.workspace_id == tx.workspace_id, D.id == last["id"]).values(undone=1))
        until = tx.clock.now_us() + round(lease_s * MICROSECONDS)
        set_assignment(tx, task_id, rater_id, state="claimed", expires_at=until)
        move(tx, task, claims=1, answers=-1 if answered else 0)
        made = _decide(tx, rater, "undone", task, key=key, request=request, judgements=judgements)
        return Answered(made, task_id, judgements)

    return _raise_or_return(workspace.write(job))


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
    _check_key(key)
    request = digest({"flag": task_id, "flagged": flagged})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return _again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise _not_claimed(task_id)
        if bool(assignment["flagged"]) == flagged:
            return Answered("", task_id, {}, repeated=True)
        set_assignment(tx, task_id, rater_id, flagged=int(flagged))
        move(tx, task, flags=1 if flagged else -1)
        personal = {"reason": reason} if reason else None
        made = _decide(tx, rater, "flagged" if flagged else "unflagged", task, key=key, request=request, personal=personal)
        return Answered(made, task_id, {})

    return _raise_or_return(workspace.write(job))


def reveal(workspace: Workspace, task_id: str, rater: Rater) -> bool:
    """Record that a person uncovered blurred content; True the first time. Raises ``Refused`` if they never claimed the task."""
    check_person(rater)

    def job(tx: WriteTransaction) -> bool:
        rater_id = ensure_rater(tx, rater)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise _not_claimed(task_id)
        if assignment["revealed"]:
            return False
        set_assignment(tx, task_id, rater_id, revealed=1)
        record(tx, type="review.revealed", subject=task_id, body={"queue": task["queue"], "item": task["item_id"]}, actor=rater.name)
        return True

    return workspace.write(job)


# An answer is not here: each of its judgements has an entry of its own.
_LEDGER_TYPE = {
    "skipped": "review.skipped",
    "flagged": "review.flagged",
    "unflagged": "review.unflagged",
    "undone": "review.undone",
    "refused": "review.refused",
}


def _decide(
    tx: WriteTransaction,
    rater: Rater,
    kind: str,
    task: RowMapping,
    *,
    key: str,
    request: str,
    answers: dict[str, Any] | None = None,
    judgements: dict[str, str] | None = None,
    note: str | None = None,
    late: bool = False,
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


def _again(before: RowMapping, request: str) -> Answered | PilotageError:
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


def _refusal(task: RowMapping, assignment: RowMapping) -> Conflict | None:
    if assignment["state"] == "answered":
        return Conflict("You have answered this item already.", where=task["id"], mend="undo that answer first if it should be another")
    if assignment["state"] == "skipped":
        return Conflict("You skipped this item.", where=task["id"], mend="undo the skip to take it back")
    if task["state"] == "withdrawn":
        return _withdrawn(task["id"])
    if assignment["state"] == "released" and task["claims"] + task["answers"] >= task["overlap"]:
        return _taken(task["id"])
    return None


def _taken(task_id: str) -> Conflict:
    return Conflict(
        "Others have taken this item in the meantime.",
        where=task_id,
        why="your claim on it had lapsed or was given back",
        mend="nothing: what you sent is kept in your history, and the item is in other hands",
    )


def _withdrawn(task_id: str) -> Conflict:
    return Conflict("This item was withdrawn from review.", where=task_id, mend="nothing: take the next one")


def _not_claimed(task_id: str) -> Refused:
    return Refused("You have not claimed this item.", where=task_id, why="only who was served an item can decide on it", mend="claim from the queue")


def _abstain(tx: WriteTransaction, task: RowMapping, question: str, rater_id: str, key: str) -> str:
    return add_judgement(
        tx,
        Judgement(
            item_id=task["item_id"],
            question=question,
            rater_id=rater_id,
            rubric_id=task["rubric_id"],
            value=None,
            abstained=True,
            reason="undone",
            idempotency_key=_judgement_key(rater_id, key, question),
        ),
    )


def _last(tx: WriteTransaction, task_id: str, rater_id: str, *, kind: str) -> RowMapping | None:
    where = (D.workspace_id == tx.workspace_id, D.task_id == task_id, D.rater_id == rater_id, D.kind == kind, D.undone == 0)
    return tx.conn.execute(select(review_decision).where(*where).order_by(D.id.desc()).limit(1)).mappings().first()


def _judgement_key(rater_id: str, key: str, question: str) -> str:
    return f"{rater_id}:{key}:{question}"


def _check_key(key: str) -> None:
    if not key or len(key) > MAX_KEY:
        raise InputError("A decision needs a key of its own.", why="so that sending it twice counts once", mend=f"give 1 to {MAX_KEY} characters")


def _raise_or_return(outcome: Answered | PilotageError) -> Answered:
    # A refusal is returned by the job, not raised in it: raising would undo the record of what was refused.
    if isinstance(outcome, PilotageError):
        raise outcome
    return outcome
