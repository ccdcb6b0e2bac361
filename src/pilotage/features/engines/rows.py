"""The rows of a source as a view sees them: the entity, three times as whole numbers, row features and what each aggregate takes.

What every engine computes first, and what the kernels after it read: the same columns on Polars and on Spark.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import polars as pl

from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE
from pilotage.features.definition import FeatureView
from pilotage.features.expression import col
from pilotage.features.rows import aggregate_values, check_source, kinds_of

EVENT_AT: Final = "__event_at"
AVAILABLE_AT: Final = "__available_at"


def read_columns(view: FeatureView, source: pl.LazyFrame | pl.DataFrame) -> pl.DataFrame:
    """The columns of ``source`` that ``view`` reads, and no others. Raises ``InputError`` if one is missing or of the wrong kind."""
    frame = source.lazy()
    view.kinds(kinds_of(frame.collect_schema()))
    return frame.select(view.source_columns()).collect()


def evaluate_rows(view: FeatureView, source: pl.DataFrame) -> pl.DataFrame:
    """The rows of ``source`` as ``view`` sees them, one for one and in their order.

    Returns
    -------
    polars.DataFrame
        The entity's columns; ``__event`` and ``__available`` in µs and ``__sequence``, the declared one or the row's position; one column a row
        feature; one column an aggregate with what it takes from the row (null: nothing).

    Raises
    ------
    InputError
        If a column is missing or of the wrong kind, or a key or time is null.
    Refused
        If a row's availability is not known.

    Cost: one pass over the columns the view reads.
    """
    rows = check_source(source, view)
    features = rows.frame.lazy().select(*view.entity, *(each.to_polars(rows.kinds).alias(name) for name, each in view.columns.items())).collect()
    taken = aggregate_values(rows, view)
    return (
        features.select(*view.entity)
        .hstack(taken.select(EVENT, AVAILABLE, SEQUENCE))
        .hstack([*features.select(list(view.columns)).get_columns(), *taken.select([each.name for each in view.aggregates]).get_columns()])
    )


def over_evaluated(view: FeatureView) -> FeatureView:
    """``view`` for rows that are evaluated already: its columns and aggregates take the column of their own name, times are timestamps.

    The join and the windows of the batch path then run over them unchanged, wherever the rows were evaluated.
    """
    return FeatureView(
        name=view.name,
        version=view.version,
        source=view.source,
        entity=view.entity,
        event_time=EVENT_AT,
        available_time=AVAILABLE_AT,
        sequence=SEQUENCE,
        columns={name: col(name) for name in view.columns},
        aggregates=tuple(replace(each, of=col(each.name), where=None) for each in view.aggregates),
        ttl=view.ttl,
        tile=view.tile,
        closed=view.closed,
        request=view.request,
        request_inputs=view.request_inputs,
    )
