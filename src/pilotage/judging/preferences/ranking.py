"""What a ranking says: strengths with intervals, and what to know about those who compared."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import asdict, dataclass
from html import escape
from typing import Any

from pilotage.core import InputError
from pilotage.judging.preferences.transitivity import Transitivity


@dataclass(frozen=True)
class Strength:
    """How strong one item is.

    strength, lower, upper
        Log odds against an item of mean strength (the mean of all is 0).
    win_chance
        The chance of being preferred to an item of mean strength, where somebody prefers.
    n, wins, no_preference
        Comparisons it was in, and how they went.
    separated
        It won or lost everything against the rest: its strength is held finite by the prior alone, and its interval says little.
    """

    item: Hashable
    strength: float
    lower: float
    upper: float
    win_chance: float
    n: int
    wins: int
    no_preference: int
    separated: bool = False


@dataclass(frozen=True)
class Care:
    """How often one rater's preferences mean what they say; expected number of such answers of ``n``, with Wilson's interval."""

    rater: Hashable
    reliability: float
    lower: float
    upper: float
    n: int


@dataclass(frozen=True)
class Pull:
    """A bias: how often the left one (the longer one) was preferred, of the answers with a preference.

    share, lower, upper
        0.5 is none. Wilson's interval over ``n`` answers. Sides are drawn, so for them this is the effect itself; length is not: it may be quality.
    log_odds, log_odds_lower, log_odds_upper
        The same with the strengths of both accounted for (by e-fold of length); None where it was not recorded for all.
    """

    name: str
    n: int
    share: float | None
    lower: float | None
    upper: float | None
    log_odds: float | None
    log_odds_lower: float | None
    log_odds_upper: float | None
    status: str
    reason: str = ""

    def __str__(self) -> str:
        if self.share is None:
            return f"{self.name}: not assessable: {self.reason}"
        note = f"; {self.reason}" if self.reason else ""
        return f"{self.name}: {self.share:.3f} [{self.lower:.3f}, {self.upper:.3f}], {self.n} answers{note}"


@dataclass(frozen=True)
class Ranking:
    """The items of one dimension, strongest first, and what to know about those who compared them.

    status
        ``measured``, or ``too_few_for_a_verdict`` with a reason.
    tie
        Davidson's ν: odds of no preference between equals are ν / 2; None where ties were counted as half a win.
    separated
        Items that won or lost everything: see :class:`Strength`.
    drawn
        What the intervals draw again: ``raters`` or ``comparisons``.
    """

    dimension: str
    strengths: tuple[Strength, ...]
    n: int
    n_raters: int
    no_preference: int
    both_bad: int
    tie: float | None
    raters: tuple[Care, ...]
    position: Pull
    length: Pull
    transitivity: Transitivity
    separated: tuple[Hashable, ...]
    converged: bool
    drawn: str
    level: float
    replicates: int
    seed: int
    status: str
    reason: str = ""

    def __str__(self) -> str:
        lines = [f"{self.dimension or 'preference'}: {self.n} comparisons by {self.n_raters} raters, {self.no_preference} without preference"]
        lines += [
            f"  {s.item}: {s.strength:+.2f} [{s.lower:+.2f}, {s.upper:+.2f}], {s.n} comparisons{' (separated)' if s.separated else ''}"
            for s in self.strengths
        ]
        lines += [f"  {each}" for each in (self.position, self.length, self.transitivity)]
        return "\n".join([*lines, *([f"  {self.reason}"] if self.reason else [])])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def strength_of(self, item: Hashable) -> Strength:
        """The strength of ``item``. Raises ``InputError`` where it was not compared."""
        for found in self.strengths:
            if found.item == item:
                return found
        raise InputError(f"{item!r} was not compared.")
