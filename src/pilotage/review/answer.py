"""Answering a task: first for oneself where the suggestion comes after, then for good.

Each request carries an idempotency key of its sender. The same request again is a no-op that returns what the first one did, so a page may send it
until it hears back. What cannot be accepted is refused *and recorded*: a person's work never vanishes. What the person was shown, in which arm, on
which side and under which guideline is taken from the assignment, as it was served; what a client says of it counts for nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import select

from pilotage.core import Conflict, InputError, PilotageError, Refused, digest
from pilotage.judging import Judgement, Rater, add_judgements, ensure_rater
from pilotage.judging.tables import item as item_table
from pilotage.review.arms import ANSWER_FIRST, SEEDED
from pilotage.review.deciding import again, check_key, check_time, decide, judgement_key, not_claimed, raise_or_return, taken, withdrawn
from pilotage.review.measuring.standing_of import disputed_questions, took_part
from pilotage.review.overlap import one_more
from pilotage.review.projects.project import Terms, find_terms
from pilotage.review.questions import asked_of, check_answers, payload_for, rubric_of, without_text
from pilotage.review.rows import check_person, check_role, freed, load_assignment, load_decision, load_task, lost_place, move, set_assignment
from pilotage.review.sealing import sealing
from pilotage.review.serving import seen_by
from pilotage.review.task import CORRECTION, Answered
from pilotage.store import Row, RowLike, Workspace, WriteTransaction


def answer(
    workspace: Workspace,
    task_id: str,
    rater: Rater,
    answers: Mapping[str, Any],
    *,
    idempotency_key: str,
    active_ms: int | None = None,
    first_key_ms: int | None = None,
    correction: str | None = None,
    reason: str | None = None,
    roles: Collection[str] | None = None,
) -> Answered:
    """Record a person's answers to a task they claimed: one judgement per question.

    An answer that comes after the claim lapsed is accepted while nobody else took the place. An answer to a planted suggestion says something about
    the person and nothing about the item: it takes no place, and the item goes to somebody else. Where the project asks for more people while the
    answers leave doubt, one more place is opened in the same transaction.

    Parameters
    ----------
    answers
        ``{question: value}`` for every question of the task (free text may be left out).
    active_ms, first_key_ms
        How long the person was at it, idle time removed, and how long until their first key. Milliseconds, at most a day.
    correction
        The correct response, as the person reviewed or wrote it. Kept as a judgement of the question ``correction``.
    reason
        Why, in the person's words.
    roles
        What the person may do now; a task that needs another role is refused. None skips the check, for callers that made it.

    Raises
    ------
    InputError
        If a value does not fit the rubric, a question is not answered, or agreeing with the suggestion needs a reason here and none is given.
    Conflict
        If the place was taken by others meanwhile, the task is withdrawn, the person answered it before, or the key was used for something else.
        The refused answer is kept in the person's history.
    Refused
        If the person never claimed the task, or no longer holds the role it needs.
    """
    check_person(rater)
    check_key(idempotency_key)
    check_time(active_ms, field="active_ms", where=task_id)
    check_time(first_key_ms, field="first_key_ms", where=task_id)
    values = dict(answers)
    if correction is not None:
        values[CORRECTION] = correction
    request = digest({"task": task_id, "answers": values, "reason": reason})

    def job(tx: WriteTransaction) -> Answered | PilotageError:
        rater_id = ensure_rater(tx, rater)
        before = load_decision(tx.conn, tx.workspace_id, rater_id, idempotency_key)
        if before is not None:
            return again(before, request)
        task, assignment = _in_hand(tx, task_id, rater, rater_id, roles)
        rubric = rubric_of(tx.conn, tx.workspace_id, task["rubric_id"])
        kept = _fit(tx, task, values)
        choices = without_text(rubric, kept)
        refusal = _refusal(tx, task, assignment)
        if refusal is not None:
            said = {"answers": values, "reason": reason}
            decide(tx, rater, "refused", task, key=idempotency_key, request=request, answers=choices, note=refusal.what, personal=said)
            return refusal
        terms = find_terms(tx.conn, tx.workspace_id, task["queue"])
        seen = seen_by(task, assignment)
        _check_reason(tx, terms, task, seen, kept, reason)
        seeded = assignment["arm"] == SEEDED
        late = assignment["state"] == "released" or assignment["expires_at"] <= tx.clock.now_us()
        made = add_judgements(
            tx,
            [
                Judgement(
                    item_id=task["item_id"],
                    question=question,
                    rater_id=rater_id,
                    rubric_id=task["rubric_id"],
                    value=value,
                    reason=reason,
                    suggestion=None if seen is None else seen.get(question),
                    arm=assignment["arm"],
                    active_ms=active_ms,
                    first_key_ms=first_key_ms,
                    sides=assignment["sides"],
                    served_order=(assignment["served_order"] or {}).get(question),
                    guideline_id=assignment["guideline_id"],
                    purpose="seeded" if seeded else task["purpose"],
                    idempotency_key=judgement_key(rater_id, idempotency_key, question),
                )
                for question, value in kept.items()
            ],
            seal=None if terms is None else sealing(task["queue"], terms.salt),
        )
        judgements = dict(zip(kept, made, strict=True))
        gone = freed(tx, task, assignment)
        set_assignment(tx, task_id, rater_id, state="answered")
        more = 0 if seeded or terms is None else one_more(tx, terms.settings.overlap, rubric, task)
        move(tx, task, claims=gone, answers=0 if seeded else 1, overlap=more)
        decision_id = decide(
            tx,
            rater,
            "answered",
            task,
            key=idempotency_key,
            request=request,
            answers=choices,
            judgements=judgements,
            late=late,
            arm=assignment["arm"],
            active_ms=active_ms,
        )
        return Answered(decision_id, task_id, judgements, late=late)

    return raise_or_return(workspace.write(job))


def commit(
    workspace: Workspace,
    task_id: str,
    rater: Rater,
    answers: Mapping[str, Any],
    *,
    idempotency_key: str,
    first_key_ms: int | None = None,
    active_ms: int | None = None,
    roles: Collection[str] | None = None,
) -> dict[str, Any] | None:
    """Keep a person's first answer and return the suggestion ``{question: value}`` that they may see now.

    Only for tasks claimed with ``answer_first``. The task stays theirs to answer for good; that the first answer changes nothing in what is judged is
    what lets the effect of the suggestion be measured. The same commitment again returns the same; a second, other one is refused.

    Raises
    ------
    InputError
        If a value does not fit, or a question is not answered.
    Conflict
        If the person committed to another answer before, or answered the task already.
    Refused
        If the person never claimed the task, or it does not ask for the answer first.
    """
    check_person(rater)
    check_key(idempotency_key)
    check_time(active_ms, field="active_ms", where=task_id)
    check_time(first_key_ms, field="first_key_ms", where=task_id)
    values = dict(answers)
    request = digest({"commit": task_id, "answers": values})

    def job(tx: WriteTransaction) -> dict[str, Any] | PilotageError | None:
        rater_id = ensure_rater(tx, rater)
        task, assignment = _in_hand(tx, task_id, rater, rater_id, roles)
        shown: dict[str, Any] | None = assignment["shown"]
        before = load_decision(tx.conn, tx.workspace_id, rater_id, idempotency_key)
        if before is not None:
            outcome = again(before, request)
            return outcome if isinstance(outcome, PilotageError) else shown
        if assignment["arm"] != ANSWER_FIRST:
            raise Refused("This task does not ask for your answer first.", where=task_id, mend="answer it")
        if assignment["committed"] or assignment["state"] == "answered":
            return Conflict("You have committed to an answer already.", where=task_id, mend="give your final answer")
        kept = _fit(tx, task, values)
        set_assignment(tx, task_id, rater_id, committed=1)
        choices = without_text(rubric_of(tx.conn, tx.workspace_id, task["rubric_id"]), kept)
        written = {name: value for name, value in kept.items() if name not in choices}
        decide(
            tx,
            rater,
            "committed",
            task,
            key=idempotency_key,
            request=request,
            answers=choices,
            arm=ANSWER_FIRST,
            active_ms=active_ms,
            personal={"answers": written} if written else None,
        )
        return shown

    outcome = workspace.write(job)
    if isinstance(outcome, PilotageError):
        raise outcome
    return outcome


def _in_hand(tx: WriteTransaction, task_id: str, rater: Rater, rater_id: str, roles: Collection[str] | None) -> tuple[Row, Row]:
    """The task and what this person has to do with it. Raises ``Refused`` if they never claimed it or no longer hold its role."""
    task = load_task(tx.conn, tx.workspace_id, task_id)
    assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater_id)
    if assignment is None:
        if task["purpose"] == "adjudication" and took_part(tx.conn, tx.workspace_id, task_id, rater.name):
            raise Refused(
                "You took part in this item, so somebody else decides it.",
                where=task_id,
                why="who answered an item does not judge the dispute about it",
                mend="leave it to another adjudicator",
            )
        raise not_claimed(task_id)
    check_role(task, roles)
    return task, assignment


def _fit(tx: WriteTransaction, task: RowLike, values: dict[str, Any]) -> dict[str, Any]:
    """The answers as they are kept. Raises ``InputError`` where one does not fit, is missing, or was not asked."""
    rubric = rubric_of(tx.conn, tx.workspace_id, task["rubric_id"])
    payload = payload_for(tx.conn, tx.workspace_id, rubric, task["item_id"])
    asked = asked_of(rubric, task["asks"])
    if task["purpose"] == "adjudication":
        disputed = disputed_questions(tx.conn, tx.workspace_id, task["id"]) or asked
        asked = tuple(name for name in asked if name in disputed or name in values)
        open_still = [name for name in disputed if name not in values and name != CORRECTION]
        if open_still:
            raise InputError(f"Not decided: {', '.join(open_still)}.", where=task["id"], mend="decide every disputed question, or skip the item")
    return check_answers(rubric, values, whole=True, payload=payload, questions=asked)


def _check_reason(
    tx: WriteTransaction, terms: Terms | None, task: RowLike, seen: dict[str, Any] | None, values: dict[str, Any], reason: str | None
) -> None:
    if terms is None or not terms.settings.countermeasures.reason_on_accept or not seen or (reason and reason.strip()):
        return
    agreed = [question for question in seen if question in values]
    if not agreed or any(values[question] != seen[question] for question in agreed):
        return
    i = item_table.c
    slices = tx.conn.execute(select(i.slices).where(i.workspace_id == tx.workspace_id, i.id == task["item_id"])).scalar_one()
    if terms.settings.needs_reason(slices):
        raise InputError(
            "Agreeing with the suggestion needs a reason here.",
            where=f"task {task['id']} field 'reason'",
            why="the project asks for one where a wrong agreement would cost much",
            mend="say in a few words what you checked",
        )


def _refusal(tx: WriteTransaction, task: RowLike, assignment: RowLike) -> Conflict | None:
    if assignment["state"] == "answered":
        return Conflict("You have answered this item already.", where=task["id"], mend="undo that answer first if it should be another")
    if assignment["state"] == "skipped":
        return Conflict("You skipped this item.", where=task["id"], mend="undo the skip to take it back")
    if task["state"] == "withdrawn":
        return withdrawn(task["id"])
    if assignment["state"] == "released" and lost_place(tx, task, assignment, since=assignment["expires_at"]):
        return taken(task["id"])
    return None
