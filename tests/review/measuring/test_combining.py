"""Several answers as one, for each kind of question and policy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging import Option, Question, Scale
from pilotage.review.measuring.combining import borda, combine, disagreement
from pilotage.review.measuring.matching import check_known, is_right, score

OPTIONS = (Option("x"), Option("y"), Option("z"))


def ask(kind: Any, **fields: Any) -> Question:
    if kind in ("choice", "choices", "spans"):
        fields.setdefault("options", OPTIONS)
    return Question(name="q", prompt="What?", kind=kind, **fields)


def of(*values: Any) -> dict[str, Any]:
    return {f"r{index}": value for index, value in enumerate(values)}


def span(start: int, end: int, label: str = "x") -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


def test_nothing_to_combine_is_refused() -> None:
    with pytest.raises(InputError):
        combine(ask("choice"), {})


def test_each_option_goes_by_its_own_majority_and_half_is_nobodys() -> None:
    assert combine(ask("choices"), of(["x", "y"], ["x"], ["x", "z"])).value == ["x"]
    assert combine(ask("choices"), of(["x", "y"], ["x"])).state == "adjudicate"


def test_options_without_any_majority_are_no_answer() -> None:
    found = combine(ask("choices"), of(["x"], ["y"], ["z"]))
    assert found.state == "adjudicate" and "no answer" in found.why


def test_spans_that_most_marked_stand_at_their_median_ends() -> None:
    found = combine(ask("spans"), of([span(0, 10)], [span(0, 12)], [span(1, 11), span(40, 50)]))
    assert found.value == [span(0, 11)]


def test_a_span_that_half_marked_is_for_somebody_to_decide() -> None:
    assert combine(ask("spans"), of([span(0, 5)], [])).state == "adjudicate"


def test_an_ordered_rating_takes_the_median_and_one_with_distances_the_mean() -> None:
    assert combine(ask("rating", scale=Scale.ORDINAL), of(1, 2, 5)).value == 2
    assert combine(ask("rating", scale=Scale.ORDINAL), of(1, 2)).state == "adjudicate"
    assert combine(ask("rating", scale=Scale.INTERVAL), of(1.0, 2.0, 4.5)).value == pytest.approx(2.5)


def test_a_pair_keeps_the_side_most_preferred_and_its_middle_strength() -> None:
    question = ask("pair", strength=3)
    found = combine(question, of({"preferred": "a", "strength": 1}, {"preferred": "a", "strength": 3}, {"preferred": "b", "strength": 2}))
    assert found.value == {"preferred": "a", "strength": 2}
    tied = combine(question, of({"preferred": "a", "strength": 1}, {"preferred": "b", "strength": 1}))
    assert tied.state == "adjudicate"


def test_the_same_side_more_and_less_strongly_is_no_disagreement() -> None:
    question = ask("pair", strength=3, policy="adjudicate")
    found = combine(question, of({"preferred": "a", "strength": 1}, {"preferred": "a", "strength": 3}))
    assert (found.state, found.disagreement, found.value) == ("settled", 0.0, {"preferred": "a", "strength": 2})


def test_rankings_are_joined_by_borda_counts_and_equals_stay_equal() -> None:
    assert borda([[["p"], ["q"], ["r"]], [["p"], ["r"], ["q"]]]) == [["p"], ["q", "r"]]


def test_free_text_is_never_voted_on() -> None:
    assert combine(ask("text"), of("one", "another", "another")).state == "adjudicate"
    assert combine(ask("text"), of("the same", "the same")).value == "the same"


def test_soft_shares_of_a_choice_cover_all_options() -> None:
    found = combine(ask("choice", policy="soft"), of("x", "x", "y"))
    assert found.value is None and dict(found.distribution)["z"] > 0


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=9))
def test_disagreement_is_none_exactly_where_all_say_the_same(values: list[str]) -> None:
    found = disagreement(ask("choice"), values)
    assert 0 <= found <= 1 and (found == 0) == (len(set(values)) == 1)


@given(st.lists(st.floats(0, 10), min_size=2, max_size=9))
def test_disagreement_of_ratings_stays_within_its_bounds(values: list[float]) -> None:
    assert 0 <= disagreement(ask("rating", scale=Scale.INTERVAL, minimum=0, maximum=10), values) <= 1


@given(st.permutations(["r0", "r1", "r2", "r3"]), st.lists(st.sampled_from("xyz"), min_size=4, max_size=4))
def test_who_answers_first_changes_nothing(order: list[str], values: list[str]) -> None:
    answers = dict(zip(["r0", "r1", "r2", "r3"], values, strict=True))
    assert combine(ask("choice"), answers) == combine(ask("choice"), {rater: answers[rater] for rater in order})


def test_what_is_right_is_told_for_each_kind() -> None:
    assert is_right(ask("choice"), "x", "x") and not is_right(ask("choice"), "y", "x")
    assert score(ask("choices"), ["x", "y"], ["x"]) == 0.5
    assert score(ask("spans"), [span(0, 3), span(5, 9)], [span(0, 3)]) == pytest.approx(2 / 3)
    assert is_right(ask("rating", scale=Scale.INTERVAL, minimum=0, maximum=10), 7.4, 7.0)
    assert not is_right(ask("rating", scale=Scale.ORDINAL), 4, 5)
    assert is_right(ask("pair", strength=3), {"preferred": "a", "strength": 1}, {"preferred": "a", "strength": 3})
    assert is_right(ask("ranking"), [["p"], ["r", "q"]], [["p"], ["q", "r"]])


def test_free_text_cannot_be_known_to_be_right() -> None:
    with pytest.raises(InputError, match="cannot be compared"):
        check_known(ask("text"), "anything")
