"""Novelty: held to its false alarm rate, blind to nothing that is far away, and stored byte for byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.review.routing.novelty import Novelty, fit_novelty, text_vector


def test_outputs_like_the_reference_are_novel_no_more_often_than_declared() -> None:
    """On average over references, as the guarantee is: 60 of them."""
    random = np.random.default_rng(3)
    shares = []
    for seed in range(60):
        near = random.normal(1, 0.3, (600, 16))
        fitted = fit_novelty(embeddings=near[:400], alpha=0.05, seed=seed)
        shares.append(np.mean([float(fitted.distance(None, row.tolist()) or 0) > fitted.limit for row in near[400:]]))
    error = np.std(shares) / np.sqrt(len(shares))
    assert np.mean(shares) <= 0.05 + 3 * error
    assert np.mean(shares) >= 0.02


def test_what_is_far_away_is_novel() -> None:
    usual = [f"You can return item {number} within {number % 30} days." for number in range(400)]
    fitted = fit_novelty(usual, alpha=0.01)
    assert (fitted.distance("You can return item 977 within 12 days.", None) or 0) <= fitted.limit
    assert (fitted.distance("SELECT * FROM users WHERE 1=1; --", None) or 0) > fitted.limit


def test_what_cannot_be_measured_has_no_distance() -> None:
    words = fit_novelty([f"text number {number}" for number in range(200)], alpha=0.05)
    numbers = fit_novelty(embeddings=np.random.default_rng(0).normal(size=(200, 4)), alpha=0.05)
    assert words.distance(None, [1.0]) is None and words.distance("ab", None) is None
    for given_ in (None, [1.0], [0.0] * 4, [float("nan")] * 4):
        assert numbers.distance("text", given_) is None


@given(st.text(max_size=200))
def test_a_text_has_one_vector_of_length_one_whatever_its_capitals_and_blanks(text: str) -> None:
    vector = text_vector(text)
    if vector is not None:
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        assert np.array_equal(vector, text_vector(f"  {text} "))


def test_a_reference_reads_back_as_it_was() -> None:
    fitted = fit_novelty([f"text number {number}" for number in range(200)], alpha=0.05)
    again = Novelty.from_dict(fitted.to_dict())
    assert again.to_dict() == fitted.to_dict() and np.array_equal(again.centres, fitted.centres)
    for broken in ({}, {**fitted.to_dict(), "k": 7}, {**fitted.to_dict(), "limit": 9}):
        with pytest.raises(InputError):
            Novelty.from_dict(broken)


@pytest.mark.parametrize("n", [0, 99])
def test_too_few_texts_are_no_reference(n: int) -> None:
    with pytest.raises(InputError, match="too few"):
        fit_novelty([f"text number {number}" for number in range(n)], alpha=0.05)
