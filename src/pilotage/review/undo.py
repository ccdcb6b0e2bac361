"""Leaving a task to others, and taking back what one decided. Nothing is deleted: an undone answer is superseded by an abstention."""

from __future__ import annotations

from sqlalchemy import RowMapping, select, update

from pilotage.core import Conflict, PilotageError, Refused, digest, new_id
from pilotage.judging import Judgement, Rater, add_judgement, ensure_rater
from pilotage.review.arms import SEEDED
from pilotage.review.claim import lease_us
from pilotage.review.deciding import again, check_key, decide, judgement_key, not_claimed, raise_or_return, taken, withdrawn
from pilotage.review.projects.project import find_terms
from pilotage.review.rows import D, check_person, freed, load_assignment, load_decision, load_task, lost_place, move, set_assignment
from pilotage.review.tables import review_decision
from pilotage.review.task import Answered
from pilotage.store import RowLike, Workspace, WriteTransaction


def skip(workspace: Workspace, task_id: str, rater: Rater, *, idempotency_key: str | None = None, reason: str | None = None) -> Answered:
    """Leave a claimed task to others. The same person is not offered it again unless they ask for what they skipped.

    Raises ``Refused`` if the person never claimed it and ``Conflict`` if they answered it.
    """
    check_person(rater)
    key = idempotency_key or new_id("key", clock=workspace.clock)
    check_key(key)
    request = digest({"skip": task_id})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None:
            raise not_claimed(task_id)
        if assignment["state"] == "answered":
            raise Conflict("You answered this item; it cannot be skipped.", where=task_id, mend="undo the answer first")
        if assignment["state"] == "skipped":
            return Answered("", task_id, {}, repeated=True)
        gone = freed(tx, task, assignment)
        set_assignment(tx, task_id, rater_id, state="skipped")
        move(tx, task, claims=gone)
        personal = {"reason": reason} if reason else None
        made = decide(tx, rater, "skipped", task, key=key, request=request, personal=personal)
        return Answered(made, task_id, {})

    return raise_or_return(workspace.write(job))


def undo(workspace: Workspace, task_id: str, rater: Rater, *, idempotency_key: str | None = None, lease_s: float | None = None) -> Answered:
    """Take back one's own answer or skip. The task is open again and held by the same person, and the judgements are superseded by abstentions.

    Nothing is deleted: the first answer, the undoing and what follows all stay on record. Whatever was shown, what is undone is held again until its
    lease ends: an answer gives back the place it took, and a planted suggestion takes none from the serving on, so it needs none here.

    Raises ``Refused`` if there is nothing to undo, and ``Conflict`` if the task is withdrawn or, after a skip, others took the place.
    """
    check_person(rater)
    key = idempotency_key or new_id("key", clock=workspace.clock)
    check_key(key)
    request = digest({"undo": task_id})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, key)
        if before is not None:
            return again(before, request)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
        if assignment is None or assignment["state"] not in ("answered", "skipped"):
            raise Refused("There is nothing of yours to undo here.", where=task_id, why="you neither answered nor skipped this item")
        if task["state"] == "withdrawn":
            raise withdrawn(task_id)
        answered = assignment["state"] == "answered"
        seeded = assignment["arm"] == SEEDED
        last = _last(tx, task_id, rater_id, kind=assignment["state"])
        if not answered and lost_place(tx, task, assignment, since=last["created_at"] if last is not None else 0):
            raise taken(task_id)
        purpose = "seeded" if seeded else task["purpose"]
        given = last["judgements"] if last is not None and answered else ()
        judgements = {question: _abstain(tx, task, question, rater_id, key, purpose) for question in given}
        if last is not None:
            tx.conn.execute(update(review_decision).where(D.workspace_id == tx.workspace_id, D.id == last["id"]).values(undone=1))
        until = tx.clock.now_us() + lease_us(find_terms(tx.conn, tx.workspace_id, task["queue"]), lease_s)
        # Theirs again, whatever it was. The answer to work gives its own place back; a planted suggestion never had one, and needs none now.
        set_assignment(tx, task_id, rater_id, state="claimed", expires_at=until)
        move(tx, task, claims=0 if seeded else 1, answers=-1 if answered and not seeded else 0)
        made = decide(tx, rater, "undone", task, key=key, request=request, judgements=judgements)
        return Answered(made, task_id, judgements)

    return raise_or_return(workspace.write(job))


def _abstain(tx: WriteTransaction, task: RowLike, question: str, rater_id: str, key: str, purpose: str) -> str:
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
            purpose=purpose,
            idempotency_key=judgement_key(rater_id, key, question),
        ),
    )


def _last(tx: WriteTransaction, task_id: str, rater_id: str, *, kind: str) -> RowMapping | None:
    where = (D.workspace_id == tx.workspace_id, D.task_id == task_id, D.rater_id == rater_id, D.kind == kind, D.undone == 0)
    return tx.conn.execute(select(review_decision).where(*where).order_by(D.id.desc()).limit(1)).mappings().first()
