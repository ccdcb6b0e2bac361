"""A log: a folder of JSONL segments that are only ever appended to.

How far each segment was read is remembered in bytes and lines, with a hash of the last bytes before that place: a segment that was cut or rewritten
is an error, for what was read before would no longer be what is there. A last line without its end is still being written; it waits.
"""

from __future__ import annotations

import fnmatch
import hashlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

from pilotage.core import IntegrityError
from pilotage.data.ingest.allowed import require_allowed, require_kind
from pilotage.data.ingest.chunk import Chunk, Expected
from pilotage.data.ingest.delivery import Cursor, Delivery, Nothing
from pilotage.data.ingest.reading_text import jsonl_chunks
from pilotage.data.ingest.source import LogSource

_TAIL = 4096
_PIECE = 1024 * 1024


@dataclass(frozen=True)
class _Range:
    """The part of a segment that is new: bytes ``start`` to ``end``, after ``lines`` lines."""

    path: Path
    start: int
    end: int
    lines: int


def deliver_log(source: LogSource, *, expected: Expected, cursor: Cursor | None) -> Delivery | Nothing:
    """The whole lines that were appended since the cursor, at most ``limits.bytes`` of them. Raises ``IntegrityError`` if a segment was rewritten."""
    folder = require_allowed(Path(source.path), within=source.within, folder=True)
    known: dict[str, Any] = dict((cursor or {}).get("segments", {}))
    names = sorted(entry.name for entry in folder.iterdir() if fnmatch.fnmatch(entry.name, source.pattern))
    gone = sorted(set(known) - set(names))
    ranges: list[_Range] = []
    segments = {name: place for name, place in known.items() if name not in gone}  # a segment that was read and removed is no loss
    hasher = hashlib.sha256()
    room = source.limits.bytes
    for name in names:
        path = require_allowed(folder / name, within=source.within)
        place = known.get(name, {"offset": 0, "lines": 0, "tail": ""})
        with path.open("rb") as file:
            require_kind(file.read(512), kind="jsonl", where=str(path))
            _require_same(file, place, path)
            end = _last_end(file, place["offset"], room)
            if end <= place["offset"]:
                continue
            hasher.update(f"{name} {place['offset']} {end}\n".encode())
            lines = _feed(hasher, file, place["offset"], end)
            segments[name] = {"offset": end, "lines": place["lines"] + lines, "tail": _tail(file, end)}
        ranges.append(_Range(path, place["offset"], end, place["lines"]))
        room -= end - place["offset"]
        if room <= 0:
            break
    if not ranges:
        return Nothing("no segment has grown since the last delivery", cursor)

    def read() -> Iterator[Chunk]:
        for part in ranges:
            with _Until(part.path, part.start, part.end) as file:
                yield from jsonl_chunks(cast(BinaryIO, file), source=part.path.name, expected=expected, limits=source.limits, line=part.lines)

    def require_unchanged() -> None:
        for part in ranges:
            with part.path.open("rb") as file:
                _require_same(file, segments[part.path.name], part.path)

    size = sum(part.end - part.start for part in ranges)
    label = ranges[0].path.name if len(ranges) == 1 else f"{ranges[0].path.name} to {ranges[-1].path.name}"
    return Delivery(label=label, digest=hasher.hexdigest(), size=size, read=read, require_unchanged=require_unchanged, cursor={"segments": segments})


class _Until(io.RawIOBase):
    """A part of a file, read line by line as if it ended there. Offsets are those of the file."""

    def __init__(self, path: Path, start: int, end: int) -> None:
        self._file = path.open("rb")
        self._file.seek(start)
        self._end = end

    def readline(self, size: int | None = -1) -> bytes:
        left = self._end - self._file.tell()
        return b"" if left <= 0 else self._file.readline(left if size is None or size < 0 else min(size, left))

    def tell(self) -> int:
        return self._file.tell()

    def close(self) -> None:
        self._file.close()
        super().close()


def _last_end(file: BinaryIO, start: int, room: int) -> int:
    """Where the last whole line ends that lies within ``room`` bytes of ``start``."""
    size = file.seek(0, io.SEEK_END)
    at = min(size, start + max(room, 0))
    while at > start:
        low = max(start, at - _PIECE)
        file.seek(low)
        found = file.read(at - low).rfind(b"\n")
        if found >= 0:
            return low + found + 1
        at = low
    return start


def _feed(hasher: Any, file: BinaryIO, start: int, end: int) -> int:
    file.seek(start)
    lines = 0
    while start < end:
        piece = file.read(min(_PIECE, end - start))
        hasher.update(piece)
        lines += piece.count(b"\n")
        start += len(piece)
    return lines


def _tail(file: BinaryIO, offset: int) -> str:
    low = max(0, offset - _TAIL)
    file.seek(low)
    return hashlib.sha256(file.read(offset - low)).hexdigest()


def _require_same(file: BinaryIO, place: dict[str, Any], path: Path) -> None:
    offset = place["offset"]
    if offset and (file.seek(0, io.SEEK_END) < offset or _tail(file, offset) != place["tail"]):
        raise IntegrityError(
            "This segment of the log is not what it was when it was last read.",
            where=f"{path} before byte {offset}",
            why="a log is only appended to: what was read from it before may no longer be there",
            mend="find out who rewrote it; deliver the segment under a new name once that is settled",
        )
