"""Calibration, measured against its own noise: does "80 % sure" mean right 80 % of the time?

Even a perfect confidence shows a calibration error on a finite sample (.066 at n = 100, .030 at 500), so no fixed cut-off means anything. Outcomes
are drawn anew from the confidences themselves, which makes them right by construction, and the error measured is held against those (consistency
resampling). Bins hold equal weight. Beside it the debiased squared error, whose mean is 0 for a perfect confidence, and the smooth error, which has
no bins. All of it counts items by 1 / inclusion probability.

Cost: O(replicates × n) random numbers for the null, in pieces that fit in memory; everything else is a sort.

References: Bröcker & Smith (2007) for consistency resampling; Kumar, Liang & Ma (2019) for the debiased error; Cox (1958) for slope and
intercept; Dimitriadis, Gneiting & Jordan (2021) for the decomposition without bins; Baan et al. (2022) for DistCE.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from pilotage.core import InputError
from pilotage.judging.calibration.fitting import logistic
from pilotage.judging.calibration.measure import Measure, undefined
from pilotage.judging.calibration.monotone import isotonic_fit
from pilotage.judging.calibration.resampling import bootstrap_weights, interval_of
from pilotage.judging.calibration.sample import Sample

Floats = NDArray[np.float64]

BINS = 15
NULL_DRAWS = 1_000
_CELLS = 4_000_000


@dataclass(frozen=True)
class Bin:
    """One bin of the reliability diagram: what was said, what was so, and where that would lie (95 %) were the confidence right."""

    low: float
    high: float
    confidence: float
    correct: float
    n: int
    weight: float
    band_low: float | None
    band_high: float | None


@dataclass(frozen=True)
class Reliability:
    """The calibration error with its null.

    null_mean, null_95
        What a perfect confidence would show on this sample: mean, and the error exceeded once in twenty.
    p
        The probability of an error at least this large were the confidence right. None for soft truth (``reason``): votes are no coin tosses.
    """

    ece: Measure
    null_mean: float | None
    null_95: float | None
    p: float | None
    l2_squared: Measure
    bins: tuple[Bin, ...]
    reason: str = ""


def reliability_of(
    sample: Sample, *, bins: int = BINS, draws: int = NULL_DRAWS, level: float = 0.95, replicates: int = 300, seed: int = 0
) -> Reliability:
    """The binned calibration error of ``sample``, its null, the debiased squared error and the diagram.

    The interval of the error is the null's shift taken off a bootstrap: plain resampling would only add noise to noise, so it is a reading, and
    ``p`` is the test.
    """
    if bins < 2 or draws < 100:
        raise InputError(f"{bins} bins and {draws} draws test nothing.", mend="at least 2 bins and 100 draws")
    order = np.argsort(sample.confidence, kind="stable")
    p, y, w = sample.confidence[order], sample.correct[order], sample.weights[order]
    starts = _equal_mass(p, w, bins)
    total = float(w.sum())
    mass = np.add.reduceat(w, starts)
    said, so = np.add.reduceat(w * p, starts) / mass, np.add.reduceat(w * y, starts) / mass
    ece = float(np.abs(so - said) @ mass / total)
    rng = np.random.default_rng(seed)
    reason = "" if sample.binary else "the truth is soft: how votes scatter around a right confidence is not known"
    nulls = _null(p, w, starts, said, mass, draws, rng) if sample.binary else None
    null = None if nulls is None else np.abs(nulls) @ mass / total
    bands = None if nulls is None else np.quantile(nulls, [0.025, 0.975], axis=0) + said
    edges = np.append(starts, len(p))
    diagram = tuple(
        Bin(
            low=float(p[edges[b]]),
            high=float(p[edges[b + 1] - 1]),
            confidence=float(said[b]),
            correct=float(so[b]),
            n=int(edges[b + 1] - edges[b]),
            weight=float(mass[b] / total),
            band_low=None if bands is None else max(0.0, float(bands[0, b])),
            band_high=None if bands is None else min(1.0, float(bands[1, b])),
        )
        for b in range(len(starts))
    )
    resampled = bootstrap_weights(w, replicates, rng, lambda weights: _errors(p, y, weights, starts))
    return Reliability(
        ece=_shifted(ece, resampled[:, 0], sample.n, level, len(starts)),
        null_mean=None if null is None else float(null.mean()),
        null_95=None if null is None else float(np.quantile(null, 0.95)),
        p=None if null is None else float((1 + np.sum(null >= ece - 1e-12)) / (draws + 1)),
        l2_squared=_l2(p, y, w, starts, sample.n, level, resampled),
        bins=diagram,
        reason=reason,
    )


def calibration_p(sample: Sample, *, bins: int = BINS, draws: int = NULL_DRAWS, seed: int = 0) -> float | None:
    """Only the p-value of :func:`reliability_of`; None for soft truth."""
    return reliability_of(sample, bins=bins, draws=draws, replicates=2, seed=seed).p


def _equal_mass(p: Floats, w: Floats, bins: int) -> NDArray[np.int64]:
    """Where each bin begins: about equal weight, and no confidence in two bins."""
    cumulated = np.cumsum(w)
    cuts = np.searchsorted(cumulated, cumulated[-1] * np.arange(1, bins) / bins, side="left") + 1
    cuts = cuts[cuts < len(p)]
    # A cut inside a tie moves to where the tie begins.
    return np.unique(np.append(0, np.searchsorted(p, p[cuts], side="left")))


def _null(p: Floats, w: Floats, starts: NDArray[np.int64], said: Floats, mass: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """(draws, bins): share right minus confidence in each bin, outcomes drawn from the confidences."""
    rows = max(1, _CELLS // len(p))
    found = []
    for begin in range(0, draws, rows):
        drawn = rng.random((min(rows, draws - begin), len(p)), dtype=np.float32) < p
        found.append(np.add.reduceat(drawn * w, starts, axis=1) / mass - said)
    return np.vstack(found)


def _errors(p: Floats, y: Floats, weights: Floats, starts: NDArray[np.int64]) -> Floats:
    """(rows, 2): the binned error and the debiased squared error under each row of weights."""
    mass = np.add.reduceat(weights, starts, axis=1)
    safe = np.maximum(mass, 1e-300)
    gap = np.add.reduceat(weights * (y - p), starts, axis=1) / safe
    so = np.add.reduceat(weights * y, starts, axis=1) / safe
    second = np.add.reduceat(weights * weights, starts, axis=1)
    # The variance of a weighted mean: the spread over the effective number of items, less the one that the mean uses up.
    spread = np.maximum(0.0, np.add.reduceat(weights * y * y, starts, axis=1) / safe - so * so)
    effective = mass * mass / np.maximum(second, 1e-300)
    bias = np.where(effective > 1.5, spread / np.maximum(effective - 1, 0.5), 0.0)
    share = mass / mass.sum(axis=1, keepdims=True)
    return np.column_stack([np.sum(share * np.abs(gap), axis=1), np.sum(share * (gap * gap - bias), axis=1)])


def _shifted(estimate: float, resampled: Floats, n: int, level: float, bins: int) -> Measure:
    """The basic bootstrap: an error that is an absolute value is too large on a resample by about as much as it is on the sample."""
    low, high = np.quantile(resampled, [(1 - level) / 2, (1 + level) / 2])
    lower, upper = max(0.0, 2 * estimate - float(high)), max(0.0, 2 * estimate - float(low))
    return Measure(
        name="calibration error (ECE)",
        estimate=estimate,
        lower=min(lower, estimate),
        upper=max(upper, estimate),
        level=level,
        n=n,
        method=f"{bins} bins of equal weight, basic bootstrap",
    )


def _l2(p: Floats, y: Floats, w: Floats, starts: NDArray[np.int64], n: int, level: float, resampled: Floats) -> Measure:
    estimate = float(_errors(p, y, w[None, :], starts)[0, 1])
    low, high = np.quantile(resampled[:, 1], [(1 - level) / 2, (1 + level) / 2])
    return Measure(
        name="squared calibration error, debiased",
        estimate=estimate,
        lower=min(2 * estimate - float(high), estimate),
        upper=max(2 * estimate - float(low), estimate),
        level=level,
        n=n,
        method=f"{len(starts)} bins, debiased; below 0 by chance",
    )


@dataclass(frozen=True)
class Line:
    """Slope and intercept of the log-odds of being right on the log-odds said: 1 and 0 if right.

    A slope below 1: too sure at both ends. An intercept (at slope 1) below 0: too sure on the whole.
    """

    slope: Measure
    intercept: Measure


def calibration_line(sample: Sample, *, level: float = 0.95) -> Line:
    """Cox's calibration slope, and the intercept with the slope held at 1 ("in the large"); robust standard errors."""
    z = float(special.ndtri((1 + level) / 2))
    method = "logistic recalibration, robust standard errors"
    if float(np.ptp(sample.correct)) == 0.0:
        reason = f"every output is {'right' if sample.correct[0] == 1 else 'wrong'}"
        return Line(undefined("calibration slope", reason, n=sample.n), undefined("calibration intercept", reason, n=sample.n))
    ones = np.ones((sample.n, 1))
    both = logistic(np.column_stack([sample.logits, ones]), sample.correct, sample.weights)
    shift = logistic(ones, sample.correct, sample.weights, offset=sample.logits)
    made = []
    for name, fit in (("calibration slope", both), ("calibration intercept", shift)):
        if fit.problem:
            made.append(undefined(name, fit.problem, n=sample.n))
            continue
        estimate, error = float(fit.coefficients[0]), math.sqrt(max(0.0, float(fit.covariance[0, 0])))
        made.append(Measure(name, estimate, estimate - z * error, estimate + z * error, level, sample.n, method))
    return Line(*made)


@dataclass(frozen=True)
class Scores:
    """Proper scores, lower is better, and the Brier score taken apart: ``brier = miscalibration - discrimination + uncertainty``.

    Miscalibration is what a rising curve could mend; discrimination what the confidence is worth over saying the average; uncertainty what the
    average alone would score.
    """

    brier: Measure
    log_loss: Measure
    miscalibration: float
    discrimination: float
    uncertainty: float


def proper_scores(sample: Sample, *, level: float = 0.95) -> Scores:
    """Brier score and log loss (nats) with intervals, and the decomposition by isotonic regression, which has no bins."""
    from pilotage.judging.calibration.recalibration import log_losses

    p, y, w = sample.confidence, sample.correct, sample.weights
    mean = float(np.average(y, weights=w))

    def score(said: Floats | float) -> float:
        return float(np.average((said - y) ** 2, weights=w))

    brier, mended, flat = score(p), score(isotonic_fit(p, y, w)), score(mean)
    return Scores(
        brier=weighted_mean("Brier score", (p - y) ** 2, w, level),
        log_loss=weighted_mean("log loss", log_losses(p, y), w, level),
        miscalibration=brier - mended,
        discrimination=flat - mended,
        uncertainty=flat,
    )


def dist_ce(sample: Sample, *, level: float = 0.95, replicates: int = 500, draws: int = 500, seed: int = 0) -> tuple[Measure, float | None]:
    """How far the model's distribution is from the people's, per item (half the L1 distance, 0 to 1), and what it would be were the model's right.

    Where people disagree there is no one truth to be calibrated to; this compares distributions. The second figure is the mean over votes drawn
    from the model's own distribution, as many as each item has: below it one cannot get with so few votes. None where vote counts are not known.
    """
    rng = np.random.default_rng(seed)
    if sample.votes is None or sample.probabilities is None:
        gaps, floor = np.abs(sample.confidence - sample.correct), None
        method = "right or wrong only: |confidence - share of votes|"
    else:
        count = sample.votes.sum(axis=1)
        gaps = np.abs(sample.votes / count[:, None] - sample.probabilities).sum(axis=1) / 2
        method = f"distance of distributions over {sample.votes.shape[1]} classes"
        floor = None
        if (count == count.round()).all():
            shares = sample.probabilities / sample.probabilities.sum(axis=1, keepdims=True)
            whole = count.astype(np.int64)
            rounds = max(1, min(20, draws, _CELLS // shares.size))
            drawn = [np.abs(rng.multinomial(whole, shares) / count[:, None] - shares).sum(axis=1) / 2 for _ in range(rounds)]
            floor = float(np.average(np.mean(drawn, axis=0), weights=sample.weights))
    estimate = float(np.average(gaps, weights=sample.weights))
    resampled = bootstrap_weights(sample.weights, replicates, rng, lambda weights: (weights @ gaps / weights.sum(axis=1))[:, None])
    return interval_of("distance to people's votes (DistCE)", estimate, resampled[:, 0], sample.n, level, method), floor


def weighted_mean(name: str, values: Floats, weights: Floats, level: float = 0.95) -> Measure:
    """A weighted mean with the normal interval of its linearised variance."""
    n = len(values)
    estimate = float(np.average(values, weights=weights))
    if n < 2:
        return undefined(name, "there is one item only" if n else "there are no items", n=n)
    error = math.sqrt(float(np.sum((weights * (values - estimate)) ** 2)) * n / (n - 1)) / float(weights.sum())
    z = float(special.ndtri((1 + level) / 2))
    return Measure(name, estimate, estimate - z * error, estimate + z * error, level, n, "weighted mean, linearised variance")
