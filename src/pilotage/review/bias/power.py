"""How many planted errors a figure needs before it may be shown, and how many days a plan takes.

A miss rate from nine seeds says nothing but looks like a person's report card. Below these numbers no figure is given: the reason says how many
there are and how many it takes.

Sources: sample size of two independent proportions by the normal approximation with unpooled variance (Fleiss, Levin & Paik 2003, ch. 4); the
half-width of one proportion by the same. Kish (1965) for the design effect of answers that come in persons.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.core.distributions import normal_quantile
from pilotage.evidence import Evidence, not_assessable


@dataclass(frozen=True)
class Needed:
    """The fewest answers each figure may be made from.

    seeds
        For a miss rate. The default, 97, gives ±8 points at a miss rate of 20 %.
    per_arm
        For a difference between two arms, and for rates of either. The default, 48, finds .26 against .53 with 80 % power.
    """

    seeds: int = 97
    per_arm: int = 48

    def __post_init__(self) -> None:
        if self.seeds < 2 or self.per_arm < 2:
            raise InputError("A figure needs at least two answers.", where="needed")


def per_arm(first: float, second: float, *, level: float = 0.95, power: float = 0.8, design_effect: float = 1.0) -> int:
    """Answers each of two arms needs to tell the rate ``first`` from ``second`` (two-sided).

    ``per_arm(.26, .53)`` is 48 and ``per_arm(.10, .20)`` is 197.
    """
    _check_rates(first, second)
    _check_share(power, "power")
    if first == second:
        raise InputError(f"Two rates of {first} do not differ.", why="no number of answers tells them apart")
    reach = _z(level) + normal_quantile(power)
    variance = first * (1 - first) + second * (1 - second)
    return math.ceil(_effect(design_effect) * reach**2 * variance / (first - second) ** 2 - 1e-9)


def for_width(half_width: float, *, at: float, level: float = 0.95, design_effect: float = 1.0) -> int:
    """Answers a rate of ``at`` needs for an interval of ± ``half_width``. ``for_width(.08, at=.20)`` is 97."""
    _check_rates(at)
    _check_share(half_width, "half-width")
    return math.ceil(_effect(design_effect) * _z(level) ** 2 * at * (1 - at) / half_width**2 - 1e-9)


def half_width(n: int, *, at: float, level: float = 0.95) -> float:
    """How wide (±) the interval of a rate of ``at`` is with ``n`` answers."""
    _check_rates(at)
    if n < 1:
        raise InputError("Without answers there is no interval.")
    return _z(level) * math.sqrt(at * (1 - at) / n)


@dataclass(frozen=True)
class SeedPlan:
    """What it takes to collect enough seeds.

    seeds
        Seeded answers that are needed in all.
    answers
        Answers in all at this rate.
    per_person, days
        Answers of each person, and working days at ``per_day`` answers each.
    design_effect
        By how much answers that come in persons are worth less than independent ones.
    """

    seeds: int
    rate: float
    people: int
    answers: int
    per_person: int
    per_day: int
    days: int
    design_effect: float

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        return (
            f"{self.seeds} seeds at {self.rate:.1%} need {self.answers:,} answers: {self.per_person:,} from each of {self.people} people, "
            f"{self.days} days at {self.per_day} a day"
        )


def plan_collection(*, seeds: int, rate: float, people: int, per_day: int, icc: float = 0.0) -> SeedPlan:
    """How long it takes ``people`` to give ``seeds`` seeded answers' worth at this seed rate.

    ``icc`` is how alike one person's answers are (0 to 1): with it, more seeds are needed, because those of one person say less than those of many.
    """
    _check_share(rate, "rate")
    if min(seeds, people, per_day) < 1:
        raise InputError("Seeds, people and answers a day must be 1 or more.")
    if not 0 <= icc < 1:
        raise InputError(f"{icc} is no intraclass correlation.", mend="0 ≤ icc < 1")
    # n = seeds × (1 + (n / people - 1) × icc), solved for n. Beyond 1 / icc independent answers' worth a person, no number is enough.
    room = 1 - seeds * icc / people
    if room <= 0:
        raise InputError(
            f"{people} people so much alike within themselves can never give {seeds} independent seeds' worth.",
            why=f"at an intraclass correlation of {icc} one person is worth at most {1 / icc:.0f} independent answers",
            mend=f"ask more than {math.ceil(seeds * icc)} people",
        )
    wanted = max(seeds, math.ceil(seeds * (1 - icc) / room - 1e-9))
    answers = math.ceil(wanted / rate - 1e-9)
    each = math.ceil(answers / people)
    return SeedPlan(wanted, rate, people, answers, each, per_day, math.ceil(each / per_day), wanted / seeds)


def enough(figure: Evidence, n: int, needed: int, *, of: str) -> Evidence:
    """``figure``, or the statement that there are too few ``of`` (a plural: "seeds") for one."""
    if n >= needed:
        return figure
    return not_assessable(
        figure.metric,
        reason=f"not enough {of}: {n} of {needed} needed",
        n=figure.n,
        n_clusters=figure.n_clusters,
        level=figure.level,
        slice=figure.slice,
        subject=figure.subject,
        detail={"have": n, "needed": needed},
    )


def _z(level: float) -> float:
    _check_share(level, "level")
    return normal_quantile((1 + level) / 2)


def _effect(design_effect: float) -> float:
    if not design_effect >= 1:
        raise InputError(f"A design effect of {design_effect} is below 1.", why="answers in persons are never worth more than independent ones")
    return design_effect


def _check_rates(*rates: float) -> None:
    for rate in rates:
        if not 0 <= rate <= 1:
            raise InputError(f"{rate} is no rate.", mend="give a share between 0 and 1")


def _check_share(share: float, name: str) -> None:
    if not 0 < share < 1:
        raise InputError(f"A {name} of {share} is not between 0 and 1.")
