"""Votes: refusals, duplicates, and an order of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pilotage.core import InputError
from pilotage.judging import Judgement
from pilotage.judging.aggregation import Votes, dawid_skene, majority


@pytest.mark.parametrize(
    ("columns", "values", "what"),
    [
        ((["u"], ["a", "b"], [1, 1]), None, "rows"),
        ((["u", "u"], ["a", "a"], [1, 2]), None, "twice"),
        ((["u", "u"], ["a", "b"], [1, None]), None, "left out"),
        ((["u", "u"], ["a", "b"], [1.0, float("nan")]), None, "left out"),
        ((["u", "u"], ["a", "b"], ["x", "z"]), ["x", "y"], "not a value"),
        ((["u", "u"], ["a", "b"], ["x", "x"]), ["x", "x"], "named twice"),
        ((["u", "u"], ["a", "b"], [["x"], ["y"]]), None, "list or a mapping"),
    ],
)
def test_votes_that_do_not_fit_are_refused(columns: Any, values: Any, what: str) -> None:
    with pytest.raises(InputError, match=what):
        Votes.from_rows(*columns, values=values)


def test_a_refusal_names_the_row_or_the_rater() -> None:
    with pytest.raises(InputError) as refused:
        Votes.from_rows(["u", "v"], ["a", "b"], ["x", "z"], values=["x", "y"])
    assert refused.value.where == "row 2"
    with pytest.raises(InputError) as twice:
        Votes.from_rows(["u", "v", "v"], ["a", "b", "b"], [1, 1, 1])
    assert "'v'" in str(twice.value.where)
    assert "'b'" in str(twice.value.where)


def test_a_rule_for_duplicates_keeps_one_and_counts_the_rest() -> None:
    rows = (["u", "u", "u", "v"], ["a", "b", "a", "a"], ["x", "x", "y", "x"])
    first, last = (Votes.from_rows(*rows, duplicates=rule) for rule in ("first", "last"))  # type: ignore[arg-type]
    assert (first.n, first.dropped, last.dropped) == (3, 1, 1)
    assert first.counts.tolist() == [[2, 0], [1, 0]]
    assert last.counts.tolist() == [[1, 1], [1, 0]]


def test_columns_of_numpy_and_of_python_are_the_same_votes() -> None:
    rows = ([7, 7, 3], [2, 1, 1], [5, 4, 4])
    one, other = Votes.from_rows(*rows), Votes.from_rows(*(np.array(column) for column in rows))
    assert (one.units, one.raters, one.values) == (other.units, other.raters, other.values) == ((3, 7), (1, 2), (4, 5))
    assert (one.said != other.said).nnz == 0


def test_abstentions_are_missing_votes_and_questions_are_not_mixed() -> None:
    made = [
        Judgement("i", "q", "a", "r", value="x"),
        Judgement("i", "q", "b", "r", abstained=True, reason="unclear"),
        Judgement("j", "q", "b", "r", value="y"),
    ]
    assert Votes.from_judgements(made).n == 2
    with pytest.raises(InputError, match="one question"):
        Votes.from_judgements([*made, Judgement("i", "p", "a", "r", value="x")])


def test_people_and_machines_are_not_mixed_unawares() -> None:
    made = [Judgement("i", "q", rater, "r", value="x", rater_kind=kind) for rater, kind in (("a", "person"), ("m", "model"))]
    with pytest.raises(InputError, match="mixed"):
        Votes.from_judgements(made)
    assert Votes.from_judgements(made, mixed=True).n == 2


def test_projects_from_which_nothing_can_be_learnt_are_refused() -> None:
    with pytest.raises(InputError, match="one rater"):
        majority(Votes.from_rows(["u", "v"], ["a", "a"], ["x", "y"]))
    with pytest.raises(InputError, match="no votes"):
        majority(Votes.from_rows([], [], []))
    with pytest.raises(InputError, match="same value"):
        dawid_skene(Votes.from_rows(["u", "u"], ["a", "b"], ["x", "x"]))
    alone = Votes.from_rows(["u", "v"], ["a", "b"], ["x", "y"])
    with pytest.raises(InputError, match="No unit was judged by two"):
        dawid_skene(alone)
    assert dawid_skene(alone, gold={"u": "x"}).by_unit["u"] == "x"
