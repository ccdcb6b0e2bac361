"""The knowledge base and its small retrieval.

Entries are scored by the summed inverse document frequency of the words they share with the question, against the entry's best sample question.
Some entries are stale on purpose: an evaluation should have something to find.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from pilotage.practice.decoding import words

_STOP = frozenset(
    """
    a also am an and any are as at be been but by can could did do does for from get got had has have here how i if in into is it just may me
    must my no not of on one or our please s shall should so some than that the them then there they this to today us was we what when where
    which who why will with would yes you your
    """.split()  # noqa: SIM905
)
_ENOUGH = 0.26


@dataclass(frozen=True)
class Entry:
    """One fact of the shop, with the sample questions it answers."""

    id: str
    topic: str
    asks: tuple[str, ...]
    answer: str


def stem(word: str) -> str:
    """A rough English stem: enough to match plurals and verb forms."""
    word = word.split("'")[0].replace("-", "")
    for ending in ("ings", "ing", "ied", "ies", "ed", "es", "s", "e"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + ("y" if ending in ("ied", "ies") else "")
    return word


def terms(text: str) -> Counter[str]:
    """The stems of the words that carry meaning."""
    return Counter(stem(word) for word in words(text) if word not in _STOP)


@cache
def entries() -> tuple[Entry, ...]:
    """The knowledge base."""
    lines = files("pilotage.practice").joinpath("content", "knowledge.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    return tuple(Entry(row["id"], row["topic"], tuple(row["asks"]), row["answer"]) for row in rows)


@cache
def _index() -> tuple[dict[str, float], tuple[tuple[Entry, tuple[frozenset[str], ...], frozenset[str]], ...]]:
    found = tuple(
        (entry, tuple(frozenset(terms(ask)) for ask in entry.asks), frozenset(terms(" ".join(entry.asks) + " " + entry.answer)))
        for entry in entries()
    )
    documents = Counter(term for _, _, every in found for term in every)
    return {term: math.log((len(found) + 1) / count) for term, count in documents.items()}, found


def answer_for(question: str) -> Entry | None:
    """The entry that answers ``question`` best, or None if none comes near. O(entries)."""
    weights, found = _index()
    asked = terms(question)
    # A long message is mostly not the question: only the words the shop knows count against an entry.
    total = sum(weights[term] for term in asked if term in weights)
    if not total:
        return None
    best: tuple[float, Entry] | None = None
    for entry, asks, every in found:
        sharp = max(_overlap(asked, ask, weights) for ask in asks)
        broad = sum(weights[term] for term in asked if term in every) / total
        score = 0.7 * sharp + 0.3 * broad
        if best is None or score > best[0]:
            best = (score, entry)
    return best[1] if best is not None and best[0] >= _ENOUGH else None


def _overlap(asked: Counter[str], ask: frozenset[str], weights: dict[str, float]) -> float:
    size = sum(weights[term] for term in ask)
    return sum(weights[term] for term in ask if term in asked) / size if size else 0.0
