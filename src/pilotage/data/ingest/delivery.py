"""A delivery: what a source hands over this time, at rest on this machine, with the digest of its bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotage.core import InputError, Refused
from pilotage.data.ingest.allowed import require_allowed, require_kind
from pilotage.data.ingest.chunk import Chunk, Expected
from pilotage.data.ingest.reading_columns import arrow_chunks, lance_chunks, open_lance, parquet_chunks
from pilotage.data.ingest.reading_text import csv_chunks, jsonl_chunks
from pilotage.data.ingest.source import Dialect, FileSource, LanceSource, Limits, SourceConfig
from pilotage.data.ingest.unpacking import packing, unpack

Cursor = Mapping[str, Any]


@dataclass(frozen=True)
class Delivery:
    """``read`` gives its rows, the same chunks each time; ``require_unchanged`` raises if they are not those that ``digest`` (hex) was made of.

    ``size`` counts bytes, or rows where there are no bytes. ``cursor`` is where the source stands once this delivery is dealt with.
    """

    label: str
    digest: str
    size: int
    read: Callable[[], Iterator[Chunk]]
    require_unchanged: Callable[[], None] = lambda: None
    cursor: Cursor | None = None


@dataclass(frozen=True)
class Nothing:
    """The source has nothing new, and why."""

    reason: str
    cursor: Cursor | None = None


def deliver_file(source: FileSource, *, file: Path | None, expected: Expected, folder: Path) -> Delivery:
    """The file a source (or the caller) names."""
    given = file if file is not None else (None if source.path is None else Path(source.path))
    if given is None:
        raise InputError(f"The source '{source.name}' names no file.", mend="name one: pilotage data ingest SOURCE.yaml FILE")
    real = require_allowed(given, within=source.within)
    return deliver_body(real, label=given.name, where=str(given), kind=source.kind, source=source, expected=expected, folder=folder)


def deliver_body(
    path: Path,
    *,
    label: str,
    where: str,
    kind: str,
    source: SourceConfig,
    expected: Expected,
    folder: Path,
    cursor: Cursor | None = None,
) -> Delivery:
    """A file that lies on this machine, packed or not."""
    limits, dialect = source.limits, getattr(source, "dialect", Dialect())
    before = _signature(path)
    if before[0] > limits.bytes:
        raise InputError(f"The file is larger than {limits.bytes} bytes.", where=where, mend="split it, or raise 'limits.bytes' of the source")
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    content = unpack(path, into=folder, limits=limits, where=where)[0] if packing(_head(path)) else path
    require_kind(_head(content), kind=kind, where=where)

    def require_unchanged() -> None:
        if _signature(path) != before:
            raise InputError("The file was changed while it was read.", where=where, why="nothing was kept", mend="try again once it is at rest")

    def read() -> Iterator[Chunk]:
        return read_file(content, kind=kind, label=label, where=where, dialect=dialect, expected=expected, limits=limits)

    return Delivery(label=label, digest=digest, size=before[0], read=read, require_unchanged=require_unchanged, cursor=cursor)


def read_file(path: Path, *, kind: str, label: str, where: str, dialect: Dialect, expected: Expected, limits: Limits) -> Iterator[Chunk]:
    """The rows of an unpacked file."""
    if kind == "parquet":
        yield from parquet_chunks(path, source=label, expected=expected, limits=limits, where=where)
    elif kind == "arrow":
        yield from arrow_chunks(path, source=label, expected=expected, limits=limits, where=where)
    else:
        with path.open("rb") as file:
            if kind == "csv":
                yield from csv_chunks(file, source=label, dialect=dialect, expected=expected, limits=limits, where=where)
            else:
                yield from jsonl_chunks(file, source=label, expected=expected, limits=limits)


def deliver_lance(source: LanceSource, *, expected: Expected) -> Delivery:
    """The latest version of a Lance dataset. Its digest is that of its rows, in their order."""
    real = require_allowed(Path(source.path), within=source.within, folder=True)
    dataset = open_lance(real, where=source.path)
    hasher = hashlib.sha256(dataset.schema.serialize())
    for batch in dataset.to_batches():
        hasher.update(batch.serialize())
    version = dataset.version
    label = f"{real.name} version {version}"

    def read() -> Iterator[Chunk]:
        return lance_chunks(real, version, source=label, expected=expected, limits=source.limits, where=source.path)

    return Delivery(label=label, digest=hasher.hexdigest(), size=dataset.count_rows(), read=read)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(512)


def _signature(path: Path) -> tuple[int, int, int, int]:
    """What a write to the file changes; the time of its last change of state cannot be set back."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


def require_secret(variable: str) -> str:
    """The value of a variable of the environment. Raises ``Refused`` (naming the variable only) if it is not set."""
    import os

    value = os.environ.get(variable)
    if not value:
        raise Refused(f"The variable {variable} of the environment is not set.", why="the source takes its address or secret from it", mend="set it")
    return value
