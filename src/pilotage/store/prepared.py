"""Statements for many rows, compiled once.

SQLAlchemy's ``execute`` with a list of rows spends some 25 µs on each row's parameters; at thousands of samples a second that is most of what writing
costs. Here a Core statement is compiled once for a dialect, and rows go to the driver as they are: no types are applied, so JSON columns must be
given as text (``json_text``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Dialect, Executable, Float, Table


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


class Rows:
    """As :func:`insert_missing`, for many rows as tuples in the order of ``columns``: no dictionary is made or taken apart for a row.

    What all rows of a run have in common stands in the columns of ``shared``, and is handed over once. With ``anew`` a row that is there already is
    not left alone but an error.

    On SQLite a statement takes many rows. It costs what as many would, but lets other threads run while it works: the driver holds Python's
    lock between statements, and taking it back a row at a time from a thread that computes costs up to 5 ms each. ``OR FAIL`` says that a row which
    breaks another rule need not undo the rows before it: the job that fails is undone whole, and SQLite is spared a copy of every page a statement
    touches, which costs as much as the rows. On PostgreSQL all rows are one statement, column by column.
    """

    _AT_ONCE = 500  # rows a statement; SQLite takes at least 32,766 parameters

    def __init__(self, table: Table, columns: Sequence[str], *, shared: Sequence[str] = (), anew: bool = False) -> None:
        named = (*shared, *columns)
        if sorted(named) != sorted(column.name for column in table.columns):
            raise ValueError(f"{table.name} has other columns than {', '.join(named)}")
        self._into = f"INTO {table.name} ({', '.join(named)})"
        self._shared, self._own = len(shared), len(columns)
        self._then = "" if anew else " ON CONFLICT DO NOTHING"
        self._one, self._many = self._sqlite(1), self._sqlite(self._AT_ONCE)
        self._types = {name: table.c[name].type for name in named}
        self._floats = [place for place, name in enumerate(columns) if isinstance(self._types[name], Float)]
        self._postgres = ""

    def run(self, conn: Connection, rows: Sequence[tuple[Any, ...]], shared: tuple[Any, ...] = ()) -> None:
        """Insert ``rows``; each has the values of ``columns``."""
        if not rows:
            return
        if conn.dialect.name == "postgresql":
            self._postgres = self._postgres or self._by_columns(conn.dialect)
            lists = [list(column) for column in zip(*rows, strict=True)]
            for place in self._floats:  # the driver takes no list of both whole numbers and others
                lists[place] = [None if value is None else float(value) for value in lists[place]]
            conn.exec_driver_sql(self._postgres, (*shared, *lists))
            return
        whole = len(rows) - len(rows) % self._AT_ONCE
        for start in range(0, whole, self._AT_ONCE):
            conn.exec_driver_sql(self._many, (*shared, *chain.from_iterable(rows[start : start + self._AT_ONCE])))
        if whole < len(rows):
            conn.exec_driver_sql(self._one, [shared + row for row in rows[whole:]])

    def _by_columns(self, dialect: Dialect) -> str:
        types = [kind.compile(dialect=dialect) for kind in self._types.values()]
        alike = "".join(f"%s::{kind}, " for kind in types[: self._shared])
        lists = ", ".join(f"%s::{kind}[]" for kind in types[self._shared :])
        return f"INSERT {self._into} SELECT {alike}own.* FROM unnest({lists}) AS own{self._then}"  # noqa: S608 - names of our own tables

    def _sqlite(self, rows: int) -> str:
        # A plain mark is the next number. Numbering all of them would cost SQLite the square of their count.
        marks = ", ".join([*(f"?{place}" for place in range(1, self._shared + 1)), *["?"] * self._own])
        return f"INSERT OR FAIL {self._into} VALUES {', '.join([f'({marks})'] * rows)}{self._then}"  # noqa: S608 - names of our own tables
