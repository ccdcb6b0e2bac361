"""Votes: who said what of which unit, as whole numbers and one sparse matrix.

Units, raters and values are put in an order of their own, so nothing that is computed depends on the order of the rows.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from pilotage.core import InputError
from pilotage.judging.judgement import Judgement
from pilotage.judging.rater import RaterKind

Duplicates = Literal["refuse", "first", "last"]
Index = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Votes:
    """Votes as columns: ``unit[i]``, ``rater[i]``, ``value[i]`` index into ``units``, ``raters``, ``values``.

    values
        The values there are to choose from (the schema), whether or not anybody gave each of them.
    dropped
        Second votes of a rater on a unit that a rule for duplicates left out.
    """

    units: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    values: tuple[Hashable, ...]
    unit: Index
    rater: Index
    value: Index
    dropped: int = 0
    _place: dict[Hashable, int] = field(default_factory=dict, repr=False)

    @classmethod
    def from_rows(
        cls,
        unit: Sequence[Any] | NDArray[Any],
        rater: Sequence[Any] | NDArray[Any],
        value: Sequence[Any] | NDArray[Any],
        *,
        values: Iterable[Hashable] | None = None,
        duplicates: Duplicates = "refuse",
    ) -> Votes:
        """Columns of equal length: one row a vote.

        Parameters
        ----------
        values
            The schema, in its order. Left out: the values that were given, sorted. Name it where a value nobody gave was possible.
        duplicates
            What to do with a rater who voted on a unit twice: ``refuse``, or keep the ``first`` or the ``last`` of the rows.

        Raises
        ------
        InputError
            If the columns differ in length, a value is missing or not in ``values``, a rater voted on a unit twice without a rule, or ``values``
            names one twice.

        Cost: O(rows); integer columns in numpy are fastest (a million rows in about a tenth of a second).
        """
        if not len(unit) == len(rater) == len(value):
            raise InputError(f"The columns have {len(unit)}, {len(rater)} and {len(value)} rows.", mend="give one unit, rater and value a row")
        units, unit_at = _factorise(unit, "unit")
        raters, rater_at = _factorise(rater, "rater")
        if values is None:
            known, value_at = _factorise(value, "value")
        else:
            known = tuple(values)
            if len(set(known)) != len(known):
                raise InputError("A value is named twice in the schema.", mend="name each value once")
            value_at = _placed(value, known)
        kept = _once(unit_at, rater_at, len(raters), duplicates, units, raters)
        return cls(units, raters, known, unit_at[kept], rater_at[kept], value_at[kept], dropped=len(unit_at) - len(kept))

    @classmethod
    def from_judgements(cls, judgements: Iterable[Judgement], *, values: Iterable[Hashable] | None = None, mixed: bool = False) -> Votes:
        """The answers to one question; abstentions are missing votes.

        Raises ``InputError`` if they are about several questions, or people's and machines' without ``mixed``.
        """
        given = [judgement for judgement in judgements if not judgement.abstained]
        if len({judgement.question for judgement in given}) > 1:
            raise InputError("Votes are about one question at a time.", mend="ask for judgements(…, question=…)")
        if not mixed:
            require_one_kind(given)
        columns = ([j.item_id for j in given], [j.rater_id for j in given], [j.value for j in given])
        return cls.from_rows(*columns, values=values)

    @property
    def n(self) -> int:
        """How many votes."""
        return len(self.unit)

    @property
    def k(self) -> int:
        """How many values there are to choose from."""
        return len(self.values)

    @cached_property
    def counts(self) -> Floats:
        """Votes for each value of each unit: units × values."""
        cells = np.bincount(self.unit * self.k + self.value, minlength=len(self.units) * self.k)
        return cells.reshape(len(self.units), self.k).astype(float)

    @cached_property
    def per_rater(self) -> Index:
        """Votes of each rater."""
        return np.bincount(self.rater, minlength=len(self.raters))

    @cached_property
    def said(self) -> sparse.csr_array:
        """Sparse (raters · values) × units: 1 where that rater gave that value. ``said @ posterior`` counts, ``said.T @ log`` weighs."""
        shape = (len(self.raters) * self.k, len(self.units))
        return sparse.csr_array((np.ones(self.n), (self.rater * self.k + self.value, self.unit)), shape=shape)

    @cached_property
    def heard(self) -> sparse.csr_array:
        """``said`` transposed, stored by unit, as the votes are."""
        edges = np.concatenate(([0], np.cumsum(np.bincount(self.unit, minlength=len(self.units)))))
        return sparse.csr_array((np.ones(self.n), self.rater * self.k + self.value, edges), shape=(len(self.units), len(self.raters) * self.k))

    def place(self, unit: Hashable) -> int | None:
        """The index of ``unit``, or None where nobody voted on it."""
        if not self._place and self.units:
            self._place.update({each: index for index, each in enumerate(self.units)})
        return self._place.get(unit)

    def only(self, keep: NDArray[np.bool_]) -> Votes:
        """The votes where ``keep`` is True; the schema stays."""
        units, unit = np.unique(self.unit[keep], return_inverse=True)
        raters, rater = np.unique(self.rater[keep], return_inverse=True)
        named = (tuple(self.units[i] for i in units), tuple(self.raters[i] for i in raters), self.values)
        return Votes(*named, unit, rater, self.value[keep])


def gold_at(votes: Votes, gold: Mapping[Hashable, Hashable] | None) -> tuple[Index, Index]:
    """Places of the gold units that were voted on, and of their values. Raises ``InputError`` where a gold value is not in the schema."""
    known = {value: index for index, value in enumerate(votes.values)}
    pairs = []
    for unit, value in (gold or {}).items():
        if value not in known:
            raise InputError(f"The gold value {value!r} is not in the schema.", where=f"unit {unit!r}", mend="correct it, or name it in 'values'")
        place = votes.place(unit)
        if place is not None:
            pairs.append((place, known[value]))
    found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def require_one_kind(judgements: Iterable[Judgement]) -> None:
    """Refuse answers of people and of machines together."""
    kinds = {judgement.rater_kind for judgement in judgements if judgement.rater_kind}
    if RaterKind.PERSON in kinds and len(kinds) > 1:
        raise InputError(
            "Answers of people and of machines were mixed.",
            why="a machine never counts as a person",
            mend="ask for judgements(…, rater_kind='person') and for machines apart",
        )


def require_raters(votes: Votes, *, gold: bool = False) -> None:
    """Refuse votes from which no rater's quality can be learnt."""
    if votes.n == 0:
        raise InputError("There are no votes.", mend="wait for answers")
    if votes.k < 2:
        raise InputError(
            "Every vote is for the same value, so there is nothing to infer.", mend="name the question's values, if others were possible"
        )
    if len(votes.raters) < 2:
        raise InputError(
            "All votes are of one rater.",
            where=f"rater {votes.raters[0]!r}",
            why="what one rater says cannot be held against anything; calling it truth would hide that",
            mend="have a second rater answer some of the same units",
        )
    if not gold and int(np.bincount(votes.unit).max()) < 2:
        raise InputError(
            "No unit was judged by two raters.",
            why="raters' quality is learnt from where they judge the same, or from gold",
            mend="set an overlap of at least 2 on a part of the units, or give gold",
        )


def _factorise(column: Sequence[Any] | NDArray[Any], what: str) -> tuple[tuple[Hashable, ...], Index]:
    """The distinct entries in their own order, and the place of each row's entry."""
    if isinstance(column, np.ndarray) and column.dtype.kind in "iu":
        return _factorise_numbers(column)
    listed = column.tolist() if isinstance(column, np.ndarray) else list(column)
    try:
        seen = dict.fromkeys(listed)
    except TypeError as error:
        raise InputError(
            f"A {what} is a list or a mapping.", mend="use text or numbers; sets of labels, spans and rankings have agreement figures of their own"
        ) from error
    for missing in seen:
        if missing is None or missing != missing:
            row = next(i for i, entry in enumerate(listed) if entry is missing or entry != entry)
            raise InputError(f"A missing {what} is left out, not given as null or NaN.", where=f"row {row + 1}")
    ordered = tuple(in_order(seen))
    place = {entry: index for index, entry in enumerate(ordered)}
    return ordered, np.fromiter(map(place.__getitem__, listed), dtype=np.int64, count=len(listed))


def _factorise_numbers(column: NDArray[Any]) -> tuple[tuple[Hashable, ...], Index]:
    low, high = (int(column.min()), int(column.max())) if len(column) else (0, 0)
    if high - low > 4 * len(column) + 1000:
        distinct, places = np.unique(column, return_inverse=True)
        return tuple(distinct.tolist()), places.astype(np.int64)
    # Numbers close together are counted, not sorted: linear, and many times faster.
    at = (column - low).astype(np.int64)
    there = np.bincount(at, minlength=1) > 0
    return tuple((np.flatnonzero(there) + low).tolist()), (np.cumsum(there) - 1)[at]


def _sorted_by(*keys: Index) -> Index:
    """The order by the last key, then the one before it, …: sorted by 16 bits at a time, which numpy does in linear time."""
    order = np.arange(len(keys[0]))
    for key in keys:
        for shift in range(0, max(1, int(key.max(initial=0)).bit_length()), 16):
            order = order[np.argsort((key[order] >> shift).astype(np.uint16), kind="stable")]
    return order


def in_order(entries: Iterable[Any]) -> list[Any]:
    """Sorted as they are where they can be, else by type and text."""
    listed = list(entries)
    try:
        return sorted(listed)
    except TypeError:
        return sorted(listed, key=lambda entry: (type(entry).__name__, repr(entry)))


def _placed(column: Sequence[Any] | NDArray[Any], known: tuple[Hashable, ...]) -> Index:
    place = {entry: index for index, entry in enumerate(known)}
    listed = column.tolist() if isinstance(column, np.ndarray) else list(column)
    try:
        return np.fromiter(map(place.__getitem__, listed), dtype=np.int64, count=len(listed))
    except (KeyError, TypeError):
        row, stray = next((i, entry) for i, entry in enumerate(listed) if not isinstance(entry, Hashable) or entry not in place)
        raise InputError(
            f"{stray!r} is not a value of this question.", where=f"row {row + 1}", mend=f"use one of: {', '.join(map(str, known[:20]))}"
        ) from None


def _once(unit: Index, rater: Index, n_raters: int, duplicates: Duplicates, units: Sequence[Any], raters: Sequence[Any]) -> Index:
    """Rows to keep, by unit and rater."""
    if duplicates not in ("refuse", "first", "last"):
        raise InputError(f"'{duplicates}' is no rule for duplicates.", mend="use refuse, first or last")
    order = _sorted_by(rater, unit)
    ordered = (unit * n_raters + rater)[order]
    repeated = ordered[1:] == ordered[:-1]
    if not repeated.any():
        return order
    if duplicates == "refuse":
        cell = int(ordered[1:][repeated][0])
        raise InputError(
            "A rater judged a unit twice.",
            where=f"unit {units[cell // n_raters]!r}, rater {raters[cell % n_raters]!r}",
            why="the rater would count twice",
            mend="keep the current judgement only, or say which to keep: duplicates='first' or 'last'",
        )
    edge = np.concatenate(([False], repeated)) if duplicates == "first" else np.concatenate((repeated, [False]))
    kept: Index = order[~edge]
    return kept
