"""The rows of a source as a view sees them: the entity, three times as whole numbers, row features and what each aggregate takes.

What every engine computes first, and what the kernels after it read: the same columns on Polars and on Spark.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import polars as pl

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.expression import without_nan

_KINDS: Final = {
    pl.String: "text",
    pl.Boolean: "bool",
    pl.Date: "date",
    pl.Binary: "binary",
    pl.List: "list",
    pl.Struct: "object",
    pl.Categorical: "text",
    pl.Enum: "text",
}


def kinds_of(schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    """The kind of each column, as :meth:`Expression.kind` wants them. Raises ``InputError`` for a timestamp without a zone."""
    found = {}
    for name, dtype in schema.items():
        if dtype.is_integer():
            found[name] = "int"
        elif dtype.is_float():
            found[name] = "float"
        elif isinstance(dtype, pl.Datetime):
            if dtype.time_zone is None:
                raise InputError(
                    f"The timestamps of '{name}' have no zone.", why="nobody can say which moment they are", mend="give the column a zone"
                )
            found[name] = "timestamp"
        else:
            found[name] = _KINDS.get(type(dtype), "object")
    return found


def evaluate_rows(view: FeatureView, source: pl.LazyFrame) -> pl.DataFrame:
    """The rows of ``source`` as ``view`` sees them, one for one.

    Returns
    -------
    polars.DataFrame
        The entity's columns; ``__event`` and ``__available`` in µs and ``__sequence``, the declared one or the row's position; one column a row feature;
        one column an aggregate with what it takes from the row (null: nothing).

    Raises
    ------
    InputError
        If a column is missing or of the wrong kind, or a key or time is null.

    Cost: one pass over the columns the view reads.
    """
    schema = source.collect_schema()
    kinds = kinds_of({name: schema[name] for name in view.source_columns() if name in schema})
    view.kinds(kinds)
    source = without_nan(source.select(view.source_columns()).with_row_index("__position"))
    event = pl.col(view.event_time).dt.epoch("us")
    available = pl.col(view.available_time).dt.epoch("us") if view.available_time is not None else event + view.lag_us
    sequence = pl.col("__position") if view.sequence is None else pl.col(view.sequence)
    if view.sequence is not None and kinds[view.sequence] == "timestamp":
        sequence = sequence.dt.epoch("us")
    rows = source.select(
        *view.entity,
        event.alias(EVENT),
        available.alias(AVAILABLE),
        sequence.cast(pl.Int64).alias(SEQUENCE),
        *(expression.to_polars(kinds).alias(name) for name, expression in view.columns.items()),
        *(_taken(aggregate, kinds).alias(aggregate.name) for aggregate in view.aggregates),
    ).collect()
    refuse_nulls(view, rows)
    return rows


def _taken(aggregate: Aggregate, kinds: Mapping[str, str]) -> pl.Expr:
    value = pl.lit(True) if aggregate.of is None else aggregate.of.to_polars(kinds)
    return value if aggregate.where is None else pl.when(aggregate.where.to_polars(kinds)).then(value)


def refuse_nulls(view: FeatureView, rows: pl.DataFrame) -> None:
    """Raise ``InputError`` where a key or time is null: such a row belongs to nobody or to no moment."""
    for name, shown in [*((name, name) for name in view.entity), (EVENT, view.event_time), (AVAILABLE, view.available_time or view.event_time)]:
        nulls = rows[name].null_count()
        if nulls:
            raise InputError(
                f"{nulls} rows of '{view.source}' have no '{shown}'.",
                where=f"view '{view.name}'",
                why="a null key names no entity, and a null time no moment",
                mend="make the column required in the contract, so that such rows are set aside when they come in",
            )
