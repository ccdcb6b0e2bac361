"""Conforming: what fits is cast, what does not is a named cell, and nothing turns into null on the way."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.contracts import Column, Contract, conform

from .contracts_for_tests import rides

NOW = 1_720_000_000_000_000  # 3 July 2024


def one(kind: str, values: list[Any] | pa.Array, **fields: Any) -> tuple[list[Any], list[tuple[int, str]]]:
    """One nullable column conformed: values of the rows that are kept, and (row, reason) of the others."""
    column = {"type": kind, "nullable": True, **fields}
    contract = Contract.model_validate({"name": "one", "owner": "anna", "columns": {"x": column}})
    array = values if isinstance(values, pa.Array) else pa.array(values)
    done = conform(pa.table({"x": array}), contract)
    assert done.table.schema == contract.arrow_schema()
    assert done.table.num_rows + len({cell.row for cell in done.bad}) == len(array)
    assert done.kept.to_pylist() == [row for row in range(len(array)) if row not in {cell.row for cell in done.bad}]
    return done.table.column("x").to_pylist(), [(cell.row, cell.reason) for cell in done.bad]


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)  # type: ignore[misc]


def local(*parts: int) -> dt.datetime:
    """A time without a zone."""
    return utc(*parts).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("kind", "given", "kept", "reasons"),
    [
        ("int", ["1", " -2 ", "+3", ""], [1, -2, 3, None], []),
        ("int", ["1.0", "1e3", "1_000", "0x1", "1,000"], [], ["not a whole number"] * 5),
        ("int", ["9223372036854775807", "9223372036854775808"], [2**63 - 1], ["beyond 64 bits"]),
        ("int", [1.0, 1.5, float("nan"), float("inf"), 2.0**60], [1], ["not a whole number", *["not a finite number"] * 2, "a float this large"]),
        ("int", [True], [], ["expected int, found bool"]),
        ("int", pa.array([2**64 - 1, 5], pa.uint64()), [5], ["beyond 64 bits"]),
        ("float", ["1e3", " .5", "-0"], [1000.0, 0.5, -0.0], []),
        ("float", ["nan", "inf", "1e999", "x"], [], ["not a finite number"] * 3 + ["not a number"]),
        ("float", [1, 2**53 + 1, 2**53 + 2], [1.0, 2.0**53 + 2], ["a float cannot hold"]),
        ("float", [float("nan"), 1.0], [1.0], ["not a finite number"]),
        ("bool", ["TRUE", "no", "1", "F"], [True, False, True, False], []),
        ("bool", ["maybe", "2"], [], ["neither true nor false"] * 2),
        ("bool", [0, 1, 2], [False, True], ["neither 0 nor 1"]),
        ("date", ["2024-02-29", "2023-02-29", "2024-2-9", "20240229"], [dt.date(2024, 2, 29)], ["not a date"] * 3),
        ("date", [local(2024, 1, 1), local(2024, 1, 1, 12)], [dt.date(2024, 1, 1)], ["a time of day"]),
        ("date", pa.array([0], pa.timestamp("us", tz="UTC")), [], ["expected date, found timestamp"]),
        ("text", ["", " a "], ["", " a "], []),
        ("text", [1, 2], [], ["expected text, found int"] * 2),
        ("binary", [b"\x00", None], [b"\x00", None], []),
        ("binary", ["a"], [], ["expected binary, found text"]),
        ("list", [[2, 1], [], None], ["[2,1]", "[]", None], []),
        ("list", ["[1, 2]", "{}", "[", "[NaN]"], ["[1,2]"], ["expected list", "not JSON", "NaN is not JSON"]),
        ("object", ['{"b":1,"a":[]}', '{"a":1,"a":2}'], ['{"a":[],"b":1}'], ["the key stands twice"]),
        ("object", [{"b": 1, "a": float("nan")}], [], ["This value has no canonical JSON form"]),
    ],
)
def test_each_type_takes_what_it_can_and_names_the_rest(kind: str, given: Any, kept: list[Any], reasons: list[str]) -> None:
    values, bad = one(kind, given)
    assert values == kept
    assert len(bad) == len(reasons)
    for (_, reason), wanted in zip(bad, reasons, strict=True):
        assert reason.startswith(wanted)


def test_times_with_any_zone_become_utc_and_those_without_need_a_declared_one() -> None:
    given = ["2024-05-01T10:00:00Z", "2024-05-01 10:00+02:00", "2024-05-01T10:00:00.1234567-0130", "2024-05-01T10:00:00"]
    values, bad = one("timestamp", given)
    assert values == [utc(2024, 5, 1, 10), utc(2024, 5, 1, 8), utc(2024, 5, 1, 11, 30, 0, 123456)]
    assert bad == [(3, "a timestamp without a zone, and the contract declares none")]
    values, bad = one("timestamp", given, zone="America/New_York")
    assert values[3] == utc(2024, 5, 1, 14)
    assert not bad


def test_a_local_time_that_the_clocks_skipped_or_showed_twice_is_bad_with_its_reason() -> None:
    given = ["2024-03-31T02:30:00", "2024-10-27T02:30:00", "2024-10-27T04:30:00"]
    for values in (given, pa.array([dt.datetime.fromisoformat(text) for text in given])):
        kept, bad = one("timestamp", values, zone="Europe/Berlin")
        assert kept == [utc(2024, 10, 27, 3, 30)]
        assert bad == [(0, "a local time the clocks of Europe/Berlin skipped"), (1, "a local time the clocks of Europe/Berlin showed twice")]


@pytest.mark.parametrize(
    "text", ["2024-13-01T00:00:00Z", "2024-02-30 00:00Z", "yesterday", "1714557600", "2024-05-01", "2024-05-01T24:00:00Z", "2024-05-01T10:00:60Z",
             "2024-05-01T10:00:00+99:00", "2024-05-01T10:00:00 CET", "2024-05-01T10:00:00,5Z"],
)  # fmt: skip
def test_what_is_no_timestamp_is_bad_alone_and_among_good_ones(text: str) -> None:
    good = "2024-05-01T10:00:00Z"
    for cells in ([text], [good, text, good]):
        values, bad = one("timestamp", cells, zone="UTC")
        assert values == [utc(2024, 5, 1, 10)] * (len(cells) - 1)
        assert bad[0][1].startswith("not a timestamp")


_clock = st.datetimes(local(1900, 1, 1), local(2100, 1, 1))
_offset = st.sampled_from(["Z", "+02:00", "-0930", "+05", ""])


@given(
    parts=st.lists(st.tuples(_clock, _offset, st.sampled_from("T "), st.sampled_from(["seconds", "minutes", "microseconds"])), min_size=1, max_size=6)
)
@settings(deadline=None, max_examples=60)
def test_the_quick_and_the_careful_reader_of_times_agree(parts: list[tuple[dt.datetime, str, str, str]]) -> None:
    texts = [clock.isoformat(sep, spec) + offset for clock, offset, sep, spec in parts]
    alone = [one("timestamp", [text], zone="UTC")[0][0] for text in texts]
    together, bad = one("timestamp", [*texts, "broken"], zone="UTC")
    assert together == alone
    assert bad[0][0] == len(texts)


def test_a_unit_in_the_cell_is_refused_and_mixed_units_are_named() -> None:
    assert one("float", ["12 kg", "3 lb", "4"]) == ([4.0], [(0, "mixed units in the cells (kg, lb)"), (1, "mixed units in the cells (kg, lb)")])
    _, bad = one("int", ["12kg", "3"])
    assert bad[0][1].startswith("a unit in the cell (kg)")


def test_personal_values_are_echoed_nowhere() -> None:
    done = conform(
        pa.table({"x": ["12 Anna", "x"], "y": ["Bob", "Eve"]}),
        Contract.model_validate(
            {
                "name": "one",
                "owner": "anna",
                "columns": {
                    "x": {"type": "int", "personal": True},
                    "y": {"type": "text", "personal": True, "levels": ["a"], "level_policy": "review"},
                },
            }
        ),
    )
    everything = str(done) + str(done.to_dict()) + str(done.bad)
    assert len(done.bad) == 2
    assert not any(name in everything for name in ("Anna", "Bob", "Eve"))


def test_levels_are_refused_kept_or_mapped_as_declared() -> None:
    given = ["cash", "Cash", "coin", None]
    levels = {"levels": ["cash", "card"]}
    assert one("text", given, **levels) == (["cash", None], [(1, "a level the contract does not know"), (2, "a level the contract does not know")])
    assert one("text", given, **levels, level_policy="review") == (given, [])
    assert one("text", given, **levels, level_policy="map", level_map={"Cash": "cash"}) == (
        ["cash", "cash", None],
        [(2, "a level the contract does not know")],
    )
    values, bad = one("text", given, **levels, level_policy="allow", max_new_level_share=0.5)
    assert values == ["cash", None]
    assert bad[0][1] == "new levels are 66.7% of the batch, at most 50.0% may be"
    contract = Contract.model_validate(
        {"name": "one", "owner": "a", "columns": {"x": {"type": "text", **levels, "level_policy": "review", "level_map": {"Cash": "cash"}}}}
    )
    done = conform(pa.table({"x": ["cash", "Cash", "coin", "coin"]}), contract)
    assert done.mapped == {"x": {"Cash": 1}}
    assert done.new_levels == {"x": {"coin": 2}}


@pytest.mark.parametrize(
    ("fields", "given", "bad_rows"),
    [
        ({"type": "int", "minimum": 0, "maximum": 10}, ["-1", "0", "10", "11"], [0, 3]),
        ({"type": "text", "min_length": 2, "max_length": 3}, ["é", "éé", "ééé", "éééé"], [0, 3]),
        ({"type": "text", "pattern": "a|bc"}, ["a", "bc", "abc", "a\n"], [2, 3]),
        ({"type": "list", "min_length": 1, "max_length": 2}, ["[]", "[1]", "[1,2]", "[1,2,3]"], [0, 3]),
        ({"type": "text", "nullable": False}, ["", None, "a", "b"], [1]),
    ],
)
def test_limits_are_inclusive_and_of_the_whole_value(fields: dict[str, Any], given: list[Any], bad_rows: list[int]) -> None:
    contract = Contract.model_validate({"name": "one", "owner": "a", "columns": {"x": fields}})
    assert [cell.row for cell in conform(pa.table({"x": given}), contract).bad] == bad_rows


def ride(number: int, **fields: Any) -> dict[str, Any]:
    row = {
        "ride": f"r{number}",
        "at": "2024-05-01T10:00:00",
        "known": "2024-05-02T10:00:00Z",
        "rider": "Anna",
        "dist": "1",
        "pay": "cash",
        "seats": "1",
    }
    return {**row, **fields}


def test_availability_before_the_event_or_after_now_is_bad() -> None:
    table = pa.Table.from_pylist([ride(1), ride(2, known="2024-05-01T10:00:00Z"), ride(3, known="2024-07-04T00:00:00Z")])
    done = conform(table, rides(), now_us=NOW)
    assert [(cell.row, cell.column, cell.reason) for cell in done.bad] == [
        (1, "known", "available before it happened"),
        (2, "known", "available in the future"),
    ]
    assert done.not_checked == ()
    forecasts = rides().model_copy(update={"forecasts": True})
    assert [cell.row for cell in conform(table, forecasts, now_us=NOW).bad] == [2]
    unsaid = conform(table, rides())
    assert [cell.row for cell in unsaid.bad] == [1]
    assert unsaid.not_checked


def test_without_an_availability_column_an_event_in_the_future_is_bad() -> None:
    content = rides().to_dict(brief=True) | {"available_time": None, "available_lag": "2h"}
    table = pa.Table.from_pylist([ride(1), ride(2, at="2024-07-04T00:00:00")])
    done = conform(table, Contract.model_validate(content), now_us=NOW)
    assert [(cell.row, cell.column, cell.reason) for cell in done.bad] == [(1, "at", "happened in the future")]


def test_rows_of_one_key_that_differ_are_all_bad_and_of_equal_rows_the_first_stays() -> None:
    table = pa.Table.from_pylist([ride(1), ride(2), ride(1), ride(2, dist="5"), ride(3), ride(4, dist="bad"), ride(4)])
    done = conform(table, rides(), now_us=NOW)
    assert [(cell.row, cell.reason.partition(" (")[0]) for cell in done.bad] == [
        (1, "the key"),
        (2, "the same row again"),
        (3, "the key"),
        (5, "not a number"),
    ]
    assert done.table.column("ride").to_pylist() == ["r1", "r3", "r4"]
    several = rides().model_copy(update={"unique": False})
    assert [cell.row for cell in conform(table, several, now_us=NOW).bad] == [5]


def test_a_missing_key_is_bad() -> None:
    done = conform(pa.Table.from_pylist([ride(1), ride(2, ride=None)]), rides(), now_us=NOW)
    assert [(cell.row, cell.reason) for cell in done.bad] == [(1, "a key that is missing")]
    floats = Contract.model_validate({"name": "f", "owner": "a", "key": ["x"], "columns": {"x": {"type": "float"}}})
    assert [cell.reason for cell in conform(pa.table({"x": [1.0, float("nan")]}), floats).bad] == ["not a finite number"]


def test_a_column_that_is_gone_is_refused_whole_unless_it_may_be_null() -> None:
    table = pa.Table.from_pylist([ride(1)])
    with pytest.raises(InputError, match="The column 'at' is not there") as caught:
        conform(table.rename_columns(["ride", "when", "known", "rider", "dist", "pay", "seats"]), rides())
    assert "when" in str(caught.value.mend)
    done = conform(table.drop_columns(["dist"]).append_column("more", pa.array([1])), rides(), now_us=NOW)
    assert done.missing == ("dist",)
    assert done.extra == ("more",)
    assert done.table.column("dist").to_pylist() == [None]


def test_a_renamed_column_is_found_under_its_old_name_and_two_names_at_once_are_refused() -> None:
    contract = rides(dist={"renamed_from": ["km"]})
    table = pa.Table.from_pylist([ride(1)])
    names = ["km" if name == "dist" else name for name in table.column_names]
    done = conform(table.rename_columns(names), contract, now_us=NOW)
    assert done.renamed == {"dist": "km"}
    assert done.table.column("dist").to_pylist() == [1.0]
    with pytest.raises(InputError, match="2 times: dist, km"):
        conform(table.append_column("km", pa.array(["1"])), contract)


def test_values_are_converted_on_arrival_once_and_before_the_limits() -> None:
    contract = rides(dist={"arrives_in": "mi", "maximum": 2})
    done = conform(pa.Table.from_pylist([ride(1), ride(2, dist="2")]), contract, now_us=NOW)
    assert done.table.column("dist").to_pylist() == [1.609344]
    assert [(cell.row, cell.reason) for cell in done.bad] == [(1, "above 2")]
    assert done.converted["dist"].startswith("mi -> km")
    again = conform(done.table, contract, now_us=NOW)
    assert again.table.equals(done.table)
    assert again.converted == {}


def test_whole_numbers_are_converted_exactly_or_not_at_all() -> None:
    values, bad = one("int", ["1234500", "150", "9007199254740993"], unit="EUR_minor", arrives_in="EUR_thousand")
    assert values == [1234500 * 100_000, 150 * 100_000]
    assert bad == [(2, "beyond 64 bits")]
    assert one("int", ["1200", "150"], unit="EUR", arrives_in="EUR_minor") == ([12], [(1, "not a whole number of EUR")])
    assert one("int", ["26", "0"], unit="degC", arrives_in="K")[1][0][1] == "not a whole number of degC"


def test_nothing_but_what_came_empty_is_null_and_an_empty_table_stays_one() -> None:
    assert conform(pa.Table.from_pylist([ride(1)]).slice(0, 0), rides(), now_us=NOW).table.num_rows == 0
    assert one("int", pa.nulls(2)) == ([None, None], [])
    assert one("text", pa.array(["a", None]).dictionary_encode()) == (["a", None], [])


_cells = st.one_of(st.none(), st.text('0123456789.-+eE TZ:[]{}"ankgé', max_size=25), st.floats().map(str), st.integers().map(str), _clock.map(str))


@given(cells=st.lists(_cells, max_size=12), kind=st.sampled_from(["text", "int", "float", "bool", "timestamp", "date", "list", "object"]))
@settings(deadline=None, max_examples=150)
def test_any_text_is_kept_as_a_value_or_named_and_conforming_again_changes_nothing(cells: list[str | None], kind: str) -> None:
    contract = Contract(
        name="one", owner="anna", columns={"x": Column(type=kind, nullable=True, zone="Europe/Berlin" if kind == "timestamp" else None)}
    )  # type: ignore[arg-type]
    done = conform(pa.table({"x": pa.array(cells, pa.string())}), contract)
    for row, value in zip(done.kept.to_pylist(), done.table.column("x").to_pylist(), strict=True):
        assert (value is None) == (cells[row] is None or (kind != "text" and not cells[row].strip()))
    assert done.table.num_rows + done.bad_rows == len(cells)
    again = conform(done.table, contract)
    assert again.table.equals(done.table)
    assert again.bad == ()
