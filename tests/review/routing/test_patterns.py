"""Patterns whose work is bounded, and words that are found as words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.review.routing.patterns import folded, safe_pattern, words_pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+$",
        "a*b",
        "(a|aa){1,40}b",
        r"(\w{1,60}){1,60}x",
        r"(.)\1",
        "(?=a)b",
        "(?<=a)b",
        "a{1,2000}b",
        "x{1,64}x{1,64}y",
        "(",
        "a?",
        "",
        "(a{0,9}){0,9}b",
    ],
)
def test_a_pattern_whose_work_is_not_bounded_is_refused(pattern: str) -> None:
    with pytest.raises(InputError) as caught:
        safe_pattern(pattern, where="policy.yaml:7")
    assert caught.value.where == "policy.yaml:7"


@pytest.mark.parametrize(
    "pattern", [r"\b[A-Z]{2}\d{2}[A-Z0-9]{11,30}+\b", r"(?i)password is \S{1,40}+", r"[\w.+-]{1,64}+@[\w-]{1,63}+\.[a-z]{2,10}+", "a{1,30}b"]
)
@pytest.mark.parametrize("text", ["a" * 20_000, "A1" * 10_000, "AB12" * 5_000, "x@" * 10_000, " password is" * 1_500])
def test_a_pattern_that_was_let_in_is_done_in_time_whatever_the_text(pattern: str, text: str) -> None:
    """It ends: the test's own time limit is what fails here."""
    safe_pattern(pattern, where="here").search(text)


@given(st.text(st.characters(categories=["L", "N", "P", "Z"]), max_size=30), st.text(st.characters(categories=["L", "N", "P", "Z"]), max_size=30))
def test_a_word_is_found_as_a_word_whatever_stands_around_it(before: str, after: str) -> None:
    pattern = words_pattern(["Anwalt", "law firm"])
    assert pattern is not None
    assert pattern.search(folded(f"{before} ANWALT {after}"))
    assert not words_pattern(["anwalt"]).search("anwaltlich")  # type: ignore[union-attr]
    assert words_pattern([" "]) is None
