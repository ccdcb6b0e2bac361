"""The watch: how often it cries wolf, how soon it cries, and that its state is what was audited."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats

from pilotage.core import InputError
from pilotage.judging.calibration import Audit, Watch
from pilotage.judging.calibration import monitor as module
from pilotage.judging.calibration.monitor import log_e_binomial

LOOKS = 5_000
RUNS = 2_000


def boundary(limit: float, alpha: float, looks: int) -> np.ndarray:
    """The fewest wrong outputs at which the alarm goes off, for each number of audits."""
    n = np.arange(1, looks + 1)
    low, high = np.zeros(looks), n + 1.0
    while (high - low > 1).any():
        middle = np.floor((low + high) / 2)
        over = log_e_binomial(n, np.minimum(middle, n), limit) >= -math.log(alpha)
        low, high = np.where(over & (high - low > 1), low, np.where(high - low > 1, middle, low)), np.where(over & (high - low > 1), middle, high)
    return high


@pytest.mark.parametrize("limit", [0.02, 0.05, 0.1])
def test_false_alarms_stay_within_alpha_over_five_thousand_looks(limit: float) -> None:
    line = boundary(limit, 0.05, LOOKS)
    rng = np.random.default_rng(int(limit * 100))
    alarms = sum(int((np.cumsum(rng.random((500, LOOKS), dtype=np.float32) < limit, axis=1) >= line).any(axis=1).sum()) for _ in range(RUNS // 500))
    assert stats.binom.sf(alarms - 1, RUNS, 0.05) > 0.001


def test_testing_anew_at_every_audit_would_cry_wolf_in_many_runs() -> None:
    """What the e-process is for: the naive test at .05 each time."""
    rng = np.random.default_rng(0)
    n = np.arange(1, LOOKS + 1)
    line = stats.binom.isf(0.05, n, 0.05) + 1
    wrong = np.cumsum(rng.random((300, LOOKS), dtype=np.float32) < 0.05, axis=1)
    assert (wrong >= line).any(axis=1).mean() > 0.25


@pytest.mark.parametrize(("limit", "rate", "at_most"), [(0.05, 0.1, 155), (0.05, 0.15, 55), (0.02, 0.04, 390), (0.02, 0.06, 125)])
def test_a_rate_twice_or_thrice_the_limit_is_found_soon(limit: float, rate: float, at_most: int) -> None:
    line = boundary(limit, 0.05, 3_000)
    over = np.cumsum(np.random.default_rng(1).random((1_000, 3_000), dtype=np.float32) < rate, axis=1) >= line
    delay = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 3_001)
    assert np.median(delay) <= at_most
    assert over.any(axis=1).mean() > 0.99


def test_unequal_audits_keep_alpha_and_find_what_an_unweighted_watch_would_mistake() -> None:
    """Risky outputs are audited ten times as often; the limit is about all that is accepted."""
    rng = np.random.default_rng(3)
    smallest, runs, looks = 0.02, 400, 1_000
    share, rates = 0.2, (0.02, 0.17)  # one output in five is risky; together exactly .05

    def alarms(factor: float) -> float:
        drawn = rng.random((runs, looks)) < share * 0.2 / (share * 0.2 + (1 - share) * smallest)
        wrong = rng.random((runs, looks)) < factor * np.where(drawn, rates[1], rates[0])
        weight = np.where(drawn, smallest / 0.2, 1.0)
        won, lost = (lambda bet: np.log1p(bet * weight * 0.95)), (lambda bet: np.log1p(-bet * weight * 0.05))
        logs = [np.cumsum(np.where(wrong, won(bet), lost(bet)), axis=1) for bet in module._BETS / 0.05]
        wealth = np.logaddexp.reduce(logs, axis=0) - math.log(len(logs))
        return float((wealth >= -math.log(0.05)).any(axis=1).mean())

    assert alarms(1.0) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)
    assert alarms(2.5) > 0.9


def test_the_weighted_state_is_the_product_of_its_bets() -> None:
    watch = Watch(limit=0.05, smallest_inclusion=0.02)
    rng = np.random.default_rng(0)
    audits = [Audit(bool(rng.random() < 0.1), float(rng.choice([0.02, 0.2]))) for _ in range(80)]
    total = np.zeros(len(module._BETS))
    for audit in audits:
        total += np.log1p(module._BETS / 0.05 * 0.02 / (audit.inclusion or 1) * (audit.wrong - 0.05))
    assert np.isclose(watch.see_all(audits).log_e, np.logaddexp.reduce(total) - math.log(len(total)))


def test_the_closed_form_is_the_integral() -> None:
    limit, n, wrong = 0.05, 60, 8
    a, b = module._PRIOR[0], module._PRIOR[1] / limit
    prior = stats.beta(a, b)
    ratio = lambda p: (p / limit) ** wrong * ((1 - p) / (1 - limit)) ** (n - wrong) * prior.pdf(p) / prior.sf(limit)
    assert np.isclose(float(log_e_binomial(n, wrong, limit)), math.log(integrate.quad(ratio, limit, 1)[0]), atol=1e-6)


AUDITS = st.lists(st.tuples(st.booleans(), st.sampled_from([0.02, 0.1, 0.5])), max_size=40)


@settings(max_examples=50, deadline=None)
@given(AUDITS, st.integers(0, 40))
def test_stored_and_gone_on_is_the_same_as_never_stopped(audits: list[tuple[bool, float]], cut: int) -> None:
    seen = [Audit(*each) for each in audits]
    watch = Watch(limit=0.05, smallest_inclusion=0.02)
    stopped = Watch.from_dict(json.loads(json.dumps(watch.see_all(seen[:cut]).to_dict())))
    assert stopped.see_all(seen[cut:]) == watch.see_all(seen)


@settings(max_examples=30, deadline=None)
@given(AUDITS)
def test_the_order_of_audits_does_not_change_the_evidence(audits: list[tuple[bool, float]]) -> None:
    seen = [Audit(*each) for each in audits]
    watch = Watch(limit=0.05, smallest_inclusion=0.02)
    assert watch.see_all(seen).log_e == watch.see_all(seen[::-1]).log_e


def test_an_alarm_stays_when_the_evidence_fades() -> None:
    watch = Watch(limit=0.05).see_all([True] * 5)
    assert watch.alarmed
    later = watch.see_all([False] * 500)
    assert later.log_e < 0 < watch.log_e
    assert later.alarmed_at == watch.alarmed_at
    assert later.highest == max(watch.highest, watch.log_e)


def test_no_alarm_without_wrong_outputs() -> None:
    watch = Watch(limit=0.05).see_all([False] * 300)
    assert not watch.alarmed
    assert watch.log_e < 0


def test_the_sequence_holds_the_rate_at_every_look_at_once() -> None:
    rng = np.random.default_rng(0)
    missed = 0
    for _ in range(60):
        watch = Watch(limit=0.05)
        outside = False
        for wrong in rng.random(300) < 0.07:
            watch = watch.see(bool(wrong))
            if watch.n % 20 == 0:
                shown = watch.interval()
                outside |= not (shown.lower or 0) <= 0.07 <= (shown.upper or 1)
        missed += outside
    assert missed <= 8


def test_the_weighted_sequence_is_about_what_is_accepted_and_not_about_what_is_audited() -> None:
    rng = np.random.default_rng(5)
    watch = Watch(limit=0.05, smallest_inclusion=0.05)
    for _ in range(1_500):
        risky = rng.random() < 0.5
        inclusion = 0.5 if risky else 0.05
        watch = watch.see(Audit(bool(rng.random() < (0.2 if risky else 0.02)), inclusion))
    shown = watch.interval()
    truth = (0.5 / 0.5 * 0.2 + 0.5 / 0.05 * 0.02) / (0.5 / 0.5 + 0.5 / 0.05)
    assert (shown.lower or 0) < truth < (shown.upper or 1)
    assert (shown.upper or 1) < 0.11  # the share of wrong audits is .11
    assert Watch(limit=0.05).interval().estimate is None


def test_unequal_audits_must_be_declared() -> None:
    watch = Watch(limit=0.05).see(Audit(False, 0.1))
    with pytest.raises(InputError, match="smallest_inclusion"):
        watch.see(Audit(False, 0.2))
    declared = Watch(limit=0.05, smallest_inclusion=0.1)
    for bad in (Audit(False), Audit(False, 0.05), Audit(False, 1.5)):
        with pytest.raises(InputError):
            declared.see(bad)


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 1}, {"limit": 0.1, "alpha": 0}, {"limit": 0.1, "smallest_inclusion": 0}])
def test_an_impossible_watch_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(InputError):
        Watch(**bad)


def test_a_state_that_is_none_is_refused() -> None:
    good = Watch(limit=0.05).see(True).to_dict()
    for bad in ({}, {**good, "counts": [[1.0, 1, 2]]}, {**good, "counts": "x"}):
        with pytest.raises(InputError):
            Watch.from_dict(bad)
