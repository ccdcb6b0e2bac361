"""Time, as something that can be handed in.

Storage holds UTC as int64 microseconds since the Unix epoch. Code that needs the time takes a :class:`Clock`; tests hand in a :class:`ManualClock`.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from pilotage.core.errors import InputError

MICROSECONDS = 1_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Clock(Protocol):
    """Tells the time."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_us(self) -> int:
        return time.time_ns() // 1_000


class ManualClock:
    """A clock that stands still until it is moved. For tests."""

    def __init__(self, start_us: int = 1_700_000_000 * MICROSECONDS) -> None:
        self._now_us = start_us

    def now_us(self) -> int:
        return self._now_us

    def advance(self, seconds: float) -> None:
        """Move the clock by ``seconds``, which may be negative."""
        self._now_us += round(seconds * MICROSECONDS)


def iso(time_us: int) -> str:
    """``time_us`` as ISO 8601 with milliseconds, for people: ``2026-11-22T10:54:03.120Z``."""
    moment = _EPOCH + timedelta(microseconds=time_us)  # a float of seconds would be off by microseconds far from the epoch
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_moment(text: str, *, where: str | None = None) -> int:
    """Microseconds since the epoch, UTC, from an ISO 8601 date-time that names its zone (``Z`` or an offset), as :func:`iso` writes.

    Raises
    ------
    InputError
        If it is no date-time, or names no zone: a moment without one could be any of 26 hours.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"Not a date-time: {text[:40]!r}.", where=where, mend="write it like 2026-05-01T12:00:00Z") from None
    if moment.tzinfo is None:
        raise InputError(f"The date-time {text[:40]!r} names no time zone.", where=where, mend="end it with Z for UTC, or with an offset like +02:00")
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * MICROSECONDS + since.microseconds
