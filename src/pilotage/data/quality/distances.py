"""How far two profiles of a column are apart: effect sizes, the size chance alone would give them, and a probability for each.

==============  =================================================================================================================================
``nulls``       difference of null shares
``shape``       1-Wasserstein distance between the quantile grids (1 % to 99 %), in units of the reference's robust scale
``levels``      total variation distance between level shares
``new_levels``  share of values whose level the reference never held
==============  =================================================================================================================================

The probabilities come from the profiles alone (two-proportion z, Kolmogorov–Smirnov on the grids less one grid step, Pearson's chi-squared,
exchangeability). They are only ever a second condition.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pilotage.data.quality.profile import GRID, ColumnProfile

_MEAN_ABSOLUTE_NORMAL = math.sqrt(2 / math.pi)
_SMALLEST_SCALE = 1e-9


@dataclass(frozen=True)
class Distance:
    """One change. ``noise`` is the expected effect of chance alone at ``n`` new and ``m`` reference values: ``spread * sqrt(1/n + 1/m)``."""

    effect: float
    spread: float
    p: float
    n: int
    m: int

    @property
    def noise(self) -> float:
        """The effect to expect where nothing changed."""
        return self.spread * math.sqrt(1 / self.n + 1 / self.m)

    def needed(self, noise: float) -> int | None:
        """How many new values bring the noise down to ``noise``; None if no number does, the reference being too small itself."""
        if self.spread == 0:
            return 1
        left = (noise / self.spread) ** 2 - 1 / self.m
        return math.ceil(1 / left) if left > 0 else None


def null_distance(reference: ColumnProfile, new: ColumnProfile) -> Distance | None:
    """The change of the null share, signed away. None without rows."""
    if not new.n or not reference.n:
        return None
    pooled = (reference.nulls + new.nulls) / (reference.n + new.n)
    spread = math.sqrt(pooled * (1 - pooled))
    effect = abs(new.nulls / new.n - reference.nulls / reference.n)
    z = effect / (spread * math.sqrt(1 / new.n + 1 / reference.n)) if spread else 0.0
    expected = math.sqrt((reference.nulls / reference.n) * (1 - reference.nulls / reference.n))
    return Distance(effect, expected * _MEAN_ABSOLUTE_NORMAL, math.erfc(z / math.sqrt(2)), new.n, reference.n)


def shape_distance(reference: ColumnProfile, new: ColumnProfile) -> Distance | None:
    """The change of a number's distribution. None where either has no value."""
    if not reference.grid or not new.grid:
        return None
    old, now = np.asarray(reference.grid), np.asarray(new.grid)
    scale = robust_scale(old)
    effect = float(np.abs(old[1:-1] - now[1:-1]).mean()) / scale
    shares = np.linspace(0, 1, GRID)[1:-1]
    spread = float((np.diff(old[1:-1]) * np.sqrt(shares * (1 - shares))[:-1]).sum()) / scale * _MEAN_ABSOLUTE_NORMAL
    return Distance(effect, spread, _kolmogorov(old, now, reference.values, new.values), new.values, reference.values)


def robust_scale(grid: np.ndarray) -> float:
    """The unit of :func:`shape_distance`: p95 - p05, with a floor.

    p95 - p05 is 0 where nearly all values are one (tolls in a month without traffic), and dividing by it would make any change infinite. The floor is
    the largest of the grid's own deviation, a hundredth of its largest magnitude, and 1e-9.
    """
    inner = grid[1:-1]
    return float(max(inner[94] - inner[4], inner.std(), 0.01 * np.abs(inner).max(), _SMALLEST_SCALE))


def level_distance(reference: ColumnProfile, new: ColumnProfile) -> Distance | None:
    """The change of level shares. A level that one side may have counted under ``rest`` is counted there for both. None where either has no value."""
    if not reference.values or not new.values:
        return None
    old, now = _aligned(reference, new)
    a, b = np.asarray(old, dtype=np.float64), np.asarray(now, dtype=np.float64)
    p, q = a / a.sum(), b / b.sum()
    spread = 0.5 * float(np.sqrt(p * (1 - p)).sum()) * _MEAN_ABSOLUTE_NORMAL
    return Distance(0.5 * float(np.abs(p - q).sum()), spread, _chi_squared(a, b), new.values, reference.values)


def new_level_distance(reference: ColumnProfile, new: ColumnProfile) -> Distance | None:
    """The share of values whose level the reference never held. None where the reference kept only some of its levels, or either has no value."""
    if not reference.values or not new.values or reference.rest or reference.distinct > len(reference.levels):
        return None
    known = sum(count for level, count in new.levels.items() if level in reference.levels)
    unseen = new.values - known
    # Were all values exchangeable, each of the unseen ones would have to fall into the new table by chance.
    p = math.exp(unseen * math.log(new.values / (new.values + reference.values)))
    return Distance(unseen / new.values, 0.0, p, new.values, reference.values)


def _aligned(one: ColumnProfile, two: ColumnProfile) -> tuple[list[int], list[int]]:
    def certain(level: str, side: ColumnProfile) -> bool:
        return level in side.levels or not side.rest

    shared = [level for level in sorted({*one.levels, *two.levels}) if certain(level, one) and certain(level, two)]

    def counts(levels: Mapping[str, int], total: int) -> list[int]:
        kept = [levels.get(level, 0) for level in shared]
        return [*kept, total - sum(kept)]

    return counts(one.levels, one.values), counts(two.levels, two.values)


def _kolmogorov(old: np.ndarray, now: np.ndarray, m: int, n: int) -> float:
    from scipy.special import kolmogorov

    points = np.union1d(old, now)
    gap = np.abs(np.searchsorted(old, points, side="right") - np.searchsorted(now, points, side="right")).max() / GRID
    return float(kolmogorov(max(0.0, gap - 1 / GRID) * math.sqrt(n * m / (n + m))))


def _chi_squared(a: np.ndarray, b: np.ndarray) -> float:
    from scipy.special import chdtrc

    both = a + b
    a, b, both = a[both > 0], b[both > 0], both[both > 0]
    if len(both) < 2:
        return 1.0
    total = both.sum()
    statistic = sum(float(((side - both * side.sum() / total) ** 2 / (both * side.sum() / total)).sum()) for side in (a, b))
    return float(chdtrc(len(both) - 1, statistic))
