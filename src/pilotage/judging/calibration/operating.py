"""What each threshold would do: coverage, errors, a bound, expected cost beside the two extremes. For somebody who moves a threshold and looks.

Only a certified threshold (:func:`.risk_control.certify`) promises anything of itself. The bound here is of one threshold taken alone: it holds for
one that was named before anybody looked, and not for the one that was picked because its bound is low.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilotage.judging.calibration.bounds import clopper_pearson_upper
from pilotage.judging.calibration.economics import Costs, refuse_raw
from pilotage.judging.calibration.measure import Measure
from pilotage.judging.calibration.resampling import bootstrap_weights
from pilotage.judging.calibration.sample import Sample

Floats = NDArray[np.float64]

POINTS = 101
REPLICATES = 300


@dataclass(frozen=True)
class OperatingPoint:
    """One threshold.

    coverage
        Share of production (weighted) at or above it.
    accepted, errors
        Items of the sample, as they are counted.
    rate
        Weighted error rate among what is accepted; None where nothing is.
    bound
        Clopper-Pearson upper bound (1 - delta) of that rate, of this threshold alone; None for unequal weights or soft truth.
    cost, against_auto, against_human
        Mean cost an output in minor units, and its difference to everything automatic and everything by people, on the same resamples. None without
        costs.
    """

    threshold: float
    coverage: float
    accepted: int
    errors: float
    rate: float | None
    bound: float | None
    cost: Measure | None = None
    against_auto: Measure | None = None
    against_human: Measure | None = None


def operating_points(
    sample: Sample,
    *,
    delta: float = 0.05,
    costs: Costs | None = None,
    include: Iterable[float] = (),
    points: int = POINTS,
    level: float = 0.95,
    replicates: int = REPLICATES,
    seed: int = 0,
) -> tuple[OperatingPoint, ...]:
    """About ``points`` thresholds, strict to loose, evenly over coverage, and each confidence of ``include`` that occurs.

    Cost: O(replicates × n).

    Raises
    ------
    Refused
        If costs are given and the confidence was not recalibrated.
    """
    order = np.argsort(-sample.confidence, kind="stable")
    confidence, wrong, weights = sample.confidence[order], sample.wrong[order], sample.weights[order]
    ends = np.append(np.flatnonzero(np.diff(confidence) != 0), len(confidence) - 1) + 1
    chosen = ends[np.unique(np.linspace(0, len(ends) - 1, min(points, len(ends))).round().astype(np.int64))]
    named = [int(np.searchsorted(-confidence, -value, side="right")) for value in include]
    chosen = np.unique(np.append(chosen, [end for end in named if end > 0 and confidence[end - 1] in set(include)])).astype(np.int64)
    mass = np.cumsum(weights)
    lost, count = np.cumsum(weights * wrong), np.cumsum(wrong)
    plain = sample.equal_weights and sample.binary
    figures = _costs(sample.n, costs, wrong, weights, order, chosen, level, replicates, seed, sample) if costs is not None else None
    return tuple(
        OperatingPoint(
            threshold=float(confidence[end - 1]),
            coverage=float(mass[end - 1] / mass[-1]),
            accepted=int(end),
            errors=float(count[end - 1]),
            rate=float(lost[end - 1] / mass[end - 1]),
            bound=clopper_pearson_upper(float(count[end - 1]), float(end), delta) if plain else None,
            **({} if figures is None else figures[place]),
        )
        for place, end in enumerate(chosen)
    )


def _costs(
    n: int,
    costs: Costs,
    wrong: Floats,
    weights: Floats,
    order: NDArray[np.int64],
    ends: NDArray[np.int64],
    level: float,
    replicates: int,
    seed: int,
    sample: Sample,
) -> list[dict[str, Measure]]:
    refuse_raw(sample)
    error, review = (column[order] for column in costs.of_items(n))
    lost = wrong * error
    rng = np.random.default_rng(seed)
    rates = np.append(costs.reviewer.rate, costs.reviewer.draws(replicates, rng))

    def sums(rows: Floats) -> Floats:
        """(rows, 3, ends + 1): weighted means of what is lost, reviewed, and at stake in what is reviewed, up to each end and over all."""
        total = rows.sum(axis=1, keepdims=True)
        parts = [np.cumsum(rows * column, axis=1)[:, np.append(ends, n) - 1] / total for column in (lost, review, error)]
        return np.stack(parts, axis=1).reshape(len(rows), -1)

    found = np.vstack([sums(weights[None, :]), bootstrap_weights(weights, replicates, rng, sums)]).reshape(replicates + 1, 3, len(ends) + 1)
    accepted_loss, reviewed, stake = found[:, 0], found[:, 1], found[:, 2]
    human = reviewed[:, -1:] + rates[:, None] * stake[:, -1:]
    routed = accepted_loss[:, :-1] + (reviewed[:, -1:] - reviewed[:, :-1]) + rates[:, None] * (stake[:, -1:] - stake[:, :-1])
    auto = accepted_loss[:, -1:]
    named = {"cost": routed, "against_auto": routed - auto, "against_human": routed - human}
    return [{name: _measure(name, values[:, place], n, level) for name, values in named.items()} for place in range(len(ends))]


def _measure(name: str, values: Floats, n: int, level: float) -> Measure:
    low, high = np.quantile(values[1:], [(1 - level) / 2, (1 + level) / 2])
    estimate = float(values[0])
    return Measure(
        name.replace("_", " "), estimate, min(float(low), estimate), max(float(high), estimate), level, n, "bootstrap over items and reviewer error"
    )
