"""A batch takes what promises most, and always a fair random part."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.review.selecting import Candidate, choose_batch
from pilotage.review.selecting.candidate import entropy, expected_cost, margin, vote_entropy
from pilotage.review.selecting.diversity import spread_out


def pool(n: int) -> list[Candidate]:
    return [Candidate(f"i{number:03d}", {"a": 0.5 + number / (2 * n), "b": 0.5 - number / (2 * n)}) for number in range(n)]


def test_the_measures_order_items_as_they_should() -> None:
    sure, unsure = Candidate("1", {"a": 0.9, "b": 0.1}), Candidate("2", {"a": 0.5, "b": 0.5})
    assert margin(unsure) == 1 > margin(sure)  # type: ignore[operator]
    assert entropy(unsure) > entropy(sure)  # type: ignore[operator]
    assert vote_entropy(Candidate("3", votes={"a": 2, "b": 2})) > vote_entropy(Candidate("4", votes={"a": 4})) == 0  # type: ignore[operator]
    assert expected_cost(Candidate("5", {"a": 0.9, "b": 0.1}, cost=100)) == pytest.approx(10)
    bare = Candidate("6")
    assert margin(bare) is entropy(bare) is vote_entropy(bare) is expected_cost(bare) is None


def test_what_is_least_sure_is_chosen_and_a_fifth_is_drawn() -> None:
    found = choose_batch(pool(100), 20)
    assert found.by == {"random": 4, "uncertainty": 16}
    chosen = {each.item for each in found.picked if each.selected_by == "uncertainty"}
    assert chosen <= {f"i{number:03d}" for number in range(20)}
    assert {each.probability for each in found.picked if each.selected_by == "random"} == {0.04}
    assert all(each.probability is None for each in found.picked if each.selected_by != "random")


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 60), st.integers(0, 40), st.floats(0.2, 1), st.integers(0, 9))
def test_the_random_part_is_never_below_its_share_and_nothing_is_twice(size: int, n: int, share: float, seed: int) -> None:
    found = choose_batch(pool(size), n, random_share=share, seed=seed, shares={"uncertainty": 0.5, "risk": 0.5})
    items = [each.item for each in found.picked]
    assert len(items) == len(set(items)) == min(n, size)
    assert found.by.get("random", 0) >= share * len(items) - 1e-9
    assert found == choose_batch(reversed(pool(size)), n, random_share=share, seed=seed, shares={"uncertainty": 0.5, "risk": 0.5})


def test_every_item_is_drawn_as_often_as_its_probability_says() -> None:
    drawn = [
        each.item for seed in range(600) for each in choose_batch(pool(20), 5, random_share=0.4, seed=seed).picked if each.selected_by == "random"
    ]
    for candidate in pool(20):
        assert drawn.count(candidate.item) == pytest.approx(60, abs=32)  # 600 × 2 / 20, more than four standard deviations either way


def test_a_random_part_below_a_fifth_and_shares_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(InputError, match="at least a fifth"):
        choose_batch(pool(9), 5, random_share=0.1)
    with pytest.raises(InputError, match="add up to 1"):
        choose_batch(pool(9), 5, shares={"risk": 0.5})
    with pytest.raises(InputError, match="no strategy"):
        choose_batch(pool(9), 5, shares={"magic": 1})
    with pytest.raises(InputError, match="twice"):
        choose_batch([*pool(2), *pool(2)], 2)
    with pytest.raises(InputError, match="do not add up"):
        Candidate("1", {"a": 0.5})


def test_items_without_a_measure_are_counted_and_their_places_are_not_called_random() -> None:
    found = choose_batch([Candidate(f"i{number}") for number in range(10)], 5)
    assert found.by == {"order": 4, "random": 1}
    assert found.without_measure == {"uncertainty": 10}


def test_diversity_takes_one_of_each_kind_before_two_of_one() -> None:
    texts = [f"the bill is too high again {number}" for number in range(6)] + ["cannot log in with my password", "parcel never arrived at the door"]
    assert {min(place, 6) if place < 6 else place for place in spread_out(texts, 3)} >= {6, 7}
    assert spread_out(texts, 2, known=[*texts[:6], texts[6]])[0] == 7
    assert spread_out([], 3) == [] == spread_out(texts, 0)


def test_who_answers_cannot_tell_the_parts_by_their_place() -> None:
    order = [each.selected_by == "random" for each in choose_batch(pool(200), 50, seed=1).picked]
    assert 0 < sum(order[:25]) < 10
