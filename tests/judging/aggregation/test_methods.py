"""Truth inference: on real crowds, on raters of known quality, and what must not change it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from crowd import SETS, accuracy, crowd, drawn
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging.aggregation import (
    Truth,
    Votes,
    dawid_skene,
    disagreements_between,
    glad,
    hierarchical_dawid_skene,
    mace,
    majority,
    one_coin,
)

MODELS = (one_coin, dawid_skene, hierarchical_dawid_skene, mace, glad)
ALL = (majority, *MODELS)
# Units that crowd-kit 1.4.2's Dawid–Skene labels right on the same rows (100 steps at most, its default).
PEER = {"CF_amt.csv": 252, "MS.csv": 538, "SP_amt.csv": 472, "rte.tsv": 742, "temp.tsv": 435}

Method = Callable[..., Truth]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("method", [dawid_skene, hierarchical_dawid_skene])
def test_on_real_crowds_it_is_at_least_as_right_as_the_peer(shared_data: Path, name: str, method: Method) -> None:
    votes, gold = crowd(shared_data, name)
    assert round(accuracy(method(votes), gold) * len(gold)) >= PEER[name]


@pytest.mark.parametrize("method", [one_coin, mace, glad])
@pytest.mark.parametrize("name", SETS)
def test_the_sparing_models_hold_their_own_on_real_crowds(shared_data: Path, name: str, method: Method) -> None:
    votes, gold = crowd(shared_data, name)
    assert accuracy(method(votes), gold) >= accuracy(majority(votes, tie="first"), gold)


def plain_dawid_skene(votes: Votes, steps: int) -> np.ndarray[Any, Any]:
    """Dawid & Skene (1979) as written there, vote by vote, without smoothing."""
    n, k = len(votes.units), votes.k
    posterior = votes.counts / votes.counts.sum(axis=1, keepdims=True)
    for _ in range(steps):
        shares = posterior.mean(axis=0)
        tables = np.full((len(votes.raters), k, k), np.finfo(float).eps)
        for unit, rater, value in zip(votes.unit, votes.rater, votes.value, strict=True):
            tables[rater, :, value] += posterior[unit]
        tables /= tables.sum(axis=2, keepdims=True)
        log = np.tile(np.log(shares), (n, 1))
        for unit, rater, value in zip(votes.unit, votes.rater, votes.value, strict=True):
            log[unit] += np.log(tables[rater, :, value])
        posterior = np.exp(log - log.max(axis=1, keepdims=True))
        posterior /= posterior.sum(axis=1, keepdims=True)
    return posterior


def test_the_sparse_products_are_the_papers_sums() -> None:
    votes, _ = drawn(seed=4)
    found = dawid_skene(votes, smoothing=0, iterations=10, tolerance=None)
    assert np.abs(found.posterior - plain_dawid_skene(votes, 10)).max() < 1e-9
    assert (found.iterations, found.converged) == (10, False)


@pytest.mark.parametrize("method", ALL)
def test_posteriors_sum_to_one_and_figures_stand_in_their_intervals(method: Method) -> None:
    votes, _ = drawn()
    found = method(votes)
    assert np.allclose(found.posterior.sum(axis=1), 1)
    assert (found.posterior >= 0).all()
    for quality in found.rater_quality.values():
        assert 0 <= quality.lower <= quality.accuracy <= quality.upper <= 1
        assert quality.lower < quality.upper
        assert quality.n > 0
        for row in quality.confusion:
            assert sum(row) == pytest.approx(1)


@pytest.mark.parametrize("method", MODELS)
def test_good_raters_are_told_from_bad_ones(method: Method) -> None:
    votes, truth = drawn(accuracies=[0.95, 0.95, 0.95, 0.5, 0.35, 0.35], raters=6, per_unit=6, units=200)
    found = method(votes)
    quality = [found.rater_quality[rater].accuracy for rater in range(6)]
    assert min(quality[:3]) > max(quality[3:])
    assert accuracy(found, truth) > accuracy(majority(votes, tie="first"), truth)


@pytest.mark.parametrize("method", [one_coin, dawid_skene, hierarchical_dawid_skene, mace, glad])
def test_no_step_makes_it_worse_and_it_comes_to_rest(method: Method) -> None:
    found = method(drawn(seed=3)[0])
    assert found.converged
    steps = np.diff(found.objective)
    assert len(steps)
    # The hierarchical prior and MACE's split move inside a step too, so their bound is that of the step before.
    assert (steps >= -1e-3 * abs(found.objective[-1])).all()
    assert found.objective[-1] >= found.objective[0]


@pytest.mark.parametrize("method", [one_coin, dawid_skene])
def test_the_log_posterior_never_falls(method: Method) -> None:
    assert (np.diff(method(drawn(seed=5)[0]).objective) >= -1e-7).all()


def permuted(votes: Votes, seed: int) -> Votes:
    order = np.random.default_rng(seed).permutation(votes.n)
    columns = (
        [votes.units[votes.unit[i]] for i in order],
        [votes.raters[votes.rater[i]] for i in order],
        [votes.values[votes.value[i]] for i in order],
    )
    return Votes.from_rows(*columns, values=votes.values)


@pytest.mark.parametrize("method", ALL)
def test_the_order_of_rows_changes_not_one_bit(method: Method) -> None:
    votes, _ = drawn(seed=6)
    one, other = method(votes), method(permuted(votes, 1))
    assert one.labels == other.labels
    assert (one.posterior == other.posterior).all()


@pytest.mark.parametrize("method", ALL)
@given(seed=st.integers(0, 10_000))
@settings(max_examples=8, deadline=None)
def test_other_names_for_units_raters_and_values_change_nothing(method: Method, seed: int) -> None:
    votes, _ = drawn(units=40, raters=6, per_unit=4, seed=seed)
    rng = np.random.default_rng(seed)
    units, raters, values = (rng.permutation(size) for size in (len(votes.units), len(votes.raters), votes.k))
    renamed = Votes.from_rows(units[votes.unit], raters[votes.rater], values[votes.value], values=range(votes.k))
    one, other = method(votes, iterations=30) if method is not majority else method(votes), None
    other = method(renamed, iterations=30) if method is not majority else method(renamed)
    assert np.allclose(one.posterior, other.posterior[units][:, values], atol=1e-6)


@pytest.mark.parametrize("method", ALL)
def test_gold_stands_and_teaches(method: Method) -> None:
    votes, truth = drawn(accuracies=[0.9, 0.4, 0.4, 0.4, 0.4, 0.4], raters=6, per_unit=6, units=100, seed=8)
    gold = {unit: truth[unit] for unit in range(60)}
    found = method(votes, gold={**gold, "never judged": 1})
    assert all(found.by_unit[unit] == value for unit, value in gold.items())
    assert found.clamped == tuple(range(60))
    assert found.rater_quality[0].n_gold == 60
    rest = {unit: truth[unit] for unit in range(60, 100)}
    assert accuracy(found, rest) >= accuracy(method(votes), rest)
    with pytest.raises(InputError, match="not in the schema"):
        method(votes, gold={0: "nonsense"})


def test_a_rater_who_copies_another_pulls_majority_and_is_not_two_witnesses_for_nothing() -> None:
    votes, _ = drawn(units=60, raters=5, per_unit=5, seed=9)
    copied = votes.rater == 4
    unit, rater, value = votes.unit, votes.rater, votes.value
    doubled = Votes.from_rows(
        np.concatenate((unit, unit[copied])),
        np.concatenate((rater, np.full(copied.sum(), 9))),
        np.concatenate((value, value[copied])),
        values=range(3),
    )
    for method in MODELS:
        found = method(doubled)
        assert found.rater_quality[9].accuracy == pytest.approx(found.rater_quality[4].accuracy, abs=1e-6)


def test_duplicating_every_rater_leaves_the_majority_as_it_was() -> None:
    votes, _ = drawn(units=60, seed=10)
    doubled = Votes.from_rows(
        np.tile(votes.unit, 2), np.concatenate((votes.rater, votes.rater + 100)), np.tile(votes.value, 2), values=range(votes.k)
    )
    assert majority(doubled).labels == majority(votes).labels
    assert (majority(doubled).posterior == majority(votes).posterior).all()


def test_a_tie_is_settled_only_by_a_rule_that_is_named() -> None:
    votes = Votes.from_rows(["u", "u", "v", "v"], ["a", "b", "a", "b"], ["x", "y", "y", "y"])
    assert majority(votes).labels == (None, "y")
    assert majority(votes).tied == ("u",)
    assert majority(votes, tie="first").labels == ("x", "y")
    drawn_once, again = majority(votes, tie="random", seed=3), majority(votes, tie="random", seed=3)
    assert drawn_once.labels == again.labels
    assert drawn_once.labels[0] in ("x", "y")
    assert (drawn_once.seed, majority(votes).seed) == (3, None)
    with pytest.raises(InputError, match="tie rule"):
        majority(votes, tie="coin")  # type: ignore[arg-type]


def test_restarts_of_mace_state_their_seed_and_repeat() -> None:
    votes, _ = drawn(units=50)
    one, other = mace(votes, restarts=2, seed=5), mace(votes, restarts=2, seed=5)
    assert one.seed == 5
    assert (one.posterior == other.posterior).all()
    assert mace(votes).seed is None
    assert one.objective[-1] >= mace(votes).objective[-1]


def test_hard_units_are_found_by_glad() -> None:
    rng = np.random.default_rng(1)
    rows = [(unit, rater, int(rng.random() < (0.95 if unit < 100 else 0.55))) for unit in range(200) for rater in range(15)]
    found = glad(Votes.from_rows(*zip(*rows, strict=True)))
    hardness = np.array([found.unit_difficulty[unit] for unit in range(200)])
    assert hardness[100:].mean() > 2 * hardness[:100].mean()


def test_units_on_which_methods_differ_are_listed_least_certain_first() -> None:
    votes, _ = drawn(accuracies=[0.95, 0.4, 0.4, 0.4, 0.4], raters=5, per_unit=4, units=80, seed=11)
    one, other = majority(votes), dawid_skene(votes)
    found = disagreements_between([one, other])
    assert {each.unit for each in found} == {unit for unit in votes.units if one.by_unit[unit] != other.by_unit[unit]}
    assert found
    sure = [np.mean(list(each.confidence.values())) for each in found]
    assert sure == sorted(sure)
    with pytest.raises(InputError, match="same method"):
        disagreements_between([one, one])
    with pytest.raises(InputError, match="same units"):
        disagreements_between([one, replace(other, units=("elsewhere",))])
