"""Champion and challenger on the same held-out rows: who serves is decided by a paired difference, not by two numbers side by side.

The challenger must beat the champion by more than a margin, its whole interval beyond it; else the champion stays, and the record says why. A window
that the champion was trained on proves nothing about it, so that is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from pilotage.core import InputError
from pilotage.evidence import Evidence, Observation, compare_paired, not_assessable

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Metric = Literal["brier", "log_loss", "accuracy", "roc_auc"]
METRICS: tuple[str, ...] = get_args(Metric)
MIN_ROWS = 200
_FLOOR = 1e-6


@dataclass(frozen=True)
class Challenge:
    """Who won. ``gain`` is how much better the challenger is, positive is better, whichever way the metric points; ``margin`` what it had to beat."""

    promoted: bool
    why: str
    metric: str
    margin: float
    gain: Evidence
    champion: float | None
    challenger: float | None

    def __str__(self) -> str:
        return f"{'promoted' if self.promoted else 'kept the champion'}: {self.why}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return vars(self) | {"gain": self.gain.to_dict()}


def challenge(
    labels: Bools,
    champion: Floats,
    challenger: Floats,
    *,
    metric: Metric,
    margin: float = 0.0,
    threshold: float = 0.5,
    clusters: Sequence[str] | None = None,
    level: float = 0.95,
    subject: Mapping[str, Any] | None = None,
) -> Challenge:
    """Whether the challenger takes over, on rows neither was trained on.

    Parameters
    ----------
    labels, champion, challenger
        What was true and what each said, (n,); probabilities in [0, 1].
    margin
        The gain that must be surpassed. Below 0 it is the loss that would be accepted (non-inferiority).
    threshold
        From which probability on a case counts as positive (for ``accuracy``).
    clusters
        Whose row each is (a customer, a card): rows of one are not independent. ``roc_auc`` takes rows for independent and its method says so.

    Cost: one pass; ``roc_auc`` O(n log n).
    """
    if not len(labels) == len(champion) == len(challenger):
        raise InputError(f"Labels and scores are not of one length: {len(labels)}, {len(champion)}, {len(challenger)}.")
    about = dict(subject or {})
    positives = int(labels.sum())
    if len(labels) < MIN_ROWS or positives < 10 or len(labels) - positives < 10:
        reason = f"{len(labels)} held-out rows, {positives} of them positive: at least {MIN_ROWS} and 10 of each class are needed"
        gain = not_assessable(f"gain.{metric}", reason=reason, subject=about)
        return Challenge(False, reason, metric, margin, gain, None, None)
    if metric == "roc_auc":
        gain, before, after = _auc_gain(labels, champion, challenger, level=level, subject=about)
    else:
        gain, before, after = _mean_gain(
            labels, champion, challenger, metric=metric, threshold=threshold, clusters=clusters, level=level, subject=about
        )
    if gain.lower is None or gain.upper is None:
        return Challenge(False, f"the gain is not assessable: {gain.reason}", metric, margin, gain, before, after)
    shown = f"{metric} {after:.4f} against {before:.4f}: gain {gain.estimate:.4f} [{gain.lower:.4f}, {gain.upper:.4f}], n = {gain.n}"
    if gain.lower > margin:
        return Challenge(True, f"{shown}, beyond the margin of {margin:g}", metric, margin, gain, before, after)
    state = "not beyond" if gain.upper <= margin else "not surely beyond"
    return Challenge(False, f"{shown}, {state} the margin of {margin:g}", metric, margin, gain, before, after)


def _mean_gain(
    labels: Bools,
    champion: Floats,
    challenger: Floats,
    *,
    metric: str,
    threshold: float,
    clusters: Sequence[str] | None,
    level: float,
    subject: dict[str, Any],
) -> tuple[Evidence, float, float]:
    before, after = (_per_row(labels, scores, metric, threshold) for scores in (champion, challenger))
    whose = clusters if clusters is not None else [""] * len(labels)
    sides = [[Observation(str(row), float(value), cluster=whose[row]) for row, value in enumerate(side)] for side in (before, after)]
    better: Literal["higher", "lower"] = "higher" if metric == "accuracy" else "lower"
    scale = None if metric == "log_loss" else (0.0, 1.0)
    found = compare_paired(*sides, metric=f"gain.{metric}", better=better, scale=scale, level=level).evidence
    sign = 1.0 if better == "higher" else -1.0
    if found.estimate is None or found.lower is None or found.upper is None:
        return found.about(subject=subject), float(before.mean()), float(after.mean())
    low, high = sorted((sign * found.lower, sign * found.upper))
    gain = Evidence(f"gain.{metric}", "measured", sign * found.estimate, low, high, level, found.n, found.n_clusters, found.method, subject=subject)
    return gain, float(before.mean()), float(after.mean())


def _per_row(labels: Bools, scores: Floats, metric: str, threshold: float) -> Floats:
    truth = labels.astype(np.float64)
    if metric == "brier":
        return np.asarray((scores - truth) ** 2)
    if metric == "log_loss":
        held = np.clip(scores, _FLOOR, 1 - _FLOOR)
        return np.asarray(-(truth * np.log(held) + (1 - truth) * np.log1p(-held)))
    if metric == "accuracy":
        return np.asarray(((scores >= threshold) == labels).astype(np.float64))
    raise InputError(f"Unknown metric: {metric!r}.", mend=f"use one of: {', '.join(METRICS)}")


def _auc_gain(labels: Bools, champion: Floats, challenger: Floats, *, level: float, subject: dict[str, Any]) -> tuple[Evidence, float, float]:
    """The difference of two areas on the same rows, by DeLong's covariance of the placement values (DeLong, DeLong & Clarke-Pearson 1988)."""
    from pilotage.core.distributions import normal_quantile

    areas, positive, negative = [], [], []
    for scores in (champion, challenger):
        area, of_positive, of_negative = _placements(scores[labels], scores[~labels])
        areas.append(area)
        positive.append(of_positive)
        negative.append(of_negative)
    m, n = len(positive[0]), len(negative[0])
    along = np.array([-1.0, 1.0])
    variance = float(along @ (np.cov(np.stack(positive)) / m + np.cov(np.stack(negative)) / n) @ along)
    # Two rankings that agree everywhere differ by exactly nothing; the width of one changed pair keeps the interval honest.
    half = normal_quantile((1 + level) / 2) * max(variance, 0.0) ** 0.5 or 1.0 / (m * n)
    gain = areas[1] - areas[0]
    method = "DeLong, paired, rows independent"
    low, high = max(gain - half, -1.0), min(gain + half, 1.0)
    evidence = Evidence("gain.roc_auc", "measured", gain, low, high, level, m + n, None, method, subject=subject)
    return evidence, areas[0], areas[1]


def _placements(positive: Floats, negative: Floats) -> tuple[float, Floats, Floats]:
    """The area under the curve and every row's share of it, ties counted half."""
    ordered_negative, ordered_positive = np.sort(negative), np.sort(positive)
    below = np.searchsorted(ordered_negative, positive, side="left") + np.searchsorted(ordered_negative, positive, side="right")
    of_positive = below / (2 * len(negative))
    under = np.searchsorted(ordered_positive, negative, side="left") + np.searchsorted(ordered_positive, negative, side="right")
    of_negative = 1 - under / (2 * len(positive))
    return float(of_positive.mean()), of_positive, of_negative
