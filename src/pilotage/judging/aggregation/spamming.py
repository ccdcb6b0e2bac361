"""MACE: a rater either knows the answer or answers without looking, by a habit of their own.

Variational Bayes, so that a rater with three votes is neither a saint nor a spammer. It starts from the vote shares and, where asked, again from
drawn starts; the best evidence bound wins.

Reference: Hovy et al. (2013), "Learning whom to trust with MACE".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from scipy.special import betaln, digamma, gammaln

from pilotage.judging.aggregation.confusion import REST, STEPS
from pilotage.judging.aggregation.em import Fitted, climb, vote_shares
from pilotage.judging.aggregation.labels import truth_of
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Floats, Votes, gold_at, require_raters


class _Spamming:
    """Knowing ~ Beta(know, know), habit ~ Dirichlet(habit)."""

    def __init__(self, k: int, n_raters: int, know: float, habit: float) -> None:
        self.know, self.habit = know, habit
        self.knows = np.full(n_raters, 0.5)
        self.blind = np.full((n_raters, k), 0.5 / k)
        self._prior = 0.0

    def learn(self, counts: Floats) -> Floats:
        k = counts.shape[1]
        diagonal = counts[:, np.arange(k), np.arange(k)]
        # Of the votes that agree with the truth, the part that knew; all others were blind.
        knew = (diagonal * (self.knows[:, None] / (self.knows[:, None] + self.blind))).sum(axis=1)
        habit = counts.sum(axis=2) - diagonal * (self.knows[:, None] / (self.knows[:, None] + self.blind))
        blind = habit.sum(axis=1)
        n = knew + blind
        log_know = digamma(knew + self.know) - digamma(n + 2 * self.know)
        log_not = digamma(blind + self.know) - digamma(n + 2 * self.know)
        log_habit = digamma(habit + self.habit) - digamma(blind + k * self.habit)[:, None]
        self.knows = np.exp(log_know)
        self.blind = np.exp(log_not[:, None] + log_habit)
        self._prior = self._gain(knew, blind, habit, log_know, log_not, log_habit)
        table = np.repeat(np.log(self.blind)[:, :, None], k, axis=2)
        table[:, np.arange(k), np.arange(k)] = np.log(self.knows[:, None] + self.blind)
        return table

    def _gain(self, knew: Floats, blind: Floats, habit: Floats, log_know: Floats, log_not: Floats, log_habit: Floats) -> float:
        """Minus the divergence of what is believed of each rater from the prior."""
        k = habit.shape[1]
        coin = betaln(knew + self.know, blind + self.know) - betaln(self.know, self.know) - knew * log_know - blind * log_not
        after = gammaln(habit + self.habit).sum(axis=1) - gammaln(blind + k * self.habit)
        before = k * gammaln(self.habit) - gammaln(k * self.habit)
        return float((coin + after - before - (habit * log_habit).sum(axis=1)).sum())

    def prior(self) -> float:
        return self._prior


def mace(
    votes: Votes,
    *,
    gold: Mapping[Hashable, Hashable] | None = None,
    know: float = 0.5,
    habit: float = 10.0,
    restarts: int = 0,
    seed: int = 0,
    iterations: int = STEPS,
    tolerance: float | None = REST,
) -> Truth:
    """Knowing or not knowing: the choice where some raters click through.

    Parameters
    ----------
    know, habit
        Priors of the paper: Beta(know, know) of knowing, Dirichlet(habit) of what is answered blindly.
    restarts
        Further starts, drawn with ``seed``. All values are equally likely before, as in the paper.

    ``unit_difficulty`` is the entropy of each posterior in nats, as in the paper. Other parameters and errors: as :func:`dawid_skene`.
    """
    at = gold_at(votes, gold)
    require_raters(votes, gold=len(at[0]) > 0)
    generator = np.random.default_rng(seed)
    best: Fitted | None = None
    for attempt in range(1 + restarts):
        start = None
        if attempt:
            noisy = vote_shares(votes) * generator.uniform(0.5, 1.5, (len(votes.units), votes.k))
            start = noisy / noisy.sum(axis=1, keepdims=True)
        method = _Spamming(votes.k, len(votes.raters), know, habit)
        found = climb(votes, method, iterations=iterations, tolerance=tolerance, gold=at, uniform_prior=True, start=start)
        if best is None or found.objective[-1] > best.objective[-1]:
            best = found
    assert best is not None  # noqa: S101  there is always a first start
    entropy = -(best.posterior * np.log(np.maximum(best.posterior, 1e-300))).sum(axis=1)
    return truth_of(
        votes,
        "mace",
        best.posterior,
        gold=at,
        table=best.table,
        iterations=best.iterations,
        converged=best.converged,
        objective=best.objective,
        parameters={"know": know, "habit": habit, "restarts": restarts, "tolerance": tolerance},
        seed=seed if restarts else None,
        difficulty=dict(zip(votes.units, entropy.tolist(), strict=True)),
    )
