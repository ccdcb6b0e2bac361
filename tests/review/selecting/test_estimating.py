"""The random part tells how things stand without bias, and the gain over chance is stated with an interval."""

from __future__ import annotations

import numpy as np
import pytest

from pilotage.core import InputError
from pilotage.review.selecting import Batch, Candidate, choose_batch, errors_per_label, estimate_rate, improvement

N, RATE = 400, 0.25
ERRORS = {f"i{number:03d}": number < RATE * N for number in range(N)}


def drawn(seed: int, *, rounds: int = 3, informed: bool = True, share: float = 0.2) -> list[Batch]:
    """Batches of a pool in which errors are exactly what the model is unsure of (or not)."""
    rng = np.random.default_rng(seed)
    left = [_candidate(item, wrong, rng, informed) for item, wrong in ERRORS.items()]
    found: list[Batch] = []
    for number in range(rounds):
        batch = choose_batch(left, 50, random_share=share, seed=1000 * seed + number)
        taken = {each.item for each in batch.picked}
        left = [each for each in left if each.item not in taken]
        found.append(batch)
    return found


def _candidate(item: str, wrong: bool, rng: np.random.Generator, informed: bool) -> Candidate:
    sure = float(rng.uniform(0.5, 0.7) if wrong and informed else rng.uniform(0.5, 1.0))
    return Candidate(item, {"a": sure, "b": 1 - sure})


def test_the_estimate_is_unbiased_although_most_items_were_chosen_and_covers() -> None:
    figures = [estimate_rate(drawn(seed), ERRORS) for seed in range(80)]
    estimates = [figure.estimate for figure in figures]
    assert abs(np.mean(estimates) - RATE) < 3.5 * np.std(estimates) / 80**0.5
    assert np.mean([figure.lower <= RATE <= figure.upper for figure in figures]) >= 0.87
    naive = np.mean([ERRORS[each.item] for batch in drawn(0) for each in batch.picked])
    assert naive > RATE + 0.1  # what all labels together would say


def test_a_gain_is_found_where_there_is_one_and_not_claimed_where_there_is_none() -> None:
    (gain,) = errors_per_label(drawn(0, share=0.5), ERRORS)
    assert gain.strategy == "uncertainty" and gain.verdict == "choosing finds more errors per label than chance"
    nothing = [errors_per_label(drawn(seed, informed=False, rounds=2), ERRORS)[0] for seed in range(12)]
    assert sum("no gain over chance is shown" in each.verdict for each in nothing) >= 9


def test_what_is_not_judged_yet_is_not_estimated_from() -> None:
    assert estimate_rate(drawn(1), {}).reason == "no batch has all its items judged"
    first = drawn(1)
    only = {each.item: ERRORS[each.item] for each in first[0].picked}
    assert estimate_rate(first, only).detail["batches"] == 1
    assert errors_per_label(first, {})[0:] == []


def test_a_pool_that_others_joined_is_refused() -> None:
    first = choose_batch([Candidate("a"), Candidate("b"), Candidate("c")], 2)
    other = choose_batch([Candidate("c"), Candidate("d")], 1)
    with pytest.raises(InputError, match="one pool"):
        estimate_rate([first, other], dict.fromkeys("abcd", False))


def test_models_trained_on_both_are_compared_on_the_same_items() -> None:
    found = improvement({"1": 0, "2": 0, "3": 1}, {"1": 1, "2": 0, "3": 1})
    assert found.n_pairs == 3 and found.fixed == (("1", 0),)
    with pytest.raises(InputError):
        improvement({"1": 0}, {"2": 0})
