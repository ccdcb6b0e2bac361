"""When to train again."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from pilotage.core import parse_duration
from pilotage.evidence import Evidence, not_assessable
from pilotage.pipelines.triggers import Budget, RetrainPolicy, Situation, decide

DAY = parse_duration("1d")
NOW = 100 * DAY


def now(**changes):
    return Situation(**{"now_us": NOW, "cut_at": NOW - 10 * DAY} | changes)


def fall(estimate, half=0.01):
    return Evidence("loss_change.total", "measured", estimate, estimate - half, estimate + half, 0.95, 500, None, "test")


def diagnosis(cause="nothing", **parts):
    return SimpleNamespace(cause=cause, estimate=None, parts=SimpleNamespace(**parts) if parts else None)


def test_the_first_model_needs_enough_labels_and_no_other_reason():
    assert decide(RetrainPolicy(), now(cut_at=None, new_labels=500)).train
    early = decide(RetrainPolicy(), now(cut_at=None, new_labels=499))
    assert not early.train and "499 labels are known, 500 are needed" in early.triggers[0].why


def test_a_policy_without_reasons_never_fires():
    found = decide(RetrainPolicy(), now(new_labels=10**9))
    assert not found.train and found.triggers == () and str(found) == "do not train: no reason fired"


@pytest.mark.parametrize(("schedule", "train"), [("10d", True), ("11d", False)])
def test_a_schedule_counts_from_the_last_training_won_or_lost(schedule, train):
    assert decide(RetrainPolicy(schedule=schedule), now(cut_at=NOW - 50 * DAY, trainings=[NOW - 10 * DAY])).train is train


@pytest.mark.parametrize(("estimate", "train", "word"), [(0.05, True, "beyond"), (0.035, False, "undecided"), (0.01, False, "within")])
def test_a_fall_fires_only_if_its_whole_interval_lies_beyond_the_limit(estimate, train, word):
    found = decide(RetrainPolicy(realised_fall=0.03), now(diagnosis=diagnosis(total=fall(estimate), concept=fall(0.0))))
    assert found.train is train and word in found.triggers[0].why and found.triggers[0].evidence


def test_a_fall_that_was_not_measured_fires_nothing():
    nothing = not_assessable("loss_change.total", reason="no labels")
    for given in (None, diagnosis(), diagnosis(total=nothing, concept=nothing)):
        assert not decide(RetrainPolicy(realised_fall=0.03, concept_part=0.01, estimated_fall=0.01), now(diagnosis=given)).train


def test_causes_labels_and_contracts_fire():
    policy = RetrainPolicy(causes=("concept drift",), new_labels=100, contract_change=True)
    assert not decide(policy, now(diagnosis=diagnosis("label shift"), new_labels=99)).train
    for change in ({"diagnosis": diagnosis("concept drift")}, {"new_labels": 100}, {"changed_contracts": ("cards",)}):
        assert decide(policy, now(**change)).train


def test_a_cool_down_and_a_budget_hold_a_fired_reason_back_and_say_so():
    policy = RetrainPolicy(new_labels=1, cool_down="2d", budget=Budget(runs=2, per="30d"))
    assert "cool-down" in decide(policy, now(new_labels=5, trainings=[NOW - DAY])).held_back_by
    assert "budget: 2 trainings within 30d" in decide(policy, now(new_labels=5, trainings=[NOW - 3 * DAY, NOW - 20 * DAY])).held_back_by
    assert decide(policy, now(new_labels=5, trainings=[NOW - 3 * DAY, NOW - 31 * DAY])).train


def test_nothing_is_trained_while_deliveries_of_a_source_wait():
    found = decide(RetrainPolicy(new_labels=1), now(new_labels=5, waiting=("transactions",)))
    assert not found.train and "deliveries wait: transactions" in found.held_back_by
    assert not decide(RetrainPolicy(), now(cut_at=None, new_labels=10_000, waiting=("transactions",))).train


@pytest.mark.parametrize(
    "wrong",
    [{"schedule": "soon"}, {"realised_fall": 0}, {"new_labels": 0}, {"causes": ["bad luck"]}, {"unknown": 1}, {"budget": {"runs": 0, "per": "1d"}}],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError):
        RetrainPolicy.model_validate(wrong)
