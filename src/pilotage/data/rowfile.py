"""The file a version's rows lie in: Parquet with two columns, ``id`` and ``json``.

``json`` is the row's canonical JSON, so rows of any shape fit, floats and nested values come back as they went in, and the digest is computed over
the very bytes that are stored. Row groups are small (4,096 rows or 8 MiB of text), so a page of rows or one row is read without the rest.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from pilotage.core import MultisetDigest, digest

GROUP_ROWS = 4096
GROUP_BYTES = 8 * 1024 * 1024


def version_digest(rows: MultisetDigest, contract: dict[str, Any]) -> str:
    """The digest of a version: its rows in any order, their number, and the contract they keep."""
    return digest({"rows": rows.hexdigest(), "count": rows.count, "contract": contract})


class RowFileWriter:
    """Writes rows to a temporary file, one row group at a time. Memory: one row group."""

    def __init__(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._pa = pa
        self._schema = pa.schema([pa.field("id", pa.string(), nullable=False), pa.field("json", pa.string(), nullable=False)])
        self._folder = tempfile.TemporaryDirectory(prefix="pilotage-rows-")
        self.path = Path(self._folder.name) / "rows.parquet"
        self._writer = pq.ParquetWriter(self.path, self._schema, compression="zstd")
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._bytes = 0
        self.digest = MultisetDigest()

    def add(self, row_id: str, canonical: bytes) -> None:
        """Add one row, given as its canonical bytes."""
        self.digest.add(canonical)
        self._ids.append(row_id)
        self._texts.append(canonical.decode())
        self._bytes += len(canonical)
        if len(self._ids) >= GROUP_ROWS or self._bytes >= GROUP_BYTES:
            self._flush()

    def finish(self) -> bytes:
        """The whole file's bytes (compressed)."""
        self._flush()
        self._writer.close()
        return self.path.read_bytes()

    def _flush(self) -> None:
        if self._ids:
            self._writer.write_table(self._pa.table({"id": self._ids, "json": self._texts}, schema=self._schema), row_group_size=len(self._ids))
            self._ids, self._texts, self._bytes = [], [], 0

    def __enter__(self) -> RowFileWriter:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._writer.close()
        self._folder.cleanup()


class RowFile:
    """Reads a file that :class:`RowFileWriter` wrote. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        self._file = pq.ParquetFile(path, memory_map=True)

    @property
    def count(self) -> int:
        """How many rows the file says it has."""
        return int(self._file.metadata.num_rows)

    def groups(self, *columns: str) -> Iterator[dict[str, list[str]]]:
        """Each row group's columns, in order."""
        for index in range(self._file.num_row_groups):
            yield self._file.read_row_group(index, columns=list(columns)).to_pydict()

    def texts(self) -> Iterator[str]:
        """Every row's canonical JSON, in order."""
        for group in self.groups("json"):
            yield from group["json"]

    def slice(self, *, offset: int, limit: int) -> list[str]:
        """The canonical JSON of rows ``offset`` to ``offset + limit``; only the row groups that hold them are read."""
        found: list[str] = []
        start = 0
        for index in range(self._file.num_row_groups):
            size = self._file.metadata.row_group(index).num_rows
            low, high = max(offset - start, 0), min(offset + limit - start, size)
            if low < high:
                found += self._file.read_row_group(index, columns=["json"]).column("json").slice(low, high - low).to_pylist()
            start += size
            if start >= offset + limit:
                break
        return found

    def find(self, row_id: str) -> str | None:
        """The canonical JSON of the row with this id. Reads the id column up to it, and one row group."""
        import pyarrow as pa
        import pyarrow.compute as pc

        for index in range(self._file.num_row_groups):
            ids = self._file.read_row_group(index, columns=["id"]).column("id")
            at = pc.index(ids, pa.scalar(row_id, pa.string())).as_py()
            if at >= 0:
                return str(self._file.read_row_group(index, columns=["json"]).column("json")[at].as_py())
        return None

    def hashes(self) -> dict[str, bytes]:
        """Row id -> 16-byte hash of the row. About 150 bytes of memory a row."""
        return {
            row_id: hashlib.blake2b(text.encode(), digest_size=16).digest()
            for group in self.groups("id", "json")
            for row_id, text in zip(group["id"], group["json"], strict=True)
        }

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    def __enter__(self) -> RowFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def parse_row(text: str) -> dict[str, Any]:
    """A row from the canonical JSON it is stored as."""
    row: dict[str, Any] = json.loads(text)
    return row
