"""Whether what a person (or a machine's suggestion) says answers what the rubric asks.

A value that does not fit is refused with the question's name and what would fit: an answer that is silently not shown, or counted as something
else, is worse than none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from pilotage.core import InputError
from pilotage.judging import Rubric
from pilotage.judging.rubric import find_rubric

MAX_TEXT = 100_000  # characters of a free-text answer
_MANY = 256
_rubrics: dict[str, Rubric] = {}


def rubric_of(conn: Connection, workspace_id: str, rubric_id: str) -> Rubric:
    """The rubric with this id, remembered: an id is the digest of its content, so what was read once stays true."""
    found = _rubrics.get(rubric_id)
    if found is None:
        found = find_rubric(conn, rubric_id, workspace_id=workspace_id)
        if len(_rubrics) >= _MANY:
            _rubrics.clear()
        _rubrics[found.id] = found
    return found


def roles_of(rubric: Rubric) -> tuple[str, ...]:
    """The roles its questions are for, sorted; '' is anybody who reviews. Several: one task per role."""
    return tuple(sorted({question.required_role or "" for question in rubric.questions}))


def asked_of(rubric: Rubric, asks: str) -> tuple[str, ...]:
    """The questions a task asks: all, or those of the role ``asks`` where the rubric's are for several."""
    if len(roles_of(rubric)) == 1:
        return tuple(question.name for question in rubric.questions)
    return tuple(question.name for question in rubric.questions if (question.required_role or "") == asks)


def check_answers(rubric: Rubric, answers: Mapping[str, Any], *, asked: Collection[str]) -> None:
    """Raise ``InputError`` unless every value answers its question, and every question of ``asked`` but free text is answered, and no other."""
    for name, value in answers.items():
        rubric.question(name).check(value)
        if name not in asked:
            raise InputError(
                f"This task does not ask '{name}'.",
                where=f"rubric '{rubric.name}' field '{name}'",
                why="that question is for another role",
                mend=f"answer: {', '.join(asked)}",
            )
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise InputError(
                f"The answer is longer than {MAX_TEXT:,} characters.",
                where=f"rubric '{rubric.name}' question '{name}'",
                mend="shorten it",
            )
    missing = [question.name for question in rubric.questions if question.kind != "text" and question.name in asked and question.name not in answers]
    if missing:
        raise InputError(
            f"Not answered: {', '.join(missing)}.",
            where=f"rubric '{rubric.name}'",
            mend="answer every question, or skip the item",
        )


def without_text(rubric: Rubric, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that are not free text: what may be shown in lists and written into the ledger's entries."""
    return {name: value for name, value in answers.items() if rubric.question(name).kind != "text"}
