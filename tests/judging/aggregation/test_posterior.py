"""The posterior of one item, as the claim asks it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.judging.aggregation import posterior_of


def test_one_answer_is_believed_as_far_as_its_rater() -> None:
    found = posterior_of(["yes"], [0.8], 2)
    assert (found.value, found.n) == ("yes", 1)
    assert found.probability == pytest.approx(0.8)
    assert found.other == pytest.approx(0.2)


def test_two_that_agree_are_surer_and_two_that_differ_leave_it_open() -> None:
    assert posterior_of(["yes", "yes"], [0.8, 0.8], 2).probability == pytest.approx(0.64 / 0.68)
    assert posterior_of(["yes", "no"], [0.8, 0.8], 2).value is None
    assert posterior_of(["yes", "no"], [0.9, 0.8], 2).value == "yes"


def test_a_rater_below_chance_decides_nothing_and_nobody_is_certain() -> None:
    assert posterior_of(["yes"], [0.1], 2).value is None
    assert posterior_of(["yes"], [1.0], 2).probability == pytest.approx(0.99)


def test_nobody_answered_means_nothing_is_known() -> None:
    found = posterior_of([], [], 4)
    assert (found.value, found.probability, found.other, found.shares) == (None, 0.25, 1.0, ())


def test_values_that_python_takes_for_equal_stay_apart() -> None:
    assert posterior_of([True, 1], [0.9, 0.9], 3).value is None
    assert posterior_of([["a", "b"], ["a", "b"]], [0.9, 0.9], 3).value == ["a", "b"]


@pytest.mark.parametrize(
    ("values", "accuracies", "k"), [(["a"], [], 2), (["a"], [0.5], 1), (["a"], [1.5], 2), (["a"], [float("nan")], 2), (["a", "b", "c"], [0.5] * 3, 2)]
)
def test_what_makes_no_sense_is_refused(values: list[str], accuracies: list[float], k: int) -> None:
    with pytest.raises(InputError):
        posterior_of(values, accuracies, k)


def test_a_claim_that_asks_loads_no_numpy() -> None:
    code = "import sys; from pilotage.judging.aggregation import posterior_of; posterior_of(['x'], [0.9], 2); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


answers = st.lists(st.tuples(st.integers(0, 4), st.floats(0, 1)), max_size=8)


@given(answers, st.randoms())
def test_probabilities_sum_to_one_in_any_order(given_answers: list[tuple[int, float]], random: object) -> None:
    values, accuracies = [v for v, _ in given_answers], [a for _, a in given_answers]
    found = posterior_of(values, accuracies, 5)
    assert sum(p for _, p in found.shares) + found.other == pytest.approx(1)
    shuffled = list(given_answers)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = posterior_of([v for v, _ in shuffled], [a for _, a in shuffled], 5)
    assert again.value == found.value
    assert again.probability == pytest.approx(found.probability)
