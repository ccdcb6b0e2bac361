"""What is refused before anything is measured."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from worlds import sample

from pilotage.core import InputError, Refused
from pilotage.judging.calibration import Sample


def made(**changed: Any) -> Sample:
    given: dict[str, Any] = {"confidence": [0.2, 0.9, 0.7], "correct": [0, 1, 1], "model": "m", "labelled_by": "people", **changed}
    return Sample.of(given.pop("confidence"), given.pop("correct"), **given)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"confidence": [0.2, 1.1, 0.7]}, "1.1 is outside"),
        ({"confidence": [0.2, float("nan"), 0.7]}, "nan is outside"),
        ({"confidence": [-0.2, 0.9, 0.7]}, "-0.2 is outside"),
        ({"confidence": ["x", 0.9, 0.7]}, "not every value is a number"),
        ({"confidence": [[0.1, 0.9]]}, "one value an item"),
        ({"correct": [0, 1]}, "2 values for 3"),
        ({"correct": [0, 2, 1]}, "2 is outside"),
        ({"confidence": [], "correct": []}, "empty"),
        ({"ids": ["a", "b", "a"]}, "'a' is there twice"),
        ({"inclusion": [0.1, 0.0, 1]}, "0 is no inclusion"),
        ({"inclusion": [0.1, 1.5, 1]}, "1.5 is no inclusion"),
        ({"slices": {"language": ["de", "en"]}}, "2 values for 3"),
        ({"labelled_by": ()}, "who labelled"),
        ({"correct": None}, "what was right"),
        ({"votes": [[1, 2]] * 3}, "go together"),
        ({"votes": [[1, 2]] * 3, "probabilities": [[0.5, 0.9]] * 3}, "sum to 1"),
        ({"votes": [[0, 0]] * 3, "probabilities": [[0.5, 0.5]] * 3}, "needs votes"),
    ],
)
def test_what_is_malformed_is_refused_with_its_place(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=f"(?i){said}"):
        made(**changed)


def test_a_confidence_that_never_changes_is_refused() -> None:
    with pytest.raises(Refused, match="All 3 confidences"):
        made(confidence=[0.9, 0.9, 0.9])


def test_labels_by_the_routed_model_itself_are_refused() -> None:
    with pytest.raises(Refused, match="its own outputs"):
        made(labelled_by=["people", "m"])


def test_fewer_than_500_give_no_verdict_and_how_many_are_missing_is_said() -> None:
    with pytest.raises(Refused, match="499") as refused:
        sample(499).enough()
    assert "label 1 more" in str(refused.value.mend)


def test_items_used_before_are_refused_and_so_is_not_knowing() -> None:
    one = made(ids=["a", "b", "c"])
    one.disjoint_from({"x"}, used_for="fitting")
    with pytest.raises(Refused, match="1 of 3"):
        one.disjoint_from({"b", "x"}, used_for="fitting")
    with pytest.raises(Refused, match="no item ids"):
        made().disjoint_from({"x"}, used_for="fitting")


def test_votes_say_what_share_thought_the_first_choice_right() -> None:
    one = made(correct=None, votes=[[3, 1], [0, 4], [2, 2]], probabilities=[[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]])
    assert one.correct.tolist() == [0.75, 1.0, 0.5]
    assert not one.binary


def test_weights_stand_for_what_was_not_drawn() -> None:
    one = made(inclusion=[0.5, 0.1, 0.1])
    assert np.allclose(one.weights, np.array([2, 10, 10]) / (22 / 3))
    assert not one.equal_weights
    assert one.effective_n < 3
    assert made(inclusion=0.3).equal_weights


def test_arrays_cannot_be_changed_and_the_digest_knows_the_numbers() -> None:
    one = made()
    with pytest.raises(ValueError, match="read-only"):
        one.confidence[0] = 1
    assert one.digest == made().digest != made(correct=[1, 1, 1]).digest


def test_a_part_is_taken_by_mask_by_indices_or_by_a_plain_list() -> None:
    sample = Sample.of([0.1, 0.5, 0.9], [0, 1, 1], model="m", labelled_by="people", ids=["a", "b", "c"])
    for chosen in ([0, 2], np.array([0, 2]), [True, False, True], np.array([True, False, True])):
        assert sample.where(chosen).ids == ("a", "c")
    assert sample.where([]).n == 0
