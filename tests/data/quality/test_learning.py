from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import Conflict, InputError
from pilotage.data.quality import Accepted, CheckResult, ColumnProfile, GateReport, History, Limits, Profile, compare, run_gate
from pilotage.data.quality.distances import level_distance, new_level_distance, null_distance, robust_scale, shape_distance
from pilotage.data.quality.learning import benjamini_hochberg
from pilotage.data.quality.profile import merge_grids

from .tables_for_tests import TRIPS, contract, month_of_trips, result


def live_through(
    seed: int, months: int, breaks: dict[int, dict[str, Any]] | None = None, *, rows: int = 2_000
) -> dict[int, list[tuple[str, str | None]]]:
    """Gate month after month; a person accepts each alarm as the new normal. Month -> (kind, column) of what failed or stayed undecided."""
    accepted: list[Accepted] = []
    alarms = {}
    changes: dict[str, Any] = {}
    for month in range(months):
        changes |= (breaks or {}).get(month, {})
        report = run_gate(month_of_trips(seed, month, rows=rows, **changes), TRIPS, history=History(tuple(accepted)))
        found = [*report.failed, *report.undecided]
        if found:
            alarms[month] = [(each.kind, each.column) for each in found]
        accepted.append(Accepted(f"m{month}", report.profile, frozenset(each.column or "" for each in report.failed if each.is_learned)))
    return alarms


def test_alarms_are_raised_in_the_months_something_breaks_and_in_no_other() -> None:
    breaks = {20: {"surcharge": 2.5}, 26: {"nulls": 0.05}, 30: {"wallet": 0.02}, 33: {"unit": 100.0}}
    for seed in (0, 1):
        assert live_through(seed, 36, breaks) == {
            20: [("change.shape", "fare")],
            26: [("change.nulls", "vendor")],
            30: [("change.new_levels", "payment")],
            33: [("change.shape", "fare")],
        }


def test_in_quiet_years_at_most_one_month_in_a_hundred_raises_an_alarm() -> None:
    alarms = [live_through(seed, 36, rows=1_000) for seed in range(10, 15)]
    assert sum(len(each) for each in alarms) <= 1  # of 180 months, each with about ten comparisons


def profiles(columns: dict[str, Any], tables: list[dict[str, list[Any]]]) -> list[Profile]:
    made = contract({name: {"nullable": True, **column} for name, column in columns.items()})
    return [run_gate(pl.DataFrame(table), made).profile for table in tables]


def accepted(*given: Profile) -> History:
    return History(tuple(Accepted(f"r{number}", profile) for number, profile in enumerate(given)))


def changes(report: list[CheckResult], kind: str) -> CheckResult:
    (found,) = [each for each in report if each.kind == kind]
    return found


def normal(seed: int, rows: int = 500, *, mean: float = 0.0) -> dict[str, list[Any]]:
    return {"x": list(np.random.default_rng(seed).normal(mean, 1.0, rows))}


def test_before_enough_history_learned_checks_say_what_is_missing_and_do_not_decide() -> None:
    known = profiles({"x": {"type": "float"}}, [normal(seed) for seed in range(3)])
    (only,) = compare(known[0], accepted(*known))
    assert (only.status, only.severity) == ("not_assessable", "warning")
    assert "2 of 3 natural changes are known (1 more accepted reports are needed)" in only.reason
    made = contract({"x": {"type": "float", "nullable": True}})
    assert run_gate(pl.DataFrame(normal(9)), made, history=accepted(*known)).verdict == "pass"


def test_too_few_rows_leave_the_gate_inconclusive_and_say_how_many_would_do() -> None:
    history = accepted(*profiles({"x": {"type": "float"}}, [normal(seed) for seed in range(6)]))
    made = contract({"x": {"type": "float", "nullable": True}})
    report = run_gate(pl.DataFrame(normal(9, 12)), made, history=history)
    shape = result(report, "change of distribution of x")
    assert (shape.status, shape.severity, shape.needed) == ("not_assessable", "error", 100)
    assert report.verdict == "fail"  # the number of rows itself fell to a fortieth
    without_rows = replace(history, limits=Limits(rows_floor=10.0))
    assert run_gate(pl.DataFrame(normal(9, 12)), made, history=without_rows).verdict == "inconclusive"


def test_a_batch_below_its_power_says_how_many_rows_would_decide() -> None:
    history = replace(accepted(*profiles({"x": {"type": "float"}}, [normal(seed, 20_000) for seed in range(6)])), limits=Limits(rows_floor=10.0))
    made = contract({"x": {"type": "float", "nullable": True}})
    shape = result(run_gate(pl.DataFrame(normal(9, 150)), made, history=history), "change of distribution of x")
    assert (shape.status, shape.figure) == ("not_assessable", None)
    assert shape.needed is not None and 150 < shape.needed < 20_000
    enough = result(run_gate(pl.DataFrame(normal(9, shape.needed)), made, history=history), "change of distribution of x")
    assert enough.status == "pass"


def test_a_large_change_fails_even_where_a_small_one_could_not_be_told() -> None:
    history = replace(accepted(*profiles({"x": {"type": "float"}}, [normal(seed, 20_000) for seed in range(6)])), limits=Limits(rows_floor=10.0))
    made = contract({"x": {"type": "float", "nullable": True}})
    assert run_gate(pl.DataFrame(normal(9, 150, mean=3.0)), made, history=history).verdict == "fail"


def test_a_column_that_is_always_sparse_does_not_hold_up_the_gate() -> None:
    def sparse(seed: int) -> dict[str, list[Any]]:
        return {"x": [float(seed + place) if place % 50 == 0 else None for place in range(1_000)]}

    history = accepted(*profiles({"x": {"type": "float"}}, [sparse(seed) for seed in range(6)]))
    made = contract({"x": {"type": "float", "nullable": True}})
    report = run_gate(pl.DataFrame(sparse(7)), made, history=history)
    assert result(report, "change of distribution of x").severity == "warning"
    assert report.verdict == "pass"


def test_a_scale_of_zero_is_floored_and_a_quiet_month_after_it_raises_no_alarm() -> None:
    def tolls(seed: int, share: float) -> dict[str, list[Any]]:
        return {"x": [6.12 if draw < share else 0.0 for draw in np.random.default_rng(seed).uniform(size=3_000)]}

    known = profiles({"x": {"type": "float"}}, [tolls(seed, 0.03) for seed in range(6)])
    grid = np.asarray(known[0].columns["x"].grid)
    assert grid[95] - grid[5] == 0 and robust_scale(grid) > 0
    made = contract({"x": {"type": "float", "nullable": True}})
    quiet = run_gate(pl.DataFrame(tolls(8, 0.03)), made, history=accepted(*known))
    figure = result(quiet, "change of distribution of x").figure
    assert quiet.verdict == "pass" and figure is not None and math.isfinite(figure)
    assert run_gate(pl.DataFrame(tolls(9, 0.3)), made, history=accepted(*known)).verdict == "fail"


def test_a_constant_column_may_stay_constant_and_may_not_move() -> None:
    known = profiles({"x": {"type": "float"}}, [{"x": [5.0] * 200}] * 5)
    made = contract({"x": {"type": "float", "nullable": True}})
    assert run_gate(pl.DataFrame({"x": [5.0] * 200}), made, history=accepted(*known)).verdict == "pass"
    assert run_gate(pl.DataFrame({"x": [6.0] * 200}), made, history=accepted(*known)).verdict == "fail"


def test_an_accepted_change_begins_a_new_history_for_its_column_only() -> None:
    columns = {"x": {"type": "float"}, "y": {"type": "float"}}

    def table(seed: int, mean: float) -> dict[str, list[Any]]:
        return {"x": normal(seed, mean=mean)["x"], "y": normal(seed + 100)["x"]}

    old = profiles(columns, [table(seed, 0.0) for seed in range(6)])
    (changed, after, back) = profiles(columns, [table(7, 4.0), table(8, 4.0), table(9, 0.0)])
    history = accepted(*old)
    assert [each.column for each in compare(changed, history) if each.status == "fail"] == ["x"]
    restarted = History((*history.reports, Accepted("new", changed, frozenset({"x"}))))
    assert [each for each in compare(after, restarted) if each.status == "fail"] == []
    assert [each.column for each in compare(back, restarted) if each.status == "fail"] == ["x"]
    unaware = History((*history.reports, Accepted("new", changed)))
    assert changes([each for each in compare(back, unaware) if each.column == "x"], "change.shape").at_most != pytest.approx(
        changes([each for each in compare(back, restarted) if each.column == "x"], "change.shape").at_most
    )


def test_once_there_are_years_a_month_is_compared_with_the_same_month() -> None:
    known = [run_gate(month_of_trips(5, month), TRIPS).profile for month in range(30)]
    assert known[2].season == "month-03"
    winter_in_summer = run_gate(month_of_trips(5, 33), TRIPS).profile  # October's fares …
    moved = replace(winter_in_summer, event_from=known[18].event_from, event_to=known[18].event_to)  # … in July
    seasonal = changes(
        [each for each in compare(run_gate(month_of_trips(5, 30), TRIPS).profile, accepted(*known)) if each.column == "fare"], "change.shape"
    )
    plain = changes(
        [
            each
            for each in compare(run_gate(month_of_trips(5, 30), TRIPS).profile, accepted(*known), limits=Limits(seasonal=False))
            if each.column == "fare"
        ],
        "change.shape",
    )
    assert seasonal.at_most is not None and plain.at_most is not None and seasonal.at_most < plain.at_most / 2
    assert changes([each for each in compare(moved, accepted(*known)) if each.column == "fare"], "change.shape").status == "fail"


def test_a_day_of_data_has_its_weekday_and_a_week_has_no_season() -> None:
    day = 86_400_000_000
    monday = 1_767_571_200_000_000  # 2026-01-05
    assert Profile(1, {}, monday, monday + int(0.9 * day)).season == "weekday-1"
    assert Profile(1, {}, monday, monday + 7 * day).season is None
    assert Profile(1, {}).season is None


def test_chance_among_many_columns_is_a_second_condition() -> None:
    assert benjamini_hochberg([0.01, 0.04, 0.03, 0.5]) == pytest.approx([0.04, 0.16 / 3, 0.16 / 3, 0.5])
    assert benjamini_hochberg([]) == []


def test_limits_that_make_no_sense_are_refused() -> None:
    for wrong in ({"times": 0.5}, {"minimum_rows": 0}, {"shape_floor": math.nan}, {"false_discovery_rate": 1.0}, {"severity": "fatal"}):
        with pytest.raises(InputError):
            Limits(**wrong)  # type: ignore[arg-type]
    assert Limits.from_dict(Limits(times=3.0).to_dict()) == Limits(times=3.0)


def number(values: list[float], nulls: int = 0) -> ColumnProfile:
    made = contract({"x": {"type": "float", "nullable": True}})
    return run_gate(pl.DataFrame({"x": [*values, *[None] * nulls]}, schema={"x": pl.Float64()}), made).profile.columns["x"]


def levels(counts: dict[str, int], rest: int = 0) -> ColumnProfile:
    total = sum(counts.values()) + rest
    return ColumnProfile(kind="levels", n=total, nulls=0, levels=counts, rest=rest, distinct=len(counts) + bool(rest))


def test_distances_are_what_their_definitions_say() -> None:
    one, two = number(list(range(1001))), number([value + 90 for value in range(1001)])
    moved = shape_distance(one, two)
    assert moved is not None and moved.effect == pytest.approx(90 / 900) and moved.p < 0.01
    apart = level_distance(levels({"a": 50, "b": 50}), levels({"a": 20, "c": 80}))
    assert apart is not None and apart.effect == pytest.approx(0.8)
    unseen = new_level_distance(levels({"a": 50, "b": 50}), levels({"a": 20, "c": 80}))
    assert unseen is not None and (unseen.effect, unseen.p) == (pytest.approx(0.8), pytest.approx(0.5**80))
    begun = null_distance(number([1.0] * 100), number([1.0] * 90, nulls=10))
    assert begun is not None and begun.effect == pytest.approx(0.1) and begun.p < 0.01
    assert shape_distance(one, number([])) is None and level_distance(levels({}), levels({"a": 1})) is None


def test_a_level_that_may_be_among_the_rest_is_not_called_new() -> None:
    assert new_level_distance(levels({"a": 5}, rest=3), levels({"b": 4})) is None
    apart = level_distance(levels({"a": 5}, rest=5), levels({"a": 5, "b": 5}))
    assert apart is not None and apart.effect == 0.0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40), st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_shapes_are_apart_by_nothing_only_from_themselves_and_never_negatively(one: list[float], two: list[float]) -> None:
    a, b = number(one), number(two)
    same, apart = shape_distance(a, a), shape_distance(a, b)
    assert same is not None and apart is not None
    assert same.effect == 0 and same.p == 1.0
    assert apart.effect >= 0 and 0 <= apart.p <= 1 and math.isfinite(apart.effect)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=1, max_size=60), st.integers(0, 60))
def test_merged_profiles_are_those_of_all_rows(values: list[float | None], cut: int) -> None:
    made = contract({"x": {"type": "float", "nullable": True}, "t": {"type": "text"}})

    def profile(part: list[float | None]) -> Profile:
        texts = [f"{value}"[:2] for value in part]
        return run_gate(pl.DataFrame({"x": part, "t": texts}, schema={"x": pl.Float64(), "t": pl.String()}), made).profile

    whole, merged = profile(values), profile(values[:cut]).merge(profile(values[cut:]))
    x, y = whole.columns["x"], merged.columns["x"]
    assert (y.n, y.nulls, y.values) == (x.n, x.nulls, x.values)
    assert merged.columns["t"].levels == whole.columns["t"].levels
    if x.values:
        assert y.mean == pytest.approx(x.mean, rel=1e-9, abs=1e-6) and y.sd == pytest.approx(x.sd, rel=1e-6, abs=1e-3)
        assert (y.grid[0], y.grid[-1]) == (x.grid[0], x.grid[-1])
    assert Profile.from_dict(whole.to_dict()) == whole


def test_a_merged_grid_is_off_by_at_most_two_steps_in_rank() -> None:
    rng = np.random.default_rng(0)
    parts = [np.sort(rng.normal(center, 1, size)) for center, size in ((0, 3_000), (2, 9_000), (-1, 500))]
    grids = [(tuple(part[[int(step * (len(part) - 1) / 100) for step in range(101)]]), len(part)) for part in parts]
    every = np.sort(np.concatenate(parts))
    ranks = np.searchsorted(every, merge_grids(grids)) / len(every)
    assert np.abs(ranks - np.linspace(0, 1, 101)).max() <= 0.02
    assert merge_grids([]) == ()


def test_profiles_of_two_kinds_do_not_merge() -> None:
    with pytest.raises(Conflict):
        levels({"a": 1}).merge(number([1.0]))


def test_a_report_reads_back_as_it_was() -> None:
    report: GateReport = run_gate(month_of_trips(1, 1), TRIPS)
    assert [CheckResult.from_dict(each.to_dict()) for each in report.results] == list(report.results)
    assert Profile.from_dict(report.profile.to_dict()) == report.profile
    assert report.to_frame().height == len(report.results)
