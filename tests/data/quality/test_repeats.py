from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.data.quality import run_gate
from pilotage.data.quality.repeats import repeats

from .tables_for_tests import DTYPES, contract, frame, result

_NUMBERS = (
    st.lists(st.integers(-3, 12) | st.none(), max_size=20)  # close together
    | st.lists(st.sampled_from([-(1 << 63), -7, 0, 5, 1 << 40, (1 << 63) - 1]) | st.none(), max_size=12)  # far apart
    | st.sets(st.integers(-(1 << 63), (1 << 63) - 1), max_size=12).map(sorted)  # in growing order
)


def _naive(values: list[Any]) -> list[int]:
    return [row for row, value in enumerate(values) if value in values[:row]]


@settings(max_examples=200, deadline=None)
@given(_NUMBERS, st.integers(0, 5))
def test_repeats_are_those_a_row_by_row_reading_finds(values: list[int | None], rows: int) -> None:
    expected = _naive(values)
    for dtype in (pl.Int64(), pl.Datetime("us")):
        found = repeats(pl.Series(values, dtype=pl.Int64()).cast(dtype).to_physical(), rows=rows).item()
        assert found["n"] == len(expected)
        assert found["rows"] in (None, expected[:rows])
        if not expected:
            assert found["rows"] is not None


@settings(max_examples=60, deadline=None)
@given(_NUMBERS.filter(bool))
@pytest.mark.parametrize("engine", ["in-memory", "streaming"])
def test_a_gate_names_the_first_rows_whose_key_another_row_has(engine: Any, values: list[int | None]) -> None:
    expected = _naive(values)
    for kind in ("int", "timestamp"):
        # A time beyond the year 9999 is no Python time, and a failing row is shown as one.
        if kind == "timestamp" and any(value is not None and abs(value) > 1 << 40 for value in values):
            continue
        made = contract({"k": {"type": kind}}, key=["k"])
        table = pl.DataFrame({"k": pl.Series(values, dtype=pl.Int64()).cast(DTYPES[kind])})
        found = result(run_gate(table.lazy(), made, engine=engine, examples=4), "key is unique")
        assert (found.figure, found.failing_rows) == (len(expected), tuple(expected[:4]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a", "ab", "a long level of thirty letters", "another long one of letters", "", None]), min_size=1, max_size=12))
def test_few_levels_and_many_are_told_apart_alike(values: list[str | None]) -> None:
    few = ["ab", "a long level of thirty letters"]
    for levels in (few, [*few, *(f"level {number}" for number in range(20))]):
        made = contract({"x": {"type": "text", "nullable": True, "levels": levels}})
        expected = [row for row, value in enumerate(values) if value is not None and value not in levels]
        for engine in ("in-memory", "streaming"):
            found = result(run_gate(frame(made, [{"x": value} for value in values]).lazy(), made, engine=engine), "x has a known level")
            assert (found.figure, found.failing_rows) == (len(expected), tuple(expected[:10]))


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32), st.sampled_from([1, 3, 40]), st.integers(0, 3))
def test_repeats_within_and_across_the_pieces_of_a_long_column_are_found(seed: int, spread: int, shift: int) -> None:
    rng = np.random.default_rng(seed)
    values = np.arange(100_000) * spread - 1_000
    values[rng.integers(0, len(values), 20)] = values[rng.integers(0, len(values), 20)]
    values = np.roll(values, int(rng.integers(0, len(values)))) if shift else values
    values = rng.permutation(values) if shift == 2 else values
    first = np.zeros(len(values), dtype=bool)
    first[np.unique(values, return_index=True)[1]] = True
    found = repeats(pl.Series(values), rows=6).item()
    assert found["n"] == len(values) - int(first.sum())
    expected = np.flatnonzero(~first)[:6].tolist()
    assert found["rows"] == expected or (spread == 40 and found["rows"] is None)
