"""Training formats as TRL reads them, and the way back.

| format | row | TRL's name |
|---|---|---|
| ``chat-sft`` | ``{messages}`` | conversational language modelling |
| ``dpo`` | ``{prompt, chosen, rejected}``, each a list of messages | conversational preference, explicit prompt |
| ``dpo-plain`` | ``{prompt, chosen, rejected}``, each a text | standard preference, explicit prompt |
| ``kto`` | ``{prompt, completion, label}`` | conversational unpaired preference |
| ``hh`` | ``{chosen, rejected}``, each a transcript of ``Human:`` and ``Assistant:`` turns | as Anthropic's HH-RLHF |

Preferences that people voted on carry their measures (``margin``, ``n_votes``, ``vote_share``, ``alpha``, ``dimension``, ``guideline``) as columns
too: a trainer that knows ``margin`` uses it.

Each row also carries ``id`` and ``provenance``: tags and lineage as one JSON text, because objects of differing shape would not share a schema when
the file is loaded. Trainers ignore columns they do not know. What a format has no place for is never left out in silence: the row is not expressed,
and the export's loss report says why.

Reference: TRL documentation, "Dataset formats and types".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pilotage.core import InputError, canonical_json
from pilotage.data.contract import Problem
from pilotage.data.strict_json import parse_object

TrainingFormat = Literal["chat-sft", "dpo", "dpo-plain", "kto", "hh"]

FORMATS: dict[TrainingFormat, str] = {
    "chat-sft": "instruction",
    "dpo": "preference",
    "dpo-plain": "preference",
    "kto": "unpaired",
    "hh": "preference",
}
MEASURES = ("margin", "n_votes", "vote_share", "alpha", "dimension", "guideline")

_KEYS: dict[TrainingFormat, tuple[str, ...]] = {
    "chat-sft": ("messages",),
    "dpo": ("prompt", "chosen", "rejected"),
    "dpo-plain": ("prompt", "chosen", "rejected"),
    "kto": ("prompt", "completion", "label"),
    "hh": ("chosen", "rejected"),
}
_HUMAN, _ASSISTANT = "\n\nHuman: ", "\n\nAssistant: "


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
    elif format in ("dpo-plain", "hh"):
        texts = _plain(row) if format == "dpo-plain" else _transcripts(row)
        if isinstance(texts, Inexpressible):
            return texts
        made |= texts
    else:
        made |= {"prompt": row["messages"][:-1], "completion": row["messages"][-1:], "label": row["label"]}
    made |= {name: row["tags"]["measures"][name] for name in MEASURES if name in (row["tags"].get("measures") or {})}
    made["provenance"] = canonical_json({"lineage": row["lineage"], "tags": row["tags"]}).decode()
    return made


def from_format(row: Mapping[str, Any], format: TrainingFormat) -> dict[str, Any] | Problem:
    """The canonical training row that ``row`` of a file in ``format`` stands for (not yet checked)."""
    allowed = {"id", "provenance", *MEASURES, *_KEYS[format]}  # the measures are in the provenance too
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
    elif format in ("dpo-plain", "hh"):
        for name in _KEYS[format]:
            if not isinstance(row[name], str):
                return Problem(name, "expected text")
        messages = _from_plain(row) if format == "dpo-plain" else _from_transcripts(row["chosen"], row["rejected"])
        if isinstance(messages, Problem):
            return messages
        made |= messages
    else:
        for name in ("prompt", "completion"):
            if not isinstance(row[name], list):
                return Problem(name, "expected list of messages")
        made |= {"messages": [*row["prompt"], *row["completion"]], "label": row["label"]}
    return made


def _plain(row: Mapping[str, Any]) -> dict[str, Any] | Inexpressible:
    prompt = row["messages"]
    if [message["role"] for message in prompt] != ["user"]:
        return Inexpressible("a plain prompt is one user's message")
    for name, messages in (("prompt", prompt), ("chosen", row["chosen"]), ("rejected", row["rejected"])):
        if len(messages) != 1 or set(messages[0]) != {"role", "content"}:
            return Inexpressible(f"'{name}' is more than one plain message")
    return {"prompt": prompt[0]["content"], "chosen": row["chosen"][0]["content"], "rejected": row["rejected"][0]["content"]}


def _from_plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": row["prompt"]}],
        "chosen": [{"role": "assistant", "content": row["chosen"]}],
        "rejected": [{"role": "assistant", "content": row["rejected"]}],
    }


def _transcripts(row: Mapping[str, Any]) -> dict[str, Any] | Inexpressible:
    sides: dict[str, Any] = {}
    for name in ("chosen", "rejected"):
        parts: list[str] = []
        if len(row[name]) != 1:
            return Inexpressible(f"'{name}' is more than one turn")
        for message in [*row["messages"], *row[name]]:
            if message["role"] not in ("user", "assistant") or set(message) != {"role", "content"}:
                return Inexpressible(f"a transcript has no place for a {message['role']} message with more than text")
            if _HUMAN.strip() in message["content"] or _ASSISTANT.strip() in message["content"]:
                return Inexpressible("a message holds the words that part turns in a transcript")
            if message["content"] != message["content"].strip():
                return Inexpressible("a transcript does not keep the space around a message")
            parts.append((_HUMAN if message["role"] == "user" else _ASSISTANT) + message["content"])
        sides[name] = "".join(parts)
    return sides


def _from_transcripts(chosen: str, rejected: str) -> dict[str, Any] | Problem:
    """The prompt is what both have in common up to their last answer."""
    sides = [_turns(text) for text in (chosen, rejected)]
    for name, turns in zip(("chosen", "rejected"), sides, strict=True):
        if len(turns) < 2 or turns[0]["role"] != "user" or turns[-1]["role"] != "assistant":
            return Problem(name, "expected turns that begin with 'Human:' and end with 'Assistant:'")
    if sides[0][:-1] != sides[1][:-1]:
        return Problem("rejected", "the two transcripts part before their last answer")
    return {"messages": sides[0][:-1], "chosen": sides[0][-1:], "rejected": sides[1][-1:]}


def _turns(text: str) -> list[dict[str, Any]]:
    roles = {"Human": "user", "Assistant": "assistant"}
    parts = re.split(r"(?:^|\n\n)(Human|Assistant):", text)
    if parts[0].strip():
        return []
    return [{"role": roles[who], "content": said.strip()} for who, said in zip(parts[1::2], parts[2::2], strict=True)]
