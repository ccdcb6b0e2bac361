"""Novelty: how far an output lies from the outputs a policy was calibrated on.

A text becomes counts of its character trigrams, hashed into a fixed number of bins, log-scaled and brought to length 1; an embedding is taken as it
is. The reference is a few directions (spherical k-means) fitted on one half of the reference outputs; the distance of a new output is one minus its
cosine to the nearest of them. The limit comes from the *other* half: its ceil((n + 1)(1 - alpha))-th smallest distance, so that an output like the
reference is called novel with probability at most ``alpha`` on average over references (split conformal, Vovk et al. 2005; it is marginal, and says
nothing about outputs of another kind).

Cost: a text of n characters O(n), some 30 µs for 500; fitting O(texts · bins · centres · rounds).
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError

BINS = 1024
FEWEST = 100
_ROUNDS = 12
_LONGEST = 20_000

Vector = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Novelty:
    """A fitted reference. ``kind`` is ``text`` or ``embedding``; ``centres`` (k, d) have length 1; ``limit`` is a distance in [0, 2]."""

    kind: str
    centres: Vector
    limit: float
    alpha: float
    n: int
    seed: int

    def distance(self, text: str | None, embedding: Sequence[float] | None) -> float | None:
        """The distance in [0, 2]; None where there is nothing to measure: no text, no embedding, a wrong length, a number that is none."""
        if self.kind == "text":
            vector = text_vector(text) if text else None
        else:
            vector = _embedding(embedding, self.centres.shape[1])
        return None if vector is None else float(1.0 - (self.centres @ vector).max())

    def to_dict(self) -> dict[str, Any]:
        """Plain data; the centres as base64 of float32."""
        centres = base64.b64encode(np.ascontiguousarray(self.centres, dtype="<f4").tobytes()).decode()
        return {
            "kind": self.kind,
            "centres": centres,
            "k": int(self.centres.shape[0]),
            "limit": self.limit,
            "alpha": self.alpha,
            "n": self.n,
            "seed": self.seed,
        }

    @classmethod
    def from_dict(cls, given: dict[str, Any]) -> Novelty:
        """The inverse of :meth:`to_dict`. Raises ``InputError`` on what is none."""
        try:
            flat = np.frombuffer(base64.b64decode(given["centres"]), dtype="<f4").astype(np.float32)
            made = cls(
                str(given["kind"]),
                flat.reshape(int(given["k"]), -1),
                float(given["limit"]),
                float(given["alpha"]),
                int(given["n"]),
                int(given["seed"]),
            )
        except (KeyError, ValueError, TypeError) as error:
            raise InputError("This is no reference for novelty.", mend="make one with 'pilotage routing novelty'") from error
        if made.kind not in ("text", "embedding") or not np.isfinite(flat).all() or not 0 <= made.limit <= 2:
            raise InputError("This is no reference for novelty.", mend="make one with 'pilotage routing novelty'")
        return made


def fit_novelty(texts: Iterable[str] | None = None, *, embeddings: Any = None, alpha: float = 0.01, centres: int = 16, seed: int = 0) -> Novelty:
    """A reference from outputs of the calibration sample: ``texts``, or ``embeddings`` (n, d).

    Raises
    ------
    InputError
        If there are fewer than 100, or too few for ``alpha``: the limit would be no quantile at all.
    """
    if (texts is None) == (embeddings is None):
        raise InputError("Give texts or embeddings.")
    if texts is not None:
        kind, made = "text", [vector for text in texts if (vector := text_vector(text)) is not None]
        rows = np.array(made, dtype=np.float32)
    else:
        kind, given = "embedding", np.asarray(embeddings, dtype=np.float32)
        if given.ndim != 2 or not np.isfinite(given).all():
            raise InputError("Embeddings are a matrix of finite numbers, one row an output.")
        lengths = np.linalg.norm(given, axis=1, keepdims=True)
        rows = given[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
    needed = max(FEWEST, 2 * math.ceil(1 / alpha)) if 0 < alpha < 1 else 0
    if not needed or len(rows) < needed:
        raise InputError(f"{len(rows)} outputs are too few for a reference at alpha = {alpha}.", mend=f"give at least {needed or FEWEST}")
    random = np.random.default_rng(seed)
    rows = rows[random.permutation(len(rows))]
    half = len(rows) // 2
    fitted = _directions(rows[:half], min(centres, half // 4), random)
    distances = np.sort(1.0 - (rows[half:] @ fitted.T).max(axis=1))
    rank = math.ceil((len(distances) + 1) * (1 - alpha))
    return Novelty(kind, fitted, float(min(2.0, max(0.0, distances[min(rank, len(distances)) - 1]))), alpha, len(rows), seed)


def text_vector(text: str) -> Vector | None:
    """The text's hashed trigrams, (1024,), length 1; None below three characters. Capitals and runs of blanks do not count."""
    settled = " ".join(text[:_LONGEST].casefold().split())
    codes = np.frombuffer(settled.encode("utf-32-le", errors="replace"), dtype="<u4").astype(np.uint64)
    if len(codes) < 3:
        return None
    mixed = (codes[:-2] * np.uint64(0x9E3779B97F4A7C15)) ^ (codes[1:-1] * np.uint64(0xC2B2AE3D27D4EB4F)) ^ (codes[2:] * np.uint64(0x165667B19E3779F9))
    bins = ((mixed * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(54)).astype(np.intp)
    counts = np.log1p(np.bincount(bins, minlength=BINS)).astype(np.float32)
    return np.asarray(counts / np.linalg.norm(counts), dtype=np.float32)


def _embedding(given: Sequence[float] | None, length: int) -> Vector | None:
    if given is None or len(given) != length:
        return None
    vector = np.asarray(given, dtype=np.float32)
    size = float(np.linalg.norm(vector))
    return np.asarray(vector / np.float32(size)) if math.isfinite(size) and size > 0 else None


def _directions(rows: Vector, k: int, random: np.random.Generator) -> Vector:
    """Spherical k-means (Dhillon & Modha 2001): k directions of length 1."""
    found = rows[random.choice(len(rows), size=max(1, k), replace=False)]
    for _ in range(_ROUNDS):
        nearest = (rows @ found.T).argmax(axis=1)
        sums = np.zeros_like(found)
        np.add.at(sums, nearest, rows)
        lengths = np.linalg.norm(sums, axis=1, keepdims=True)
        found = np.where(lengths > 0, sums / np.maximum(lengths, 1e-12), found).astype(np.float32)
    return found
