"""Reading Parquet, Arrow and Lance in chunks, each row with its number (from 1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pilotage.core import InputError, Refused, require
from pilotage.data.ingest.chunk import CHUNK_ROWS, BadRow, Chunk, Expected
from pilotage.data.ingest.source import Limits
from pilotage.data.sources import ImportLimits, check_parquet_size


def parquet_chunks(path: Path, *, source: str, expected: Expected, limits: Limits, where: str) -> Iterator[Chunk]:
    """The rows of a Parquet file."""
    try:
        with pq.ParquetFile(path) as file:
            check_parquet_size(file.metadata, ImportLimits(rows=limits.rows, bytes=limits.bytes), where=where)
            taken = _take(file.schema_arrow, expected, where=where)
            yield from _chunks(file.iter_batches(batch_size=CHUNK_ROWS, columns=taken), taken, source=source, limits=limits, where=where)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Parquet", error, where) from error


def arrow_chunks(path: Path, *, source: str, expected: Expected, limits: Limits, where: str) -> Iterator[Chunk]:
    """The rows of an Arrow IPC file or stream."""
    try:
        with pa.OSFile(str(path), "rb") as file:  # read, not mapped: a file that shrinks under a mapping kills the process
            reader: Any
            try:
                reader = pa.ipc.open_file(file)
                batches: Iterable[pa.RecordBatch] = (reader.get_batch(index) for index in range(reader.num_record_batches))
            except pa.ArrowInvalid:
                file.seek(0)
                reader = pa.ipc.open_stream(file)
                batches = reader
            taken = _take(reader.schema, expected, where=where)
            yield from _chunks((batch.select(taken) for batch in batches), taken, source=source, limits=limits, where=where)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Arrow", error, where) from error


def lance_chunks(path: Path, version: int, *, source: str, expected: Expected, limits: Limits, where: str) -> Iterator[Chunk]:
    """The rows of a version of a Lance dataset."""
    dataset = open_lance(path, version=version, where=where)
    taken = _take(dataset.schema, expected, where=where)
    try:
        yield from _chunks(dataset.to_batches(columns=taken, batch_size=CHUNK_ROWS), taken, source=source, limits=limits, where=where)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable("Lance", error, where) from error


def open_lance(path: Path, *, version: int | None = None, where: str) -> Any:
    """The Lance dataset. Raises ``InputError`` if there is none, ``Unavailable`` where Lance is not installed."""
    lance = require("lance", extra="tables")
    try:
        return lance.dataset(str(path), version=version)
    except (ValueError, OSError) as error:
        raise InputError(f"This is no Lance dataset: {str(error).splitlines()[0][:200]}", where=where, mend="check the path") from error


def _take(schema: pa.Schema, expected: Expected, *, where: str) -> list[str]:
    names = list(schema.names)
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InputError(f"The column '{doubled[0]}' stands twice in this file.", where=where, mend="write it with one column of each name")
    for field in schema:
        if (field.metadata or {}).get(b"ARROW:extension:name", b"").startswith(b"arrow.py_extension_type"):
            raise Refused(f"The column '{field.name}' is of a type that is kept as a pickle.", where=where, mend="write it as a plain Arrow type")
    return expected.take(names, where=where)


def _chunks(batches: Iterable[pa.RecordBatch], taken: list[str], *, source: str, limits: Limits, where: str) -> Iterator[Chunk]:
    number = unpacked = 0
    for batch in batches:
        unpacked += batch.nbytes
        if unpacked > limits.bytes or number + batch.num_rows > limits.rows:
            raise InputError(
                f"The file unpacks to more than {limits.bytes} bytes or {limits.rows} rows.",
                where=where,
                mend="split it, or raise the source's limits",
            )
        for offset in range(0, batch.num_rows, CHUNK_ROWS):
            table = pa.Table.from_batches([batch.slice(offset, CHUNK_ROWS)]).select(taken)
            lines = np.arange(number + 1, number + 1 + table.num_rows, dtype=np.int64)
            number += table.num_rows
            yield _readable(table, lines, source=source, done=number)


def _readable(table: pa.Table, lines: Any, *, source: str, done: int) -> Chunk:
    """The table, without the rows in which a text is not UTF-8 (writers do not check, and readers die of it)."""
    bad: dict[int, BadRow] = {}
    for name in table.column_names:
        kind = table.schema.field(name).type
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
            continue
        try:
            table.column(name).validate(full=True)
        except pa.ArrowInvalid:
            for at, cell in enumerate(table.column(name).cast(pa.large_binary()).to_pylist()):
                try:
                    (cell or b"").decode("utf-8")
                except UnicodeDecodeError as error:
                    reason = f"not UTF-8: byte 0x{error.object[error.start]:02x} at byte {error.start} of the cell"
                    bad.setdefault(at, BadRow(source, int(lines[at]), name, "not_utf8", reason, None, ""))
    if not bad:
        return Chunk(source, table, lines, (), done)
    keep = np.ones(table.num_rows, dtype=bool)
    keep[list(bad)] = False
    return Chunk(source, table.filter(pa.array(keep)), lines[keep], tuple(bad[at] for at in sorted(bad)), done)


def _unreadable(kind: str, error: Exception, where: str) -> InputError:
    return InputError(f"This {kind} file cannot be read: {str(error).splitlines()[0][:300]}", where=where, mend="write it again")
