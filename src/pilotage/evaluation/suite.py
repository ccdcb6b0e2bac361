"""The evaluation suite: questions with what a right answer must and must not hold.

A file is JSONL, one item a line. It is read strictly: an unknown key, a missing field, a doubled id or question is an error with its line and field.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from pilotage.core import InputError
from pilotage.data import Contract, FieldRule, read_jsonl_rows

SPLITS = ("develop", "gate")
Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]

# What the data room checks when a suite is imported as a dataset version.
EVALUATION_FIELDS: Contract = {
    "question": FieldRule(),
    "reference": FieldRule(),
    "must_contain": FieldRule(type="list", required=False),
    "must_not_contain": FieldRule(type="list", required=False),
    "topic": FieldRule(),
    "split": FieldRule(options=SPLITS),
}


class EvaluationItem(BaseModel):
    """One question.

    must_contain, must_not_contain
        Phrases, as whole words, whatever their case. Alternatives within one are parted by ``|``: ``30 days|one month``. At least one of the lists
        holds a phrase, or nothing could be scored.
    topic
        What it is about: figures are shown per topic.
    split
        ``develop`` may be looked at and learnt from; ``gate`` is held back for the gates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: Text
    question: Text
    reference: Text
    must_contain: tuple[Text, ...] = Field(default=(), strict=False)
    must_not_contain: tuple[Text, ...] = Field(default=(), strict=False)
    topic: Text
    split: Literal["develop", "gate"]


def load_suite(path: str | Path) -> tuple[EvaluationItem, ...]:
    """Read a JSONL file of items, whole or not at all. Raises ``InputError`` with file, line and field."""
    return _suite(read_jsonl_rows(path, what="item"))


def suite_of(rows: Iterable[Mapping[str, Any]], *, where: str = "suite") -> tuple[EvaluationItem, ...]:
    """Items from the rows of a dataset version. Raises ``InputError``, naming the row."""
    return _suite([(f"{where} row {number}", dict(row)) for number, row in enumerate(rows, start=1)])


def _suite(found: Iterable[tuple[str, Any]]) -> tuple[EvaluationItem, ...]:
    ids: dict[str, str] = {}
    questions: dict[str, str] = {}
    items: list[EvaluationItem] = []
    for where, row in found:
        item = _item(row, where)
        question = " ".join(item.question.casefold().split())
        for name, value, seen in (("id", item.id, ids), ("question", question, questions)):
            if value in seen:
                raise InputError(
                    f"The {name} {value!r} stands twice.",
                    where=f"{where} field '{name}'",
                    why=f"it is in {seen[value]} already, and would be counted twice",
                    mend="remove one of the rows",
                )
            seen[value] = where
        items.append(item)
    return tuple(items)


def _item(row: Any, where: str) -> EvaluationItem:
    try:
        item = EvaluationItem.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"This item is malformed: {first['msg'].lower()}.", where=f"{where} field '{field}'" if field else where) from error
    if not item.must_contain and not item.must_not_contain:
        raise InputError(
            "The item says nothing that an answer must or must not hold.",
            where=f"{where} field 'must_contain'",
            why="every answer would be right",
            mend="name at least one phrase",
        )
    return item
