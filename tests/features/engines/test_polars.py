"""The engine of one machine, and the choice between engines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.features.engines import engine
from pilotage.features.expression import parse_expression

numbers = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))


@given(
    st.lists(st.tuples(numbers, numbers), min_size=1, max_size=8),
    st.sampled_from(["x / 100", "x // 0.3", "x % 7", "round(x, 1)", "x / y", "1 / x", "x / (100 if y is None else 100)", "x / (3 * 7)"]),
)
@settings(deadline=None, max_examples=300)
def test_a_quotient_has_the_bits_of_one_division_in_frames_and_requests(rows, text):
    expression, kinds = parse_expression(text), {"x": "float", "y": "float"}
    frame = pl.DataFrame({"x": [row[0] for row in rows], "y": [row[1] for row in rows]}, schema={"x": pl.Float64, "y": pl.Float64})
    compute = expression.to_python(kinds)
    in_frame = frame.select(expression.to_polars(kinds).alias("z"))["z"].to_list()
    assert [repr(value) for value in in_frame] == [repr(compute({"x": x, "y": y})) for x, y in rows]


@pytest.mark.parametrize("name", ["pandas", "local[", "spark:host", "local[2];rm", "http://spark", ""])
def test_an_engine_that_there_is_not_is_refused(name):
    with pytest.raises(InputError, match="There is no engine"):
        engine(name)


def test_the_setting_chooses_the_engine(monkeypatch):
    assert engine().name == "polars"
    monkeypatch.setenv("PILOTAGE_ENGINE", "local[2]")
    assert engine().name == "local[2]"
    monkeypatch.setenv("PILOTAGE_ENGINE", "flink")
    with pytest.raises(InputError, match="PILOTAGE_ENGINE"):
        engine()


def digest_with(threads: int, folder: Path) -> str:
    environment = {**os.environ, "POLARS_MAX_THREADS": str(threads), "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    program = "import runpy, sys; print(runpy.run_path(sys.argv[1])['batch_digest']('polars'))"
    done = subprocess.run(
        [sys.executable, "-c", program, str(Path(__file__).with_name("test_spark.py"))],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
        cwd=folder,
    )
    return done.stdout.strip()


def test_batch_output_has_one_digest_on_one_and_on_four_workers(tmp_path):
    assert digest_with(1, tmp_path) == digest_with(4, tmp_path) != ""
