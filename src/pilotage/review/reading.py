"""Items to be put before people, from a file of JSON lines, read as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from pilotage.core import InputError, NotFound
from pilotage.judging import Item
from pilotage.review.new_task import NewTask, Suggestion


class _Proposed(msgspec.Struct, forbid_unknown_fields=True):
    question: str
    value: Any
    score: float | None = None
    probability: float | None = None
    model: str = ""
    model_version: str = ""


class _Row(msgspec.Struct, forbid_unknown_fields=True):
    source_id: str
    payload: dict[str, Any]
    kind: str = "output"
    slices: dict[str, str] = {}
    suggestions: list[_Proposed] = []
    priority: int = 0
    due_at: int | None = None
    purpose: str = "work"
    gold: dict[str, Any] = {}
    explanation: str = ""
    seed: dict[str, Any] = {}
    made_from: str = "given"
    authors: list[str] = []
    harmful: bool = False
    overlap: int | None = None


def read_items(path: str | Path) -> Iterator[NewTask]:
    """One :class:`NewTask` a line: an object with ``source_id``, ``payload`` and what else it has of ``kind``, ``slices``, ``suggestions``,
    ``priority``, ``due_at``, ``purpose``, ``gold``, ``explanation``, ``seed``, ``made_from``, ``authors``, ``harmful`` and ``overlap``.

    Raises
    ------
    NotFound
        If there is no such file.
    InputError
        At the first line that is not such an object, with ``file:line``.
    """
    path = Path(path)
    read = msgspec.json.Decoder(_Row).decode
    try:
        file = path.open("rb")
    except OSError as error:
        raise NotFound(f"The file cannot be read: {error.strerror}.", where=str(path), mend="check the name") from error
    with file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = read(line)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                mend = "write one JSON object a line, with at least 'source_id' and 'payload'"
                raise InputError(f"This line is no item: {error}", where=f"{path.name}:{number}", mend=mend) from error
            yield NewTask(
                Item(row.kind, row.source_id, row.payload, row.slices),
                [Suggestion(each.question, each.value, each.score, each.probability, each.model, each.model_version) for each in row.suggestions],
                priority=row.priority,
                due_at=row.due_at,
                purpose=row.purpose,
                gold=row.gold,
                explanation=row.explanation,
                seed=row.seed,
                made_from=row.made_from,
                authors=row.authors,
                harmful=row.harmful,
                overlap=row.overlap,
            )
