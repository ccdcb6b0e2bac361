"""GLAD: raters differ in ability, units in difficulty.

A vote is right with probability sigmoid(ability · ease), ease > 0; wrong votes fall evenly on the other values. Priors as in the paper: ability and
log ease ~ Normal(1, 1). In the M-step, given the eases each ability is a one-dimensional concave problem, and given the abilities each log ease is
one of its own; both are climbed by Newton (Fisher scoring) steps for all at once, which is what makes it fast.

Reference: Whitehill et al. (2009), "Whose vote should count more".
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping

import numpy as np
from scipy.special import expit, log_expit

from pilotage.judging.aggregation.em import clamp, normalise, vote_shares
from pilotage.judging.aggregation.labels import truth_of
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Floats, Index, Votes, gold_at, require_raters

_INNER = 3
_STRIDE = 1.0


def glad(
    votes: Votes,
    *,
    gold: Mapping[Hashable, Hashable] | None = None,
    iterations: int = 100,
    tolerance: float | None = 1e-5,
) -> Truth:
    """Ability and difficulty: the choice where units differ much in how hard they are, and raters saw many of them.

    ``unit_difficulty`` is 1 / ease. ``parameters["ability"]`` has each rater's. Other parameters and errors: as :func:`dawid_skene`.

    Cost: O(votes × values) a step, with a few passes over the votes for abilities and eases.
    """
    at = gold_at(votes, gold)
    require_raters(votes, gold=len(at[0]) > 0)
    n_units, n_raters, k = len(votes.units), len(votes.raters), votes.k
    ability, log_ease = np.ones(n_raters), np.zeros(n_units) + 1.0
    posterior = clamp(vote_shares(votes), at)
    cells = votes.unit * k + votes.value
    shares = np.full(k, 1 / k)
    objective: list[float] = []
    converged, step = False, 0
    for step in range(1, iterations + 1):  # noqa: B007
        right = posterior[votes.unit, votes.value]
        ability, log_ease = _climb(votes, right, ability, log_ease)
        shares = (posterior.sum(axis=0) + 1) / (n_units + k)
        power = ability[votes.rater] * np.exp(log_ease)[votes.unit]
        hit, miss = log_expit(power), log_expit(-power) - np.log(k - 1)
        # Every value is held to be wrong by all votes, then those it got are set right.
        raw = np.bincount(votes.unit, weights=miss, minlength=n_units)[:, None] + np.log(shares)
        raw = raw + np.bincount(cells, weights=hit - miss, minlength=n_units * k).reshape(n_units, k)
        known = raw[at]
        evidence = normalise(raw)
        evidence[at[0]] = known
        fresh = clamp(raw, at)
        held = -0.5 * float(((ability - 1) ** 2).sum() + ((log_ease - 1) ** 2).sum())
        objective.append(float(evidence.sum()) + held + float(np.log(shares).sum()))
        moved = float(np.abs(fresh - posterior).max())
        posterior = fresh
        if tolerance is not None and moved <= tolerance:
            converged = True
            break
    return truth_of(
        votes,
        "glad",
        posterior,
        gold=at,
        iterations=step,
        converged=converged or len(at[0]) == n_units,
        objective=tuple(objective),
        parameters={"tolerance": tolerance, "ability": dict(zip(votes.raters, ability.tolist(), strict=True))},
        difficulty=dict(zip(votes.units, np.exp(-log_ease).tolist(), strict=True)),
    )


def _climb(votes: Votes, right: Floats, ability: Floats, log_ease: Floats) -> tuple[Floats, Floats]:
    """A few rounds of abilities, then eases; each coordinate moves only where that makes its own part of the objective better."""
    for _ in range(_INNER):
        ability = _step(votes.rater, right, ability, np.exp(log_ease)[votes.unit], log=False)
        log_ease = _step(votes.unit, right, log_ease, ability[votes.rater], log=True)
    return ability, log_ease


def _step(group: Index, right: Floats, at: Floats, by: Floats, *, log: bool) -> Floats:
    """One Fisher step of every ``at``, where a vote's power is ``at`` (or its exponential, with ``log``) of its group times ``by``."""

    def power(x: Floats) -> Floats:
        product: Floats = (np.exp(x) if log else x)[group] * by
        return product

    def objective(x: Floats) -> Floats:
        given = power(x)
        parts: Floats = np.bincount(group, weights=right * given - np.logaddexp(0, given), minlength=len(at)) - 0.5 * (x - 1) ** 2
        return parts

    now = power(at)
    chance, slope = expit(now), now if log else by
    rise = np.bincount(group, weights=slope * (right - chance), minlength=len(at)) - (at - 1)
    bend = np.bincount(group, weights=slope**2 * chance * (1 - chance), minlength=len(at)) + 1
    move = np.clip(rise / bend, -_STRIDE, _STRIDE)
    before = objective(at)
    shorter = np.where(objective(at + move) >= before, at + move, at + move / 4)
    stepped: Floats = np.where(objective(shorter) >= before, shorter, at)
    return stepped
