"""How many items, and how many people each, a human evaluation needs; per dimension of its rubric.

A rate is planned by Wilson's interval, a mean score by the variance between items and between people on one item, a comparison of two systems on the
same items by McNemar's test on the pairs that differ.

References: Wilson (1927); Connor (1987) for McNemar; Cochran (1977) §10.2 for the split of variance between units and raters.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pilotage.core import InputError
from pilotage.core.distributions import normal_quantile
from pilotage.evidence import wilson

_MOST = 10_000_000


@dataclass(frozen=True)
class Dimension:
    """One thing to be measured.

    kind
        ``rate`` (a share, within ±``half_width``), ``mean`` (a score, within ±``half_width`` on its own scale) or ``preference`` (which of two
        systems is better: a difference ``effect`` between the shares preferring each, where the share ``differing`` of items has a preference).
    expected
        A rate's guess, 0 to 1; .5 is the most cautious.
    sd_items, sd_raters
        A mean's standard deviation between items, and between people on one item; from a pilot.
    raters
        How many people judge each item.
    minutes
        Of one judgement, to say what it costs.
    """

    name: str
    kind: Literal["rate", "mean", "preference"]
    half_width: float = 0.05
    expected: float = 0.5
    sd_items: float = 1.0
    sd_raters: float = 0.0
    effect: float = 0.1
    differing: float = 0.5
    raters: int = 1
    minutes: float = 1.0
    power: float = 0.8
    level: float = 0.95


@dataclass(frozen=True)
class Plan:
    """``items`` to be judged by ``raters`` people each, and what that costs. ``because`` says by which rule."""

    dimension: str
    items: int
    raters: int
    judgements: int
    hours: float
    because: str

    def __str__(self) -> str:
        return f"{self.dimension}: {self.items:,} items × {self.raters} = {self.judgements:,} judgements, {self.hours:.1f} h ({self.because})"


def plan_evaluation(dimensions: Iterable[Dimension]) -> list[Plan]:
    """A plan for each dimension. Raises ``InputError`` where a number makes none possible."""
    return [_plan(dimension) for dimension in dimensions]


def _plan(of: Dimension) -> Plan:
    where = f"dimension '{of.name}'"
    if not (0 < of.level < 1 and 0 < of.power < 1 and of.raters >= 1 and of.minutes >= 0):
        raise InputError("Level and power lie between 0 and 1, and somebody must judge.", where=where)
    if of.kind != "preference" and not of.half_width > 0:
        raise InputError("An interval of no width needs endless items.", where=where, mend="give a positive half_width")
    if of.kind == "rate":
        items, because = _rate(of, where), f"Wilson's interval within ±{of.half_width:g} at {of.expected:g}"
    elif of.kind == "mean":
        spread = of.sd_items**2 + of.sd_raters**2 / of.raters
        if not spread > 0:
            raise InputError("Scores that do not vary need no plan.", where=where, mend="give the standard deviations of a pilot")
        z = normal_quantile((1 + of.level) / 2)
        items, because = math.ceil(spread * (z / of.half_width) ** 2) + 2, f"a mean within ±{of.half_width:g}"
    else:
        items, because = _preference(of, where), f"a difference of {of.effect:g} with power {of.power:g}"
    if items > _MOST:
        raise InputError(f"That takes more than {_MOST:,} items.", where=where, mend="be content with a wider interval")
    judgements = items * of.raters
    return Plan(of.name, items, of.raters, judgements, judgements * of.minutes / 60, because)


def _rate(of: Dimension, where: str) -> int:
    if not (0 <= of.expected <= 1 and of.half_width < 0.5):
        raise InputError("A rate lies between 0 and 1, and its half width below one half.", where=where)

    def wide(n: int) -> bool:
        found = wilson(of.expected * n, n, level=of.level)
        return max(found.upper - of.expected, of.expected - found.lower) > of.half_width

    high = 2
    while wide(high):
        high *= 2
        if high > 2 * _MOST:
            return high
    low = high // 2
    while low < high:  # Wilson's interval only narrows as n grows
        middle = (low + high) // 2
        low, high = (middle + 1, high) if wide(middle) else (low, middle)
    return low


def _preference(of: Dimension, where: str) -> int:
    if not (0 < of.effect <= of.differing <= 1):
        raise InputError(f"An effect of {of.effect:g} cannot come of {of.differing:g} of the items.", where=where, mend="0 < effect ≤ differing ≤ 1")
    z, power = normal_quantile((1 + of.level) / 2), normal_quantile(of.power)
    return math.ceil((z * math.sqrt(of.differing) + power * math.sqrt(max(0.0, of.differing - of.effect**2))) ** 2 / of.effect**2)
