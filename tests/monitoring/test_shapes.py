"""What a report keeps of its columns is enough for a picture and too little for a row."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.data.contracts import Column, Contract
from pilotage.monitoring import Window, column_shapes, diagnose, measure_drift

numbers = st.lists(st.none() | st.floats(-1e9, 1e9, allow_nan=False), max_size=40)
words = st.lists(st.none() | st.sampled_from("abcdefghijklmnopqrst"), max_size=60)


@settings(max_examples=60, deadline=None)
@given(before=numbers, after=numbers, words_before=words, words_after=words)
def test_shares_add_up_to_one_and_bins_ascend(before, after, words_before, words_after):
    for made in (
        column_shapes(pa.table({"x": pa.array(before, pa.float64())}), pa.table({"x": pa.array(after, pa.float64())})),
        column_shapes(pa.table({"x": pa.array(words_before, pa.string())}), pa.table({"x": pa.array(words_after, pa.string())})),
    ):
        for shape in made:
            json.dumps(shape.to_dict(), allow_nan=False)
            bins = len(shape.at) - 1 if shape.kind == "number" and shape.at else len(shape.at)
            for shares in (shape.before, shape.after):
                assert shares == () or (sum(shares) == pytest.approx(1) and len(shares) == bins and min(shares) >= 0)
            if shape.kind == "number":
                assert list(shape.at) == sorted(shape.at)
            assert all(0 <= share <= 1 for share in shape.missing)


def test_a_level_that_few_have_is_not_named():
    before = pa.table({"x": ["food"] * 50 + ["Ada Lovelace"] * 3})
    (shape,) = column_shapes(before, pa.table({"x": ["food"] * 40 + ["Grace Hopper"] * 10}))
    assert shape.at == ("food", "Grace Hopper", None)
    assert shape.after == pytest.approx((0.8, 0.2, 0.0)) and shape.before[-1] == pytest.approx(3 / 53)


def test_the_columns_behind_a_verdict_come_first_and_personal_ones_not_at_all():
    rng = np.random.default_rng(0)

    def made(shift):
        return pa.table({"calm": rng.normal(size=600), "secret": rng.normal(size=600) + shift, "moved": rng.normal(size=600) + shift})

    before, after = made(0.0), made(3.0)
    contract = Contract(
        name="c", owner="o", columns={"calm": Column(type="float"), "moved": Column(type="float"), "secret": Column(type="float", personal=True)}
    )
    found = diagnose(Window(before), Window(after), contract=contract)
    assert [shape.column for shape in found.shapes] == ["moved", "calm"]
    shape = found.shapes[0]
    assert shape.quantiles_after[2] - shape.quantiles_before[2] == pytest.approx(3, abs=0.3)
    assert [each["column"] for each in found.to_dict()["shapes"]] == ["moved", "calm"]
    drift = measure_drift(before, after, personal=["secret"])
    assert [each.column for each in drift.shapes] == ["moved", "calm"] and {column.name for column in drift.columns} == {"calm", "secret", "moved"}


def test_no_more_columns_are_kept_than_can_be_looked_at():
    wide = pa.table({f"c{n}": list(range(40)) for n in range(30)})
    assert len(column_shapes(wide, wide, first=["c29"])) == 12 and column_shapes(wide, wide, first=["c29"])[0].column == "c29"
