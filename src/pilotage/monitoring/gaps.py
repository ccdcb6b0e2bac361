"""Drift of fairness: do groups get on differently now than they did?

For each group a figure of its own, and the gap: the best group's figure less the worst's, with an interval, now and in the reference, and how it
changed. Groups are compared at once, so each interval is at the level that holds for all of them together (Bonferroni). A group with too few rows is
named and not assessable; it is not left out in silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pilotage.core import InputError
from pilotage.evidence import Evidence, not_assessable
from pilotage.monitoring.performance import EMPTY, METRICS, Confusion, Floats
from pilotage.monitoring.windows import Window

MIN_GROUP = 50
DRAWS = 4000


@dataclass(frozen=True)
class GroupGaps:
    """``groups``: one figure per group and window; ``gap_before``, ``gap_now`` and ``change`` of one metric. Positive change: the gap grew."""

    metric: str
    groups: tuple[Evidence, ...]
    gap_before: Evidence
    gap_now: Evidence
    change: Evidence

    @property
    def widened(self) -> bool:
        """Whether the gap surely grew."""
        return self.change.lower is not None and self.change.lower > 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "metric": self.metric,
            "groups": [each.to_dict() for each in self.groups],
            "gap_before": self.gap_before.to_dict(),
            "gap_now": self.gap_now.to_dict(),
            "change": self.change.to_dict(),
            "widened": self.widened,
        }

    def __str__(self) -> str:
        return "\n".join(map(str, (self.gap_before, self.gap_now, self.change, *self.groups)))


def group_gaps(
    reference: Window,
    production: Window,
    *,
    metric: str = "recall",
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> GroupGaps:
    """How the gap between groups changed.

    ``metric``: accuracy, precision, recall, specificity, f1, or ``positive_rate`` (share decided positive, which needs no label).

    Raises
    ------
    InputError
        If a window has no groups or decisions, or the metric is another.
    """
    if metric not in (*METRICS, "positive_rate"):
        raise InputError(f"'{metric}' is not compared between groups.", mend=f"use {', '.join((*METRICS, 'positive_rate'))}")
    names = sorted(set(_groups(reference)) | set(_groups(production)))
    within = 1 - (1 - level) / max(1, len(names))
    rng = np.random.default_rng([seed, 31])
    figures: list[Evidence] = []
    gaps: list[tuple[Evidence, Floats | None]] = []
    for which, window in (("reference", reference), ("production", production)):
        cells = {name: _cells(window, name, metric) for name in names}
        drawn: list[Floats] = []
        exact: list[float] = []
        for name in names:
            made, values = _figure(metric, cells[name], which, name, within, rng, subject)
            figures.append(made)
            if values is not None and made.estimate is not None:
                drawn.append(values)
                exact.append(made.estimate)
        gaps.append(_gap(metric, which, exact, drawn, int(sum(float(each.sum()) for each in cells.values())), level, len(names), subject))
    (before, drawn_before), (now, drawn_now) = gaps
    about: dict[str, Any] = {"level": level, "subject": dict(subject or {})}
    if before.estimate is None or now.estimate is None or drawn_before is None or drawn_now is None:
        change = not_assessable(f"gap_change.{metric}", reason=str(before.reason or now.reason), n=min(before.n, now.n), **about)
    else:
        estimate = now.estimate - before.estimate
        shift = (drawn_now - now.estimate) - (drawn_before - before.estimate)
        low, high = np.quantile(shift, ((1 - level) / 2, (1 + level) / 2))
        change = _measured(f"gap_change.{metric}", estimate, estimate - float(high), estimate - float(low), min(before.n, now.n), -1.0, {}, about)
    return GroupGaps(metric, tuple(figures), before, now, change)


def _groups(window: Window) -> tuple[str, ...]:
    if window.groups is None or window.decisions is None:
        raise InputError("A window without groups or decisions has no gap between groups.", where="group_gaps", mend="give the column of the group")
    return window.groups


def _cells(window: Window, name: str, metric: str) -> Floats:
    here = np.array([group == name for group in window.groups or ()], dtype=np.bool_)
    said = np.asarray(window.decisions)
    if metric == "positive_rate":
        return np.array([(here & said).sum(), 0, (here & ~said).sum(), 0], dtype=np.float64)
    known = here & window.known
    truth = np.asarray(window.labels) == 1 if window.labels is not None else np.zeros(window.n, dtype=np.bool_)
    return np.array([(known & t & s).sum() for t, s in ((truth, said), (~truth, said), (truth, ~said), (~truth, ~said))], dtype=np.float64)


def _value(metric: str, cells: Floats) -> Floats:
    # Of all rows tp are decided positive and fn are not: recall of these cells is the positive rate.
    return np.asarray(Confusion(*np.moveaxis(cells, -1, 0)).value("recall" if metric == "positive_rate" else metric))


def _figure(
    metric: str, cells: Floats, which: str, name: str, level: float, rng: np.random.Generator, subject: Mapping[str, Any] | None
) -> tuple[Evidence, Floats | None]:
    slice_ = {"group": name, "window": which}
    about: dict[str, Any] = {"level": level, "slice": slice_, "subject": dict(subject or {})}
    _, under = Confusion(*cells).parts("recall" if metric == "positive_rate" else metric)
    if under < MIN_GROUP:
        reason = f"{int(under)} rows count, fewer than {MIN_GROUP}" if under else EMPTY.get(metric, "the group has no row")
        return not_assessable(f"group.{metric}", reason=reason, n=int(under), **about), None
    drawn = _value(
        metric,
        rng.standard_gamma(cells + 0.5, (DRAWS, 4))
        if metric != "positive_rate"
        else rng.standard_gamma(cells + np.array([0.5, 0, 0.5, 0]), (DRAWS, 4)),
    )
    estimate = float(_value(metric, cells))
    low, high = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
    return _measured(f"group.{metric}", estimate, float(low), float(high), int(under), 0.0, {}, about), drawn


def _gap(
    metric: str, which: str, exact: list[float], drawn: list[Floats], n: int, level: float, groups: int, subject: Mapping[str, Any] | None
) -> tuple[Evidence, Floats | None]:
    about: dict[str, Any] = {"level": level, "slice": {"window": which}, "subject": dict(subject or {})}
    if len(exact) < 2:
        return not_assessable(f"gap.{metric}", reason=f"{len(exact)} of {groups} groups can be measured", n=n, **about), None
    gap = max(exact) - min(exact)
    values = np.ptp(np.column_stack(drawn), axis=1)
    # The greatest less the least is biased upwards by chance: the pivotal interval takes that back.
    low, high = np.quantile(values - gap, ((1 - level) / 2, (1 + level) / 2))
    return _measured(
        f"gap.{metric}", gap, max(0.0, gap - float(high)), gap - float(low), n, 0.0, {"groups": groups, "measured": len(exact)}, about
    ), values


def _measured(
    metric: str, estimate: float, lower: float, upper: float, n: int, least: float, detail: dict[str, Any], about: dict[str, Any]
) -> Evidence:
    half = 0.5 / max(1, n)
    lower, upper = max(least, min(lower, estimate)), min(1.0, max(upper, estimate))
    if upper - lower < half:
        lower, upper = max(least, lower - half), min(1.0, upper + half)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=estimate,
        lower=lower,
        upper=upper,
        n=n,
        n_clusters=None,
        method="Dirichlet draws",
        detail=detail,
        **about,
    )
