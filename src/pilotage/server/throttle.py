"""Slowing down an address that guesses.

``people.authenticate`` makes one login wait after failures, wherever they come from; this counts an address's failures over all logins, over a
sliding window, in this process's memory.
"""

from __future__ import annotations

import threading
from collections import deque

from pilotage.core import MICROSECONDS, Clock
from pilotage.server.errors import TooManyTries

WINDOW_S = 300
TRIES_PER_ADDRESS = 20
_MAX_ADDRESSES = 10_000


class Throttle:
    """Counts failed sign-ins by address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[str, deque[int]] = {}
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raise ``TooManyTries`` if this address failed too often just now."""
        with self._lock:
            recent = self._recent(address)
            if len(recent) >= TRIES_PER_ADDRESS:
                wait_s = WINDOW_S - (self._clock.now_us() - recent[-TRIES_PER_ADDRESS]) // MICROSECONDS
                raise TooManyTries(
                    "There were too many failed attempts to sign in from your address.",
                    why="guessing must be slow",
                    mend=f"try again in {max(1, wait_s)} seconds",
                )

    def failed(self, address: str) -> None:
        """Count one failure."""
        with self._lock:
            if len(self._failures) > _MAX_ADDRESSES:
                self._failures = {key: times for key in list(self._failures) if (times := self._recent(key))}
            self._recent(address).append(self._clock.now_us())

    def _recent(self, address: str) -> deque[int]:
        times = self._failures.setdefault(address, deque())
        oldest = self._clock.now_us() - WINDOW_S * MICROSECONDS
        while times and times[0] <= oldest:
            times.popleft()
        return times
