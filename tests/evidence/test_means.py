"""Means of scores."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.evidence import Observation, mean

stats = pytest.importorskip("scipy.stats")


def scores(values: list[float], *, per_item: int = 1) -> list[Observation]:
    return [Observation(f"i{index // per_item}", value, repeat=index % per_item) for index, value in enumerate(values)]


def test_independent_scores_have_the_t_interval() -> None:
    values = list(np.random.default_rng(3).normal(5, 2, size=60))
    figure = mean(scores([float(value) for value in values]), metric="latency_s")
    expected = stats.t.interval(0.95, 59, loc=np.mean(values), scale=stats.sem(values))
    assert (figure.lower, figure.upper) == pytest.approx(expected)
    assert figure.method == "t"


def test_few_clusters_use_a_seeded_bootstrap() -> None:
    values = [0.1, 0.4, 0.35, 0.8, 0.9, 0.2, 0.55, 0.6, 0.7, 0.3]
    figure = mean(scores(values), metric="score", scale=(0, 1))
    assert "bootstrap-t" in figure.method
    assert mean(scores(values), metric="score", scale=(0, 1)).id == figure.id
    assert mean(scores(values), metric="score", scale=(0, 1), seed=5).lower != figure.lower


def test_zeros_and_ones_are_a_rate() -> None:
    assert "Wilson" in mean(scores([1.0] * 20), metric="m", scale=(0, 1)).method


def test_scores_that_do_not_vary_still_have_an_interval_on_their_scale() -> None:
    figure = mean(scores([4.0] * 30), metric="rating", scale=(1, 5))
    assert figure.lower is not None
    assert figure.upper is not None
    assert 1 <= figure.lower < 4 < figure.upper <= 5
    without = mean(scores([4.0] * 30), metric="rating")
    assert without.status == "not_assessable"
    assert "no bounds" in str(without.reason)


def test_repeats_widen_the_interval() -> None:
    items = np.random.default_rng(1).normal(size=30)
    values = [float(value) for value in np.repeat(items, 4)]
    apart = mean(scores(values), metric="m")
    together = mean(scores(values, per_item=4), metric="m")
    assert together.detail["icc"] == pytest.approx(1.0)
    assert together.detail["design_effect"] == pytest.approx(4.0, rel=0.05)
    assert together.upper is not None
    assert apart.upper is not None
    assert together.upper > apart.upper


def test_a_score_off_its_scale_is_refused() -> None:
    with pytest.raises(InputError, match="outside the scale"):
        mean(scores([0.5, 1.5]), metric="m", scale=(0, 1))
    with pytest.raises(InputError, match="empty"):
        mean(scores([0.5, 0.5]), metric="m", scale=(1, 1))


@given(st.lists(st.floats(0, 1, allow_subnormal=False), min_size=2, max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_interval_of_a_bounded_score_keeps_to_its_scale(values: list[float]) -> None:
    figure = mean(scores(values), metric="m", scale=(0, 1))
    assert figure.measured
    assert figure.estimate is not None
    assert figure.lower is not None
    assert figure.upper is not None
    assert 0 <= figure.lower <= figure.estimate <= figure.upper <= 1
    assert figure.lower < figure.upper
