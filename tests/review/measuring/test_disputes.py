"""Disputes between reliable people: the guideline's where they gather, the item's where they lie scattered."""

from __future__ import annotations

import random

from pilotage.judging import Question
from pilotage.review.measuring.disputes import gatherings
from pilotage.review.measuring.divergence import Reliability
from pilotage.review.measuring.triaging import _Ground, cause_of

from .conftest import QUESTION
from .test_triage import GOOD, said

VALUES = ("bad", "good", "odd")
RELIABLE = ("a", "b")


def answers(disputes: dict[tuple[str, str], int], agreed: int = 90) -> dict[str, dict[str, str]]:
    found = {f"agreed {n}": dict.fromkeys(RELIABLE, VALUES[n % 3]) for n in range(agreed)}
    for pair, count in disputes.items():
        found |= {f"{pair} {n}": dict(zip(RELIABLE, pair, strict=True)) for n in range(count)}
    return found


def test_what_gathers_on_one_pair_beyond_the_slips_on_gold_is_found() -> None:
    found = gatherings(answers({("bad", "odd"): 25, ("bad", "good"): 3, ("good", "odd"): 2}), {}, {("bad", "good"): 4, ("bad", "odd"): 3}, RELIABLE)
    assert set(found.pairs) == {("bad", "odd")}
    numbers = found.pairs["bad", "odd"]
    assert (numbers["n"], numbers["of"], found.disputes, found.items) == (25, 30, 30, 120)
    assert numbers["p"] < 0.001 and found.least_p == numbers["p"] and numbers["base"] < numbers["share"]


def test_a_pair_that_is_mixed_up_on_gold_as_often_is_no_fault_of_the_guideline() -> None:
    disputes = {("bad", "odd"): 25, ("bad", "good"): 3, ("good", "odd"): 2}
    found = gatherings(answers(disputes), {}, {("bad", "odd"): 40, ("bad", "good"): 4, ("good", "odd"): 4}, RELIABLE)
    assert not found.pairs and found.least_p is not None and found.least_p > 0.05


def test_a_slice_in_which_reliable_people_differ_is_found_and_careless_people_do_not_count() -> None:
    given = {f"{language}{n}": {"a": "good", "b": "bad" if language == "de" and n % 3 else "good"} for language in ("de", "en") for n in range(20)}
    refs = {item: {"language": item[:2]} for item in given}
    found = gatherings(given, refs, {}, RELIABLE)
    assert set(found.slices) == {("language", "de")} and found.slices["language", "de"]["divided"] == 13
    careless = gatherings(given, refs, {}, ["a"])
    assert (careless.items, careless.disputes, dict(careless.slices), careless.least_p) == (0, 0, {}, None)


def test_with_two_answers_no_pair_is_tested_and_a_few_disputes_prove_nothing() -> None:
    two = {f"i{n}": {"a": "good", "b": "bad" if n % 2 else "good"} for n in range(60)}
    assert gatherings(two, {}, {}, RELIABLE).least_p is None
    assert not gatherings(answers({("bad", "odd"): 9}), {}, {}, RELIABLE).pairs


def test_scattered_disputes_are_rarely_called_gathered() -> None:
    """Disputes drawn as the crowd's slips and the slices fall: at most one family in twenty may be found, with room for luck."""
    rng, found = random.Random(11), 0
    pairs = [("bad", "good"), ("bad", "odd"), ("good", "odd")]
    for _ in range(200):
        slips = dict.fromkeys(pairs, 10)
        given = answers(dict.fromkeys(pairs, 0))
        given |= {f"d{n}": dict(zip(RELIABLE, rng.choice(pairs), strict=True)) for n in range(45)}
        refs = {item: {"language": rng.choice("abc"), "risk": rng.choice("hl")} for item in given}
        result = gatherings(given, refs, slips, RELIABLE)
        found += bool(result.pairs or result.slices)
    assert found <= 18


def test_triage_tells_a_dispute_about_the_guideline_from_an_ambiguous_item() -> None:
    gathered = gatherings(answers({("bad", "odd"): 25, ("bad", "good"): 3, ("good", "odd"): 2}), {}, {("bad", "good"): 4}, RELIABLE)

    def ground(question: Question = QUESTION, **reliable: Reliability) -> _Ground:
        return _Ground(question, reliable, {}, {}, {}, {}, gathered)

    about_words = cause_of(ground(a=GOOD, b=GOOD), "i", said(a="bad", b="odd"), {})
    assert about_words.cause == "unclear_guideline" and about_words.evidence["pair"] == ["bad", "odd"] and about_words.evidence["p"] < 0.05
    about_item = cause_of(ground(a=GOOD, b=GOOD), "i", said(a="bad", b="good"), {})
    assert about_item.cause == "ambiguous_item" and about_item.evidence["looked_at"] == gathered.told()
    not_by_gold = Reliability(0.95, 0.9, 0.99, 60, "agreement")
    assert cause_of(ground(a=not_by_gold, b=not_by_gold), "i", said(a="bad", b="odd"), {}).cause == "ambiguous_item"
