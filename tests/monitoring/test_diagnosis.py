"""The ladder: each cause put in comes out, or "undecided"; a changed unit is never concept drift. The full count is benchmarks/causes.py."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pytest

from pilotage.core import InputError
from pilotage.monitoring import Cause, Window, diagnose, find_data_bugs, label_shift, window


@pytest.fixture(scope="module")
def causes() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "causes.py"
    spec = importlib.util.spec_from_file_location("causes", path)
    assert spec is not None and spec.loader is not None
    module = sys.modules["causes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "cause", ["nothing", "covariate shift harmless", "covariate shift harmful", "concept drift", "label shift", "unit change", "null burst"]
)
def test_the_cause_put_in_comes_out(causes, cause):
    said = [str(causes.run(cause, seed, n=3000).cause) for seed in (200, 201)]
    assert set(said) <= {causes.EXPECTED[cause], "undecided"}
    assert said.count(causes.EXPECTED[cause]) >= 1


def test_a_changed_unit_is_never_concept_drift_even_where_nothing_is_declared(causes):
    for seed in range(3):
        reference, production = causes.windows("unit change", seed, n=1000)
        assert diagnose(reference, production, units=causes.UNITS).cause is Cause.DATA_BUG
        # Undeclared, it cannot be named; the inputs have left the reference, and that is what is said.
        assert diagnose(reference, production).cause is not Cause.NOTHING


def test_concept_drift_is_not_claimed_without_labels(causes):
    reference, production = causes.windows("concept drift", 1, n=3000, labels=False)
    found = diagnose(reference, production, units=causes.UNITS)
    assert found.cause is Cause.NOTHING
    assert any("concept drift" in note for note in found.notes)


def test_harm_is_found_before_labels(causes):
    reference, production = causes.windows("covariate shift harmful", 1, n=3000, labels=False)
    found = diagnose(reference, production, units=causes.UNITS)
    assert found.cause is Cause.COVARIATE_HARMFUL
    assert found.figure("estimated_drop.accuracy").lower > 0
    assert "distance" in found.columns


def test_every_rung_is_told_with_its_figures(causes):
    found = causes.run("concept drift", 1, n=3000)
    assert [rung.name for rung in found.path] == ["data", "size", "inputs", "estimate", "realised", "truth given inputs", "label shift"]
    assert found.figure("loss_change.concept").lower > 0
    for figure in found.figures:
        assert figure.n > 0 and (figure.measured or figure.reason)
    total, covariate, concept = (found.figure(f"loss_change.{part}").estimate for part in ("total", "covariate", "concept"))
    assert total == pytest.approx(covariate + concept)
    assert found.to_dict()["thresholds"]["alpha"] == 0.01 and str(found).startswith("concept drift")


def test_the_same_seed_gives_the_same_diagnosis(causes):
    assert causes.run("label shift", 3, n=1500).to_dict() == causes.run("label shift", 3, n=1500).to_dict()


def test_too_few_rows_are_undecided_and_say_how_many_are_needed(causes):
    reference, production = causes.windows("concept drift", 1, n=200)
    found = diagnose(reference, production)
    assert found.cause is Cause.UNDECIDED and "n too small" in found.why and found.n_needed == 300


def test_nothing_is_not_said_where_a_change_could_not_have_been_seen(causes):
    reference, production = causes.windows("nothing", 1, n=320)
    found = diagnose(reference, production)
    assert found.cause is Cause.UNDECIDED and found.n_needed is not None and found.n_needed > 320


def test_a_reference_that_is_the_training_data_decides_nothing_about_harm(causes):
    reference, production = causes.windows("covariate shift harmful", 1, n=2000, labels=False)
    found = diagnose(reference, production, reference_is_training=True)
    assert found.cause is Cause.UNDECIDED and "training data" in found.why


def test_windows_without_a_model_are_looked_at_too(causes):
    reference, production = causes.windows("covariate shift harmless", 1, n=2000)
    found = diagnose(Window(reference.features), Window(production.features))
    assert found.cause is Cause.UNDECIDED and "without scores" in found.why and "visits" in found.columns


def test_labels_that_come_late_are_used_as_far_as_they_are_there(causes):
    reference, production = causes.windows("concept drift", 1, n=4000)
    labels = production.labels.copy()
    labels[2000:] = -1
    found = diagnose(reference, replace(production, labels=labels))
    assert found.cause is Cause.CONCEPT and found.n_labelled == 2000


def test_label_shift_is_estimated_without_labels(causes):
    inside = 0
    for seed in range(10):
        reference, production = causes.windows("label shift", seed, n=2000)
        found = label_shift(reference, replace(production, labels=None))
        inside += found.estimated_prior.lower <= float((production.labels == 1).mean()) <= found.estimated_prior.upper
        assert found.p_x_given_y is None and found.prior_change.status == "not_assessable"
    assert inside >= 8


# ---------------------------------------------------------------- bugs of the data


def bugs(before: dict, now: dict, **more):
    return find_data_bugs(Window(pa.table(before)), Window(pa.table(now)), **more)


@pytest.mark.parametrize(
    ("unit", "change", "named"),
    [
        ("km", lambda x: x * 1000, "km to m"),
        ("km", lambda x: x / 1.609344, "km to mi"),
        ("degC", lambda x: x * 1.8 + 32, "degC to degF"),
        ("temperature", lambda x: x + 273.15, "degC to K"),
        ("EUR", lambda x: x * 100, "EUR to EUR_minor"),
        ("ratio", lambda x: x * 100, "ratio to percent"),
    ],
)
def test_a_changed_unit_is_named(unit, change, named):
    rng = np.random.default_rng(1)
    found = bugs({"x": rng.normal(20, 4, 2000)}, {"x": change(rng.normal(20, 4, 1500))}, units={"x": unit})
    assert [bug.kind for bug in found] == ["unit"] and named in found[0].what
    assert found[0].figure.detail["ks_after"] < 0.1 < 0.7 < found[0].figure.detail["ks_before"]


def test_a_season_is_not_a_changed_unit():
    rng = np.random.default_rng(2)
    for warmer in np.linspace(-25, 25, 21):
        assert bugs({"x": rng.normal(12, 6, 1500)}, {"x": rng.normal(12 + warmer, 6, 1500)}, units={"x": "degC"}) == ()


def test_an_undeclared_column_is_never_said_to_have_changed_its_unit():
    rng = np.random.default_rng(3)
    assert bugs({"x": rng.normal(20, 4, 500)}, {"x": rng.normal(20, 4, 500) * 1000}) == ()


def test_an_unknown_unit_is_refused():
    rng = np.random.default_rng(3)
    with pytest.raises(InputError, match="Unknown unit"):
        bugs({"x": rng.normal(size=99)}, {"x": rng.normal(9, size=99)}, units={"x": "parsnips"})


def test_columns_that_broke_are_named_by_how_they_broke():
    rng = np.random.default_rng(4)
    n = 1000
    before = {"gone": np.zeros(n), "typed": np.zeros(n), "stuck": rng.normal(size=n), "null": rng.normal(size=n), "level": rng.choice(["a", "b"], n)}
    now = {
        "typed": ["0"] * n,
        "stuck": np.full(n, 7.0),
        "null": pa.array(np.where(rng.random(n) < 0.2, np.nan, 0.5), from_pandas=True),
        "level": rng.choice(["a", "A", "B"], n),
    }
    assert {bug.column: bug.kind for bug in bugs(before, now)} == {
        "gone": "gone",
        "typed": "type",
        "stuck": "stuck",
        "null": "missing",
        "level": "levels",
    }


def test_a_few_more_missing_values_are_no_burst():
    rng = np.random.default_rng(5)
    holes = [pa.array(np.where(rng.random(2000) < share, np.nan, rng.normal(size=2000)), from_pandas=True) for share in (0.02, 0.04)]
    assert bugs({"x": holes[0]}, {"x": holes[1]}) == ()


# ---------------------------------------------------------------- windows


def test_a_window_reads_its_columns_by_what_they_mean():
    table = pa.table({"id": [1, 2, 3], "x": [0.1, 0.2, 0.3], "p": [0.2, 0.7, 0.5], "y": pa.array([0, None, 1]), "g": ["a", None, "b"]})
    found = window(table, score="p", label="y", group="g", leave_out=["id"], threshold=0.5)
    assert found.features.column_names == ["x"]
    assert found.decisions.tolist() == [False, True, True] and found.labels.tolist() == [0, -1, 1] and found.groups == ("a", "(none)", "b")


@pytest.mark.parametrize(
    ("table", "names", "match"),
    [
        ({"p": [0.5, 1.5]}, {"score": "p"}, "between 0 and 1"),
        ({"p": [0.5, None]}, {"score": "p"}, "have no 'p'"),
        ({"y": [0, 2]}, {"label": "y"}, "neither 0 nor 1"),
        ({"y": [0, 1]}, {"label": "z"}, "no column 'z'"),
    ],
)
def test_a_window_refuses_what_it_cannot_read(table, names, match):
    with pytest.raises(InputError, match=match):
        window(pa.table(table), **names)
