"""What readers hand over: a piece of a delivery as an Arrow table, each row with its line, and the rows that could not be read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.data.contract import type_name
from pilotage.data.contracts.contract import Contract

CHUNK_ROWS = 65_536
_MOST_IGNORED = 100


@dataclass(frozen=True)
class BadRow:
    """A row that was set aside, in full. ``row`` is its values where it could be read that far, else None; then ``raw`` is its text."""

    source: str
    line: int
    field: str | None
    code: str
    reason: str
    row: Mapping[str, Any] | None
    raw: str


@dataclass(frozen=True)
class Chunk:
    """Some rows of a delivery. Row ``i`` of ``table`` stands on line ``lines[i]`` of ``source``, from 1. ``done`` counts bytes (or rows) so far."""

    source: str
    table: pa.Table
    lines: NDArray[np.int64]
    bad: tuple[BadRow, ...]
    done: int

    @property
    def rows_in(self) -> int:
        """The rows of the delivery that this chunk accounts for."""
        return int(self.table.num_rows) + len(self.bad)


class Expected:
    """The columns that may arrive: those of the contract, under their names and their earlier ones."""

    def __init__(self, contract: Contract, *, extra: str) -> None:
        self.contract = contract
        self.refuse_extra = extra == "refuse"
        self.ignored: set[str] = set()
        self.names = {arrival: name for name, column in contract.columns.items() for arrival in (name, *column.renamed_from)}
        self.types = {arrival: contract.columns[name].type for arrival, name in self.names.items()}
        self.personal = frozenset(arrival for arrival, name in self.names.items() if contract.columns[name].personal)
        self.required = tuple(name for name, column in contract.columns.items() if not column.nullable)

    def take(self, names: Sequence[str], *, where: str) -> list[str]:
        """Those of a header's ``names`` that are read. Raises ``InputError`` if a needed column is missing, or one is not known."""
        missing = [
            name
            for name, column in self.contract.columns.items()
            if not column.nullable and name not in names and not any(earlier in names for earlier in column.renamed_from)
        ]
        extra = [name for name in names if name not in self.types]
        if missing or (extra and self.refuse_extra):
            parts = ([f"missing: {_listed(missing)}"] if missing else []) + ([f"unknown: {_listed(extra)}"] if extra else [])
            raise InputError(
                f"The columns are not those of the contract {self.contract.ref}: {'; '.join(parts)}.",
                where=where,
                why=f"it has: {_listed(list(names))}",
                mend="check the file and its dialect; a renamed column goes to 'renamed_from' of the contract, an unknown one into it, "
                "or set 'extra_columns: ignore' in the source",
            )
        self.ignored.update(extra)
        return [name for name in names if name in self.types]


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(str(name)[:60] for name in names[:20])
    return shown + (f" and {len(names) - 20} more" if len(names) > 20 else "")


class RowsToChunk:
    """Rows as mappings (of JSON, of a database) become columns; a row that cannot be a row of the contract's columns is set aside."""

    def __init__(self, expected: Expected, *, source: str) -> None:
        self._expected = expected
        self._source = source
        self._texts = [name for name, column in expected.contract.columns.items() if column.type == "text"]
        self._rows: list[Mapping[str, Any]] = []
        self._lines: list[int] = []
        self._bad: list[BadRow] = []

    def __len__(self) -> int:
        return len(self._rows) + len(self._bad)

    def add(self, line: int, row: Mapping[str, Any]) -> None:
        """Take a row."""
        if not all(isinstance(name, str) for name in row):
            self.refuse(line, "name", "a field's name is not text", raw=_plain_text(row))
            return
        taken: dict[str, Any] = {}
        for arrival, value in row.items():
            name = self._expected.names.get(arrival)
            if name is None:
                if self._expected.refuse_extra:
                    self.refuse(line, "unknown_field", f"the contract knows no field {arrival[:60]!r}", field=arrival[:100], row=row)
                    return
                if len(self._expected.ignored) < _MOST_IGNORED:
                    self._expected.ignored.add(arrival[:100])
                continue
            if name in taken:
                self.refuse(line, "doubled_field", f"the field is there as {arrival!r} too", field=name, row=row)
                return
            taken[name] = value
        wrong = next((name for name in self._texts if not isinstance(taken.get(name), str | None)), None)
        if wrong is not None:
            self.refuse(line, "type", f"expected text, found {type_name(taken[wrong])}", field=wrong, row=row)
            return
        self._rows.append(taken)
        self._lines.append(line)

    def refuse(self, line: int, code: str, reason: str, *, field: str | None = None, row: Mapping[str, Any] | None = None, raw: str = "") -> None:
        """Set a row aside."""
        self._bad.append(BadRow(self._source, line, field, code, reason, row, raw))

    def chunk(self, done: int) -> Chunk:
        """Everything since the last chunk."""
        try:
            table = table_of(self._rows, self._expected)
        except UnicodeEncodeError:
            self._set_aside_surrogates()
            table = table_of(self._rows, self._expected)
        bad = tuple(sorted(self._bad, key=lambda each: each.line))
        made = Chunk(self._source, table, np.array(self._lines, dtype=np.int64), bad, done)
        self._rows, self._lines, self._bad = [], [], []
        return made

    def _set_aside_surrogates(self) -> None:
        rows, lines = self._rows, self._lines
        self._rows, self._lines = [], []
        for line, row in zip(lines, rows, strict=True):
            try:
                _plain_text(row).encode()
            except UnicodeEncodeError:
                text = _plain_text(row).encode("utf-8", errors="backslashreplace").decode()
                self.refuse(line, "not_utf8", "a text holds half of a surrogate pair", raw=text)
            else:
                self._rows.append(row)
                self._lines.append(line)


def table_of(rows: Sequence[Mapping[str, Any]], expected: Expected) -> pa.Table:
    """Rows as a table: the columns that any of them has, and those that must be there. A column of mixed types arrives as text: conforming says
    what is wrong with each cell.
    """
    names = [name for name in expected.contract.columns if name in expected.required or any(name in row for row in rows)]
    if not names:  # rows without any known column are rows still
        names = [next(iter(expected.contract.columns))]
    return pa.table([_column([row.get(name) for row in rows], expected.types[name]) for name in names], names=names)


def _column(values: list[Any], kind: str) -> pa.Array:
    if kind in ("list", "object"):
        return pa.array([None if value is None else value if isinstance(value, str) else _json(value) for value in values], pa.string())
    if kind == "int":  # JSON has one kind of number, and a whole one may have come as 3.0
        values = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    found = set(map(type, values)) - {type(None)}
    if not (len(found) <= 1 or found == {int, float}) or found & {dict, list, tuple, Decimal}:  # Arrow would take True among numbers for 1
        return _texts(values)
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError, OverflowError):
        return _texts(values)


def _texts(values: Iterable[Any]) -> pa.Array:
    return pa.array([None if value is None else value if isinstance(value, str) else _plain_text(value) for value in values], pa.string())


def _plain_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict | list | tuple):
        return _json(value)
    return str(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), default=_other)


def _other(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def json_row(row: Mapping[str, Any]) -> str:
    """A row as JSON text, for keeping and for showing."""
    return _json({str(name): value for name, value in row.items()})
