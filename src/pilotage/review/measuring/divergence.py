"""Where disagreement gathers: on which people, pairs of answers, slices and guidelines. Pure; what :mod:`.triaging` judges an item by."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from pilotage.core.distributions import beta_quantile, fisher_exact
from pilotage.evidence import holm, wilson
from pilotage.judging import Judgement, Question
from pilotage.review.measuring.accuracy import Accuracy
from pilotage.review.measuring.matching import plain

_LEVEL = 0.05
_FEW = 10  # items of a slice, or disagreements of a pair, below which nothing is said of it
_BEYOND = 1.25  # how far above chance a pair of answers must surely be mixed up
_MOST_EXAMPLES = 5


@dataclass(frozen=True)
class Reliability:
    """How reliable somebody is, 0 to 1, with a 90 % interval, and what it rests on: ``gold`` or ``agreement`` with the others."""

    estimate: float
    lower: float
    upper: float
    n: int
    rests_on: str


@dataclass(frozen=True)
class PairConfusion:
    """Two answers that are given for the same item.

    n, share, lower, upper
        How many of all disagreements between two people are of this pair, with Wilson's interval.
    expected
        The share that would be if people disagreed at random, given how often each answer is given.
    concentrated
        Whether the pair is surely mixed up more often than that.
    examples
        Items on which it happened.
    """

    first: str
    second: str
    n: int
    share: float
    lower: float
    upper: float
    expected: float
    concentrated: bool
    examples: tuple[str, ...]

    def __str__(self) -> str:
        mark = ", more than chance" if self.concentrated else ""
        return f"{self.first} / {self.second}: {self.n} ({self.share:.0%} [{self.lower:.0%}, {self.upper:.0%}]; by chance {self.expected:.0%}{mark})"


def reliabilities(question: Question, by_item: Mapping[str, list[Judgement]], gold: Mapping[str, Accuracy]) -> dict[str, Reliability]:
    """Each rater's reliability: accuracy on gold where there is enough of it, else agreement with the majority of the others."""
    found: dict[str, Reliability] = {}
    agreed: dict[str, list[bool]] = defaultdict(list)
    for said in by_item.values():
        answers = {each.rater_id: plain(question, each.value) for each in said}
        counts = Counter(answers.values())
        for rater, value in answers.items():
            others = counts - Counter([value])
            ranked = others.most_common(2)
            if not ranked or (len(ranked) > 1 and ranked[0][1] == ranked[1][1]):
                continue  # the others have no majority
            agreed[rater].append(ranked[0][0] == value)
    for rater, outcomes in agreed.items():
        found[rater] = _beta(sum(outcomes), len(outcomes), "agreement")
    for rater, measured in gold.items():
        if measured.estimate is not None or rater not in found:
            found[rater] = _beta(measured.right, measured.n, "gold")
    return found


def _beta(right: int, n: int, rests_on: str) -> Reliability:
    a, b = right + 0.5, n - right + 0.5
    return Reliability(a / (a + b), beta_quantile(0.05, a, b), beta_quantile(0.95, a, b), n, rests_on)


def confused_pairs(question: Question, by_item: Mapping[str, list[Judgement]]) -> list[PairConfusion]:
    """The pairs of answers people give to the same item, most frequent first. Each two people who differ on an item count once."""
    given: Counter[str] = Counter()
    mixed: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], list[str]] = defaultdict(list)
    for item, said in sorted(by_item.items()):
        if len(said) < 2:
            continue
        counts = Counter(plain(question, each.value) for each in said)
        given.update(counts)
        for pair in combinations(sorted(counts), 2):
            mixed[pair] += counts[pair[0]] * counts[pair[1]]
            if len(examples[pair]) < _MOST_EXAMPLES:
                examples[pair].append(item)
    total, answers = sum(mixed.values()), sum(given.values())
    differ = 1 - sum((n / answers) ** 2 for n in given.values()) if answers else 0.0
    found: list[PairConfusion] = []
    for (first, second), n in mixed.most_common():
        expected = 2 * given[first] * given[second] / answers**2 / differ
        interval = wilson(n, total)
        # With two answers there is one pair, and all disagreement is of it: nothing is concentrated.
        beyond = n >= _FEW and len(given) > 2 and interval.lower > _BEYOND * expected
        found.append(PairConfusion(first, second, n, n / total, interval.lower, interval.upper, expected, beyond, tuple(examples[(first, second)])))
    return found


def worse_slices(
    question: Question, by_item: Mapping[str, list[Judgement]], refs: Mapping[str, Mapping[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    divided = _divided(question, by_item)
    parts: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for item, is_divided in divided.items():
        for entry in refs.get(item, {}).items():
            parts[entry].append(is_divided)
    found = _worse(parts, list(divided.values()))
    return {key: numbers for key, numbers in found.items() if isinstance(key, tuple)}


def worse_guidelines(question: Question, by_item: Mapping[str, list[Judgement]]) -> dict[str, dict[str, Any]]:
    divided = _divided(question, by_item)
    parts: dict[str, list[bool]] = defaultdict(list)
    for item, is_divided in divided.items():
        under = {each.guideline_id or "" for each in by_item[item]}
        if len(under) == 1:
            parts[under.pop()].append(is_divided)
    found = _worse(parts, [value for values in parts.values() for value in values])
    return {key: numbers for key, numbers in found.items() if isinstance(key, str)}


def _divided(question: Question, by_item: Mapping[str, list[Judgement]]) -> dict[str, bool]:
    return {item: len({plain(question, each.value) for each in said}) > 1 for item, said in by_item.items() if len(said) >= 2}


def _worse(parts: Mapping[Any, list[bool]], everything: list[bool]) -> dict[Any, dict[str, Any]]:
    """The parts with surely more divided items than the rest: Fisher's exact test, Holm-adjusted over the parts."""
    p_values: dict[str, float] = {}
    numbers: dict[str, tuple[Any, dict[str, Any]]] = {}
    for key, values in parts.items():
        rest, inside, hits = len(everything) - len(values), len(values), sum(values)
        if inside < _FEW or rest < _FEW:
            continue
        others = sum(everything) - hits
        if hits / inside <= others / rest:
            continue
        name = repr(key)
        p_values[name] = fisher_exact(hits, inside - hits, others, rest - others)
        numbers[name] = (key, {"divided": hits, "of": inside, "rest_divided": others, "rest_of": rest})
    return {numbers[name][0]: {**numbers[name][1], "p": p} for name, p in holm(p_values).items() if p < _LEVEL}
