"""Krippendorff's alpha for nominal, ordinal, interval and ratio values with missing judgements.

Cost: one pass over the judgements to count; then each replicate resamples the distinct count patterns, not the units, so its cost is
O(patterns × values), however many units there are.

References: Krippendorff (2011) "Computing Krippendorff's alpha-reliability"; Krippendorff (2019) "Content Analysis" ch. 12.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np

from pilotage.judging.agreement.figure import Agreement, Counts, Shape, Statistic, prevalence_warning
from pilotage.judging.agreement.patterns import Patterns, Rows, patterns_of, votes_of
from pilotage.judging.rubric import Scale

NAME = "Krippendorff's alpha"


def krippendorff_alpha(
    values: Rows,
    *,
    scale: Scale | str,
    order: Iterable[Any] | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Krippendorff's alpha of ``values``: (unit, rater, value) in any order, or :class:`Votes`; missing judgements are left out.

    Parameters
    ----------
    scale
        What differences between values mean. Interval and ratio need numbers; ratio needs them ≥ 0.
    order
        The values from least to most, for an ordinal scale whose values do not sort by themselves (options of a question, say).
    replicates
        Bootstrap samples of units for the interval; 0 for none.

    Raises
    ------
    InputError
        If a rater judged a unit twice, a value does not fit the scale, or there are so many distinct values that counting them needs > 400 MB.
    """
    scale = Scale(scale)
    votes = votes_of(values)
    found = patterns_of(votes, scale=scale, order=order).only_paired()
    shape = shape_of(found, NAME, scale, level)
    if not found.n_units:
        return shape.undefined("no unit was judged by two raters" if votes.n else "there are no judgements")
    if len(found.known) == 1:
        return shape.undefined("every answer is the same")
    return shape.with_interval(alpha_statistic(found, scale), found.weights, replicates=replicates, seed=seed)


def shape_of(found: Patterns, coefficient: str, scale: str, level: float) -> Shape:
    """n, raters, plain agreement and the prevalence warning of ``found``."""
    warning = prevalence_warning(found.marginals, found.known) if found.n_units else ""
    return Shape(coefficient, scale, level, found.n_units, found.n_raters, found.n_values, observed=found.observed, warning=warning)


def alpha_statistic(found: Patterns, scale: Scale) -> Statistic:
    """Alpha as a function of how many units have each pattern."""
    numbers = np.array(found.known, dtype=float) if scale in (Scale.INTERVAL, Scale.RATIO) else np.zeros(len(found.known))
    return partial(_alpha, found.patterns, scale, numbers)


def _alpha(patterns: Counts, scale: Scale, numbers: Counts, weights: Counts) -> Counts:
    """Alpha for each row of ``weights`` (replicates × patterns); NaN where every answer is the same."""
    per_unit = patterns.sum(axis=1)
    if scale == Scale.NOMINAL:
        distance = 1 - np.eye(patterns.shape[1])
        return alpha_of(disagreement(patterns, distance), patterns, distance, weights)
    if scale == Scale.RATIO:
        above, below = np.subtract.outer(numbers, numbers), np.add.outer(numbers, numbers)
        distance = np.divide(above, below, out=np.zeros_like(above), where=below > 0) ** 2
        return alpha_of(disagreement(patterns, distance), patterns, distance, weights)
    marginals = weights @ patterns
    total = marginals.sum(axis=1)
    # The ordinal distance between two values is the difference of their mid-ranks, so both scales are squared differences of positions.
    positions = np.cumsum(marginals, axis=1) - marginals / 2 if scale == Scale.ORDINAL else np.broadcast_to(numbers, marginals.shape)
    positions = positions - positions.mean(axis=1, keepdims=True)
    firsts, squares = positions @ patterns.T, positions**2 @ patterns.T
    observed = (weights * (2 * (per_unit * squares - firsts**2) / (per_unit - 1))).sum(axis=1)
    expected = 2 * (total * (marginals * positions**2).sum(axis=1) - (marginals * positions).sum(axis=1) ** 2)
    return _ratio(observed, expected, marginals)


def disagreement(patterns: Counts, distance: Counts) -> Counts:
    """Of each pattern: the distances between the answers of a unit, summed and divided by its answers less one."""
    found: Counts = ((patterns @ distance) * patterns).sum(axis=1) / (patterns.sum(axis=1) - 1)
    return found


def alpha_of(observed: Counts, marginals: Counts, distance: Counts, weights: Counts) -> Counts:
    """Alpha for each row of ``weights``, from what each pattern (or cluster) adds to the disagreement and to the marginals."""
    pooled = weights @ marginals
    return _ratio(weights @ observed, ((pooled @ distance) * pooled).sum(axis=1), pooled)


def _ratio(observed: Counts, expected: Counts, marginals: Counts) -> Counts:
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha: Counts = 1 - (marginals.sum(axis=1) - 1) * observed / expected
    alpha[((marginals > 0).sum(axis=1) < 2) | ~(expected > 0)] = np.nan
    return alpha
