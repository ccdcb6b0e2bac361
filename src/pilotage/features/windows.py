"""Aggregates over windows, for every row of a spine at once: the batch path.

A window at ``T`` is ``[floor(T - window, tile), T)`` in event time (with ``closed="right"`` the event at ``T`` too), of the rows available at ``T``.
Since a row is known from ``k = max(available, event [+ 1 µs])``, that is: the rows with ``k <= T`` and ``event >= S``.

Rows of a key that arrived in the order of their events form a *chain*: in it the rows of a window lie side by side, between two binary searches. Rows
that arrived late form chains of their own (few: as many as rows overtake one another), so a late row costs its own place and nobody else's. A stretch
of a chain is then summed up by

* the difference of two running totals, for count, sum, mean and var: exact, since they add whole numbers; or
* the merge of O(log n) blocks of a binary tree over the chain, for the others.

Both are exact because the algebra's merge is associative and commutative, and neither grows with the square of the rows of a hot key. Rows beyond
:data:`MOST_CHAINS` chains (a source delivered backwards) are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pilotage.core import IntegrityError
from pilotage.features.algebra import Aggregator, aggregator_for, finalized, merged, partials
from pilotage.features.algebra.partials import refuse, value_columns
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.packing import Packing
from pilotage.features.rows import SourceRows, Whole, aggregate_values, known_from

MOST_CHAINS = 64
# Their states are whole numbers that add up, so the difference of two running totals is the state in between.
ADDED_UP = frozenset({"count", "sum", "mean", "var"})
_QUERY, _NODE = "__query", "__node"


def window_start(moment: Whole, *, window_us: int, tile_us: int) -> Whole:
    """``floor(T - window, tile)``: where the window at each moment begins, in microseconds."""
    begin = moment - window_us
    return begin - np.mod(begin, tile_us)


@dataclass(frozen=True)
class _Chain:
    """Rows in which key, then event and ``k`` together, never go down. ``offset`` is the place of its first row among all chains' rows."""

    offset: int
    known: Whole
    happened: Whole


@dataclass(frozen=True)
class _Chains:
    chains: tuple[_Chain, ...]
    order: Whole
    """The source rows, chain after chain."""
    rest: Whole
    """Source rows that are in no chain."""
    packing: Packing


def window_features(rows: SourceRows, *, spine_key: Whole, source_key: Whole, moments: Whole, view: FeatureView) -> list[pl.Series]:
    """One column for each aggregate of the view, one value for each spine row.

    Raises
    ------
    InputError
        If an aggregate meets a value it cannot take exactly (beyond its grid), with the value.
    """
    aggregators = {aggregate.name: aggregator_for(aggregate) for aggregate in view.aggregates}
    mine = np.flatnonzero(source_key >= 0)
    known = known_from(rows, view)
    chains = _make_chains(rows, source_key, known, mine, keys=int(spine_key.max(initial=-1)) + 1)
    values = aggregate_values(rows, view)
    made: dict[str, pl.Series] = {}
    for window_us in dict.fromkeys(aggregate.window_us for aggregate in view.aggregates):
        together = [aggregate for aggregate in view.aggregates if aggregate.window_us == window_us]
        start = window_start(moments, window_us=window_us, tile_us=view.tile_us)
        made.update(_windows(together, aggregators, chains, values, rows, known, source_key, spine_key, moments, start))
    for name, series in made.items():
        if len(series) != moments.size:
            raise IntegrityError(f"The window '{name}' made {len(series)} values of {moments.size} rows.", mend="report this: it is a bug")
    return [made[aggregate.name] for aggregate in view.aggregates]


def _make_chains(rows: SourceRows, source_key: Whole, known: Whole, mine: Whole, *, keys: int) -> _Chains:
    packing = Packing(known[mine], rows.event[mine], keys=keys)
    key = source_key[mine]
    by_known = packing.exact(key, known[mine])
    happened = packing.exact(key, rows.event[mine])
    left = np.lexsort((happened, by_known))
    chains: list[_Chain] = []
    orders: list[Whole] = []
    offset = 0
    while left.size and len(chains) < MOST_CHAINS:
        events = happened[left]
        in_order = events >= np.maximum.accumulate(events)
        taken = left[in_order]
        chains.append(_Chain(offset, by_known[taken], happened[taken]))
        orders.append(mine[taken])
        offset += taken.size
        left = left[~in_order]
    return _Chains(tuple(chains), np.concatenate(orders) if orders else np.zeros(0, dtype=np.int64), mine[left], packing)


def _windows(
    aggregates: Sequence[Aggregate],
    aggregators: Mapping[str, Aggregator],
    chains: _Chains,
    values: pl.DataFrame,
    rows: SourceRows,
    known: Whole,
    source_key: Whole,
    spine_key: Whole,
    moments: Whole,
    start: Whole,
) -> dict[str, pl.Series]:
    query, low, high = _stretches(chains, spine_key, moments, start)
    pairs = _rest_pairs(chains, rows, known, source_key, spine_key, moments, start)
    made: dict[str, pl.Series] = {}
    undone = {each.name: aggregators[each.name] for each in aggregates if each.function in ADDED_UP}
    others = {each.name: aggregators[each.name] for each in aggregates if each.name not in undone}
    if undone:
        made.update(_by_totals(undone, values, chains, query, low, high, pairs, moments.size))
    if others:
        made.update(_by_blocks(others, values, chains, query, low, high, pairs, moments.size))
    return made


def _stretches(chains: _Chains, spine_key: Whole, moments: Whole, start: Whole) -> tuple[Whole, Whole, Whole]:
    """For each spine row and chain, where there are any: the places [low, high) of its window among the chains' rows."""
    until = chains.packing.at_most(spine_key, moments)
    since = chains.packing.at_least(spine_key, start)
    asked = np.argsort(until, kind="stable")
    until, since = until[asked], since[asked]
    found: list[tuple[Whole, Whole, Whole]] = []
    for chain in chains.chains:
        high = np.searchsorted(chain.known, until, side="right")
        low = np.searchsorted(chain.happened, since, side="left")
        some = np.flatnonzero(high > low)
        found.append((asked[some], low[some] + chain.offset, high[some] + chain.offset))
    if not found:
        empty = np.zeros(0, dtype=np.int64)
        return empty, empty, empty
    query, low, high = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return query, low, high


def _rest_pairs(
    chains: _Chains, rows: SourceRows, known: Whole, source_key: Whole, spine_key: Whole, moments: Whole, start: Whole
) -> tuple[Whole, Whole]:
    """Pairs (spine row, source row) of the rows that are in no chain."""
    queries: list[Whole] = []
    found: list[Whole] = []
    if chains.rest.size:
        by_key = chains.rest[np.argsort(source_key[chains.rest], kind="stable")]
        bounds = np.searchsorted(source_key[by_key], np.arange(int(source_key.max()) + 2))
        for query in np.flatnonzero(np.isin(spine_key, source_key[by_key])):
            part = by_key[bounds[spine_key[query]] : bounds[spine_key[query] + 1]]
            part = part[(known[part] <= moments[query]) & (rows.event[part] >= start[query])]
            queries.append(np.full(part.size, query, dtype=np.int64))
            found.append(part)
    if not queries:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return np.concatenate(queries), np.concatenate(found)


def _by_totals(
    aggregators: Mapping[str, Aggregator],
    values: pl.DataFrame,
    chains: _Chains,
    query: Whole,
    low: Whole,
    high: Whole,
    pairs: tuple[Whole, Whole],
    count: int,
) -> dict[str, pl.Series]:
    """Running totals over all chains' rows; a stretch is the difference of two. The totals are whole numbers of 128 bits: nothing is rounded."""
    places = np.concatenate([chains.order, pairs[1]])
    if pairs[0].size:  # the rows that are in no chain are stretches of one
        alone = chains.order.size + np.arange(pairs[1].size)
        query, low, high = np.concatenate([query, pairs[0]]), np.concatenate([low, alone]), np.concatenate([high, alone + 1])
    single = _row_states(values[places], aggregators)
    totals = single.select(pl.all().cum_sum())
    zero = pl.DataFrame({name: [0] for name in totals.columns}, schema=totals.schema)
    totals = pl.concat([zero, totals])
    stretch = pl.DataFrame({_QUERY: query}).hstack((totals[high] - totals[low]).get_columns())
    summed = _one_row_each(stretch.group_by(_QUERY).agg(pl.all().sum()), count)
    return _finalized(summed, aggregators)


def _row_states(rows: pl.DataFrame, aggregators: Mapping[str, Aggregator]) -> pl.DataFrame:
    """The columns of states of every single row, as integers that add up."""
    rows = value_columns(rows, aggregators)
    for name, each in aggregators.items():
        bad = each.bad(name, rows.schema[name])
        if bad is not None and (found := rows.filter(bad).head(1)).height:
            refuse(each, found[name][0], name)
    prepared = rows.select(expression for name, each in aggregators.items() for expression in each.prepared(name))
    columns: list[pl.Expr] = []
    for name, each in aggregators.items():
        if each.function == "count":
            columns.append(pl.col(f"{name}:n").cast(pl.Int64))
            continue
        steps = pl.col(f"{name}:s")
        wide = steps.fill_null(0).cast(pl.Int128)
        columns += [steps.is_not_null().cast(pl.Int64).alias(f"{name}:n"), wide.alias(f"{name}:s")]
        if each.function == "var":
            lower = wide % 2**27
            upper = (wide - lower) // 2**27
            columns += [(upper * upper).alias(f"{name}:hh"), (upper * lower).alias(f"{name}:hl"), (lower * lower).alias(f"{name}:ll")]
    return prepared.select(columns)


def _by_blocks(
    aggregators: Mapping[str, Aggregator],
    values: pl.DataFrame,
    chains: _Chains,
    query: Whole,
    low: Whole,
    high: Whole,
    pairs: tuple[Whole, Whole],
    count: int,
) -> dict[str, pl.Series]:
    """A stretch as the blocks of a binary tree over the chains' rows; each block that is asked for is summed up once."""
    columns = [*aggregators, "__event", "__available", "__sequence"]
    ordered = values.select(columns)[chains.order]
    made: list[pl.DataFrame] = []
    levels = _blocks(query, low, high)
    if pairs[0].size:
        nodes = pl.concat([pl.DataFrame({_QUERY: pairs[0]}), values.select(columns)[pairs[1]]], how="horizontal")
        made.append(partials(nodes, [_QUERY], aggregators))
    position = np.arange(chains.order.size)
    for level, (asker, node) in enumerate(levels):
        if not asker.size:
            continue
        needed = np.zeros((chains.order.size >> level) + 1, dtype=bool)
        needed[node] = True
        taken = needed[position >> level]
        rows = ordered.filter(taken).with_columns(pl.Series(_NODE, position[taken] >> level))
        states = partials(rows, [_NODE], aggregators)
        askers = pl.DataFrame({_QUERY: asker, _NODE: node})
        made.append(askers.join(states, on=_NODE, how="left", maintain_order="left").drop(_NODE))
    if not made:
        made.append(partials(ordered.clear().with_columns(pl.lit(None, dtype=pl.Int64).alias(_QUERY)), [_QUERY], aggregators))
    whole = merged(pl.concat(made, how="vertical_relaxed"), [_QUERY], aggregators)
    return _finalized(_one_row_each(whole, count), aggregators)


def _blocks(query: Whole, low: Whole, high: Whole) -> list[tuple[Whole, Whole]]:
    """For each level of the tree: who asks, and for which block. A block of level ``j`` has 2**j rows; each stretch needs at most two a level."""
    levels: list[tuple[Whole, Whole]] = []
    while query.size:
        first: npt.NDArray[np.bool_] = (low & 1).astype(bool) & (low < high)
        taken = [(query[first], low[first])]
        low = low + first
        last = (high & 1).astype(bool) & (low < high)
        high = high - last
        taken.append((query[last], high[last]))
        levels.append((np.concatenate([part[0] for part in taken]), np.concatenate([part[1] for part in taken])))
        low, high = low >> 1, high >> 1
        going = low < high
        query, low, high = query[going], low[going], high[going]
    return levels


def _one_row_each(states: pl.DataFrame, count: int) -> pl.DataFrame:
    """A frame of states with one row for each spine row, in its order; null where nothing was in the window."""
    every = pl.DataFrame({_QUERY: np.arange(count)}, schema={_QUERY: pl.Int64})
    return every.join(states.with_columns(pl.col(_QUERY).cast(pl.Int64)), on=_QUERY, how="left", maintain_order="left")


def _finalized(states: pl.DataFrame, aggregators: Mapping[str, Aggregator]) -> dict[str, pl.Series]:
    done = finalized(states, [_QUERY], aggregators)
    return {name: done[name] for name in aggregators}
