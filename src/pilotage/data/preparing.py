"""Making a row ready to be stored: a text id, the contract kept, the training form kept, and a canonical JSON form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError, canonical_json
from pilotage.data.contract import FieldRule, Problem, check_row
from pilotage.data.training import check_training_row, normal_training_row

MAX_DEPTH = 200
MAX_ID_CHARACTERS = 500


@dataclass(frozen=True)
class ReadyRow:
    """A row that may be stored: its id and its canonical bytes."""

    id: str
    canonical: bytes


def ready_row(given: Mapping[str, Any], *, kind: str, contract: Mapping[str, FieldRule]) -> ReadyRow | Problem:
    """The row as it is stored, or what is wrong with it."""
    row = dict(given)
    row_id = row.get("id")
    if row_id is None:
        return Problem("id", "the id is missing")
    if isinstance(row_id, int) and not isinstance(row_id, bool):
        row["id"] = row_id = str(row_id)
    if not isinstance(row_id, str):
        return Problem("id", "the id is neither text nor a whole number")
    if not row_id.strip() or len(row_id) > MAX_ID_CHARACTERS:
        return Problem("id", "the id is empty" if not row_id.strip() else "the id is too long")
    problem = check_row(row, contract)
    if problem is None and kind == "training":
        problem = check_training_row(row)
        if problem is None:
            row = normal_training_row(row)
    if problem is not None:
        return problem
    try:
        canonical = canonical_json(row)
    except (InputError, RecursionError) as error:
        return find_unstorable(row) or Problem(None, str(error).splitlines()[0])
    if canonical.count(b"[") + canonical.count(b"{") > MAX_DEPTH:  # only then can it be nested too deep for whoever reads it later
        too_deep = find_unstorable(row)
        if too_deep is not None:
            return too_deep
    return ReadyRow(row_id, canonical)


def find_unstorable(value: Any, *, path: str = "", depth: int = 0) -> Problem | None:
    """The first value inside ``value`` that has no canonical JSON form, and why."""
    field = path or None
    if depth > MAX_DEPTH:
        return Problem(path.partition(".")[0].partition("[")[0] or None, "nested too deep")
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            return Problem(field, f"lone surrogate U+{ord(value[error.start]):04X} at character {error.start}")
        return None
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return None if abs(value) < 2**53 else Problem(field, "a whole number beyond ±(2**53 - 1); write it as text")
    if isinstance(value, float):
        return None if math.isfinite(value) else Problem(field, f"{value} is not a number JSON has")
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if not isinstance(name, str):
                return Problem(field, f"a key is not text: {name!r}")
            found = find_unstorable(name, path=f"{path}.{name!a}" if path else ascii(name)) or find_unstorable(
                inner, path=f"{path}.{name}" if path else name, depth=depth + 1
            )
            if found is not None:
                return found
        return None
    if isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            found = find_unstorable(inner, path=f"{path}[{index}]", depth=depth + 1)
            if found is not None:
                return found
        return None
    return Problem(field, f"a value of type {type(value).__name__} has no JSON form")
