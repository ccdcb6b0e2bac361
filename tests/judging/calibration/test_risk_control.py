"""Thresholds with a guarantee: simulated where the truth is known, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import binom, kstest
from worlds import World, sample, worlds

from pilotage.core import InputError, Refused
from pilotage.core.intervals import clopper_pearson
from pilotage.core.multiplicity import holm
from pilotage.judging.calibration import Guarantee, Sample, certify, certify_slices, marginal, set_coverage
from pilotage.judging.calibration.bounds import (
    alpha_of_look,
    betting_log_wealth,
    binomial_p,
    clopper_pearson_lower,
    clopper_pearson_upper,
    hoeffding_bentkus_p,
)
from pilotage.judging.calibration.labels import accepted_counts, coverage_without_guarantee, more_labels
from pilotage.judging.calibration.risk_control import smallest_n

DRAWS = 400
DELTA = 0.05
WORLDS = worlds()
NAMES = [world.name for world in WORLDS]


def violated(world: World, confidence: np.ndarray, counts: np.ndarray, risk: float) -> np.ndarray:
    """Which draws certified a threshold whose true error rate is above ``risk``."""
    at = confidence[np.arange(len(confidence)), np.maximum(counts, 1) - 1]
    return (counts > 0) & (world.risk_above(at) > risk)


def within(violations: int, *, configurations: int) -> bool:
    """Whether so many violations are what a rate of DELTA could show in DRAWS, at one in a thousand over all configurations together."""
    return bool(binom.sf(violations - 1, DRAWS, DELTA) > 0.001 / configurations)


@pytest.mark.parametrize("world", WORLDS, ids=NAMES)
def test_no_configuration_breaks_its_promise_more_often_than_delta(world: World) -> None:
    rng = np.random.default_rng(WORLDS.index(world))
    for n in (500, 2_000):
        confidence, wrong = world.draw(rng, DRAWS, n)
        for risk in (0.02, 0.05, 0.1):
            for starts in ((1.0,), (1.0, 3.0)):
                counts = accepted_counts(wrong, risk=risk, delta=DELTA, starts=starts, only_look=True)
                broken = int(violated(world, confidence, counts, risk).sum())
                assert within(broken, configurations=12 * len(WORLDS)), (n, risk, starts, broken)


@pytest.mark.parametrize("world", WORLDS, ids=NAMES)
def test_looks_at_growing_data_together_break_it_no_more_often(world: World) -> None:
    rng = np.random.default_rng(100 + WORLDS.index(world))
    at_random = rng.beta(world.a, world.b, (DRAWS, 2_000))
    wrong_at_random = rng.random(at_random.shape) >= world.right(at_random)
    for starts in ((1.0,), (1.0, 3.0)):
        broken = np.zeros(DRAWS, dtype=bool)
        for look, n in enumerate((500, 1_000, 1_500, 2_000), start=1):
            order = np.argsort(-at_random[:, :n], axis=1)
            confidence = np.take_along_axis(at_random[:, :n], order, axis=1)
            wrong = np.take_along_axis(wrong_at_random[:, :n], order, axis=1)
            broken |= violated(world, confidence, accepted_counts(wrong, risk=0.05, delta=DELTA, starts=starts, look=look), 0.05)
        assert within(int(broken.sum()), configurations=2 * len(WORLDS))


@pytest.mark.parametrize("slices", [2, 5])
def test_slices_together_break_it_no_more_often(slices: int) -> None:
    for first in range(0, len(WORLDS) - slices, 3):
        parts = WORLDS[first : first + slices]
        rng = np.random.default_rng(first)
        broken = np.zeros(DRAWS, dtype=bool)
        for world in parts:
            confidence, wrong = world.draw(rng, DRAWS, 800)
            broken |= violated(world, confidence, accepted_counts(wrong, risk=0.05, delta=DELTA, share=1 / slices, only_look=True), 0.05)
        assert within(int(broken.sum()), configurations=10)


@pytest.mark.parametrize("world", WORLDS[5:9], ids=NAMES[5:9])
def test_unequal_inclusion_keeps_the_promise_about_production(world: World) -> None:
    """Uncertain outputs are drawn nine times as often as sure ones; what is promised is about all of production."""
    rng = np.random.default_rng(7)
    broken, certified = 0, 0
    for _ in range(DRAWS):
        drawn = rng.beta(world.a, world.b, 3_000)
        drawn = drawn[rng.random(3_000) < np.where(drawn < 0.9, 0.9, 0.1)]
        drawn = -np.sort(-drawn)
        wrong = (rng.random(len(drawn)) >= world.right(drawn)).astype(float)
        counts = accepted_counts(wrong[None, :], risk=0.05, delta=DELTA, only_look=True, scaled=0.1 / np.where(drawn < 0.9, 0.9, 0.1))
        broken += int(violated(world, drawn[None, :], counts, 0.05)[0])
        certified += int(counts[0] > 0)
    assert within(broken, configurations=4)
    assert certified > 0 or world.name.endswith(("says nothing", "too sure", "wrong at the top"))


def split_counts(wrong: np.ndarray, risk: float) -> np.ndarray:
    """The variant that spends half the labels on choosing where to start: coverage as a share of n."""
    found = np.zeros(len(wrong))
    for row, losses in enumerate(wrong):
        dev, cert = losses[::2], losses[1::2]
        ends = np.arange(1, len(dev) + 1)
        passing = np.flatnonzero(binomial_p(np.cumsum(dev), ends, risk) <= DELTA)
        if not len(passing):
            continue
        p = binomial_p(np.cumsum(cert), np.arange(1, len(cert) + 1), risk)
        at = min(int(passing[-1]), len(cert) - 1)
        while at < len(cert) and p[at] <= DELTA:
            found[row] = (at + 1) / len(cert)
            at += max(1, len(cert) // 100)
    return found


@pytest.mark.parametrize(("shape", "n"), [("right", 500), ("right", 2_000), ("too sure", 2_000), ("not sure enough", 500)])
def test_testing_with_all_labels_accepts_more_than_splitting_them(shape: str, n: int) -> None:
    world = next(each for each in WORLDS if each.name == f"good, {shape}")
    _, wrong = world.draw(np.random.default_rng(3), 150, n)
    ours = accepted_counts(wrong, risk=0.05, delta=DELTA, only_look=True) / n
    assert ours.mean() > split_counts(wrong, 0.05).mean()


def test_many_samples_at_once_are_the_same_as_one_by_one() -> None:
    world = WORLDS[5]
    confidence, wrong = world.draw(np.random.default_rng(0), 40, 700)
    counts = accepted_counts(wrong, risk=0.08, delta=0.1, look=2, share=0.5)
    assert (counts > 0).any()
    for row in range(40):
        found = certify(Sample.of(confidence[row], ~wrong[row], model="m", labelled_by="p"), risk=0.08, delta=0.1, look=2, share=0.5)
        assert found.accepted == counts[row]
        assert not found.certified or found.value == confidence[row, counts[row] - 1]


def test_the_bound_holds_the_risk_and_the_threshold_says_what_it_promises() -> None:
    found = certify(sample(3_000, power=1.0), risk=0.05)
    assert found.value is not None
    assert found.bound is not None
    assert found.errors / found.accepted <= found.bound <= 0.05
    assert found.guarantee is Guarantee.SELECTIVE
    assert 0 < found.alpha <= 0.05


def test_a_walk_that_reaches_the_second_start_has_all_of_delta() -> None:
    perfect = Sample.of(np.linspace(0.5, 1, 1_000), np.ones(1_000), model="m", labelled_by="p")
    found = certify(perfect, risk=0.05, delta=0.05, only_look=True)
    assert found.coverage == 1.0
    assert math.isclose(found.alpha, 0.05)


def test_one_early_error_is_survived_by_the_second_start() -> None:
    correct = np.ones(1_000)
    correct[3] = 0
    noisy = Sample.of(np.linspace(1, 0.5, 1_000), correct, model="m", labelled_by="p")
    assert not certify(noisy, risk=0.05, starts=(1,)).certified
    assert certify(noisy, risk=0.05).coverage == 1.0


def test_the_only_look_spends_all_of_delta_and_may_not_be_the_second() -> None:
    one = sample(1_500, power=1.0)
    assert certify(one, risk=0.05, only_look=True).coverage >= certify(one, risk=0.05).coverage
    with pytest.raises(InputError, match="only look"):
        certify(one, risk=0.05, look=2, only_look=True)


def test_too_few_items_certify_nothing_and_the_number_is_said() -> None:
    found = certify(sample(50), risk=0.02)
    assert not found.certified
    assert str(smallest_n(0.02, 0.025)) in found.reason or "more" in found.reason
    assert found.coverage == 0


def test_items_of_one_confidence_are_accepted_together_or_not_at_all() -> None:
    tied = Sample.of(np.repeat([0.9, 0.8, 0.2], 200), np.repeat([1, 1, 0], 200), model="m", labelled_by="p")
    assert certify(tied, risk=0.05).value == 0.8


def test_the_plain_binomial_is_refused_for_unequal_weights_and_soft_truth() -> None:
    unequal = sample(800, inclusion=np.where(np.arange(800) % 2, 0.5, 0.1))
    for bound in ("binomial", "hoeffding_bentkus"):
        with pytest.raises(Refused, match="unequal inclusion"):
            certify(unequal, risk=0.05, bound=bound)
    assert "betting" in certify(unequal, risk=0.05).method
    soft = Sample.of([0.5, 0.9], [0.3, 1.0], model="m", labelled_by="p")
    with pytest.raises(Refused, match="soft"):
        certify(soft, risk=0.05, bound="binomial")


def test_equal_inclusion_is_no_different_from_none() -> None:
    assert certify(sample(800, inclusion=0.1), risk=0.1).value == certify(sample(800), risk=0.1).value


@pytest.mark.parametrize("wrong", [{"risk": 0.0}, {"risk": 1.0}, {"risk": 0.1, "delta": 0}, {"risk": 0.1, "look": 0}, {"risk": 0.1, "starts": ()}])
def test_impossible_levels_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InputError):
        certify(sample(600), **wrong)  # type: ignore[arg-type]


def test_slices_share_delta_and_all_are_named() -> None:
    found = certify_slices(sample(3_000, power=1.0), "language", risk=0.08)
    assert set(found) == {"de", "en"}
    assert all(each.alpha <= 0.025 + 1e-12 and each.slice.startswith("language=") for each in found.values())
    with pytest.raises(InputError, match="no slices by"):
        certify_slices(sample(600), "region", risk=0.1)
    with pytest.raises(InputError, match="shares"):
        certify_slices(sample(600), "language", risk=0.1, shares={"de": 0.9, "en": 0.9})


def test_the_marginal_reading_holds_on_average_and_accepts_more() -> None:
    world = WORLDS[6]
    rng = np.random.default_rng(5)
    confidence, wrong = world.draw(rng, 200, 500)
    fresh, lost = world.draw(rng, 1, 100_000)
    rates = []
    for row in range(200):
        found = marginal(Sample.of(confidence[row], ~wrong[row], model="m", labelled_by="p"), risk=0.05)
        assert found.guarantee is Guarantee.MARGINAL
        rates.append(0.0 if found.value is None else float((lost[0] & (fresh[0] >= found.value)).mean()))
    assert np.mean(rates) <= 0.05 + 3 * np.std(rates) / math.sqrt(200)
    one = sample(1_500)
    assert marginal(one, risk=0.05).coverage >= certify(one, risk=0.05).coverage


def test_predicted_sets_hold_the_right_class_as_often_as_promised_and_say_that_this_is_all() -> None:
    rng = np.random.default_rng(1)
    p = rng.dirichlet([2, 1, 0.5], 6_000)
    right = (rng.random((6_000, 1)) > np.cumsum(p, axis=1)).sum(axis=1).clip(0, 2)
    rule = set_coverage(p[:1_000], right[:1_000], alpha=0.1)
    covered = (p[1_000:] >= rule.cutoff)[np.arange(5_000), right[1_000:]].mean()
    assert rule.guarantee is Guarantee.SET
    assert 0.86 < covered < 0.94
    single = (p[1_000:] >= rule.cutoff).sum(axis=1) == 1
    accuracy_of_single = (p[1_000:].argmax(axis=1) == right[1_000:])[single].mean()
    assert accuracy_of_single < 0.9  # set coverage is no accuracy of what has one class
    with pytest.raises(InputError, match="too few"):
        set_coverage(p[:5], right[:5], alpha=0.1)


def test_looks_never_spend_more_than_delta() -> None:
    assert sum(alpha_of_look(0.05, look) for look in range(1, 10_000)) < 0.05


def test_p_values_are_valid_at_the_edge() -> None:
    rng = np.random.default_rng(2)
    losses = (rng.random((4_000, 200)) < 0.05).astype(float)
    exact = binomial_p(losses.sum(axis=1), 200, 0.05)
    bets = np.exp(-betting_log_wealth(losses, np.ones(200), 0.05))[:, -1]
    hb = hoeffding_bentkus_p(losses.mean(axis=1), 200, 0.05)
    for p in (exact, bets, hb):
        for level in (0.01, 0.05, 0.2):
            assert (p <= level).mean() <= level + 3 * math.sqrt(level / 4_000)
    assert np.allclose(exact, binom.cdf(losses.sum(axis=1), 200, 0.05))


@pytest.mark.parametrize(("errors", "n"), [(0, 1), (0, 40), (3, 40), (40, 40), (7, 900), (899, 900)])
def test_the_quick_exact_bounds_are_the_plain_ones(errors: int, n: int) -> None:
    plain = clopper_pearson(errors, n, level=0.9)
    assert clopper_pearson_lower(errors, n, 0.05) == pytest.approx(plain.lower, abs=1e-10)
    assert clopper_pearson_upper(errors, n, 0.05) == pytest.approx(plain.upper, abs=1e-10)


def test_holm_is_what_it_is() -> None:
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03}) == {"a": 0.03, "b": 0.06, "c": 0.06}
    assert holm({}) == {}


def test_more_labels_buy_coverage_and_the_guarantee_has_its_price() -> None:
    few = sample(700, power=1.0)
    bought = more_labels(few, risk=0.05, more=(100, 3_000))
    assert bought[1].coverage > bought[0].coverage
    assert bought[1].gained > 0
    assert all(each.coverage_low <= each.coverage <= each.coverage_high or each.coverage_low == each.coverage_high for each in bought)
    assert coverage_without_guarantee(few, risk=0.05) >= certify(few, risk=0.05).coverage
    assert more_labels(sample(900, inclusion=np.where(np.arange(900) % 2, 0.5, 0.1)), risk=0.1, more=(100,))[0].n == 1_000


def test_null_p_values_of_the_calibration_error_are_uniform() -> None:
    from pilotage.judging.calibration.reliability import calibration_p

    rng = np.random.default_rng(11)
    found = []
    for seed in range(400):
        p = rng.beta(4, 1, 400)
        found.append(calibration_p(Sample.of(p, rng.random(400) < p, model="m", labelled_by="p"), draws=199, seed=seed))
    assert kstest([each for each in found if each is not None], "uniform").pvalue > 0.001


def test_predicted_sets_hold_the_right_class_where_probabilities_were_rounded() -> None:
    # 1 - (1 - .3) is above .3: a cutoff that went that way would leave out everybody who has just .3.
    p = np.array([[0.3, 0.7]] * 90 + [[0.9, 0.1]] * 10)
    right = np.zeros(100, dtype=np.int64)
    rule = set_coverage(p, right, alpha=0.1)
    assert rule.cutoff == 0.3
    assert (p[np.arange(100), right] >= rule.cutoff).mean() == 1.0
