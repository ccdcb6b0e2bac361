"""Statements for many rows, compiled once.

SQLAlchemy's ``execute`` with a list of rows spends some 25 µs on each row's parameters; at thousands of samples a second that is most of what writing
costs. Here a Core statement is compiled once for a dialect, and rows go to the driver as they are: no types are applied, so JSON columns must be
given as text (``json_text``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Executable, Table


class Prepared:
    """A statement with one bound parameter for each of ``columns``; ``build`` makes it for a dialect's name."""

    def __init__(self, build: Callable[[str], Any], *, columns: Sequence[str]) -> None:
        self._build = build
        self._columns = list(columns)
        self._compiled: dict[str, tuple[str, Callable[[dict[str, Any]], Any] | None]] = {}

    def run(self, conn: Connection, rows: Sequence[dict[str, Any]]) -> None:
        """Execute it for each of ``rows``, which may hold more than is needed."""
        if not rows:
            return
        found = self._compiled.get(conn.dialect.name)
        if found is None:
            statement: Executable = self._build(conn.dialect.name)
            compiled: Any = statement.compile(dialect=conn.dialect, column_keys=self._columns)  # type: ignore[attr-defined]
            in_order = itemgetter(*compiled.positiontup) if compiled.positional else None
            found = self._compiled[conn.dialect.name] = (compiled.string, in_order)
        text, order = found
        conn.exec_driver_sql(text, list(map(order, rows)) if order is not None else list(rows))


def insert_missing(table: Table) -> Prepared:
    """Inserts rows, all columns given, and leaves alone those that are there already."""

    def build(dialect: str) -> Any:
        if dialect == "postgresql":
            from sqlalchemy.dialects.postgresql import insert
        else:
            from sqlalchemy.dialects.sqlite import insert  # type: ignore[assignment]
        return insert(table).on_conflict_do_nothing()

    return Prepared(build, columns=[column.name for column in table.columns])
