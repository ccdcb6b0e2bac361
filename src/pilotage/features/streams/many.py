"""Statements over many keys at once: the keys travel as one parameter (JSON on SQLite, arrays on PostgreSQL), so any number is one statement."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, CursorResult

_encode = msgspec.json.Encoder().encode
_ARRAYS = {"text": "text[]", "int": "bigint[]", "bytes": "bytea[]"}
_LETTERS = "abcdefgh"


def run(conn: Connection, statement: str, *, fixed: Mapping[str, Any], kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Run ``statement`` and return the rows it gives.

    In the text, ``{given}`` stands once for a table of ``rows`` with the columns a, b, c, …, and ``{name}`` for the value of ``fixed``.
    ``kinds`` are those of the columns: text, int, and on PostgreSQL bytes.
    """
    return list(_execute(conn, statement, fixed, kinds, rows).fetchall()) if rows else []


def change(conn: Connection, statement: str, *, fixed: Mapping[str, Any], kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> int:
    """As :func:`run`, for a statement that inserts, updates or deletes: how many rows it changed."""
    return int(_execute(conn, statement, fixed, kinds, rows).rowcount) if rows else 0


def _execute(conn: Connection, statement: str, fixed: Mapping[str, Any], kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> CursorResult[Any]:
    letters = _LETTERS[: len(kinds)]
    values: list[Any] = []

    if conn.dialect.name == "postgresql":
        mark = "%s"
        arrays = ", ".join(f"%s::{_ARRAYS[kind]}" for kind in kinds)
        table = f"unnest({arrays}) AS given ({', '.join(letters)})"
        given: list[Any] = [list(column) for column in zip(*rows, strict=True)]
    else:
        mark = "?"
        picked = ", ".join(f"json_extract(value, '$[{index}]') AS {letter}" for index, letter in enumerate(letters))
        table = f"(SELECT {picked} FROM json_each(?)) AS given"  # noqa: S608 - letters only
        given = [_encode(rows).decode()]

    def put(found: re.Match[str]) -> str:
        if found[1] == "given":
            values.extend(given)
            return table
        values.append(fixed[found[1]])
        return mark

    text = re.sub(r"\{(\w+)\}", put, statement)
    return conn.exec_driver_sql(text, tuple(values))
