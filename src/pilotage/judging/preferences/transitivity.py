"""Circles: a over b, b over c, c over a. No strength can say all three.

Reference: Kendall & Babington Smith (1940), circular triads.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np

from pilotage.core.intervals import share_bounds
from pilotage.judging.preferences.pairs import Columns, Floats

_LISTED = 20


@dataclass(frozen=True)
class Transitivity:
    """Circular triples among those whose three pairs are all decided.

    by_majority
        Of what most raters together preferred (open pairs left out); ``share`` with Wilson's interval; by chance it would be one in four.
    within_raters, n_within, n_raters
        Circles that one rater made alone, of the triples that rater decided, over raters who decided at least one.
    circles
        The first of them, each as the three items in the order of the circle.
    """

    by_majority: int
    n_triples: int
    share: float | None
    lower: float | None
    upper: float | None
    within_raters: int
    n_within: int
    n_raters: int
    circles: tuple[tuple[Hashable, Hashable, Hashable], ...]
    reason: str = ""

    def __str__(self) -> str:
        if self.share is None:
            return f"transitivity: not assessable: {self.reason}"
        return (
            f"circles: {self.by_majority} of {self.n_triples} triples ({self.share:.1%} [{self.lower:.1%}, {self.upper:.1%}]; 25% by chance); "
            f"within raters: {self.within_raters} of {self.n_within}"
        )


def transitivity_of(columns: Columns) -> Transitivity:
    """Count the circles. Cost: one matrix product of items × items, and one a rater over the items that rater saw."""
    beats = _beats(columns, np.ones(columns.n, dtype=bool))
    circular, triples = _triads(beats)
    within = n_within = n_raters = 0
    if len(columns.raters) > 1:
        order = np.argsort(columns.rater, kind="stable")
        for rows in np.split(order, np.cumsum(np.bincount(columns.rater))[:-1]):
            chosen = np.zeros(columns.n, dtype=bool)
            chosen[rows] = True
            made, decided = _triads(_beats(columns, chosen))
            within, n_within, n_raters = within + made, n_within + decided, n_raters + (decided > 0)
    if not triples:
        return Transitivity(0, 0, None, None, None, within, n_within, n_raters, (), "no three items were all decided against each other")
    lower, upper = share_bounds(circular, triples)
    circles = _list(beats, columns.items) if circular else ()
    return Transitivity(circular, triples, circular / triples, lower, upper, within, n_within, n_raters, circles)


def _beats(columns: Columns, chosen: np.typing.NDArray[np.bool_]) -> Floats:
    """Items × items: 1 where more preferred the row to the column; only the items that were compared."""
    used = np.unique(np.concatenate((columns.first[chosen], columns.second[chosen]))) if not chosen.all() else np.arange(len(columns.items))
    place = np.zeros(len(columns.items), dtype=np.int64)
    place[used] = np.arange(len(used))
    size = len(used)
    first, second, outcome = place[columns.first[chosen]], place[columns.second[chosen]], columns.outcome[chosen]
    net = np.bincount(first * size + second, weights=1.0 - outcome, minlength=size * size).reshape(size, size)
    net = net - net.T
    found: Floats = (net > 0).astype(float)
    return found


def _triads(beats: Floats) -> tuple[int, int]:
    """Circular triples, and all triples whose three pairs are decided."""
    decided = beats + beats.T
    triples = round(float(np.einsum("ij,ji->", decided @ decided, decided)) / 6)
    circular = round(float(np.einsum("ij,ji->", beats @ beats, beats)) / 3)
    return circular, triples


def _list(beats: Floats, items: tuple[Hashable, ...]) -> tuple[tuple[Hashable, Hashable, Hashable], ...]:
    found: list[tuple[Hashable, Hashable, Hashable]] = []
    for a, b in np.argwhere(beats > 0):
        # Each circle is listed from its first item on, so once.
        for c in np.flatnonzero((beats[b] > 0) & (beats[:, a] > 0)):
            if a < b and a < c:
                found.append((items[a], items[b], items[c]))
                if len(found) == _LISTED:
                    return tuple(found)
    return tuple(found)
