"""Rank statistics: the area under the ROC curve, its variance, and its distribution when labels are exchanged.

References: DeLong, DeLong & Clarke-Pearson (1988) for the variance; Lehmann (1975) §1.4 for the rank sum's moments with ties.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pilotage.core.distributions import normal_cdf, normal_quantile

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def midranks(values: Floats) -> Floats:
    """Ranks from 1; ties share their mean rank."""
    order = np.argsort(values, kind="mergesort")
    ordered = values[order]
    start = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    end = np.concatenate((start[1:], [len(values)]))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat((start + end + 1) / 2, end - start)
    return ranks


@dataclass(frozen=True)
class RankSum:
    """Of positives against negatives by a score.

    auc
        Probability that a positive scores above a negative, ties half.
    variance
        DeLong's variance of ``auc``.
    z
        How far the rank sum lies from its mean under exchange of labels, in its exact permutation standard deviations.
    """

    auc: float
    variance: float
    z: float
    n_positive: int
    n_negative: int

    @property
    def p_above(self) -> float:
        """One-sided p: an area at least as large when labels are exchanged (normal tail of the permutation distribution)."""
        return 1.0 - normal_cdf(self.z)

    def interval(self, *, level: float = 0.95) -> tuple[float, float]:
        """On the logit scale, so that it stays within (0, 1); with one half row of each added, so that it has a width at 0 and 1."""
        return logit_interval(self.auc, self.variance, n=min(self.n_positive, self.n_negative), level=level)


def logit_interval(auc: float, variance: float, *, n: int, level: float) -> tuple[float, float]:
    """The interval of an area with this variance, from ``n`` rows of the rarer class."""
    z = normal_quantile((1 + level) / 2)
    inside = min(max(auc, 0.5 / (n + 1)), 1 - 0.5 / (n + 1))
    # Nothing varies where the classes do not overlap; one row could still be out of order.
    spread = math.sqrt(max(variance, (inside * (1 - inside)) / max(1, n) * 0.1))
    half = z * spread / (inside * (1 - inside))
    centre = math.log(inside / (1 - inside))
    lower, upper = (1 / (1 + math.exp(-min(max(centre + side * half, -700), 700))) for side in (-1, 1))
    return min(lower, auc), max(upper, auc)


def rank_sum(scores: Floats, positive: Bools) -> RankSum:
    """Rank statistics of ``scores`` (n,) by class; both classes must be there. O(n log n)."""
    m, k = int(positive.sum()), int((~positive).sum())
    n = m + k
    ranks = midranks(scores)
    auc = (float(ranks[positive].sum()) - m * (m + 1) / 2) / (m * k)
    # Placements from ranks within the class: DeLong without pairs.
    above = (ranks[positive] - midranks(scores[positive])) / k
    below = 1 - (ranks[~positive] - midranks(scores[~positive])) / m
    variance = (float(above.var(ddof=1)) / m if m > 1 else 0.25) + (float(below.var(ddof=1)) / k if k > 1 else 0.25)
    spread = float(((ranks - (n + 1) / 2) ** 2).sum())
    deviation = math.sqrt(m * k * spread / (n * (n - 1))) if n > 1 else 0.0
    z = (float(ranks[positive].sum()) - m * (n + 1) / 2) / deviation if deviation > 0 else 0.0
    return RankSum(auc, variance, z, m, k)
