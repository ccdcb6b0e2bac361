from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.data.quality.distribution import describe, quantiles
from pilotage.data.quality.profile import GRID

SHAPES: dict[str, Any] = {
    "even": lambda rng, n: rng.uniform(size=n),
    "skewed": lambda rng, n: rng.lognormal(0, 3, n),
    "heavy tails": lambda rng, n: rng.standard_cauchy(n) ** 3,
    "mostly zero": lambda rng, n: np.where(rng.uniform(size=n) < 0.03, rng.normal(size=n), 0.0),
    "both zeros": lambda rng, n: rng.choice([0.0, -0.0], n),
    "one value": lambda rng, n: np.full(n, -7.5),
    "from end to end of the floats": lambda rng, n: rng.choice([-1.7e308, -1.0, 5e-324, 0.0, 1.7e308], n) * rng.uniform(0.1, 1, n),
    "hardly above zero": lambda rng, n: rng.integers(0, 50, n) * 5e-324,
    "few whole numbers": lambda rng, n: rng.integers(-50, 50, n),
    "far whole numbers": lambda rng, n: rng.integers(-(1 << 63), (1 << 63) - 1, n),
    "whole numbers that floats blur": lambda rng, n: (1 << 60) + rng.integers(0, 1_000_000, n),
    "lengths": lambda rng, n: rng.integers(0, 70_000, n).astype(np.uint32),
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 2, 100, 101, 30_011, 200_000])
def test_quantiles_are_the_values_of_their_ranks(shape: str, n: int) -> None:
    values = SHAPES[shape](np.random.default_rng(n), n)
    ordered = np.sort(values)
    assert quantiles(values).tolist() == [ordered[(n - 1) * step // (GRID - 1)] for step in range(GRID)]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1 << 32), st.sampled_from(sorted(SHAPES)))
def test_a_description_does_not_depend_on_the_order_of_the_values(seed: int, shape: str) -> None:
    rng = np.random.default_rng(seed)
    values = SHAPES[shape](rng, 20_000)
    one, two = (describe(pl.Series(given), moments=True).item() for given in (values, rng.permutation(values)))
    assert repr(one) == repr(two)
    assert one["grid"][0] == values.min() and one["grid"][-1] == values.max()
    assert math.isfinite(one["mean"]) and one["sd"] >= 0.0


def test_mean_and_deviation_of_a_long_column_are_those_of_numpy() -> None:
    values = np.random.default_rng(5).normal(3.0, 2.0, 300_000)
    found = describe(pl.Series([*values.tolist(), None]), moments=True).item()
    assert (found["mean"], found["sd"]) == pytest.approx((values.mean(), values.std()), rel=1e-9)


def test_without_values_nothing_is_described() -> None:
    assert describe(pl.Series([None, None], dtype=pl.Float64()), moments=True).item() == {"grid": None, "mean": None, "sd": None}
