"""Which method to believe: the one that gold favours, and without enough gold the hierarchical one, said out loud.

Gold that a method clamps cannot score it, so then each part of the gold is scored by a fit that was given only the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np

from pilotage.core import InputError
from pilotage.core.intervals import share_bounds
from pilotage.judging.aggregation.confusion import dawid_skene, one_coin
from pilotage.judging.aggregation.counting import majority
from pilotage.judging.aggregation.difficulty import glad
from pilotage.judging.aggregation.hierarchical import hierarchical_dawid_skene
from pilotage.judging.aggregation.spamming import mace
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Floats, Index, Votes, gold_at, require_raters

ENOUGH_GOLD = 50
DEFAULT = "hierarchical_dawid_skene"
# From the simplest on: where two are level, the earlier is taken.
METHODS: dict[str, Callable[..., Truth]] = {
    "majority": majority,
    "one_coin": one_coin,
    "mace": mace,
    "glad": glad,
    "dawid_skene": dawid_skene,
    "hierarchical_dawid_skene": hierarchical_dawid_skene,
}
_FLOOR = 1e-6

Method = Literal["auto", "majority", "one_coin", "mace", "glad", "dawid_skene", "hierarchical_dawid_skene"]


@dataclass(frozen=True)
class MethodScore:
    """How one method did on gold it had not been given.

    accuracy, lower, upper, level
        Share of gold units labelled right, a tie counting by how many values were tied; Wilson's interval over ``n`` units.
    log_score
        Mean log probability given to the truth, in nats: nearer 0 is better. It punishes being sure and wrong.
    """

    method: str
    n: int
    accuracy: float
    lower: float
    upper: float
    log_score: float
    level: float = 0.95

    def __str__(self) -> str:
        right = f"{self.accuracy:.3f} [{self.lower:.3f}, {self.upper:.3f}] at {self.level:.0%}, n = {self.n}"
        return f"{self.method}: {right}, log score {self.log_score:.3f}"


@dataclass(frozen=True)
class Choice:
    """Which method, and why.

    scores
        Best first; () where there was not enough gold.
    level_with
        Methods that these gold units cannot tell from the chosen one (exact McNemar on the units where one is right and the other wrong, p ≥ .05).
    banner
        What a reader must know.
    """

    method: str
    scores: tuple[MethodScore, ...]
    level_with: tuple[str, ...]
    n_gold: int
    clamped: bool
    banner: str

    def __str__(self) -> str:
        lines = [f"{s.method}: {s.accuracy:.3f} [{s.lower:.3f}, {s.upper:.3f}], log score {s.log_score:.3f}, {s.n} gold units" for s in self.scores]
        return "\n".join([self.banner, *lines])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def choose_method(votes: Votes, gold: Mapping[Hashable, Hashable], *, clamp: bool = True, folds: int = 5, seed: int = 0) -> Choice:
    """The method that labels gold best (accuracy, then log score, then the simplest).

    Parameters
    ----------
    clamp
        Whether the chosen method will be given the gold. Then each of ``folds`` parts, drawn with ``seed``, is scored by a fit given the others;
        else one fit without any gold is scored on all of it.

    Raises
    ------
    InputError
        As :func:`require_raters`, or if a gold value is not in the schema.

    Cost: six fits, times ``folds`` with ``clamp``.
    """
    places, truth = gold_at(votes, gold)
    n = len(places)
    require_raters(votes, gold=n > 0)
    if n < ENOUGH_GOLD:
        had = f"{n} gold unit{'' if n == 1 else 's'} with votes; choosing takes {ENOUGH_GOLD}"
        return Choice(
            DEFAULT, (), (), n, clamp, f"The method was not chosen on gold ({had}): hierarchical Dawid–Skene, as nothing speaks for another."
        )
    held = _held_out(votes, places, truth, folds if clamp else 0, seed)
    scores = {name: _score(name, posterior, truth) for name, posterior in held.items()}
    order = list(METHODS)
    ranked = sorted(scores.values(), key=lambda s: (-s.accuracy, -round(s.log_score, 9), order.index(s.method)))
    best = ranked[0].method
    level = tuple(s.method for s in ranked[1:] if not _told_apart(held[best], held[s.method], truth))
    rest = f" These units do not tell it from {', '.join(level)}." if level else ""
    return Choice(best, tuple(ranked), level, n, clamp, f"{best} was chosen on {n} gold units it had not been given.{rest}")


def _held_out(votes: Votes, places: Index, truth: Index, folds: int, seed: int) -> dict[str, Floats]:
    """For each method, the posterior of every gold unit from a fit that was not given its truth."""
    posteriors = {name: np.zeros((len(places), votes.k)) for name in METHODS}
    parts = np.array_split(np.random.default_rng(seed).permutation(len(places)), folds) if folds else [np.arange(len(places))]
    for part in parts:
        given = np.setdiff1d(np.arange(len(places)), part) if folds else np.zeros(0, dtype=np.int64)
        known = {votes.units[places[i]]: votes.values[truth[i]] for i in given.tolist()}
        for name, method in METHODS.items():
            posteriors[name][part] = method(votes, gold=known).posterior[places[part]]
    return posteriors


def _right(posterior: Floats, truth: Index) -> Floats:
    """1 where the truth is the only likeliest value, 1/m where m are tied, else 0."""
    best = posterior >= posterior.max(axis=1, keepdims=True) - 1e-9
    right: Floats = best[np.arange(len(truth)), truth] / best.sum(axis=1)
    return right


def _score(name: str, posterior: Floats, truth: Index) -> MethodScore:
    right = float(_right(posterior, truth).sum())
    lower, upper = share_bounds(right, len(truth))
    chance = np.maximum(posterior[np.arange(len(truth)), truth], _FLOOR)
    return MethodScore(name, len(truth), right / len(truth), lower, upper, float(np.log(chance).mean()))


def _told_apart(one: Floats, other: Floats, truth: Index) -> bool:
    difference = _right(one, truth) - _right(other, truth)
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    n, least = wins + losses, min(wins, losses)
    tail = sum(math.comb(n, i) for i in range(least + 1)) / 2**n if n else 1.0
    return 2 * tail < 0.05


def infer(
    votes: Votes,
    gold: Mapping[Hashable, Hashable] | None = None,
    *,
    method: Method | str = "auto",
    clamp: bool = True,
    seed: int = 0,
    **options: Any,
) -> Truth:
    """What the votes say, by ``method``, or by the one that :func:`choose_method` names (``auto``; ``banner`` says how it came to that).

    Parameters
    ----------
    clamp
        Let gold stand at its truth and teach the rest. False: gold only chooses.
    options
        Of the method named.

    Raises
    ------
    InputError
        On an unknown method, and as :func:`require_raters`.
    """
    if method != "auto" and method not in METHODS:
        raise InputError(f"'{method}' is no method.", mend=f"use one of: auto, {', '.join(METHODS)}")
    banner = ""
    if method == "auto":
        choice = choose_method(votes, gold or {}, clamp=clamp, seed=seed)
        method, banner = choice.method, choice.banner
    found = METHODS[method](votes, gold=gold if clamp else None, **options)
    if not found.converged:
        banner = " ".join(filter(None, (banner, f"Not at rest after {found.iterations} steps: the posteriors may still move.")))
    return found.with_banner(banner)
