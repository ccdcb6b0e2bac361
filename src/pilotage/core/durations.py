"""Durations as people write them: a number and one unit, ``90s``, ``15m``, ``1h``, ``7d``, ``2w``; in storage whole microseconds."""

from __future__ import annotations

import re

from pilotage.core.errors import InputError

_UNITS = {"us": 1, "ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000, "d": 86_400_000_000, "w": 604_800_000_000}
_FORM = re.compile(r"([0-9]{1,12})(us|ms|s|m|h|d|w)")


def parse_duration(text: str, *, where: str = "") -> int:
    """Microseconds from ``15m`` and the like (us, ms, s, m, h, d, w; a day is 24 hours). Raises ``InputError`` on anything else."""
    found = _FORM.fullmatch(text.strip())
    if found is None:
        raise InputError(
            f"Not a duration: {text!r}.", where=where or None, mend="write a whole number and one unit of us, ms, s, m, h, d, w: say '15m'"
        )
    return int(found[1]) * _UNITS[found[2]]


def format_duration(us: int) -> str:
    """The shortest text that :func:`parse_duration` reads as ``us`` microseconds. Raises ``InputError`` if it is negative."""
    if us < 0:
        raise InputError(f"A duration is not negative: {us} µs.")
    if us == 0:
        return "0s"
    unit = max((name for name, size in _UNITS.items() if us % size == 0), key=_UNITS.__getitem__)
    return f"{us // _UNITS[unit]}{unit}"
