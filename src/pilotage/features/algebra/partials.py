"""The algebra over columns: one ``group_by`` for all aggregates of a view.

A frame of *rows* has the columns ``__event``, ``__available`` (µs) and ``__sequence`` and one column of values for each aggregate, named like it. A
frame of *states* has columns named ``<aggregate>:<part>``. ``states`` makes of them the very states that the scalar functions make.

Cost: one grouping pass; ``distinct`` hashes each different value once in Python, and ``quantile`` keeps a row's bin until states are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE, Aggregator, Order, State, as_float


def partials(rows: pl.DataFrame, by: Sequence[str], aggregators: Mapping[str, Aggregator]) -> pl.DataFrame:
    """The states of each group of rows.

    Parameters
    ----------
    rows
        A frame of rows; columns that no aggregate names are left out.
    by
        The columns to group by, at least one. The result has one row a group, in order of first appearance.

    Raises
    ------
    InputError
        For the first value that an aggregate cannot take, with the value and how to mend it. Find them all with :func:`bad_values`.
    """
    rows = value_columns(rows, aggregators)
    for name, aggregator in aggregators.items():
        bad = aggregator.bad(name, rows.schema[name])
        if bad is not None and (found := rows.filter(bad).head(1)).height:
            refuse(aggregator, found[name][0], name)
    if any(aggregator.ordered for aggregator in aggregators.values()):
        rows = rows.sort(EVENT, AVAILABLE, SEQUENCE, maintain_order=True)
    prepared = [expression for name, aggregator in aggregators.items() for expression in aggregator.prepared(name)]
    summed = [expression for name, aggregator in aggregators.items() for expression in aggregator.partial(name)]
    return rows.select(*by, *prepared).group_by(by, maintain_order=True).agg(summed)


def merged(frame: pl.DataFrame, by: Sequence[str], aggregators: Mapping[str, Aggregator]) -> pl.DataFrame:
    """States of finer groups → states of the groups of ``by``."""
    return frame.group_by(by, maintain_order=True).agg([e for name, aggregator in aggregators.items() for e in aggregator.merged(name)])


def states(frame: pl.DataFrame, aggregators: Mapping[str, Aggregator]) -> list[tuple[State, ...]]:
    """For each row of a frame of states: the state of each aggregate, in the order of ``aggregators``."""
    if not aggregators:
        return [()] * frame.height
    return list(zip(*(aggregator.states(frame, name) for name, aggregator in aggregators.items()), strict=True))


def merge_many(aggregators: Sequence[Aggregator], left: Sequence[Sequence[State]], right: Sequence[Sequence[State]]) -> list[tuple[State, ...]]:
    """The states of each group merged with those of the same group in ``right``, aggregate by aggregate."""
    if not left or not aggregators:
        return [()] * len(left)
    columns = zip(aggregators, zip(*left, strict=True), zip(*right, strict=True), strict=True)
    return list(zip(*(map(aggregator.merge, a, b) for aggregator, a, b in columns), strict=True))


def finalized(frame: pl.DataFrame, by: Sequence[str], aggregators: Mapping[str, Aggregator]) -> pl.DataFrame:
    """A frame of states → the columns of ``by`` and one column of values for each aggregate."""
    return frame.select(by).with_columns([aggregator.finalized(frame, name) for name, aggregator in aggregators.items()])


def bad_values(rows: pl.DataFrame, aggregators: Mapping[str, Aggregator]) -> dict[int, str]:
    """The rows (by position) that some aggregate would refuse, with the reason. Empty where all is well."""
    rows = value_columns(rows, aggregators)
    found: dict[int, str] = {}
    for name, aggregator in aggregators.items():
        bad = aggregator.bad(name, rows.schema[name])
        if bad is None:
            continue
        for index in rows.select(bad.fill_null(False).arg_true()).to_series().to_list():
            if index not in found:
                try:
                    refuse(aggregator, rows[name][index], name)
                except InputError as error:
                    found[index] = f"{name}: {error.what}"
    return found


def value_columns(rows: pl.DataFrame, aggregators: Mapping[str, Aggregator]) -> pl.DataFrame:
    """The columns of values in the types the algebra works on: Int64, Float64 without -0.0, text, truth values; times as whole µs, dates as days.

    :func:`partials` and :func:`bad_values` do it themselves; it is for who keeps the values.
    """
    casts: list[pl.Expr] = []
    for name in aggregators:
        dtype = rows.schema[name]
        if dtype.is_float():
            casts.append(as_float(name))
        elif dtype.is_temporal():
            casts.append((pl.col(name).cast(pl.Datetime("us")) if dtype == pl.Datetime else pl.col(name)).to_physical().cast(pl.Int64))
        elif dtype.is_integer() and dtype not in (pl.Int64, pl.UInt64, pl.Int128, pl.UInt128):
            casts.append(pl.col(name).cast(pl.Int64))
    return rows.with_columns(casts) if casts else rows


def refuse(aggregator: Aggregator, value: object, name: str) -> None:
    """Raise the scalar path's refusal of ``value``, naming the aggregate."""
    try:
        aggregator.update(aggregator.init(), value, Order(0, 0, 0))
    except InputError as error:
        raise InputError(error.what, where=f"aggregate '{name}'", why=error.why, mend=error.mend) from error
    raise InputError(f"An aggregate cannot take {value!r}.", where=f"aggregate '{name}'")
