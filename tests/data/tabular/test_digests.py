from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.contracts import Column, Contract
from pilotage.data.tabular import table_digest
from pilotage.data.tabular.digests import row_hashes, sum_hashes, sum_rows

CONTRACT = Contract(
    name="c",
    owner="tests",
    columns={
        "t": Column(type="text", nullable=True),
        "n": Column(type="int", nullable=True),
        "x": Column(type="float", nullable=True),
        "b": Column(type="binary", nullable=True),
        "o": Column(type="bool", nullable=True),
        "at": Column(type="timestamp", nullable=True),
        "d": Column(type="date", nullable=True),
    },
)
SCHEMA = CONTRACT.arrow_schema()
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "t": st.none() | st.text(st.characters(codec="utf-8"), max_size=40),
            "n": st.none() | st.integers(-(2**63), 2**63 - 1),
            "x": st.none() | st.floats(),
            "b": st.none() | st.binary(max_size=40),
            "o": st.none() | st.booleans(),
            "at": st.none() | st.integers(-(2**50), 2**50),
            "d": st.none() | st.integers(-10_000, 10_000),
        }
    ),
    max_size=20,
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    columns = {field.name: [row[field.name] for row in rows] for field in SCHEMA}
    plain = {
        "at": pa.array(columns["at"], pa.int64()).cast(SCHEMA.field("at").type),
        "d": pa.array(columns["d"], pa.int32()).cast(pa.date32()),
    }
    return pa.Table.from_arrays([plain.get(name, pa.array(columns[name], SCHEMA.field(name).type)) for name in SCHEMA.names], schema=SCHEMA)


def canonical(row: dict[str, Any]) -> tuple[Any, ...]:
    x = row["x"]
    real = None if x is None else "nan" if math.isnan(x) else x + 0.0
    return (row["t"], row["n"], real, row["b"], row["o"], row["at"], row["d"])


@settings(max_examples=60, deadline=None)
@given(rows=ROWS, data=st.data())
def test_the_digest_does_not_know_order_batches_or_workers(rows: list[dict[str, Any]], data: st.DataObject) -> None:
    whole = table(rows)
    expected = table_digest(whole, CONTRACT)
    shuffled = table(data.draw(st.permutations(rows)))
    cut = data.draw(st.integers(0, len(rows)))
    parts = pa.concat_tables([whole.slice(cut), whole.slice(0, cut)])
    for other in (shuffled, parts, parts.combine_chunks(), whole.select(SCHEMA.names[::-1])):
        assert table_digest(other, CONTRACT) == expected
        assert table_digest(other, CONTRACT, workers=4) == expected
    halves = sum_rows(whole.slice(0, cut))
    halves.merge(sum_rows(whole.slice(cut)))
    assert halves.hexdigest() == sum_rows(whole).hexdigest()
    halves.remove(sum_rows(whole.slice(cut)))
    assert (halves.hexdigest(), halves.count) == (sum_rows(whole.slice(0, cut)).hexdigest(), cut)


@settings(max_examples=60, deadline=None)
@given(rows=ROWS)
def test_two_rows_have_one_hash_only_if_they_are_equal(rows: list[dict[str, Any]]) -> None:
    hashes = row_hashes(table(rows))
    seen: dict[bytes, tuple[Any, ...]] = {}
    for place, each in enumerate(rows):
        assert seen.setdefault(hashes[16 * place : 16 * place + 16], canonical(each)) == canonical(each)
    assert len(seen) == len({canonical(each) for each in rows})


def test_minus_zero_is_zero_and_nan_is_nan_and_neither_is_null() -> None:
    def of(*values: float | None) -> list[bytes]:
        found = row_hashes(pa.table({"x": pa.array(values, pa.float64())}))
        return [found[at : at + 16] for at in range(0, len(found), 16)]

    odd = np.array([0x7FF8000000000001], dtype="u8").view("f8")[0]
    zero, minus, nan, other, null = of(0.0, -0.0, float("nan"), float(odd), None)
    assert zero == minus and nan == other and len({zero, nan, null}) == 3


def test_text_of_23_bytes_and_of_24_and_null_and_empty_are_told_apart() -> None:
    values = [None, "", "\0", "a" * 22, "a" * 23, "a" * 24, "a" * 25, "a" * 23 + "\0"]
    found = row_hashes(pa.table({"t": pa.array(values, pa.string())}))
    assert len({found[at : at + 16] for at in range(0, len(found), 16)}) == len(values)


def test_long_texts_that_repeat_are_hashed_as_those_that_do_not() -> None:
    long = ["x" * 30 + str(number % 3) for number in range(100)]
    together = row_hashes(pa.table({"t": long}))
    alone = b"".join(row_hashes(pa.table({"t": [each]})) for each in long)
    assert together == alone


def test_the_layout_of_text_and_a_slice_make_no_difference() -> None:
    texts = pa.array(["a", None, "a long text of more than twenty-three bytes", "ü"])
    expected = row_hashes(pa.table({"t": texts}))
    for kind in (pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())):
        assert row_hashes(pa.table({"t": texts.cast(kind)})) == expected
    padded = pa.concat_arrays([pa.array(["before"]), texts]).slice(1)
    assert row_hashes(pa.table({"t": padded})) == expected


def test_the_sum_of_no_rows_is_zero_and_a_doubled_row_counts_twice() -> None:
    assert (sum_hashes([]).hexdigest(), sum_rows(SCHEMA.empty_table()).count) == ("0" * 32, 0)
    one = table([dict.fromkeys(SCHEMA.names)])
    assert sum_rows(pa.concat_tables([one, one])).hexdigest() != sum_rows(one).hexdigest()


def test_the_form_of_a_digest_does_not_change() -> None:
    given_row = {"t": "käse", "n": -1, "x": 2.5, "b": b"\x00" * 30, "o": True, "at": 1_772_366_400_000_000, "d": 20_000}
    rows = table([given_row, dict.fromkeys(SCHEMA.names)])
    assert sum_rows(rows).hexdigest() == "ed281b9b3d626ca090f8a13feb8e27d1"


def test_a_type_no_contract_gives_is_refused() -> None:
    with pytest.raises(InputError, match="decimal"):
        row_hashes(pa.table({"x": pa.array([None], pa.decimal128(10, 2))}))
