"""Hierarchical Dawid–Skene: each rater's confusion matrix is drawn towards that of the population.

A row of a rater's matrix has a Dirichlet prior that all raters share, and that prior is learnt from them (empirical Bayes). Raters with many votes
keep their own habits; raters with few are taken to be like the others, and no more is believed of them than their votes carry (variational: the
expected logarithm under what is known of them, not the logarithm of the estimate).

References: Paun et al. (2018, TACL) HIER-D&S; Simpson et al. (2013) for variational Bayes over Dawid–Skene; Minka (2000) "Estimating a Dirichlet
distribution", the fixed point for Dirichlet–multinomial counts.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from scipy.special import digamma, gammaln

from pilotage.judging.aggregation.confusion import REST, STEPS
from pilotage.judging.aggregation.em import climb
from pilotage.judging.aggregation.labels import truth_of
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Floats, Votes, gold_at, require_raters

# The population's prior before anything is seen: raters are more often right than not, worth this many votes.
_START, _RIGHT = 2.0, 0.7
_LEAST, _MOST = 1e-2, 1e3
# Weak Gamma(1 + _HOLD, _HOLD / start) around the start keeps the population's prior finite where raters do not differ at all.
_HOLD = 1.0


class _Population:
    def __init__(self, k: int) -> None:
        off = (1 - _RIGHT) / (k - 1)
        self.start = _START * (np.full((k, k), off) + (_RIGHT - off) * np.eye(k))  # said × true
        self.alpha = self.start.copy()
        self._prior = 0.0
        self.mean = np.zeros((0, k, k))

    def learn(self, counts: Floats) -> Floats:
        for _ in range(3):
            self._towards(counts)
        after = counts + self.alpha
        total = after.sum(axis=1, keepdims=True)
        self.mean = after / total
        table: Floats = digamma(after) - digamma(total)
        # What the expected logarithms gain over the evidence they stand for: minus the divergence of each row from the population's prior.
        gain = gammaln(after).sum(axis=1) - gammaln(total[:, 0]) - gammaln(self.alpha).sum(axis=0) + gammaln(self.alpha.sum(axis=0))
        hold = float((_HOLD * np.log(self.alpha) - _HOLD / self.start * self.alpha).sum())
        self._prior = float(gain.sum() - (counts * table).sum()) + hold
        return table

    def _towards(self, counts: Floats) -> None:
        """One step of Minka's fixed point, for every (said, true) at once."""
        above = self.alpha * (digamma(counts + self.alpha) - digamma(self.alpha)).sum(axis=0)
        row = self.alpha.sum(axis=0)
        below = (digamma(counts.sum(axis=1) + row) - digamma(row)).sum(axis=0)
        self.alpha = np.clip((above + _HOLD) / (below[None, :] + _HOLD / self.start), _LEAST, _MOST)

    def prior(self) -> float:
        return self._prior


def hierarchical_dawid_skene(
    votes: Votes, *, gold: Mapping[Hashable, Hashable] | None = None, iterations: int = STEPS, tolerance: float | None = REST
) -> Truth:
    """Confusion matrices that learn from each other. The choice where nothing is known about which method fits.

    ``objective`` is the evidence bound. ``parameters["population"]`` is the confusion matrix a new rater is expected to have (rows: true value), and
    ``parameters["strength"]`` how many votes that expectation weighs, by true value. Other parameters and errors: as :func:`dawid_skene`.
    """
    at = gold_at(votes, gold)
    require_raters(votes, gold=len(at[0]) > 0)
    method = _Population(votes.k)
    found = climb(votes, method, iterations=iterations, tolerance=tolerance, gold=at, shares_smoothing=1.0)
    strength = method.alpha.sum(axis=0)
    return truth_of(
        votes,
        "hierarchical_dawid_skene",
        found.posterior,
        gold=at,
        table=np.log(method.mean),
        iterations=found.iterations,
        converged=found.converged,
        objective=found.objective,
        parameters={"tolerance": tolerance, "population": (method.alpha / strength).T.tolist(), "strength": strength.tolist()},
    )
