from __future__ import annotations

import math
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data.contracts import Contract
from pilotage.data.quality import History, compile_checks, run_gate

from .tables_for_tests import NOW, contract, frame, naive_counts, result

AT = datetime(2025, 12, 31, tzinfo=UTC)

_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(-5, 5),
    "float": st.floats(allow_nan=True, allow_infinity=True) | st.floats(-5, 5),
    "text": st.text(alphabet="aäb1\n", max_size=4),
    "bool": st.booleans(),
}


@st.composite
def column_of(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    rule: dict[str, Any] = {"type": kind, "nullable": draw(st.booleans())}
    if kind in ("int", "float"):
        low, high = sorted((draw(st.integers(-4, 4)), draw(st.integers(-4, 4) | st.floats(-4, 4))))
        rule |= draw(st.sampled_from([{}, {"minimum": low}, {"maximum": high}, {"minimum": low, "maximum": high}]))
    if kind == "text":
        rule |= draw(st.sampled_from([{}, {"min_length": 1}, {"max_length": 2}, {"pattern": "a|[äb]+"}, {"levels": ["a", "b"]}]))
    if kind == "int" and draw(st.booleans()):
        rule["levels"] = draw(st.lists(st.integers(-3, 3), min_size=1, max_size=3, unique=True))
    return rule


@st.composite
def tables(draw: st.DrawFn) -> tuple[Contract, list[dict[str, Any]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(_VALUES)), min_size=1, max_size=4))
    columns = {f"c{number}": draw(column_of(kind)) for number, kind in enumerate(kinds)}
    columns["k"], columns["l"] = {"type": "int"}, {"type": "text"}
    made = contract(columns, key=draw(st.sampled_from([["k"], ["k", "l"]])))
    row = st.fixed_dictionaries(
        {f"c{number}": st.none() | _VALUES[kind] for number, kind in enumerate(kinds)} | {"k": st.integers(0, 4), "l": st.sampled_from("xy")}
    )
    return made, draw(st.lists(row, min_size=1, max_size=12))


@settings(max_examples=120, deadline=None)
@given(tables())
def test_the_one_select_counts_what_a_row_by_row_reading_counts(table: tuple[Contract, list[dict[str, Any]]]) -> None:
    made, rows = table
    expected = naive_counts(made, rows)
    for engine in ("in-memory", "streaming"):
        report = run_gate(frame(made, rows).lazy(), made, engine=engine)
        found = {(each.kind, each.column): each.figure for each in report.results if each.kind != "schema"}
        assert found == expected
        assert report.verdict == ("fail" if any(expected.values()) else "pass")


@settings(max_examples=40, deadline=None)
@given(tables(), st.randoms(use_true_random=False))
def test_the_order_of_the_rows_changes_no_figure_and_no_profile(table: tuple[Contract, list[dict[str, Any]]], random: Any) -> None:
    made, rows = table
    shuffled = list(rows)
    random.shuffle(shuffled)
    one, two = run_gate(frame(made, rows), made, examples=0), run_gate(frame(made, shuffled), made, examples=0)
    assert one == two


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=64), min_size=1, max_size=30))
@example([1.1714499703795195e-306])
def test_sums_means_and_deviations_are_those_of_exact_arithmetic(values: list[float]) -> None:
    from fractions import Fraction

    made = contract({"x": {"type": "float"}}, checks=[{"name": "sum of x", "kind": "sum", "column": "x", "at_least": -1e308}])
    report = run_gate(frame(made, [{"x": value} for value in values]), made)
    exact = [Fraction(value) for value in values]
    # Each value is rounded once, by at most 2**-63 of the power of two above the largest.
    grid = 2.0 ** max(math.frexp(max(abs(value) for value in values))[1] - 62, -1_062)
    figure = result(report, "sum of x").figure
    if figure is None:
        assert abs(sum(exact)) > sys.float_info.max * (1 - 2**-50)
    else:
        assert abs(Fraction(figure) - sum(exact)) <= Fraction(grid) * len(values) + abs(sum(exact)) / (1 << 50)
    mean = sum(exact) / len(exact)
    column = report.profile.columns["x"]
    # The profile's sums leave room for all rows in 64 bits: each is cut at 2**-59 of that power, a bit more for each doubling of the rows.
    scale = max(math.frexp(max(abs(value) for value in values))[1], -1_000)
    cut = Fraction(2) ** (scale - 59 + (len(values) - 1).bit_length())
    assert column.mean is not None and abs(Fraction(column.mean) - mean) <= cut + abs(mean) / (1 << 50)
    assert column.grid[0] == min(values) and column.grid[-1] == max(values)


def test_one_and_four_threads_make_the_same_report(tmp_path: Path) -> None:
    script = """
import sys
from pilotage.core import digest
from pilotage.data.quality import run_gate
from tests.data.quality.tables_for_tests import TRIPS, month_of_trips
import polars as pl
assert pl.thread_pool_size() == int(sys.argv[1])
frame = month_of_trips(3, 7, rows=30_000, nulls=0.1)
for engine in ("in-memory", "streaming"):
    report = run_gate(frame.lazy(), TRIPS, engine=engine)
    print(digest([report.to_dict(), report.profile.to_dict()]))
"""
    root = Path(__file__).resolve().parents[3]
    said = set()
    for threads in ("1", "4"):
        path = os.pathsep.join([str(root / "src"), str(root)])
        environment = {**os.environ, "POLARS_MAX_THREADS": threads, "PYTHONPATH": path}
        done = subprocess.run([sys.executable, "-c", script, threads], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path)
        said |= set(done.stdout.split())
    assert len(said) == 1


def test_everything_is_one_select_of_aggregations() -> None:
    made = contract({"k": {"type": "int", "minimum": 0}, "x": {"type": "float", "nullable": True}}, key=["k"])
    compiled = compile_checks(made, profile=True)
    names = [expression.meta.output_name() for expression in compiled.expressions]
    assert len(names) == len(set(names))
    assert frame(made, [{"k": 1, "x": 0.5}, {"k": 2, "x": None}]).lazy().select(compiled.expressions).collect().height == 1


def test_failing_rows_are_named_with_key_value_and_reason() -> None:
    made = contract({"k": {"type": "text"}, "x": {"type": "int", "maximum": 9}}, key=["k"])
    report = run_gate(frame(made, [{"k": "a", "x": 3}, {"k": "b", "x": 12}, {"k": "c", "x": 40}]), made, examples=1)
    failed = result(report, "x <= 9")
    assert (failed.status, failed.figure, failed.limit, failed.n, failed.failing_rows) == ("fail", 2.0, 0.0, 3, (1,))
    assert failed.examples[0].to_dict() == {"row": 1, "key": {"k": "b"}, "value": 12, "reason": "above 9"}
    assert "x <= 9: 2 (at most 0, n = 3); above 9" in str(report)


def test_personal_data_is_in_no_report() -> None:
    made = contract(
        {"mail": {"type": "text", "personal": True, "pattern": ".+@.+"}, "age": {"type": "int", "maximum": 120}, "who": {"type": "text"}},
        key=["mail"],
        subject="who",
        checks=[{"name": "adult", "kind": "expression", "expression": "who != 'Grace Hopper'"}],
    )
    rows = [{"mail": "ada@lovelace", "age": 200, "who": "Grace Hopper"}, {"mail": "no address", "age": 3, "who": "Alan Turing"}]
    report = run_gate(frame(made, rows), made)
    assert len(report.failed) == 3
    text = f"{report.to_dict()}{report.profile.to_dict()}{report}{report._repr_html_()}"
    assert "lovelace" not in text and "no address" not in text and "Turing" not in text
    assert {each.key for each in result(report, "age <= 120").examples} == {None}


def test_nulls_of_a_column_that_may_be_null_break_nothing() -> None:
    made = contract({"x": {"type": "float", "nullable": True, "minimum": 0}, "t": {"type": "text", "nullable": True, "levels": ["a"]}})
    assert run_gate(frame(made, [{"x": None, "t": None}]), made).verdict == "pass"


def test_not_a_number_is_no_value_and_breaks_no_range() -> None:
    made = contract({"x": {"type": "float", "minimum": 0, "maximum": 1}})
    report = run_gate(frame(made, [{"x": math.nan}, {"x": math.inf}, {"x": 0.5}]), made)
    assert [(each.kind, each.figure) for each in report.failed] == [("finite", 2.0)]
    assert report.failed[0].examples[0].value == "nan"
    column = report.profile.columns["x"]
    assert (column.odd, column.values, column.mean, column.sd) == (2, 1, 0.5, 0.0)


def test_whole_numbers_beyond_the_floats_are_compared_exactly() -> None:
    big = 1 << 53
    made = contract({"x": {"type": "int", "maximum": (1 << 53) - 1}}, checks=[{"name": "s", "kind": "sum", "column": "x", "at_most": 1}])
    report = run_gate(frame(made, [{"x": big}, {"x": -big}, {"x": (1 << 63) - 1}, {"x": (1 << 63) - 1}]), made)
    assert result(report, "x <= 9.0072e+15").figure == 3.0
    assert result(report, "s").figure == float((1 << 64) - 2)


def test_lists_are_measured_by_their_entries() -> None:
    made = contract({"tags": {"type": "list", "max_length": 2}})
    assert result(run_gate(frame(made, [{"tags": '["a","b,c"]'}, {"tags": "[1,2,3]"}]), made), "length of tags <= 2").figure == 1.0


def test_new_levels_follow_the_policy_and_the_rate() -> None:
    rows = [{"x": level} for level in "aaaaaaaaac"]
    base: dict[str, Any] = {"type": "text", "levels": ["a", "b"]}
    for policy, verdict, failed in [("refuse", "fail", 1), ("review", "pass", 1), ("allow", "pass", 0)]:
        made = contract({"x": {**base, "level_policy": policy}})
        report = run_gate(frame(made, rows), made)
        assert (report.verdict, len(report.failed)) == (verdict, failed)
    limited = contract({"x": {**base, "level_policy": "allow", "max_new_level_share": 0.05}})
    over = result(run_gate(frame(limited, rows), limited), "share of new levels of x")
    assert (over.status, over.figure, over.at_most, over.failing_rows) == ("fail", 0.1, 0.05, (9,))


def test_declared_checks_have_figure_limit_and_severity() -> None:
    made = contract(
        {"a": {"type": "int", "nullable": True}, "b": {"type": "int"}, "at": {"type": "timestamp"}},
        event_time="at",
        available_lag="0s",
        checks=[
            {"name": "enough", "kind": "row_count", "at_least": 4},
            {"name": "mostly there", "kind": "null_share", "column": "a", "at_most": 0.25},
            {"name": "few kinds", "kind": "distinct", "column": "b", "at_most": 1, "severity": "warning"},
            {"name": "total", "kind": "sum", "column": "b", "at_least": 0, "at_most": 10},
            {"name": "fresh", "kind": "freshness", "max_age": "12h"},
            {"name": "pairs", "kind": "unique", "columns": ["a", "b"]},
            {"name": "order", "kind": "expression", "expression": "a <= b", "at_least": 0.5},
        ],
    )
    rows = [{"a": 1, "b": 1, "at": AT}, {"a": None, "b": 5, "at": AT}, {"a": 9, "b": 5, "at": AT}]
    report = run_gate(frame(made, rows), made, now_us=NOW)
    figures = {each.check: (each.status, each.figure, each.limit, each.n) for each in report.results}
    assert figures["enough"] == ("fail", 3.0, 4.0, 3)
    assert figures["mostly there"] == ("fail", 1 / 3, 0.25, 3)
    assert figures["few kinds"] == ("fail", 2.0, 1.0, 3)
    assert figures["total"] == ("fail", 11.0, 10.0, 3)
    assert figures["fresh"] == ("fail", 86_400.0, 43_200.0, 3)
    assert figures["pairs"] == ("pass", 0.0, 0.0, 3)
    assert figures["order"] == ("pass", 0.5, 0.5, 2)
    assert report.verdict == "fail"


def test_warnings_never_fail_a_gate() -> None:
    made = contract({"x": {"type": "int"}}, checks=[{"name": "few", "kind": "row_count", "at_most": 0, "severity": "warning"}])
    report = run_gate(frame(made, [{"x": 1}]), made)
    assert (report.verdict, [each.check for each in report.failed]) == ("pass", ["few"])


def test_what_cannot_be_assessed_leaves_the_gate_inconclusive() -> None:
    made = contract({"x": {"type": "timestamp"}}, checks=[{"name": "fresh", "kind": "freshness", "column": "x", "max_age": "1d"}])
    report = run_gate(frame(made, [{"x": AT}]), made)
    assert report.verdict == "inconclusive"
    assert result(report, "fresh").reason == "nobody said what time it is"


def test_a_table_without_rows_is_not_assessable_and_not_a_pass() -> None:
    made = contract({"x": {"type": "int"}}, checks=[{"name": "share", "kind": "null_share", "column": "x", "at_most": 0.5}])
    report = run_gate(frame(made, []), made)
    assert report.verdict == "not_assessable"
    assert {each.figure for each in report.results if each.kind != "schema"} == {None}
    counted = contract({"x": {"type": "int"}}, checks=[{"name": "some", "kind": "row_count", "at_least": 1}])
    assert run_gate(frame(counted, []), counted).verdict == "fail"


def test_rows_from_the_future_and_rows_available_before_they_happened_fail() -> None:
    columns = {"at": {"type": "timestamp"}, "known": {"type": "timestamp"}}
    made = contract(columns, event_time="at", available_time="known")
    later = datetime(2026, 6, 1, tzinfo=UTC)
    report = run_gate(frame(made, [{"at": AT, "known": later}, {"at": later, "known": AT}]), made, now_us=NOW)
    assert {each.kind for each in report.failed} == {"order", "future"}
    plans = contract(columns, event_time="at", available_time="known", forecasts=True)
    assert run_gate(frame(plans, [{"at": later, "known": AT}]), plans, now_us=NOW).verdict == "pass"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pl.DataFrame({"x": [1]}), "no column 'y'"),
        (pl.DataFrame({"x": [1.0], "y": ["a"]}), "is Float64, not int"),
        (pl.DataFrame({"x": [1], "y": ["a"], "z": [1]}), "knows nothing of the column 'z'"),
    ],
)
def test_a_table_of_another_form_is_refused(table: pl.DataFrame, said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_gate(table, contract({"x": {"type": "int"}, "y": {"type": "text"}}))


def test_a_sum_of_texts_and_freshness_without_a_time_are_refused() -> None:
    with pytest.raises(InputError, match="which is text"):
        compile_checks(contract({"x": {"type": "text"}}, checks=[{"name": "s", "kind": "sum", "column": "x", "at_most": 1}]))
    with pytest.raises(InputError, match="no time to tell it by"):
        compile_checks(contract({"x": {"type": "text"}}, checks=[{"name": "f", "kind": "freshness", "max_age": "1d"}]))


def test_a_file_is_gated_where_it_lies(tmp_path: Path) -> None:
    made = contract({"k": {"type": "int"}, "x": {"type": "float", "maximum": 1}}, key=["k"])
    table = frame(made, [{"k": number, "x": number / 10} for number in range(20)])
    table.write_parquet(tmp_path / "table.parquet")
    scanned, held = run_gate(pl.scan_parquet(tmp_path / "table.parquet"), made), run_gate(table.to_arrow(), made)
    assert scanned == held
    assert result(scanned, "x <= 1").failing_rows == tuple(range(11, 20))


def test_of_a_repeated_key_the_rows_beyond_the_first_are_named() -> None:
    for key, values in (("int", [7, 3, 7, 5, 3, 7]), ("text", ["g", "c", "g", "e", "c", "g"])):
        made = contract({"k": {"type": key}}, key=["k"])
        repeated = result(run_gate(frame(made, [{"k": value} for value in values]), made), "key is unique")
        assert (repeated.figure, repeated.failing_rows) == (3.0, (2, 4, 5))
        assert repeated.examples[0].reason == "another row has the same k"


def test_without_a_profile_the_checks_are_the_same_and_a_history_brings_it_back() -> None:
    made = contract({"x": {"type": "float", "maximum": 1}})
    table = frame(made, [{"x": 0.5}, {"x": 2.0}])
    bare, whole = run_gate(table, made, profile=False), run_gate(table, made)
    assert bare.results == whole.results and not bare.profile.columns
    assert run_gate(table, made, profile=False, history=History()).profile == whole.profile
