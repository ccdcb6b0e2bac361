"""Champion and challenger on the same rows."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from pilotage.core import InputError
from pilotage.pipelines.challenging import METRICS, challenge


def window(rows=4000, *, seed=0, noise=1.0):
    random = np.random.default_rng(seed)
    signal = random.normal(size=rows)
    labels = random.random(rows) < 1 / (1 + np.exp(-2 * signal))
    scores = 1 / (1 + np.exp(-2 * (signal + noise * random.normal(size=rows))))
    return labels, scores, 1 / (1 + np.exp(-2 * signal))


@pytest.mark.parametrize("metric", METRICS)
def test_a_better_challenger_is_promoted_and_a_worse_one_is_not(metric):
    labels, worse, better = window()
    won = challenge(labels, worse, better, metric=metric)
    assert (
        won.promoted
        and won.gain.lower > 0
        and won.gain.estimate == pytest.approx((won.challenger - won.champion) * (1 if metric in ("accuracy", "roc_auc") else -1))
    )
    lost = challenge(labels, better, worse, metric=metric)
    assert not lost.promoted and lost.gain.estimate == pytest.approx(-won.gain.estimate)


@pytest.mark.parametrize("metric", METRICS)
def test_the_same_model_again_is_not_promoted(metric):
    labels, scores, _ = window()
    assert not challenge(labels, scores, scores, metric=metric).promoted


def test_a_gain_within_the_margin_keeps_the_champion():
    labels, worse, better = window()
    gain = challenge(labels, worse, better, metric="brier").gain
    assert not challenge(labels, worse, better, metric="brier", margin=gain.upper + 0.01).promoted
    as_good = np.clip(better + np.random.default_rng(1).normal(0, 0.01, len(better)), 0, 1)
    assert not challenge(labels, better, as_good, metric="brier").promoted
    assert challenge(labels, better, as_good, metric="brier", margin=-0.01).promoted


def test_the_area_under_the_curve_is_the_known_one_with_ties():
    labels, scores, better = window(600)
    rounded = np.round(scores, 1)
    found = challenge(labels, rounded, better, metric="roc_auc")
    assert found.champion == pytest.approx(roc_auc_score(labels, rounded))
    assert found.challenger == pytest.approx(roc_auc_score(labels, better))


def test_delongs_interval_covers_as_often_as_it_says():
    truth = challenge(*window(400_000, seed=99), metric="roc_auc").gain.estimate
    inside = 0
    for seed in range(200):
        gain = challenge(*window(400, seed=seed), metric="roc_auc").gain
        inside += gain.lower <= truth <= gain.upper
    assert 180 <= inside <= 199


def test_too_few_rows_or_one_class_decide_nothing():
    labels, worse, better = window(150)
    found = challenge(labels, worse, better, metric="brier")
    assert not found.promoted and not found.gain.measured and "at least 200" in found.why
    labels, worse, better = window(500)
    assert not challenge(np.ones(500, bool), worse, better, metric="accuracy").gain.measured


def test_rows_of_one_customer_make_a_wider_interval():
    labels, worse, better = (np.repeat(each, 20) for each in window(300))
    alone = challenge(labels, worse, better, metric="brier").gain
    grouped = challenge(labels, worse, better, metric="brier", clusters=[str(row // 20) for row in range(6000)]).gain
    assert grouped.upper - grouped.lower > 3 * (alone.upper - alone.lower) and grouped.n_clusters == 300


def test_scores_of_other_rows_are_refused():
    labels, worse, better = window(300)
    with pytest.raises(InputError, match="one length"):
        challenge(labels, worse, better[:-1], metric="brier")
