"""Figures that take a pass over a project's answers, kept until something new is written.

What was made stays while nothing is written to the workspace: every act that matters is in the ledger, so the ledger's size says whether anything
was. Where something was, it is made anew, but never so often that making it takes more than a twentieth of the time; until then the page shows what
it has and says from when. Two who ask at once wait for one making. At most :data:`MOST` things are kept, those asked for last.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sqlalchemy import select

from pilotage.ledger.entry import HEAD
from pilotage.ledger.tables import ledger_head
from pilotage.store import Workspace

T = TypeVar("T")
MOST = 64
PATIENCE = 20  # a making that took one second is not repeated within this many


@dataclass(frozen=True)
class Made(Generic[T]):
    """What was made, when (µs, UTC), and whether nothing was written since."""

    value: T
    at_us: int
    current: bool


@dataclass(frozen=True)
class _Entry:
    value: object
    size: int
    at_us: int
    made_s: float
    cost_s: float


class Kept:
    """What was made, by key. Safe to ask from many threads.

    Parameters
    ----------
    timer
        Seconds that only go forward; for tests.
    """

    def __init__(self, workspace: Workspace, *, timer: Callable[[], float] = time.monotonic) -> None:
        self._workspace = workspace
        self._timer = timer
        self._entries: OrderedDict[Hashable, _Entry] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def has(self, key: Hashable) -> bool:
        """Whether asking for it costs nothing now."""
        with self._lock:
            entry = self._entries.get(key)
        return entry is not None and not self._is_due(entry, self._size())

    def get(self, key: Hashable, make: Callable[[], T], *, again: bool = False) -> Made[T]:
        """What is kept under ``key``, made by ``make`` where nothing is, or what is has become old. ``again``: made anew if anything was written."""
        with self._lock:
            making = self._making.setdefault(key, threading.Lock())
        with making:
            size = self._size()
            with self._lock:
                entry = self._entries.get(key)
            if entry is None or self._is_due(entry, size) or (again and entry.size != size):
                entry = self._make(key, make, size)
            with self._lock:
                if key in self._entries:
                    self._entries.move_to_end(key)
            return Made(entry.value, entry.at_us, entry.size == size)  # type: ignore[arg-type]

    def _make(self, key: Hashable, make: Callable[[], T], size: int) -> _Entry:
        at_us, begun = self._workspace.clock.now_us(), self._timer()
        value = make()
        now = self._timer()
        entry = _Entry(value, size, at_us, now, now - begun)
        with self._lock:
            self._entries[key] = entry
            while len(self._entries) > MOST:
                oldest, _ = self._entries.popitem(last=False)
                self._making.pop(oldest, None)
        return entry

    def _is_due(self, entry: _Entry, size: int) -> bool:
        return entry.size != size and self._timer() - entry.made_s >= PATIENCE * entry.cost_s

    def _size(self) -> int:
        h = ledger_head.c
        with self._workspace.read() as conn:
            return int(conn.execute(select(h.size).where(h.workspace_id == self._workspace.id, h.name == HEAD)).scalar() or 0)
