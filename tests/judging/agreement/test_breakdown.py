"""Agreement part by part, with and without a suggestion, before and after."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotage.core import InputError
from pilotage.judging import Judgement, Option, Question, Scale
from pilotage.judging.agreement import agreement_by, agreement_change, agreement_on, krippendorff_alpha, rows_of

TONE = Question("tone", "How is the tone?", "choice", options=(Option("good"), Option("fair"), Option("poor")), scale=Scale.ORDINAL)
RIGHT = Question("right", "Is it right?", "bool")
FREE = Question("why", "Why?", "text")
LABELS = ("good", "fair", "poor")


def said(n: int, *, question: str = "tone", arm: str | None = None, flip: int = 5, start: int = 0, guideline: str | None = None) -> list[Judgement]:
    """Two raters on ``n`` items; every ``flip``-th answer of the second differs."""
    made = []
    for item in range(start, start + n):
        for rater in "ab":
            shift = rater == "b" and item % flip == 0
            value = LABELS[(item + shift) % 3] if question == "tone" else bool((item + shift) % 2)
            made.append(Judgement(f"i{item}", question, rater, "rub", value=value, arm=arm, guideline_id=guideline))
    return made


def test_each_kind_of_question_gets_its_figure() -> None:
    made = said(60)
    rows = [(j.item_id, j.rater_id, j.value) for j in made]
    assert agreement_on(TONE, made) == krippendorff_alpha(rows, scale="ordinal", order=LABELS)
    assert agreement_on(RIGHT, said(60, question="right")).scale == "nominal"
    free = agreement_on(FREE, [replace(made[0], question="why", value="because")])
    assert (free.status, free.estimate) == ("not_assessable", None)
    with pytest.raises(InputError, match="not about"):
        agreement_on(RIGHT, made)


def test_answers_with_a_suggestion_are_never_reported_alone() -> None:
    shown = said(60, arm="suggestion_shown", flip=100)
    (alone,) = agreement_by(shown, [TONE])
    assert alone.aided is not None
    assert alone.aided.estimate is None
    assert "without the suggestion" in alone.aided.reason
    (both,) = agreement_by([*shown, *said(60, arm="withheld", start=100)], [TONE])
    assert both.aided is not None
    assert both.aided.estimate is not None
    assert both.unaided.estimate is not None
    assert both.aided.estimate > both.unaided.estimate
    assert "suggestion shown" in str(both)


def test_who_answered_first_may_have_changed_it_after_so_counts_as_aided() -> None:
    (found,) = agreement_by([*said(10, arm="answer_first"), *said(10, start=50)], [TONE])
    assert found.aided is not None
    assert (found.unaided.n_units, found.aided.n_units) == (10, 10)
    assert len(rows_of(said(10, arm="answer_first"))) == 0


def test_parts_by_question_slice_guideline_and_pair() -> None:
    made = [*said(60, guideline="g1"), *said(20, question="right", guideline="g2")]
    assert [part.question for part in agreement_by(made, [TONE, RIGHT])] == ["right", "tone"]
    by_guideline = agreement_by(made, [TONE, RIGHT], by="guideline")
    assert [part.group for part in by_guideline] == [{"guideline": "g2"}, {"guideline": "g1"}]
    slices = {f"i{item}": {"topic": "odd" if item % 2 else "even"} for item in range(60)}
    by_slice = agreement_by(said(60), [TONE], by="slice", slices=slices)
    assert [(part.group, part.unaided.n_units) for part in by_slice] == [({"topic": "even"}, 30), ({"topic": "odd"}, 30)]
    (pair,) = agreement_by(said(60), [TONE], by="pair")
    assert (pair.group, pair.unaided.coefficient) == ({"first": "a", "second": "b"}, "Cohen's kappa")
    assert pair.aided is None


def test_people_and_machines_are_not_mixed_unawares() -> None:
    made = [replace(judgement, rater_kind="person" if judgement.rater_id == "a" else "model") for judgement in said(5)]
    with pytest.raises(InputError, match="mixed"):
        agreement_by(made, [TONE])


def test_questions_and_slices_that_are_not_known_are_refused() -> None:
    with pytest.raises(InputError, match="not one of the questions"):
        agreement_by(said(5), [RIGHT])
    with pytest.raises(InputError, match="slices"):
        agreement_by(said(5), [TONE], by="slice")


def rows(n: int, flip: int, start: int = 0) -> list[tuple[str, str, object]]:
    return [(j.item_id, j.rater_id, j.value) for j in said(n, flip=flip, start=start)]


def test_a_change_of_agreement_has_the_interval_of_the_difference() -> None:
    change = agreement_change(rows(80, 2), rows(80, 20, start=500), scale="nominal")
    assert change.difference is not None
    assert change.lower is not None
    assert change.upper is not None
    assert 0 < change.lower < change.difference < change.upper
    assert change.status == "measured"
    assert change.difference == pytest.approx((change.after.estimate or 0) - (change.before.estimate or 0))


def test_units_judged_both_times_are_paired_which_is_sharper() -> None:
    paired = agreement_change(rows(80, 4), rows(80, 4), scale="nominal")
    apart = agreement_change(rows(80, 4), rows(80, 4, start=400), scale="nominal")
    assert (paired.lower, paired.difference, paired.upper) == (0, 0, 0)
    assert apart.lower is not None
    assert apart.lower < -0.05


def test_a_change_that_cannot_be_told_says_why() -> None:
    change = agreement_change(rows(80, 4), [], scale="nominal")
    assert change.difference is None
    assert change.reason == "after: there are no judgements"
    few = agreement_change(rows(80, 4), rows(20, 4), scale="nominal")
    assert few.status == "too_few_for_a_verdict"
    assert "20 units" in few.reason
