"""Aggregates over windows: the fast path gives the bits of the obvious one."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.features import Aggregate, FeatureView, parse_expression, point_in_time
from pilotage.features import windows as windows_module

from .brute import ROWS, SPINES, brute_windows, source_frame, spine_frame

VALUE, CENTS, KIND = parse_expression("value"), parse_expression("round(value * 100)"), parse_expression("kind")
SALES = parse_expression("kind == 'sale'")


def view(*aggregates: Aggregate, **changes: Any) -> FeatureView:
    plain: dict[str, Any] = {
        "name": "windows",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "sequence": "seq",
        "aggregates": aggregates,
        "tile": "5m",
    }
    return FeatureView(**{**plain, **changes})


def every(window: str) -> tuple[Aggregate, ...]:
    return (
        Aggregate("rows", "count", window=window),
        Aggregate("sales", "count", window=window, where=SALES),
        Aggregate("total", "sum", VALUE, window),
        Aggregate("average", "mean", CENTS, window, where=SALES),
        Aggregate("spread", "var", VALUE, window),
        Aggregate("least", "min", VALUE, window),
        Aggregate("most", "max", VALUE, window, where=SALES),
        Aggregate("earliest", "first", VALUE, window),
        Aggregate("latest", "last", KIND, window),
        Aggregate("latest_at", "last", parse_expression("at"), window),
        Aggregate("recent", "last_k", VALUE, window, k=3),
        Aggregate("different", "distinct", VALUE, window),
        Aggregate("middle", "quantile", VALUE, window, q=0.5),
    )


@settings(max_examples=80, deadline=None)
@given(
    spine=SPINES,
    source=ROWS,
    window=st.sampled_from(["5m", "17m", "1h"]),
    closed=st.sampled_from(["left", "right"]),
    chains=st.sampled_from([0, 1, 64]),
)
def test_every_aggregate_equals_brute_force(spine: pl.DataFrame, source: pl.DataFrame, window: str, closed: Any, chains: int) -> None:
    declared = view(*every(window), closed=closed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows_module, "MOST_CHAINS", chains)
        found = point_in_time(spine, source, declared)
    expected = brute_windows(spine, source, declared)
    for name, values in expected.items():
        assert [None if value is None else repr(value) for value in _plain(found[name].to_list())] == [
            None if value is None else repr(value) for value in _plain(values)
        ], name


def _plain(values: list[Any]) -> list[Any]:
    return [list(value) if isinstance(value, tuple | list) else value for value in values]


def test_the_window_begins_on_a_tile_and_ends_before_the_moment() -> None:
    at = [{"card": "a", "at": minute, "known": minute, "seq": 0, "value": 1.0, "kind": "sale"} for minute in range(61)]
    found = point_in_time(spine_frame([("a", 32)]), source_frame(at), view(Aggregate("rows", "count", window="10m")))
    assert found["rows"].to_list() == [12]  # 20 (the tile that 22 lies in) to 31


def test_a_late_row_counts_from_its_arrival_on() -> None:
    late = [
        {"card": "a", "at": 1, "known": 20, "seq": 0, "value": 5.0, "kind": "sale"},
        {"card": "a", "at": 10, "known": 10, "seq": 0, "value": 1.0, "kind": "sale"},
    ]
    found = point_in_time(spine_frame([("a", 19), ("a", 20)]), source_frame(late), view(Aggregate("total", "sum", VALUE, "1h")))
    assert found["total"].to_list() == [1.0, 6.0]


def test_a_value_beyond_the_grid_is_refused_with_the_value() -> None:
    rows = [{"card": "a", "at": 1, "known": 1, "seq": 0, "value": 1e300, "kind": "sale"}]
    with pytest.raises(InputError, match="1e\\+300"):
        point_in_time(spine_frame([("a", 2)]), source_frame(rows), view(Aggregate("total", "sum", VALUE, "1h")))


def test_a_hot_key_with_many_late_rows_is_one_pass_of_chains_not_a_square() -> None:
    count = 20_000
    rows = pl.DataFrame({"i": range(count)}).select(
        card=pl.lit("a"),
        at=(pl.col("i") * 1_000_000).cast(pl.Datetime("us", "UTC")),
        known_at=((pl.col("i") + (pl.col("i") * 7919) % 13) * 1_000_000).cast(pl.Datetime("us", "UTC")),
        seq=pl.col("i").cast(pl.Int64),
        value=(pl.col("i") % 97).cast(pl.Float64),
        kind=pl.lit("sale"),
    )
    spine = rows.select("card", "at")
    found = point_in_time(spine, rows, view(Aggregate("rows", "count", window="1h"), Aggregate("most", "max", VALUE, "1h")))
    sample = spine[[0, 1, 17, 5_000, count - 1]]
    expected = brute_windows(sample, rows, view(Aggregate("rows", "count", window="1h"), Aggregate("most", "max", VALUE, "1h")))
    assert found["rows"][[0, 1, 17, 5_000, count - 1]].to_list() == expected["rows"]
    assert found["most"][[0, 1, 17, 5_000, count - 1]].to_list() == expected["most"]
