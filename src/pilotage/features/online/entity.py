"""An entity's key as text: the JSON array of its values, so that ``1`` and ``"1"`` are two entities and no separator can be forged."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from pilotage.core import InputError

_encode = msgspec.json.Encoder().encode
_KINDS = (str, int, dt.date)  # bool is an int: True is written true, and is another key than 1; a date is written as its ISO text


def entity_key(columns: Sequence[str], values: Mapping[str, Any]) -> str:
    """The key of the entity that ``values`` name. Raises ``InputError`` where a column is missing, null, or neither text nor a whole number."""
    if len(columns) == 1 and type(only := values.get(columns[0])) is str:  # what nearly every look-up asks for
        return _encode((only,)).decode()
    try:
        parts = [values[column] for column in columns]
    except KeyError as error:
        raise InputError(f"The entity lacks its key column {error.args[0]!r}.", mend=f"give {', '.join(columns)}") from error
    for column, part in zip(columns, parts, strict=True):
        if type(part) is str:
            continue
        if not isinstance(part, _KINDS) or isinstance(part, dt.datetime):
            raise InputError(
                f"A key must be text, a whole number, a truth value or a date, not {type(part).__name__}.",
                where=f"entity column {column!r}",
                why="null, NaN and rounded numbers name no entity",
            )
        if isinstance(part, int) and not -(2**63) <= part < 2**63:
            raise InputError("A whole number of a key must fit 64 bits.", where=f"entity column {column!r}")
    return _encode(parts).decode()


def entity_values(key: str) -> list[Any]:
    """The values of the key's columns, from what :func:`entity_key` wrote."""
    found: list[Any] = msgspec.json.decode(key)
    return found
