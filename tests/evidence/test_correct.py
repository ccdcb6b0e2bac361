"""Rates corrected for a judge's errors."""

from __future__ import annotations

import numpy as np
import pytest

from pilotage.core import InputError
from pilotage.evidence import JudgeErrors, Observation, corrected_rate, mean, rate


def counted(events: int, n: int, metric: str = "asr"):  # type: ignore[no-untyped-def]
    return rate([Observation(f"i{index}", index < events) for index in range(n)], metric=metric)


def test_the_estimate_is_rogan_and_gladens() -> None:
    figure = corrected_rate(counted(60, 300), errors=JudgeErrors(found=80, positives=100, left=90, negatives=100))
    assert figure.estimate == pytest.approx((0.2 + 0.9 - 1) / 0.7)
    assert figure.metric == "asr.corrected"
    assert figure.lower is not None
    assert figure.upper is not None
    assert figure.lower < figure.estimate < figure.upper


def test_uncertain_errors_widen_the_interval() -> None:
    vague = corrected_rate(counted(60, 300), errors=JudgeErrors(40, 50, 45, 50))
    sharp = corrected_rate(counted(60, 300), errors=JudgeErrors(4000, 5000, 4500, 5000))
    assert (vague.upper or 0) - (vague.lower or 0) > 1.3 * ((sharp.upper or 0) - (sharp.lower or 0))


def test_the_interval_covers() -> None:
    generator = np.random.default_rng(4)
    rounds, hits, p, se, sp = 120, 0, 0.2, 0.85, 0.92
    for seed in range(rounds):
        events = int(generator.binomial(300, p * se + (1 - p) * (1 - sp)))
        errors = JudgeErrors(int(generator.binomial(100, se)), 100, int(generator.binomial(100, sp)), 100)
        figure = corrected_rate(counted(events, 300), errors=errors, seed=seed)
        hits += (figure.lower or 0) <= p <= (figure.upper or 0)
    assert hits / rounds > 0.88  # three standard errors below .95; 1,500 rounds gave .947


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        (JudgeErrors(8, 10, 9, 10), "20 human labels"),
        (JudgeErrors(55, 100, 55, 100), "hardly better than chance"),
        (JudgeErrors(0, 0, 90, 100), "one kind of item"),
    ],
)
def test_a_judge_that_was_not_shown_to_judge_corrects_nothing(errors: JudgeErrors, reason: str) -> None:
    figure = corrected_rate(counted(60, 300), errors=errors)
    assert figure.status == "not_assessable"
    assert reason in str(figure.reason)


def test_a_count_below_the_false_alarms_says_that_the_errors_do_not_hold() -> None:
    figure = corrected_rate(counted(0, 500), errors=JudgeErrors(90, 100, 70, 100))
    assert "do not hold" in str(figure.reason)


def test_only_rates_are_corrected() -> None:
    with pytest.raises(InputError, match="Only a rate"):
        corrected_rate(mean([Observation(f"i{i}", i / 30) for i in range(30)], metric="m"), errors=JudgeErrors(80, 100, 90, 100))
    with pytest.raises(InputError, match="more than there was"):
        JudgeErrors(5, 4, 0, 0)
