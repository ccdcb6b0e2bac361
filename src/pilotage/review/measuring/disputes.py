"""Disputes between reliable people: whether they gather where the words of the guideline may be at fault, or lie scattered over single items.

Careless answers say little about a guideline, so only people count whom gold has shown to be reliable. Their disputes are tested for gathering on one
pair of answers, beyond what their slips on gold and the frequencies of the answers would make of it (exact binomial), and on one slice, against the
rest (Fisher's exact test). All these tests are one family (Holm 1979). Pure.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pilotage.core.distributions import beta_cdf, fisher_exact
from pilotage.evidence import holm

_LEVEL = 0.05
_FEW = 10  # disputes, or items of a slice, below which nothing is said

Pair = tuple[str, str]


@dataclass(frozen=True)
class Gathering:
    """Where the disputes of reliable people gather.

    disputes, items
        How many items they differ on, of how many that at least two of them answered.
    pairs, slices
        What is surely beyond the rest, each with its numbers and adjusted p-value.
    least_p
        The least adjusted p-value of all tests; None where nothing could be tested.
    """

    disputes: int
    items: int
    pairs: Mapping[Pair, dict[str, Any]]
    slices: Mapping[Pair, dict[str, Any]]
    least_p: float | None

    def told(self) -> dict[str, Any]:
        """What was looked at, for an item of which neither was found."""
        return {"disputes": self.disputes, "of_items": self.items, "least_p": self.least_p}


def gatherings(
    answers: Mapping[str, Mapping[str, str]], refs: Mapping[str, Mapping[str, str]], slips: Mapping[Pair, int], reliable: Collection[str]
) -> Gathering:
    """Where the disputes of ``reliable`` raters gather.

    Parameters
    ----------
    answers
        Item → rater → answer.
    refs
        Item → slices.
    slips
        How often the crowd took one answer for another on gold, by unordered pair (sorted): its base confusion.
    """
    known = set(reliable)
    said = {item: {value for rater, value in given.items() if rater in known} for item, given in answers.items()}
    items = [item for item, given in answers.items() if sum(rater in known for rater in given) >= 2]
    disputed = {item for item in items if len(said[item]) > 1}
    numbers: dict[str, tuple[str, Pair, dict[str, Any]]] = {}
    p_values: dict[str, float] = {}

    def test(kind: str, key: Pair, p: float, **told: Any) -> None:
        name = repr((kind, key))
        p_values[name], numbers[name] = p, (kind, key, told)

    for pair, n, total, base in _pairs([said[item] for item in disputed], answers, items, known, slips):
        # The upper tail of the binomial, exact.
        test("pair", pair, beta_cdf(base, n, total - n + 1) if n else 1.0, n=n, of=total, share=n / total, base=base)
    for key, inside, hits in _parts(items, disputed, refs):
        rest, others = len(items) - inside, len(disputed) - hits
        higher = hits / inside > others / rest
        test(
            "slice",
            key,
            fisher_exact(hits, inside - hits, others, rest - others) if higher else 1.0,
            divided=hits,
            of=inside,
            rest_divided=others,
            rest_of=rest,
        )
    adjusted = holm({name: min(1.0, max(0.0, p)) for name, p in p_values.items()})
    found: dict[str, dict[Pair, dict[str, Any]]] = {"pair": {}, "slice": {}}
    for name, p in adjusted.items():
        kind, key, told = numbers[name]
        if p < _LEVEL:
            found[kind][key] = {**told, "p": p}
    return Gathering(len(disputed), len(items), found["pair"], found["slice"], min(adjusted.values(), default=None))


def _pairs(
    disputes: list[set[str]], answers: Mapping[str, Mapping[str, str]], items: list[str], known: set[str], slips: Mapping[Pair, int]
) -> list[tuple[Pair, int, int, float]]:
    """Each disputed pair: how often, of how many, and the share that would be without a fault of the guideline. None where there are two answers."""
    given = Counter(value for item in items for rater, value in answers[item].items() if rater in known)
    mixed = Counter(pair for values in disputes for pair in combinations(sorted(values), 2))
    total, everything = sum(mixed.values()), sum(given.values())
    if len(given) < 3 or total < _FEW:
        return []
    differ = 1 - sum((n / everything) ** 2 for n in given.values())
    possible = list(combinations(sorted(given), 2))
    slipped = sum(slips.get(pair, 0) for pair in possible)
    rows = []
    for pair in possible:
        by_chance = 2 * given[pair[0]] * given[pair[1]] / everything**2 / differ
        by_slips = (slips.get(pair, 0) + 1) / (slipped + len(possible))
        rows.append((pair, mixed[pair], total, min(1.0, max(by_chance, by_slips))))
    return rows


def _parts(items: list[str], disputed: set[str], refs: Mapping[str, Mapping[str, str]]) -> list[tuple[Pair, int, int]]:
    inside: Counter[Pair] = Counter()
    hits: defaultdict[Pair, int] = defaultdict(int)
    for item in items:
        for entry in refs.get(item, {}).items():
            inside[entry] += 1
            hits[entry] += item in disputed
    return [(key, n, hits[key]) for key, n in sorted(inside.items()) if n >= _FEW and len(items) - n >= _FEW]
