"""Calibration and ranking, against references, brute force and known truths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from worlds import sample

from pilotage.judging.calibration import (
    Sample,
    auroc,
    calibration_line,
    dist_ce,
    proper_scores,
    reliability_of,
    risk_coverage,
    slice_reports,
    smooth_ece,
)
from pilotage.judging.calibration.smooth import smoothed_at


def plain(p: np.ndarray, y: np.ndarray, **more: object) -> Sample:
    return Sample.of(p, y, model="m", labelled_by="people", **more)  # type: ignore[arg-type]


def test_a_right_confidence_shows_an_error_and_its_null_knows_it() -> None:
    found = reliability_of(sample(500, power=1.0))
    assert found.ece.estimate is not None
    assert found.null_mean is not None
    assert found.null_95 is not None
    assert found.p is not None
    assert found.ece.estimate > 0.005
    assert found.p > 0.01
    assert found.null_mean < found.null_95


def test_a_wrong_confidence_is_found_out() -> None:
    found = reliability_of(sample(2_000, power=2.0))
    assert found.p is not None
    assert found.p < 0.01
    assert found.l2_squared.lower is not None
    assert found.l2_squared.lower > 0


def test_the_null_shrinks_as_the_sample_grows() -> None:
    nulls = [reliability_of(sample(n, power=1.0)).null_mean or 0 for n in (200, 800, 3_200)]
    assert nulls[0] > 1.6 * nulls[1] > 2.5 * nulls[2]


def test_the_debiased_error_is_nought_on_average_where_the_plain_one_is_not() -> None:
    rng = np.random.default_rng(0)
    squared, errors = [], []
    for _ in range(200):
        p = rng.beta(4, 1, 300)
        found = reliability_of(plain(p, rng.random(300) < p), draws=100, replicates=2)
        squared.append(found.l2_squared.estimate)
        errors.append(found.ece.estimate)
    mean = np.mean(np.array(squared, dtype=float))
    assert abs(mean) < 4 * np.std(np.array(squared, dtype=float)) / np.sqrt(200)
    assert np.mean(np.array(errors, dtype=float)) > 0.03


def test_bins_hold_equal_weight_and_no_confidence_twice() -> None:
    found = reliability_of(plain(np.repeat([0.1, 0.5, 0.9], [100, 300, 100]), np.tile([0, 1], 250)))
    assert [each.n for each in found.bins] == [100, 300, 100]
    assert all(each.band_low <= each.confidence <= each.band_high for each in found.bins if each.band_low is not None and each.band_high is not None)
    even = reliability_of(sample(3_000)).bins
    assert max(each.n for each in even) - min(each.n for each in even) <= 2


def test_weights_undo_how_the_sample_was_drawn() -> None:
    rng = np.random.default_rng(4)
    p = rng.beta(4, 1, 60_000)
    y = rng.random(60_000) < p**1.5
    drawn = rng.random(60_000) < np.where(p < 0.8, 0.3, 0.05)
    all_of_it = reliability_of(plain(p, y), draws=100, replicates=2).ece.estimate or 0
    some = plain(p[drawn], y[drawn], inclusion=np.where(p < 0.8, 0.3, 0.05)[drawn])
    ignoring = reliability_of(plain(p[drawn], y[drawn]), draws=100, replicates=2).ece.estimate or 0
    weighted = reliability_of(some, draws=100, replicates=2).ece.estimate or 0
    assert abs(weighted - all_of_it) < 0.015 < abs(ignoring - all_of_it)


def brute_smooth(p: np.ndarray, y: np.ndarray, sigma: float, images: int = 6) -> float:
    """The definition: the Gaussian mirrored at 0 and 1, integrated on a fine grid."""
    t = (np.arange(4_000) + 0.5) / 4_000
    height = np.zeros(len(t))
    for image in range(-images, images + 1):
        for centre in (2 * image + p, 2 * image - p):
            kernel = np.exp(-0.5 * ((t[:, None] - centre) / sigma) ** 2) / (sigma * np.sqrt(2 * np.pi))
            height += kernel @ (y - p) / len(p)
    return float(np.abs(height).mean())


@pytest.mark.parametrize("sigma", [0.01, 0.05, 0.3])
def test_smoothing_among_cosines_is_the_mirrored_gaussian(sigma: float) -> None:
    one = sample(60)
    assert np.isclose(smoothed_at(one, sigma), brute_smooth(one.confidence, one.correct, sigma), rtol=2e-3)


@pytest.mark.parametrize(
    ("seed", "n", "power", "reference"), [(0, 500, 1.4, 0.04806), (1, 2_000, 1.4, 0.07937), (2, 5_000, 1.4, 0.05144), (11, 2_000, 1.0, 0.02524)]
)
def test_the_smooth_error_is_the_reference_implementations(seed: int, n: int, power: float, reference: float) -> None:
    """Figures of relplot 1.0.3, whose search stops at .001."""
    rng = np.random.default_rng(seed)
    p = rng.beta(4, 1, n)
    one = plain(p, rng.random(n) < p**power)
    found = smooth_ece(one, replicates=0).estimate
    assert found is not None
    assert abs(found - reference) < 0.001
    assert np.isclose(smoothed_at(one, found), found, atol=1e-6)


def test_slope_and_intercept_are_those_of_a_logistic_regression() -> None:
    one = sample(2_000)
    line = calibration_line(one)
    peer = LogisticRegression(C=1e9, tol=1e-10).fit(one.logits[:, None], one.correct)
    assert np.isclose(line.slope.estimate or 0, peer.coef_[0, 0], atol=1e-4)
    assert line.intercept.upper is not None
    assert line.intercept.upper < 0  # too sure on the whole
    right = calibration_line(sample(3_000, power=1.0)).slope
    assert right.lower is not None
    assert right.upper is not None
    assert right.lower < 1 < right.upper


def test_what_cannot_be_measured_says_why() -> None:
    p = np.linspace(0.1, 0.9, 600)
    all_right = plain(p, np.ones(600))
    for figure in (calibration_line(all_right).slope, auroc(all_right)):
        assert figure.estimate is None
        assert "right" in figure.reason
    separated = calibration_line(plain(p, p > 0.5)).slope
    assert separated.estimate is None
    assert "separated" in separated.reason


def test_scores_are_the_references_and_add_up() -> None:
    one = sample(1_200)
    found = proper_scores(one)
    assert np.isclose(found.brier.estimate or 0, brier_score_loss(one.correct, one.confidence))
    assert np.isclose(found.log_loss.estimate or 0, log_loss(one.correct, np.clip(one.confidence, 1e-6, 1 - 1e-6)))
    assert np.isclose(found.miscalibration - found.discrimination + found.uncertainty, found.brier.estimate or 0)
    assert found.miscalibration > 0


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 8), st.booleans()), min_size=4, max_size=60))
def test_auroc_is_the_references(points: list[tuple[int, bool]]) -> None:
    p, y = np.array([a / 8 for a, _ in points]), np.array([b for _, b in points])
    if np.ptp(p) == 0 or y.all() or not y.any():
        return
    found = auroc(plain(p, y))
    assert np.isclose(found.estimate or 0.0, roc_auc_score(y, p))
    assert found.lower is not None
    assert found.upper is not None
    assert 0 <= found.lower <= (found.estimate or 0.0) <= found.upper <= 1
    assert found.lower < found.upper


def test_the_interval_of_the_auroc_holds_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(300):
        y = rng.random(300) < 0.8
        score = rng.normal(0, 1, 300) + y
        found = auroc(plain(1 / (1 + np.exp(-score)), y))
        held += (found.lower or 0) <= 0.76025 <= (found.upper or 1)
    assert held >= 270


def test_the_area_under_risk_and_coverage_is_its_definition() -> None:
    one = sample(300)
    order = np.argsort(-one.confidence)
    risks = np.cumsum(one.wrong[order]) / np.arange(1, 301)
    best = np.cumsum(np.sort(one.wrong)) / np.arange(1, 301)
    found = risk_coverage(one)
    assert np.isclose(found.aurc.estimate or 0, risks.mean())
    assert np.isclose(found.excess.estimate or 0, risks.mean() - best.mean())
    assert found.coverage[-1] == 1.0
    perfect = risk_coverage(plain(np.linspace(0, 1, 100), np.arange(100) >= 20))
    assert np.isclose(perfect.excess.estimate or 0.0, 0.0)


def test_ties_are_taken_as_in_random_order() -> None:
    tied = plain(np.array([0.9, 0.9, 0.1]), np.array([1, 0, 1]))
    turned = plain(np.array([0.9, 0.9, 0.1]), np.array([0, 1, 1]))
    assert risk_coverage(tied).aurc.estimate == risk_coverage(turned).aurc.estimate


def test_soft_truth_is_compared_as_a_distribution_and_gets_no_p() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet([3, 1, 1], 600)
    votes = np.array([rng.multinomial(20, row) for row in p])
    right = Sample.of(p.max(axis=1), None, votes=votes, probabilities=p, model="m", labelled_by="people")
    found, floor = dist_ce(right)
    assert floor is not None
    assert abs((found.estimate or 0) - floor) < 0.01
    assert reliability_of(right).p is None
    assert "soft" in reliability_of(right).reason
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    off, floor_of_sharp = dist_ce(Sample.of(sharp.max(axis=1), None, votes=votes, probabilities=sharp, model="m", labelled_by="people"))
    assert (off.lower or 0) > 1.5 * (floor_of_sharp or 1)


def test_a_slice_for_whom_the_confidence_lies_fails_and_the_others_do_not() -> None:
    rng = np.random.default_rng(1)
    p = rng.beta(4, 0.8, 3_000)
    language = rng.choice(["de", "en", "tr"], 3_000, p=[0.45, 0.45, 0.1])
    y = rng.random(3_000) < np.where(language == "tr", p**4, p)
    one = plain(p, y, slices={"language": language, "channel": np.where(np.arange(3_000) < 20, "fax", "web")})
    found = {each.name: each for each in slice_reports(one, threshold=0.9, risk=0.1, mandatory=["language", "channel=fax", "language=fr"])}
    assert found["language=tr"].status == "failed"
    assert "Holm" in found["language=tr"].reason
    assert {found[f"language={value}"].status for value in ("de", "en")} == {"measured"}
    assert found["channel=fax"].status == found["language=fr"].status == "not_measured"
    assert found["channel=fax"].mandatory
    assert not found["channel=web"].mandatory
    assert all((each.ece_p_adjusted or 1) >= (each.ece_p or 0) for each in found.values())
