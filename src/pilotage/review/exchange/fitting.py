"""Making what a file says fit what a rubric asks, or saying why it does not.

Files are loose where a rubric is strict: a single choice comes as a list of one, a rating as text, a span with its label in a list. What can be read
in one way only is read; anything else is a :class:`Misfit` with the field. A question the rubric does not ask is one too: dropping it would lose
work in silence.
"""

from __future__ import annotations

import math
from typing import Any

from pilotage.core import InputError
from pilotage.judging import Question, Rubric
from pilotage.review.exchange.record import Misfit
from pilotage.review.questions import MAX_TEXT

_YES, _NO = frozenset({"yes", "true", "1"}), frozenset({"no", "false", "0"})


def find_question(rubric: Rubric, name: str, *, field: str) -> Question:
    """The question called ``name``, or a ``Misfit`` that names those there are."""
    for question in rubric.questions:
        if question.name == name:
            return question
    raise Misfit(field, f"the rubric does not ask '{name}' (it asks {', '.join(question.name for question in rubric.questions)})")


def sole_question(rubric: Rubric, *kinds: str, field: str, name: str | None = None) -> Question:
    """The question a format without question names speaks of: the one called ``name``, or the only one of ``kinds``."""
    if name is not None:
        return find_question(rubric, name, field=field)
    found = [question for question in rubric.questions if question.kind in kinds]
    if len(found) == 1:
        return found[0]
    what = " or ".join(kinds)
    if not found:
        raise Misfit(field, f"the rubric asks no question of kind {what}")
    raise Misfit(field, f"the rubric asks several questions of kind {what} ({', '.join(q.name for q in found)}): name the one this file answers")


def fit(question: Question, told: Any, payload: dict[str, Any], *, field: str) -> Any:
    """``told`` as a value of ``question``. Raises ``Misfit``."""
    value = _shape(question, told, field=field)
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise Misfit(field, f"the answer is longer than {MAX_TEXT:,} characters")
    try:
        return question.check(value, payload)
    except InputError as error:
        raise Misfit(field, error.what) from error


def _shape(question: Question, told: Any, *, field: str) -> Any:
    kind = question.kind
    if kind in ("choice", "text", "rating", "bool", "edit") and isinstance(told, list) and len(told) == 1:
        told = told[0]
    if kind == "choice":
        return _option(question, told)
    if kind == "choices":
        return [_option(question, each) for each in (told if isinstance(told, list) else [told])]
    if kind == "bool" and not isinstance(told, bool):
        word = str(told).casefold()
        return word in _YES if word in _YES | _NO else told
    if kind == "rating":
        return _number(told)
    if kind in ("text", "edit") and isinstance(told, list) and told and all(isinstance(each, str) for each in told):
        return "\n".join(told)
    if kind == "spans":
        return _spans(told, field=field)
    if kind == "pair" and isinstance(told, str):
        return {"preferred": told, "strength": None}
    if kind == "ranking" and isinstance(told, list):
        return _ranking(told)
    return told


def _ranking(told: list[Any]) -> list[Any]:
    """``[x, y]``, ``[[x], [y, z]]`` or ``[{value, rank}, …]``, as groups."""
    if told and all(isinstance(each, dict) and isinstance(each.get("rank"), int) for each in told):
        ranks = sorted({each["rank"] for each in told})
        return [[each.get("value") for each in told if each["rank"] == rank] for rank in ranks]
    return [[each] if isinstance(each, str) else each for each in told]


def _option(question: Question, told: Any) -> Any:
    """Numbers and yes/no become the option written so: a table's 1 is the option '1'."""
    if isinstance(told, bool):
        return "true" if told else "false"
    if isinstance(told, int | float) and math.isfinite(told):
        return str(int(told)) if told == int(told) else str(told)
    return told


def _number(told: Any) -> Any:
    if not isinstance(told, str):
        return told
    try:
        number = float(told)
    except ValueError:
        return told
    return int(number) if math.isfinite(number) and number == int(number) else number


def _spans(told: Any, *, field: str) -> Any:
    if not isinstance(told, list):
        return told
    made = []
    for index, span in enumerate(told):
        if not isinstance(span, dict) or not {"start", "end", "label"} <= set(span):
            raise Misfit(f"{field}[{index}]", "a span needs start, end and label")
        made.append({"start": span["start"], "end": span["end"], "label": span["label"]})
    return made  # put in order where they are checked: here a place may be anything
