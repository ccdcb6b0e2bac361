"""Scores turned into probabilities by isotonic regression, and whether they can be.

Reference: Barlow et al. (1972) for pool-adjacent-violators; Zadrozny & Elkan (2002) for its use on scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS = 15


@dataclass(frozen=True)
class Isotonic:
    """A rising step function with straight lines between its steps; flat outside what was seen."""

    at: Floats
    value: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Probabilities of ``scores``."""
        return np.asarray(np.interp(scores, self.at, self.value), dtype=np.float64)


def fit_isotonic(scores: Floats, truth: npt.NDArray[np.bool_], *, weight: Floats | None = None) -> Isotonic:
    """The rising function closest to ``truth`` in (weighted) squares. O(n log n)."""
    order = np.argsort(scores, kind="stable")
    return fit_sorted(scores[order], truth[order].astype(np.float64), None if weight is None else weight[order])


def fit_sorted(scores: Floats, truth: Floats, weight: Floats | None = None) -> Isotonic:
    """As :func:`fit_isotonic`, of rows already in order of their score."""
    from scipy.optimize import isotonic_regression

    start = np.flatnonzero(np.concatenate(([True], scores[1:] != scores[:-1])))
    if weight is None:
        w = np.diff(np.append(start, len(scores))).astype(np.float64)
        y = np.add.reduceat(truth, start) / w
    else:
        w = np.maximum(np.add.reduceat(weight, start), 1e-12)
        y = np.add.reduceat(truth * weight, start) / w
    level = np.asarray(isotonic_regression(y, weights=w).x, dtype=np.float64)
    x = scores[start]
    # Only the ends of each flat stretch are needed.
    keep = np.ones(len(x), dtype=np.bool_)
    keep[1:-1] = (level[1:-1] != level[:-2]) | (level[1:-1] != level[2:])
    return Isotonic(x[keep], level[keep])


@dataclass(frozen=True)
class CalibrationCheck:
    """How far isotonic probabilities are from the truth on rows the regression has not seen.

    ece
        Expected calibration error over bins of the raw score.
    expected
        What a well-calibrated score would show 99 % of the time with this many rows.
    """

    ece: float
    expected: float
    limit: float

    @property
    def ok(self) -> bool:
        """Whether the error is small, or no larger than chance."""
        return self.ece <= max(self.expected, self.limit)


def check_calibration(scores: Floats, truth: npt.NDArray[np.bool_], *, limit: float = 0.02, seed: int = 0) -> CalibrationCheck:
    """Calibrate on the first half of the rows and look at the second, and the other way round: rows in order of time show a calibration that moves.

    Bins are of the raw score, so a score that does not rise with the truth is seen: isotonic regression would pool it into one flat, well-calibrated
    and useless step.
    """
    n = len(scores)
    order = np.argsort(scores, kind="stable")
    first_half = order < n // 2
    p = np.empty(n)  # in order of the score
    ordered, labels = scores[order], truth[order].astype(np.float64)
    for mine in (first_half, ~first_half):
        p[~mine] = fit_sorted(ordered[mine], labels[mine])(ordered[~mine])
    ece, noise = 0.0, np.zeros(1000)
    rng = np.random.default_rng(seed)
    edge = np.linspace(0, n, BINS + 1).astype(int)
    for half in (first_half, ~first_half):
        for low, high in pairwise(edge):
            here = half[low:high]
            gap = (labels[low:high] - p[low:high])[here].sum()
            # The fit comes from as many rows as it is checked on: their noise adds up.
            spread = np.sqrt(2 * max(0.25, float((p[low:high] * (1 - p[low:high]))[here].sum())))
            ece += abs(float(gap)) / n
            noise += np.abs(rng.normal(0, spread, 1000)) / n
    return CalibrationCheck(ece, float(np.quantile(noise, 0.99)), limit)
