"""Training formats as TRL reads them, and the way back.

| format | row | TRL's name |
|---|---|---|
| ``chat-sft`` | ``{messages}`` | conversational language modelling |
| ``dpo`` | ``{prompt, chosen, rejected}``, each a list of messages | conversational preference, explicit prompt |
| ``kto`` | ``{prompt, completion, label}`` | conversational unpaired preference |

Each row also carries ``id`` and ``provenance``: tags and lineage as one JSON text, because objects of differing shape would not share a schema when
the file is loaded. Trainers ignore columns they do not know. What a format has no place for is never left out in silence: the row is not expressed,
and the export's loss report says why.

Reference: TRL documentation, "Dataset formats and types".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pilotage.core import InputError, canonical_json
from pilotage.data.contract import Problem
from pilotage.data.strict_json import parse_object

TrainingFormat = Literal["chat-sft", "dpo", "kto"]

FORMATS: dict[TrainingFormat, str] = {"chat-sft": "instruction", "dpo": "preference", "kto": "unpaired"}

_KEYS: dict[TrainingFormat, tuple[str, ...]] = {
    "chat-sft": ("messages",),
    "dpo": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
}


def require_format(name: str) -> TrainingFormat:
    """``name`` as a training format. Raises ``InputError`` if there is none of that name."""
    for format in FORMATS:
        if format == name:
            return format
    raise InputError(f"Unknown training format: {name!r}.", mend=f"use one of: {', '.join(FORMATS)}")


@dataclass(frozen=True)
class Inexpressible:
    """Why a row cannot be written in a format."""

    reason: str


def to_format(row: Mapping[str, Any], format: TrainingFormat) -> dict[str, Any] | Inexpressible:
    """A canonical training row in ``format``."""
    kind = row["kind"]
    if kind != FORMATS[format]:
        return Inexpressible(f"{format} holds {FORMATS[format]} rows, this one is of kind {kind}")
    made: dict[str, Any] = {"id": row["id"]}
    if format == "chat-sft":
        made["messages"] = row["messages"]
    elif format == "dpo":
        made |= {"prompt": row["messages"], "chosen": row["chosen"], "rejected": row["rejected"]}
    else:
        made |= {"prompt": row["messages"][:-1], "completion": row["messages"][-1:], "label": row["label"]}
    made["provenance"] = canonical_json({"lineage": row["lineage"], "tags": row["tags"]}).decode()
    return made


def from_format(row: Mapping[str, Any], format: TrainingFormat) -> dict[str, Any] | Problem:
    """The canonical training row that ``row`` of a file in ``format`` stands for (not yet checked)."""
    allowed = {"id", "provenance", *_KEYS[format]}
    for name in row:
        if name not in allowed:
            return Problem(str(name), f"{format} has no such field (mixed formats in one file?)")
    for name in _KEYS[format]:
        if name not in row:
            return Problem(name, "the field is missing")
    provenance: Any = {}
    if row.get("provenance") is not None:
        text = row["provenance"]
        provenance = parse_object(text) if isinstance(text, str) else Problem(None, "expected JSON kept as text")
        if isinstance(provenance, Problem):
            return Problem("provenance", provenance.reason)
    made: dict[str, Any] = {"id": row.get("id"), "kind": FORMATS[format], **{name: provenance.get(name) for name in ("lineage", "tags")}}
    if format == "chat-sft":
        made["messages"] = row["messages"]
    elif format == "dpo":
        made |= {"messages": row["prompt"], "chosen": row["chosen"], "rejected": row["rejected"]}
    else:
        for name in ("prompt", "completion"):
            if not isinstance(row[name], list):
                return Problem(name, "expected list of messages")
        made |= {"messages": [*row["prompt"], *row["completion"]], "label": row["label"]}
    return made
