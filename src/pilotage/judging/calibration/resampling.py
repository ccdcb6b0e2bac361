"""The bootstrap, over items, as weights: a resample is how often each item was drawn times what it stands for."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pilotage.judging.calibration.measure import Measure

Floats = NDArray[np.float64]

_CELLS = 2_000_000


def bootstrap_weights(weights: Floats, replicates: int, rng: np.random.Generator, figures: Callable[[Floats], Floats]) -> Floats:
    """``figures`` of (rows, n) weights, each giving (rows, k), over ``replicates`` resamples: (replicates, k). Memory is bounded."""
    n = len(weights)
    rows = max(1, _CELLS // n)
    found = []
    for begin in range(0, replicates, rows):
        number = min(rows, replicates - begin)
        drawn = rng.integers(0, n, (number, n)) + np.arange(number)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=number * n).reshape(number, n)
        found.append(np.asarray(figures(counts * weights)))
    return np.vstack(found)


def interval_of(name: str, estimate: float, resampled: Floats, n: int, level: float, method: str) -> Measure:
    """The percentile interval of what was resampled, widened where it would not hold the estimate."""
    kept = resampled[np.isfinite(resampled)]
    if not len(kept):
        return Measure(name, estimate, None, None, level, n, method)
    low, high = np.quantile(kept, [(1 - level) / 2, (1 + level) / 2])
    return Measure(name, estimate, min(float(low), estimate), max(float(high), estimate), level, n, f"{method}; bootstrap over items")
