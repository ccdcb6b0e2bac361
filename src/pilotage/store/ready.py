"""Statements that run with every request, made ready once.

A Core statement says what is meant and stays checked against the schema; but building one and running it through SQLAlchemy takes 100 to 200 µs of
Python, ten times what the database spends on a look-up by key. :class:`Ready` compiles it once for a dialect and hands text and values to the driver.
What it returns is what ``execute`` returns: the same values, by the same processors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Dialect, Insert, RowMapping, Select, Table, Update, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import visitors

Row = dict[str, Any]
"""A row by column name, as :class:`Ready` gives it."""
RowLike = Row | RowMapping
"""A row by column name, wherever it comes from."""
_Processor = Callable[[Any], Any] | None
_MANY = 64  # forms of one statement, which differ in how many values stand in its lists


@dataclass(frozen=True)
class _Form:
    """A statement as the driver takes it: for each of its places, in order, the name, which of a list's values, and how it is made fit."""

    text: str
    by_name: bool
    fixed: Mapping[str, Any]
    places: tuple[tuple[str, str, int | None, _Processor], ...]

    def fill(self, values: Mapping[str, Any]) -> Any:
        fixed = self.fixed
        filled = [
            fixed[place] if place in fixed else _fit(values[name] if index is None else values[name][index], process)
            for place, name, index, process in self.places
        ]
        return {place[0]: value for place, value in zip(self.places, filled, strict=True)} if self.by_name else filled


def _fit(value: Any, process: _Processor) -> Any:
    return value if process is None else process(value)


def run_text(conn: Connection, text: str, values: Sequence[Any] | None = None) -> None:
    """Run what needs no compiling: ``BEGIN``, a savepoint. ``values`` as the driver takes them. Errors as ``exec_driver_sql`` raises them."""
    _hand_over(conn, text, () if values is None else values, many=False)


def _hand_over(conn: Connection, text: str, filled: Any, *, many: bool) -> Any:
    heard = conn.dispatch if conn.dispatch.before_cursor_execute else None  # who counts statements counts these too
    cursor = conn.connection.cursor()
    if heard is not None:
        for told in heard.before_cursor_execute:
            told(conn, cursor, text, filled, None, many)
    try:
        (cursor.executemany if many else cursor.execute)(text, filled)
    except conn.dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(text, None, error, conn.dialect.loaded_dbapi.Error) from error
    if heard is not None:
        for told in heard.after_cursor_execute:
            told(conn, cursor, text, filled, None, many)
    return cursor


class Ready:
    """A statement whose ``bindparam``s are filled in with every run. Lists are for parameters with ``expanding=True``.

    Use one for what stands in the way of a request; make it once, at module level or in an ``lru_cache``d function.
    """

    def __init__(self, statement: Select[Any] | Insert | Update, *, columns: Sequence[str] | None = None) -> None:
        """``columns``: of an insert, those that are given."""
        self._statement = statement
        self._columns = columns
        self._lists = tuple(part.key for part in visitors.iterate(statement) if isinstance(part, BindParameter) and part.expanding and part.required)
        self._forms: dict[tuple[str | int, ...], _Form] = {}
        self._names: list[str] = []
        self._decoders: dict[str, list[tuple[str, Callable[[Any], Any]]]] = {}
        if isinstance(statement, Select):
            self._names = [str(column.key) for column in statement.selected_columns]

    def rows(self, conn: Connection, values: Mapping[str, Any]) -> list[Row]:
        """The rows a query finds, by column name."""
        names = self._names
        cursor = self._execute(conn, values)
        found = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
        if not found:
            return found
        for name, decode in self._decoded(conn.dialect, cursor):
            for row in found:
                row[name] = decode(row[name])
        return found

    def first(self, conn: Connection, values: Mapping[str, Any]) -> Row | None:
        """The first row, or None."""
        found = self.rows(conn, values)
        return found[0] if found else None

    def run(self, conn: Connection, values: Mapping[str, Any]) -> int:
        """Change something; return how many rows were."""
        return int(self._execute(conn, values).rowcount)

    def run_many(self, conn: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same for each of ``rows``. No lists."""
        form = self._form(conn.dialect, rows[0])
        _hand_over(conn, form.text, [form.fill(row) for row in rows], many=True)

    def _execute(self, conn: Connection, values: Mapping[str, Any]) -> Any:
        form = self._form(conn.dialect, values)
        return _hand_over(conn, form.text, form.fill(values), many=False)

    def _form(self, dialect: Dialect, values: Mapping[str, Any]) -> _Form:
        key: tuple[str | int, ...] = (dialect.name, *(len(values[name]) for name in self._lists))
        form = self._forms.get(key)
        if form is None:
            if len(self._forms) >= _MANY:
                self._forms.clear()
            form = self._forms[key] = self._make(dialect, values)
        return form

    def _make(self, dialect: Dialect, values: Mapping[str, Any]) -> _Form:
        compiled: Any = self._statement.compile(dialect=dialect, column_keys=self._columns)
        wanted = {name: values[name] for name in compiled.binds if name in values}
        state = compiled.construct_expanded_state(wanted)
        of_list = {place: (name, index) for name, places in state.parameter_expansion.items() for index, place in enumerate(places)}
        fixed: dict[str, Any] = {}
        places: list[tuple[str, str, int | None, _Processor]] = []
        for place in state.positiontup or state.parameters:
            name, index = of_list.get(place, (place, None))
            bound: BindParameter[Any] = compiled.binds[name]
            process = bound.type.dialect_impl(dialect).bind_processor(dialect)
            places.append((place, name, index, process))
            if name not in values:
                fixed[place] = _fit(state.parameters[place], process)
        return _Form(state.statement, not compiled.positional, fixed, tuple(places))

    def _decoded(self, dialect: Dialect, cursor: Any) -> list[tuple[str, Callable[[Any], Any]]]:
        found = self._decoders.get(dialect.name)
        if found is None:
            found = []
            if isinstance(self._statement, Select):
                for column, (_, kind, *_) in zip(self._statement.selected_columns, cursor.description, strict=True):
                    decode = column.type.dialect_impl(dialect).result_processor(dialect, kind)
                    if decode is not None:
                        found.append((str(column.key), decode))
            self._decoders[dialect.name] = found
        return found


@lru_cache(maxsize=512)
def inserting(table: Table, columns: tuple[str, ...]) -> tuple[Ready, dict[str, Any]] | None:
    """What inserts rows with these columns, and the values of those that have one of their own. None where a default has to be worked out by row."""
    defaults: dict[str, Any] = {}
    for column in table.columns:
        if column.name not in columns and column.default is not None:
            if not column.default.is_scalar:
                return None
            defaults[column.name] = column.default.arg  # type: ignore[attr-defined]
    return Ready(insert(table).inline(), columns=[*columns, *defaults]), defaults
