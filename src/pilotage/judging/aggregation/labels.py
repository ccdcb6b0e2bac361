"""From posteriors to labels and rater figures, the same for every method."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilotage.core.intervals import share_bounds
from pilotage.judging.aggregation.truth import RaterQuality, Truth
from pilotage.judging.aggregation.votes import Floats, Index, Votes

# Two posteriors this close differ by rounding of sums, not by what raters said.
_TIE = 1e-9


def truth_of(
    votes: Votes,
    method: str,
    posterior: Floats,
    *,
    gold: tuple[Index, Index],
    table: Floats | None = None,
    iterations: int = 0,
    converged: bool = True,
    objective: tuple[float, ...] = (),
    parameters: Mapping[str, Any] | None = None,
    seed: int | None = None,
    difficulty: Mapping[Hashable, float] | None = None,
) -> Truth:
    """The result: labels (None at a tie), ties, and each rater's figures. ``table``: log P(said | true), raters × said × true."""
    best = posterior.argmax(axis=1)
    high = posterior[np.arange(len(best)), best]
    tied = np.add.reduce([posterior[:, column] >= high - _TIE for column in range(votes.k)], dtype=np.int64) > 1
    values = np.empty(votes.k, dtype=object)
    values[:] = votes.values
    labels = values[best]
    labels[tied] = None
    posterior.setflags(write=False)
    return Truth(
        method=method,
        units=votes.units,
        values=votes.values,
        posterior=posterior,
        labels=tuple(labels.tolist()),
        rater_quality=quality_of(votes, posterior, gold, table),
        iterations=iterations,
        converged=converged,
        seed=seed,
        parameters=dict(parameters or {}),
        objective=objective,
        tied=tuple(votes.units[at] for at in np.flatnonzero(tied).tolist()),
        clamped=tuple(votes.units[at] for at in gold[0].tolist()),
        unit_difficulty=dict(difficulty or {}),
    )


def quality_of(votes: Votes, posterior: Floats, gold: tuple[Index, Index], table: Floats | None = None) -> dict[Hashable, RaterQuality]:
    """Each rater's expected share of right votes, with its interval and n."""
    right = np.bincount(votes.rater, weights=posterior[votes.unit, votes.value], minlength=len(votes.raters))
    known = np.zeros(len(votes.units), dtype=bool)
    known[gold[0]] = True
    on_gold = np.bincount(votes.rater, weights=known[votes.unit], minlength=len(votes.raters))
    confusion: NDArray[np.float64] | None = None
    if table is not None:
        shares = np.exp(table).transpose(0, 2, 1)
        confusion = shares / shares.sum(axis=2, keepdims=True)
    found = {}
    for index, rater in enumerate(votes.raters):
        n, events = int(votes.per_rater[index]), float(min(right[index], votes.per_rater[index]))
        lower, upper = share_bounds(events, n)
        rows = () if confusion is None else tuple(tuple(row) for row in confusion[index].tolist())
        found[rater] = RaterQuality(rater, n, events / n, lower, upper, n_gold=int(on_gold[index]), confusion=rows)
    return found
