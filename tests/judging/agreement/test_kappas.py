"""Cohen, Fleiss and Gwet, held to published figures and to their definitions."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging.aggregation import Votes
from pilotage.judging.agreement import cohen_kappa, fleiss_kappa, gwet_ac1, krippendorff_alpha

# Ten subjects, fourteen raters, five categories: the worked example of Fleiss' kappa in Wikipedia's article (kappa .210).
FLEISS = """
0 0 0 0 14
0 2 6 4 2
0 0 3 5 6
0 3 9 2 0
2 2 8 1 1
7 7 0 0 0
3 2 6 3 0
2 5 3 2 2
6 5 2 1 0
0 2 2 3 7
"""
# The four raters and twelve units of Gwet's handbook (Krippendorff's example C): AC1 .77544, Fleiss .76117, plain agreement .81818.
GWET = """
A 1 2 3 3 2 1 4 1 2 * * *
B 1 2 3 3 2 2 4 1 2 5 * 3
C * 3 3 3 2 3 4 2 2 5 1 *
D 1 2 3 3 2 4 4 1 2 5 1 *
"""

Rows = list[tuple[int, str, int]]


def gwet() -> Rows:
    lines = [line.split() for line in GWET.strip().splitlines()]
    return [(unit, line[0], int(value)) for line in lines for unit, value in enumerate(line[1:]) if value != "*"]


def from_counts(table: str) -> Rows:
    rows = []
    for unit, line in enumerate(table.strip().splitlines()):
        values = [value for value, count in enumerate(map(int, line.split())) for _ in range(count)]
        rows += [(unit, f"r{rater}", value) for rater, value in enumerate(values)]
    return rows


def test_fleiss_worked_example() -> None:
    found = fleiss_kappa(from_counts(FLEISS))
    assert found.estimate == pytest.approx(0.20993, abs=5e-6)
    assert (found.n_units, found.n_raters, found.n_values) == (10, 14, 140)
    assert found.status == "too_few_for_a_verdict"


def test_gwets_worked_example() -> None:
    ac1, fleiss = gwet_ac1(gwet()), fleiss_kappa(gwet())
    assert ac1.estimate == pytest.approx(0.77544, abs=5e-6)
    assert fleiss.estimate == pytest.approx(0.76117, abs=5e-6)
    assert ac1.observed == pytest.approx(0.81818, abs=5e-6)
    assert ac1.n_units == 11


def test_cohens_weights() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    one, other = dict(enumerate([1, 1, 2, 2, 3, 3, 3, 1, 2, 3])), dict(enumerate([1, 2, 2, 2, 3, 3, 2, 1, 3, 1]))
    plain, linear, quadratic = (cohen_kappa(one, other, weights=weights, replicates=0).estimate for weights in ("none", "linear", "quadratic"))  # type: ignore[arg-type]
    for ours, weights in ((plain, None), (linear, "linear"), (quadratic, "quadratic")):
        assert ours == pytest.approx(metrics.cohen_kappa_score(list(one.values()), list(other.values()), weights=weights))
    words = {1: "low", 2: "middle", 3: "high"}
    named = [{unit: words[value] for unit, value in given.items()} for given in (one, other)]
    assert cohen_kappa(*named, weights="linear", order=["low", "middle", "high"], replicates=0).estimate == pytest.approx(linear)
    with pytest.raises(InputError, match="order"):
        cohen_kappa(*named, weights="linear")
    with pytest.raises(InputError, match="no weights"):
        cohen_kappa(one, other, weights="cubic")  # type: ignore[arg-type]


def test_where_nearly_all_answers_are_one_value_it_warns_and_ac1_stays_steady() -> None:
    rows = [(unit, rater, "bad" if unit in (3, 5) and rater == "a" else "good") for unit in range(100) for rater in "ab"]
    alpha, ac1 = krippendorff_alpha(rows, scale="nominal", replicates=0), gwet_ac1(rows)
    assert alpha.estimate is not None
    assert alpha.estimate < 0.05
    assert "99.0% of the answers" in alpha.warning
    assert "99.0%" in str(alpha)
    assert ac1.estimate == pytest.approx(0.98, abs=0.005)
    assert alpha.observed == 0.98


def test_gwet_asks_how_many_values_there_could_have_been() -> None:
    rows = [(unit, rater, "good") for unit in range(60) for rater in "ab"]
    assert "name the values" in gwet_ac1(rows).reason
    assert gwet_ac1(rows, order=["good", "bad"]).estimate == 1
    assert gwet_ac1(Votes.from_rows(*zip(*rows, strict=True), values=["good", "bad"])).estimate == 1
    assert fleiss_kappa(rows).status == "not_assessable"


@pytest.mark.parametrize("figure", [fleiss_kappa, gwet_ac1])
def test_nothing_to_compare_says_why(figure: Any) -> None:
    assert "no judgements" in figure([]).reason
    assert "two raters" in figure([(1, "a", 1), (2, "b", 2)]).reason


tables = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), min_size=2, max_size=20)


def long(table: list[list[int]]) -> Rows:
    return [(unit, f"r{rater}", value) for unit, values in enumerate(table) for rater, value in enumerate(values)]


@given(tables, st.sampled_from(["none", "linear", "quadratic"]))
@settings(max_examples=60, deadline=None)
def test_both_are_their_definitions(table: list[list[int]], weights: Any) -> None:
    order = [0, 1, 2]
    near = {"none": lambda a, b: float(a == b), "linear": lambda a, b: 1 - abs(a - b) / 2, "quadratic": lambda a, b: 1 - ((a - b) / 2) ** 2}[weights]
    paired = [values for values in table if len(values) > 1]
    shares = {v: sum(values.count(v) / len(values) for values in table) / len(table) for v in order}
    fleiss, ac = (figure(long(table), weights=weights, order=order, replicates=0).estimate for figure in (fleiss_kappa, gwet_ac1))
    if not paired:
        assert fleiss is None
        assert ac is None
        return
    agreed = sum(sum(near(a, b) for a, b in permutations(values, 2)) / (len(values) * (len(values) - 1)) for values in paired) / len(paired)
    by_chance = sum(near(a, b) * shares[a] * shares[b] for a in order for b in order)
    by_gwet = sum(near(a, b) for a in order for b in order) / 6 * sum(share * (1 - share) for share in shares.values())
    if by_chance < 1 - 1e-9:
        assert fleiss == pytest.approx((agreed - by_chance) / (1 - by_chance), abs=1e-9)
    else:
        assert fleiss is None
    assert ac == pytest.approx((agreed - by_gwet) / (1 - by_gwet), abs=1e-9)


@given(tables)
@settings(max_examples=30, deadline=None)
def test_figures_stand_in_their_intervals(table: list[list[int]]) -> None:
    for found in (krippendorff_alpha(long(table), scale="nominal", replicates=40), fleiss_kappa(long(table), replicates=40)):
        if found.estimate is not None:
            assert found.lower is not None
            assert found.upper is not None
            assert found.lower <= found.estimate <= found.upper <= 1
