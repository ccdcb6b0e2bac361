"""Names for things: content-addressed where equal content must be one thing, time-ordered where each event is its own.

A content id is ``<prefix>_<first 128 bits of the digest, hex>``: 128 bits put an accidental collision out of reach (2**64 things for even odds).
A time-ordered id is ``<prefix>_<48 bits of milliseconds><80 random bits>`` in Crockford's base 32, as in ULID: it sorts by time as text.
"""

from __future__ import annotations

import os
from typing import Any

from pilotage.core.canonical import digest
from pilotage.core.clock import Clock, SystemClock

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SYSTEM_CLOCK = SystemClock()


def content_id(prefix: str, value: Any) -> str:
    """The id of ``value``: the same value has the same id everywhere. Raises ``InputError`` if ``value`` has no canonical JSON form."""
    return f"{prefix}_{digest(value)[:32]}"


def new_id(prefix: str, *, clock: Clock = _SYSTEM_CLOCK) -> str:
    """A new id that sorts after those made in earlier milliseconds."""
    return _timed(prefix, ((clock.now_us() // 1_000) << 80) | int.from_bytes(os.urandom(10), "big"))


def earliest_id(prefix: str, *, at_us: int) -> str:
    """The id before which nothing was made at ``at_us`` or later: where a range of ids by time begins, to the millisecond."""
    return _timed(prefix, (at_us // 1_000) << 80)


def _timed(prefix: str, number: int) -> str:
    characters = [_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5)]
    return f"{prefix}_{''.join(characters)}"
