"""Rates: intervals that account for clusters, contain their estimate and never collapse."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.evidence import Evidence, Observation, clopper_pearson, rate, wilson

stats = pytest.importorskip("scipy.stats")


def outcomes(events: int, n: int) -> list[Observation]:
    return [Observation(f"i{index}", index < events) for index in range(n)]


def test_wilson_at_zero_and_n_has_the_closed_form() -> None:
    z2 = 1.959963984540054**2
    nothing, everything = wilson(0, 40), wilson(40, 40)
    assert nothing.lower == 0
    assert nothing.upper == pytest.approx(z2 / (40 + z2))
    assert everything.upper == 1
    assert everything.lower == pytest.approx(40 / (40 + z2))


@pytest.mark.parametrize(("events", "n"), [(0, 1), (1, 1), (3, 10), (348, 956), (9, 9)])
def test_wilson_and_clopper_pearson_are_scipys(events: int, n: int) -> None:
    test = stats.binomtest(events, n)
    for ours, theirs in [(wilson(events, n), "wilson"), (clopper_pearson(events, n), "exact")]:
        expected = test.proportion_ci(method=theirs)
        assert (ours.lower, ours.upper) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_the_airline_reward_has_its_known_standard_errors(shared_data: Path) -> None:
    with (shared_data / "tau-airline" / "rewards.csv").open() as file:
        rows = list(csv.DictReader(file))
    figure = rate([Observation(row["task_id"], bool(float(row["reward"])), repeat=int(row["trial"])) for row in rows], metric="reward")
    assert figure.estimate == pytest.approx(0.42)
    assert (figure.n, figure.n_clusters) == (200, 50)
    assert figure.detail["se_naive"] == pytest.approx(0.0350, abs=5e-5)
    assert figure.detail["se"] == pytest.approx(0.0522, abs=5e-5)
    assert figure.detail["design_effect"] == pytest.approx(2.23, abs=0.01)
    # Wider than if the 200 outcomes were independent.
    assert upper(figure) - lower(figure) > 0.2 > wilson(84, 200).upper - wilson(84, 200).lower


def lower(figure: Evidence) -> float:
    assert figure.lower is not None
    return figure.lower


def upper(figure: Evidence) -> float:
    assert figure.upper is not None
    return figure.upper


def test_wilson_covers_where_the_t_interval_does_not() -> None:
    generator = np.random.default_rng(7)
    for n, p in [(20, 0.95), (50, 0.98)]:
        drawn = generator.binomial(n, p, size=4000)
        covered = {k: wilson(k, n).lower <= p <= wilson(k, n).upper for k in range(n + 1)}
        coverage = np.mean([covered[int(k)] for k in drawn])
        deviation = np.sqrt(drawn / n * (1 - drawn / n) / (n - 1))
        half = stats.t.ppf(0.975, n - 1) * deviation
        coverage_t = np.mean((drawn / n - half <= p) & (p <= drawn / n + half))
        assert coverage > 0.91
        assert coverage_t < 0.70


@pytest.mark.parametrize(("clusters", "size"), [(40, 5), (15, 10)])
def test_the_clustered_interval_covers_strongly_clustered_outcomes(clusters: int, size: int) -> None:
    generator = np.random.default_rng(11)
    hits, naive_hits, rounds, p = 0, 0, 300, 0.3
    for _ in range(rounds):
        # A beta-binomial: the rate itself varies between clusters, with an intraclass correlation of .4.
        own = generator.beta(p * 1.5, (1 - p) * 1.5, size=clusters)
        drawn = generator.random((clusters, size)) < own[:, None]
        figure = rate([Observation(f"i{c}", bool(drawn[c, r]), repeat=r) for c in range(clusters) for r in range(size)], metric="m")
        hits += lower(figure) <= p <= upper(figure)
        naive = wilson(int(drawn.sum()), drawn.size)
        naive_hits += naive.lower <= p <= naive.upper
    assert hits / rounds > 0.92
    assert naive_hits / rounds < 0.85


def test_no_event_in_clustered_outcomes_counts_the_clusters() -> None:
    figure = rate([Observation(f"i{item}", False, repeat=r) for item in range(40) for r in range(10)], metric="attack.success_rate")
    assert figure.n == 400
    assert figure.detail["n_effective"] == 40
    assert upper(figure) > wilson(0, 40).upper
    assert "clusters are counted" in figure.detail["note"]


def test_missing_outcomes_are_counted_and_bounded() -> None:
    given_ = [*outcomes(6, 18), Observation("x", None, missing="error"), Observation("y", None, missing="judge_abstained")]
    figure = rate(given_, metric="m")
    assert figure.estimate == pytest.approx(6 / 18)
    assert figure.detail["missing"] == {"error": 1, "judge_abstained": 1}
    assert figure.detail["missing_share"] == pytest.approx(0.1)
    assert figure.detail["if_missing_false"] == pytest.approx(6 / 20)
    assert figure.detail["if_missing_true"] == pytest.approx(8 / 20)


@pytest.mark.parametrize(
    ("observations", "reason"),
    [
        ([], "there are no outcomes"),
        ([Observation("a", None, missing="error")], "no outcome is known"),
        ([Observation("a", True)], "one outcome only"),
        ([Observation("a", bool(r % 2), repeat=r) for r in range(9)], "one cluster"),
    ],
)
def test_what_cannot_be_measured_says_why(observations: list[Observation], reason: str) -> None:
    figure = rate(observations, metric="m")
    assert figure.status == "not_assessable"
    assert figure.estimate is figure.lower is figure.upper is None
    assert reason in str(figure.reason)


@pytest.mark.parametrize(
    ("observations", "what"),
    [
        ([Observation("a", True), Observation("a", False)], "given twice"),
        ([Observation("a", True, cluster="x"), Observation("a", True, cluster="y", repeat=1)], "two clusters"),
        ([Observation("a", float("nan")), Observation("b", True)], "not a finite number"),
        ([Observation("a", 0.5), Observation("b", True)], "counts yes and no"),
        ([Observation("a", "yes"), Observation("b", True)], "not a finite number"),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_outcome_is_refused(observations: list[Observation], what: str) -> None:
    with pytest.raises(InputError, match=what):
        rate(observations, metric="m")


def test_the_exact_interval_is_refused_for_clusters() -> None:
    assert rate(outcomes(3, 30), metric="m", exact=True).method == "Clopper-Pearson"
    with pytest.raises(InputError, match="independent"):
        rate([Observation("a", True), Observation("a", False, repeat=1), Observation("b", True)], metric="m", exact=True)


trees = st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=2, max_size=25)


def observed(tree: list[list[bool]]) -> list[Observation]:
    return [Observation(f"i{item}", value, repeat=r) for item, values in enumerate(tree) for r, value in enumerate(values)]


@given(trees)
def test_an_interval_contains_its_estimate_within_bounds_and_has_width(tree: list[list[bool]]) -> None:
    figure = rate(observed(tree), metric="m")
    assert figure.estimate is not None
    assert 0 <= lower(figure) <= figure.estimate <= upper(figure) <= 1
    assert upper(figure) - lower(figure) > 1e-4


@given(trees, st.randoms())
def test_the_order_of_outcomes_changes_nothing(tree: list[list[bool]], random: Any) -> None:
    rows = observed(tree)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert rate(rows, metric="m").id == rate(shuffled, metric="m").id


@given(st.integers(0, 30), st.integers(1, 30), st.integers(2, 20))
@settings(max_examples=50)
def test_more_of_the_same_narrows(events: int, more: int, times: int) -> None:
    n = events + more
    few, many = wilson(events, n), wilson(events * times, n * times)
    assert many.upper - many.lower < few.upper - few.lower
