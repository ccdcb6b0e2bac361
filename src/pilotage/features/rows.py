"""The source's rows as a view reads them: checked, with their two times as whole microseconds, and with one column for each aggregate's values.

All paths (training set, backfill, stream, serving) read rows through :func:`check_source`, so they refuse the same things: timestamps without a zone,
rows without event time, rows of which nobody knows when they could be known, and rows without a key.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pilotage.core import InputError, Refused
from pilotage.features.definition import FeatureView
from pilotage.features.expression import without_nan

Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SourceRows:
    """Rows of a source, in their own order.

    ``frame`` has the source columns of the view. ``event`` and ``available`` are microseconds since the epoch; ``sequence`` orders rows with equal
    times. All have one entry a row.
    """

    frame: pl.DataFrame
    event: Whole
    available: Whole
    sequence: Whole
    kinds: Mapping[str, str]


def kinds_of(schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    """The kind of each column of a frame, in the words of contracts."""
    return {name: _kind(dtype) for name, dtype in schema.items()}


def _kind(dtype: pl.DataType) -> str:
    if dtype == pl.Boolean:
        return "bool"
    if dtype.is_integer():
        return "int"
    if dtype.is_float():
        return "float"
    if dtype == pl.String:
        return "text"
    if isinstance(dtype, pl.Datetime):
        return "timestamp"
    if dtype == pl.Date:
        return "date"
    return "binary" if dtype == pl.Binary else "object"


def microseconds(frame: pl.DataFrame, column: str, *, what: str) -> Whole:
    """A timestamp column as int64 microseconds since the epoch.

    Raises
    ------
    InputError
        If the column is missing, no timestamp, has no zone, is finer than a microsecond, or holds nulls.
    """
    if column not in frame.columns:
        raise InputError(f"The {what} has no column '{column}'.", mend=f"its columns are: {', '.join(frame.columns)}")
    series = frame[column]
    dtype = series.dtype
    where = f"{what}, column '{column}'"
    if not isinstance(dtype, pl.Datetime):
        raise InputError(f"'{column}' is {dtype}, not a timestamp.", where=where, mend="convert it to a timestamp with a zone")
    if dtype.time_zone is None:
        raise InputError(
            "These timestamps have no zone.",
            where=where,
            why="nobody can say which moments they are, and a wrong hour is a leak or a loss",
            mend="declare the column's zone in the contract, or convert it to UTC",
        )
    if dtype.time_unit == "ns":
        raise InputError("These timestamps are in nanoseconds.", where=where, why="storage is in microseconds", mend="cast them to microseconds")
    nulls = series.null_count()
    if nulls:
        raise InputError(f"{nulls} of {len(series)} rows have no '{column}'.", where=where, mend="quarantine those rows, or say when they happened")
    return series.dt.cast_time_unit("us").to_physical().to_numpy()


def check_source(source: pl.DataFrame, view: FeatureView) -> SourceRows:
    """The rows of ``source`` that ``view`` reads.

    Raises
    ------
    InputError
        If columns are missing or do not fit, times are naive, or a key is null.
    Refused
        If a row's availability is not known and no lag is declared.
    """
    kinds = kinds_of(source.schema)
    view.kinds(kinds)
    what = f"source '{view.source}'"
    frame = source.select(view.source_columns())
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    # Looked for first: nearly always there is none, and then nothing is copied.
    if floats and not all(frame.select(pl.col(name).is_finite().all() for name in floats).row(0)):
        frame = without_nan(frame.lazy()).collect()
    frame = frame.with_columns(
        *(pl.col(name).cast(pl.Int64) for name, dtype in frame.schema.items() if dtype.is_integer() and dtype != pl.Int64),
        *(pl.col(name).cast(pl.Float64) for name in floats if frame.schema[name] != pl.Float64),
    )
    check_keys(frame, view.entity, what=what)
    event = microseconds(frame, view.event_time, what=what)
    if view.sequence is None:
        sequence = np.arange(frame.height, dtype=np.int64)
    elif frame[view.sequence].null_count():
        raise InputError(f"The sequence '{view.sequence}' has nulls.", where=what, mend="give every row its place, or leave 'sequence' out")
    else:
        sequence = frame[view.sequence].to_physical().cast(pl.Int64).to_numpy()
    return SourceRows(frame=frame, event=event, available=_available(frame, view, event, what=what), sequence=sequence, kinds=kinds_of(frame.schema))


def _available(frame: pl.DataFrame, view: FeatureView, event: Whole, *, what: str) -> Whole:
    lagged = None if view.lag_us is None else event + view.lag_us
    if view.available_time is None:
        if lagged is None:  # the view's own check does not let this through
            raise InputError("Neither an available time nor a lag is declared.", where=what)
        return lagged
    unknown = frame[view.available_time].is_null()
    if not unknown.any():
        return microseconds(frame, view.available_time, what=what)
    if lagged is None:
        raise Refused(
            f"{unknown.sum()} of {frame.height} rows do not say when they became available.",
            where=f"{what}, column '{view.available_time}'",
            why="they would either vanish or be seen before anybody could have known them",
            mend="declare available_lag beside available_time: the lag is used where the time is missing",
        )
    filled = frame.select(pl.col(view.available_time).fill_null(pl.Series(lagged).cast(pl.Datetime("us", "UTC"))))
    return microseconds(filled, view.available_time, what=what)


def check_keys(frame: pl.DataFrame, entity: tuple[str, ...], *, what: str) -> None:
    """Raise ``InputError`` unless every row of ``frame`` has a whole key that compares exactly."""
    for name in entity:
        if name not in frame.columns:
            raise InputError(f"The {what} has no column '{name}'.", mend=f"its columns are: {', '.join(frame.columns)}")
        dtype = frame.schema[name]
        if dtype.is_float() or _kind(dtype) not in ("text", "int", "bool", "date"):
            raise InputError(
                f"The key '{name}' is {dtype}.",
                where=what,
                why="NaN equals nothing, not even itself, and floats compare by their last bit",
                mend="use text, whole numbers, true/false or dates as keys",
            )
        nulls = frame[name].null_count()
        if nulls:
            raise InputError(f"{nulls} of {frame.height} rows have no key '{name}'.", where=what, mend="quarantine those rows: they belong to nobody")


def known_from(rows: SourceRows, view: FeatureView) -> Whole:
    """The moment from which each row is known: when it is available and, strictly before or at ``T``, has happened."""
    return np.maximum(rows.available, rows.event + (view.closed == "left"))


def aggregate_values(rows: SourceRows, view: FeatureView) -> pl.DataFrame:
    """For the algebra: ``__event``, ``__available`` (µs), ``__sequence``, and one column of values for each aggregate, named like it.

    A row that an aggregate's ``where`` leaves out has a null there. ``count`` without ``of`` counts rows. Timestamps are microseconds.
    """
    columns: list[pl.Expr] = []
    for aggregate in view.aggregates:
        value = pl.lit(True) if aggregate.of is None else aggregate.of.to_polars(rows.kinds)
        if aggregate.of is not None and aggregate.of.kind(rows.kinds) == "timestamp":
            value = value.dt.epoch("us")
        if aggregate.where is not None:
            value = pl.when(aggregate.where.to_polars(rows.kinds)).then(value)
        columns.append(value.alias(aggregate.name))
    # The position keeps the frame's height where every value is a literal.
    return (
        rows.frame.lazy()
        .select(pl.Series("__event", rows.event), pl.Series("__available", rows.available), pl.Series("__sequence", rows.sequence), *columns)
        .collect()
    )
