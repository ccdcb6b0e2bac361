"""Statements over many keys at once: the keys travel as one parameter (JSON on SQLite, arrays on PostgreSQL), so any number is one statement."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection

_encode = msgspec.json.Encoder().encode
_POSTGRES = {"text": "text[]", "int": "bigint[]", "bytes": "bytea[]"}


def run(conn: Connection, statement: str, *, fixed: Sequence[Any], kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Any]:
    """Run ``statement``, which reads ``{given}`` with the columns a, b, c, … of ``rows``; return the rows it gives.

    ``{fixed}`` parameters are written as ``{p}`` and must stand before ``{given}`` in the text. On SQLite ``kinds`` are text and int only.
    """
    letters = "abcdefgh"[: len(kinds)]
    if conn.dialect.name == "postgresql":
        given = f"(SELECT * FROM unnest({', '.join('%s::' + _POSTGRES[kind] for kind in kinds)}) AS given ({', '.join(letters)})) AS given"
        columns = [list(column) for column in zip(*rows, strict=True)]
        done = conn.exec_driver_sql(statement.format(p="%s", given=given), (*fixed, *columns))
    else:
        picked = ", ".join(f"json_extract(value, '$[{index}]') AS {letter}" for index, letter in enumerate(letters))
        done = conn.exec_driver_sql(statement.format(p="?", given=f"(SELECT {picked} FROM json_each(?)) AS given"), (*fixed, _encode(rows).decode()))  # noqa: S608
    return list(done.fetchall()) if done.returns_rows else []
