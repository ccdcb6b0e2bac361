"""What an online store is: one blob per view and entity, replaced only by a blob that is not older.

The three stores (the workspace's own SQLite or PostgreSQL database, and Redis) keep the same law and pass the same tests:

- a row is found by (view, entity) and holds the hash of the definition that made it, its event and available time, and when it was written;
- a row never gives way to one that is older in (event time, available time); an equal one replaces it, so writing again is harmless;
- reading never sees half a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import msgspec


class OnlineRow(msgspec.Struct, frozen=True):
    """What is written for one entity: times in µs UTC; ``blob`` as :mod:`.state` encodes it."""

    entity: str
    event_us: int
    available_us: int
    blob: bytes


class Stored(msgspec.Struct, frozen=True):
    """What is read back for one entity."""

    definition: str
    event_us: int
    available_us: int
    written_us: int
    blob: bytes


@dataclass(frozen=True, slots=True)
class Put:
    """What a write did: ``written`` rows stand; ``older`` gave way to what was there, or to a newer row of the same call."""

    written: int
    older: int


class OnlineStore(Protocol):
    """The face every store has."""

    def fetch(self, view: str, entities: Sequence[str]) -> list[Stored | None]:
        """The rows of ``entities`` (as :func:`.entity.entity_key` writes them), in their order. Cost: one round trip."""
        ...

    def put(self, view: str, definition: str, rows: Iterable[OnlineRow]) -> Put:
        """Write ``rows``. They are durable, as far as this store is, when it returns."""
        ...

    def drop(self, view: str, *, keep: str | None = None) -> int:
        """Take away the rows of ``view``, all or all but those of the definition ``keep``; return how many went."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def newest(rows: Iterable[OnlineRow]) -> tuple[list[OnlineRow], int]:
    """One row per entity, the newest by (event, available), the later given on a tie; and how many were left out."""
    best: dict[str, OnlineRow] = {}
    seen = 0
    for row in rows:
        seen += 1
        held = best.get(row.entity)
        if held is None or (row.event_us, row.available_us) >= (held.event_us, held.available_us):
            best[row.entity] = row
    return list(best.values()), seen - len(best)
