"""How far two samples of a column lie apart.

All distances of a column come from one histogram and one sort. Bins are the reference's deciles **and** the space outside its range, and a column of
few values gets a bin for each value and each gap: two samples that share nothing are never "0.0 apart". Empty bins get half a row (Jeffreys), so PSI
stays finite and large. Each distance has a bootstrap interval, and beside it the **noise**: what two samples of these sizes from one source would
show 95 % of the time. A distance below its noise says nothing.

Psi, Jensen-Shannon and total variation need no scale. The quantile W1 distance is the mean absolute difference of quantiles, divided by the
reference's p95 - p05; where that is nearly 0 (most tolls are zero) by a floor, or a column that hardly varies would alarm for ever.

Cost: O(n log n) a column for the sort; intervals are resampled from 128 counts, whatever n.

References: Lin (1991) for Jensen-Shannon; Siddiqi (2006) for PSI; Krichevsky & Trofimov (1981) for the half row.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilotage.evidence import Evidence, not_assessable, wilson
from pilotage.monitoring.columns import Floats, LevelPair, NumberPair, Pair, pair_columns
from pilotage.monitoring.shapes import Shape, column_shapes

DECILES = 10
FINE = 128
ATOMS = 20
FIRST = 1000
REPLICATES = 200
MIN_ROWS = 30
SCALE_FLOOR = 0.1
NUMBER_DISTANCES = ("psi", "js", "w1", "ks")
LEVEL_DISTANCES = ("psi", "js", "tv")
BOUNDED = ("js", "ks", "tv")


def bin_edges(values: Floats, *, bins: int = DECILES) -> Floats:
    """Right-closed edges by which ``numpy.searchsorted(edges, x, side="left")`` gives the bin of x, from the reference's ``values`` in any order.

    Quantiles of the reference, with its least value split off below and its greatest closed above; a column of at most ``ATOMS`` values gets a bin
    for each of them and for each gap between. O(n): nothing is sorted.
    """
    # A column of few values shows no more than that in its first rows either.
    if len(_distinct(values[:FIRST])) <= ATOMS:
        distinct = _distinct(values)
        if len(distinct) <= ATOMS:
            return np.sort(np.concatenate((np.nextafter(distinct, -np.inf), distinct)))
    at = np.concatenate(([0], (np.arange(1, bins) * len(values)) // bins, [len(values) - 1]))
    cut = np.partition(values, sorted(set(at.tolist())))[at]
    return _distinct(np.concatenate(([np.nextafter(cut[0], -np.inf)], cut[1:])))


def _distinct(values: Floats) -> Floats:
    # numpy.unique hashes, which is slower than sorting here.
    ordered = np.sort(values)
    return ordered[np.concatenate(([True], ordered[1:] != ordered[:-1]))] if len(ordered) else ordered


def psi(reference: npt.NDArray[Any], production: npt.NDArray[Any]) -> Floats:
    """Population stability index of counts, (…, k) each: Σ (q - p) ln(q / p), with half a row in each bin that either sample fills."""
    p, q = _smooth(reference, production)
    return np.asarray(((q - p) * np.log(q / p)).sum(axis=-1))


def jensen_shannon(reference: npt.NDArray[Any], production: npt.NDArray[Any]) -> Floats:
    """Jensen-Shannon distance of counts, (…, k) each: the root of the divergence in bits, from 0 (the same) to 1 (nothing shared)."""
    p, q = _shares(reference), _shares(production)
    m = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / m), 0) + np.where(q > 0, q * np.log2(q / m), 0)
    return np.asarray(np.sqrt(np.clip(terms.sum(axis=-1) / 2, 0, 1)))


def total_variation(reference: npt.NDArray[Any], production: npt.NDArray[Any]) -> Floats:
    """Total variation of counts, (…, k) each: the share of rows that would have to move, 0 to 1."""
    return np.asarray(np.abs(_shares(reference) - _shares(production)).sum(axis=-1) / 2)


def kolmogorov_smirnov(reference: Floats, production: Floats) -> float:
    """The greatest difference between the two cumulative shares, 0 to 1. Both sorted."""
    everything = np.concatenate((reference, production))
    one = np.searchsorted(reference, everything, side="right") / len(reference)
    other = np.searchsorted(production, everything, side="right") / len(production)
    return float(np.abs(one - other).max())


def quantile_distance(reference: Floats, production: Floats) -> float:
    """W1: the mean absolute difference between the quantiles of two sorted samples, in the column's own unit."""
    everything = np.sort(np.concatenate((reference, production)), kind="mergesort")
    one = np.searchsorted(reference, everything[:-1], side="right") / len(reference)
    other = np.searchsorted(production, everything[:-1], side="right") / len(production)
    return float((np.abs(one - other) * np.diff(everything)).sum())


def scale_of(values: Floats, *, floor: float = SCALE_FLOOR) -> float:
    """What W1 is divided by: p95 - p05 of sorted ``values``, at least ``floor`` × (max - min) and ``floor`` × the largest magnitude of p05 and p95.

    1 where the column is all zeros: then nothing but the unit is left.
    """
    low, high = (float(values[min(len(values) - 1, int(q * len(values)))]) for q in (0.05, 0.95))
    least = floor * max(float(values[-1] - values[0]), abs(low), abs(high))
    return max(high - low, least) or 1.0


def psi_of_tables(reference: pa.Table, production: pa.Table) -> dict[str, float]:
    """PSI of every column both tables have, and nothing else: the quick look. Columns with nothing to compare are left out."""
    found: dict[str, float] = {}
    for pair in pair_columns(reference, production).columns:
        counts = _level_counts(pair) if isinstance(pair, LevelPair) else _decile_counts(*pair.there)
        if counts[0].sum() and counts[1].sum():
            found[pair.name] = float(psi(*counts))
    return found


def _decile_counts(first: Floats, second: Floats) -> tuple[Floats, Floats]:
    if not len(first):
        return np.zeros(1), np.zeros(1)
    edges = bin_edges(first)
    return _histogram(first, edges), _histogram(second, edges)


def _histogram(values: Floats, edges: Floats) -> Floats:
    # Eight to forty edges: comparing with each is quicker than searching, and branch-free.
    if len(edges) <= 16:
        below = np.array([np.count_nonzero(values <= edge) for edge in edges] + [len(values)], dtype=np.float64)
        return np.diff(below, prepend=0.0)
    return np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1).astype(np.float64)


def _level_counts(pair: LevelPair) -> tuple[Floats, Floats]:
    first, second = pair.counts
    return first.astype(np.float64), second.astype(np.float64)


def _shares(counts: npt.NDArray[Any]) -> Floats:
    return np.asarray(counts / np.maximum(counts.sum(axis=-1, keepdims=True), 1e-300), dtype=np.float64)


def _smooth(reference: npt.NDArray[Any], production: npt.NDArray[Any]) -> tuple[Floats, Floats]:
    used = (reference + production) > 0
    return _shares(reference + 0.5 * used) * used + ~used, _shares(production + 0.5 * used) * used + ~used


# --------------------------------------------------------------------------- figures


@dataclass(frozen=True)
class ColumnDrift:
    """One column: its distances as evidence, how the share of missing values changed, and whether any distance passes its limit and its noise."""

    name: str
    kind: str
    figures: tuple[Evidence, ...]
    drifted: bool
    why: str

    def figure(self, metric: str) -> Evidence:
        """The figure called ``metric`` (psi, js, w1, ks, tv, missing_change)."""
        return next(each for each in self.figures if each.metric == f"drift.{metric}")

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"name": self.name, "kind": self.kind, "drifted": self.drifted, "why": self.why, "figures": [each.to_dict() for each in self.figures]}


@dataclass(frozen=True)
class DriftReport:
    """Distances of every column. A drifted column is a reason to look, not a verdict: :func:`~pilotage.monitoring.diagnose` says whether it hurts."""

    columns: tuple[ColumnDrift, ...]
    left_out: dict[str, str]
    n_reference: int
    n_production: int
    shapes: tuple[Shape, ...] = ()

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of the columns that drifted."""
        return tuple(column.name for column in self.columns if column.drifted)

    def column(self, name: str) -> ColumnDrift:
        """The drift of one column."""
        return next(column for column in self.columns if column.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "n_reference": self.n_reference,
            "n_production": self.n_production,
            "drifted": list(self.drifted),
            "left_out": dict(self.left_out),
            "columns": [column.to_dict() for column in self.columns],
            "shapes": [shape.to_dict() for shape in self.shapes],
        }

    def __str__(self) -> str:
        lines = [f"{len(self.drifted)} of {len(self.columns)} columns drifted ({self.n_reference} reference rows, {self.n_production} since)"]
        lines += [f"  {'!' if column.drifted else ' '} {column.name}: {column.why}" for column in self.columns]
        lines += [f"    {name}: not compared: {why}" for name, why in self.left_out.items()]
        return "\n".join(lines)


DEFAULT_LIMITS: Mapping[str, float] = {"psi": 0.1, "js": 0.15, "w1": 0.15, "ks": 0.1, "tv": 0.1, "missing_change": 0.05}


def measure_drift(
    reference: pa.Table,
    production: pa.Table,
    *,
    limits: Mapping[str, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
    personal: Iterable[str] = (),
) -> DriftReport:
    """All distances of all columns both tables have, with intervals, noise and n.

    Parameters
    ----------
    limits
        Per distance, beyond which a column counts as drifted. The default is a convention of the field; better ones are learned from the dataset's
        own accepted history.
    level, seed
        Of the bootstrap.
    personal
        Columns whose values are not kept with the report; their distances are.

    A column with fewer than 30 values on either side is ``not_assessable``. A column has drifted if any of its distances is beyond the limit **and**
    the noise.
    """
    bounds = {**DEFAULT_LIMITS, **dict(limits or {})}
    paired = pair_columns(reference, production)
    rng = np.random.default_rng(seed)
    columns = tuple(_column(pair, bounds=bounds, rng=rng, level=level, subject=subject, seed=seed) for pair in paired.columns)
    left_out = dict(paired.left_out)
    left_out |= {name: f"its type changed from {old} to {new}" for name, (old, new) in paired.retyped.items()}
    left_out |= dict.fromkeys(paired.gone, "it is not there any more") | dict.fromkeys(paired.new, "the reference does not have it")
    shapes = column_shapes(reference, production, first=[column.name for column in columns if column.drifted], leave_out=personal)
    return DriftReport(columns, left_out, paired.n_reference, paired.n_production, shapes)


def _column(
    pair: Pair, *, bounds: Mapping[str, float], rng: np.random.Generator, level: float, subject: Mapping[str, Any] | None, seed: int
) -> ColumnDrift:
    numeric = isinstance(pair, NumberPair)
    names = NUMBER_DISTANCES if numeric else LEVEL_DISTANCES
    n = (len(pair.reference) - pair.missing[0], len(pair.production) - pair.missing[1])
    slice_ = {"column": pair.name}
    missing = _missing_change(pair, level=level, subject=subject)
    if min(n) < MIN_ROWS:
        reason = f"{n[0]} values in the reference and {n[1]} since: fewer than {MIN_ROWS}"
        none = [not_assessable(f"drift.{name}", reason=reason, n=min(n), level=level, slice=slice_, subject=subject) for name in names]
        return ColumnDrift(pair.name, "number" if numeric else "level", (*none, missing), *_verdict([missing], bounds))
    figures = _number_figures(pair) if isinstance(pair, NumberPair) else _level_figures(pair)
    made = [
        _evidence(f"drift.{name}", exact, of, counts, n=n, level=level, rng=rng, slice_=slice_, subject=subject, seed=seed)
        for name, exact, of, counts in figures
    ]
    return ColumnDrift(pair.name, "number" if numeric else "level", (*made, missing), *_verdict([*made, missing], bounds))


_Of = Callable[[Floats, Floats], Floats]
_Figure = tuple[str, float, _Of, tuple[Floats, Floats]]


def _number_figures(pair: NumberPair) -> list[_Figure]:
    first, second = (np.sort(values) for values in pair.there)
    edges = bin_edges(first)
    coarse = _histogram(first, edges), _histogram(second, edges)
    # The fine histogram stands in for the samples where the distance is resampled; the estimate itself is exact.
    everything = np.sort(np.concatenate((first, second)), kind="mergesort")
    grid = np.unique(everything[((np.arange(FINE) + 1) * len(everything)) // FINE - 1])
    fine = _histogram(first, grid), _histogram(second, grid)
    gaps, scale = np.diff(grid, append=grid[-1]), scale_of(first)

    def ks(p: Floats, q: Floats) -> Floats:
        return np.asarray(np.abs(np.cumsum(_shares(p) - _shares(q), axis=-1)).max(axis=-1))

    def w1(p: Floats, q: Floats) -> Floats:
        return np.asarray((np.abs(np.cumsum(_shares(p) - _shares(q), axis=-1))[..., : len(gaps)] * gaps).sum(axis=-1) / scale)

    return [
        ("psi", float(psi(*coarse)), psi, coarse),
        ("js", float(jensen_shannon(*coarse)), jensen_shannon, coarse),
        ("w1", quantile_distance(first, second) / scale, w1, fine),
        ("ks", kolmogorov_smirnov(first, second), ks, fine),
    ]


def _level_figures(pair: LevelPair) -> list[_Figure]:
    counts = _level_counts(pair)
    by_name = {"psi": psi, "js": jensen_shannon, "tv": total_variation}
    return [(name, float(of(*counts)), of, counts) for name, of in by_name.items()]


def _evidence(
    metric: str,
    exact: float,
    of: _Of,
    counts: tuple[Floats, Floats],
    *,
    n: tuple[int, int],
    level: float,
    rng: np.random.Generator,
    slice_: Mapping[str, str],
    subject: Mapping[str, Any] | None,
    seed: int,
) -> Evidence:
    p, q = counts
    # Poisson counts: a bootstrap whose n varies as it would. The distance is biased upwards by sampling, so the interval is the pivotal one.
    drawn = of(rng.poisson(p, (REPLICATES, len(p))).astype(float), rng.poisson(q, (REPLICATES, len(q))).astype(float))
    pooled = (p + q) / (p.sum() + q.sum())
    shape = (REPLICATES, len(p))
    noise = float(np.quantile(of(rng.poisson(pooled * n[0], shape).astype(float), rng.poisson(pooled * n[1], shape).astype(float)), 0.95))
    shift = drawn - float(of(p, q))
    low, high = np.quantile(shift, ((1 - level) / 2, (1 + level) / 2))
    lower, upper = max(0.0, min(exact, exact - float(high))), max(exact, exact - float(low))
    # A distance of two samples that share nothing does not move when they are resampled: the rule of three says how sure that is.
    if upper - lower < 1e-12:
        room = 3.0 / min(n)
        lower, upper = max(0.0, exact * (1 - room)), exact + room
    if metric.rpartition(".")[2] in BOUNDED:
        upper = min(1.0, upper)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=exact,
        lower=lower,
        upper=upper,
        level=level,
        n=min(n),
        n_clusters=None,
        method="pivotal bootstrap of counts",
        slice=dict(slice_),
        subject=dict(subject or {}),
        detail={"n_reference": n[0], "n_production": n[1], "noise": noise, "seed": seed, "replicates": REPLICATES},
    )


def _missing_change(pair: Pair, *, level: float, subject: Mapping[str, Any] | None) -> Evidence:
    return rate_change(
        "drift.missing_change",
        pair.missing[0],
        len(pair.reference),
        pair.missing[1],
        len(pair.production),
        level=level,
        slice={"column": pair.name},
        subject=subject,
    )


def rate_change(
    metric: str,
    before: int,
    n_before: int,
    after: int,
    n_after: int,
    *,
    level: float = 0.95,
    slice: Mapping[str, str] | None = None,
    subject: Mapping[str, Any] | None = None,
) -> Evidence:
    """The change of a share between two independent samples, with Newcombe's hybrid score interval (1998, method 10)."""
    if not n_before or not n_after:
        return not_assessable(metric, reason="a sample is empty", level=level, slice=slice, subject=subject)
    first, second = wilson(before, n_before, level=level), wilson(after, n_after, level=level)
    p, q = before / n_before, after / n_after
    change = q - p
    lower = change - math.hypot(q - second.lower, first.upper - p)
    upper = change + math.hypot(second.upper - q, p - first.lower)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=change,
        lower=max(-1.0, lower),
        upper=min(1.0, upper),
        level=level,
        n=min(n_before, n_after),
        n_clusters=None,
        method="Newcombe",
        slice=dict(slice or {}),
        subject=dict(subject or {}),
        detail={"before": p, "after": q, "n_reference": n_before, "n_production": n_after},
    )


def _verdict(figures: list[Evidence], bounds: Mapping[str, float]) -> tuple[bool, str]:
    said: list[str] = []
    drifted = False
    for each in figures:
        if each.estimate is None:
            said.append(f"not assessable ({each.reason})")
            continue
        name = each.metric.removeprefix("drift.")
        if name == "missing_change":
            beyond = abs(each.estimate) > bounds[name] and (each.lower or 0.0) * (each.upper or 0.0) > 0
        else:
            beyond = each.estimate > bounds[name] and each.estimate > each.detail["noise"]
        drifted |= beyond
        if beyond or name in ("psi", "w1", "tv"):
            said.append(f"{name} {each.estimate:.3f}{f' > {bounds[name]:g}' if beyond else ''}")
    return drifted, ", ".join(said)
