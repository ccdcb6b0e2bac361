"""Scores turned into probabilities by isotonic regression, and whether they can be.

Reference: Barlow et al. (1972) for pool-adjacent-violators; Zadrozny & Elkan (2002) for its use on scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS = 15
GROUPS = 100
SIMULATIONS = 300


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
        What a well-calibrated score would show 99.5 % of the time with this many rows.
    """

    ece: float
    expected: float
    limit: float

    @property
    def ok(self) -> bool:
        """Whether the error is small, or no larger than chance."""
        return self.ece <= max(self.expected, self.limit)


def group_edges(ordered: Floats) -> Floats:
    """Where sorted scores are cut into at most ``GROUPS`` groups of equal size; a score belongs right of an edge it equals."""
    groups = min(GROUPS, max(BINS, len(ordered) // 20))
    return np.unique(ordered[(np.arange(1, groups) * len(ordered)) // groups])


def group_of(ordered: Floats, edges: Floats) -> npt.NDArray[np.int64]:
    """The group of each of the sorted scores."""
    ends = np.concatenate(([0], np.searchsorted(ordered, edges, side="left"), [len(ordered)]))
    return np.repeat(np.arange(len(edges) + 1), np.diff(ends))


def check_calibration(
    scores: Floats, truth: npt.NDArray[np.bool_], *, order: npt.NDArray[np.int64] | None = None, limit: float = 0.02, seed: int = 0
) -> CalibrationCheck:
    """Calibrate on the first half of the rows and look at the second, and the other way round: rows in order of time show a calibration that moves.

    Bins are of the raw score, so a score that does not rise with the truth is seen: isotonic regression would pool it into one flat, well-calibrated
    and useless step. What chance would show is simulated: labels drawn from the calibrated probabilities, the whole check done again. All on at most
    ``GROUPS`` groups of equal scores or neighbours, whatever n. ``order``: what sorts the scores, if it is at hand.
    """
    n = len(scores)
    by_score = np.argsort(scores, kind="stable") if order is None else order
    ordered = scores[by_score]
    edges = group_edges(ordered)
    k = len(edges) + 1
    cell = (by_score * 2 // max(n, 1)) * k + group_of(ordered, edges)
    rows = np.bincount(cell, minlength=2 * k).reshape(2, k)
    hits = np.bincount(cell, weights=truth[by_score], minlength=2 * k).reshape(2, k)
    coarse = np.clip((np.cumsum(rows.sum(axis=0)) - 1) * BINS // max(n, 1), 0, BINS - 1)
    whole = _rising(hits.sum(axis=0), rows.sum(axis=0))
    rng = np.random.default_rng([seed, 41])
    chance = [_error(rng.binomial(rows, whole), rows, coarse) for _ in range(SIMULATIONS)]
    return CalibrationCheck(_error(hits, rows, coarse), float(np.quantile(chance, 0.995)), limit)


def _rising(hits: npt.NDArray[Any], rows: npt.NDArray[np.int64]) -> Floats:
    from scipy.optimize import isotonic_regression

    found = isotonic_regression(hits / np.maximum(rows, 1), weights=np.maximum(rows, 1e-9)).x
    return np.clip(np.asarray(found, dtype=np.float64), 0, 1)


def _error(hits: npt.NDArray[Any], rows: npt.NDArray[np.int64], coarse: npt.NDArray[np.int64]) -> float:
    """Expected calibration error of each half under the other half's probabilities, both halves together."""
    gap = 0.0
    for mine, other in ((0, 1), (1, 0)):
        expected = _rising(hits[other], rows[other]) * rows[mine]
        gap += float(np.abs(np.bincount(coarse, weights=hits[mine] - expected, minlength=BINS)).sum())
    return gap / max(1, int(rows.sum()))
