"""Known items from a file: one JSON object a line, ``{"item": …, "values": {question: value}, "explanation": "…"}``.

``item`` is the id of a stored item, or ``{"kind", "source_id", "payload", "slices"}``. A line that does not fit refuses the file, with its number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from pilotage.core import InputError
from pilotage.judging import Item
from pilotage.review.measuring.known import Known

_FIELDS = {"item", "values", "explanation"}
_OF_ITEM = {"kind", "source_id", "payload", "slices"}


def load_known_file(path: str | Path) -> list[Known]:
    """The known items of the file. Raises ``InputError`` with ``file:line``."""
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The file cannot be read: {error}", where=str(path), mend="name a UTF-8 file with one JSON object a line") from error
    return read_known(lines, str(path))


def read_known(lines: Iterable[str], where: str) -> list[Known]:
    """The known items of such lines. Raises ``InputError`` with ``where:line``."""
    found = [_known(line, f"{where}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not found:
        raise InputError("There are no items in it.", where=where, mend='write lines like {"item": …, "values": {…}}')
    return found


def _known(line: str, where: str) -> Known:
    try:
        given = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"This line is not JSON: {error}", where=where) from error
    if not isinstance(given, dict) or not {"item", "values"} <= set(given) or set(given) - _FIELDS:
        raise InputError("A known item has 'item' and 'values', and perhaps an 'explanation'.", where=where)
    if not isinstance(given["values"], dict) or not isinstance(given.get("explanation", ""), str):
        raise InputError("'values' is an object of answers by question, and 'explanation' a text.", where=where)
    return Known(_item(given["item"], where), given["values"], given.get("explanation", ""))


def _item(given: Any, where: str) -> Item | str:
    if isinstance(given, str):
        return given
    if not isinstance(given, dict) or not {"kind", "source_id", "payload"} <= set(given) or set(given) - _OF_ITEM:
        raise InputError("An item is an id, or an object with 'kind', 'source_id', 'payload' and perhaps 'slices'.", where=f"{where} field 'item'")
    slices = given.get("slices", {})
    if not isinstance(slices, dict) or not all(isinstance(value, str) for value in slices.values()):
        raise InputError("Slices are texts by name.", where=f"{where} field 'item.slices'")
    return Item(kind=str(given["kind"]), source_id=str(given["source_id"]), payload=given["payload"], slices=slices)
