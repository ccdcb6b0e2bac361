"""The six steps of oversight, from a machine that acts alone to people who do."""

from __future__ import annotations

from collections.abc import Iterable

from pilotage.core import InputError

# From lax to strict. What each step means for a live output stands in docs/assessment.md.
LEVELS = ("automatic", "automatic_with_audit", "on_the_loop", "in_the_loop", "two_person", "people_only")
# A machine's output may go out unseen on these, where its confidence is shown to mean something.
AUTOMATED = frozenset(LEVELS[:3])
_STEP = {level: step for step, level in enumerate(LEVELS)}


def step_of(level: str) -> int:
    """0 (automatic) to 5 (people only). Raises ``InputError`` for what is no level."""
    if level not in _STEP:
        raise InputError(f"'{level}' is no level of oversight.", mend=f"use one of: {', '.join(LEVELS)}")
    return _STEP[level]


def strictest(levels: Iterable[str]) -> str:
    """The strictest of ``levels``; ``automatic`` of none."""
    return max(levels, key=step_of, default=LEVELS[0])


def at_least(level: str, floor: str) -> bool:
    """Whether ``level`` is as strict as ``floor`` or stricter."""
    return step_of(level) >= step_of(floor)


def slice_key(slices: dict[str, str]) -> str:
    """A slice as one text, ``language=de,tier=gold``, names in order; '' for everything."""
    for name, value in slices.items():
        if "," in name or "=" in name or "," in value or not name or not value:
            raise InputError(f"The slice '{name}={value}' cannot be named.", mend="use names and values without ',' and names without '='")
    return ",".join(f"{name}={value}" for name, value in sorted(slices.items()))
