"""Whether what a person (or a machine's suggestion) says answers what the rubric asks.

A value that does not fit is refused with the question's name and what would fit: an answer that is silently not shown, or counted as something
else, is worse than none.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilotage.core import InputError
from pilotage.judging import Rubric

MAX_TEXT = 100_000  # characters of a free-text answer


def required_role(rubric: Rubric) -> str:
    """The role that may answer the rubric, or '' for anybody who reviews.

    Raises
    ------
    InputError
        If its questions need different roles: one person could then not answer all of a task.
    """
    roles = {question.required_role or "" for question in rubric.questions}
    if len(roles) > 1:
        raise InputError(
            f"The rubric '{rubric.name}' asks questions of different roles: {', '.join(sorted(role or 'anybody' for role in roles))}.",
            why="one person answers a whole task",
            mend="split it into one rubric per role",
        )
    return roles.pop()


def check_answers(rubric: Rubric, answers: Mapping[str, Any], *, whole: bool) -> None:
    """Raise ``InputError`` unless every value answers its question, and, if ``whole``, every question but free text is answered."""
    for name, value in answers.items():
        rubric.question(name).check(value)
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise InputError(
                f"The answer is longer than {MAX_TEXT:,} characters.",
                where=f"rubric '{rubric.name}' question '{name}'",
                mend="shorten it",
            )
    missing = [question.name for question in rubric.questions if question.kind != "text" and question.name not in answers]
    if whole and missing:
        raise InputError(
            f"Not answered: {', '.join(missing)}.",
            where=f"rubric '{rubric.name}'",
            mend="answer every question, or skip the item",
        )


def without_text(rubric: Rubric, answers: Mapping[str, Any]) -> dict[str, Any]:
    """The answers that are not free text: what may be shown in lists and written into the ledger's entries."""
    return {name: value for name, value in answers.items() if rubric.question(name).kind != "text"}
