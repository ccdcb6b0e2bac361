"""Means of scores, clusters accounted for.

At least 20 clusters: Student's t with C - 1 degrees of freedom around the cluster-robust standard error. Fewer: a bootstrap-t over clusters. Both are
bounded to the declared scale. Where the scores do not vary at all, the interval is Wilson's on the scale: no bounded score varies more than a yes/no
one of the same mean, so it is cautious and never of zero width. Scores that are only 0 and 1 are a rate, and are treated as one.

References: Cameron & Miller (2015) for cluster-robust intervals; Efron & Tibshirani (1993) §12.5 for the bootstrap-t.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pilotage.core import InputError
from pilotage.core.distributions import t_quantile
from pilotage.core.intervals import Interval, wilson
from pilotage.evidence.clusters import Observation, Sample, Spread, sample, spread
from pilotage.evidence.figure import Evidence, not_assessable
from pilotage.evidence.rates import missing_notes, rate, too_little

ENOUGH_CLUSTERS = 20
_REPLICATES = 2000
_NOTHING = 1e-12


def mean(
    observations: Iterable[Observation],
    *,
    metric: str,
    scale: tuple[float, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
    slice: Mapping[str, str] | None = None,
    subject: Mapping[str, Any] | None = None,
    detail: Mapping[str, Any] | None = None,
) -> Evidence:
    """The mean of the outcomes.

    Parameters
    ----------
    scale
        The least and the greatest value the score can have; None where it has no bounds (a latency, say).
    seed
        Of the bootstrap, used with fewer than 20 clusters.

    Raises
    ------
    InputError
        On a doubled observation, an item in two clusters, a value that is not finite or lies outside ``scale``.
    """
    given = list(observations)
    of = sample(given)
    if scale is not None:
        _check_scale(given, scale)
        if scale == (0, 1) and of.n and set(np.unique(of.values)) <= {0.0, 1.0}:
            return rate(given, metric=metric, level=level, slice=slice, subject=subject, detail=detail)
    notes: dict[str, Any] = {"missing": of.missing, "missing_share": of.n_missing / max(1, of.n + of.n_missing)}
    if scale is not None:
        notes = {**missing_notes(of, low=scale[0], high=scale[1]), "scale": list(scale)}
    notes = {**notes, **dict(detail or {})}
    about: dict[str, Any] = {"n": of.n, "n_clusters": of.n_clusters, "level": level, "slice": slice, "subject": subject}
    problem = too_little(of)
    if problem:
        return not_assessable(metric, reason=problem, detail=notes, **about)
    how = spread(of)
    interval = mean_interval(of, how, scale=scale, level=level, seed=seed)
    if interval is None:
        return not_assessable(
            metric, reason="every score is the same and the scale has no bounds, so no interval can be given", detail=notes, **about
        )
    more = {"design_effect": how.design_effect, "icc": how.icc, "se": how.se, "se_naive": how.se_naive, "seed": seed}
    return Evidence(
        metric=metric,
        status="measured",
        estimate=how.mean,
        lower=min(interval.lower, how.mean),
        upper=max(interval.upper, how.mean),
        level=level,
        n=of.n,
        n_clusters=of.n_clusters,
        method=interval.method,
        slice=dict(slice or {}),
        subject=dict(subject or {}),
        detail={**notes, **more},
    )


def _check_scale(given: list[Observation], scale: tuple[float, float]) -> None:
    low, high = scale
    if not low < high:
        raise InputError(f"The scale {low} to {high} is empty.", mend="give (least, greatest)")
    for observation in given:
        if observation.value is not None and not low <= observation.value <= high:
            raise InputError(f"The score of '{observation.item}' is {observation.value}, outside the scale {low} to {high}.")


def mean_interval(of: Sample, how: Spread, *, scale: tuple[float, float] | None, level: float, seed: int) -> Interval | None:
    """The interval of a mean, or None where nothing varies and nothing bounds it."""
    if how.se <= _NOTHING * max(1.0, abs(how.mean)):
        return _on_scale(of, how.mean, scale, level) if scale is not None else None
    if of.n_clusters >= ENOUGH_CLUSTERS:
        t = t_quantile((1 + level) / 2, of.n_clusters - 1)
        return _bounded(how.mean - t * how.se, how.mean + t * how.se, scale, level, "cluster-robust t" if of.n > of.n_clusters else "t")
    return _bootstrap_t(of, how, scale=scale, level=level, seed=seed)


def _on_scale(of: Sample, mean: float, scale: tuple[float, float], level: float) -> Interval:
    low, high = scale
    share = min(1.0, max(0.0, (mean - low) / (high - low)))
    made = wilson(share * of.n_clusters, of.n_clusters, level=level, df=of.n_clusters - 1)
    return Interval(low + made.lower * (high - low), low + made.upper * (high - low), level, "Wilson on the scale")


def _bounded(lower: float, upper: float, scale: tuple[float, float] | None, level: float, method: str) -> Interval:
    if scale is not None:
        lower, upper = max(scale[0], lower), min(scale[1], upper)
    return Interval(lower, upper, level, method)


def _bootstrap_t(of: Sample, how: Spread, *, scale: tuple[float, float] | None, level: float, seed: int) -> Interval | None:
    count, sums, sizes = of.n_clusters, of.sums, of.sizes
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=_REPLICATES).astype(float)
    totals = drawn @ sizes
    means = (drawn @ sums) / totals
    residuals = sums[None, :] - means[:, None] * sizes[None, :]
    errors = np.sqrt(count / (count - 1) * (drawn * residuals**2).sum(axis=1)) / totals
    steady = errors > _NOTHING * max(1.0, abs(how.mean))
    if steady.mean() < 0.99:
        # Resamples without any variation have no t; with many of them the method breaks down, and the cautious ones stand in.
        t = t_quantile((1 + level) / 2, count - 1)
        plain = _bounded(how.mean - t * how.se, how.mean + t * how.se, scale, level, "t")
        if scale is None:
            return plain
        wide = _on_scale(of, how.mean, scale, level)
        return Interval(min(plain.lower, wide.lower), max(plain.upper, wide.upper), level, "wider of t and Wilson on the scale")
    t_low, t_high = np.quantile((means[steady] - how.mean) / errors[steady], [(1 - level) / 2, (1 + level) / 2])
    return _bounded(how.mean - float(t_high) * how.se, how.mean - float(t_low) * how.se, scale, level, "bootstrap-t over clusters")
