"""Mending a confidence, and that what mended it cannot certify it."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from worlds import sample

from pilotage.core import InputError, IntegrityError, Refused
from pilotage.judging.calibration import Recalibrator, Sample, compare, recalibrate, reliability_of, smooth_ece
from pilotage.judging.calibration.recalibration import METHODS, log_losses


@pytest.mark.parametrize("method", METHODS)
def test_each_way_mends_a_confidence_that_is_too_sure(method: str) -> None:
    mending = recalibrate(sample(2_000, power=2.5, prefix="a"), methods=[method])
    other = sample(6_000, power=2.5, prefix="b", seed=1)
    mended = mending.apply_to(other)
    before, after = smooth_ece(other, replicates=0).estimate or 0, smooth_ece(mended, replicates=0).estimate or 1
    assert after < 0.6 * before  # one number (temperature) cannot mend this shape entirely
    assert mended.recalibrated_by == mending.hash
    assert log_losses(mended.confidence, mended.correct).mean() < log_losses(other.confidence, other.correct).mean()


@pytest.mark.parametrize("method", METHODS)
def test_a_mended_confidence_rises_with_the_raw_one_and_stays_a_probability(method: str) -> None:
    mended = recalibrate(sample(1_200), methods=[method]).apply(np.linspace(0, 1, 501))
    assert (np.diff(mended) >= -1e-12).all()
    assert mended.min() >= 0
    assert mended.max() <= 1


@pytest.mark.parametrize("method", METHODS)
def test_json_and_back_is_the_same_recalibrator(method: str) -> None:
    mending = recalibrate(sample(1_200), methods=[method])
    back = Recalibrator.from_dict(json.loads(json.dumps(mending.to_dict())))
    assert back == mending
    assert back.hash == mending.hash
    assert np.array_equal(back.apply(np.linspace(0, 1, 99)), mending.apply(np.linspace(0, 1, 99)))


def test_a_changed_record_is_found_out() -> None:
    record = recalibrate(sample(600), methods=["platt"]).to_dict()
    record["parameters"]["slope"] *= 2
    with pytest.raises(IntegrityError):
        Recalibrator.from_dict(record)
    with pytest.raises(InputError):
        Recalibrator.from_dict({**record, "method": "identity"})
    with pytest.raises(InputError):
        Recalibrator.from_dict({"method": "platt"})


def test_the_choice_is_the_lowest_cross_fitted_loss_and_never_the_raw_one() -> None:
    table = compare(sample(1_500, power=1.0))
    losses = {each.method: each.log_loss for each in table if each.log_loss is not None}
    assert set(losses) == {*METHODS, "raw"}
    chosen = [each.method for each in table if each.chosen]
    assert chosen == [min((name for name in losses if name != "raw"), key=lambda name: losses[name])]
    with pytest.raises(InputError, match="no recalibration 'raw'"):
        recalibrate(sample(600), methods=["raw"])


def test_isotonic_needs_a_thousand() -> None:
    row = next(each for each in compare(sample(999)) if each.method == "isotonic")
    assert row.log_loss is None
    assert "1000" in row.reason
    with pytest.raises(Refused):
        recalibrate(sample(999), methods=["isotonic"])


def test_what_was_fitted_on_cannot_certify() -> None:
    one = sample(1_000)
    mending = recalibrate(one)
    with pytest.raises(Refused, match="already used"):
        mending.apply_to(one.where(np.arange(5)))
    with pytest.raises(Refused, match="already used"):
        mending.apply_to(sample(1_000, seed=3))
    mended = mending.apply_to(sample(1_000, prefix="other"))
    with pytest.raises(Refused, match="already recalibrated"):
        mending.apply_to(mended)
    with pytest.raises(Refused, match="already recalibrated"):
        recalibrate(mended)


def test_ids_are_kept_as_digests_only() -> None:
    assert "i17" not in json.dumps(recalibrate(sample(600)).to_dict())


def test_without_ids_or_of_another_model_it_is_refused() -> None:
    p = np.linspace(0.1, 0.9, 600)
    nameless = Sample.of(p, np.random.default_rng(0).random(600) < p, model="m-1", labelled_by="people")
    with pytest.raises(Refused, match="no item ids"):
        recalibrate(nameless)
    with pytest.raises(Refused, match="no item ids"):
        recalibrate(sample(600)).apply_to(nameless)
    foreign = Sample.of(p, p > 0.5, model="m-2", labelled_by="people", ids=map(str, range(600)))
    with pytest.raises(Refused, match="m-2"):
        recalibrate(sample(600)).apply_to(foreign)


def test_too_few_or_only_right_is_refused() -> None:
    with pytest.raises(Refused, match="too few"):
        recalibrate(sample(99))
    one = Sample.of(np.linspace(0, 1, 200), np.ones(200), model="m", labelled_by="p", ids=map(str, range(200)))
    with pytest.raises(Refused, match="Every output is right"):
        recalibrate(one)


def test_a_confidence_that_misleads_is_flattened_and_not_turned_round() -> None:
    rng = np.random.default_rng(0)
    p = rng.beta(2, 2, 1_500)
    one = Sample.of(p, rng.random(1_500) < 1 - p, model="m", labelled_by="p", ids=map(str, range(1_500)))
    for method in METHODS:
        assert (np.diff(recalibrate(one, methods=[method]).apply(np.linspace(0, 1, 50))) >= -1e-12).all()


def test_weights_count_in_the_fit() -> None:
    rng = np.random.default_rng(2)
    p = rng.beta(4, 1, 40_000)
    y = rng.random(40_000) < p**2
    inclusion = np.where(y, 0.02, 0.2)  # wrong outputs were looked for
    drawn = rng.random(40_000) < inclusion
    one = Sample.of(p[drawn], y[drawn], model="m", labelled_by="p", ids=map(str, np.flatnonzero(drawn)), inclusion=inclusion[drawn])
    mended = recalibrate(one, methods=["platt"]).apply(p)
    assert abs(mended.mean() - y.mean()) < 0.03
    ignoring = Sample.of(p[drawn], y[drawn], model="m", labelled_by="p", ids=map(str, np.flatnonzero(drawn)))
    assert abs(recalibrate(ignoring, methods=["platt"]).apply(p).mean() - y.mean()) > 0.1


def test_venn_abers_says_how_sure_the_mending_is() -> None:
    few, many = recalibrate(sample(300), methods=["venn_abers"]), recalibrate(sample(5_000), methods=["venn_abers"])
    at = np.linspace(0.3, 0.95, 20)
    narrow, wide = many.spread(at), few.spread(at)
    assert narrow is not None
    assert wide is not None
    assert narrow.mean() < wide.mean()
    assert recalibrate(sample(300), methods=["platt"]).spread(at) is None


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_any_confidence_is_mended_to_a_probability(confidences: list[float]) -> None:
    mended = MENDING.apply(confidences)
    assert ((mended >= 0) & (mended <= 1)).all()


MENDING = recalibrate(sample(1_100), methods=["beta"])


def test_what_is_no_confidence_is_refused() -> None:
    for bad in ([1.2], [float("nan")]):
        with pytest.raises(InputError):
            MENDING.apply(bad)


def test_after_mending_the_null_is_no_longer_refuted() -> None:
    mended = recalibrate(sample(20_000, power=2.0, prefix="a")).apply_to(sample(1_000, power=2.0, prefix="b", seed=5))
    assert (reliability_of(mended).p or 0) > 0.01
