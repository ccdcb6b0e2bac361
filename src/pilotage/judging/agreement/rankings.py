"""Agreement on rankings: mean Kendall's tau-b between raters, and alpha over the pairs of options that a ranking decides.

A ranking is a list of groups, best first; options in one group are tied. Both intervals draw whole units again.

References: Kendall (1945) for tau-b; Krippendorff (2019) ch. 12.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from itertools import combinations

import numpy as np

from pilotage.core import InputError
from pilotage.judging.agreement.alpha import alpha_of
from pilotage.judging.agreement.figure import Agreement, Counts, Shape

Ranks = dict[Hashable, int]
RankingRows = Iterable[tuple[Hashable, Hashable, Sequence[Sequence[Hashable]]]]
# First before second, tied, second before first: a tie lies half-way.
_APART = np.array([[0.0, 0.25, 1.0], [0.25, 0.0, 0.25], [1.0, 0.25, 0.0]])


def kendall_tau(values: RankingRows, *, level: float = 0.95, replicates: int = 1000, seed: int = 0) -> Agreement:
    """Mean tau-b over the pairs of raters of a unit, over (unit, rater, ranking) rows; each unit weighs the same. −1 to 1.

    A pair of raters counts where both ranked at least two options in common and neither tied all of them. Raises ``InputError`` if a rater judged a
    unit twice, or an option stands in a ranking twice.

    Cost: O(pairs of raters × options²) a unit.
    """
    units = _by_unit(values)
    taus = [
        [tau for one, other in combinations(found.values(), 2) if (tau := tau_b(one, other)) is not None]
        for found in units.values()
        if len(found) >= 2
    ]
    means = np.array([float(np.mean(found)) for found in taus if found])
    left = sum(not found for found in taus)
    shape = _shape("mean Kendall's tau-b", "rankings", level, units, len(means))
    if not len(means):
        return shape.undefined(_why(units) or "no two rankings of a unit have two options in common that both tell apart")
    weights = np.ones(len(means), dtype=np.int64)
    found = shape.with_interval(lambda drawn: drawn @ means / drawn.sum(axis=1), weights, replicates=replicates, seed=seed)
    if not left:
        return found
    note = f"{left} further units have no pair of rankings that can be compared"
    return Agreement(**{**found.to_dict(), "reason": "; ".join(filter(None, (found.reason, note)))})


def ranking_alpha(values: RankingRows, *, level: float = 0.95, replicates: int = 1000, seed: int = 0) -> Agreement:
    """Alpha over pairs of options: which of the two is better, or tied (half-way between, interval distance).

    Errors and cost: as :func:`kendall_tau`.
    """
    units = _by_unit(values)
    observed, marginals = [], []
    for found in units.values():
        disagreed, seen = 0.0, np.zeros(3)
        for counts in _decided(list(found.values())):
            disagreed += float(counts @ _APART @ counts) / (counts.sum() - 1)
            # Which option of a pair is named first means nothing, so both ways are counted, each for half.
            seen += (counts + counts[::-1]) / 2
        if seen.any():
            observed.append(disagreed)
            marginals.append(seen)
    shape = _shape("Krippendorff's alpha", "rankings, by pair", level, units, len(observed))
    if not observed:
        return shape.undefined(_why(units) or "no two raters ranked the same two options")
    parts, pooled = np.array(observed), np.array(marginals)
    if (pooled.sum(axis=0) > 0).sum() < 2:
        return shape.undefined("every pair is tied")

    def statistic(drawn: Counts) -> Counts:
        return alpha_of(parts, pooled, _APART, drawn)

    return shape.with_interval(statistic, np.ones(len(parts), dtype=np.int64), replicates=replicates, seed=seed)


def tau_b(one: Ranks, other: Ranks) -> float | None:
    """Kendall's tau-b of the options both ranked; None where it is not defined."""
    common = [option for option in one if option in other]
    signs = [(np.sign(one[a] - one[b]), np.sign(other[a] - other[b])) for a, b in combinations(common, 2)]
    untied_one, untied_other = sum(x != 0 for x, _ in signs), sum(y != 0 for _, y in signs)
    if not untied_one or not untied_other:
        return None
    return float(sum(x * y for x, y in signs) / np.sqrt(untied_one * untied_other))


def _by_unit(values: RankingRows) -> dict[Hashable, dict[Hashable, Ranks]]:
    units: dict[Hashable, dict[Hashable, Ranks]] = {}
    for unit, rater, ranking in values:
        found = units.setdefault(unit, {})
        if rater in found:
            raise InputError("A rater judged a unit twice.", where=f"unit {unit!r}, rater {rater!r}", mend="keep the current judgement only")
        ranks: Ranks = {}
        for place, group in enumerate(ranking):
            for option in [group] if isinstance(group, str) else group:
                if ranks.setdefault(option, place) != place or (list(group).count(option) > 1 and not isinstance(group, str)):
                    raise InputError(f"{option!r} stands in a ranking twice.", where=f"unit {unit!r}, rater {rater!r}")
        found[rater] = ranks
    return units


def _decided(rankings: list[Ranks]) -> Iterable[Counts]:
    """For each pair of options that two raters or more ranked: how many put the first before the second, tied them, or the other way round."""
    options = sorted({option for ranks in rankings for option in ranks}, key=repr)
    for a, b in combinations(options, 2):
        signs = [int(np.sign(ranks[a] - ranks[b])) for ranks in rankings if a in ranks and b in ranks]
        if len(signs) >= 2:
            yield np.bincount([sign + 1 for sign in signs], minlength=3).astype(float)


def _shape(name: str, scale: str, level: float, units: dict[Hashable, dict[Hashable, Ranks]], n: int) -> Shape:
    raters = {rater for found in units.values() for rater in found}
    return Shape(name, scale, level, n, len(raters), sum(len(found) for found in units.values() if len(found) >= 2))


def _why(units: dict[Hashable, dict[Hashable, Ranks]]) -> str:
    if not units:
        return "there are no judgements"
    return "" if any(len(found) >= 2 for found in units.values()) else "no unit was judged by two raters"
