"""Agreement, held to published figures."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging import Judgement, Scale, cohen_kappa, krippendorff_alpha, ratings_of

# Krippendorff (2011), "Computing Krippendorff's alpha-reliability", example C: four observers, twelve units, missing values.
CANONICAL = """
A 1 2 3 3 2 1 4 1 2 * * *
B 1 2 3 3 2 2 4 1 2 5 * 3
C * 3 3 3 2 3 4 2 2 5 1 *
D 1 2 3 3 2 4 4 1 2 5 1 *
"""


def canonical() -> list[tuple[int, str, int]]:
    lines = [line.split() for line in CANONICAL.strip().splitlines()]
    return [(unit, line[0], int(value)) for line in lines for unit, value in enumerate(line[1:]) if value != "*"]


@pytest.mark.parametrize(("scale", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849), ("ratio", 0.797)])
def test_krippendorffs_own_example(scale: str, alpha: float) -> None:
    found = krippendorff_alpha(canonical(), scale=scale)
    assert found.estimate == pytest.approx(alpha, abs=5e-4)
    assert (found.n_units, found.n_raters, found.n_values) == (11, 4, 40)
    assert found.status == "too_few_for_a_verdict"
    assert "11 units" in found.reason


def test_the_pandalm_raters_have_their_published_agreement(shared_data: Path) -> None:
    with (shared_data / "crowd" / "pandalm.csv").open() as file:
        rows = list(csv.DictReader(file))
    found = krippendorff_alpha([(row["item"], row["rater"], row["label"]) for row in rows], scale="nominal")
    assert found.estimate == pytest.approx(0.8642, abs=5e-5)
    assert found.status == "measured"
    assert found.n_units == 999
    assert found.lower is not None
    assert found.upper is not None
    assert 0.83 < found.lower < 0.8642 < found.upper < 0.89
    by_rater: dict[str, dict[Any, Any]] = {}
    for row in rows:
        by_rater.setdefault(row["rater"], {})[row["item"]] = row["label"]
    first, second, third = by_rater.values()
    kappas = sorted(round(cohen_kappa(a, b).estimate or 0, 2) for a, b in ((first, second), (first, third), (second, third)))
    assert kappas == [0.85, 0.86, 0.88]


def test_kappa_by_hand() -> None:
    # Cohen's table: 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no.
    pairs = [("y", "y")] * 20 + [("y", "n")] * 5 + [("n", "y")] * 10 + [("n", "n")] * 15
    found = cohen_kappa(dict(enumerate(a for a, _ in pairs)), dict(enumerate(b for _, b in pairs)))
    assert found.estimate == pytest.approx(0.4)
    assert cohen_kappa({1: "y"}, {2: "y"}).status == "not_assessable"
    assert cohen_kappa({1: "y"}, {1: "y"}).reason == "every answer is the same"


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ([], "no judgements"),
        ([(1, "a", 1), (2, "b", 2)], "two raters"),
        ([(unit, rater, "yes") for unit in range(60) for rater in "ab"], "every answer is the same"),
    ],
)
def test_an_undefined_agreement_says_why(values: list[tuple[int, str, Any]], reason: str) -> None:
    found = krippendorff_alpha(values, scale="nominal")
    assert found.status == "not_assessable"
    assert found.estimate is None
    assert reason in found.reason
    assert reason in str(found)


def test_hardly_any_variation_gives_no_interval_out_of_thin_air() -> None:
    values = [(unit, rater, "no" if unit == 0 and rater == "a" else "yes") for unit in range(100) for rater in "ab"]
    found = krippendorff_alpha(values, scale="nominal")
    assert found.status == "not_assessable"
    assert "resamples" in found.reason


def test_perfect_agreement_is_not_certainty() -> None:
    found = krippendorff_alpha([(unit, rater, unit % 2) for unit in range(60) for rater in "ab"], scale="nominal")
    assert found.estimate == found.upper == 1
    assert found.lower == pytest.approx(0.025 ** (1 / 60))


@pytest.mark.parametrize(
    ("values", "scale", "what"),
    [
        ([(1, "a", 1), (1, "a", 2)], "nominal", "twice"),
        ([(1, "a", None), (1, "b", 2)], "nominal", "left out"),
        ([(1, "a", float("nan")), (1, "b", 2.0)], "interval", "left out"),
        ([(1, "a", "x"), (1, "b", "y")], "interval", "needs numbers"),
        ([(1, "a", -1), (1, "b", 2)], "ratio", "below zero"),
        ([(1, "a", "low"), (1, "b", "high")], "ordinal", "order"),
    ],
)
def test_values_that_do_not_fit_are_refused(values: list[Any], scale: str, what: str) -> None:
    with pytest.raises(InputError, match=what):
        krippendorff_alpha(values, scale=scale)


def test_ordered_words_are_an_ordinal_scale() -> None:
    words = {1: "never", 2: "rarely", 3: "often", 4: "always", 5: "beyond"}
    named = [(unit, rater, words[value]) for unit, rater, value in canonical()]
    found = krippendorff_alpha(named, scale="ordinal", order=list(words.values()))
    assert found.estimate == pytest.approx(0.815, abs=5e-4)
    with pytest.raises(InputError, match="not in the order"):
        krippendorff_alpha(named, scale="ordinal", order=["never", "rarely"])


def test_abstentions_are_missing_values() -> None:
    made = [
        Judgement("i1", "q", "r1", "rub", value=True),
        Judgement("i1", "q", "r2", "rub", abstained=True, reason="cannot tell"),
        Judgement("i2", "q", "r1", "rub", value=False),
    ]
    assert [rating.value for rating in ratings_of(made)] == [True, False]
    with pytest.raises(InputError, match="one question"):
        ratings_of([*made, Judgement("i1", "other", "r1", "rub", value=True)])


tables = st.lists(st.lists(st.integers(0, 3), min_size=2, max_size=4), min_size=2, max_size=30)


def long(table: list[list[int]]) -> list[tuple[int, int, int]]:
    return [(unit, rater, value) for unit, values in enumerate(table) for rater, value in enumerate(values)]


def by_pairs(table: list[list[int]], scale: Scale) -> float | None:
    """Alpha straight from its definition: every pair of values within a unit against every pair of values at all."""
    pooled = sorted(value for values in table for value in values)
    counts = {value: pooled.count(value) for value in pooled}

    def distance(a: int, b: int) -> float:
        low, high = min(a, b), max(a, b)
        if scale == Scale.NOMINAL:
            return float(a != b)
        if scale == Scale.INTERVAL:
            return float((a - b) ** 2)
        if scale == Scale.RATIO:
            return 0.0 if a == b else ((a - b) / (a + b)) ** 2
        return float((sum(counts[v] for v in counts if low <= v <= high) - (counts[low] + counts[high]) / 2) ** 2)

    observed = sum(distance(a, b) / (len(values) - 1) for values in table for i, a in enumerate(values) for j, b in enumerate(values) if i != j)
    expected = sum(distance(a, b) for i, a in enumerate(pooled) for j, b in enumerate(pooled) if i != j) / (len(pooled) - 1)
    return None if expected == 0 else 1 - observed / expected


@given(tables, st.sampled_from(list(Scale)))
@settings(max_examples=80, deadline=None)
def test_alpha_is_its_definition(table: list[list[int]], scale: Scale) -> None:
    found = krippendorff_alpha(long(table), scale=scale, replicates=0)
    expected = by_pairs(table, scale)
    assert (found.estimate is None) == (expected is None)
    if expected is not None:
        assert found.estimate == pytest.approx(expected, abs=1e-9)


@given(tables, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_judgements_changes_nothing(table: list[list[int]], random: Any) -> None:
    rows = long(table)
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert krippendorff_alpha(rows, scale="nominal", replicates=50) == krippendorff_alpha(shuffled, scale="nominal", replicates=50)
