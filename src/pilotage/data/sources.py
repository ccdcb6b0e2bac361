"""Reading files row by row: JSONL, CSV, Parquet. A bad row comes out as what is wrong with it; reading goes on at the next one.

Memory is bounded by the limits, not by the file: lines are read to at most ``line_bytes``, Parquet in small batches whose size is watched.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from pilotage.core import InputError
from pilotage.data.contract import FieldRule, Problem
from pilotage.data.quarantine import shorten
from pilotage.data.strict_json import parse_json, parse_object

_BOM = b"\xef\xbb\xbf"
_PARQUET_BATCH = 128


@dataclass(frozen=True)
class ImportLimits:
    """How much is taken from one file.

    ``line_bytes``: a longer line (or CSV record, or Parquet row as JSON) is quarantined. ``rows`` and ``bytes`` (of the file; for Parquet also
    unpacked): a larger file is refused whole. ``bad_rows``: with more rows than this in quarantine, the file is refused whole.
    """

    line_bytes: int = 1024 * 1024
    rows: int = 5_000_000
    bytes: int = 4 * 1024 * 1024 * 1024
    bad_rows: int = 10_000


@dataclass(frozen=True)
class Found:
    """One row of a file: where it stood, and the row or what is wrong with it. ``raw`` is given for a row that might be quarantined."""

    line: int
    row: dict[str, Any] | Problem
    raw: bytes | str


def read_jsonl(file: BinaryIO, *, limits: ImportLimits, before: int = 0, offset: int = 0) -> Iterator[Found]:
    """One JSON object a line. Blank lines are not rows. ``before`` lines and ``offset`` bytes of the file were read earlier."""
    for number, (line, size) in enumerate(_lines(file, limits.line_bytes), start=before + 1):
        start, offset = offset, offset + size
        if number == 1 and line.startswith(_BOM):
            line, start = line[len(_BOM) :], start + len(_BOM)
        if size > limits.line_bytes:
            yield Found(number, Problem(None, f"the line is {size} bytes long, at most {limits.line_bytes} allowed"), line)
            continue
        if not line.strip():
            continue
        text = _decode(line, start)
        yield Found(number, text if isinstance(text, Problem) else parse_object(text), line.rstrip(b"\r\n"))


def read_csv(file: BinaryIO, *, limits: ImportLimits, contract: Mapping[str, FieldRule], where: str) -> Iterator[Found]:
    """Comma-separated values with a header line (RFC 4180). Cells become what the contract says; without a rule they stay text.

    An empty cell is a missing value, unless the contract says text. A record whose quotes never close costs its first line; reading goes on at the
    second.
    """
    lines = CsvLines(file, limits.line_bytes)
    reader = csv_reader(lines)
    header = csv_header(lines, reader, where=where)
    for first, cells, raw in csv_records(lines, reader, width=len(header)):
        yield Found(first, cells if isinstance(cells, Problem) else _csv_row(header, cells, contract), raw)


def csv_reader(lines: CsvLines, *, delimiter: str = ",", quote: str = '"') -> Iterator[list[str]]:
    """Python's reader over ``lines``, strict about quotes."""
    if csv.field_size_limit() < lines.limit:
        csv.field_size_limit(lines.limit)  # global to the process, and only ever raised
    return csv.reader(lines, strict=True, delimiter=delimiter, quotechar=quote)


def csv_records(lines: CsvLines, reader: Iterator[list[str]], *, width: int) -> Iterator[tuple[int, list[str] | Problem, bytes]]:
    """Each record: the line it begins on, its ``width`` cells or what is wrong with it, and its bytes."""
    while True:
        lines.start_record()
        problem: Problem | None = None
        cells: list[str] = []
        try:
            cells = next(reader)
        except StopIteration:
            if not lines.record:
                return
            problem = Problem(None, "the record does not end")
        except _TooLong as error:
            problem = Problem(None, str(error))
        except csv.Error as error:
            problem = Problem(None, f"not CSV: {error}")
        first, raw = lines.first_line, lines.raw
        if problem is not None:
            lines.retry_after_first()
            yield first, problem, lines.raw
            continue
        if not cells:  # a blank line is no row
            continue
        bad_bytes = lines.find_bad_bytes()
        if bad_bytes is not None:
            yield first, bad_bytes, raw
        elif len(cells) != width:
            yield first, Problem(None, f"{len(cells)} cells where the header has {width}"), raw
        else:
            yield first, cells, raw


def read_parquet(path: Path, *, limits: ImportLimits) -> Iterator[Found]:
    """The rows of a Parquet file. ``line`` is the row's number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            names = file.schema_arrow.names
            doubled = sorted({name for name in names if names.count(name) > 1})
            if doubled:
                raise InputError(f"The column '{doubled[0]}' stands twice in this Parquet file.", where=str(path))
            check_parquet_size(file.metadata, limits, where=str(path))
            number = unpacked = 0
            for batch in file.iter_batches(batch_size=_PARQUET_BATCH):
                unpacked += batch.nbytes
                if unpacked > limits.bytes:
                    raise _too_large(path, f"unpacks to more than {limits.bytes} bytes")
                columns = [_values(column) for column in batch.columns]
                for index in range(batch.num_rows):
                    number += 1
                    yield _parquet_row(number, {name: column[index] for name, column in zip(names, columns, strict=True)})
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"The Parquet file cannot be read: {str(error).splitlines()[0]}", where=str(path), mend="write it again") from error


def _parquet_row(number: int, row: dict[str, Any]) -> Found:
    bad = next((name for name, value in row.items() if isinstance(value, _Unreadable)), None)
    if bad is not None:
        return Found(number, Problem(bad, row[bad].reason), "")
    return Found(number, row, repr(row) if len(row) < 200 else "")


@dataclass(frozen=True)
class _Unreadable:
    reason: str


def _values(column: Any) -> list[Any]:
    """A column's values; text that is not UTF-8 is marked cell by cell, so one bad cell costs one row."""
    try:
        found: list[Any] = column.to_pylist()
    except UnicodeDecodeError:
        found = []
        for cell in column:
            try:
                found.append(cell.as_py())
            except UnicodeDecodeError as error:
                found.append(_Unreadable(f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte {error.start} of the cell"))
    return found


def check_parquet_size(metadata: Any, limits: ImportLimits, *, where: str) -> None:
    """Raise ``InputError`` if the file says itself that it holds more than the limits allow."""
    if metadata.num_rows > limits.rows:
        raise _too_large(Path(where), f"has {metadata.num_rows} rows, at most {limits.rows} allowed")
    unpacked = sum(metadata.row_group(index).total_byte_size for index in range(metadata.num_row_groups))
    if unpacked > limits.bytes:
        raise _too_large(Path(where), f"unpacks to {unpacked} bytes, at most {limits.bytes} allowed")


def _too_large(path: Path, what: str) -> InputError:
    return InputError(
        f"The file {what}.",
        where=str(path),
        why="a small file can unpack to more than this machine holds",
        mend="split it, or raise the limit for files you trust",
    )


def _lines(file: BinaryIO, limit: int) -> Iterator[tuple[bytes, int]]:
    """Each line with its end, cut after ``limit`` bytes, and its length in the file."""
    while True:
        line = file.readline(limit + 2)
        if not line:
            return
        size = len(line)
        if not line.endswith(b"\n"):
            while rest := file.readline(limit + 2):  # the line is over-long: count it, keep none of it
                size += len(rest)
                if rest.endswith(b"\n"):
                    break
        yield line, size


def _decode(line: bytes, offset: int) -> str | Problem:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        return _not_utf8(line, error.start, offset)


def _not_utf8(data: bytes, at: int, offset: int) -> Problem:
    return Problem(None, f"not UTF-8: byte 0x{data[at]:02x} at byte {offset + at} of the file")


class _TooLong(Exception):
    pass


class CsvLines:
    """Feeds lines to ``csv.reader``, remembers those of the record being read, and can go back to the record's second line."""

    def __init__(self, file: BinaryIO, limit: int, *, line: int = 0, offset: int = 0) -> None:
        """``line`` lines and ``offset`` bytes of the file were read before."""
        self._source = _lines(file, limit)
        self.limit = limit
        self._waiting: list[tuple[int, int, bytes, int]] = []
        self._number = line
        self._offset = offset
        self.record: list[tuple[int, int, bytes, int]] = []

    def start_record(self) -> None:
        self.record = []

    @property
    def lines_read(self) -> int:
        """How many lines of the file were read; None of them waits to be read again where :attr:`at_rest`."""
        return self._number

    @property
    def at_rest(self) -> bool:
        return not self._waiting

    @property
    def first_line(self) -> int:
        return self.record[0][0] if self.record else self._number + 1

    @property
    def raw(self) -> bytes:
        return b"".join(line for _, _, line, _ in self.record)

    def retry_after_first(self) -> None:
        self._waiting = self.record[1:] + self._waiting
        self.record = self.record[:1]

    def find_bad_bytes(self) -> Problem | None:
        for _, offset, line, _ in self.record:
            found = _decode(line, offset)
            if isinstance(found, Problem):
                return found
        return None

    def __iter__(self) -> CsvLines:
        return self

    def __next__(self) -> str:
        entry = self._waiting.pop(0) if self._waiting else self._read()
        self.record.append(entry)
        size = sum(length for _, _, _, length in self.record)
        if size > self.limit:
            raise _TooLong(f"the record is longer than {self.limit} bytes (a quote that does not close?)")
        return entry[2].decode("utf-8", errors="surrogateescape")

    def _read(self) -> tuple[int, int, bytes, int]:
        line, size = next(self._source)
        self._number += 1
        offset, self._offset = self._offset, self._offset + size
        if self._number == 1 and line.startswith(_BOM):
            line, offset = line[len(_BOM) :], offset + len(_BOM)
        return self._number, offset, line, size


def csv_header(lines: CsvLines, reader: Iterator[list[str]], *, where: str) -> list[str]:
    """The names on the header line. Raises ``InputError`` if it is missing, not UTF-8, or does not name every column once."""
    mend = "the first line must name the columns, each once, in UTF-8"
    try:
        header = next(reader)
    except StopIteration:
        raise InputError("The CSV file is empty.", where=where, mend=mend) from None
    except (csv.Error, _TooLong) as error:
        raise InputError(f"The header of the CSV file cannot be read: {error}", where=f"{where}:1", mend=mend) from error
    bad_bytes = lines.find_bad_bytes()
    if bad_bytes is not None:
        raise InputError(f"The header of the CSV file is {bad_bytes.reason}.", where=f"{where}:1", mend=mend)
    doubled = sorted({name for name in header if header.count(name) > 1})
    if doubled or not all(name.strip() for name in header):
        what = f"names the column '{doubled[0]}' twice" if doubled else "has a column without a name"
        raise InputError(f"The header of the CSV file {what}.", where=f"{where}:1", mend=mend)
    return header


def _csv_row(header: list[str], cells: list[str], contract: Mapping[str, FieldRule]) -> dict[str, Any] | Problem:
    row: dict[str, Any] = {}
    for name, cell in zip(header, cells, strict=True):
        rule = contract.get(name)
        value = cell if rule is None or rule.type == "text" else _typed(cell, rule, name)
        if isinstance(value, Problem):
            return value
        row[name] = value
    return row


def _typed(cell: str, rule: FieldRule, name: str) -> Any:
    text = cell.strip()
    if not text:
        return None
    if rule.type == "bool":
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        return Problem(name, f"expected bool (true or false), found {shorten(text)[:40]!r}")
    value = parse_json(text)
    if isinstance(value, Problem):
        return Problem(name, f"expected {rule.type}: {value.reason}")
    return value
