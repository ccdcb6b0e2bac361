"""The online store in Redis: for many serving processes, or for readers that should not touch the workspace's database.

A value is a header (event and available time as big-endian numbers that sort as bytes, when it was written, the definition's hash) and the blob.
A script compares the first sixteen bytes and sets the value in one step, so that two writers cannot undo each other; rows travel by the hundred.
How durable a written row is, is Redis's own setting (``appendfsync``): what it loses, ``pilotage features materialize`` writes anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pilotage.core import Unavailable
from pilotage.core.extras import require
from pilotage.features.online.store import OnlineRow, Put, Stored, newest
from pilotage.store import Workspace

_ROWS_A_CALL = 500
_CALLS_A_TRIP = 20
_SIGN = 1 << 63  # added to a signed time, so that earlier times are smaller as bytes too
_HEADER = struct.Struct(">QQqB")
_PUT = """
local written = 0
for i = 1, #KEYS do
  local new, held = ARGV[i], redis.call('GETRANGE', KEYS[i], 0, 15)
  local older = false
  for b = 1, #held do
    local x, y = string.byte(new, b), string.byte(held, b)
    if x ~= y then
      older = x < y
      break
    end
  end
  if not older then
    redis.call('SET', KEYS[i], new)
    written = written + 1
  end
end
return written
"""


class RedisStore:
    """Online rows in Redis, under ``pilotage:<workspace>:<view>:<entity>``."""

    def __init__(self, workspace: Workspace, url: str) -> None:
        client: Any = require("redis", extra="redis")
        self._clock = workspace.clock
        self._space = f"pilotage:{workspace.id}"
        self._redis: Any = client.Redis.from_url(url)
        self._errors = (client.exceptions.ConnectionError, client.exceptions.TimeoutError)
        self._put: Any = self._redis.register_script(_PUT)
        self._where = url.rpartition("@")[2]

    def fetch(self, view: str, entities: Sequence[str]) -> list[Stored | None]:
        """The rows of ``entities``, in their order, in one round trip."""
        if not entities:
            return []
        with self._reaching():
            values = self._redis.mget([self._name(view, entity) for entity in entities])
        return [None if value is None else _unpack(value) for value in values]

    def put(self, view: str, definition: str, rows: Iterable[OnlineRow]) -> Put:
        """Write ``rows``, pipelined. Each row is written whole or not at all; a call that fails half-way may be repeated."""
        given, doubled = newest(rows)
        now, mark, written = self._clock.now_us(), definition.encode(), 0
        calls = [given[start : start + _ROWS_A_CALL] for start in range(0, len(given), _ROWS_A_CALL)]
        with self._reaching():
            for start in range(0, len(calls), _CALLS_A_TRIP):
                pipe = self._redis.pipeline(transaction=False)
                for part in calls[start : start + _CALLS_A_TRIP]:
                    self._put(
                        keys=[self._name(view, row.entity) for row in part],
                        args=[_HEADER.pack(row.event_us + _SIGN, row.available_us + _SIGN, now, len(mark)) + mark + row.blob for row in part],
                        client=pipe,
                    )
                written += sum(pipe.execute())
        return Put(written=written, older=doubled + len(given) - written)

    def drop(self, view: str, *, keep: str | None = None) -> int:
        """Take away rows of ``view``. Cost: a scan over the database's keys."""
        dropped = 0
        with self._reaching():
            names = self._redis.scan_iter(match=_literally(self._name(view, "")) + "*", count=1000)
            for part in _parts(names, _ROWS_A_CALL):
                gone = part
                if keep is not None:
                    held = self._redis.mget(part)
                    gone = [name for name, value in zip(part, held, strict=True) if value is not None and _unpack(value).definition != keep]
                dropped += int(self._redis.delete(*gone)) if gone else 0
        return dropped

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def _name(self, view: str, entity: str) -> str:
        return f"{self._space}:{view}:{entity}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise Unavailable(f"Redis cannot be reached: {error}", where=self._where, mend="start it, or set 'online' to another store") from error


def _unpack(value: bytes) -> Stored:
    event, available, written, size = _HEADER.unpack_from(value)
    start = _HEADER.size + size
    return Stored(value[_HEADER.size : start].decode(), event - _SIGN, available - _SIGN, written, value[start:])


def _literally(text: str) -> str:
    """``text`` as a Redis pattern that matches only itself."""
    return "".join(f"\\{c}" if c in "*?[]\\^-" else c for c in text)


def _parts(names: Iterable[bytes], size: int) -> Iterator[list[bytes]]:
    part: list[bytes] = []
    for name in names:
        part.append(name)
        if len(part) == size:
            yield part
            part = []
    if part:
        yield part
