"""The refusal classifier: hashed word n-grams and a logistic regression, kept as JSON and scored in plain Python.

A message is seen in views: ``raw`` (as written), ``meaning`` (what it says once decoded, translated or joined; only where that differs from what is
written), ``plain`` (the meaning if there is one, else the text), ``earlier`` (the user's turns before it) and ``talk`` (turns so far, which disguises
were taken off). Each view is a unit vector of hashed word unigrams and bigrams, so a long text dilutes its own words; a view that training never
showed has no weight. Nothing here names an intent or a technique: what is refused follows from the rows alone.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pilotage.core import InputError, IntegrityError, digest
from pilotage.practice.conversation import Conversation
from pilotage.practice.decoding import words
from pilotage.practice.knowledge import stem

BUCKETS = 1 << 16
# How much a decoded message counts as if it had been written plainly: at 0 refusals learnt from plain text never reach a disguise.
_PLAIN = 0.8
FORMAT = 1
WEIGHTS_FILE = "weights.json"
CARD_FILE = "model.json"
DATA_FILE = "training.jsonl"


@dataclass(frozen=True)
class Model:
    """A trained version.

    version
        SHA-256 (hex) of the weights: two models that decide alike by weight are one version.
    intercept, weights
        Of the logistic regression; ``weights`` maps a bucket in [0, BUCKETS) to its weight, zero where absent.
    card
        What it was trained on: rows, digests, seed, parent version.
    """

    version: str
    intercept: float
    weights: dict[int, float]
    card: dict[str, Any]

    def probability(self, conversation: Conversation) -> float:
        """How likely this assistant is to refuse, in (0, 1)."""
        score = self.intercept + sum(value * self.weights.get(bucket, 0.0) for bucket, value in features(conversation).items())
        if score >= 0:
            return 1.0 / (1.0 + math.exp(-score))
        return math.exp(score) / (1.0 + math.exp(score))


def features(conversation: Conversation) -> dict[int, float]:
    """Bucket -> value. Every view has Euclidean length 1, scaled by the view's own weight. Hash collisions add up."""
    out: dict[int, float] = {}
    for view, scale, grams in (
        ("raw", 1.0, _grams(conversation.raw)),
        ("meaning", 1.0, _grams(conversation.meaning) if conversation.meaning is not None else []),
        ("plain", _PLAIN, _grams(conversation.plain)),
        ("earlier", 0.5, _grams(conversation.earlier)),
        ("talk", 0.5, [f"how:{how}" for how in conversation.how] + [f"turns:{min(conversation.turns, 4)}"]),
    ):
        unique = dict.fromkeys(grams)
        if unique:
            value = scale / math.sqrt(len(unique))
            for gram in unique:
                bucket = zlib.crc32(f"{view}|{gram}".encode()) % BUCKETS
                out[bucket] = out.get(bucket, 0.0) + value
    return out


def _grams(text: str) -> list[str]:
    found = [stem(word) for word in words(text)]
    return found + [f"{first} {second}" for first, second in pairwise(found)]


def save_model(folder: Path, *, intercept: float, weights: dict[int, float], card: dict[str, Any], rows: Sequence[dict[str, Any]]) -> Model:
    """Write a model version into ``folder`` (made; must be empty) and return it. Weights are rounded to six decimals first."""
    body = {
        "format": FORMAT,
        "buckets": BUCKETS,
        "intercept": round(intercept, 6),
        "weights": {str(bucket): round(weight, 6) for bucket, weight in sorted(weights.items()) if round(weight, 6)},
    }
    version = digest(body)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(
            "The folder for the new model is not empty.", where=str(folder), why="a model version is never overwritten", mend="name another"
        )
    card = {"version": version, **card}
    (folder / DATA_FILE).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (folder / WEIGHTS_FILE).write_text(json.dumps(body), encoding="utf-8")
    # The card is written last: a folder without one is not a model.
    (folder / CARD_FILE).write_text(json.dumps(card, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    return load_model(folder)


def load_model(folder: str | Path) -> Model:
    """Read a model version.

    Raises
    ------
    InputError
        If the folder holds none, or one of another format.
    IntegrityError
        If the weights are not those the card was written for.
    """
    folder = Path(folder)
    try:
        card = json.loads((folder / CARD_FILE).read_text(encoding="utf-8"))
        body = json.loads((folder / WEIGHTS_FILE).read_text(encoding="utf-8"))
        if body["format"] != FORMAT or body["buckets"] != BUCKETS:
            raise InputError("This model has another format.", where=str(folder), mend="train it again")
        weights = {int(bucket): float(weight) for bucket, weight in body["weights"].items()}
        intercept = float(body["intercept"])
        version = str(card["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"This is not a practice model: {error}", where=str(folder), mend="make one with 'pilotage practice train'") from error
    if digest(body) != version:
        raise IntegrityError("The weights of this model were changed after training.", where=str(folder / WEIGHTS_FILE), mend="train it again")
    return Model(version, intercept, weights, card)
