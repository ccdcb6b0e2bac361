"""Distances between samples: what they must be at the edges, whatever the data."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp, wasserstein_distance

from pilotage.core import InputError
from pilotage.monitoring import measure_drift, psi_of_tables
from pilotage.monitoring.distances import jensen_shannon, kolmogorov_smirnov, psi, quantile_distance, scale_of, total_variation

COUNTS = st.lists(st.integers(0, 500), min_size=2, max_size=12).filter(lambda counts: sum(counts) > 0)


def drift(reference: list[float], production: list[float]):
    return measure_drift(pa.table({"x": reference}), pa.table({"x": production})).column("x")


@given(COUNTS, st.data())
def test_distances_are_never_negative_and_bounded(counts, data):
    other = data.draw(st.lists(st.integers(0, 500), min_size=len(counts), max_size=len(counts)).filter(lambda c: sum(c) > 0))
    p, q = np.array(counts, dtype=float), np.array(other, dtype=float)
    assert psi(p, q) >= 0 and np.isfinite(psi(p, q))
    assert 0 <= jensen_shannon(p, q) <= 1
    assert 0 <= total_variation(p, q) <= 1 + 1e-12


@given(COUNTS)
def test_a_sample_is_at_no_distance_from_itself(counts):
    p = np.array(counts, dtype=float)
    assert psi(p, p) == pytest.approx(0) and total_variation(p, p) == 0 and jensen_shannon(p, p) == pytest.approx(0, abs=1e-6)


@given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60), st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=60))
@settings(deadline=None)
def test_ks_and_w1_are_those_of_scipy(a, b):
    first, second = np.sort(a), np.sort(b)
    assert kolmogorov_smirnov(first, second) == pytest.approx(ks_2samp(a, b, method="asymp").statistic, abs=1e-12)
    assert quantile_distance(first, second) == pytest.approx(wasserstein_distance(a, b), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("reference", "production"),
    [
        ([0.0] * 100, [1.0] * 100),  # two constants
        ([0.0, 1.0] * 50, [0.5] * 100),  # into the gap between two values
        (list(range(100)), list(range(1000, 1100))),
        (list(np.linspace(0, 1, 500)), list(np.linspace(-2, -1, 500))),
    ],
)
def test_samples_that_share_nothing_are_as_far_apart_as_can_be(reference, production):
    column = drift([float(x) for x in reference], [float(x) for x in production])
    assert column.figure("js").estimate == pytest.approx(1)
    assert column.figure("psi").estimate > 3
    assert column.drifted


def test_levels_that_share_nothing_are_apart():
    column = measure_drift(pa.table({"x": ["a", "b"] * 50}), pa.table({"x": ["c", "d"] * 50})).column("x")
    assert column.figure("tv").estimate == 1 and column.figure("psi").estimate > 3 and column.drifted


def test_two_samples_of_one_source_are_within_the_noise():
    rng = np.random.default_rng(1)
    found = measure_drift(pa.table({f"c{i}": rng.normal(size=2000) for i in range(8)}), pa.table({f"c{i}": rng.normal(size=2000) for i in range(8)}))
    assert found.drifted == ()
    beyond = [
        figure for column in found.columns for figure in column.figures if "noise" in figure.detail and figure.estimate > figure.detail["noise"]
    ]
    assert len(beyond) <= 6  # 5 % of 32, and room


def test_intervals_contain_the_truth_of_a_known_shift():
    hits = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        column = measure_drift(pa.table({"x": rng.normal(size=1500)}), pa.table({"x": rng.normal(0.5, size=1500)})).column("x")
        hits += column.figure("ks").lower <= 0.1974 <= column.figure("ks").upper  # 2 Φ(0.25) - 1
    assert hits >= 16


def test_a_column_that_hardly_varies_does_not_divide_by_zero():
    assert scale_of(np.zeros(10)) == 1.0
    tolls = np.sort(np.concatenate([np.zeros(980), np.full(20, 6.5)]))
    assert scale_of(tolls) == pytest.approx(0.65)
    column = drift(list(tolls), [0.0] * 985 + [6.5] * 15)
    assert not column.drifted and column.figure("w1").estimate < 0.1


def test_too_few_values_are_not_assessable_and_not_zero():
    column = drift([1.0] * 10, [2.0] * 500)
    assert column.figure("psi").status == "not_assessable" and "10 values" in column.figure("psi").reason


def test_a_column_without_values_is_not_assessable_and_its_missing_values_are_a_figure():
    column = measure_drift(pa.table({"x": [1.0, 2.0] * 100}), pa.table({"x": pa.array([None] * 200, pa.float64())})).column("x")
    assert column.figure("psi").status == "not_assessable"
    assert column.figure("missing_change").estimate == 1 and column.drifted


def test_times_and_names_are_left_out_with_the_reason():
    n = 2000
    when = pa.array(range(n), pa.timestamp("us", tz="UTC"))
    table = pa.table({"at": when, "id": [f"row-{i}" for i in range(n)], "x": [float(i % 7) for i in range(n)]})
    other = table.set_column(1, "id", pa.array([f"new-{i}" for i in range(n)]))
    found = measure_drift(table, other)
    assert set(found.left_out) == {"at", "id"} and [column.name for column in found.columns] == ["x"]


def test_an_infinite_value_is_refused():
    with pytest.raises(InputError, match="infinite"):
        drift([1.0, float("inf")], [1.0, 2.0])


def test_the_quick_look_gives_the_same_psi():
    rng = np.random.default_rng(2)
    a, b = pa.table({"x": rng.normal(size=900), "l": rng.choice(["u", "v"], 900)}), pa.table({"x": rng.normal(1, size=700), "l": ["u"] * 700})
    quick, whole = psi_of_tables(a, b), measure_drift(a, b)
    assert quick == {name: pytest.approx(whole.column(name).figure("psi").estimate) for name in ("x", "l")}


def test_the_same_seed_gives_the_same_figures():
    rng = np.random.default_rng(3)
    a, b = pa.table({"x": rng.normal(size=300)}), pa.table({"x": rng.normal(size=300)})
    assert measure_drift(a, b, seed=5).to_dict() == measure_drift(a, b, seed=5).to_dict()
