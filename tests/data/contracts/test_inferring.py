"""Drafting: a draft fits what it was drafted from, and its guesses are marked as such."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.contracts import conform, dump_contract, infer_contract, parse_contract, to_confirm


def table() -> pa.Table:
    rng, n = np.random.default_rng(5), 200
    return pa.table(
        {
            "trip_id": [f"{number:05d}" for number in range(n)],
            "customer_id": rng.integers(0, 30, n),
            "picked_up_at": [f"2024-05-{1 + number // 24:02d} {number % 24:02d}:00:00" for number in range(n)],
            "ingested_at": [f"2024-06-{1 + number // 24:02d}T{number % 24:02d}:00:00Z" for number in range(n)],
            "dist_km": rng.random(n) * 30,
            "temp_c": rng.normal(10, 5, n),
            "amountEur": [f"{value:.2f}" for value in rng.random(n) * 80],
            "paid": ["yes", "no"] * (n // 2),
            "kind": rng.choice(["taxi", "bus"], n).tolist(),
            "zip": ["01234", "99999"] * (n // 2),
            "email": [f"p{number}@x" for number in range(n)],
            "day": ["2024-01-02"] * n,
            "tags": [["a"], []] * (n // 2),
            "seats": pa.array([None, *range(n - 1)]),
        }
    )


def test_a_draft_says_what_the_values_show() -> None:
    draft = infer_contract(table(), name="rides of May")
    assert draft.name == "rides-of-May"
    types = {name: column.type for name, column in draft.columns.items()}
    assert types == {
        "trip_id": "text", "customer_id": "int", "picked_up_at": "timestamp", "ingested_at": "timestamp", "dist_km": "float", "temp_c": "float",
        "amountEur": "float", "paid": "bool", "kind": "text", "zip": "text", "email": "text", "day": "date", "tags": "list", "seats": "int",
    }  # fmt: skip
    assert (draft.key, draft.event_time, draft.available_time, draft.subject) == (("trip_id",), "picked_up_at", "ingested_at", "customer_id")
    assert draft.columns["kind"].levels == ("bus", "taxi")
    assert draft.columns["seats"].nullable
    assert not draft.columns["dist_km"].nullable
    assert {name: column.unit for name, column in draft.columns.items() if column.unit} == {"dist_km": "km", "temp_c": "degC", "amountEur": "EUR"}
    assert draft.columns["email"].personal


def test_guesses_are_marked_and_must_be_confirmed() -> None:
    draft = infer_contract(table(), name="rides")
    assert set(to_confirm(draft)) == {"owner", "customer_id", "picked_up_at", "ingested_at", "dist_km", "temp_c", "amountEur", "email"}
    assert "guess from the name" in draft.columns["dist_km"].description
    assert "taken as UTC" in draft.columns["picked_up_at"].description
    assert parse_contract(dump_contract(draft)) == draft


def test_a_draft_fits_what_it_was_drafted_from() -> None:
    done = conform(table(), infer_contract(table(), name="rides"), now_us=1_800_000_000_000_000)
    assert done.bad == ()
    assert done.new_levels == {}


_values = st.one_of(
    st.lists(st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)), min_size=1, max_size=30).map(lambda cells: pa.array(cells, pa.int64())),
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=30).map(pa.array),
    st.lists(st.one_of(st.none(), st.text("0123456789.-eE+ tfyn", max_size=6)), min_size=1, max_size=30).map(
        lambda cells: pa.array(cells, pa.string())
    ),
    st.lists(st.datetimes(dt.datetime(1970, 1, 1), dt.datetime(2060, 1, 1)), min_size=1, max_size=30).map(pa.array),  # noqa: DTZ001
)


@given(values=_values, name=st.sampled_from(["x", "created_at", "dist_km", "email", "user_id"]))
@settings(deadline=None, max_examples=100)
def test_any_column_has_a_draft_that_it_keeps(values: pa.Array, name: str) -> None:
    data = pa.table({name: values})
    assert conform(data, infer_contract(data, name="any")).bad == ()


def test_text_with_leading_zeros_stays_text_and_a_pair_may_be_the_key() -> None:
    data = pa.table({"meter_id": ["1", "1", "2"], "day": ["2024-01-01", "2024-01-02", "2024-01-01"], "code": ["007", "10", "10"]})
    draft = infer_contract(data, name="meters")
    assert draft.columns["code"].type == "text"
    assert draft.columns["meter_id"].type == "int"
    assert draft.key == ("meter_id", "day")


def test_there_is_no_draft_of_nothing_nor_of_what_no_contract_holds() -> None:
    with pytest.raises(InputError, match="empty"):
        infer_contract(pa.table({"x": pa.array([], pa.int64())}), name="x")
    with pytest.raises(InputError, match="'x' is of a type no contract has"):
        infer_contract(pa.table({"x": pa.array([1], pa.duration("s"))}), name="x")
