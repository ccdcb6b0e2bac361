"""Telling a person whether they were right: only after they answered, only about their own answer, and on record.

Gold says nothing unless the project's settings do (``gold.feedback``); a calibration round answers at once, for that is its use; an exam when it is
over.
Once told, what the person answers of the item measures nothing, and accuracy leaves it out.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import Refused
from pilotage.judging import Rater
from pilotage.judging.rubric import find_rubric
from pilotage.ledger import record
from pilotage.review.measuring.known import known_answers
from pilotage.review.measuring.matching import is_right
from pilotage.review.measuring.tables import review_exam_task, review_exam_try, review_feedback
from pilotage.review.projects import find_terms
from pilotage.review.rows import load_assignment, load_task
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class Feedback:
    """One question of a known item: what the person said, what is right, and why."""

    task_id: str
    item_id: str
    question: str
    given: Any
    right: Any
    was_right: bool
    explanation: str

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def feedback(workspace: Workspace, task_id: str, rater: Rater) -> list[Feedback]:
    """What the person may be told about their answer to this task, and put on record that they were told. [] where there is nothing to tell.

    Work gives [] as gold does that keeps silent, so that asking does not tell one from the other.

    Raises ``Refused`` if they never answered it.
    """

    def job(tx: WriteTransaction) -> list[Feedback]:
        task = load_task(tx.conn, tx.workspace_id, task_id)
        assignment = load_assignment(tx.conn, tx.workspace_id, task_id, rater.id)
        if assignment is None or assignment["state"] != "answered":
            raise Refused("You have not answered this item.", where=task_id, why="what is right is told only afterwards", mend="answer it first")
        if not _may_tell(tx, task["queue"], task["purpose"], task_id, rater.name):
            return []
        told = tell(tx, task["queue"], task["purpose"], [task_id], rater)
        f = review_feedback.c
        where = (f.workspace_id == tx.workspace_id, f.task_id == task_id, f.rater_id == rater.id)
        if told and tx.conn.execute(select(f.task_id).where(*where)).first() is None:
            tx.insert(review_feedback, {"task_id": task_id, "rater_id": rater.id})
            body = {"project": task["queue"], "purpose": task["purpose"], "right": sum(each.was_right for each in told), "n": len(told)}
            record(tx, type="rater.told", subject=task_id, body=body, actor=rater.name)
        return told

    return workspace.write(job)


def tell(tx: WriteTransaction, project: str, purpose: str, task_ids: list[str], rater: Rater) -> list[Feedback]:
    """The person's answers to these known tasks beside what is right. Whether they may be told is the caller's to know."""
    answers = known_answers(tx.conn, tx.workspace_id, project, purposes=(purpose,), rater_id=rater.id, task_ids=task_ids)
    if not answers:
        return []
    rubric = find_rubric(tx.conn, load_task(tx.conn, tx.workspace_id, answers[0].task_id)["rubric_id"], workspace_id=tx.workspace_id)
    return [
        Feedback(
            each.task_id,
            each.item_id,
            each.question,
            each.value,
            each.right,
            not each.abstained and is_right(rubric.question(each.question), each.value, each.right),
            each.explanation,
        )
        for each in answers
        if not each.abstained
    ]


def _may_tell(tx: WriteTransaction, project: str, purpose: str, task_id: str, login: str) -> bool:
    if purpose == "calibration":
        return True
    if purpose == "gold":
        terms = find_terms(tx.conn, tx.workspace_id, project)
        return terms is not None and terms.settings.gold.feedback
    if purpose == "qualification":
        e, t = review_exam_task.c, review_exam_try.c
        query = (
            select(t.tasks, t.state)
            .join(review_exam_task, (e.workspace_id == t.workspace_id) & (e.exam_id == t.exam_id))
            .where(t.workspace_id == tx.workspace_id, t.login == login, e.task_id == task_id)
        )
        tries = [row.state for row in tx.conn.execute(query) if task_id in row.tasks]
        return bool(tries) and "running" not in tries
    return False
