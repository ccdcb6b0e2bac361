"""Choosing a batch for people: what promises most, and always a random part.

At least a fifth of each batch is drawn at random from everything that is left, first and regardless of what promises what. Only that part tells how
things stand (the rest was chosen because it looks bad), and only beside it can be told whether choosing helps at all. The probability of each random
draw is kept with it.

Sources: Settles (2009) for the measures; Horvitz & Thompson (1952) for why the probability is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from pilotage.core import InputError, content_id
from pilotage.review.selecting.candidate import MEASURES, RANDOM, STRATEGIES, Candidate
from pilotage.review.selecting.diversity import spread_out

LEAST_RANDOM = 0.20


@dataclass(frozen=True)
class Picked:
    """One item of a batch.

    selected_by
        ``random`` or the strategy that chose it.
    probability
        How likely the random draw was to take it; None where it was not drawn, but chosen.
    score
        What the strategy saw in it; None for random and diversity.
    """

    item: str
    selected_by: str
    probability: float | None = None
    score: float | None = None


@dataclass(frozen=True)
class Batch:
    """A batch, in the order of service, from a pool of ``pool`` items. The same candidates and seed give the same batch."""

    picked: tuple[Picked, ...]
    pool: int
    seed: int
    without_measure: dict[str, int]

    @property
    def id(self) -> str:
        """Made from the content."""
        return content_id("batch", {"picked": [asdict(each) for each in self.picked], "pool": self.pool, "seed": self.seed})

    @property
    def by(self) -> dict[str, int]:
        """How many each way of choosing took."""
        names = [each.selected_by for each in self.picked]
        return {name: names.count(name) for name in sorted(set(names))}

    def __str__(self) -> str:
        parts = ", ".join(f"{count} by {name}" for name, count in self.by.items())
        lacking = "".join(f"; {count} of the pool have no measure for {name}" for name, count in self.without_measure.items() if count)
        return f"{len(self.picked)} of {self.pool} items: {parts}{lacking}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"id": self.id, **asdict(self)}


def choose_batch(
    candidates: Iterable[Candidate],
    n: int,
    *,
    shares: Mapping[str, float] | None = None,
    random_share: float = LEAST_RANDOM,
    measure: str = "uncertainty",
    known: Sequence[str] = (),
    seed: int = 0,
) -> Batch:
    """Choose ``n`` of the candidates.

    Parameters
    ----------
    shares
        How the part that is not random is divided among strategies, together 1. Default: all by uncertainty.
    random_share
        At least 0.2. Rounded up, so that even a small batch has a random item.
    measure
        What uncertainty is: ``uncertainty`` (margin) or ``entropy``.
    known
        Texts of what was judged before, which diversity keeps away from.

    Places a strategy cannot fill, because no candidate left has its measure, are filled in the items' order (``selected_by``: ``order``);
    ``without_measure`` counts what could not be scored.

    Raises
    ------
    InputError
        If a share is out of range, an item is there twice, or a strategy is unknown.
    """
    pool = sorted(candidates, key=lambda each: each.item)
    wanted = dict(shares or {"uncertainty": 1.0})
    _check(pool, n, wanted, random_share, measure)
    n = min(n, len(pool))
    if n == 0:
        return Batch((), len(pool), seed, {})
    rng = np.random.default_rng(seed)
    at_random = min(n, math.ceil(n * random_share - 1e-9))
    drawn = sorted(int(index) for index in rng.choice(len(pool), size=at_random, replace=False))
    probability = at_random / len(pool)
    picked = [Picked(pool[index].item, RANDOM, probability) for index in drawn]
    left = {each.item: each for index, each in enumerate(pool) if index not in set(drawn)}
    lacking: dict[str, int] = {}
    for name, places in _divided(n - at_random, wanted).items():
        for each in _best(name, list(left.values()), places, measure=measure, known=[*known, *(pool[index].text for index in drawn)]):
            picked.append(each)
            del left[each.item]
        scale = MEASURES.get(measure if name == "uncertainty" else name)
        lacking[name] = sum(scale(each) is None for each in pool) if scale else sum(not each.text for each in pool)
    # Places nobody could fill by measure go to chance, but not into the estimates: their probability depends on what was chosen before.
    picked += [Picked(item, "order") for item in sorted(left)[: n - len(picked)]]
    order = rng.permutation(len(picked))  # who answers must not see which part of the batch they are in
    return Batch(tuple(picked[index] for index in order), len(pool), seed, lacking)


def _best(name: str, left: Sequence[Candidate], places: int, *, measure: str, known: Sequence[str]) -> list[Picked]:
    if name == "diversity":
        with_text = [each for each in left if each.text]
        found = spread_out([each.text for each in with_text], places, known=[text for text in known if text])
        return [Picked(with_text[index].item, name) for index in found]
    scale = MEASURES[measure if name == "uncertainty" else name]
    scored = [(score, each) for each in left if (score := scale(each)) is not None]
    scored.sort(key=lambda entry: (-entry[0], entry[1].item))
    return [Picked(each.item, name, score=score) for score, each in scored[:places]]


def _divided(places: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Whole places in the proportion of ``shares``, by largest remainder."""
    exact = {name: places * share for name, share in shares.items()}
    given = {name: int(value + 1e-9) for name, value in exact.items()}
    for name in sorted(exact, key=lambda name: (given[name] - exact[name], name))[: places - sum(given.values())]:
        given[name] += 1
    return given


def _check(pool: Sequence[Candidate], n: int, shares: Mapping[str, float], random_share: float, measure: str) -> None:
    if n < 0:
        raise InputError(f"A batch of {n} items is none.")
    if not LEAST_RANDOM <= random_share <= 1:
        raise InputError(
            f"A random share of {random_share:.0%} is out of range.",
            why="without at least a fifth drawn at random nobody can tell how things stand, nor whether choosing helps",
            mend="use 0.2 to 1",
        )
    unknown = sorted(set(shares) - set(STRATEGIES))
    if unknown:
        raise InputError(f"'{unknown[0]}' is no strategy.", mend=f"use: {', '.join(STRATEGIES)}")
    if any(share < 0 for share in shares.values()) or abs(math.fsum(shares.values()) - 1) > 1e-9:
        raise InputError(f"The shares {dict(shares)} do not add up to 1.", mend="divide the part that is not random among the strategies")
    if measure not in ("uncertainty", "entropy"):
        raise InputError(f"'{measure}' is no measure of uncertainty.", mend="use 'uncertainty' (margin) or 'entropy'")
    for before, after in pairwise(pool):
        if before.item == after.item:
            raise InputError("An item is there twice.", where=f"item {after.item}")
