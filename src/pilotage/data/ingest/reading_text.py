"""Reading CSV and JSONL in chunks, each row with its line.

CSV goes two ways that give the same rows. A block without a quote in it has one record a line: Arrow reads it, after a count of the delimiters of
each line has set the misshapen ones aside. Any other block goes through the record reader of :mod:`pilotage.data.sources`, which knows about quotes
that span lines or never close.

Cost: about 0.3 µs a row and column the first way, 3 µs a row more the second; JSONL about 6 µs a row. Memory: one block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv

from pilotage.core import InputError
from pilotage.data.contract import Problem
from pilotage.data.ingest.chunk import CHUNK_ROWS, BadRow, Chunk, Expected, RowsToChunk
from pilotage.data.ingest.source import Dialect, Limits
from pilotage.data.sources import CsvLines, ImportLimits, csv_header, csv_reader, csv_records, read_jsonl

BLOCK = 4 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


def jsonl_chunks(file: BinaryIO, *, source: str, expected: Expected, limits: Limits, line: int = 0) -> Iterator[Chunk]:
    """The rows of JSONL text, read from where ``file`` stands; ``line`` lines of it were read before."""
    rows = RowsToChunk(expected, source=source)
    start = taken = file.tell()
    for found in read_jsonl(file, limits=ImportLimits(line_bytes=limits.line_bytes), before=line, offset=start):
        if isinstance(found.row, Problem):
            raw = found.raw if isinstance(found.raw, str) else found.raw.decode("utf-8", errors="backslashreplace")
            rows.refuse(found.line, _code(found.row.reason), found.row.reason, field=found.row.field, raw=raw)
        else:
            rows.add(found.line, found.row)
        if len(rows) >= CHUNK_ROWS or (len(rows) % 256 == 0 and file.tell() - taken > 4 * BLOCK):
            taken = file.tell()
            yield rows.chunk(taken - start)
    if len(rows):
        yield rows.chunk(file.tell() - start)


def csv_chunks(file: BinaryIO, *, source: str, dialect: Dialect, expected: Expected, limits: Limits, where: str) -> Iterator[Chunk]:
    """The rows of a CSV file (which can be sought). Cells stay text, for the contract to cast."""
    line = 0
    for _ in range(dialect.skip):
        line += bool(file.readline(limits.line_bytes))
    if dialect.header is True:
        lines = CsvLines(file, limits.line_bytes, line=line, offset=file.tell())
        header = csv_header(lines, csv_reader(lines, delimiter=dialect.delimiter, quote=dialect.quote), where=where)
        line = lines.lines_read
    else:
        header = list(dialect.header)
    taken = expected.take(header, where=f"{where}:{max(line, 1)}")
    if not taken:
        raise InputError("No column of this file is one of the contract.", where=where, mend="check the header and the delimiter")
    blocks = _CsvBlocks(file, source=source, dialect=dialect, header=header, limits=limits, line=line)
    for table, numbers, bad in blocks:
        yield Chunk(source, _cells_as_values(table.select(taken), dialect, expected), numbers, tuple(bad), file.tell())


class _CsvBlocks:
    def __init__(self, file: BinaryIO, *, source: str, dialect: Dialect, header: Sequence[str], limits: Limits, line: int) -> None:
        self._file = file
        self._source = source
        self._dialect = dialect
        self._header = list(header)
        self._limit = limits.line_bytes
        self._line = line

    def __iter__(self) -> Iterator[tuple[pa.Table, np.ndarray, list[BadRow]]]:
        while True:
            start = self._file.tell()
            block = self._file.read(BLOCK)
            if not block:
                return
            if not block.endswith(b"\n"):
                block += self._file.readline(self._limit + 2)
            yield self._plain(block, start) or self._quoted(start, len(block))

    def _plain(self, block: bytes, start: int) -> tuple[pa.Table, np.ndarray, list[BadRow]] | None:
        """A block of one record a line, or None if it may be something else."""
        if self._dialect.quote.encode() in block or b"\0" in block or block.count(b"\r") != block.count(b"\r\n"):
            return None
        try:
            block.decode("utf-8")
        except UnicodeDecodeError:
            return None
        first = len(_BOM) if start == 0 and block.startswith(_BOM) else 0
        width = len(self._header)
        data = np.frombuffer(block, dtype=np.uint8)
        ends = np.flatnonzero(data == 10)
        if not block.endswith(b"\n"):
            ends = np.append(ends, len(block))
        starts = np.concatenate(([first], ends[:-1] + 1))
        lengths = ends - starts
        if int(lengths.max()) > self._limit:
            return None
        blank = (lengths == 0) | ((lengths == 1) & (data[starts.clip(max=len(block) - 1)] == 13))
        marks = np.flatnonzero(data == ord(self._dialect.delimiter))
        cells = np.searchsorted(marks, ends) - np.searchsorted(marks, starts) + 1
        good = ~blank & (cells == width)
        numbers = self._line + 1 + np.arange(len(ends), dtype=np.int64)
        bad = [
            self._bad(int(numbers[at]), f"{int(cells[at])} cells where the header has {width}", block[starts[at] : ends[at] + 1])
            for at in np.flatnonzero(~blank & ~good)
        ]
        if good.all():
            text = block[first:]
        else:
            text = b"".join(block[starts[at] : ends[at] + 1] for at in np.flatnonzero(good))
        table = self._parse(text)
        if table.num_rows != int(good.sum()):
            return None
        self._line += len(ends)
        return table, numbers[good], bad

    def _parse(self, text: bytes) -> pa.Table:
        names = self._header
        if not text:
            return pa.table({name: pa.array([], pa.string()) for name in names})
        return arrow_csv.read_csv(
            pa.BufferReader(text),
            read_options=arrow_csv.ReadOptions(column_names=names, block_size=len(text) + 1, use_threads=False),
            parse_options=arrow_csv.ParseOptions(
                delimiter=self._dialect.delimiter, quote_char=False, double_quote=False, escape_char=False, newlines_in_values=False
            ),
            convert_options=arrow_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False),
        )

    def _quoted(self, start: int, size: int) -> tuple[pa.Table, np.ndarray, list[BadRow]]:
        """The records that begin in this block, one by one."""
        self._file.seek(start)
        lines = CsvLines(self._file, self._limit, line=self._line, offset=start)
        reader = csv_reader(lines, delimiter=self._dialect.delimiter, quote=self._dialect.quote)
        rows: list[list[str]] = []
        numbers: list[int] = []
        bad: list[BadRow] = []
        for number, cells, raw in csv_records(lines, reader, width=len(self._header)):
            if isinstance(cells, Problem):
                bad.append(self._bad(number, cells.reason, raw))
            else:
                rows.append(cells)
                numbers.append(number)
            if lines.at_rest and self._file.tell() >= start + size:
                break
        self._line = lines.lines_read
        columns = list(zip(*rows, strict=True)) if rows else [()] * len(self._header)
        table = pa.table([pa.array(column, pa.string()) for column in columns], names=self._header)
        return table, np.array(numbers, dtype=np.int64), bad

    def _bad(self, line: int, reason: str, raw: bytes) -> BadRow:
        text = raw.decode("utf-8", errors="backslashreplace").rstrip("\r\n")
        return BadRow(self._source, line, None, _code(reason), reason, None, text)


def _cells_as_values(table: pa.Table, dialect: Dialect, expected: Expected) -> pa.Table:
    """Cells that stand for a missing value become missing; decimal commas become points."""
    if not dialect.missing and dialect.decimal == ".":
        return table
    columns = []
    for name in table.column_names:
        column = table.column(name)
        if dialect.missing:
            absent = pc.is_in(column, value_set=pa.array(dialect.missing, pa.string()))
            column = pc.if_else(absent, pa.scalar(None, pa.string()), column)
        if dialect.decimal == "," and expected.types[name] == "float":
            pointed = pc.match_substring(column, ".")  # a point beside a decimal comma groups thousands: which one is meant is not for us to guess
            column = pc.if_else(pointed, column, pc.replace_substring(column, ",", ".", max_replacements=1))
        columns.append(column)
    return pa.table(columns, names=table.column_names)


def _code(reason: str) -> str:
    """The kind of a reading problem, for counting."""
    for mark, code in (("UTF-8", "not_utf8"), ("cells where", "cells"), ("not CSV", "csv"), ("record", "csv"), ("long", "too_long")):
        if mark in reason:
            return code
    return "json"
