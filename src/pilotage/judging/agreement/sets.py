"""Agreement on several labels at once: Krippendorff's alpha where two sets may agree in part.

References: Passonneau (2006) for MASI; Jaccard (1901).
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial
from typing import Literal

import numpy as np

from pilotage.core import InputError
from pilotage.judging.agreement.alpha import alpha_of, disagreement, shape_of
from pilotage.judging.agreement.figure import Agreement
from pilotage.judging.agreement.patterns import patterns_of, votes_of

SetDistance = Literal["masi", "jaccard"]
_MOST_SETS = 3000


def set_alpha(
    values: Iterable[tuple[Hashable, Hashable, Iterable[Hashable]]],
    *,
    distance: SetDistance = "masi",
    level: float = 0.95,
    replicates: int = 1000,
    seed: int = 0,
) -> Agreement:
    """Alpha of (unit, rater, labels) rows, labels in any order; no label is an answer too.

    Parameters
    ----------
    distance
        ``jaccard``: one minus common over all labels. ``masi``: that times 1 (equal), 2/3 (one within the other), 1/3 (overlapping), 0 (apart),
        so that having left something out is milder than having said something else. Both equal 0 for equal and 1 for disjoint sets.

    Raises
    ------
    InputError
        If a rater judged a unit twice, or there are more than 3,000 distinct sets.
    """
    if distance not in ("masi", "jaccard"):
        raise InputError(f"'{distance}' is no distance between sets.", mend="use masi or jaccard")
    votes = votes_of((unit, rater, tuple(sorted(frozenset(labels), key=repr))) for unit, rater, labels in values)
    found = patterns_of(votes).only_paired()
    shape = shape_of(found, "Krippendorff's alpha", f"sets, {distance} distance", level)
    if not found.n_units:
        return shape.undefined("no unit was judged by two raters" if votes.n else "there are no judgements")
    if len(found.known) == 1:
        return shape.undefined("every answer is the same")
    if len(found.known) > _MOST_SETS:
        raise InputError(f"{len(found.known):,} distinct sets of labels are too many to compare each with each.", mend="measure label by label")
    sets = [frozenset(labels) for labels in found.known]
    apart = np.array([[set_distance(one, other, distance) for other in sets] for one in sets])
    statistic = partial(alpha_of, disagreement(found.patterns, apart), found.patterns, apart)
    return shape.with_interval(statistic, found.weights, replicates=replicates, seed=seed)


def set_distance(one: frozenset[Hashable], other: frozenset[Hashable], distance: SetDistance = "masi") -> float:
    """0 (equal) to 1 (nothing in common)."""
    if one == other:
        return 0.0
    common, every = len(one & other), len(one | other)
    closeness = common / every
    if distance == "masi":
        closeness *= 2 / 3 if one <= other or other <= one else 1 / 3
    return 1 - closeness
