"""The classifier two-sample test: valid under no drift, sharp under drift, and honest about what is behind it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from pilotage.core import InputError
from pilotage.monitoring import Window, domain_test
from pilotage.monitoring.ranks import midranks, rank_sum


def rows(rng: np.random.Generator, n: int = 400, **changed: np.ndarray) -> Window:
    columns = {"a": rng.normal(size=n), "b": rng.normal(size=n), "c": rng.choice(["x", "y", "z"], n)}
    return Window(pa.table(columns | changed))


def test_no_drift_is_called_drift_no_more_often_than_alpha():
    p_values = []
    for seed in range(25):
        rng = np.random.default_rng(seed)
        p_values.append(domain_test(rows(rng, 150), rows(rng, 150), explain=False, seed=seed).p_value)
    assert np.mean(np.array(p_values) <= 0.1) <= 0.2


@pytest.mark.parametrize("kind", ["boosting", "logistic"])
def test_a_change_of_spread_is_found_and_named(kind):
    rng = np.random.default_rng(1)
    found = domain_test(rows(rng, 1500), rows(rng, 1500, b=2 * rng.normal(size=1500)), kind=kind)
    assert found.p_value < 1e-3 and found.auc.lower > 0.5
    assert found.columns[0].column == "b" and found.columns[0].importance > 0.05
    assert found.columns[0].alone < 0.1  # by its mean alone nobody would see it


def test_a_change_of_dependence_is_found_where_no_column_moved():
    rng = np.random.default_rng(2)
    a = rng.normal(size=2500)
    found = domain_test(rows(rng, 2500), rows(rng, 2500, a=a, b=np.sign(rng.normal(size=2500)) * 0 + 0.8 * a + 0.6 * rng.normal(size=2500)))
    assert found.p_value < 0.01


def test_pi_is_the_density_ratio_of_a_known_shift():
    rng = np.random.default_rng(3)
    reference, production = rows(rng, 4000), rows(rng, 4000, a=rng.normal(1.0, size=4000))
    found = domain_test(reference, production, kind="logistic", explain=False)
    a = reference.features["a"].to_numpy()
    truth = 1 / (1 + np.exp(-(a - 0.5)))
    assert np.abs(found.pi_reference - truth).mean() < 0.03


def test_rows_outside_the_reference_are_counted():
    rng = np.random.default_rng(4)
    far = np.where(np.arange(1000) < 200, 12.0, rng.normal(size=1000))
    assert domain_test(rows(rng, 1000), rows(rng, 1000, a=far), explain=False).outside == pytest.approx(0.2, abs=0.03)


def test_missing_values_are_a_difference():
    rng = np.random.default_rng(5)
    holes = np.where(rng.random(1000) < 0.3, np.nan, rng.normal(size=1000))
    assert domain_test(rows(rng, 1000), rows(rng, 1000, a=holes), explain=False).p_value < 0.01


def test_too_few_rows_are_not_assessable():
    rng = np.random.default_rng(6)
    found = domain_test(rows(rng, 50), rows(rng, 500))
    assert found.p_value is None and found.auc.status == "not_assessable" and "50" in found.auc.reason


def test_windows_without_a_common_column_are_refused():
    with pytest.raises(InputError, match="no column"):
        domain_test(Window(pa.table({"a": [1.0]})), Window(pa.table({"b": [1.0]})))


def test_the_p_value_is_that_of_exchanging_labels():
    rng = np.random.default_rng(7)
    scores = np.round(rng.normal(size=80), 1)  # with ties
    positive = rng.random(80) < 0.4
    scores[positive] += 0.4
    ranks = midranks(scores)
    drawn = np.array([ranks[rng.permutation(80)[: positive.sum()]].sum() for _ in range(20000)])
    assert rank_sum(scores, positive).p_above == pytest.approx((drawn >= ranks[positive].sum()).mean(), abs=0.01)


def test_auc_and_its_variance_are_those_of_all_pairs():
    rng = np.random.default_rng(8)
    scores, positive = np.round(rng.normal(size=60), 1), rng.random(60) < 0.5
    pairs = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
    found = rank_sum(scores, positive)
    assert found.auc == pytest.approx(pairs.mean())
    assert found.variance == pytest.approx(pairs.mean(1).var(ddof=1) / positive.sum() + pairs.mean(0).var(ddof=1) / (~positive).sum())
