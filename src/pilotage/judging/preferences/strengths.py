"""Strengths from pairs: Bradley–Terry, with Davidson's ties, raters of unequal care, and the pull of side and length.

A rater's reliability is the chance that an answer means what it says; otherwise it means the opposite (Crowd-BT). It is learnt together with the
strengths by expectation–maximisation, with a Beta(10, 1) prior, so that a rater with few answers is believed. Intervals draw raters again where there
are enough of them (answers of one rater are not independent), else comparisons.

References: Chen et al. (2013) "Pairwise ranking aggregation in a crowdsourced setting" for Crowd-BT; Efron & Tibshirani (1993) for the bootstrap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from pilotage.core import InputError
from pilotage.core.intervals import share_bounds
from pilotage.judging.preferences.likelihood import Model
from pilotage.judging.preferences.pairs import Columns, Floats, Pair, columns_of, require_connected, separated
from pilotage.judging.preferences.ranking import Care, Pull, Ranking, Strength
from pilotage.judging.preferences.transitivity import transitivity_of

ENOUGH_RATERS = 10
ENOUGH_PAIRS = 20
_CARE = (10.0, 1.0)
_ROUNDS = 500
_REST = 1e-5
# A replicate starts from the fit of all comparisons, so a few rounds bring it close.
_REDRAWN = 10
_MOST_ITEMS = 3000

Ties = Literal["davidson", "half"]


def bradley_terry(
    pairs: Iterable[Pair],
    *,
    ties: Ties = "davidson",
    reliability: bool = True,
    ridge: float = 0.1,
    level: float = 0.95,
    replicates: int = 200,
    seed: int = 0,
) -> Ranking:
    """Rank the items of ``pairs``, which are of one dimension.

    Parameters
    ----------
    ties
        ``davidson``: no preference is an outcome with a chance of its own. ``half``: it counts as half a win for each.
    reliability
        Learn how far each rater is to be believed; off where there is one.
    ridge
        Precision of the normal prior on each strength, > 0; 0.1 is a standard deviation of 3.2 log odds.
    replicates
        Bootstrap samples, drawn with ``seed``; at least 50.

    Raises
    ------
    InputError
        As :func:`columns_of`; if the items fall into groups that were never compared; if there are more than 3,000.

    Cost: Newton's method, O(comparisons + items³) a step, a few steps a replicate.
    """
    if ridge <= 0 or replicates < 50 or ties not in ("davidson", "half"):
        raise InputError("A ranking needs ridge > 0, at least 50 replicates, and ties 'davidson' or 'half'.")
    given = list(pairs)
    columns = columns_of(given)
    if len(columns.items) > _MOST_ITEMS:
        raise InputError(f"{len(columns.items):,} items are more than the {_MOST_ITEMS:,} that can be ranked together.", mend="rank groups of them")
    require_connected(columns)
    model = _model(columns, ties, ridge)
    outcome = _outcome(columns, model.ties)
    reliability = reliability and len(columns.raters) > 1
    fit = _fit(model, outcome, np.ones(columns.n), None, reliability, _ROUNDS)
    draws, drawn = _bootstrap(model, outcome, fit, reliability, replicates, seed)
    return _ranking(given[0].dimension, model, fit, draws, drawn, level, replicates, seed)


def rank_dimensions(pairs: Iterable[Pair], **options: Any) -> dict[str, Ranking]:
    """One ranking for each dimension; they are never made one. Options and errors: as :func:`bradley_terry`."""
    parts: dict[str, list[Pair]] = {}
    for pair in pairs:
        parts.setdefault(pair.dimension, []).append(pair)
    return {dimension: bradley_terry(found, **options) for dimension, found in sorted(parts.items())}


def _model(columns: Columns, ties: Ties, ridge: float) -> Model:
    """Side and length have a term of their own where they were recorded for every comparison and differ."""
    side = bool((columns.left != 0).all() and len(np.unique(columns.left)) == 2)
    length = bool(columns.measured.all() and np.ptp(columns.longer) > 0)
    return Model(columns, ties=ties == "davidson" and bool((columns.outcome == 1).any()), side=side, length=length, ridge=ridge)


def _outcome(columns: Columns, ties: bool) -> Floats:
    outcome = np.zeros((columns.n, 3))
    outcome[np.arange(columns.n), columns.outcome] = 1.0
    if not ties:
        outcome = np.stack((outcome[:, 0] + outcome[:, 1] / 2, np.zeros(columns.n), outcome[:, 2] + outcome[:, 1] / 2), axis=1)
    return outcome


@dataclass(frozen=True, eq=False)
class _Fit:
    """Parameters, each rater's reliability and expected number of meant answers, and whether it came to rest."""

    at: Floats
    care: Floats
    meant: Floats
    rested: bool


def _fit(model: Model, outcome: Floats, weight: Floats, start: _Fit | None, reliability: bool, rounds: int) -> _Fit:
    c = model.columns
    at = np.zeros(model.size) if start is None else start.at
    if not reliability:
        at, rested = model.climb(outcome * weight[:, None], at)
        return _Fit(at, np.ones(len(c.raters)), np.bincount(c.rater, weight * (c.outcome != 1), len(c.raters)).astype(float), rested)
    turned = outcome[:, ::-1]
    decided = c.outcome != 1
    n = np.bincount(c.rater, weight * decided, len(c.raters))
    care = np.full(len(c.raters), _CARE[0] / sum(_CARE)) if start is None else start.care
    if start is None:
        at, _ = model.climb(outcome * weight[:, None], at)
    meant, rested = np.ones(c.n), False
    for _ in range(rounds):
        shares = model.shares(at)
        straight = care[c.rater] * np.einsum("ij,ij->i", outcome, shares)
        opposite = (1 - care[c.rater]) * np.einsum("ij,ij->i", turned, shares)
        meant = np.where(decided, straight / np.maximum(straight + opposite, 1e-300), 1.0)
        care = (np.bincount(c.rater, weight * decided * meant, len(c.raters)) + _CARE[0] - 1) / (n + sum(_CARE) - 2)
        # One Newton step a round: a full climb would be undone by the next round's reliabilities.
        ahead, _ = model.climb((outcome * meant[:, None] + turned * (1 - meant)[:, None]) * weight[:, None], at, steps=1)
        moved = float(np.abs(ahead - at).max())
        at = ahead
        if moved < _REST:
            rested = True
            break
    return _Fit(at, care, np.bincount(c.rater, weight * decided * meant, len(c.raters)).astype(float), rested)


def _bootstrap(model: Model, outcome: Floats, fit: _Fit, reliability: bool, replicates: int, seed: int) -> tuple[Floats, str]:
    c, generator = model.columns, np.random.default_rng(seed)
    by_rater = len(c.raters) >= ENOUGH_RATERS
    draws = np.zeros((replicates, model.size))
    for replicate in range(replicates):
        if by_rater:
            weight = generator.multinomial(len(c.raters), np.full(len(c.raters), 1 / len(c.raters)))[c.rater].astype(float)
        else:
            weight = generator.multinomial(c.n, np.full(c.n, 1 / c.n)).astype(float)
        draws[replicate] = _fit(model, outcome, weight, fit, reliability, _REDRAWN).at
    return draws, "raters" if by_rater else "comparisons"


def _ranking(dimension: str, model: Model, fit: _Fit, draws: Floats, drawn: str, level: float, replicates: int, seed: int) -> Ranking:
    at, converged = fit.at, fit.rested
    c, items = model.columns, len(model.columns.items)
    apart = set(separated(c))
    tails = [(1 - level) / 2, (1 + level) / 2]
    values = at[:items] - at[:items].mean()
    spread = np.quantile(draws[:, :items] - draws[:, :items].mean(axis=1, keepdims=True), tails, axis=0)
    wins = np.bincount(c.first, c.outcome == 0, items) + np.bincount(c.second, c.outcome == 2, items)
    open_ = np.bincount(c.first, c.outcome == 1, items) + np.bincount(c.second, c.outcome == 1, items)
    n = np.bincount(c.first, minlength=items) + np.bincount(c.second, minlength=items)
    strengths = [
        Strength(
            item,
            float(values[i]),
            *_around(float(values[i]), spread[:, i]),
            float(1 / (1 + np.exp(-values[i]))),
            int(n[i]),
            int(wins[i]),
            int(open_[i]),
            item in apart,
        )
        for i, item in enumerate(c.items)
    ]
    marks = {name: (float(at[i]), *_around(float(at[i]), np.quantile(draws[:, i], tails))) for name, i in model.marks()}
    few = [each.item for each in strengths if each.n < ENOUGH_PAIRS]
    notes = []
    if apart:
        notes.append(f"won or lost everything: {', '.join(map(str, sorted(apart, key=repr)[:5]))}; only the prior holds their strength finite")
    if few:
        notes.append(f"fewer than {ENOUGH_PAIRS} comparisons: {', '.join(map(str, few[:5]))}")
    if not converged:
        notes.append("not at rest: strengths may still move")
    return Ranking(
        dimension=dimension,
        strengths=tuple(sorted(strengths, key=lambda each: (-each.strength, repr(each.item)))),
        n=c.n,
        n_raters=len(c.raters),
        no_preference=int((c.outcome == 1).sum()),
        both_bad=c.both_bad,
        tie=float(np.exp(marks["tie"][0])) if "tie" in marks else None,
        raters=_care(c, fit.meant),
        position=_pull(c, "position", c.left, marks.get("side"), level),
        length=_pull(c, "length", np.sign(c.longer).astype(np.int64), marks.get("length"), level),
        transitivity=transitivity_of(c),
        separated=tuple(sorted(apart, key=repr)),
        converged=converged,
        drawn=drawn,
        level=level,
        replicates=replicates,
        seed=seed,
        status="too_few_for_a_verdict" if apart or few or not converged else "measured",
        reason="; ".join(notes),
    )


def _around(estimate: float, bounds: Floats) -> tuple[float, float]:
    return min(float(bounds[0]), estimate), max(float(bounds[1]), estimate)


def _care(c: Columns, meant: Floats) -> tuple[Care, ...]:
    decided = np.bincount(c.rater, c.outcome != 1, len(c.raters))
    found = []
    if len(c.raters) > 1:
        for i, rater in enumerate(c.raters):
            if decided[i]:
                events = min(float(meant[i]), float(decided[i]))
                found.append(Care(rater, events / float(decided[i]), *share_bounds(events, float(decided[i])), int(decided[i])))
    return tuple(found)


def _pull(c: Columns, name: str, sign: Any, mark: tuple[float, float, float] | None, level: float) -> Pull:
    """``sign``: +1 where the first has what may pull, −1 where the second has it, 0 where neither or not known."""
    counted = (sign != 0) & (c.outcome != 1)
    n = int(counted.sum())
    odds, odds_lower, odds_upper = mark or (None, None, None)
    if not n:
        reason = "which side each stood on was not logged" if name == "position" else "no lengths that differ were given"
        return Pull(name, 0, None, None, None, None, None, None, "not_assessable", reason)
    followed = int((counted & ((sign > 0) == (c.outcome == 0))).sum())
    lower, upper = share_bounds(followed, n, level=level)
    few = n < 50
    reason = f"{n} answers; a verdict needs 50" if few else ""
    return Pull(name, n, followed / n, lower, upper, odds, odds_lower, odds_upper, "too_few_for_a_verdict" if few else "measured", reason)
