"""Agreement between raters.

Krippendorff's alpha for nominal, ordinal, interval and ratio values with missing judgements, with a unit bootstrap interval, and Cohen's kappa for
two raters. An agreement that is not defined says why instead of giving a number.

Cost: one pass over the judgements to count; then each replicate resamples the distinct count patterns, not the units, so its cost is
O(patterns × values), however many units there are.

References: Krippendorff (2011) "Computing Krippendorff's alpha-reliability"; Krippendorff (2019) "Content Analysis" ch. 12; Cohen (1960).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.judging.judgement import Judgement
from pilotage.judging.rubric import Scale

ENOUGH_UNITS = 50
_MOST_CELLS = 50_000_000
_MOST_UNDEFINED = 0.05

Counts = NDArray[np.float64]


class Rating(NamedTuple):
    """One rater's value for one unit. A unit a rater did not judge simply has no rating."""

    unit: Hashable
    rater: Hashable
    value: Any


@dataclass(frozen=True)
class Agreement:
    """How far raters agree beyond chance.

    status
        ``measured``; ``too_few_for_a_verdict`` (fewer than 50 units judged twice: the figure is shown, but nothing may be decided on it);
        ``not_assessable`` (no figure; ``reason`` says why).
    n_units
        Units with at least two values; only these carry information.
    """

    coefficient: str
    scale: str
    estimate: float | None
    lower: float | None
    upper: float | None
    level: float
    n_units: int
    n_raters: int
    n_values: int
    status: str
    reason: str = ""

    def __str__(self) -> str:
        name = f"{self.coefficient} ({self.scale})"
        if self.estimate is None:
            return f"{name}: not assessable: {self.reason}"
        interval = f" [{self.lower:.3f}, {self.upper:.3f}]" if self.lower is not None and self.upper is not None else ""
        note = f"; {self.reason}" if self.reason else ""
        return f"{name}: {self.estimate:.3f}{interval} at {self.level:.0%}, {self.n_units} units, {self.n_raters} raters{note}"

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def ratings_of(judgements: Iterable[Judgement]) -> list[Rating]:
    """The answers of ``judgements`` (of one question) as ratings. Abstentions are missing values."""
    given = list(judgements)
    if len({judgement.question for judgement in given}) > 1:
        raise InputError("Agreement is about one question at a time.", mend="ask for judgements(…, question=…)")
    return [Rating(judgement.item_id, judgement.rater_id, judgement.value) for judgement in given if not judgement.abstained]


def krippendorff_alpha(
    values: Iterable[tuple[Hashable, Hashable, Any]],
    *,
    scale: Scale | str,
    order: Iterable[Any] | None = None,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Krippendorff's alpha of ``values``: (unit, rater, value) in any order; missing judgements are left out.

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
    ratings = [Rating(*value) for value in values]
    units = _by_unit(ratings)
    n_raters = len({rating.rater for rating in ratings})
    pairable = [list(found.values()) for found in units.values() if len(found) >= 2]
    shape = _Shape("Krippendorff's alpha", scale, level, len(pairable), n_raters, sum(len(found) for found in pairable))
    if not pairable:
        return shape.undefined("no unit was judged by two raters" if ratings else "there are no judgements")
    known = _ordered_values(pairable, scale, order)
    if len(known) == 1:
        return shape.undefined("every answer is the same")
    if len(pairable) * len(known) > _MOST_CELLS:
        raise InputError(
            f"{len(pairable):,} units with {len(known):,} distinct values are too many to count together.",
            mend="round the values to what the raters could tell apart",
        )
    patterns, weights = _patterns(pairable, known)
    numbers = np.array(known, dtype=float) if scale in (Scale.INTERVAL, Scale.RATIO) else np.zeros(len(known))
    estimate = float(_alpha(patterns, weights[None, :].astype(float), scale, numbers)[0])
    return _with_interval(shape, estimate, patterns, weights, scale, numbers, replicates, seed)


@dataclass(frozen=True)
class _Shape:
    coefficient: str
    scale: str
    level: float
    n_units: int
    n_raters: int
    n_values: int

    def measured(self, estimate: float, lower: float | None, upper: float | None, reason: str = "") -> Agreement:
        few = self.n_units < ENOUGH_UNITS
        note = f"{self.n_units} units judged twice; a verdict needs {ENOUGH_UNITS}" if few else ""
        status = "too_few_for_a_verdict" if few else "measured"
        return Agreement(**self.__dict__, estimate=estimate, lower=lower, upper=upper, status=status, reason="; ".join(filter(None, (note, reason))))

    def undefined(self, reason: str) -> Agreement:
        return Agreement(**self.__dict__, estimate=None, lower=None, upper=None, status="not_assessable", reason=reason)


def _by_unit(ratings: list[Rating]) -> dict[Hashable, dict[Hashable, Any]]:
    units: dict[Hashable, dict[Hashable, Any]] = {}
    for rating in ratings:
        if rating.value is None or rating.value != rating.value:
            raise InputError("A missing value is left out, not given as null or NaN.", where=f"unit {rating.unit!r}, rater {rating.rater!r}")
        found = units.setdefault(rating.unit, {})
        if rating.rater in found:
            raise InputError(
                "A rater judged a unit twice.", where=f"unit {rating.unit!r}, rater {rating.rater!r}", mend="keep the current judgement only"
            )
        found[rating.rater] = rating.value
    return units


def _ordered_values(pairable: list[list[Any]], scale: Scale, order: Iterable[Any] | None) -> list[Any]:
    seen = {value for found in pairable for value in found}
    if order is not None:
        ordered = list(order)
        stray = seen - set(ordered)
        if stray:
            raise InputError(f"The value {next(iter(stray))!r} is not in the order given.", mend="name every value in 'order'")
        return [value for value in ordered if value in seen]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in seen)
    if scale in (Scale.INTERVAL, Scale.RATIO) and not numeric:
        raise InputError(f"An {scale} scale needs numbers.", mend="use the nominal or ordinal scale")
    if scale == Scale.RATIO and any(value < 0 for value in seen):
        raise InputError("A ratio scale has no values below zero.", mend="use the interval scale")
    if scale == Scale.ORDINAL and not numeric:
        raise InputError("The order of these values is not known.", mend="give 'order' from least to most")
    return sorted(seen) if numeric else sorted(seen, key=repr)


def _patterns(pairable: list[list[Any]], known: list[Any]) -> tuple[Counts, NDArray[np.int64]]:
    """The distinct rows of counts (patterns × values), and how many units have each."""
    place = {value: index for index, value in enumerate(known)}
    units = np.repeat(np.arange(len(pairable)), [len(found) for found in pairable])
    cells = np.array([place[value] for found in pairable for value in found])
    counts = np.bincount(units * len(known) + cells, minlength=len(pairable) * len(known)).reshape(len(pairable), len(known))
    patterns, weights = np.unique(counts, axis=0, return_counts=True)
    return patterns.astype(float), weights


def _alpha(patterns: Counts, weights: Counts, scale: Scale, numbers: Counts) -> Counts:
    """Alpha for each row of ``weights`` (replicates × patterns); NaN where every answer is the same (turned into a reason by the caller)."""
    per_unit = patterns.sum(axis=1)
    marginals = weights @ patterns
    total = marginals.sum(axis=1)
    if scale == Scale.NOMINAL:
        observed = weights @ ((per_unit**2 - (patterns**2).sum(axis=1)) / (per_unit - 1))
        expected = total**2 - (marginals**2).sum(axis=1)
    elif scale == Scale.RATIO:
        above, below = np.subtract.outer(numbers, numbers), np.add.outer(numbers, numbers)
        distance = np.divide(above, below, out=np.zeros_like(above), where=below > 0) ** 2
        observed = weights @ (((patterns @ distance) * patterns).sum(axis=1) / (per_unit - 1))
        expected = ((marginals @ distance) * marginals).sum(axis=1)
    else:
        # The ordinal distance between two values is the difference of their mid-ranks, so both scales are squared differences of positions.
        positions = np.cumsum(marginals, axis=1) - marginals / 2 if scale == Scale.ORDINAL else np.broadcast_to(numbers, marginals.shape)
        positions = positions - positions.mean(axis=1, keepdims=True)
        firsts, squares = positions @ patterns.T, positions**2 @ patterns.T
        observed = (weights * (2 * (per_unit * squares - firsts**2) / (per_unit - 1))).sum(axis=1)
        expected = 2 * (total * (marginals * positions**2).sum(axis=1) - (marginals * positions).sum(axis=1) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        alpha: Counts = 1 - (total - 1) * observed / expected
    alpha[(marginals > 0).sum(axis=1) < 2] = np.nan
    return alpha


def _with_interval(
    shape: _Shape,
    estimate: float,
    patterns: Counts,
    weights: NDArray[np.int64],
    scale: Scale,
    numbers: Counts,
    replicates: int,
    seed: int,
) -> Agreement:
    tail = (1 - shape.level) / 2
    if replicates == 0:
        return shape.measured(estimate, None, None)
    if estimate == 1:
        # No disagreement was seen, so resampling sees none either. If a share q of all units were answered as if by chance, alpha would be
        # 1 - q, and q is below 1 - tail**(1/units) at this confidence (the exact bound for no event).
        return shape.measured(estimate, tail ** (1 / shape.n_units), 1.0, "no disagreement seen; the lower bound is exact")
    generator = np.random.default_rng(seed)
    units = int(weights.sum())
    shares = weights / units
    step = max(1, _MOST_CELLS // max(1, 8 * len(weights)))
    found: list[Counts] = []
    for start in range(0, replicates, step):
        drawn = generator.multinomial(units, shares, size=min(step, replicates - start)).astype(float)
        found.append(_alpha(patterns, drawn, scale, numbers))
    alphas = np.concatenate(found)
    defined = alphas[~np.isnan(alphas)]
    undefined = 1 - len(defined) / replicates
    if undefined > _MOST_UNDEFINED:
        return shape.undefined(f"in {undefined:.0%} of the resamples every answer is the same: too few units differ to say anything")
    lower, upper = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
    return shape.measured(estimate, min(lower, estimate), max(upper, estimate))


def cohen_kappa(
    first: Mapping[Hashable, Any],
    second: Mapping[Hashable, Any],
    *,
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Cohen's kappa of two raters (unit → value) over the units both judged, with a unit bootstrap interval."""
    common = [unit for unit in first if unit in second]
    shape = _Shape("Cohen's kappa", "nominal", level, len(common), 2, 2 * len(common))
    if not common:
        return shape.undefined("the two raters judged no unit in common")
    known = sorted({first[unit] for unit in common} | {second[unit] for unit in common}, key=repr)
    if len(known) == 1:
        return shape.undefined("every answer is the same")
    place = {value: index for index, value in enumerate(known)}
    size = len(known)
    cells = np.array([place[first[unit]] * size + place[second[unit]] for unit in common])
    table = np.bincount(cells, minlength=size * size).astype(float)
    estimate = float(_kappa(table[None, :], size)[0])
    if replicates == 0:
        return shape.measured(estimate, None, None)
    tail = (1 - level) / 2
    if estimate == 1:
        return shape.measured(estimate, tail ** (1 / shape.n_units), 1.0, "no disagreement seen; the lower bound is exact")
    drawn = np.random.default_rng(seed).multinomial(len(common), table / len(common), size=replicates).astype(float)
    kappas = _kappa(drawn, size)
    defined = kappas[~np.isnan(kappas)]
    if len(defined) < (1 - _MOST_UNDEFINED) * replicates:
        return shape.undefined("in too many resamples every answer is the same: too few units differ to say anything")
    lower, upper = (float(bound) for bound in np.quantile(defined, [tail, 1 - tail]))
    return shape.measured(estimate, min(lower, estimate), max(upper, estimate))


def _kappa(tables: Counts, size: int) -> Counts:
    cells = tables.reshape(-1, size, size)
    total = cells.sum(axis=(1, 2))
    agreed = np.trace(cells, axis1=1, axis2=2) / total
    chance = (cells.sum(axis=1) * cells.sum(axis=2)).sum(axis=1) / total**2
    with np.errstate(divide="ignore", invalid="ignore"):
        kappa: Counts = (agreed - chance) / (1 - chance)
    kappa[chance >= 1 - 1e-12] = np.nan
    return kappa
