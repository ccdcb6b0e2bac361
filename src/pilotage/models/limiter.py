"""How many requests are on the wire at once, and how fast they follow one another.

The gate starts open at the ceiling the target allows, is halved when the server says it is overloaded (429, 5xx, timeout) and grows by one
request per round of successes: additive increase, multiplicative decrease, as in TCP (Chiu and Jain, 1989). One overload makes a hundred requests
fail together, so only a failure of a request sent after the last cut cuts again.
"""

from __future__ import annotations

import asyncio
from collections import deque

_CUT = 0.5


class Gate:
    """Admits at most ``limit`` requests at once, ``limit`` moving between 1 and ``ceiling``."""

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.limit = float(ceiling)
        self.in_flight = 0
        self.max_in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._epoch = 0  # counts cuts; a ticket knows the epoch it was sent in
        self._held_until = 0.0

    async def acquire(self) -> int:
        """Wait for a place and take it. Give the returned ticket back with :meth:`release`."""
        loop = asyncio.get_running_loop()
        if self._waiting or self.in_flight >= int(self.limit):
            place = loop.create_future()
            self._waiting.append(place)
            try:
                await place
            except asyncio.CancelledError:
                if place.done() and not place.cancelled():
                    self.in_flight -= 1  # admitted in the same moment: hand the place on
                    self._admit()
                else:
                    self._waiting.remove(place)
                raise
        else:
            self.in_flight += 1
        try:
            while (held := self._held_until - loop.time()) > 0:
                await asyncio.sleep(held)
        except asyncio.CancelledError:
            self.release(-1, overloaded=None)
            raise
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        return self._epoch

    def release(self, ticket: int, *, overloaded: bool | None) -> None:
        """Give the place back. ``overloaded`` None: the try said nothing about the server's load."""
        self.in_flight -= 1
        if overloaded:
            if ticket == self._epoch:
                self._epoch += 1
                self.limit = max(1.0, self.limit * _CUT)
        elif overloaded is False:
            self.limit = min(float(self.ceiling), self.limit + 1.0 / self.limit)
        self._admit()

    def hold(self, seconds: float) -> None:
        """Admit nobody for ``seconds``: the server asked for quiet."""
        self._held_until = max(self._held_until, asyncio.get_running_loop().time() + seconds)

    def _admit(self) -> None:
        while self._waiting and self.in_flight < int(self.limit):
            place = self._waiting.popleft()
            if not place.done():
                self.in_flight += 1
                place.set_result(None)


class Pace:
    """Spaces requests evenly so that no second sees more than ``per_second``. None: no limit."""

    def __init__(self, per_second: float | None) -> None:
        self._gap = 1.0 / per_second if per_second else 0.0
        self._next = 0.0

    async def wait(self) -> None:
        """Wait for the next slot."""
        if not self._gap:
            return
        now = asyncio.get_running_loop().time()
        slot = max(now, self._next)
        self._next = slot + self._gap
        if slot > now:
            await asyncio.sleep(slot - now)
