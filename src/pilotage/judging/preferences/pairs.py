"""Comparisons as they come in, and as columns."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from pilotage.core import InputError
from pilotage.judging.aggregation.votes import in_order, require_one_kind
from pilotage.judging.judgement import Judgement

Preferred = Literal["a", "b", "tie", "both_bad"]
Index = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Pair:
    """One rater preferred ``a`` or ``b``, or neither.

    a, b
        What was compared (models, versions, answers).
    preferred
        ``tie`` and ``both_bad`` are both no preference: a strength says which is better, not whether either is good. Both-bads are counted apart.
    rater
        Who said so; "" where nobody knows.
    sides
        ``ab`` or ``ba``: which stood on the left; None where it was not logged.
    lengths
        Of a and b (words, characters, seconds: one unit throughout); None where not known.
    dimension
        What was asked: "helpful", "safe", … One ranking is about one.
    """

    a: Hashable
    b: Hashable
    preferred: Preferred
    rater: Hashable = ""
    sides: str | None = None
    lengths: tuple[float, float] | None = None
    dimension: str = ""


def pairs_of(
    judgements: Iterable[Judgement],
    compared: Mapping[str, tuple[Hashable, Hashable]],
    *,
    lengths: Mapping[str, tuple[float, float]] | None = None,
) -> list[Pair]:
    """The answers to pair questions as comparisons; the question is the dimension, abstentions are left out.

    Parameters
    ----------
    compared
        Item id → what stood behind its a and its b (model versions, say).
    lengths
        Item id → the lengths of both.

    Raises ``InputError`` where an item is not in ``compared``, an answer is no preference, or people's and machines' answers are mixed.
    """
    given = [judgement for judgement in judgements if not judgement.abstained]
    require_one_kind(given)
    made = []
    for judgement in given:
        if judgement.item_id not in compared:
            raise InputError("What was compared is not known.", where=f"item {judgement.item_id}", mend="give its a and b in 'compared'")
        preferred = judgement.value.get("preferred") if isinstance(judgement.value, Mapping) else None
        if preferred is None:
            raise InputError(f"{judgement.value!r} is no preference.", where=f"question '{judgement.question}'", mend="ask about pair questions only")
        a, b = compared[judgement.item_id]
        both = (lengths or {}).get(judgement.item_id)
        made.append(Pair(a, b, preferred, judgement.rater_id, judgement.sides, both, judgement.question))
    return made


@dataclass(frozen=True, eq=False)
class Columns:
    """Comparisons as columns. ``outcome``: 0 the first is better, 1 no preference, 2 the second is better. ``left``: +1 the first stood left,
    −1 the second did, 0 not logged. ``longer``: difference of the log lengths, first − second; 0 where not known (``measured`` says where).
    """

    items: tuple[Hashable, ...]
    raters: tuple[Hashable, ...]
    first: Index
    second: Index
    outcome: Index
    rater: Index
    left: Index
    longer: Floats
    measured: NDArray[np.bool_]
    both_bad: int

    @property
    def n(self) -> int:
        """How many comparisons."""
        return len(self.first)


def columns_of(pairs: Iterable[Pair]) -> Columns:
    """Check ``pairs`` and put them into columns, in an order that does not depend on the order given.

    Raises
    ------
    InputError
        If there are none, they are about several dimensions, an item is compared with itself, or a field has no known value.
    """
    given = list(pairs)
    if not given:
        raise InputError("There are no comparisons.", mend="wait for answers")
    dimensions = {pair.dimension for pair in given}
    if len(dimensions) > 1:
        raise InputError(
            f"The comparisons are about {len(dimensions)} dimensions: {', '.join(sorted(dimensions)[:5])}.",
            why="what is more helpful may be less safe; one ranking over both would hide it",
            mend="rank each dimension by itself: rank_dimensions(…)",
        )
    for pair in given:
        _check(pair)
    items = tuple(in_order(dict.fromkeys(item for pair in given for item in (pair.a, pair.b))))
    raters = tuple(in_order(dict.fromkeys(pair.rater for pair in given)))
    place, known = {item: i for i, item in enumerate(items)}, {rater: i for i, rater in enumerate(raters)}
    rows = sorted(_row(pair, place, known) for pair in given)
    table = np.array(rows, dtype=float)
    whole = table[:, :5].astype(np.int64)
    return Columns(
        items,
        raters,
        first=whole[:, 0],
        second=whole[:, 1],
        rater=whole[:, 2],
        outcome=whole[:, 3],
        left=whole[:, 4],
        longer=table[:, 5],
        measured=table[:, 6] > 0,
        both_bad=sum(pair.preferred == "both_bad" for pair in given),
    )


def _check(pair: Pair) -> None:
    where = f"{pair.a!r} and {pair.b!r}, rater {pair.rater!r}"
    if pair.a == pair.b:
        raise InputError("An item is compared with itself.", where=where)
    if pair.preferred not in ("a", "b", "tie", "both_bad"):
        raise InputError(f"{pair.preferred!r} is no preference.", where=where, mend="use a, b, tie or both_bad")
    if pair.sides not in (None, "ab", "ba"):
        raise InputError(f"{pair.sides!r} are no sides.", where=where, mend="use ab (a stood left), ba, or None where it was not logged")
    if pair.lengths is not None and not all(0 < length < float("inf") for length in pair.lengths):
        raise InputError("A length is not above zero.", where=where)


def _row(pair: Pair, place: dict[Hashable, int], known: dict[Hashable, int]) -> tuple[float, ...]:
    """The item that sorts first stands first, whichever was called a."""
    one, other = place[pair.a], place[pair.b]
    outcome = {"a": 0, "b": 2}.get(pair.preferred, 1)
    left = {"ab": 1, "ba": -1}.get(pair.sides or "", 0)
    longer = float(np.log(pair.lengths[0] / pair.lengths[1])) if pair.lengths else 0.0
    if one > other:
        one, other, outcome, left, longer = other, one, 2 - outcome, -left, -longer
    return one, other, known[pair.rater], outcome, left, longer, float(pair.lengths is not None)


def require_connected(columns: Columns) -> None:
    """Refuse items that no chain of comparisons joins: nothing says which of them is stronger."""
    size = len(columns.items)
    graph = sparse.csr_array((np.ones(columns.n), (columns.first, columns.second)), shape=(size, size))
    groups, group = connected_components(graph, directed=False)
    if groups > 1:
        named = ["; ".join(map(str, [columns.items[i] for i in np.flatnonzero(group == g)][:3])) for g in range(min(groups, 3))]
        raise InputError(
            f"The items fall into {groups} groups that were never compared with each other.",
            where=" | ".join(named),
            why="strengths of different groups have no common measure",
            mend="compare some of each group with the others, or rank the groups apart",
        )


def separated(columns: Columns) -> tuple[Hashable, ...]:
    """Items outside the largest set in which each can be reached from each by wins or ties.

    Those have won or lost everything against the rest: without a prior their strength would be infinite (Ford 1957).
    """
    size = len(columns.items)
    beats = columns.outcome <= 1
    loses = columns.outcome >= 1
    winner = np.concatenate((columns.first[beats], columns.second[loses]))
    loser = np.concatenate((columns.second[beats], columns.first[loses]))
    graph = sparse.csr_array((np.ones(len(winner)), (winner, loser)), shape=(size, size))
    groups, group = connected_components(graph, directed=True, connection="strong")
    if groups == 1:
        return ()
    largest = int(np.bincount(group).argmax())
    return tuple(columns.items[i] for i in np.flatnonzero(group != largest))
