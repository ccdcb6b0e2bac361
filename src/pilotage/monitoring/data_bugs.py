"""Bugs of the data that look like drift: looked for first, because everything after would misread them.

A column that is gone or has another type; a burst of missing values; a column stuck on one value; many rows of levels never seen; a number in another
unit. The last is looked for only where the unit or dimension is **declared**, among the conversions of that dimension: a season makes temperatures
fall, but not by ×1.8 + 32. It is named when undoing the conversion brings the column back to the reference: the distance (KS) falls below a small
limit and to a fraction of what it was, and no other conversion does as well. Where only a share of the rows arrived in another unit, it is not named:
the gate's check for mixed units sees that.

Money in another currency is no conversion of one dimension: a rate of exchange is data.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from pilotage.evidence import Evidence, wilson
from pilotage.monitoring.columns import LevelPair, NumberPair, Paired, pair_columns
from pilotage.monitoring.distances import kolmogorov_smirnov, rate_change
from pilotage.monitoring.windows import Window

if TYPE_CHECKING:
    from pilotage.data.contracts.contract import Contract

Kind = Literal["gone", "type", "missing", "stuck", "levels", "unit"]
MIN_ROWS = 30


@dataclass(frozen=True)
class BugLimits:
    """When a change is a bug and not drift.

    missing
        Rise of the share of missing values, whole interval above.
    new_levels
        Share of rows with a level the reference does not have.
    unit_before, unit_after
        KS distance before undoing a conversion, at least; after undoing, at most.
    """

    missing: float = 0.05
    new_levels: float = 0.05
    unit_before: float = 0.2
    unit_after: float = 0.1


@dataclass(frozen=True)
class DataBug:
    """One bug: which column, what kind, in words, and the figure."""

    column: str
    kind: Kind
    what: str
    figure: Evidence | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"column": self.column, "kind": self.kind, "what": self.what, "figure": None if self.figure is None else self.figure.to_dict()}

    def __str__(self) -> str:
        return f"{self.column}: {self.what}"


def units_of_contract(contract: Contract) -> dict[str, str]:
    """Column -> declared unit, or dimension where only that is declared."""
    return {name: declared for name, column in contract.columns.items() if (declared := column.unit or column.dimension)}


def find_data_bugs(
    reference: Window,
    production: Window,
    *,
    units: Mapping[str, str] | None = None,
    limits: BugLimits | None = None,
    level: float = 0.99,
    subject: Mapping[str, Any] | None = None,
) -> tuple[DataBug, ...]:
    """The bugs that explain a change, worst kinds first.

    ``units``: column -> its unit (``degC``) or dimension (``temperature``), as the contract declares it.

    Raises
    ------
    InputError
        If a unit is neither a known unit nor a dimension.
    """
    bounds = limits or BugLimits()
    paired = pair_columns(reference.features, production.features)
    bugs = [DataBug(name, "gone", "the column is not there any more") for name in paired.gone]
    bugs += [DataBug(name, "type", f"its type changed from {old} to {new}") for name, (old, new) in paired.retyped.items()]
    declared = dict(units or {})
    for pair in paired.columns:
        found = _missing(pair, paired, bounds, level, subject)
        if found is None and isinstance(pair, LevelPair):
            found = _levels(pair, bounds, level, subject)
        if found is None and isinstance(pair, NumberPair):
            found = _stuck(pair) or (_unit(pair, declared[pair.name], bounds, level, subject) if pair.name in declared else None)
        if found is not None:
            bugs.append(found)
    return tuple(bugs)


def _missing(pair: NumberPair | LevelPair, paired: Paired, bounds: BugLimits, level: float, subject: Mapping[str, Any] | None) -> DataBug | None:
    before, after = pair.missing
    figure = rate_change(
        "bug.missing", before, paired.n_reference, after, paired.n_production, level=level, slice={"column": pair.name}, subject=subject
    )
    if figure.lower is None or figure.lower <= bounds.missing:
        return None
    return DataBug(pair.name, "missing", f"missing in {after / paired.n_production:.1%} of rows, {before / paired.n_reference:.1%} before", figure)


def _levels(pair: LevelPair, bounds: BugLimits, level: float, subject: Mapping[str, Any] | None) -> DataBug | None:
    known, now = pair.counts
    rows, unseen = int(now.sum()), int(now[known == 0].sum())
    if rows < MIN_ROWS or not known.sum():
        return None
    interval = wilson(unseen, rows, level=level)
    if interval.lower <= bounds.new_levels:
        return None
    worst = pair.levels[int(np.argmax(np.where(known == 0, now, -1)))]
    figure = Evidence(
        metric="bug.new_levels",
        status="measured",
        estimate=unseen / rows,
        lower=interval.lower,
        upper=interval.upper,
        level=level,
        n=rows,
        n_clusters=None,
        method=interval.method,
        slice={"column": pair.name},
        subject=dict(subject or {}),
        detail={"n_effective": rows},
    )
    return DataBug(pair.name, "levels", f"{unseen / rows:.1%} of rows have a level never seen before, most often '{worst[:40]}'", figure)


def _stuck(pair: NumberPair) -> DataBug | None:
    first, second = pair.there
    if len(second) < MIN_ROWS or len(first) < MIN_ROWS or second.min() != second.max():
        return None
    # Stuck only if the reference would hardly ever show a run of this value.
    share = float((first == second[0]).mean())
    if share > 0.9:
        return None
    return DataBug(pair.name, "stuck", f"every value is {second[0]:g}; {share:.1%} were before")


def _conversions(unit: str) -> list[tuple[str, float, float]]:
    """(how it reads, scale, shift) of every conversion that may have happened to a column of this unit or dimension."""
    from pilotage.data.contracts.units import conversion, dimensions, unit_named, units_of

    # "ratio" and "count" are both: a unit says more than its dimension.
    dimension_only = unit in dimensions() and unit not in {each.name for each in units_of(unit)}
    if dimension_only:
        pairs = [(before.name, after.name) for before in units_of(unit) for after in units_of(unit) if before != after]
    else:
        here = unit_named(unit)
        pairs = [(here.name, other.name) for other in units_of(here.dimension) if other.name != here.name]
    made: dict[tuple[float, float], str] = {}
    for before, after in pairs:
        how = conversion(before, after)
        made.setdefault((float(how.scale), float(how.shift)), f"{before} to {after}")
    return [(reads, scale, shift) for (scale, shift), reads in made.items() if (scale, shift) != (1.0, 0.0)]


def _unit(pair: NumberPair, unit: str, bounds: BugLimits, level: float, subject: Mapping[str, Any] | None) -> DataBug | None:
    first, second = (np.sort(values) for values in pair.there)
    if min(len(first), len(second)) < MIN_ROWS:
        return None
    before = kolmogorov_smirnov(first, second)
    if before < bounds.unit_before:
        return None
    tried = sorted((kolmogorov_smirnov(first, (second - shift) / scale), reads) for reads, scale, shift in _conversions(unit))
    if not tried:
        return None
    after, reads = tried[0]
    noise = 1.63 * float(np.sqrt(1 / len(first) + 1 / len(second)))  # KS at p = 0.01
    if after > max(bounds.unit_after, noise) or after > before / 4:
        return None
    if len(tried) > 1 and tried[1][0] < 1.5 * after + noise / 4:
        reads = f"{reads}, or {tried[1][1]}"
    figure = Evidence(
        metric="bug.unit",
        status="measured",
        estimate=before - after,
        lower=max(0.0, before - after - noise),
        upper=min(1.0, before - after + noise),
        level=level,
        n=min(len(first), len(second)),
        n_clusters=None,
        method="KS distance that undoing the conversion takes away",
        slice={"column": pair.name},
        subject=dict(subject or {}),
        detail={"ks_before": before, "ks_after": after, "conversion": reads},
    )
    return DataBug(
        pair.name, "unit", f"the values look as if they changed from {reads}: undone, they are as before (KS {before:.2f} -> {after:.2f})", figure
    )
