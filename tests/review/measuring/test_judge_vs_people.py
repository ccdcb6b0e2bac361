"""Model judges held to people, and how large a human evaluation must be."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.evidence import wilson
from pilotage.review.measuring import Dimension, alternative_annotator_test, plan_evaluation, prediction_powered_mean
from pilotage.review.measuring.judge_vs_people import _by


def people(n: int = 80, accuracy: float = 0.8, count: int = 4, seed: int = 1) -> dict[str, dict[str, str]]:
    rng = random.Random(seed)
    truth = {f"i{k}": rng.choice("xy") for k in range(n)}
    return {f"p{p}": {item: value if rng.random() < accuracy else "xy"[value == "x"] for item, value in truth.items()} for p in range(count)} | {
        "truth": truth
    }


def test_a_judge_that_is_always_right_may_stand_in_and_one_that_guesses_may_not() -> None:
    said = people()
    truth = said.pop("truth")
    good = alternative_annotator_test(said, truth)
    assert good.passed and good.winning_rate == 1 and good.advantage is not None and good.advantage > 0.8
    rng = random.Random(3)
    poor = alternative_annotator_test(said, {item: rng.choice("xyz") for item in truth})
    assert poor.passed is False and poor.ceiling == good.ceiling


def test_too_few_people_or_items_give_no_verdict_but_its_reason() -> None:
    said = people(count=2)
    truth = said.pop("truth")
    found = alternative_annotator_test(said, truth)
    assert found.passed is None and "needs 3" in str(found)
    few = people(n=20)
    truth = few.pop("truth")
    assert alternative_annotator_test(few, truth).passed is None


def test_numbers_are_compared_by_distance() -> None:
    rng = random.Random(5)
    truth = {f"i{k}": rng.uniform(1, 5) for k in range(60)}
    said = {f"p{p}": {item: value + rng.gauss(0, 0.5) for item, value in truth.items()} for p in range(3)}
    assert alternative_annotator_test(said, truth, numeric=True).passed
    assert alternative_annotator_test(said, dict.fromkeys(truth, 3.0), numeric=True).passed is False


def test_an_unknown_pool_is_refused() -> None:
    with pytest.raises(InputError):
        alternative_annotator_test({}, {}, pool="wise")


def test_the_false_discovery_rate_holds_under_any_dependence() -> None:
    import numpy as np

    # By hand for m = 3: limits are k/3 · .05 / (1 + 1/2 + 1/3) = .0091, .0182, .0273
    assert _by(np.array([0.001, 0.018, 0.5]), 0.05).tolist() == [True, True, False]
    assert _by(np.array([0.02, 0.02, 0.02]), 0.05).tolist() == [True, True, True]
    assert _by(np.array([0.03, 0.03, 0.03]), 0.05).tolist() == [False, False, False]


def scored(n: int, more: int, noise: float, seed: int) -> tuple[dict[str, float], dict[str, float], float]:
    rng = random.Random(seed)
    truth = {f"i{k}": float(rng.random() < 0.6) for k in range(n + more)}
    judge = {item: value if rng.random() > noise else 1 - value for item, value in truth.items()}
    sample = rng.sample(sorted(truth), n)
    return {item: truth[item] for item in sample}, judge, 0.6


def test_many_scores_of_a_good_judge_narrow_the_interval_and_are_worth_more_people() -> None:
    human, judge, _ = scored(100, 2000, 0.05, 1)
    found = prediction_powered_mean(human, judge, metric="helpful")
    alone = found.detail["human_only"]
    assert found.upper is not None and found.lower is not None
    assert found.upper - found.lower < 0.7 * (alone[2] - alone[1])
    assert found.detail["worth"] > 200 and 0 < found.detail["lambda"] <= 1


def test_a_judge_that_knows_nothing_costs_nothing() -> None:
    human, judge, _ = scored(100, 2000, 0.5, 2)
    found = prediction_powered_mean(human, judge, metric="helpful")
    assert found.detail["worth"] > 90 and found.detail["lambda"] < 0.3


def test_the_interval_holds_the_truth_as_often_as_it_says_even_with_a_biased_judge() -> None:
    held = 0
    for seed in range(200):
        human, judge, truth = scored(60, 600, 0.3, seed)
        found = prediction_powered_mean(human, judge, metric="helpful")
        assert found.lower is not None and found.upper is not None
        held += found.lower <= truth <= found.upper
    assert held >= 180  # 95 % nominal; fewer than 180 of 200 has a probability below .001


def test_what_cannot_be_combined_is_refused_or_not_assessable() -> None:
    with pytest.raises(InputError, match="not by the judge"):
        prediction_powered_mean({"a": 1.0}, {"b": 1.0}, metric="m")
    with pytest.raises(InputError, match="outside"):
        prediction_powered_mean({"a": 2.0}, {"a": 1.0}, metric="m")
    assert not prediction_powered_mean({"a": 1.0}, {"a": 1.0}, metric="m").measured
    same = {f"i{k}": 1.0 for k in range(40)}
    assert "do not vary" in str(prediction_powered_mean(same, same, metric="m"))


@given(st.floats(0.02, 0.4), st.floats(0, 1))
@settings(max_examples=40)
def test_a_rate_is_planned_to_the_least_items_that_suffice(half: float, expected: float) -> None:
    [plan] = plan_evaluation([Dimension("safe", "rate", half_width=half, expected=expected)])

    def width(n: int) -> float:
        found = wilson(expected * n, n)
        return max(found.upper - expected, expected - found.lower)

    assert width(plan.items) <= half
    assert plan.items <= 2 or width(plan.items - 1) > half


def test_more_people_an_item_save_items_of_a_mean_but_not_judgements() -> None:
    one, three = plan_evaluation([Dimension("tone", "mean", half_width=0.2, sd_items=1, sd_raters=1, raters=raters, minutes=2) for raters in (1, 3)])
    assert three.items < one.items and three.judgements > one.judgements
    assert one.hours == pytest.approx(one.judgements / 30)


def test_a_preference_is_planned_as_mcnemar_needs() -> None:
    [plan] = plan_evaluation([Dimension("better", "preference", effect=0.1, differing=0.5)])
    assert plan.items == 391  # Connor (1987): (1.960·√.5 + .8416·√.49)² / .01 = 390.1


@pytest.mark.parametrize(
    "dimension",
    [
        Dimension("x", "rate", half_width=0),
        Dimension("x", "mean", sd_items=0),
        Dimension("x", "preference", effect=0.6, differing=0.5),
        Dimension("x", "rate", half_width=1e-5),
        Dimension("x", "rate", raters=0),
    ],
)
def test_what_cannot_be_planned_is_refused(dimension: Dimension) -> None:
    with pytest.raises(InputError):
        plan_evaluation([dimension])
