"""The smooth calibration error: no bins, so no bins to choose.

Residuals (right minus confidence) are smoothed along the confidence by a Gaussian reflected at 0 and 1, and the mean absolute height is the error at
that bandwidth. It falls as the bandwidth grows; where the two are equal is the smooth error (a fixed point), between half and twice the distance to
the nearest perfect confidence.

A Gaussian reflected at both ends is the heat kernel of [0, 1], diagonal among cosines: smoothing is a cosine transform, one multiplication, and back,
O(cells log cells) after one pass over the items, so hundreds of resamples cost less than one double loop.

Reference: Błasiok & Nakkiran (2023) "Smooth ECE: principled reliability diagrams via kernel smoothing".
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct, idct

from pilotage.judging.calibration.measure import Measure
from pilotage.judging.calibration.resampling import bootstrap_weights
from pilotage.judging.calibration.sample import Sample

Floats = NDArray[np.float64]

CELLS = 2_048
_CELLS_RESAMPLED = 512
_HALVINGS = 24
_HALVINGS_RESAMPLED = 13  # to .0001, far below what resamples differ by


def smooth_ece(sample: Sample, *, level: float = 0.95, replicates: int = 200, seed: int = 0) -> Measure:
    """The smooth calibration error of ``sample`` with a basic bootstrap interval; weighted by 1 / inclusion."""
    residual = sample.correct - sample.confidence
    estimate = float(_fixed_point(_spread(sample.confidence, (sample.weights * residual)[None, :], CELLS), float(sample.weights.sum()))[0])
    rng = np.random.default_rng(seed)

    def figure(weights: Floats) -> Floats:
        return _fixed_point(_spread(sample.confidence, weights * residual, _CELLS_RESAMPLED), weights.sum(axis=1), _HALVINGS_RESAMPLED)[:, None]

    method = "reflected Gaussian, bandwidth at the fixed point"
    if not replicates:
        return Measure("smooth calibration error (smECE)", estimate, None, None, level, sample.n, method)
    low, high = np.quantile(bootstrap_weights(sample.weights, replicates, rng, figure), [(1 - level) / 2, (1 + level) / 2])
    lower, upper = max(0.0, 2 * estimate - float(high)), max(0.0, 2 * estimate - float(low))
    return Measure(
        "smooth calibration error (smECE)", estimate, min(lower, estimate), max(upper, estimate), level, sample.n, f"{method}; basic bootstrap"
    )


def smoothed_at(sample: Sample, sigma: float) -> float:
    """The error at a bandwidth of one's own: the mean absolute height of the residuals smoothed by ``sigma``."""
    residual = sample.weights * (sample.correct - sample.confidence)
    heights = _spread(sample.confidence, residual[None, :], CELLS) / float(sample.weights.sum())
    return float(_at(dct(heights, type=2, norm="ortho", axis=1), np.array([sigma]))[0])


def _spread(p: Floats, residuals: Floats, cells: int) -> Floats:
    """(rows, n) residuals put on a grid of cell centres, each shared between its two neighbours, so that no mass moves on average."""
    at = p * cells - 0.5
    left = np.floor(at).astype(np.int64)
    part = at - left
    rows = len(residuals)
    grid = np.zeros((rows, cells))
    first, second = np.clip(left, 0, cells - 1), np.clip(left + 1, 0, cells - 1)
    for row in range(rows):
        grid[row] = np.bincount(first, weights=residuals[row] * (1 - part), minlength=cells)
        grid[row] += np.bincount(second, weights=residuals[row] * part, minlength=cells)
    return grid


def _fixed_point(grid: Floats, totals: Floats | float, halvings: int = _HALVINGS) -> Floats:
    """Where error and bandwidth are equal, by halving; one for each row."""
    waves = dct(grid / np.reshape(totals, (-1, 1)), type=2, norm="ortho", axis=1)
    low, high = np.zeros(len(grid)), np.ones(len(grid))
    for _ in range(halvings):
        middle = (low + high) / 2
        wider = _at(waves, middle) > middle
        low, high = np.where(wider, middle, low), np.where(wider, high, middle)
    return (low + high) / 2


def _at(waves: Floats, sigma: Floats) -> Floats:
    damped = waves * np.exp(-0.5 * (np.pi * sigma[:, None] * np.arange(waves.shape[1])) ** 2)
    return np.asarray(np.abs(idct(damped, type=2, norm="ortho", axis=1)).sum(axis=1))
