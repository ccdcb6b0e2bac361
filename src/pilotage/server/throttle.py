"""Slowing down guesses of passwords.

Failures are counted per address and login together, and per address, over a sliding window, in this process's memory. The password hash itself
(argon2id) is the second brake. A login alone is never locked: that would let anybody lock out somebody else.
"""

from __future__ import annotations

import threading
from collections import deque

from pilotage.core import MICROSECONDS, Clock
from pilotage.server.errors import TooManyTries

WINDOW_S = 300
TRIES_PER_LOGIN = 5
TRIES_PER_ADDRESS = 30
_MAX_KEYS = 10_000


class Throttle:
    """Counts failed sign-ins."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: dict[tuple[str, str], deque[int]] = {}
        self._lock = threading.Lock()

    def check(self, *, address: str, login: str) -> None:
        """Raise ``TooManyTries`` if this address failed too often just now."""
        with self._lock:
            for key, limit in (((address, login), TRIES_PER_LOGIN), ((address, ""), TRIES_PER_ADDRESS)):
                recent = self._recent(key)
                if len(recent) >= limit:
                    wait_s = WINDOW_S - (self._clock.now_us() - recent[-limit]) // MICROSECONDS
                    raise TooManyTries(
                        "Too many failed sign-ins from here.",
                        why="guessing passwords must be slow",
                        mend=f"wait {max(1, wait_s)} seconds and try again, or ask an admin to set a new password",
                    )

    def failed(self, *, address: str, login: str) -> None:
        """Count one failure."""
        with self._lock:
            if len(self._failures) > _MAX_KEYS:
                self._failures = {key: times for key in list(self._failures) if (times := self._recent(key))}
            for key in ((address, login), (address, "")):
                self._recent(key).append(self._clock.now_us())

    def succeeded(self, *, address: str, login: str) -> None:
        """Forget this login's failures from this address."""
        with self._lock:
            self._failures.pop((address, login), None)

    def _recent(self, key: tuple[str, str]) -> deque[int]:
        times = self._failures.setdefault(key, deque())
        oldest = self._clock.now_us() - WINDOW_S * MICROSECONDS
        while times and times[0] <= oldest:
            times.popleft()
        return times
