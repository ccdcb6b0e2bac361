"""Ranking: does the confidence put wrong outputs below right ones? Calibration can be mended; ranking cannot.

References: DeLong, DeLong & Clarke-Pearson (1988) for the variance of the AUROC; Geifman, Uziel & El-Yaniv (2019) for excess AURC.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pilotage.judging.calibration.measure import Measure, undefined
from pilotage.judging.calibration.resampling import bootstrap_weights, interval_of
from pilotage.judging.calibration.sample import Sample

Floats = NDArray[np.float64]

CURVE_POINTS = 101


@dataclass(frozen=True)
class RiskCoverage:
    """Error rate among what is accepted, at each coverage. ``aurc`` is its mean height; ``excess`` what is above the best order there could be."""

    coverage: tuple[float, ...]
    risk: tuple[float, ...]
    threshold: tuple[float, ...]
    aurc: Measure
    excess: Measure


def auroc(sample: Sample, *, level: float = 0.95) -> Measure:
    """The probability that a right output has a higher confidence than a wrong one (ties count half), weighted; interval on the log-odds.

    Soft truth: an item counts as right by its share and as wrong by the rest.
    """
    name = "AUROC of confidence for being right"
    right, wrong = sample.weights * sample.correct, sample.weights * sample.wrong
    if right.sum() <= 0 or wrong.sum() <= 0:
        return undefined(name, f"every output is {'right' if wrong.sum() <= 0 else 'wrong'}", n=sample.n)
    above_wrong, below_right = _placement(sample.confidence, wrong), 1 - _placement(sample.confidence, right)
    estimate = float(np.sum(right * above_wrong) / right.sum())
    # Each item's pull on the estimate, from either side (DeLong's placements).
    pull = right / right.sum() * (above_wrong - estimate) + wrong / wrong.sum() * (below_right - estimate)
    error = math.sqrt(float(np.sum(pull**2)))
    z = float(special.ndtri((1 + level) / 2))
    method = "DeLong, on the log-odds"
    if error == 0 or estimate in (0.0, 1.0):
        # Separated: what n allows (the rule of three on the rarer side).
        rarer = max(1.0, min(float(right.sum()), float(wrong.sum())) / float(sample.weights.mean()))
        slack = min(1.0, 3 / rarer)
        return Measure(name, estimate, max(0.0, estimate - slack), min(1.0, estimate + slack), level, sample.n, "rule of three on the rarer side")
    centre, half = float(special.logit(estimate)), z * error / (estimate * (1 - estimate))
    return Measure(name, estimate, float(special.expit(centre - half)), float(special.expit(centre + half)), level, sample.n, method)


def risk_coverage(sample: Sample, *, level: float = 0.95, replicates: int = 300, seed: int = 0) -> RiskCoverage:
    """The risk-coverage curve (at most 101 points), its area and its excess. Items of one confidence are taken as in random order."""
    order = np.argsort(-sample.confidence, kind="stable")
    confidence, wrong, weights = sample.confidence[order], sample.wrong[order], sample.weights[order]
    best = np.argsort(wrong, kind="stable")
    tie = np.cumsum(np.append(True, np.diff(confidence) != 0)) - 1

    def areas(rows: Floats) -> Floats:
        area = _area(rows, _shared(rows, wrong, tie))
        return np.column_stack([area, area - _area(rows[:, best], np.broadcast_to(wrong[best], rows.shape))])

    found = areas(weights[None, :])[0]
    rng = np.random.default_rng(seed)
    resampled = bootstrap_weights(weights, replicates, rng, areas)
    ends = np.flatnonzero(np.append(np.diff(confidence) != 0, True))
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, min(CURVE_POINTS, len(ends))).round().astype(np.int64))]
    mass = np.cumsum(weights)
    method = "mean selective risk over coverage"
    return RiskCoverage(
        coverage=tuple((mass[ends] / mass[-1]).tolist()),
        risk=tuple((np.cumsum(weights * wrong)[ends] / mass[ends]).tolist()),
        threshold=tuple(confidence[ends].tolist()),
        aurc=interval_of("area under risk-coverage (AURC)", float(found[0]), resampled[:, 0], sample.n, level, method),
        excess=interval_of("excess AURC", float(found[1]), resampled[:, 1], sample.n, level, f"{method}, minus the best order's"),
    )


def _placement(confidence: Floats, weights: Floats) -> Floats:
    """The weighted share of ``weights`` below each item, ties half."""
    distinct, at = np.unique(confidence, return_inverse=True)
    mass = np.bincount(at, weights=weights, minlength=len(distinct))
    below = np.cumsum(mass) - mass / 2
    return np.asarray(below[at] / mass.sum())


def _shared(rows: Floats, wrong: Floats, tie: NDArray[np.int64]) -> Floats:
    """The loss of each item as the mean of its tie: what a random order among them loses on average."""
    if tie[-1] == len(tie) - 1:
        return np.broadcast_to(wrong, rows.shape)
    starts = np.searchsorted(tie, np.arange(tie[-1] + 1))
    mass = np.add.reduceat(rows, starts, axis=1)
    mean = np.add.reduceat(rows * wrong, starts, axis=1) / np.maximum(mass, 1e-300)
    return np.asarray(mean[:, tie])


def _area(rows: Floats, wrong: Floats) -> Floats:
    mass = np.cumsum(rows, axis=1)
    risk = np.cumsum(rows * wrong, axis=1) / np.maximum(mass, 1e-300)
    return np.asarray(np.sum(rows * risk, axis=1) / mass[:, -1])
