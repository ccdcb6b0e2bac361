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
from pilotage.judging.calibration.monitor import log_e_binomial, log_e_path

LOOKS = 5_000
RUNS = 2_000


def path(wrong: np.ndarray, limit: float) -> np.ndarray:
    """Where each run's watch stands at or above the line: :func:`log_e_path`, by recursion over many runs at once."""
    runs, looks = wrong.shape
    bets = module._bets_anew(limit)
    anew, total = np.zeros((runs, len(bets))), np.zeros(runs, dtype=np.int64)
    over = np.zeros((runs, looks), dtype=bool)
    starts = np.exp(module._log_start(np.arange(looks)))
    for k in range(looks):
        now = wrong[:, k].astype(np.int64)
        total += now
        anew = (anew + starts[k]) * np.where(now[:, None] == 1, 1 + bets * (1 - limit), 1 - bets * limit)
        known = np.arange(total.min(), total.max() + 1)
        begun = np.exp(np.minimum(log_e_binomial(k + 1, known, limit), 300.0))[total - known[0]]
        cash = module._HORIZON / (k + 1 + module._HORIZON)
        over[:, k] = (1 - module._RESTARTS) * begun + module._RESTARTS * (anew.mean(axis=1) + cash) >= 20
    return over


def test_many_runs_at_once_are_each_the_watch() -> None:
    wrong = np.random.default_rng(4).random((40, 400)) < 0.09
    assert (path(wrong, 0.05) == (log_e_path(wrong, 0.05) >= math.log(20))).all()
    watch = Watch(limit=0.05).see_all(wrong[0].tolist())
    first = path(wrong[:1], 0.05)[0]
    assert watch.alarmed_at == (int(first.argmax()) + 1 if first.any() else None)


@pytest.mark.parametrize("limit", [0.02, 0.05, 0.1])
def test_false_alarms_stay_within_alpha_over_five_thousand_looks(limit: float) -> None:
    rng = np.random.default_rng(int(limit * 100))
    alarms = int(path(rng.random((RUNS, LOOKS), dtype=np.float32) < limit, limit).any(axis=1).sum())
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
    over = path(np.random.default_rng(1).random((500, 3_000), dtype=np.float32) < rate, limit)
    delay = np.where(over.any(axis=1), over.argmax(axis=1) + 1, 3_001)
    assert np.median(delay) <= at_most
    assert over.any(axis=1).mean() > 0.99


@pytest.mark.parametrize(("limit", "rate", "at_most"), [(0.05, 0.1, 600), (0.02, 0.06, 460)])
def test_a_shift_after_five_thousand_calm_audits_is_found_several_times_sooner_than_without_restarts(limit: float, rate: float, at_most: int) -> None:
    rng, runs, later = np.random.default_rng(2), 100, 2_000
    wrong = np.concatenate([rng.random((runs, LOOKS)) < limit, rng.random((runs, later)) < rate], axis=1)
    n = np.arange(1, LOOKS + later + 1)

    def delay(over: np.ndarray) -> float:
        quiet = over[~over[:, :LOOKS].any(axis=1), LOOKS:]
        return float(np.median(np.where(quiet.any(axis=1), quiet.argmax(axis=1) + 1, later + 1)))

    with_restarts = delay(path(wrong, limit))
    assert with_restarts <= at_most
    assert 2 * with_restarts < delay(log_e_binomial(n, np.cumsum(wrong, axis=1), limit) >= -math.log(0.05))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0.005, 0.6))
def test_the_watch_is_the_sum_over_all_starts(wrong: list[bool], limit: float) -> None:
    """Each start bet on its own, weighted and summed with the cash that is left: what one number a bet stands for."""
    bets, k = module._bets_anew(limit), np.arange(len(wrong))
    weights = np.exp(module._log_start(k))
    factors = 1 + bets[:, None] * (np.asarray(wrong) - limit)
    assert (factors > 0).all()
    starts = np.stack([factors[:, start:].prod(axis=1) for start in k], axis=1)
    anew = float((starts @ weights).mean()) + 1 - weights.sum()
    n, found = len(wrong), sum(wrong)
    whole = (1 - module._RESTARTS) * math.exp(float(log_e_binomial(n, found, limit))) + module._RESTARTS * anew
    watch = Watch(limit=limit).see_all(wrong)
    assert math.isclose(watch.log_e, math.log(whole), abs_tol=1e-8)
    assert math.isclose(float(log_e_path(wrong, limit)[-1]), watch.log_e, abs_tol=1e-8)


@pytest.mark.parametrize("limit", [0.01, 0.05, 0.3])
def test_no_audit_is_expected_to_win_at_the_limit_and_the_stakes_sum_to_one(limit: float) -> None:
    bets = module._bets_anew(limit)
    expected = limit * (1 + bets * (1 - limit)) + (1 - limit) * (1 - bets * limit)
    assert np.allclose(expected, 1) and (1 - bets * limit > 0).all()
    assert math.isclose(float(np.exp(module._log_start(np.arange(10**6))).sum()), 1 - module._HORIZON / (10**6 + module._HORIZON), rel_tol=1e-9)


def test_a_state_of_before_there_were_restarts_goes_on_with_them_from_there() -> None:
    rng = np.random.default_rng(0)
    before = Watch(limit=0.05).see_all((rng.random(5_000) < 0.05).tolist())
    stored = {name: value for name, value in before.to_dict().items() if not name.startswith("restarts")}
    read = Watch.from_dict(stored)
    assert (read.counts, read.alarmed_at, read.highest) == (before.counts, before.alarmed_at, before.highest)
    assert (read.restarts, read.restarts_since, read.n) == ((), 5_000, 5_000)
    late = (rng.random(1_500) < 0.15).tolist()
    went_off = read.see_all(late)
    assert went_off.alarmed_at is not None and went_off.alarmed_at - 5_000 < 300
    assert Watch.from_dict(json.loads(json.dumps(went_off.to_dict()))) == went_off


def test_the_state_does_not_grow_with_the_audits() -> None:
    sizes = {len(Watch(limit=0.05).see_all([False] * n).restarts) for n in (1, 10, 300)}
    assert sizes == {len(module._TIMES)}


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
    assert np.isclose(watch.see_all(audits).log_e_since_start, np.logaddexp.reduce(total) - math.log(len(total)))


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
def test_the_order_of_audits_does_not_change_what_was_bet_from_the_start(audits: list[tuple[bool, float]]) -> None:
    seen = [Audit(*each) for each in audits]
    watch = Watch(limit=0.05, smallest_inclusion=0.02)
    assert watch.see_all(seen).log_e_since_start == watch.see_all(seen[::-1]).log_e_since_start


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
    for bad in ({}, {**good, "counts": [[1.0, 1, 2]]}, {**good, "counts": "x"}, {**good, "restarts": [0.0]}, {**good, "restarts_since": 7}):
        with pytest.raises(InputError):
            Watch.from_dict(bad)
