"""What a chosen batch says: how things stand, from its random part alone, and whether choosing helped.

Each batch's random draw gives an unbiased total of the items that were left then (Horvitz & Thompson 1952); what was judged before is known and
added. Estimates of several batches are averaged by the size of their draws: each is unbiased given all before, so their errors do not correlate.
Choosing is compared with chance by the errors found per label, and by the model trained on each; the gain may be about zero, and then it says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.core.distributions import t_quantile
from pilotage.evidence import Comparison, Evidence, Observation, compare_paired, not_assessable, rate
from pilotage.review.selecting.candidate import RANDOM
from pilotage.review.selecting.choosing import Batch

_LEAST = 1e-9


def estimate_rate(batches: Sequence[Batch], outcomes: Mapping[str, bool], *, metric: str = "error_rate", level: float = 0.95) -> Evidence:
    """The share of items with a positive outcome in the first batch's whole pool, unbiased although most items were chosen.

    Parameters
    ----------
    batches
        In the order they were drawn, each from what the ones before left over of one pool that nothing joined.
    outcomes
        Item → outcome, for the batches' items. A batch whose random part is not all judged yet is left out, with all after it.

    Raises
    ------
    InputError
        If a later batch's pool is not what the earlier ones left over.
    """
    complete = _complete(batches, outcomes)
    if not complete:
        return not_assessable(metric, reason="no batch has all its items judged", level=level)
    size = complete[0].pool
    known, total, weight, variance, n = 0.0, 0.0, 0.0, 0.0, 0
    for batch in complete:
        random = [each for each in batch.picked if each.selected_by == RANDOM]
        values = [float(outcomes[each.item]) for each in random]
        m = len(values)
        inflated = math.fsum(value / (each.probability or 1.0) for value, each in zip(values, random, strict=True))
        p = math.fsum(values) / m
        # One imagined outcome of each kind keeps the variance from collapsing where nothing, or everything, was positive (Agresti & Coull 1998).
        smooth = (math.fsum(values) + 1) / (m + 2)
        spread = (smooth if p in (0.0, 1.0) else p) * (1 - (smooth if p in (0.0, 1.0) else p)) / max(1, m - 1)
        finite = 1 - m / batch.pool
        total += m * (known + inflated) / size
        variance += (m * batch.pool / size) ** 2 * spread * finite
        weight += m
        n += m
        known += math.fsum(float(outcomes[each.item]) for each in batch.picked)
    estimate = total / weight
    if n < 2:
        return not_assessable(metric, reason="one random item tells nothing about how they vary", n=n, level=level)
    half = max(_LEAST, t_quantile((1 + level) / 2, n - 1) * math.sqrt(variance) / weight)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=estimate,
        lower=min(estimate, max(0.0, estimate - half)) if estimate - half < estimate else estimate - _LEAST,
        upper=max(estimate + _LEAST, min(1.0, estimate + half)),
        level=level,
        n=n,
        n_clusters=None,
        method="Horvitz-Thompson over the random draws",
        detail={"pool": size, "batches": len(complete), "judged": sum(len(batch.picked) for batch in complete)},
    )


def _complete(batches: Sequence[Batch], outcomes: Mapping[str, bool]) -> list[Batch]:
    found: list[Batch] = []
    for batch in batches:
        if found and batch.pool != found[-1].pool - len(found[-1].picked):
            raise InputError(
                f"A batch was drawn from {batch.pool} items, but the one before left {found[-1].pool - len(found[-1].picked)}.",
                why="the estimate is about one pool that nothing joins or leaves",
                mend="estimate each pool by itself",
            )
        if not batch.picked or any(each.item not in outcomes for each in batch.picked):
            break
        found.append(batch)
    return found


@dataclass(frozen=True)
class Gain:
    """What choosing found, against chance.

    chosen, by_chance
        Errors found per label.
    difference
        chosen − by chance.
    """

    strategy: str
    chosen: Evidence
    by_chance: Evidence
    difference: Evidence

    @property
    def verdict(self) -> str:
        """In words. A gain about zero is said, not hidden."""
        if not self.difference.measured:
            return f"not known: {self.difference.reason}"
        low, high = self.difference.lower or 0.0, self.difference.upper or 0.0
        if low > 0:
            return "choosing finds more errors per label than chance"
        if high < 0:
            return "choosing finds FEWER errors per label than chance"
        return "no gain over chance is shown: it may be about zero"

    def __str__(self) -> str:
        return f"{self.strategy}: {self.verdict}\n  {self.difference}\n  {self.chosen}\n  {self.by_chance}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "strategy": self.strategy,
            "verdict": self.verdict,
            "chosen": self.chosen.to_dict(),
            "by_chance": self.by_chance.to_dict(),
            "difference": self.difference.to_dict(),
        }


def errors_per_label(batches: Iterable[Batch], outcomes: Mapping[str, bool], *, level: float = 0.95) -> list[Gain]:
    """For each strategy: errors found per label, against the random part of the same batches. ``outcomes``: item → whether it was an error.

    The interval is Newcombe's (1998): Wilson's of both sides, combined. Items not judged yet are left out on both sides.
    """
    sides: dict[str, list[Observation]] = {}
    for batch in batches:
        for each in batch.picked:
            if each.item in outcomes and each.selected_by != "order":
                sides.setdefault(each.selected_by, []).append(Observation(each.item, bool(outcomes[each.item])))
    chance = rate(sides.pop(RANDOM, []), metric="errors_per_label", level=level).about(slice={"selected_by": RANDOM})
    found: list[Gain] = []
    for name, given in sorted(sides.items()):
        chosen = rate(given, metric="errors_per_label", level=level).about(slice={"selected_by": name})
        found.append(Gain(name, chosen, chance, _newcombe(chosen, chance, level)))
    return found


def _newcombe(first: Evidence, second: Evidence, level: float) -> Evidence:
    metric = "errors_per_label_gain"
    for side in (first, second):
        if side.estimate is None:
            return not_assessable(metric, reason=f"{side.slice['selected_by']}: {side.reason}", n=first.n + second.n, level=level)
    p1, l1, u1 = float(first.estimate or 0), float(first.lower or 0), float(first.upper or 0)
    p2, l2, u2 = float(second.estimate or 0), float(second.lower or 0), float(second.upper or 0)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=p1 - p2,
        lower=p1 - p2 - math.hypot(p1 - l1, u2 - p2),
        upper=p1 - p2 + math.hypot(u1 - p1, p2 - l2),
        level=level,
        n=first.n + second.n,
        n_clusters=None,
        method="Newcombe",
        slice=dict(first.slice),
    )


def improvement(by_chance: Mapping[str, float], chosen: Mapping[str, float], *, metric: str = "correct", level: float = 0.95) -> Comparison:
    """The model trained on the chosen batch against the one trained on as many random items, on the same frozen slice, pair by pair.

    ``by_chance`` and ``chosen``: item of the slice → score of that model (0 to 1, or yes/no).

    Raises ``InputError`` if the two were not tried on the same items.
    """
    sides = [[Observation(item, value) for item, value in side.items()] for side in (by_chance, chosen)]
    return compare_paired(sides[0], sides[1], metric=metric, against="random", level=level)
