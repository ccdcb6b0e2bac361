"""Making several answers one, by the policy the question declared. Pure.

majority
    The value most gave; a tie is for somebody to decide. Several options: each by itself. Spans: those that more than half marked, at their median
    ends. Ratings: the median where values are only ordered, the mean where distances mean something. Rankings: by Borda counts, equal counts staying
    ties. Free text and edits cannot be voted on: unless all wrote the same, somebody decides.
adjudicate
    Facts. What all said alike stands; so does an answer whose posterior, from the raters' accuracy on gold, reaches ``sure``. Else somebody decides.
soft
    Opinions. The distribution is the answer and is never collapsed to one value.

References: Borda (1781) as in Brandt et al. (2016) ch. 2; Nitzan & Paroush (1982) for the posterior.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from statistics import mean, median
from typing import Any

from pilotage.core import InputError, canonical_json
from pilotage.judging import Question, Scale
from pilotage.judging.aggregation import posterior_of, soft_label
from pilotage.review.measuring.matching import plain, score

_OVERLAP = 0.5  # of two spans' union: from here on they mark the same place
Shares = tuple[tuple[Any, float], ...]


@dataclass(frozen=True)
class Combined:
    """What answers say together.

    state
        ``settled``, or ``adjudicate``: somebody must decide.
    value
        None where somebody must decide, and always under the policy ``soft``.
    distribution
        (value, share) of each answer; under ``soft`` smoothed over everything that could be answered.
    disagreement
        0 (all said the same) to 1 (as divided as can be).
    """

    state: str
    method: str
    value: Any
    distribution: Shares
    disagreement: float
    why: str
    detail: dict[str, Any] = field(default_factory=dict)


def combine(
    question: Question,
    answers: Mapping[str, Any],
    *,
    sure: float = 0.95,
    accuracy: Mapping[str, float] | None = None,
    smoothing: float = 1.0,
) -> Combined:
    """The answers of several raters as one, by ``question.policy``.

    Parameters
    ----------
    answers
        Rater id → value; at least one.
    sure
        The posterior at which a fact that not all agree on stands without adjudication.
    accuracy
        Rater id → accuracy on gold. The posterior is used only where it is known of everybody who answered.
    smoothing
        Weight of the even prior under ``soft``, in votes.
    """
    if not answers:
        raise InputError("There is no answer to combine.", mend="wait for answers")
    values = [answers[rater] for rater in sorted(answers)]
    divided = disagreement(question, values)
    if question.policy == "soft":
        return Combined(
            "settled", "soft", None, _soft(question, values, smoothing), divided, "the distribution is the answer", _centre(question, values)
        )
    shares = _shares(values)
    if len({plain(question, value) for value in values}) == 1:
        # Of a pair the same side may have been preferred more and less strongly.
        value = _preferred(values)[0] if question.kind == "pair" else values[0]
        return Combined("settled", "majority", value, shares, 0.0, "all said the same")
    if question.policy == "adjudicate":
        return _of_facts(question, answers, shares, divided, sure, accuracy or {})
    return _majority(question, values, shares, divided)


def possible(question: Question) -> list[Any] | None:
    """Everything a question can be answered with, in its order; None where that is no short list."""
    kind: str = question.kind
    if kind == "choice":
        return [option.value for option in question.options]
    if kind == "bool":
        return [True, False]
    if kind == "rating" and question.scale in (Scale.NOMINAL, Scale.ORDINAL):
        return list(range(math.ceil(question.minimum), math.floor(question.maximum) + 1))
    if kind == "pair":
        allowed = ["a", "b"]
        allowed += ["tie"] if getattr(question, "ties", True) else []
        return allowed + (["both_bad"] if getattr(question, "both_bad", True) else [])
    return None


def disagreement(question: Question, values: Sequence[Any]) -> float:
    """0 to 1. Entropy over its highest possible where answers are the same or not; the mean distance of two answers where they can be close."""
    if len(values) < 2:
        return 0.0
    kind: str = question.kind
    if kind in ("choices", "spans"):
        return _mean_distance([1 - score(question, first, second) for first, second in combinations(values, 2)])
    if kind == "rating" and question.scale != Scale.NOMINAL:
        width = question.maximum - question.minimum
        # Half at either end is as divided as a rating can be; the mean distance of two raters is then n / (2n - 2).
        highest = (len(values) // 2) * ((len(values) + 1) // 2) / math.comb(len(values), 2)
        return min(1.0, _mean_distance([abs(first - second) / width for first, second in combinations(values, 2)]) / highest)
    if kind == "ranking":
        return _mean_distance([_ranking_distance(first, second) for first, second in combinations(values, 2)])
    counts = Counter(plain(question, value) for value in values)
    spread = -sum(n / len(values) * math.log(n / len(values)) for n in counts.values())
    among = possible(question)
    highest = math.log(min(len(values), len(among) if among else len(values)))
    return min(1.0, spread / highest) if highest else 0.0


def _mean_distance(distances: list[float]) -> float:
    return min(1.0, max(0.0, mean(distances)))


def _shares(values: list[Any]) -> Shares:
    counts = Counter(canonical_json(value) for value in values)
    of = {canonical_json(value): value for value in values}
    return tuple((of[key], n / len(values)) for key, n in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))


def _of_facts(question: Question, answers: Mapping[str, Any], shares: Shares, divided: float, sure: float, accuracy: Mapping[str, float]) -> Combined:
    among = possible(question)
    if among is not None and all(rater in accuracy for rater in answers):
        raters = sorted(answers)
        said = [plain(question, answers[rater]) for rater in raters]
        found = posterior_of(said, [accuracy[rater] for rater in raters], len(among))
        if found.value is not None and found.probability >= sure:
            value = next(answers[rater] for rater in raters if plain(question, answers[rater]) == found.value)
            by_text = {plain(question, answer): answer for answer in answers.values()}
            posterior = tuple((by_text[text], probability) for text, probability in found.shares)
            why = f"its posterior of {found.probability:.3f} reaches {sure:g}"
            return Combined("settled", "posterior", value, posterior, divided, why, {"sure": sure})
        return Combined("adjudicate", "majority", None, shares, divided, f"the posterior of {found.probability:.3f} is below {sure:g}")
    return Combined("adjudicate", "majority", None, shares, divided, "not all said the same")


def _majority(question: Question, values: list[Any], shares: Shares, divided: float) -> Combined:
    kind: str = question.kind
    value: Any
    why: str
    if kind in ("text", "edit"):
        return Combined("adjudicate", "majority", None, shares, divided, "free text cannot be voted on")
    if kind == "choices":
        value, why = _by_option(question, values)
    elif kind == "spans":
        value, why = _merged(values)
    elif kind == "ranking":
        value, why = borda(values), "by Borda counts"
    elif kind == "pair":
        value, why = _preferred(values)
    elif kind == "rating" and question.scale != Scale.NOMINAL:
        value, why = _central(question, values)
    else:
        best = [value for value, share in shares if share == shares[0][1]]
        value, why = (best[0], "most said so") if len(best) == 1 else (None, f"{len(best)} answers have as many votes")
    if value is not None:
        try:
            question.check(value)
        except InputError as error:
            value, why = None, f"what comes out is no answer: {error.what}"
    return Combined("adjudicate" if value is None else "settled", "majority", value, shares, divided, why)


def _by_option(question: Question, values: list[list[str]]) -> tuple[list[str] | None, str]:
    counts = Counter(option for value in values for option in value)
    halves = [option.value for option in question.options if 2 * counts[option.value] == len(values)]
    if halves:
        return None, f"half chose {', '.join(halves)} and half did not"
    return [option.value for option in question.options if 2 * counts[option.value] > len(values)], "each option by its majority"


def _merged(values: list[list[dict[str, Any]]]) -> tuple[list[dict[str, Any]] | None, str]:
    """Spans that more than half of the raters marked: same label, and half of the union shared; at the median of their ends."""
    groups: list[list[tuple[int, dict[str, Any]]]] = []
    for rater, spans in enumerate(values):
        for span in spans:
            for group in groups:
                first = group[0][1]
                if first["label"] == span["label"] and _iou(first, span) >= _OVERLAP and all(other != rater for other, _ in group):
                    group.append((rater, span))
                    break
            else:
                groups.append([(rater, span)])
    if any(2 * len(group) == len(values) for group in groups):
        return None, "half marked a span and half did not"
    merged = [
        {
            "start": round(median(span["start"] for _, span in group)),
            "end": round(median(span["end"] for _, span in group)),
            "label": group[0][1]["label"],
        }
        for group in groups
        if 2 * len(group) > len(values)
    ]
    return sorted(merged, key=lambda span: (span["start"], span["end"], span["label"])), "spans that most marked, at their median ends"


def _iou(first: dict[str, Any], second: dict[str, Any]) -> float:
    shared = min(first["end"], second["end"]) - max(first["start"], second["start"])
    union = max(first["end"], second["end"]) - min(first["start"], second["start"])
    return shared / union if shared > 0 else 0.0


def borda(values: list[list[list[str]]]) -> list[list[str]]:
    """One ranking of several, best first: candidates by the sum of how many they beat, a tie counting half; equal sums stay together."""
    points: Counter[str] = Counter()
    for ranking in values:
        behind = sum(len(group) for group in ranking)
        for group in ranking:
            behind -= len(group)
            for candidate in group:
                points[candidate] += 2 * behind + len(group) - 1  # twice the Borda count, to stay whole
    groups: dict[int, list[str]] = {}
    for candidate in sorted(points):
        groups.setdefault(points[candidate], []).append(candidate)
    return [groups[key] for key in sorted(groups, reverse=True)]


def _ranking_distance(first: list[list[str]], second: list[list[str]]) -> float:
    """The share of pairs of candidates that the two order differently (Kendall), a tie against an order counting half."""
    place = [{candidate: index for index, group in enumerate(ranking) for candidate in group} for ranking in (first, second)]
    pairs = list(combinations(sorted(set(place[0]) & set(place[1])), 2))
    if not pairs:
        return 0.0
    signs = [[(p[x] > p[y]) - (p[x] < p[y]) for x, y in pairs] for p in place]
    return float(sum(abs(one - other) / 2 for one, other in zip(*signs, strict=True)) / len(pairs))


def _preferred(values: list[dict[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    counts = Counter(value["preferred"] for value in values).most_common()
    if len(counts) > 1 and counts[0][1] == counts[1][1]:
        return None, "two preferences have as many votes"
    side = counts[0][0]
    strengths = [value["strength"] for value in values if value["preferred"] == side and value.get("strength") is not None]
    return {"preferred": side, "strength": round(median(strengths)) if strengths else None}, "most said so"


def _central(question: Question, values: list[float]) -> tuple[float | None, str]:
    if question.scale != Scale.ORDINAL:
        return mean(values), "the mean"
    middle = median(values)
    # Between two grades there is no grade: an even split is somebody's to decide.
    return (int(middle), "the median") if middle == int(middle) else (None, "the two middle answers differ")


def _soft(question: Question, values: list[Any], smoothing: float) -> Shares:
    kind: str = question.kind
    if kind == "choices":  # each option by itself: the shares do not add up to 1
        counts = Counter(option for value in values for option in value)
        return tuple((option.value, (counts[option.value] + smoothing / 2) / (len(values) + smoothing)) for option in question.options)
    among = possible(question)
    if among is None:
        return _shares(values)
    said = [value["preferred"] if kind == "pair" else value for value in values]
    found = soft_label(Counter(said), values=among, smoothing=smoothing)
    return tuple(zip(found.values, found.probabilities, strict=True))


def _centre(question: Question, values: list[Any]) -> dict[str, Any]:
    if question.kind != "rating":
        return {}
    return {"median": median(values), **({"mean": mean(values)} if question.scale in (Scale.INTERVAL, Scale.RATIO) else {})}
