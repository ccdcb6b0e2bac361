"""Costs and capacity."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import SHAPES, World, sample

from pilotage.core import InputError, Refused
from pilotage.judging.calibration import (
    Costs,
    ReviewerError,
    Sample,
    assign,
    break_even,
    cost_curve,
    erlang_c,
    rank_by_benefit,
    recalibrate,
    reviewers_needed,
    routed_costs,
    staffing,
)

COSTS = Costs(error=2_000, review=150, delay=10, reviewer=ReviewerError(6, 120))


def mended(n: int = 1_500, **more: object) -> Sample:
    return recalibrate(sample(1_200, prefix="fit")).apply_to(sample(n, seed=1, **more))  # type: ignore[arg-type]


def test_the_threshold_is_the_formula() -> None:
    assert math.isclose(COSTS.threshold(), 1 - 160 / 2_000 - 0.05)
    assert Costs(error=100, review=500, reviewer=ReviewerError(0, 10)).threshold() == 0.0
    assert COSTS.review_wanted(np.array([0.86, 0.88])).tolist() == [True, False]
    by_item = Costs(error=(1_000.0, 10_000.0), review=150, reviewer=ReviewerError(0, 10))
    assert np.allclose(by_item.thresholds(), [0.85, 0.985])
    with pytest.raises(InputError, match="differ by item"):
        by_item.threshold()


@pytest.mark.parametrize("shape", ["right", "too sure", "not sure enough"])
@pytest.mark.parametrize("ratio", [0.05, 0.1, 0.3])
def test_the_cost_is_within_three_percent_of_the_oracles(shape: str, ratio: float) -> None:
    """The oracle knows how often each output is really right, and decides by that."""
    world = World(shape, 4.0, 0.7, SHAPES[shape])
    rng = np.random.default_rng(8)
    confidence, wrong = world.draw(rng, 1, 1_500)
    mending = recalibrate(Sample.of(confidence[0], ~wrong[0], model="m", labelled_by="people", ids=map(str, range(1_500))))
    costs = Costs(error=1_000, review=1_000 * ratio, reviewer=ReviewerError(5, 100))
    fresh = rng.beta(4.0, 0.7, 200_000)
    p_err = 1 - world.right(fresh)
    auto, human = p_err * 1_000, 1_000 * ratio + 0.05 * 1_000
    ours = np.where(costs.review_wanted(mending.apply(fresh)), human, auto).mean()
    oracle = np.minimum(auto, human).mean()
    assert oracle <= ours <= 1.03 * oracle
    assert ours <= min(auto.mean(), human) * 1.001


def test_routed_costs_stand_between_bounds_and_the_extremes_are_what_they_are() -> None:
    one = mended()
    found = routed_costs(one, COSTS)
    assert np.isclose(found.all_auto.estimate or 0, 2_000 * one.wrong.mean())
    assert np.isclose(found.all_human.estimate or 0, 160 + 0.05 * 2_000)
    accept = one.confidence >= COSTS.threshold()
    by_hand = np.where(accept, one.wrong * 2_000, 160 + 0.05 * 2_000).mean()
    assert np.isclose(found.routed.estimate or 0, by_hand)
    assert (found.routed.lower or 0) < by_hand < (found.routed.upper or 0)
    assert found.pays == ((found.against_auto.upper or 1) < 0 and (found.against_human.upper or 1) < 0)
    assert routed_costs(one, COSTS) == found


def test_unsure_reviewers_widen_the_band() -> None:
    one = mended()
    sure = routed_costs(one, Costs(error=2_000, review=150, reviewer=ReviewerError(50, 1_000))).all_human
    unsure = routed_costs(one, Costs(error=2_000, review=150, reviewer=ReviewerError(1, 20))).all_human
    assert (unsure.upper or 0) - (unsure.lower or 0) > 2 * ((sure.upper or 0) - (sure.lower or 0))


def test_routing_that_accepts_nothing_does_not_pay() -> None:
    assert not routed_costs(mended(), COSTS, threshold=2.0).pays


def test_a_raw_confidence_is_refused() -> None:
    for weigh in (routed_costs, cost_curve, break_even):
        with pytest.raises(Refused, match="raw"):
            weigh(sample(600), COSTS)  # type: ignore[operator]


def test_the_curve_begins_with_all_human_and_ends_with_all_automatic() -> None:
    one = mended()
    curve = cost_curve(one, COSTS, replicates=50)
    extremes = routed_costs(one, COSTS, replicates=50)
    assert np.isclose(curve.cost[0], extremes.all_human.estimate or 0)
    assert np.isclose(curve.cost[-1], extremes.all_auto.estimate or 0)
    assert curve.coverage[0] == 0
    assert np.isclose(curve.coverage[-1], 1)
    assert all(low <= cost <= high for low, cost, high in zip(curve.lower, curve.cost, curve.upper, strict=True))
    assert curve.cost[curve.cheapest] == min(curve.cost)
    at = len(curve.cost) // 2
    assert np.isclose(curve.cost[at], routed_costs(one, COSTS, threshold=curve.thresholds[at], replicates=10).routed.estimate or 0)


def test_the_break_even_table_turns_where_it_should() -> None:
    table = break_even(mended(), COSTS, reviewer_errors=(0.0, 0.5), error_costs=(10.0, 5_000.0), volumes=(1, 100_000), fixed=100_000)
    assert len(table) == 8
    line = {(each.reviewer_error, each.error, each.volume): each for each in table}
    assert line[0.0, 10.0, 100_000].threshold == 0
    assert line[0.0, 5_000.0, 100_000].cheapest == "routed"
    assert line[0.0, 5_000.0, 1].cheapest != "routed"  # what routing costs to run is not earned by one output
    assert line[0.5, 5_000.0, 100_000].coverage > line[0.0, 5_000.0, 100_000].coverage


@pytest.mark.parametrize(
    "bad",
    [lambda: ReviewerError(3, 2), lambda: ReviewerError(0, 0), lambda: Costs(0, 1, ReviewerError(0, 1)), lambda: Costs(10, -1, ReviewerError(0, 1))],
)
def test_what_is_no_cost_or_no_measured_error_is_refused(bad: object) -> None:
    with pytest.raises(InputError):
        bad()  # type: ignore[operator]


def test_costs_by_item_must_go_with_the_items() -> None:
    with pytest.raises(InputError, match="do not go with"):
        routed_costs(mended(), Costs(error=(1.0, 2.0), review=1, reviewer=ReviewerError(0, 5)), threshold=0.5)


def test_where_not_all_can_be_reviewed_those_that_save_most_a_minute_are() -> None:
    found = rank_by_benefit(np.array([100.0, 90, 10, -5]), np.array([10.0, 1, 1, 1]), capacity_minutes=2)
    assert found.reviewed.tolist() == [False, True, True, False]
    assert found.saved == 100
    assert found.shadow_price_per_hour == 600
    plenty = rank_by_benefit(np.array([100.0, -5]), 1.0, capacity_minutes=60)
    assert plenty.shadow_price_per_hour == 0
    assert not plenty.reviewed[1]
    with pytest.raises(InputError):
        rank_by_benefit(np.array([float("nan")]), 1.0, capacity_minutes=1)


@pytest.mark.parametrize(("servers", "load", "waits"), [(1, 0.5, 0.5), (2, 1.0, 1 / 3), (10, 8.0, 0.40918), (5, 5.0, 1.0)])
def test_erlang_c_is_the_table(servers: int, load: float, waits: float) -> None:
    assert math.isclose(erlang_c(servers, load), waits, rel_tol=1e-4)


def test_staffing_meets_the_promise_with_the_fewest_and_never_above_85_percent() -> None:
    found = reviewers_needed(per_hour=60, minutes_each=5, sla_minutes=2)
    assert found.meets_sla
    assert found.utilisation <= 0.85
    fewer = staffing(found.reviewers - 1, per_hour=60, minutes_each=5, sla_minutes=2)
    assert not fewer.meets_sla
    assert fewer.reason
    drowning = staffing(4, per_hour=60, minutes_each=5, sla_minutes=2)
    assert drowning.mean_wait_minutes is None
    assert "grows" in drowning.reason


def test_a_simulated_line_waits_as_long_as_it_was_said() -> None:
    rng = np.random.default_rng(0)
    n, servers = 60_000, 3
    come, work = np.cumsum(rng.exponential(1.0, n)), rng.exponential(2.4, n)
    free = np.zeros(servers)
    waits = np.empty(n)
    for i in range(n):
        who = int(free.argmin())
        start = max(come[i], free[who])
        waits[i], free[who] = start - come[i], start + work[i]
    said = staffing(servers, per_hour=60, minutes_each=2.4, sla_minutes=60, quantile=0.9)
    assert abs((waits > 0).mean() - said.waits) < 0.03
    assert abs(waits.mean() / (said.mean_wait_minutes or 1) - 1) < 0.2
    assert abs((waits <= (said.wait_minutes_at_quantile or 0)).mean() - 0.9) < 0.03


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(1, 3), st.data())
def test_no_other_assignment_saves_more(items: int, people: int, data: st.DataObject) -> None:
    gain = np.array(data.draw(st.lists(st.lists(st.integers(-5, 20), min_size=people, max_size=people), min_size=items, max_size=items)), dtype=float)
    most = np.array(data.draw(st.lists(st.integers(0, 3), min_size=people, max_size=people)))
    found = assign(gain, most=most)
    best = 0.0
    for who in product(range(-1, people), repeat=items):
        load = np.bincount([each for each in who if each >= 0], minlength=people)
        if (load <= most).all():
            best = max(best, sum(gain[i, each] for i, each in enumerate(who) if each >= 0))
    assert math.isclose(found.saved, best, abs_tol=1e-6)
    assert all(load <= limit for load, limit in zip(found.load, most, strict=True))


def test_who_may_not_review_an_item_does_not_and_impossible_workloads_are_refused() -> None:
    gain = np.array([[5.0, 4.0], [5.0, 1.0]])
    found = assign(gain, most=[2, 2], allowed=np.array([[False, True], [True, True]]))
    assert found.reviewer.tolist() == [1, 0]
    tight = assign(gain, most=[1, 0])
    assert tight.price_per_item[0] == 5.0
    with pytest.raises(InputError, match="cannot be met"):
        assign(gain, most=[5, 5], least=[3, 3])
    with pytest.raises(InputError):
        assign(gain, most=[1])
