"""Expectation–maximisation over votes, shared by every method whose raters answer by a table.

Such a method turns expected counts (rater, said, true) into a table of log P(said | true) and back. The two products with the sparse vote matrix are
all that touches every vote: counts = said @ posterior, log posterior = said.T @ table + log prior. A million votes take about 40 ms a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pilotage.judging.aggregation.votes import Floats, Index, Votes

_LEAST = 1e-300


class Table(Protocol):
    """How raters answer, as a method sees it."""

    def learn(self, counts: Floats) -> Floats:
        """From expected counts (rater, said, true) to log P(said | true), raters × said × true."""

    def prior(self) -> float:
        """What the prior over the current parameters adds to the objective."""


@dataclass(frozen=True, eq=False)
class Fitted:
    """Where it came to rest: posterior (units × values), the last log table, class shares, objective by step."""

    posterior: Floats
    table: Floats
    shares: Floats
    objective: tuple[float, ...]
    iterations: int
    converged: bool


def climb(
    votes: Votes,
    method: Table,
    *,
    iterations: int,
    tolerance: float | None,
    gold: tuple[Index, Index],
    uniform_prior: bool = False,
    shares_smoothing: float = 0.0,
    start: Floats | None = None,
) -> Fitted:
    """Alternate until no posterior moves by more than ``tolerance`` (None: take every step), from the vote shares or from ``start``.

    The first step learns from the vote shares, so the result is the same each time; nothing is drawn. Gold units stand at their truth throughout.
    """
    n_raters, k = len(votes.raters), votes.k
    posterior = clamp(start if start is not None else vote_shares(votes), gold)
    free = len(votes.units) - len(gold[0])
    objective: list[float] = []
    converged = False
    step = 0
    shares = np.full(k, 1 / k)
    table = np.zeros((n_raters, k, k))
    for step in range(1, iterations + 1):  # noqa: B007
        table = method.learn((votes.said @ posterior).reshape(n_raters, k, k))
        if not uniform_prior:
            shares = np.ones(len(posterior)) @ posterior + shares_smoothing
            shares = shares / shares.sum()
        fresh = votes.heard @ table.reshape(n_raters * k, k)
        fresh += np.log(np.maximum(shares, _LEAST))
        known = fresh[gold]
        evidence = normalise(fresh)
        evidence[gold[0]] = known
        fresh = clamp(fresh, gold)
        share_prior = shares_smoothing * float(np.log(np.maximum(shares, _LEAST)).sum()) if shares_smoothing else 0.0
        objective.append(float(evidence.sum()) + method.prior() + share_prior)
        converged = tolerance is not None and float(np.abs(fresh - posterior).max()) <= tolerance
        posterior = fresh
        if converged:
            break
    return Fitted(posterior, table, shares, tuple(objective), step, converged or free == 0)


def normalise(log: Floats) -> Floats:
    """Turn rows of log weights into rows that sum to 1, in place; and the log of what they summed to.

    Column by column: numpy goes along short rows many times slower.
    """
    high = log[:, 0].copy()
    for column in range(1, log.shape[1]):
        np.maximum(high, log[:, column], out=high)
    log -= high[:, None]
    np.exp(log, out=log)
    sums = log @ np.ones(log.shape[1])
    log /= sums[:, None]
    evidence: Floats = high + np.log(sums)
    return evidence


def vote_shares(votes: Votes) -> Floats:
    """The share of its votes that each value of a unit has."""
    shares: Floats = votes.counts / (votes.counts @ np.ones(votes.k))[:, None]
    return shares


def clamp(posterior: Floats, gold: tuple[Index, Index]) -> Floats:
    """``posterior`` with gold units at their truth."""
    if len(gold[0]):
        posterior[gold[0]] = 0.0
        posterior[gold[0], gold[1]] = 1.0
    return posterior
