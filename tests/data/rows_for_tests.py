"""Rows, cards and strategies that the tests of this room share."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from pilotage.core import canonical_json
from pilotage.data import Card, Operation

TRAINING_CARD = Card(licence="CC0-1.0", consent="written for the tests", purposes=("training",), source="tests", contains_personal_data=False)
EVALUATION_CARD = Card(licence="CC-BY-4.0", purposes=("evaluation",), source="tests")


def write_jsonl(path: Path, rows: Iterable[Any]) -> Path:
    path.write_bytes(b"".join(canonical_json(row) + b"\n" for row in rows))
    return path


def making(rows: int, name: str = "make") -> Operation:
    return Operation(name=name, counts={"added": rows})


def user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def instruction(row_id: str, *, finding: str | None = None, question: str = "Where is my parcel?", answer: str = "On its way.") -> dict[str, Any]:
    row: dict[str, Any] = {"id": row_id, "kind": "instruction", "messages": [user(question), assistant(answer)]}
    return row | ({"lineage": {"finding": finding}} if finding else {})


def preference(row_id: str) -> dict[str, Any]:
    return {"id": row_id, "kind": "preference", "messages": [user("Hi")], "chosen": [assistant("Hello!")], "rejected": [assistant("What?")]}


def unpaired(row_id: str, *, label: bool = True) -> dict[str, Any]:
    return {"id": row_id, "kind": "unpaired", "messages": [user("Hi"), assistant("Hello!")], "label": label}


_text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(lambda text: text.strip())
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=6,
)


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A conversation that ends with the assistant's answer."""
    turns = draw(st.lists(st.tuples(_text, _text), min_size=1, max_size=3))
    system = [{"role": "system", "content": draw(_text)}] if draw(st.booleans()) else []
    return system + [message for question, answer in turns for message in (user(question), assistant(answer))]


@st.composite
def training_rows(draw: st.DrawFn, kind: str) -> list[dict[str, Any]]:
    """Rows of one training kind, with unlike ids."""
    rows: list[dict[str, Any]] = []
    for row_id in draw(st.lists(_text, min_size=1, max_size=5, unique=True)):
        row: dict[str, Any] = {"id": row_id, "kind": kind, "lineage": draw(st.dictionaries(_text, _json, max_size=2)), "tags": {}}
        row["tags"] = draw(st.dictionaries(_text, _json, max_size=2))
        conversation = draw(conversations())
        if kind == "preference":
            chosen = conversation.pop()
            row |= {"messages": conversation, "chosen": [chosen], "rejected": [assistant(chosen["content"] + " no")]}
        else:
            row["messages"] = conversation
        if kind == "unpaired":
            row["label"] = draw(st.booleans())
        rows.append(row)
    return rows
