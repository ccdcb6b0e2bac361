"""How many answers are enough: adaptive overlap held against a fixed one, on answers that are already there.

Each unit's answers are played back in a drawn order. One more is taken while the posterior of what has been taken is below the wish; how many were
taken, and how often the label was that of all answers together, is then known.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from html import escape

import numpy as np

from pilotage.core import InputError
from pilotage.core.intervals import share_bounds
from pilotage.judging.aggregation.posterior import MOST_TRUSTED
from pilotage.judging.aggregation.truth import Truth
from pilotage.judging.aggregation.votes import Floats, Index, Votes

_REPLICATES = 1000


@dataclass(frozen=True)
class OverlapSaving:
    """What asking only until the posterior is high enough would have saved.

    answers, lower, upper
        Mean answers a unit, with the interval over units.
    saving, saving_lower, saving_upper
        1 − answers / fixed; below 0 it costs more than the fixed overlap.
    agreed, agreed_fixed
        Share of units whose label is that of all their answers together, adaptively and with the fixed overlap, each with its interval. Both are held
        to the same reference, which knows their votes: a figure of loss, not of accuracy.
    stopped_sure
        Share of units that reached the wish (the others ran out at ``most``).
    n_units
        Units with at least ``most`` (and ``fixed``) answers; only those can be played back. 0: every figure is None and ``reason`` says why.
    """

    start: int
    most: int
    until: float
    fixed: int
    n_units: int
    answers: float | None
    lower: float | None
    upper: float | None
    saving: float | None
    saving_lower: float | None
    saving_upper: float | None
    agreed: float | None
    agreed_interval: tuple[float, float] | None
    agreed_fixed: float | None
    agreed_fixed_interval: tuple[float, float] | None
    stopped_sure: float | None
    level: float
    seed: int
    reason: str = ""

    def __str__(self) -> str:
        if self.answers is None or self.saving is None or self.agreed is None or self.agreed_fixed is None:
            return f"adaptive overlap: not assessable: {self.reason}"
        return (
            f"adaptive overlap ({self.start} to {self.most} until {self.until:g}): "
            f"{self.answers:.2f} answers a unit [{self.lower:.2f}, {self.upper:.2f}], "
            f"saves {self.saving:.0%} [{self.saving_lower:.0%}, {self.saving_upper:.0%}] of {self.fixed} each; "
            f"same label as all answers: {self.agreed:.3f} (fixed {self.agreed_fixed:.3f}), {self.n_units} units"
        )

    def _repr_html_(self) -> str:
        return f"<p>{escape(str(self))}</p>"


def overlap_saving(
    votes: Votes,
    truth: Truth,
    *,
    start: int = 2,
    most: int = 5,
    until: float = 0.9,
    fixed: int = 3,
    accuracies: Mapping[Hashable, float] | None = None,
    level: float = 0.95,
    seed: int = 0,
) -> OverlapSaving:
    """Play ``votes`` back.

    Parameters
    ----------
    truth
        Inferred from the same votes: the reference labels, and the raters' accuracies where ``accuracies`` does not give them (gold is better).
    start, most, until
        Answers asked at first, at most, and the posterior from which on nobody more is asked.

    Raises
    ------
    InputError
        If ``truth`` is about other units, or not 1 ≤ start ≤ most and 0 < until ≤ 1.

    Cost: O(votes), vectorised over units.
    """
    if truth.units != votes.units:
        raise InputError("The inferred truth is about other units.", mend="infer it from the same votes")
    if not 1 <= start <= most or not 0 < until <= 1 or fixed < 1:
        raise InputError(f"Overlap from {start} to {most} until {until} is none.", mend="1 ≤ start ≤ most, 0 < until ≤ 1, fixed ≥ 1")
    depth = max(most, fixed)
    enough = np.bincount(votes.unit, minlength=len(votes.units)) >= depth
    labelled = np.array([label is not None for label in truth.labels], dtype=bool)
    chosen = np.flatnonzero(enough & labelled)
    about = {"start": start, "most": most, "until": until, "fixed": fixed, "n_units": len(chosen), "level": level, "seed": seed}
    if len(chosen) < 2:
        reason = f"{len(chosen)} units have {depth} answers and a label; playing back takes at least 2"
        nothing = dict.fromkeys([*_FIGURES, "agreed_interval", "agreed_fixed_interval"])
        return OverlapSaving(**about, **nothing, reason=reason)  # type: ignore[arg-type]
    generator = np.random.default_rng(seed)
    said, sure = _played(votes, truth, chosen, depth, accuracies, generator)
    reached = sure[:, start - 1 : most] >= until
    taken = np.where(reached.any(axis=1), start + reached.argmax(axis=1), most)
    rows = np.arange(len(chosen))
    reference = truth.posterior[chosen].argmax(axis=1)
    same = float((said[rows, taken - 1] == reference).sum())
    same_fixed = float((said[rows, fixed - 1] == reference).sum())
    lower, upper = _interval(taken.astype(float), level, generator)
    mean, n = float(taken.mean()), len(chosen)
    return OverlapSaving(
        **about,  # type: ignore[arg-type]
        answers=mean,
        lower=lower,
        upper=upper,
        saving=1 - mean / fixed,
        saving_lower=1 - upper / fixed,
        saving_upper=1 - lower / fixed,
        agreed=same / n,
        agreed_interval=share_bounds(same, n, level=level),
        agreed_fixed=same_fixed / n,
        agreed_fixed_interval=share_bounds(same_fixed, n, level=level),
        stopped_sure=float(reached.any(axis=1).mean()),
    )


_FIGURES = ("answers", "lower", "upper", "saving", "saving_lower", "saving_upper", "agreed", "agreed_fixed", "stopped_sure")


def _played(
    votes: Votes, truth: Truth, chosen: Index, depth: int, accuracies: Mapping[Hashable, float] | None, generator: np.random.Generator
) -> tuple[Index, Floats]:
    """For each chosen unit after 1 … depth answers: the likeliest value and its posterior (one coin, as :func:`posterior_of`)."""
    k = votes.k
    known = {rater: quality.accuracy for rater, quality in truth.rater_quality.items()} | dict(accuracies or {})
    trusted = np.clip([known[rater] for rater in votes.raters], 1 / k, MOST_TRUSTED)
    weight = np.log(trusted) - np.log((1 - trusted) / (k - 1))
    # Votes in a drawn order within each unit; the first ``depth`` of each are played.
    order = np.lexsort((generator.random(votes.n), votes.unit))
    first = np.concatenate(([0], np.cumsum(np.bincount(votes.unit, minlength=len(votes.units)))))[chosen]
    rows = np.arange(len(chosen))
    score = np.zeros((len(chosen), k))
    said, sure = np.zeros((len(chosen), depth), dtype=np.int64), np.zeros((len(chosen), depth))
    for taken in range(depth):
        vote = order[first + taken]
        score[rows, votes.value[vote]] += weight[votes.rater[vote]]
        said[:, taken] = score.argmax(axis=1)
        sure[:, taken] = 1 / np.exp(score - score.max(axis=1, keepdims=True)).sum(axis=1)
    return said, sure


def _interval(values: Floats, level: float, generator: np.random.Generator) -> tuple[float, float]:
    distinct, counts = np.unique(values, return_counts=True)
    drawn = generator.multinomial(len(values), counts / len(values), size=_REPLICATES)
    low, high = np.quantile(drawn @ distinct / len(values), [(1 - level) / 2, (1 + level) / 2])
    return min(float(low), float(values.mean())), max(float(high), float(values.mean()))
