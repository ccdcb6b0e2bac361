"""Whether what a person (or a machine's suggestion) says answers what the rubric asks.

A value that does not fit is refused with the question's name and what would fit: an answer that is silently not shown, or counted as something
else, is worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import InputError
from pilotage.judging import Rubric
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item_payload

MAX_TEXT = 100_000  # characters of a free-text answer
MAX_PARTS = 10_000  # spans, options or candidates of one answer
_FIT_BY_RUBRIC = ("choice", "choices", "rating", "bool", "text")
_MANY = 256
_rubrics: dict[tuple[str, str], Rubric] = {}


def rubric_of(conn: Connection, workspace_id: str, rubric_id: str) -> Rubric:
    """The workspace's rubric with this id, remembered: an id is the digest of its content, so what was read once stays true."""
    found = _rubrics.get((workspace_id, rubric_id))
    if found is None:
        found = find_rubric(conn, rubric_id, workspace_id=workspace_id)
        if len(_rubrics) >= _MANY:
            _rubrics.clear()
        _rubrics[workspace_id, found.id] = found
    return found


def roles_of(rubric: Rubric) -> tuple[str, ...]:
    """The roles its questions are for, sorted; '' is anybody who reviews. Several: one task per role."""
    return tuple(sorted({question.required_role or "" for question in rubric.questions}))


def asked_of(rubric: Rubric, asks: str) -> tuple[str, ...]:
    """The questions a task asks: all, or those of the role ``asks`` where the rubric's are for several."""
    if len(roles_of(rubric)) == 1:
        return tuple(question.name for question in rubric.questions)
    return tuple(question.name for question in rubric.questions if (question.required_role or "") == asks)


def payload_for(conn: Connection, workspace_id: str, rubric: Rubric, item_id: str) -> Any:
    """The item's payload where an answer must be checked against it; None where the rubric alone says what fits, and nothing is read."""
    if all(question.kind in _FIT_BY_RUBRIC for question in rubric.questions):
        return None
    p = item_payload.c
    return conn.execute(select(p.payload).where(p.workspace_id == workspace_id, p.item_id == item_id)).scalar()


def check_answers(
    rubric: Rubric,
    answers: Mapping[str, Any],
    *,
    whole: bool,
    payload: Mapping[str, Any] | None = None,
    questions: Collection[str] | None = None,
) -> dict[str, Any]:
    """The answers as they are kept, each as its question wants it.

    Parameters
    ----------
    whole
        Whether every question that is required must be answered.
    payload
        The item's, so that spans, rankings and pairs are checked against what was shown; None checks their shape alone.
    questions
        Those that were asked, where a task asks only some of the rubric's. None: all.

    Raises
    ------
    InputError
        At the first value that does not answer its question, is too long, answers what was not asked, or is missing.
    """
    asked = [question for question in rubric.questions if questions is None or question.name in questions]
    kept: dict[str, Any] = {}
    for name, value in answers.items():
        question = rubric.question(name)
        where = f"rubric '{rubric.name}' question '{name}'"
        if question not in asked:
            raise InputError("This question is not part of the task.", where=where, why="it is for people of another role", mend="leave it out")
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise InputError(f"The answer is longer than {MAX_TEXT:,} characters.", where=where, mend="shorten it")
        if isinstance(value, list) and len(value) > MAX_PARTS:
            raise InputError(f"The answer has more than {MAX_PARTS:,} parts.", where=where, mend="shorten it")
        kept[name] = question.check(value, payload)
    missing = [question.name for question in asked if question.required and question.name not in answers]
    if whole and missing:
        raise InputError(
            f"Not answered: {', '.join(missing)}.",
            where=f"rubric '{rubric.name}'",
            mend="answer every question, or skip the item",
        )
    return kept


def without_text(rubric: Rubric, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that are not free text: what may be shown in lists and written into the ledger's entries."""
    return {name: value for name, value in answers.items() if not rubric.question(name).free_text}
