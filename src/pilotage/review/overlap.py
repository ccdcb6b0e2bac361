"""Adaptive overlap: one more person while the answers about an item leave doubt."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from pilotage.judging import ABOUT_ITEMS, Question, RaterKind, Rubric
from pilotage.judging.aggregation.posterior import posterior_of
from pilotage.judging.tables import judgement
from pilotage.judging.tables import rater as rater_table
from pilotage.review.projects.settings import Overlap
from pilotage.store import RowLike, WriteTransaction

J, R = judgement.c, rater_table.c
MAX_VALUES = 1000


def one_more(tx: WriteTransaction, overlap: Overlap, rubric: Rubric, task: RowLike) -> int:
    """1 if the task should ask for one more person now that an answer was added, else 0.

    Asked once the last place is answered. Everybody counts as right with the accuracy the project assumes (one coin, see
    :func:`pilotage.judging.aggregation.posterior.posterior_of`).
    """
    if overlap.until is None or task["purpose"] != "work" or task["overlap"] >= overlap.limit or task["answers"] + 1 < task["overlap"]:
        return 0
    question = asked(overlap, rubric)
    k = values_of(question)
    if k is None:
        return 0
    values = _answers(tx, task, question.name)
    if not values:
        return 0
    return int(posterior_of(values, [overlap.assumed_accuracy] * len(values), k).probability < overlap.until)


def asked(overlap: Overlap, rubric: Rubric) -> Question:
    """The question adaptive overlap goes by: the one named, else the first that is no free text."""
    if overlap.question is not None:
        return rubric.question(overlap.question)
    return next((question for question in rubric.questions if not question.free_text), rubric.questions[0])


def values_of(question: Question) -> int | None:
    """How many values a question has, or None where they cannot be counted: its answers then have no posterior."""
    if question.kind == "choice":
        return len(question.options)
    if question.kind == "bool":
        return 2
    if question.kind == "rating":
        many = int(question.maximum) - int(question.minimum) + 1
        return many if 2 <= many <= MAX_VALUES and question.scale in ("nominal", "ordinal") else None
    return None


def _answers(tx: WriteTransaction, task: RowLike, question: str) -> list[Any]:
    """What people say of the item now, the newest judgement of each."""
    query = (
        select(J.id, J.supersedes, J.value, J.abstained, J.purpose)
        .join(rater_table, (R.workspace_id == J.workspace_id) & (R.id == J.rater_id))
        .where(J.workspace_id == tx.workspace_id, J.item_id == task["item_id"], J.question == question, J.rubric_id == task["rubric_id"])
        .where(R.kind == str(RaterKind.PERSON))
    )
    rows = tx.conn.execute(query).all()
    replaced = {row.supersedes for row in rows}
    return [row.value for row in rows if row.id not in replaced and not row.abstained and row.purpose in ABOUT_ITEMS]
