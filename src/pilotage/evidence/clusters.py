"""Observations and the clusters they fall into.

Repeats of one item are not independent of each other, nor are items that share a passage, a user or an attack objective. Every figure here is
computed over clusters; an item is its own cluster unless a wider one is named, so repeats are always accounted for without being asked.

References: Kish (1965) "Survey Sampling" for the design effect; Fleiss, Levin & Paik (2003) §15 for the analysis-of-variance ICC.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Observation:
    """One outcome.

    item, repeat
        Which item, and which try of it (0, 1, …). Together they are its name: no two observations share it.
    value
        The outcome: True / False, or a number. None where there is none; then ``missing`` says why (``error``, ``judge_abstained``, …).
    cluster
        The group it is not independent of; "" for the item itself.
    """

    item: str
    value: bool | float | None
    cluster: str = ""
    repeat: int = 0
    missing: str = ""

    @property
    def key(self) -> tuple[str, int]:
        """Its name."""
        return self.item, self.repeat

    @property
    def group(self) -> str:
        """Its cluster, or the item where none is named."""
        return self.cluster or self.item


@dataclass(frozen=True)
class Sample:
    """Observations as arrays: values that are there, the cluster index of each, and counts of what is missing, by reason."""

    values: Values
    clusters: NDArray[np.int64]
    n_clusters: int
    missing: dict[str, int]

    @property
    def n(self) -> int:
        """How many values there are."""
        return len(self.values)

    @property
    def n_missing(self) -> int:
        """How many outcomes are missing."""
        return sum(self.missing.values())

    @property
    def sizes(self) -> Values:
        """Values per cluster."""
        return np.bincount(self.clusters, minlength=self.n_clusters).astype(float)

    @property
    def sums(self) -> Values:
        """Sum of the values per cluster."""
        return np.bincount(self.clusters, weights=self.values, minlength=self.n_clusters).astype(float)


def sample(observations: Iterable[Observation], *, binary: bool = False) -> Sample:
    """Check ``observations`` and put them into arrays, in an order that does not depend on the order given.

    Raises
    ------
    InputError
        If two have the same name, an item is in two clusters, a value is NaN or infinite, or (with ``binary``) is neither 0 nor 1.
    """
    given = sorted(observations, key=lambda observation: observation.key)
    group_of: dict[str, str] = {}
    for before, after in pairwise(given):
        if before.key == after.key:
            raise InputError(
                f"The outcome of '{after.item}', repeat {after.repeat}, was given twice.",
                why="it would count twice",
                mend="number the repeats, or keep one of the two",
            )
    for observation in given:
        if group_of.setdefault(observation.item, observation.group) != observation.group:
            raise InputError(f"'{observation.item}' is in two clusters.", where=f"{group_of[observation.item]} and {observation.group}")
        if observation.value is not None and not (isinstance(observation.value, bool | int | float) and math.isfinite(observation.value)):
            raise InputError(f"The outcome of '{observation.item}' is not a finite number.", mend="give None, and why in 'missing'")
        if binary and observation.value not in (None, 0, 1):
            raise InputError(f"The outcome of '{observation.item}' is {observation.value}: a rate counts yes and no.", mend="use mean(…) for scores")
    there = [observation for observation in given if observation.value is not None]
    place = {group: index for index, group in enumerate(sorted({observation.group for observation in there}))}
    return Sample(
        values=np.array([float(observation.value or 0) for observation in there]),
        clusters=np.array([place[observation.group] for observation in there], dtype=np.int64),
        n_clusters=len(place),
        missing=dict(sorted(Counter(observation.missing or "unknown" for observation in given if observation.value is None).items())),
    )


@dataclass(frozen=True)
class Spread:
    """How a mean varies.

    se
        Standard error of the mean, clusters accounted for (linearised, with the C / (C - 1) correction).
    se_naive
        The one that pretends that all values are independent.
    design_effect
        (se / se_naive)²; None where the values do not vary at all.
    icc
        Intraclass correlation (analysis of variance); None where it is not defined.
    """

    mean: float
    se: float
    se_naive: float
    design_effect: float | None
    icc: float | None


def spread(of: Sample) -> Spread:
    """The mean of ``of`` (n ≥ 2 in ≥ 2 clusters) and how it varies."""
    n, count = of.n, of.n_clusters
    mean = float(of.values.mean())
    residual = of.sums - mean * of.sizes
    se = math.sqrt(count / (count - 1) * float((residual**2).sum())) / n
    se_naive = math.sqrt(float(((of.values - mean) ** 2).sum()) / (n - 1) / n)
    effect = (se / se_naive) ** 2 if se_naive > 0 else None
    return Spread(mean, se, se_naive, effect, _icc(of))


def _icc(of: Sample) -> float | None:
    n, count = of.n, of.n_clusters
    if n == count:
        return None
    sizes, sums = of.sizes, of.sums
    between = float((sums**2 / sizes).sum() - of.values.sum() ** 2 / n) / (count - 1)
    within = float((of.values**2).sum() - (sums**2 / sizes).sum()) / (n - count)
    typical = (n - float((sizes**2).sum()) / n) / (count - 1)
    total = between + (typical - 1) * within
    # A total of rounding size means that nothing varies.
    return (between - within) / total if total > 1e-12 else None
