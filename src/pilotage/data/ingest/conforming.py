"""From a chunk to rows that keep the contract and rows that are set aside, each with line, field, reason and what was there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pilotage.core import InputError
from pilotage.data.contracts import BadCell, Contract, conform
from pilotage.data.ingest.chunk import BadRow, Chunk, Expected, json_row
from pilotage.data.quarantine import shorten
from pilotage.data.tabular.keys import key_text, key_values

LINE = "__line"
CONTENT_CHARACTERS = 65_536
WITHHELD = "(withheld)"


@dataclass(frozen=True)
class Sorted:
    """The rows of a chunk, sorted. ``table`` has the contract's columns and the rows' lines (:data:`LINE`)."""

    table: pa.Table
    bad: tuple[BadRow, ...]
    notes: Mapping[str, Any]


class Conformer:
    """Conforms chunks to one contract. Keys are not compared here: two rows with one key may lie in different chunks."""

    def __init__(self, contract: Contract, *, now_us: int) -> None:
        self.contract = contract
        self._rule = contract.model_copy(update={"unique": False})
        self._now_us = now_us

    def sort(self, chunk: Chunk) -> Sorted:
        """Rows that keep the contract, and the others."""
        done = conform(chunk.table, self._rule, now_us=self._now_us)
        kept = np.asarray(done.kept, dtype=np.int64)
        table = done.table.append_column(pa.field(LINE, pa.int64(), nullable=False), pa.array(chunk.lines[kept]))
        bad = [*chunk.bad, *self._bad_rows(chunk, done.bad)]
        notes = {"new_levels": _few(done.new_levels), "mapped": _few(done.mapped), "converted": dict(done.converted), "missing": list(done.missing)}
        return Sorted(table, tuple(sorted(bad, key=lambda row: row.line)), {name: found for name, found in notes.items() if found})

    def _bad_rows(self, chunk: Chunk, cells: Sequence[BadCell]) -> list[BadRow]:
        by_row: dict[int, list[BadCell]] = {}
        for cell in cells:
            by_row.setdefault(cell.row, []).append(cell)
        if not by_row:
            return []
        positions = sorted(by_row)
        rows = plain_rows(chunk.table.take(pa.array(positions)))
        made = []
        for position, row in zip(positions, rows, strict=True):
            first, *more = by_row[position]
            others = sorted({cell.column for cell in more} - {first.column})
            reason = first.reason + (f" (and {', '.join(others[:5])})" if others else "")
            made.append(BadRow(chunk.source, int(chunk.lines[position]), first.column, code_of(first.reason), reason, row, ""))
        return made


_MOST_LEVELS = 1_000


def _few(counts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    return {column: dict(sorted(levels.items(), key=lambda entry: -entry[1])[:_MOST_LEVELS]) for column, levels in counts.items()}


def merged_notes(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The notes of several pieces as one."""
    total: dict[str, Any] = {}
    for notes in parts:
        for name, found in notes.items():
            if isinstance(found, list):
                total[name] = sorted({*total.get(name, ()), *found})
                continue
            mine = total.setdefault(name, {})
            for column, what in found.items():
                if isinstance(what, dict):
                    counts = mine.setdefault(column, {})
                    for level, count in what.items():
                        if level in counts or len(counts) < _MOST_LEVELS:
                            counts[level] = counts.get(level, 0) + count
                else:
                    mine[column] = what
    return total


# What kind of complaint a reason is: conforming words them for people, and counting wants few of them.
_CODES = (
    ("key", "key"),
    ("missing", "missing"),
    ("zone", "time_zone"),
    ("clock", "time_zone"),
    ("future", "future"),
    ("before it", "future"),
    ("later than now", "future"),
    ("unit", "mixed_units"),
    ("level", "level"),
    ("NaN", "not_finite"),
    ("infinit", "not_finite"),
    ("below", "bounds"),
    ("above", "bounds"),
    ("at least", "bounds"),
    ("at most", "bounds"),
)


def code_of(reason: str) -> str:
    """The kind of a conforming problem, for counting."""
    return next((code for mark, code in _CODES if re.search(rf"\b{mark}", reason)), "type")


def plain_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The table's rows with values that JSON has; others as their text."""
    columns = []
    for column in table.columns:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
            column = column.cast(pa.string())
        columns.append(column)
    rows: list[dict[str, Any]] = pa.table(columns, names=table.column_names).to_pylist()
    return rows


def shown(row: BadRow, *, expected: Expected) -> str:
    """What may be listed of a row that was set aside: its beginning; of a contract with personal columns without them, without columns nobody
    declared, and without anything where nobody can tell the columns apart.
    """
    personal = expected.personal
    if row.row is not None:
        open_names = set(expected.names) - personal if personal else set(row.row)
        return shorten(json_row({name: value if value is None or name in open_names else WITHHELD for name, value in row.row.items()}))
    if personal:
        return f"({len(row.raw)} characters withheld: the contract has personal columns)" if row.raw else ""
    return shorten(row.raw)


def content(row: BadRow) -> str | None:
    """The row in full, as it is kept for a retry: JSON with ``row`` or ``text``; None where it is too long to keep."""
    text = json_row({"text": row.raw} if row.row is None else {"row": row.row})
    return text.replace("\0", "\\u0000") if len(text) <= CONTENT_CHARACTERS else None


def quarantine_rows(rows: Iterable[BadRow], *, batch_id: str, expected: Expected) -> list[dict[str, Any]]:
    """The rows of the quarantine's table, not numbered yet."""
    return [
        {
            "batch_id": batch_id,
            "source": shorten(row.source),
            "line": row.line,
            "field": None if row.field is None else shorten(row.field),
            "code": row.code,
            "reason": shorten(row.reason),
            "raw": shown(row, expected=expected),
            "content": content(row),
            "retried_as": None,
            "erased_at": None,
            "row_key": row_key(row, contract=expected.contract),
        }
        for row in rows
    ]


def row_key(row: BadRow, *, contract: Contract) -> str | None:
    """The key of a row that was set aside, as text; None where it cannot be read, or is personal."""
    values = [row.row.get(name) for name in contract.key] if row.row is not None else []
    if not values or any(value is None for value in values) or any(contract.columns[name].personal for name in contract.key):
        return None
    try:
        return key_text(key_values(values, contract))
    except InputError:
        return None
