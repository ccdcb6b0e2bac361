"""Answers as distinct count patterns: how many raters of a unit gave each value, and how many units look like that."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError
from pilotage.judging.aggregation.votes import Votes, in_order
from pilotage.judging.agreement.figure import MOST_CELLS, Counts
from pilotage.judging.rubric import Scale

Rows = Iterable[tuple[Hashable, Hashable, Any]] | Votes


@dataclass(frozen=True, eq=False)
class Patterns:
    """``patterns`` (patterns × values) and ``weights`` (units with each), of units judged at least ``least`` times."""

    known: tuple[Any, ...]
    patterns: Counts
    weights: NDArray[np.int64]
    n_raters: int
    n_votes: int

    @property
    def paired(self) -> NDArray[np.bool_]:
        """Which patterns have at least two answers."""
        several: NDArray[np.bool_] = self.patterns.sum(axis=1) >= 2
        return several

    @property
    def n_units(self) -> int:
        """Units with at least two answers."""
        return int(self.weights[self.paired].sum())

    @property
    def n_values(self) -> int:
        """Answers on these units."""
        return int((self.weights * self.patterns.sum(axis=1))[self.paired].sum())

    @property
    def marginals(self) -> Counts:
        """Answers for each value, on units with at least two."""
        found: Counts = (self.weights[self.paired, None] * self.patterns[self.paired]).sum(axis=0)
        return found

    @property
    def observed(self) -> float | None:
        """The share of pairs of answers to the same unit that are equal, each unit weighing the same."""
        if not self.n_units:
            return None
        found = self.patterns[self.paired]
        per_unit = found.sum(axis=1)
        equal = (found * (found - 1)).sum(axis=1) / (per_unit * (per_unit - 1))
        return float((self.weights[self.paired] * equal).sum() / self.n_units)

    def only_paired(self) -> Patterns:
        """Without units judged once, and without values that then nobody gave."""
        counts = self.patterns[self.paired]
        seen = np.flatnonzero(counts.any(axis=0))
        known = tuple(self.known[at] for at in seen.tolist())
        return Patterns(known, counts[:, seen], self.weights[self.paired], self.n_raters, self.n_votes)


def votes_of(rows: Rows) -> Votes:
    """Votes, from rows of (unit, rater, value) where they are not yet. Raises ``InputError`` on a missing or a doubled value."""
    if isinstance(rows, Votes):
        return rows
    listed = list(rows)
    units, raters, values = zip(*listed, strict=True) if listed else ((), (), ())
    return Votes.from_rows(units, raters, values)


def patterns_of(votes: Votes, *, scale: Scale = Scale.NOMINAL, order: Iterable[Any] | None = None, declared: bool = False) -> Patterns:
    """The distinct counts of ``votes``, values in their order on ``scale``.

    With ``declared``, values of ``order`` (or of the votes' schema) that nobody gave stay, for figures that ask how many there could be.
    """
    cells = len(votes.units) * max(1, votes.k)
    if cells > MOST_CELLS:
        raise InputError(
            f"{len(votes.units):,} units with {votes.k:,} distinct values are too many to count together.",
            mend="round the values to what the raters could tell apart",
        )
    paired = votes.counts.sum(axis=1) >= 2
    seen = np.flatnonzero((votes.counts if declared else votes.counts[paired]).any(axis=0))
    given = [votes.values[at] for at in seen.tolist()]
    known = ordered(given, scale, order)
    if declared:
        known = list(order) if order is not None else list(votes.values)
    place = {value: index for index, value in enumerate(votes.values)}
    columns = [votes.counts[:, place[value]] if value in place else np.zeros(len(votes.units)) for value in known]
    # Units judged once with a value nobody else gave have no column here; they are told by their sum elsewhere.
    counts = np.stack(columns, axis=1) if columns else np.zeros((len(votes.units), 0))
    patterns, weights = distinct(counts)
    return Patterns(tuple(known), patterns, weights, len(votes.raters), votes.n)


def distinct(counts: Counts) -> tuple[Counts, NDArray[np.int64]]:
    """The distinct rows, and how many there are of each."""
    size = counts.shape[1]
    highest = int(counts.max()) + 1 if counts.size else 1
    if size == 0 or highest**size > 2**62:
        patterns, weights = np.unique(counts, axis=0, return_counts=True)
        return patterns.astype(float), weights
    # Each row as one whole number: sorting those is many times faster than sorting rows.
    keys = counts.astype(np.int64) @ np.array([highest**power for power in range(size)], dtype=np.int64)
    _, first, weights = np.unique(keys, return_index=True, return_counts=True)
    return counts[first], weights


def ordered(seen: list[Any], scale: Scale, order: Iterable[Any] | None) -> list[Any]:
    """``seen`` from least to most on ``scale``. Raises ``InputError`` where the scale does not fit the values."""
    if order is not None:
        wanted = list(order)
        stray = [value for value in seen if value not in wanted]
        if stray:
            raise InputError(f"The value {stray[0]!r} is not in the order given.", mend="name every value in 'order'")
        return [value for value in wanted if value in seen]
    numeric = all(isinstance(value, int | float) and not isinstance(value, bool) for value in seen)
    if scale in (Scale.INTERVAL, Scale.RATIO) and not numeric:
        raise InputError(f"An {scale} scale needs numbers.", mend="use the nominal or ordinal scale")
    if scale == Scale.RATIO and any(value < 0 for value in seen):
        raise InputError("A ratio scale has no values below zero.", mend="use the interval scale")
    if scale == Scale.ORDINAL and not numeric:
        raise InputError("The order of these values is not known.", mend="give 'order' from least to most")
    return in_order(seen)
