"""The choice of a method: on gold it was not given, or said not to be one."""

from __future__ import annotations

import pytest
from crowd import accuracy, drawn

from pilotage.core import InputError
from pilotage.judging.aggregation import Votes, choose_method, infer, overlap_saving


def test_without_enough_gold_the_banner_says_so() -> None:
    votes, truth = drawn()
    choice = choose_method(votes, {unit: truth[unit] for unit in range(49)})
    assert (choice.method, choice.scores, choice.n_gold) == ("hierarchical_dawid_skene", (), 49)
    assert "49 gold units" in choice.banner
    found = infer(votes)
    assert found.method == "hierarchical_dawid_skene"
    assert "not chosen on gold" in found.banner
    assert "not chosen on gold" in str(found)


def test_gold_chooses_a_method_that_sees_through_careless_raters() -> None:
    votes, truth = drawn(accuracies=[0.97, 0.97, *[0.36] * 6], raters=8, per_unit=8, units=200, seed=2)
    gold = {unit: truth[unit] for unit in range(80)}
    choice = choose_method(votes, gold)
    scores = {score.method: score for score in choice.scores}
    assert choice.method != "majority"
    assert "majority" not in choice.level_with
    assert scores[choice.method].accuracy > scores["majority"].accuracy
    assert all(score.n == 80 and score.lower <= score.accuracy <= score.upper for score in choice.scores)
    rest = {unit: truth[unit] for unit in range(80, 200)}
    assert accuracy(infer(votes, gold), rest) >= scores["majority"].accuracy


def test_gold_never_scores_a_fit_that_was_given_it() -> None:
    # Gold that says the opposite of all votes: a method that saw it would score 1, one that did not scores 0.
    rows = [(unit, rater, "x") for unit in range(60) for rater in "ab"] + [(unit, rater, "y") for unit in range(60, 300) for rater in "ab"]
    votes = Votes.from_rows(*zip(*rows, strict=True))
    choice = choose_method(votes, dict.fromkeys(range(60), "y"))
    assert {s.method: s.accuracy for s in choice.scores}["majority"] == 0
    assert {s.method: s.accuracy for s in choose_method(votes, dict.fromkeys(range(60), "y"), clamp=False).scores} == dict.fromkeys(
        [s.method for s in choice.scores], 0.0
    )


def test_the_choice_repeats_with_its_seed() -> None:
    votes, truth = drawn(seed=12)
    gold = {unit: truth[unit] for unit in range(60)}
    assert choose_method(votes, gold, seed=1) == choose_method(votes, gold, seed=1)


def test_an_unknown_method_is_refused() -> None:
    with pytest.raises(InputError, match="no method"):
        infer(drawn()[0], method="wisdom")


def test_what_did_not_come_to_rest_says_so() -> None:
    assert "Not at rest" in infer(drawn()[0], method="dawid_skene", iterations=1).banner


def test_adaptive_overlap_saves_where_raters_are_good_and_not_where_they_are_poor() -> None:
    good, _ = drawn(accuracies=[0.97] * 8, raters=8, units=200, k=2)
    poor, _ = drawn(accuracies=[0.6] * 8, raters=8, units=200, k=2)
    saved, lost = (overlap_saving(votes, infer(votes, method="one_coin")) for votes in (good, poor))
    assert saved.saving is not None
    assert lost.saving is not None
    assert saved.saving_lower is not None
    assert saved.saving_lower > 0 > lost.saving
    assert saved.n_units == 200
    assert saved.answers == pytest.approx(3 * (1 - saved.saving))
    assert saved.lower is not None
    assert saved.upper is not None
    assert 2 <= saved.lower <= saved.answers <= saved.upper <= 5
    assert overlap_saving(good, infer(good, method="one_coin")) == saved


def test_too_few_answers_cannot_be_played_back() -> None:
    votes, _ = drawn(per_unit=2, k=2)
    found = overlap_saving(votes, infer(votes))
    assert found.answers is None
    assert "5 answers" in found.reason
    assert "not assessable" in str(found)
    with pytest.raises(InputError):
        overlap_saving(votes, infer(votes), start=4, most=3)


def test_a_score_reads_as_a_figure_with_its_interval() -> None:
    votes, truth = drawn()
    first = choose_method(votes, truth).scores[0]
    assert str(first).startswith(f"{first.method}: {first.accuracy:.3f} [{first.lower:.3f}, {first.upper:.3f}] at 95%, n = {first.n}")
