"""What the guarantee costs, and what more labels would buy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.judging.calibration.bounds import alpha_of_look, betting_log_wealth, binomial_p
from pilotage.judging.calibration.risk_control import STEPS, own_alphas, smallest_bet, smallest_n, walk
from pilotage.judging.calibration.sample import Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_REPLICATES = 200
_CELLS = 2_000_000


@dataclass(frozen=True)
class MoreLabels:
    """What ``more`` labels would buy: the share that may be accepted, as expected were the next labels like those there are.

    coverage_low, coverage_high
        The middle 80 % of draws. ``saved_per_output`` in minor units, None without costs.
    """

    more: int
    n: int
    coverage: float
    coverage_low: float
    coverage_high: float
    certified: float
    gained: float
    saved_per_output: float | None = None


def accepted_counts(
    wrong: NDArray[np.floating],
    *,
    risk: float,
    delta: float,
    starts: Sequence[float] = (1.0, 3.0),
    look: int = 1,
    only_look: bool = False,
    share: float = 1.0,
    steps: int = STEPS,
    scaled: Floats | None = None,
) -> Ints:
    """How many items each of many samples may accept: ``wrong`` is (samples, n), each row sorted by confidence, downwards, without ties.

    The same as :func:`certify` on every row, for planning and for simulation. ``scaled``: weights within (0, 1], then by betting, row by row.
    """
    losses = np.asarray(wrong, dtype=np.float64)
    n = losses.shape[1]
    alpha = alpha_of_look(delta, look, only=only_look) * share
    if scaled is not None:
        return np.array(
            [
                _by_betting(row, weights, risk, alpha, starts, steps)
                for row, weights in zip(losses, np.broadcast_to(scaled, losses.shape), strict=True)
            ]
        )
    least = smallest_n(risk, alpha / len(starts))
    if least > n:
        return np.zeros(len(losses), dtype=np.int64)
    ends = _ends(least, n, steps)
    p = binomial_p(np.cumsum(losses, axis=1)[:, ends - 1], ends, risk)
    last, _, _ = walk(p, own_alphas(ends, least=least, alpha=alpha, starts=starts))
    return np.where(last >= 0, ends[np.maximum(last, 0)], 0)


def more_labels(
    sample: Sample,
    *,
    risk: float,
    delta: float = 0.05,
    more: Sequence[int] = (100, 500, 1_000, 2_000),
    starts: Sequence[float] = (1.0, 3.0),
    look: int = 1,
    only_look: bool = False,
    saving: Floats | None = None,
    replicates: int = _REPLICATES,
    seed: int = 0,
) -> tuple[MoreLabels, ...]:
    """What each of ``more`` labels would buy, by drawing samples of that size from this one. A plan, not a promise: it believes today's errors.

    ``saving``: what accepting each item saves against reviewing it, in minor units; then the expected saving an output is told as well.
    """
    if min(more, default=1) < 1:
        raise InputError("Fewer than 1 more label buys nothing.", where="more")
    rng = np.random.default_rng(seed)
    order = np.argsort(-sample.confidence, kind="stable")
    wrong = sample.wrong[order]
    gain = None if saving is None else np.asarray(saving, dtype=np.float64)[order]
    weights = sample.weights[order]
    equal = sample.equal_weights and sample.binary
    scaled = weights / float(weights.max())
    found: list[tuple[int, Floats, float | None]] = []
    for extra in (0, *more):
        n = sample.n + extra
        count = max(20, min(replicates, _CELLS // n if equal else 50))
        rows = np.sort(rng.integers(0, sample.n, (count, n)), axis=1)
        drawn = wrong[rows]
        taken = accepted_counts(drawn, risk=risk, delta=delta, starts=starts, look=look, only_look=only_look, scaled=None if equal else scaled[rows])
        inside = np.arange(n) < taken[:, None]
        mass = weights[rows]
        coverage = (mass * inside).sum(axis=1) / mass.sum(axis=1)
        saved = None if gain is None else float(np.mean((mass * inside * gain[rows]).sum(axis=1) / mass.sum(axis=1)))
        found.append((n, coverage, saved))
    now, saved_now = float(found[0][1].mean()), found[0][2]
    return tuple(
        MoreLabels(
            more=extra,
            n=n,
            coverage=float(coverage.mean()),
            coverage_low=float(np.quantile(coverage, 0.1)),
            coverage_high=float(np.quantile(coverage, 0.9)),
            certified=float(np.mean(coverage > 0)),
            gained=float(coverage.mean()) - now,
            saved_per_output=None if saved is None or saved_now is None else saved - saved_now,
        )
        for extra, (n, coverage, saved) in zip(more, found[1:], strict=True)
    )


def coverage_without_guarantee(sample: Sample, *, risk: float) -> float:
    """The share accepted by the loosest threshold whose error rate *on this sample* is at most ``risk``. It promises nothing: the difference to the
    certified coverage is the price of the guarantee."""
    order = np.argsort(-sample.confidence, kind="stable")
    confidence, weights = sample.confidence[order], sample.weights[order]
    mass = np.cumsum(weights)
    rate = np.cumsum(weights * sample.wrong[order]) / mass
    passing = np.flatnonzero((rate <= risk) & np.append(np.diff(confidence) != 0, True))
    return float(mass[passing[-1]] / mass[-1]) if len(passing) else 0.0


def _by_betting(losses: Floats, scaled: Floats, risk: float, alpha: float, starts: Sequence[float], steps: int) -> int:
    least = smallest_bet(scaled, risk, alpha / len(starts))
    if least > len(losses):
        return 0
    ends = _ends(least, len(losses), steps)
    p = np.exp(-np.maximum(betting_log_wealth(losses, scaled, risk), 0.0))[ends - 1]
    last, _, _ = walk(p, own_alphas(ends, least=least, alpha=alpha, starts=starts))
    return int(ends[last]) if last >= 0 else 0


def _ends(least: int, n: int, steps: int) -> Ints:
    """The grid of :func:`.risk_control.grid` where no confidence occurs twice."""
    return np.arange(least, n + 1) if n - least < steps else np.unique(np.ceil(np.linspace(least, n, steps) - 1e-9).astype(np.int64))
