"""Agreement on spans of a text: F1 between raters over whole spans, and alpha over characters.

F1 says how often raters mark the same thing; chance is not taken out of it, because there is no chance to speak of where spans lie anywhere. Alpha
takes the label of every character (none where nobody marked it) as one answer and does take chance out; its interval draws whole texts again, because
neighbouring characters are not independent.

References: Hripcsak & Rothschild (2005) for F1 as agreement where there is no count of negatives; Krippendorff (2019) ch. 12.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any, Literal

import numpy as np

from pilotage.core import InputError
from pilotage.judging.agreement.alpha import alpha_of
from pilotage.judging.agreement.figure import Agreement, Counts, Shape, prevalence_warning

Spans = Sequence[Mapping[str, Any]]
SpanRows = Iterable[tuple[Hashable, Hashable, Spans]]
Match = Literal["exact", "overlap"]


def span_f1(
    values: SpanRows, *, match: Match = "exact", least_overlap: float = 0.0, level: float = 0.95, replicates: int = 1000, seed: int = 0
) -> Agreement:
    """F1 between all pairs of raters of a unit, pooled over units, for (unit, rater, spans) rows; no span is an answer too.

    Parameters
    ----------
    match
        ``exact``: same start, end and label. ``overlap``: same label, and the common part is more than ``least_overlap`` of both together (0 to 1,
        intersection over union); spans are paired one to one so that as many as possible match.

    Units on which nobody marked anything add nothing. Raises ``InputError`` if a rater judged a unit twice, or a span is none.

    Cost: O(pairs of raters × spans²) a unit.
    """
    if match not in ("exact", "overlap") or not 0 <= least_overlap < 1:
        raise InputError("Spans match exactly or by overlap, with 0 ≤ least_overlap < 1.")
    units = _by_unit(values)
    paired = {unit: list(found.values()) for unit, found in units.items() if len(found) >= 2}
    parts = np.array([_pairs(found, match, least_overlap) for found in paired.values()]).reshape(-1, 2)
    name = "exact" if match == "exact" else f"overlap > {least_overlap:g}"
    shape = _shape("span F1", f"spans, {name}", level, units, paired)
    if not paired:
        return shape.undefined("no unit was judged by two raters" if units else "there are no judgements")
    if not parts[:, 1].any():
        return shape.undefined("nobody marked a span")

    def statistic(drawn: Counts) -> Counts:
        with np.errstate(divide="ignore", invalid="ignore"):
            f1: Counts = 2 * (drawn @ parts[:, 0]) / (drawn @ parts[:, 1])
        return f1

    return shape.with_interval(statistic, np.ones(len(parts), dtype=np.int64), replicates=replicates, seed=seed)


def span_alpha(values: SpanRows, *, lengths: Mapping[Hashable, int], level: float = 0.95, replicates: int = 1000, seed: int = 0) -> Agreement:
    """Nominal alpha over characters. Where spans overlap, a character's answer is the set of their labels.

    Parameters
    ----------
    lengths
        Unit → length of its text in code points: what nobody marked was judged too.

    Raises ``InputError`` if a rater judged a unit twice, a span is none or ends behind its text, or a length is missing.
    """
    units = _by_unit(values)
    paired = {unit: list(found.values()) for unit, found in units.items() if len(found) >= 2}
    shape = _shape("Krippendorff's alpha", "spans, by character", level, units, paired)
    if not paired:
        return shape.undefined("no unit was judged by two raters" if units else "there are no judgements")
    place: dict[Hashable, int] = {}
    rows = [_characters(unit, found, lengths, place) for unit, found in paired.items()]
    observed = np.array([disagreed for disagreed, _ in rows])
    marginals = np.zeros((len(rows), max(1, len(place))))
    for at, (_, counts) in enumerate(rows):
        for label, count in counts.items():
            marginals[at, label] = count
    if len(place) < 2:
        return shape.undefined("every character has the same answer")
    named = [", ".join(sorted(map(str, label))) or "nothing marked" for label in place]  # type: ignore[call-overload]
    shape = replace(shape, warning=prevalence_warning(marginals.sum(axis=0), named))
    distance = 1 - np.eye(len(place))
    weights = np.ones(len(rows), dtype=np.int64)
    return shape.with_interval(lambda drawn: alpha_of(observed, marginals, distance, drawn), weights, replicates=replicates, seed=seed)


def _by_unit(values: SpanRows) -> dict[Hashable, dict[Hashable, list[tuple[int, int, str]]]]:
    units: dict[Hashable, dict[Hashable, list[tuple[int, int, str]]]] = {}
    for unit, rater, spans in values:
        found = units.setdefault(unit, {})
        if rater in found:
            raise InputError("A rater judged a unit twice.", where=f"unit {unit!r}, rater {rater!r}", mend="keep the current judgement only")
        found[rater] = [_span(span, unit) for span in spans]
    return units


def _span(span: Mapping[str, Any], unit: Hashable) -> tuple[int, int, str]:
    try:
        start, end, label = int(span["start"]), int(span["end"]), str(span["label"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{span!r} is no span.", where=f"unit {unit!r}", mend="give start, end and label") from error
    if not 0 <= start < end:
        raise InputError(f"A span from {start} to {end} is none.", where=f"unit {unit!r}", mend="0 ≤ start < end")
    return start, end, label


def _shape(name: str, scale: str, level: float, units: Mapping[Hashable, Mapping[Hashable, Any]], paired: Mapping[Hashable, Sequence[Any]]) -> Shape:
    raters = {rater for found in units.values() for rater in found}
    return Shape(name, scale, level, len(paired), len(raters), sum(map(len, paired.values())))


def _pairs(found: Sequence[Sequence[tuple[int, int, str]]], match: Match, least: float) -> tuple[float, float]:
    """Matches, and spans of both, over all pairs of raters."""
    pairs = list(combinations(found, 2))
    return sum(matches(one, other, match, least) for one, other in pairs), sum(len(one) + len(other) for one, other in pairs)


def matches(one: Sequence[tuple[int, int, str]], other: Sequence[tuple[int, int, str]], match: Match, least: float) -> int:
    """How many spans of one rater can be paired with one of the other's."""
    if match == "exact":
        return len(set(one) & set(other))
    if not one or not other:
        return 0
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import maximum_bipartite_matching

    near = [[_overlap(a, b) > least for b in other] for a in one]
    return int((maximum_bipartite_matching(csr_array(np.array(near, dtype=np.int8)), perm_type="column") >= 0).sum())


def _overlap(a: tuple[int, int, str], b: tuple[int, int, str]) -> float:
    if a[2] != b[2]:
        return 0.0
    common = min(a[1], b[1]) - max(a[0], b[0])
    return max(0, common) / (max(a[1], b[1]) - min(a[0], b[0]))


def _characters(
    unit: Hashable, found: Sequence[Sequence[tuple[int, int, str]]], lengths: Mapping[Hashable, int], place: dict[Hashable, int]
) -> tuple[float, dict[int, float]]:
    """What a text adds to the disagreement and to the marginals. Between two edges all characters have the same answers, so they count together."""
    if unit not in lengths:
        raise InputError("The length of a text is not known.", where=f"unit {unit!r}", mend="give it in 'lengths'")
    length = lengths[unit]
    last = max((end for spans in found for _, end, _ in spans), default=0)
    if last > length:
        raise InputError(f"A span ends at {last}, behind its text of {length}.", where=f"unit {unit!r}", mend="count code points, not bytes")
    edges = sorted({0, length, *(edge for spans in found for start, end, _ in spans for edge in (start, end))})
    disagreed, counts = 0.0, dict[int, float]()
    for start, end in pairwise(edges):
        here: dict[int, int] = {}
        for spans in found:
            labels = frozenset(label for a, b, label in spans if a <= start and end <= b)
            at = place.setdefault(labels, len(place))
            here[at] = here.get(at, 0) + 1
        several = len(found)
        disagreed += (end - start) * (several**2 - sum(count**2 for count in here.values())) / (several - 1)
        for at, count in here.items():
            counts[at] = counts.get(at, 0.0) + (end - start) * count
    return disagreed, counts
