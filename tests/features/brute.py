"""The slow and obvious answers that the fast ones are compared with, and random data with ties, late rows and corrections."""

from __future__ import annotations

import datetime as dt
from typing import Any

import polars as pl
from hypothesis import strategies as st

from pilotage.features import FeatureView
from pilotage.features.algebra import Order, aggregator_for

MINUTE = 60_000_000
UTC_US = pl.Datetime("us", "UTC")


def source_frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    """Rows of (card, at, known, value, kind) with times in minutes."""
    return pl.DataFrame(
        {
            "card": [row["card"] for row in rows],
            "at": [row["at"] * MINUTE for row in rows],
            "known_at": [row["known"] * MINUTE for row in rows],
            "seq": [row["seq"] for row in rows],
            "value": [row["value"] for row in rows],
            "kind": [row["kind"] for row in rows],
        },
        schema={"card": pl.String, "at": pl.Int64, "known_at": pl.Int64, "seq": pl.Int64, "value": pl.Float64, "kind": pl.String},
    ).with_columns(pl.col("at", "known_at").cast(UTC_US))


def spine_frame(rows: list[tuple[str, int]]) -> pl.DataFrame:
    return pl.DataFrame(
        {"card": [row[0] for row in rows], "at": [row[1] * MINUTE for row in rows]}, schema={"card": pl.String, "at": pl.Int64}
    ).with_columns(pl.col("at").cast(UTC_US))


CARDS = st.sampled_from(["a", "b", "c"])
# Few moments, so that ties, late rows and corrections are the rule.
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "card": CARDS,
            "at": st.integers(-12, 40),
            "known": st.integers(-12, 60),
            "seq": st.integers(0, 3),
            "value": st.one_of(st.none(), st.integers(-5, 5).map(float), st.floats(-1e6, 1e6, allow_nan=False)),
            "kind": st.sampled_from(["sale", "refund", None]),
        }
    ),
    max_size=40,
).map(source_frame)
SPINES = st.lists(st.tuples(st.sampled_from(["a", "b", "z"]), st.integers(-15, 70)), max_size=25).map(spine_frame)


def us(value: dt.datetime) -> int:
    return int((value - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))


def known_rows(source: pl.DataFrame, view: FeatureView, key: str, moment: int) -> list[tuple[Order, int, dict[str, Any]]]:
    """(event, available, sequence), position and row of what was known of ``key`` at ``moment``."""
    found = []
    for position, row in enumerate(source.iter_rows(named=True)):
        event = us(row["at"])
        available = us(row["known_at"]) if view.available_time else event + (view.lag_us or 0)
        happened = event < moment if view.closed == "left" else event <= moment
        if row["card"] == key and happened and available <= moment:
            found.append((Order(event, available, row["seq"] if view.sequence else position), position, row))
    return found


def brute_latest(spine: pl.DataFrame, source: pl.DataFrame, view: FeatureView) -> list[int | None]:
    """The position of the winning row for each row of the spine."""
    winners: list[int | None] = []
    for row in spine.iter_rows(named=True):
        moment = us(row["at"])
        best = max(((order, position) for order, position, _ in known_rows(source, view, row["card"], moment)), default=None)
        expired = best is not None and view.ttl_us is not None and moment - best[0].event_us > view.ttl_us
        winners.append(None if best is None or expired else best[1])
    return winners


def brute_windows(spine: pl.DataFrame, source: pl.DataFrame, view: FeatureView) -> dict[str, list[Any]]:
    """Each aggregate of the view for each row of the spine, by the algebra's scalar functions over all rows."""
    kinds = {"card": "text", "at": "timestamp", "known_at": "timestamp", "seq": "int", "value": "float", "kind": "text"}
    made: dict[str, list[Any]] = {}
    for aggregate in view.aggregates:
        aggregator = aggregator_for(aggregate)
        of = aggregate.of.to_python(kinds) if aggregate.of is not None else lambda row: True
        where = aggregate.where.to_python(kinds) if aggregate.where is not None else lambda row: True
        values = []
        for row in spine.iter_rows(named=True):
            moment = us(row["at"])
            start = (moment - aggregate.window_us) // view.tile_us * view.tile_us
            state = aggregator.init()
            for order, _, each in known_rows(source, view, row["card"], moment):
                if order.event_us >= start and where(each) is True:
                    state = aggregator.update(state, of(each), order)
            values.append(aggregator.finalize(state))
        made[aggregate.name] = values
    return made
