"""Worlds whose truth is known: how confident a model is, and how often it is then right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pilotage.judging.calibration import Sample

Floats = NDArray[np.float64]
FINE = 200_000


@dataclass(frozen=True)
class World:
    """Confidence is Beta(a, b); ``right`` gives the probability of being right at a confidence."""

    name: str
    a: float
    b: float
    right: Callable[[Floats], Floats]

    def draw(self, rng: np.random.Generator, samples: int, n: int) -> tuple[Floats, NDArray[np.bool_]]:
        """(samples, n) confidences, each row sorted downwards, and what was wrong."""
        confidence = -np.sort(-rng.beta(self.a, self.b, (samples, n)), axis=1)
        return confidence, rng.random((samples, n)) >= self.right(confidence)

    @cached_property
    def fine(self) -> tuple[Floats, Floats]:
        """Many confidences, downwards, and the true error rate above each."""
        fine = -np.sort(-np.random.default_rng(99).beta(self.a, self.b, FINE))
        return fine, np.cumsum(1 - self.right(fine)) / np.arange(1, FINE + 1)

    def risk_above(self, threshold: Floats) -> Floats:
        """The true error rate among what each threshold accepts."""
        fine, mean = self.fine
        return mean[np.clip(np.searchsorted(-fine, -threshold, side="right") - 1, 0, FINE - 1)]


ACCURACIES = {"weak": (3.0, 1.5), "good": (6.0, 0.8), "strong": (12.0, 0.4)}
SHAPES: dict[str, Callable[[Floats], Floats]] = {
    "right": lambda p: p,
    "too sure": lambda p: p**1.6,
    "not sure enough": lambda p: p**0.5,
    "wrong at the top": lambda p: np.where(p > 0.97, 0.9 * p, p),
    "says nothing": lambda p: np.full_like(p, 0.93),
}


def worlds() -> list[World]:
    return [World(f"{model}, {shape}", *ab, right) for model, ab in ACCURACIES.items() for shape, right in SHAPES.items()]


def sample(n: int = 1_500, *, seed: int = 0, power: float = 1.5, prefix: str = "i", a: float = 4.0, b: float = 0.4, **more: object) -> Sample:
    """A sample of a model that is too sure (``power`` > 1)."""
    rng = np.random.default_rng(seed)
    p = rng.beta(a, b, n)
    given: dict[str, object] = {"ids": [f"{prefix}{i}" for i in range(n)], "slices": {"language": rng.choice(["de", "en"], n)}, **more}
    return Sample.of(p, rng.random(n) < p**power, model="m-1", labelled_by="people", **given)  # type: ignore[arg-type]
