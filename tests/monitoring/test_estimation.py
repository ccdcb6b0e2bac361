"""Performance before labels: near the truth, with intervals that hold, and refused where it would mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pilotage.core import InputError, Refused
from pilotage.monitoring import Window, domain_test, estimate_loss, estimate_performance, fit_estimator, realised_performance


def scored(n: int, seed: int, *, shift: float = 0.0, concept: float = 0.0, labels: bool = True) -> Window:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=n) * 1.5 + shift
    truth = rng.random(n) < 1 / (1 + np.exp(-(z + concept)))
    score = 1 / (1 + np.exp(-(1.3 * z + 0.3)))
    return Window(pa.table({"z": z}), score, score >= 0.5, truth.astype(np.int8) if labels else None)


def test_the_estimate_is_near_what_the_labels_say():
    production = scored(20_000, 2, shift=0.5)
    found, truth = estimate_performance(scored(20_000, 1), replace(production, labels=None)), realised_performance(production)
    for metric in ("accuracy", "precision", "recall", "f1", "specificity", "auc"):
        assert found.figure(metric).estimate == pytest.approx(truth.figure(metric).estimate, abs=0.012)


def test_the_interval_holds_what_labels_will_show():
    inside = dict.fromkeys(("accuracy", "precision", "recall", "f1", "specificity", "auc"), 0)
    for seed in range(40):
        production = scored(800, 1000 + seed, shift=0.3)
        found, truth = estimate_performance(scored(2000, seed), production), realised_performance(production)
        for metric in inside:
            figure = found.figure(metric)
            inside[metric] += figure.lower <= truth.figure(metric).estimate <= figure.upper
    assert min(inside.values()) >= 34  # 95 % of 40 is 38


def test_it_is_blind_to_concept_drift_and_says_so():
    reference, production = scored(8000, 1), scored(8000, 2, concept=-1.5)
    found, truth = estimate_performance(reference, production), realised_performance(production)
    assert truth.figure("accuracy").estimate < found.figure("accuracy").lower - 0.05
    assert any("blind to concept drift" in note for note in found.notes)
    assert found.figure("accuracy").detail["blind_to"] == "concept drift"


def test_a_fall_of_performance_by_other_inputs_is_seen_without_labels():
    found = estimate_performance(scored(6000, 1, shift=2.0), scored(6000, 2, shift=0.0, labels=False))
    assert found.drop("accuracy").lower > 0.02
    same = estimate_performance(scored(6000, 3), scored(6000, 4, labels=False))
    assert same.drop("accuracy").lower < 0 < same.drop("accuracy").upper


def test_weighting_mends_a_score_whose_calibration_depends_on_the_inputs():
    def group_window(n: int, seed: int, share: float) -> Window:
        rng = np.random.default_rng(seed)
        g, z = rng.random(n) < share, rng.normal(size=n)
        truth = rng.random(n) < 1 / (1 + np.exp(-(z + np.where(g, 1.5, -1.0))))
        score = 1 / (1 + np.exp(-z))
        return Window(pa.table({"z": z, "g": g.astype(float)}), score, score >= 0.5, truth.astype(np.int8))

    reference, production = group_window(8000, 1, 0.2), group_window(8000, 2, 0.8)
    truth = realised_performance(production).figure("precision").estimate
    plain = estimate_performance(reference, production).figure("precision").estimate
    weighted = estimate_performance(reference, production, domain=domain_test(reference, production, explain=False)).figure("precision").estimate
    assert abs(weighted - truth) < 0.03 < abs(plain - truth)


def test_the_estimator_is_the_same_fitted_once_for_many_windows():
    reference, production = scored(3000, 1), scored(1000, 2)
    assert fit_estimator(reference).estimate(production).to_dict() == estimate_performance(reference, production).to_dict()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"reference_is_training": True}, "training data"),
        ({"training_digest": "abc"}, "training data"),
        ({"min_rows": 5000}, "fewer than 5000"),
    ],
)
def test_what_would_mislead_is_refused(change, why):
    found = estimate_performance(replace(scored(3000, 1), digest="abc"), scored(1000, 2), **change)
    assert why in found.refusals[0]
    assert all(figure.status == "not_assessable" and why in figure.reason for figure in (*found.figures, *found.drops))
    with pytest.raises(Refused, match="cannot be estimated"):
        found.require()


def test_a_reference_without_labels_or_of_one_class_is_refused():
    assert "have a label" in estimate_performance(scored(3000, 1, labels=False), scored(1000, 2)).refusals[0]
    one = replace(scored(3000, 1), labels=np.ones(3000, dtype=np.int8))
    assert "one class" in estimate_performance(one, scored(1000, 2)).refusals[0]


def test_a_score_that_does_not_rise_with_the_truth_is_refused():
    rng = np.random.default_rng(1)
    z = rng.normal(size=4000)
    truth = rng.random(4000) < 1 / (1 + np.exp(-(2 * np.abs(z) - 1.5)))
    score = 1 / (1 + np.exp(-z))
    assert (
        "cannot be calibrated"
        in estimate_performance(Window(pa.table({"z": z}), score, score > 0.5, truth.astype(np.int8)), scored(1000, 2)).refusals[0]
    )


def test_a_reference_whose_calibration_moves_with_time_is_refused():
    first, second = scored(3000, 1, concept=-1.0), scored(3000, 2, concept=1.0)
    both = Window(
        pa.concat_tables([first.features, second.features]),
        np.concatenate([first.scores, second.scores]),
        np.concatenate([first.decisions, second.decisions]),
        np.concatenate([first.labels, second.labels]),
    )
    assert "cannot be calibrated" in estimate_performance(both, scored(1000, 3)).refusals[0]


def test_a_well_calibrated_reference_is_hardly_ever_refused():
    assert sum(bool(estimate_performance(scored(2000, seed), scored(500, 99)).refusals) for seed in range(40)) <= 2


def test_production_beyond_the_reference_is_refused():
    reference, production = scored(2000, 1), scored(2000, 2, shift=6.0)
    found = estimate_performance(reference, production, domain=domain_test(reference, production, explain=False))
    assert "next to nothing" in found.refusals[0]


def test_a_window_without_scores_is_an_error():
    with pytest.raises(InputError, match="scores"):
        estimate_performance(scored(1000, 1), Window(pa.table({"z": [1.0]})))


def test_precision_without_a_positive_decision_is_not_assessable():
    production = scored(500, 2)
    found = estimate_performance(scored(2000, 1), replace(production, decisions=np.zeros(500, dtype=bool)))
    assert found.figure("precision").status == "not_assessable" and found.figure("accuracy").measured
    realised = realised_performance(replace(production, decisions=np.zeros(500, dtype=bool)))
    assert realised.figure("precision").reason == "nothing was decided positive"


def test_labels_that_are_out_are_counted_and_not_guessed():
    production = scored(500, 2)
    labels = production.labels.copy()
    labels[:200] = -1
    found = realised_performance(replace(production, labels=labels))
    assert found.known == 300 and found.figure("accuracy").n == 300 and found.figure("accuracy").detail["labels_out"] == 200


def regression(n: int, seed: int, low: float, high: float) -> tuple[pa.Table, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(low, high, n)
    return pa.table({"x": x}), 2 * x, 2 * x + rng.normal(size=n) * (0.5 + x)


def test_the_expected_error_of_a_regression_follows_the_inputs():
    reference, before, truth = regression(4000, 1, 0, 3)
    production, after, unseen = regression(3000, 2, 1.5, 3)
    found = estimate_loss(reference, production, predicted=(before, after), truth=truth)
    real = float(np.abs(after - unseen).mean())
    assert found.figure.lower <= real <= found.figure.upper
    assert found.rise.lower > 0 and "concept" in found.notes[0]
    assert estimate_loss(reference, production, predicted=(before, after), truth=truth, metric="rmse").figure.estimate > found.figure.estimate


def test_a_loss_is_refused_or_an_error_where_nothing_can_be_learned():
    reference, before, truth = regression(4000, 1, 0, 3)
    production, after, _ = regression(100, 2, 0, 3)
    assert "fewer than" in estimate_loss(reference, production, predicted=(before, after), truth=truth).figure.reason
    with pytest.raises(InputError, match="per row"):
        estimate_loss(reference, production, predicted=(before, before), truth=truth)
    with pytest.raises(InputError, match="finite"):
        estimate_loss(reference, production, predicted=(before, after * np.nan), truth=truth)
