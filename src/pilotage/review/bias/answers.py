"""One answer, with what the person was shown before it: what every figure about reliance on machines is made from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import MICROSECONDS, InputError

ARMS = ("suggestion_shown", "withheld", "seeded", "answer_first")
SHIFT_GAP_S = 4 * 3600  # who was away for longer has begun a new shift
HOUR_S = 3600


@dataclass(frozen=True)
class AidedAnswer:
    """One person's answer to one question about one item.

    arm
        What the person was dealt: ``suggestion_shown``, ``withheld``, ``seeded`` (a planted wrong value) or ``answer_first``.
    suggestion
        What the machine proposes, whether or not this person saw it. None where only a planted value is known.
    planted
        The wrong value planted for this item, whoever saw it; None where there is none.
    truth
        What is right; None where it is not known.
    first
        In ``answer_first``: the answer given before the suggestion was shown.
    slice, hour
        The part of the work, and the hour of the person's shift (1 is the first).
    active_ms, at
        Time worked, idle time removed, and when it was answered (µs, UTC); in that order a person's streaks are counted.
    """

    person: str
    item: str
    arm: str
    answer: Any
    suggestion: Any = None
    planted: Any = None
    truth: Any = None
    first: Any = None
    slice: str = ""
    hour: int = 1
    active_ms: int | None = None
    at: int = 0
    question: str = ""

    def __post_init__(self) -> None:
        where = f"person '{self.person}', item {self.item}"
        if self.arm not in ARMS:
            raise InputError(f"'{self.arm}' is no arm.", where=where, mend=f"use one of: {', '.join(ARMS)}")
        if self.answer is None:
            raise InputError("An answer without a value is none.", where=where, mend="leave abstentions out")
        if self.arm == "seeded" and self.planted is None:
            raise InputError("A seeded answer must say what was planted.", where=where)
        if self.arm == "answer_first" and self.first is None:
            raise InputError(
                "An answer that came first must say what it was.", where=where, why="without it nobody can tell what the machine changed"
            )

    @property
    def key(self) -> str:
        """Its name among answers: one person answers one question about one item once."""
        return f"{self.person}\x1f{self.item}\x1f{self.question}"

    @property
    def shown(self) -> Any:
        """What the person saw in the end; None where nothing."""
        if self.arm == "withheld":
            return None
        return self.planted if self.arm == "seeded" else self.suggestion

    @property
    def void(self) -> bool:
        """Whether the planted value turned out to be right: then it tests nothing."""
        return self.planted is not None and self.planted == self.truth

    @property
    def accepted(self) -> bool:
        """Whether the answer is what was shown."""
        return self.shown is not None and self.answer == self.shown

    @property
    def shown_right(self) -> bool | None:
        """Whether what was shown is right; None where nothing was shown or the truth is not known. A seed is wrong unless it turned out right."""
        if self.shown is None:
            return None
        if self.arm == "seeded":
            return self.void
        return None if self.truth is None else bool(self.suggestion == self.truth)

    @property
    def suggestion_right(self) -> bool | None:
        """Whether the machine's own proposal is right, shown or not; None where one of the two is not known."""
        return None if self.truth is None or self.suggestion is None else bool(self.suggestion == self.truth)


def require_once(answers: Iterable[AidedAnswer]) -> list[AidedAnswer]:
    """The answers as a list. Raises ``InputError`` if one person's answer to a question about an item is there twice."""
    given = list(answers)
    seen: set[str] = set()
    for each in given:
        if each.key in seen:
            raise InputError("An answer is there twice.", where=f"person '{each.person}', item {each.item}", mend="keep the current judgement only")
        seen.add(each.key)
    return given


def hours_of_shift(times: Sequence[int], *, gap_s: float = SHIFT_GAP_S) -> list[int]:
    """Which hour of their shift each of one person's times (µs, ascending) falls into, from 1. A gap longer than ``gap_s`` begins a new shift."""
    hours: list[int] = []
    start = before = None
    for time in times:
        if before is not None and time < before:
            raise InputError("The times of a person's answers must ascend.")
        if start is None or before is None or time - before > gap_s * MICROSECONDS:
            start = time
        hours.append(1 + int((time - start) // (HOUR_S * MICROSECONDS)))
        before = time
    return hours
