"""What answers a question of each kind, and what does not."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging import Option, Question, Scale

ABC = (Option("a"), Option("b"), Option("c"))
CHOICES = Question("q", "Q?", "choices", options=ABC, at_most=2)
SPANS = Question("q", "Q?", "spans", options=ABC)
PAIR = Question("q", "Q?", "pair", strength=3)
RANKING = Question("q", "Q?", "ranking")
EDIT = Question("q", "Q?", "edit")
CANDIDATES = {"candidates": [{"id": "x", "text": "1"}, {"id": "y", "text": "2"}, {"id": "z", "text": "3"}]}


def span(start: Any, end: Any, label: Any = "a") -> dict[str, Any]:
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(
    ("question", "good", "bad"),
    [
        (CHOICES, [["a"], ["a", "c"]], [[], ["a", "b", "c"], ["d"], ["a", "a"], "a", [1], None, {"a": True}]),
        (Question("q", "Q?", "choices", options=ABC, at_least=0), [[], ["a", "b", "c"]], [None]),
        (SPANS, [[], [span(0, 1)], [span(0, 2), span(2, 4, "b")]], [[span(0, 2), span(1, 3)], [span(0, 2), span(0, 2)]]),
        (SPANS, [], [[span(1, 1)], [span(-1, 1)], [span(0, True)], [span(0.0, 1)], [span(0, 1, "d")], [span(0, 1, ["a"])], ["a"], "a", None]),
        (SPANS, [], [[{"start": 0, "end": 1}], [{**span(0, 1), "text": "x"}]]),
        (Question("q", "Q?", "spans", options=ABC, overlapping=True), [[span(0, 2), span(1, 3)], [span(0, 2), span(0, 2, "b")]], [[span(0, 2)] * 2]),
        (Question("q", "Q?", "spans", options=ABC, at_least=1, at_most=1), [[span(0, 2)]], [[], [span(0, 2), span(2, 3)]]),
        (PAIR, [{"preferred": "a", "strength": 3}, {"preferred": "tie", "strength": None}], [{"preferred": "a", "strength": 4}, "a", None]),
        (
            PAIR,
            [],
            [{"preferred": "a", "strength": None}, {"preferred": "tie", "strength": 1}, {"preferred": "a", "strength": True}, {"strength": 1}],
        ),
        (PAIR, [], [{"preferred": "c", "strength": 1}, {"preferred": ["a"], "strength": 1}, {"preferred": "a", "strength": 1, "why": "x"}]),
        (
            Question("q", "Q?", "pair", ties=False, both_bad=False),
            [{"preferred": "b", "strength": None}],
            [{"preferred": "tie"}, {"preferred": "both_bad"}],
        ),
        (RANKING, [[["x"], ["y", "z"]]], [[], [[]], ["x"], [["x"], ["x"]], [[1]], None]),
        (Question("q", "Q?", "ranking", ties=False), [[["x"], ["y"]]], [[["x", "y"]]]),
        (EDIT, ["better"], ["", " ", None, 3]),
    ],
)
def test_only_an_answer_to_the_question_is_taken(question: Question, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert question.check(value) == value
    for value in bad:
        with pytest.raises(InputError) as caught:
            question.check(value)
        assert "question 'q'" in str(caught.value.where)


def test_what_two_people_said_alike_is_kept_alike() -> None:
    assert CHOICES.check(["c", "a"]) == ["a", "c"]
    assert SPANS.check([span(4, 5), span(0, 2)]) == [span(0, 2), span(4, 5)]
    assert RANKING.check([["z", "y"], ["x"]]) == [["y", "z"], ["x"]]
    assert Question("q", "Q?", "pair").check({"preferred": "tie"}) == {"preferred": "tie", "strength": None}


def test_places_in_a_text_are_code_points() -> None:
    text = "👩\u200d🚀 said é"  # the astronaut is three code points, five UTF-16 units, eleven bytes
    assert SPANS.check([span(0, len(text))], {"text": text}) == [span(0, 11 - 1)]
    assert len(text) == 10
    with pytest.raises(InputError, match="after the text's 10 characters"):
        SPANS.check([span(0, 11)], {"text": text})


def test_a_span_lies_within_the_part_of_the_item_the_question_is_of() -> None:
    question = Question("q", "Q?", "spans", options=ABC, of="messages.-1")
    payload = {"messages": [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]}
    assert question.check([span(0, 5)], payload) == [span(0, 5)]
    with pytest.raises(InputError, match="after the text's 5"):
        question.check([span(0, 6)], payload)


def test_a_ranking_covers_just_the_candidates() -> None:
    assert RANKING.check([["y"], ["x", "z"]], CANDIDATES) == [["y"], ["x", "z"]]
    for value, odd in (([["x"], ["y"]], "z"), ([["x"], ["y"], ["z"], ["w"]], "w")):
        with pytest.raises(InputError, match=f"just the candidates: {odd}"):
            RANKING.check(value, CANDIDATES)


@pytest.mark.parametrize(
    ("question", "payload", "what"),
    [
        (SPANS, {}, "has no 'text'"),
        (SPANS, {"text": ["a"]}, "is not text"),
        (PAIR, {"a": "x"}, "two sides"),
        (RANKING, {"candidates": ["x", "y"]}, "ids of their own"),
        (RANKING, {"candidates": [{"id": "x"}, {"id": "x"}]}, "ids of their own"),
        (RANKING, {"candidates": [{"id": "x"}]}, "at least two"),
        (Question("q", "Q?", "bool", of="messages.3"), {"messages": [1, 2, 3]}, "has no 'messages.3'"),
        (Question("q", "Q?", "edit", of="draft"), {"draft": 3}, "is not text"),
    ],
)
def test_an_item_that_cannot_be_answered_is_told_before_anybody_sees_it(question: Question, payload: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        question.check_payload(payload)


@pytest.mark.parametrize(
    ("kind", "given", "what"),
    [
        ("choices", {"options": ABC, "at_least": 4}, "only 3 options"),
        ("choices", {"options": ABC, "at_least": 2, "at_most": 1}, "nor above"),
        ("choices", {}, "at least two options"),
        ("spans", {}, "at least one label"),
        ("bool", {"options": ABC}, "Only a choice"),
        ("pair", {"strength": 1}, "cannot be told apart"),
        ("pair", {"strength": 10}, "cannot be told apart"),
        ("pair", {"overlapping": True}, "Only a spans has 'overlapping'"),
        ("ranking", {"both_bad": False}, "Only a pair has 'both_bad'"),
        ("text", {"at_least": 1}, "Only a choices or spans has 'at_least'"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(kind: Any, given: dict[str, Any], what: str) -> None:
    with pytest.raises(InputError, match=what):
        Question("q", "Q?", kind, **given)


def test_what_must_be_answered_depends_on_the_kind_unless_it_is_told() -> None:
    assert [Question("q", "Q?", kind, options=ABC if kind == "choice" else ()).required for kind in ("choice", "text", "edit")] == [
        True,
        False,
        False,
    ]
    assert Question("q", "Q?", "text", required=True).required is True


def test_fields_of_the_later_kinds_are_written_out_only_where_they_are_set() -> None:
    first_fields = {"name", "prompt", "kind", "options", "scale", "required_role", "policy", "minimum", "maximum"}
    assert set(Question("q", "Q?", "text").to_dict()) == first_fields
    assert set(Question("q", "Q?", "bool", required=True).to_dict()) == first_fields
    assert set(PAIR.to_dict()) == {*first_fields, "strength"}


questions = st.one_of(
    st.builds(
        Question, st.just("q"), st.just("Q?"), st.sampled_from(["bool", "text", "edit", "rating"]), required=st.sampled_from([None, True, False])
    ),
    st.builds(Question, st.just("q"), st.just("Q?"), st.just("choices"), st.just(ABC), at_least=st.none() | st.integers(0, 3)),
    st.builds(Question, st.just("q"), st.just("Q?"), st.just("spans"), st.just(ABC), of=st.sampled_from(["", "x.0"]), overlapping=st.booleans()),
    st.builds(
        Question, st.just("q"), st.just("Q?"), st.just("pair"), ties=st.booleans(), both_bad=st.booleans(), strength=st.sampled_from([0, 2, 9])
    ),
    st.builds(Question, st.just("q"), st.just("Q?"), st.just("ranking"), ties=st.booleans(), scale=st.sampled_from(list(Scale))),
)


@given(questions)
def test_a_question_survives_being_written_out(question: Question) -> None:
    assert Question.from_dict(json.loads(json.dumps(question.to_dict()))) == question


spans = st.lists(st.builds(span, st.integers(0, 12), st.integers(0, 14), st.sampled_from("abc")), max_size=5)


@given(spans, st.text(max_size=12))
def test_spans_that_are_taken_are_in_order_inside_the_text_and_apart(value: list[dict[str, Any]], text: str) -> None:
    try:
        kept = SPANS.check(value, {"text": text})
    except InputError:
        return
    assert sorted(map(str, kept)) == sorted(map(str, value))
    assert SPANS.check(kept, {"text": text}) == kept
    assert all(before["end"] <= after["start"] for before, after in itertools.pairwise(kept))
    assert all(text[one["start"] : one["end"]] for one in kept)


@given(st.permutations(["x", "y", "z"]), st.lists(st.booleans(), min_size=3, max_size=3))
def test_every_order_with_any_ties_is_a_ranking(order: list[str], joined: list[bool]) -> None:
    groups: list[list[str]] = []
    for one, join in zip(order, joined, strict=True):
        if groups and join:
            groups[-1].append(one)
        else:
            groups.append([one])
    kept = RANKING.check(groups, CANDIDATES)
    assert [set(group) for group in kept] == [set(group) for group in groups]
    assert RANKING.check(kept, CANDIDATES) == kept


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["start", "end", "label", "preferred", "strength"]), inner, max_size=3)
        ),
    ),
    questions,
)
def test_whatever_is_sent_is_kept_or_refused_and_never_breaks(value: Any, question: Question) -> None:
    try:
        kept = question.check(value)
    except InputError:
        return
    assert question.check(kept) == kept
