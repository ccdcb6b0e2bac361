"""From events to what a view counts: the entity, the three times, the value each aggregate takes and the row features, column by column.

The same expressions, compiled once, that training sets use. An event that the view cannot count is not dropped in silence: it comes back with its
reason, and the stream writes it down.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import msgspec
import polars as pl

from pilotage.core import InputError, Refused
from pilotage.features.algebra import PROPERTIES, Aggregator, aggregator_for, bad_values, value_columns
from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE
from pilotage.features.definition import FeatureView
from pilotage.features.streams.source import POSITION, EventSource

ENTITY, TILE = "__entity", "__tile"
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class Inputs:
    """Rows of a view.

    ``rows`` has ``__entity``, ``__event``, ``__available``, ``__sequence``, ``__position``, ``__tile``, and a column for each aggregate and each row
    feature.
    ``refused``: position in the log → why the view cannot count the event.
    """

    rows: pl.DataFrame
    refused: dict[int, str]


@dataclass(frozen=True)
class Plan:
    """A view, made ready for the events of one source.

    Raises
    ------
    InputError
        If the view does not fit the source's columns.
    Refused
        If it has an aggregate that cannot be merged.
    """

    view: FeatureView
    source: EventSource
    aggregators: dict[str, Aggregator] = field(init=False)
    kinds: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        for aggregate in self.view.aggregates:
            found = PROPERTIES.get(aggregate.function)
            if found is None or not found.mergeable:
                raise Refused(
                    f"'{aggregate.name}' cannot run in a stream: {aggregate.function} has no merge.",
                    where=f"view '{self.view.ref}'",
                    why="a stream keeps states of tiles and merges them; without a merge it would need every event for every answer",
                    mend="use an aggregate of the algebra, or serve this feature from batches",
                )
        if self.view.event_time != self.source.event_time:
            raise InputError(
                f"The view's event time is '{self.view.event_time}', the source's '{self.source.event_time}'.", where=f"view '{self.view.ref}'"
            )
        if (self.view.available_time, self.view.available_lag) != (None if self.source.lag else self.source.available_time, self.source.lag):
            raise Refused(
                f"The view says its rows are known by {self.view.available_time or 'a lag of ' + str(self.view.available_lag)}; "
                f"the log of '{self.source.name}' says when it took them"
                + (f", in '{self.source.available_time}'." if self.source.available_time else ", and keeps it in no column."),
                where=f"view '{self.view.ref}'",
                why="a training set would know rows at other moments than the stream does: skew",
                mend="declare available_time on the source (the log fills the column in) and name the same column in the view",
            )
        object.__setattr__(self, "kinds", self.view.kinds(self.source.columns))
        object.__setattr__(self, "aggregators", {aggregate.name: aggregator_for(aggregate) for aggregate in self.view.aggregates})

    @cached_property
    def _expressions(self) -> list[pl.Expr]:
        columns = self.source.columns
        made = []
        for aggregate in self.view.aggregates:
            value = pl.lit(True) if aggregate.of is None else aggregate.of.to_polars(columns)
            if aggregate.where is not None:
                value = pl.when(aggregate.where.to_polars(columns)).then(value)
            made.append(value.alias(aggregate.name))
        made += [expression.to_polars(columns).alias(name) for name, expression in self.view.columns.items()]
        return made

    def inputs(self, events: pl.DataFrame) -> Inputs:
        """The rows of ``events`` (as the log gives them; deleted ones left out)."""
        if self.source.deleted is not None and self.source.deleted in events.columns:
            events = events.filter(~pl.col(self.source.deleted).fill_null(False))
        sequence = POSITION if self.view.sequence is None else self.view.sequence
        rows = events.select(
            entity_keys(events, self.view.entity).alias(ENTITY),
            pl.col(EVENT),
            pl.col(AVAILABLE),
            pl.col(sequence).to_physical().cast(pl.Int64).alias(SEQUENCE),
            pl.col(POSITION),
            (pl.col(EVENT) - pl.col(EVENT) % self.view.tile_us).alias(TILE),
            *self._expressions,
        )
        rows = value_columns(rows, self.aggregators)
        bad = dict.fromkeys(rows[ENTITY].is_null().arg_true().to_list(), "the entity's key is null")
        bad.update({index: reason for index, reason in bad_values(rows, self.aggregators).items() if index not in bad})
        if not bad:
            return Inputs(rows, {})
        positions = rows[POSITION]
        keep = pl.Series([True] * rows.height).scatter(list(bad), False)
        return Inputs(rows.filter(keep), {int(positions[index]): reason for index, reason in sorted(bad.items())})

    def window_starts(self, at_us: int) -> list[int]:
        """Where the window of each aggregate starts that ends at ``at_us``."""
        starts = [at_us - aggregate.window_us for aggregate in self.view.aggregates]
        return [start - start % self.view.tile_us for start in starts]


def entity_keys(frame: pl.DataFrame, columns: tuple[str, ...]) -> pl.Series:
    """The key of each row: the JSON array of its values; null where one of them is null. Cost: one Python call for each different entity."""
    unique = frame.select(columns).unique()
    rows = unique.rows()
    keys = pl.Series(ENTITY, [None if None in row else _encode(row).decode() for row in rows], dtype=pl.String)
    return frame.select(columns).join(unique.with_columns(keys), on=list(columns), how="left", maintain_order="left", nulls_equal=True)[ENTITY]
