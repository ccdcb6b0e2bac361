"""Watching a stream: the bound on false alarms holds however often one looks."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.monitoring import RateMonitor


@pytest.mark.parametrize("direction", ["above", "below"])
def test_false_alarms_are_no_more_than_alpha_though_it_looks_at_every_row(direction):
    limit = 0.1
    alarms = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        alarms += RateMonitor(limit, direction=direction, alpha=0.1).observe((rng.random(800) < limit).astype(float))
    assert alarms <= 19  # 10 expected at most; a bound at three standard deviations


def test_a_rate_twice_the_limit_is_found():
    for seed in range(10):
        monitor = RateMonitor(0.05, alpha=0.01)
        assert monitor.observe((np.random.default_rng(seed).random(1500) < 0.1).astype(float))
        assert monitor.mean > 0.05


def test_the_mean_run_to_a_false_alarm_is_at_least_one_over_alpha():
    runs = []
    for seed in range(60):
        monitor = RateMonitor(0.2, alpha=0.02, mode="change")
        monitor.observe((np.random.default_rng(seed).random(1000) < 0.2).astype(float))
        runs.append(monitor.alarm_at or 1000)  # cut short: the true mean is larger still
    assert np.mean(runs) >= 50


def test_a_change_after_a_long_calm_is_found_sooner_by_the_change_mode():
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.random(3000) < 0.02, rng.random(600) < 0.2]).astype(float)
    late, soon = RateMonitor(0.05, alpha=0.001), RateMonitor(0.05, alpha=0.001, mode="change")
    late.observe(values)
    soon.observe(values)
    assert soon.alarm_at is not None and 3000 < soon.alarm_at < 3300
    assert late.alarm_at is None or late.alarm_at > soon.alarm_at


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(0, 60), st.sampled_from(["level", "change"]))
def test_it_goes_on_from_its_kept_state_as_if_it_had_never_stopped(values, cut, mode):
    whole, first = RateMonitor(0.3, mode=mode), RateMonitor(0.3, mode=mode)
    whole.observe(values)
    first.observe(values[:cut])
    second = RateMonitor.from_dict(json.loads(json.dumps(first.to_dict())))
    second.observe(values[cut:])
    assert second.to_dict() == whole.to_dict()


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30), st.sampled_from(["above", "below"]), st.floats(0.01, 0.99))
def test_capital_is_never_negative_whatever_comes(values, direction, limit):
    monitor = RateMonitor(limit, direction=direction)
    monitor.observe(values)
    assert np.isfinite(monitor.evidence) and monitor.evidence >= 0


def test_an_alarm_stays_until_somebody_restarts_it():
    monitor = RateMonitor(0.1)
    monitor.observe([1.0] * 50)
    at = monitor.alarm_at
    monitor.observe([0.0] * 500)
    assert monitor.alarmed and monitor.alarm_at == at
    monitor.restart()
    assert not monitor.alarmed and monitor.n == 0 and monitor.evidence == pytest.approx(1)


def test_a_value_beyond_its_bounds_is_refused_whole():
    monitor = RateMonitor(0.1)
    with pytest.raises(InputError):
        monitor.observe([0.0, 1.2])
    assert monitor.n == 0
    with pytest.raises(InputError):
        RateMonitor(0.0)
    with pytest.raises(InputError):
        RateMonitor.from_dict({"limit": 0.1})
