"""Dawid–Skene and its one-coin special case, fitted by expectation–maximisation to the most probable parameters (MAP).

References: Dawid & Skene (1979); Zhang et al. (2016) for the one-coin model; Paun et al. (2018, TACL) for how models compare.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np

from pilotage.core import InputError
from pilotage.judging.aggregation.em import climb
from pilotage.judging.aggregation.labels import truth_of
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Floats, Votes, gold_at, require_raters

STEPS = 200
REST = 1e-6
_LEAST = float(np.finfo(float).eps)


class _Confusion:
    """A confusion matrix a rater; each of its rows has a Dirichlet prior."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self._prior = 0.0

    def learn(self, counts: Floats) -> Floats:
        if self.smoothing == 0:
            counts = np.maximum(counts, _LEAST)
        smoothed = counts + self.smoothing
        table: Floats = np.log(smoothed) - np.log(smoothed.sum(axis=1, keepdims=True))
        self._prior = self.smoothing * float(table.sum()) if self.smoothing else 0.0
        return table

    def prior(self) -> float:
        return self._prior


class _Coin:
    """One accuracy a rater, with a Beta prior; wrong answers fall evenly on the other values."""

    def __init__(self, smoothing: float) -> None:
        self.smoothing = smoothing
        self._prior = 0.0

    def learn(self, counts: Floats) -> Floats:
        k = counts.shape[1]
        right = np.trace(counts, axis1=1, axis2=2) + self.smoothing
        wrong = counts.sum(axis=(1, 2)) - np.trace(counts, axis1=1, axis2=2) + self.smoothing
        accuracy = np.clip(right / (right + wrong), _LEAST, 1 - _LEAST)
        table = np.repeat(np.log((1 - accuracy) / (k - 1)), k * k).reshape(-1, k, k)
        table[:, np.arange(k), np.arange(k)] = np.log(accuracy)[:, None]
        self._prior = self.smoothing * float((np.log(accuracy) + np.log1p(-accuracy)).sum())
        return table

    def prior(self) -> float:
        return self._prior


def dawid_skene(
    votes: Votes,
    *,
    gold: Mapping[Hashable, Hashable] | None = None,
    smoothing: float = 0.01,
    iterations: int = STEPS,
    tolerance: float | None = REST,
) -> Truth:
    """A confusion matrix for each rater.

    Parameters
    ----------
    gold
        Units whose truth is known: their posterior stands there throughout, and teaches the rest.
    smoothing
        Added to every cell of every rater's table (Dirichlet prior 1 + smoothing), and to the class counts. Without it a rater who never
        confused two values in a few votes is taken never to do so. 0, with ``iterations=10, tolerance=None``, is what crowd-kit does.
    tolerance
        Rest: no posterior moves further than this in a step. None takes every step.

    Raises
    ------
    InputError
        As :func:`require_raters`: no votes, one rater, one value, or no unit judged twice and no gold.

    Cost: two sparse products a step, O(votes × values).
    """
    return _fitted(votes, "dawid_skene", _Confusion(_checked(smoothing)), gold, smoothing, iterations, tolerance)


def one_coin(
    votes: Votes,
    *,
    gold: Mapping[Hashable, Hashable] | None = None,
    smoothing: float = 1.0,
    iterations: int = STEPS,
    tolerance: float | None = REST,
) -> Truth:
    """One accuracy for each rater: the sparing choice where votes a rater are few and no value is favoured.

    ``smoothing`` right and as many wrong votes are added to each rater's. Other parameters and errors: as :func:`dawid_skene`.
    """
    return _fitted(votes, "one_coin", _Coin(_checked(smoothing)), gold, smoothing, iterations, tolerance)


def _fitted(
    votes: Votes,
    name: str,
    method: _Confusion | _Coin,
    gold: Mapping[Hashable, Hashable] | None,
    smoothing: float,
    iterations: int,
    tolerance: float | None,
) -> Truth:
    at = gold_at(votes, gold)
    require_raters(votes, gold=len(at[0]) > 0)
    found = climb(votes, method, iterations=iterations, tolerance=tolerance, gold=at, shares_smoothing=smoothing)
    return truth_of(
        votes,
        name,
        found.posterior,
        gold=at,
        table=found.table,
        iterations=found.iterations,
        converged=found.converged,
        objective=found.objective,
        parameters={"smoothing": smoothing, "tolerance": tolerance},
    )


def _checked(smoothing: float) -> float:
    if smoothing < 0:
        raise InputError(f"A smoothing of {smoothing} is below zero.", mend="use 0 for none")
    return smoothing
