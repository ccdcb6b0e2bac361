"""Cohen's kappa for two raters, Fleiss' kappa and Gwet's AC for any number, each plain or weighted.

Missing judgements are allowed everywhere, as in Gwet (2014): every unit judged twice tells of agreement, every unit judged at all of how often
each value is given.

References: Cohen (1960, 1968); Fleiss (1971); Gwet (2008) for AC1; Gwet (2014) "Handbook of inter-rater reliability" §2.6 and ch. 3 for AC2.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

import numpy as np

from pilotage.core import InputError
from pilotage.judging.aggregation.votes import Votes, in_order
from pilotage.judging.agreement.alpha import shape_of
from pilotage.judging.agreement.figure import Agreement, Counts, Shape, prevalence_warning
from pilotage.judging.agreement.patterns import Patterns, Rows, ordered, patterns_of, votes_of
from pilotage.judging.rubric import Scale

Weights = Literal["none", "linear", "quadratic"]
_SCALES = {"none": "nominal", "linear": "linear weights", "quadratic": "quadratic weights"}


def cohen_kappa(
    first: Mapping[Any, Any],
    second: Mapping[Any, Any],
    *,
    weights: Weights = "none",
    order: Iterable[Any] | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Cohen's kappa of two raters (unit → value) over the units both judged, with a unit bootstrap interval.

    Parameters
    ----------
    weights
        ``linear`` or ``quadratic``: near misses count in part. Numbers differ by their difference, other values by their places in ``order``.

    Raises ``InputError`` if weights are asked for and the order of the values is not known.
    """
    common = [unit for unit in first if unit in second]
    shape = Shape("Cohen's kappa", _scale(weights), level, len(common), 2, 2 * len(common))
    if not common:
        return shape.undefined("the two raters judged no unit in common")
    seen = list({first[unit]: None for unit in common} | {second[unit]: None for unit in common})
    known = in_order(seen) if weights == "none" else ordered(seen, Scale.ORDINAL, order)
    if len(known) == 1:
        return shape.undefined("every answer is the same")
    place = {value: index for index, value in enumerate(known)}
    size, partly = len(known), weights_of(known, weights)
    cells = np.array([place[first[unit]] * size + place[second[unit]] for unit in common])
    table = np.bincount(cells, minlength=size * size)
    square = table.reshape(size, size)
    warning = prevalence_warning((square.sum(axis=0) + square.sum(axis=1)).astype(float), known)
    shape = Shape(shape.coefficient, shape.scale, level, len(common), 2, 2 * len(common), float(np.trace(square) / len(common)), warning)

    def statistic(drawn: Counts) -> Counts:
        tables = drawn.reshape(-1, size, size)
        total = tables.sum(axis=(1, 2))
        agreed = (tables * partly).sum(axis=(1, 2)) / total
        chance = np.einsum("ri,ij,rj->r", tables.sum(axis=2), partly, tables.sum(axis=1)) / total**2
        return _beyond(agreed, chance)

    return shape.with_interval(statistic, table, replicates=replicates, seed=seed)


def fleiss_kappa(
    values: Rows, *, weights: Weights = "none", order: Iterable[Any] | None = None, level: float = 0.95, replicates: int = 1000, seed: int = 0
) -> Agreement:
    """Fleiss' kappa of (unit, rater, value) rows, or :class:`Votes`; raters may differ from unit to unit, and in number.

    Errors: as :func:`cohen_kappa`, and if a rater judged a unit twice.
    """
    return _many("Fleiss' kappa", values, weights, order, level, replicates, seed, gwet=False)


def gwet_ac1(
    values: Rows, *, weights: Weights = "none", order: Iterable[Any] | None = None, level: float = 0.95, replicates: int = 1000, seed: int = 0
) -> Agreement:
    """Gwet's AC1 (AC2 with ``weights``): steady where nearly all answers are one value.

    It asks how many values there *could* be: name them all in ``order`` (or in the schema of :class:`Votes`), also those nobody gave. Errors: as
    :func:`fleiss_kappa`.
    """
    return _many("Gwet's AC1" if weights == "none" else "Gwet's AC2", values, weights, order, level, replicates, seed, gwet=True)


def _many(
    name: str, values: Rows, weights: Weights, order: Iterable[Any] | None, level: float, replicates: int, seed: int, *, gwet: bool
) -> Agreement:
    listed = None if order is None else list(order)
    votes = votes_of(values)
    found = _patterns(votes, listed, weights)
    shape = shape_of(found, name, _scale(weights), level)
    if not found.n_units:
        return shape.undefined("no unit was judged by two raters" if votes.n else "there are no judgements")
    if len(found.known) < 2:
        return shape.undefined("every answer is the same" + ("; name the values there could have been in 'order'" if gwet else ""))
    partly = weights_of(found.known, weights)
    per_unit = found.patterns.sum(axis=1)
    paired = (per_unit >= 2).astype(float)
    near = (found.patterns * (found.patterns @ partly - 1)).sum(axis=1)
    agreed_in = np.divide(near, per_unit * (per_unit - 1), out=np.zeros_like(near), where=per_unit >= 2)
    given = found.patterns / per_unit[:, None]

    def statistic(drawn: Counts) -> Counts:
        with np.errstate(divide="ignore", invalid="ignore"):
            agreed = (drawn @ agreed_in) / (drawn @ paired)
        share = (drawn @ given) / drawn.sum(axis=1, keepdims=True)
        if gwet:
            size = len(found.known)
            return _beyond(agreed, partly.sum() * (share * (1 - share)).sum(axis=1) / (size * (size - 1)))
        return _beyond(agreed, ((share @ partly) * share).sum(axis=1))

    return shape.with_interval(statistic, found.weights, replicates=replicates, seed=seed)


def _patterns(votes: Votes, order: list[Any] | None, weights: Weights) -> Patterns:
    if weights not in _SCALES:
        raise InputError(f"'{weights}' are no weights.", mend="use none, linear or quadratic")
    return patterns_of(votes, scale=Scale.NOMINAL if weights == "none" else Scale.ORDINAL, order=order, declared=True)


def weights_of(known: Iterable[Any], weights: Weights) -> Counts:
    """How far two values agree, 0 to 1: values × values."""
    if weights not in _SCALES:
        raise InputError(f"'{weights}' are no weights.", mend="use none, linear or quadratic")
    listed = list(known)
    if weights == "none":
        return np.eye(len(listed))
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in listed)
    at = np.array(listed, dtype=float) if numeric else np.arange(len(listed), dtype=float)
    apart = np.abs(np.subtract.outer(at, at)) / max(float(np.ptp(at)), 1e-300)
    partly: Counts = 1 - (apart if weights == "linear" else apart**2)
    return partly


def _scale(weights: str) -> str:
    if weights not in _SCALES:
        raise InputError(f"'{weights}' are no weights.", mend="use none, linear or quadratic")
    return _SCALES[weights]


def _beyond(agreed: Counts, chance: Counts) -> Counts:
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa: Counts = (agreed - chance) / (1 - chance)
    kappa[chance >= 1 - 1e-12] = np.nan
    return kappa
