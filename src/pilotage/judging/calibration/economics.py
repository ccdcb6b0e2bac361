"""Does routing pay? Expected costs of accepting and of reviewing, on calibrated confidence.

Accepting costs p_err · C_err. Reviewing costs c_review + c_delay, and what the reviewer misses: e_h · C_err. So an output is reviewed where
``p_err · C_err > c_review + c_delay + e_h · C_err``: below the confidence ``1 - (c_review + c_delay) / C_err - e_h``. The reviewer's error e_h is
measured on gold or seeded items, never assumed, and its uncertainty is in every band.

Money is in integer minor units (cents) where it is declared; expectations are fractions of them. Costs may differ by item (arrays).

Reference: Chow (1970) for the rule; Alves et al. (2024) "Cost-sensitive learning to defer" for costs and workloads together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError, Refused
from pilotage.judging.calibration.measure import Measure
from pilotage.judging.calibration.resampling import bootstrap_weights
from pilotage.judging.calibration.sample import Sample

Floats = NDArray[np.float64]

REPLICATES = 1_000


@dataclass(frozen=True)
class ReviewerError:
    """How often reviewers let a wrong output pass: ``missed`` of the ``of`` gold or seeded items they saw."""

    missed: int
    of: int

    def __post_init__(self) -> None:
        if not 0 <= self.missed <= self.of or self.of < 1:
            raise InputError(
                f"{self.missed} missed of {self.of} is no reviewer error.",
                why="it is measured on gold or seeded items; an assumed one decides the threshold by itself",
                mend="put gold items into the queue and count",
            )

    @property
    def rate(self) -> float:
        """missed / of."""
        return self.missed / self.of

    def draws(self, number: int, rng: np.random.Generator) -> Floats:
        """Rates that fit what was counted: the Jeffreys posterior."""
        return rng.beta(self.missed + 0.5, self.of - self.missed + 0.5, number)


@dataclass(frozen=True)
class Costs:
    """What an output costs, in minor units of money. Each is one number, or a tuple with one number an item.

    error
        Of a wrong output that goes out.
    review
        Of one review (minutes × wage).
    delay
        Of an output having to wait for a person.
    reviewer
        How often reviewers miss, as measured.
    """

    error: float | tuple[float, ...]
    review: float | tuple[float, ...]
    reviewer: ReviewerError
    delay: float | tuple[float, ...] = 0.0

    def __post_init__(self) -> None:
        for name in ("error", "review", "delay"):
            value = np.asarray(getattr(self, name), dtype=np.float64)
            if not np.isfinite(value).all() or (value < 0).any():
                raise InputError(f"A cost below 0 or not finite in '{name}'.", mend="costs are amounts; what is saved is not a negative cost")
        if not (np.asarray(self.error) > 0).all():
            raise InputError("A wrong output that costs nothing needs no routing.", where="error", mend="the cost of a wrong output, in minor units")

    def threshold(self) -> float:
        """The calibrated confidence below which reviewing is cheaper, within [0, 1]; 0: never review, 1: always. For one cost of each kind."""
        found = self.thresholds()
        if found.ndim:
            raise InputError("Costs differ by item, so there is no one threshold.", mend="thresholds()")
        return float(found)

    def thresholds(self, e_h: float | None = None) -> Floats:
        """The same for each item."""
        rate = self.reviewer.rate if e_h is None else e_h
        error, review, delay = (np.asarray(value, dtype=np.float64) for value in (self.error, self.review, self.delay))
        return np.asarray(np.clip(1 - (review + delay) / error - rate, 0.0, 1.0))

    def review_wanted(self, confidence: Floats) -> NDArray[np.bool_]:
        """Which items are cheaper to review, from calibrated ``confidence``."""
        return np.asarray(np.asarray(confidence) < self.thresholds())

    def of_items(self, n: int) -> tuple[Floats, Floats]:
        """Cost of an error, and of a review without what it misses, for each of ``n`` items."""
        try:
            error = np.broadcast_to(np.asarray(self.error, dtype=np.float64), (n,))
            review = np.broadcast_to(np.asarray(self.review, dtype=np.float64) + np.asarray(self.delay, dtype=np.float64), (n,))
        except ValueError as problem:
            raise InputError(f"Costs of items do not go with {n} items.", mend="one number, or one an item") from problem
        return error, review


@dataclass(frozen=True)
class RoutedCosts:
    """Mean cost an output, in minor units, as routed, beside the two extremes; intervals from a bootstrap over items and e_h.

    threshold
        None where it differs by item.
    against_auto, against_human
        Routed minus the extreme on the same resamples. Routing pays if the upper limit of both is below 0.
    """

    threshold: float | None
    coverage: float
    routed: Measure
    all_auto: Measure
    all_human: Measure
    against_auto: Measure
    against_human: Measure

    @property
    def pays(self) -> bool:
        """Whether routing is shown to be cheaper than either extreme."""
        return all(each.upper is not None and each.upper < 0 for each in (self.against_auto, self.against_human))


def routed_costs(
    sample: Sample, costs: Costs, *, threshold: float | Floats | None = None, level: float = 0.95, replicates: int = REPLICATES, seed: int = 0
) -> RoutedCosts:
    """What routing at ``threshold`` costs (default: the costs' own), with what everything automatic and everything by people would.

    The intervals are two-sided at ``level``. Cost: O(replicates × n), in pieces that fit in memory.

    Raises
    ------
    Refused
        If the confidence was not recalibrated.
    """
    refuse_raw(sample)
    at = costs.thresholds() if threshold is None else np.asarray(threshold, dtype=np.float64)
    accept = sample.confidence >= at
    error, review = costs.of_items(sample.n)
    lost = sample.wrong * error
    # Each policy costs a + e_h · b an item: e_h is drawn anew for each replicate.
    parts = {
        "routed": (np.where(accept, lost, review), np.where(accept, 0.0, error)),
        "all_auto": (lost, np.zeros(sample.n)),
        "all_human": (review, error),
    }
    rng = np.random.default_rng(seed)
    rates = np.append(costs.reviewer.rate, costs.reviewer.draws(replicates, rng))
    columns = np.column_stack([column for pair in parts.values() for column in pair])
    means = np.vstack(
        [
            _weighted_means(columns, sample.weights[None, :]),
            bootstrap_weights(sample.weights, replicates, rng, lambda rows: _weighted_means(columns, rows)),
        ]
    )
    cost = {name: means[:, 2 * i] + rates * means[:, 2 * i + 1] for i, name in enumerate(parts)}
    cost["against_auto"] = cost["routed"] - cost["all_auto"]
    cost["against_human"] = cost["routed"] - cost["all_human"]
    made = {name: _measure(name, values, sample.n, level) for name, values in cost.items()}
    return RoutedCosts(
        threshold=float(at.flat[0]) if at.size and float(np.ptp(at)) == 0 and np.isfinite(at).all() else None,
        coverage=float(np.average(accept, weights=sample.weights)),
        routed=made["routed"],
        all_auto=made["all_auto"],
        all_human=made["all_human"],
        against_auto=made["against_auto"],
        against_human=made["against_human"],
    )


@dataclass(frozen=True)
class CostCurve:
    """Mean cost an output at each threshold, strict to loose, with a bootstrap band. Threshold above 1: everything is reviewed."""

    thresholds: tuple[float, ...]
    coverage: tuple[float, ...]
    cost: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    level: float
    cheapest: int


def cost_curve(sample: Sample, costs: Costs, *, points: int = 101, level: float = 0.95, replicates: int = 200, seed: int = 0) -> CostCurve:
    """The cost at ``points`` thresholds from "accept nothing" to "accept all".

    ``cheapest`` (an index) was found on these very items: it shows the shape, and is no threshold to use.
    """
    refuse_raw(sample)
    order = np.argsort(-sample.confidence, kind="stable")
    confidence = sample.confidence[order]
    ends = np.append(0, np.flatnonzero(np.append(np.diff(confidence) != 0, True)) + 1)
    ends = ends[np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).round().astype(np.int64))]
    error, review = (column[order] for column in costs.of_items(sample.n))
    gain = sample.wrong[order] * error - review
    rng = np.random.default_rng(seed)
    rates = np.append(costs.reviewer.rate, costs.reviewer.draws(replicates, rng))
    base = sample.weights[order]
    found = np.empty((replicates + 1, len(ends)))
    share = np.empty(len(ends))
    for row, rate in enumerate(rates):
        weights = base if row == 0 else base * np.bincount(rng.integers(0, sample.n, sample.n), minlength=sample.n)
        total = weights.sum()
        steps = np.append(0.0, np.cumsum(weights * (gain - rate * error)))[ends]
        found[row] = (np.sum(weights * (review + rate * error)) + steps) / total
        if row == 0:
            share = np.append(0.0, np.cumsum(weights))[ends] / total
    low, high = np.quantile(found[1:], [(1 - level) / 2, (1 + level) / 2], axis=0)
    return CostCurve(
        thresholds=(float(np.nextafter(1.0, 2.0)), *confidence[ends[1:] - 1].tolist()),
        coverage=tuple(share.tolist()),
        cost=tuple(found[0].tolist()),
        lower=tuple(np.minimum(low, found[0]).tolist()),
        upper=tuple(np.maximum(high, found[0]).tolist()),
        level=level,
        cheapest=int(found[0].argmin()),
    )


@dataclass(frozen=True)
class BreakEven:
    """One line of the break-even table: what routing costs a month under these assumptions, and which policy is cheapest."""

    reviewer_error: float
    error: float
    volume: int
    threshold: float
    coverage: float
    routed: float
    all_auto: float
    all_human: float
    cheapest: str


def break_even(
    sample: Sample,
    costs: Costs,
    *,
    reviewer_errors: Sequence[float] = (0.0, 0.02, 0.05, 0.1, 0.2),
    error_costs: Sequence[float] | None = None,
    volumes: Sequence[int] = (1_000, 10_000, 100_000),
    fixed: float = 0.0,
) -> list[BreakEven]:
    """The table over reviewer error, cost of an error and volume (outputs a month): where routing stops to pay.

    ``fixed`` is what running the routing costs a month (audits, labels, software), in minor units.
    """
    refuse_raw(sample)
    if np.ndim(costs.error) or np.ndim(costs.review) or np.ndim(costs.delay):
        raise InputError("A break-even table is over one cost of each kind.", mend="mean costs, or a table a slice")
    base = float(np.asarray(costs.error))
    review = float(np.asarray(costs.review)) + float(np.asarray(costs.delay))
    wrong = float(np.average(sample.wrong, weights=sample.weights))
    lines = []
    for e_h in reviewer_errors:
        for error in error_costs or (base / 4, base / 2, base, base * 2, base * 4):
            at = float(np.clip(1 - review / error - e_h, 0, 1))
            accept = sample.confidence >= at
            coverage = float(np.average(accept, weights=sample.weights))
            lost = float(np.average(accept * sample.wrong, weights=sample.weights)) * error
            person = review + e_h * error
            for volume in volumes:
                totals = {
                    "routed": volume * (lost + (1 - coverage) * person) + fixed,
                    "all_auto": volume * wrong * error,
                    "all_human": volume * person,
                }
                lines.append(BreakEven(e_h, error, volume, at, coverage, **totals, cheapest=min(totals, key=lambda name: totals[name])))
    return lines


def refuse_raw(sample: Sample) -> None:
    """Refuse to weigh costs on a confidence that was not mended.

    Raises
    ------
    Refused
        If the sample's confidence is raw.
    """
    if sample.recalibrated_by is None:
        raise Refused(
            "The confidence is raw.",
            why="the threshold from costs reads it as a probability; a raw one is most often too high",
            mend="recalibrate(…) on other items, then recalibrator.apply_to(sample)",
        )


def _weighted_means(columns: Floats, weights: Floats) -> Floats:
    return np.asarray(weights @ columns / weights.sum(axis=1, keepdims=True))


def _measure(name: str, values: Floats, n: int, level: float) -> Measure:
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
    estimate = float(values[0])
    return Measure(
        name=name.replace("_", " "),
        estimate=estimate,
        lower=min(float(low), estimate),
        upper=max(float(high), estimate),
        level=level,
        n=n,
        method="bootstrap over items and reviewer error",
    )
