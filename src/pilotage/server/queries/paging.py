"""Turning pages of long lists by key, never by offset: page 10,000 costs what page 1 costs, and rows that arrive meanwhile move nothing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, tuple_

from pilotage.core import InputError

T = TypeVar("T")
PAGE_SIZE = 50
MAX_PAGE_SIZE = 500


@dataclass(frozen=True)
class Turn:
    """Which page is wanted: the one after a cursor, the one before it, or the first."""

    after: str | None = None
    before: str | None = None
    size: int = PAGE_SIZE


@dataclass(frozen=True)
class Page(Generic[T]):
    """Some rows of a list. ``next`` and ``previous`` are cursors, or None at the ends."""

    rows: list[T] = field(default_factory=list)
    next: str | None = None
    previous: str | None = None

    def map(self, change: Callable[[list[T]], list[Any]]) -> Page[Any]:
        """The same page with other rows."""
        return Page(change(self.rows), self.next, self.previous)


def turn_page(
    conn: Connection,
    statement: Select[Any],
    *,
    keys: Sequence[ColumnElement[Any]],
    turn: Turn,
    descending: bool = False,
) -> Page[Row[Any]]:
    """The wanted page of ``statement``, ordered by ``keys`` (which must be unique together and be selected).

    Cost: one index range of ``turn.size + 1`` rows where an index covers the keys.
    """
    size = max(1, min(turn.size, MAX_PAGE_SIZE))
    backwards = turn.before is not None and turn.after is None
    cursor = turn.before if backwards else turn.after
    if cursor is not None:
        here = tuple_(*_decode(cursor, len(keys)))
        place = tuple_(*keys)
        statement = statement.where(place < here if descending != backwards else place > here)
    down = descending != backwards
    found = list(conn.execute(statement.order_by(*(key.desc() if down else key.asc() for key in keys)).limit(size + 1)))
    more = len(found) > size
    rows = found[:size]
    if backwards:
        rows.reverse()
    if not rows:
        return Page()
    first, last = (_encode([row._mapping[key] for key in keys]) for row in (rows[0], rows[-1]))
    has_next = more if not backwards else True
    has_previous = more if backwards else cursor is not None
    return Page(rows, last if has_next else None, first if has_previous else None)


def _encode(values: list[Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


def _decode(cursor: str, width: int) -> list[Any]:
    try:
        values = json.loads(cursor)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or len(values) != width or not all(_is_key(value) for value in values):
        raise InputError("This page marker is malformed.", where=f"cursor {cursor[:80]!r}", mend="start from the first page")
    return values


def _is_key(value: Any) -> bool:
    return (isinstance(value, str) and "\0" not in value) or (isinstance(value, int) and abs(value) < 2**63)
