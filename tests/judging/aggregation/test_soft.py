"""Soft labels and the distributions of groups."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging.aggregation import group_distributions, soft_label

VALUES = ("good", "fair", "poor")


def test_smoothing_is_weight_in_votes_for_the_prior() -> None:
    found = soft_label({"good": 3, "poor": 1}, values=VALUES, smoothing=3)
    assert found.probabilities == pytest.approx((4 / 7, 1 / 7, 2 / 7))
    assert found.n == 4
    assert found.lower is not None
    assert found.lower[0] < 0.75 < (found.upper or ())[0]
    assert soft_label({"good": 3, "poor": 1}, values=VALUES, smoothing=0).probabilities == pytest.approx((0.75, 0, 0.25))


def test_a_models_prior_pulls_as_far_as_its_weight() -> None:
    prior = {"good": 0.1, "fair": 0.8, "poor": 0.1}
    found = soft_label({}, values=VALUES, smoothing=5, prior=prior)
    assert found.probabilities == pytest.approx(tuple(prior.values()))
    assert (found.n, found.lower) == (0, None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"counts": {"awful": 1}},
        {"counts": {"good": -1}},
        {"counts": {"good": float("nan")}},
        {"counts": {}, "smoothing": 0},
        {"counts": {}, "prior": {"good": 1.0}},
        {"counts": {}, "prior": {"good": 0.5, "fair": 0.5, "poor": 0.5}},
        {"counts": {}, "values": ("good",)},
    ],
)
def test_what_is_no_distribution_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        soft_label(**{"values": VALUES, **wrong})  # type: ignore[arg-type]


@given(st.dictionaries(st.sampled_from(VALUES), st.integers(0, 50)), st.floats(0.01, 10))
def test_a_soft_label_is_a_distribution(counts: dict[str, int], smoothing: float) -> None:
    found = soft_label(counts, values=VALUES, smoothing=smoothing)
    assert sum(found.probabilities) == pytest.approx(1)
    assert 0 <= found.entropy <= 1


def test_groups_are_shown_only_where_people_agreed_and_are_enough() -> None:
    rows = [("u", f"young{i}", "good") for i in range(6)] + [("u", f"old{i}", "poor") for i in range(6)]
    rows += [("u", "lone", "fair"), ("u", "silent", "fair")]
    traits = {f"young{i}": "young" for i in range(6)} | {f"old{i}": "old" for i in range(6)} | {"lone": "rare"}
    (found,) = group_distributions(rows, traits, values=VALUES, smoothing=0)
    assert set(found.groups) == {"young", "old"}
    assert (found.withheld, found.ungrouped) == (("rare",), 1)
    assert found.divergence == pytest.approx(1)
    assert found.groups["young"].probabilities == (1, 0, 0)


def test_one_group_alone_has_nothing_to_differ_from() -> None:
    (found,) = group_distributions([("u", i, "good") for i in range(6)], dict.fromkeys(range(6), "all"), values=VALUES)
    assert found.divergence is None
    with pytest.raises(InputError, match="twice"):
        group_distributions([("u", 1, "good"), ("u", 1, "good")], {}, values=VALUES)
