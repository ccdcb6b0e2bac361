"""Soft labels: where people differ by right, the distribution is the answer.

References: Uma et al. (2021) "Learning from disagreement"; Laplace/Dirichlet smoothing of a multinomial share (Gelman et al. 2013, §3.4).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.core.intervals import share_bounds

LEAST_IN_A_GROUP = 5


@dataclass(frozen=True)
class SoftLabel:
    """The distribution of answers to one unit.

    values, probabilities
        In the order of the schema; the probabilities sum to 1.
    lower, upper, level
        Wilson's interval of the plain share of votes; None where there are no votes.
    n
        Votes. 0: the probabilities are only the prior.
    entropy
        0 (all agree) to 1 (even), in units of the highest possible.
    """

    values: tuple[Hashable, ...]
    probabilities: tuple[float, ...]
    n: int
    lower: tuple[float, ...] | None
    upper: tuple[float, ...] | None
    level: float = 0.95

    @property
    def entropy(self) -> float:
        """How spread the distribution is, 0 to 1."""
        spread = -math.fsum(p * math.log(p) for p in self.probabilities if p > 0)
        return min(1.0, max(0.0, spread / math.log(len(self.values))))

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "values": list(self.values),
            "probabilities": list(self.probabilities),
            "n": self.n,
            "lower": None if self.lower is None else list(self.lower),
            "upper": None if self.upper is None else list(self.upper),
            "entropy": self.entropy,
        }


def soft_label(
    counts: Mapping[Hashable, float],
    *,
    values: Sequence[Hashable],
    smoothing: float = 1.0,
    prior: Mapping[Hashable, float] | None = None,
    level: float = 0.95,
) -> SoftLabel:
    """The distribution behind ``counts`` (value → votes, perhaps weighted by reliability).

    Parameters
    ----------
    values
        The schema: at least two values.
    smoothing
        Weight of the prior, in votes in all: each value gets ``smoothing`` × its prior share. 0 for the plain shares.
    prior
        Value → probability, a model's say; even if left out. What a model believed must be declared wherever the soft label is used.

    Raises
    ------
    InputError
        If a count is for no value of the schema or below zero, the prior is no distribution over it, or there is neither vote nor smoothing.
    """
    if len(values) < 2 or len(set(values)) != len(values):
        raise InputError("A soft label needs at least two values, each named once.")
    stray = sorted(set(counts) - set(values), key=repr)
    if stray:
        raise InputError(f"{stray[0]!r} is not a value of this question.", mend=f"use: {', '.join(map(str, values))}")
    if smoothing < 0 or any(count < 0 or not math.isfinite(count) for count in counts.values()):
        raise InputError("Counts and smoothing are finite and not below zero.")
    share = {value: 1 / len(values) for value in values} if prior is None else _distribution(prior, values)
    total = math.fsum(counts.values())
    if total + smoothing == 0:
        raise InputError(
            "Nobody answered, and without smoothing there is no prior to fall back on.", mend="give smoothing > 0, or leave the unit out"
        )
    probabilities = tuple((counts.get(value, 0) + smoothing * share[value]) / (total + smoothing) for value in values)
    bounds = [share_bounds(counts.get(value, 0), total, level=level) for value in values] if total else None
    lower = None if bounds is None else tuple(low for low, _ in bounds)
    upper = None if bounds is None else tuple(high for _, high in bounds)
    return SoftLabel(tuple(values), probabilities, round(total), lower, upper, level)


def _distribution(prior: Mapping[Hashable, float], values: Sequence[Hashable]) -> dict[Hashable, float]:
    if set(prior) != set(values) or any(not 0 <= p <= 1 for p in prior.values()) or not math.isclose(math.fsum(prior.values()), 1, abs_tol=1e-6):
        raise InputError("The prior is not a distribution over the values.", mend="give each value of the schema a probability; they sum to 1")
    total = math.fsum(prior.values())
    return {value: prior[value] / total for value in values}


@dataclass(frozen=True)
class GroupDistributions:
    """How groups of raters answered one unit.

    groups
        Group → its soft label.
    withheld
        Groups with fewer raters than asked for: counted, not shown, so that nobody can be read out of a small group.
    ungrouped
        Votes of raters who said nothing about themselves.
    divergence
        Jensen–Shannon divergence between the groups shown, each weighing the same, 0 to 1; None below two groups.
    """

    unit: Hashable
    groups: Mapping[str, SoftLabel]
    withheld: tuple[str, ...]
    ungrouped: int
    divergence: float | None


def group_distributions(
    rows: Iterable[tuple[Hashable, Hashable, Hashable]],
    traits: Mapping[Hashable, str],
    *,
    values: Sequence[Hashable],
    smoothing: float = 1.0,
    least: int = LEAST_IN_A_GROUP,
) -> tuple[GroupDistributions, ...]:
    """The distribution of answers a unit, by group of raters, for (unit, rater, value) rows.

    Parameters
    ----------
    traits
        Rater → group, of those raters who agreed to it. Traits are opt-in: whoever is not in here is counted as ungrouped, never guessed.
    least
        Raters a group needs on a unit to be shown.

    Raises ``InputError`` if a rater judged a unit twice, or a value is not in the schema.
    """
    units: dict[Hashable, dict[Hashable, Hashable]] = {}
    for unit, rater, value in rows:
        said = units.setdefault(unit, {})
        if rater in said:
            raise InputError("A rater judged a unit twice.", where=f"unit {unit!r}, rater {rater!r}", mend="keep the current judgement only")
        said[rater] = value
    return tuple(_of_unit(unit, said, traits, values, smoothing, least) for unit, said in units.items())


def _of_unit(
    unit: Hashable, said: Mapping[Hashable, Hashable], traits: Mapping[Hashable, str], values: Sequence[Hashable], smoothing: float, least: int
) -> GroupDistributions:
    counts: dict[str, dict[Hashable, float]] = {}
    for rater, value in said.items():
        if rater in traits:
            group = counts.setdefault(traits[rater], {})
            group[value] = group.get(value, 0) + 1
    large = {name: found for name, found in sorted(counts.items()) if sum(found.values()) >= least}
    shown = {name: soft_label(found, values=values, smoothing=smoothing) for name, found in large.items()}
    withheld = tuple(name for name in sorted(counts) if name not in large)
    ungrouped = sum(rater not in traits for rater in said)
    return GroupDistributions(unit, shown, withheld, ungrouped, _divergence(list(shown.values())))


def _divergence(labels: list[SoftLabel]) -> float | None:
    """In bits over the most that so many groups can differ, so 0 to 1."""
    if len(labels) < 2:
        return None
    middle = [math.fsum(parts) / len(labels) for parts in zip(*(label.probabilities for label in labels), strict=True)]
    apart = [math.fsum(p * math.log(p / m) for p, m in zip(label.probabilities, middle, strict=True) if p > 0) for label in labels]
    return min(1.0, max(0.0, math.fsum(apart) / len(labels) / math.log(len(labels))))
