"""The point-in-time join sees what was known at the moment, and nothing else."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError, IntegrityError, Refused
from pilotage.features import FeatureView, parse_expression, point_in_time
from pilotage.features.packing import Packing

from .brute import ROWS, SPINES, UTC_US, brute_latest, source_frame, spine_frame


def view(**changes: Any) -> FeatureView:
    plain: dict[str, Any] = {
        "name": "card_activity",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "columns": {"last_value": parse_expression("value")},
    }
    return FeatureView(**{**plain, **changes})


def row(card: str, at: int, known: int, value: float | None, seq: int = 0) -> dict[str, Any]:
    return {"card": card, "at": at, "known": known, "value": value, "seq": seq, "kind": "sale"}


@settings(max_examples=200, deadline=None)
@given(
    spine=SPINES,
    source=ROWS,
    closed=st.sampled_from(["left", "right"]),
    ttl=st.sampled_from([None, "1m", "10m"]),
    sequence=st.sampled_from([None, "seq"]),
    lag=st.sampled_from([None, "0s", "7m"]),
)
def test_the_join_equals_brute_force(
    spine: pl.DataFrame, source: pl.DataFrame, closed: Any, ttl: str | None, sequence: str | None, lag: str | None
) -> None:
    times = {"available_time": "known_at"} if lag is None else {"available_time": None, "available_lag": lag}
    declared = view(closed=closed, ttl=ttl, sequence=sequence, **times)
    found = point_in_time(spine, source, declared, source_rows=True)
    expected = brute_latest(spine, source, declared)
    assert found["__source_row"].to_list() == expected
    values = source["value"].to_list()
    assert found["last_value"].to_list() == [None if place is None else values[place] for place in expected]
    assert found.select(spine.columns).equals(spine)


@given(
    times=st.lists(st.integers(-(2**62), 2**62), min_size=1, max_size=20),
    asked=st.integers(-(2**62), 2**62),
    keys=st.sampled_from([1, 3, 2**20]),
)
def test_packed_times_compare_as_times_do_whether_offsets_or_ranks(times: list[int], asked: int, keys: int) -> None:
    array = np.array(times, dtype=np.int64)
    packing = Packing(array, keys=keys)
    packed = packing.exact(np.zeros_like(array), array)
    moment = np.array([asked], dtype=np.int64)
    zero = np.zeros(1, dtype=np.int64)
    assert (packed <= packing.at_most(zero, moment)).tolist() == [time <= asked for time in times]
    assert (packed >= packing.at_least(zero, moment)).tolist() == [time >= asked for time in times]
    assert packing.at_most(zero, moment)[0] < packing.exact(np.ones_like(array), array).min()
    assert packing.at_least(zero + 1, moment)[0] > packed.max()


def test_a_row_never_sees_itself_unless_asked() -> None:
    source = source_frame([row("a", 5, 5, 1.0)])
    spine = spine_frame([("a", 5)])
    assert point_in_time(spine, source, view())["last_value"].to_list() == [None]
    assert point_in_time(spine, source, view(closed="right"))["last_value"].to_list() == [1.0]


def test_a_row_that_arrives_later_is_not_seen_before() -> None:
    source = source_frame([row("a", 1, 1, 1.0), row("a", 5, 30, 2.0)])
    spine = spine_frame([("a", 29), ("a", 30)])
    assert point_in_time(spine, source, view())["last_value"].to_list() == [1.0, 2.0]


def test_a_correction_of_the_same_event_wins_once_it_is_known() -> None:
    source = source_frame([row("a", 1, 1, 1.0), row("a", 1, 10, 1.5)])
    spine = spine_frame([("a", 9), ("a", 10)])
    assert point_in_time(spine, source, view())["last_value"].to_list() == [1.0, 1.5]


def test_ties_are_decided_by_the_sequence_and_not_by_the_order_of_delivery() -> None:
    rows = [row("a", 1, 1, float(value), seq=value) for value in range(5)]
    spine = spine_frame([("a", 2)])
    for order in (rows, rows[::-1], rows[2:] + rows[:2]):
        assert point_in_time(spine, source_frame(order), view(sequence="seq"))["last_value"].to_list() == [4.0]


def test_equal_rows_of_the_spine_all_stay() -> None:
    spine = spine_frame([("a", 3)] * 4 + [("nobody", 3)])
    found = point_in_time(spine, source_frame([row("a", 1, 1, 7.0)]), view())
    assert found["last_value"].to_list() == [7.0] * 4 + [None]


def test_a_missing_row_makes_every_feature_null_even_those_that_replace_nulls() -> None:
    found = point_in_time(
        spine_frame([("z", 3)]), source_frame([row("a", 1, 1, 7.0)]), view(columns={"known": parse_expression("coalesce(value, 0.0)")})
    )
    assert found["known"].to_list() == [None]


def test_lazy_frames_give_the_same_answer_lazily() -> None:
    source, spine = source_frame([row("a", 1, 1, 7.0), row("b", 2, 9, None)]), spine_frame([("a", 3), ("b", 9)])
    lazy = point_in_time(spine.lazy(), source.lazy(), view())
    assert isinstance(lazy, pl.LazyFrame)
    assert lazy.collect().equals(point_in_time(spine, source, view()))
    assert lazy.filter(pl.col("card") == "a").collect()["last_value"].to_list() == [7.0]


def test_another_zone_is_the_same_moment() -> None:
    source = source_frame([row("a", 1, 1, 7.0)]).with_columns(pl.col("at").dt.convert_time_zone("Asia/Kolkata"))
    spine = spine_frame([("a", 2)]).with_columns(pl.col("at").dt.convert_time_zone("America/New_York").dt.cast_time_unit("ms"))
    assert point_in_time(spine, source, view())["last_value"].to_list() == [7.0]


def test_keys_of_several_columns_match_as_a_whole() -> None:
    source = source_frame([row("a", 1, 1, 1.0), row("b", 1, 1, 2.0)]).with_columns(country=pl.Series([1, 2], dtype=pl.Int32))
    spine = spine_frame([("a", 2), ("a", 2), ("b", 2)]).with_columns(country=pl.Series([1, 2, 2]))
    found = point_in_time(spine, source, view(entity=("card", "country")))
    assert found["last_value"].to_list() == [1.0, None, 2.0]


SOURCE, SPINE = source_frame([row("a", 1, 1, 1.0)]), spine_frame([("a", 2)])


@pytest.mark.parametrize(
    ("spine", "source", "error", "text"),
    [
        (SPINE.with_columns(pl.col("at").dt.replace_time_zone(None)), SOURCE, InputError, "no zone"),
        (SPINE, SOURCE.with_columns(pl.col("at").dt.replace_time_zone(None)), InputError, "no zone"),
        (SPINE, SOURCE.with_columns(pl.col("at").dt.cast_time_unit("ns")), InputError, "nanoseconds"),
        (SPINE.with_columns(at=pl.lit(None, dtype=UTC_US)), SOURCE, InputError, "have no 'at'"),
        (SPINE, SOURCE.with_columns(known_at=pl.lit(None, dtype=UTC_US)), Refused, "became available"),
        (SPINE, SOURCE.with_columns(card=pl.lit(None, dtype=pl.String)), InputError, "have no key"),
        (SPINE.with_columns(card=pl.lit(float("nan"))), SOURCE.with_columns(card=pl.lit(1.0)), InputError, "key 'card' is"),
        (SPINE.with_columns(card=pl.lit(1)), SOURCE, InputError, "is int in the spine and text in the source"),
        (SPINE.with_columns(last_value=pl.lit(1)), SOURCE, InputError, "already has a column 'last_value'"),
        (SPINE, SOURCE.drop("value"), InputError, "no column 'value'"),
    ],
)
def test_what_cannot_be_joined_honestly_is_refused(spine: pl.DataFrame, source: pl.DataFrame, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        point_in_time(spine, source, view())


def test_unknown_availability_takes_the_declared_lag() -> None:
    source = SOURCE.with_columns(known_at=pl.lit(None, dtype=UTC_US))
    spine = spine_frame([("a", 5), ("a", 6)])
    assert point_in_time(spine, source, view(available_lag="5m"))["last_value"].to_list() == [None, 1.0]


def test_a_wrong_answer_is_never_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    module = __import__("sys").modules["pilotage.features.point_in_time"]
    monkeypatch.setattr(module, "known_from", lambda rows, view: rows.event)  # as if availability were forgotten
    with pytest.raises(IntegrityError, match="not yet available"):
        point_in_time(spine_frame([("a", 3)]), source_frame([row("a", 1, 30, 1.0)]), view())


def test_request_features_read_the_request_and_the_features() -> None:
    declared = dataclasses.replace(view(), request={"ratio": parse_expression("amount_now / last_value")}, request_inputs={"amount_now": "float"})
    spine = spine_frame([("a", 2), ("z", 2)]).with_columns(amount_now=pl.Series([3.0, 3.0]))
    assert point_in_time(spine, source_frame([row("a", 1, 1, 2.0)]), declared)["ratio"].to_list() == [1.5, None]
    with pytest.raises(InputError, match="no column 'amount_now'"):
        point_in_time(SPINE, SOURCE, declared)


def test_moments_before_and_after_everything_are_fine() -> None:
    spine = pl.DataFrame({"card": ["a", "a"], "at": [dt.datetime(1, 1, 1, tzinfo=dt.UTC), dt.datetime(9999, 12, 31, tzinfo=dt.UTC)]})
    assert point_in_time(spine, SOURCE, view())["last_value"].to_list() == [None, 1.0]


def test_an_empty_source_or_spine_is_no_error() -> None:
    assert point_in_time(SPINE, SOURCE.clear(), view())["last_value"].to_list() == [None]
    assert point_in_time(SPINE.clear(), SOURCE, view()).height == 0
