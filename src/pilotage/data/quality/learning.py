"""Limits learned from a dataset's own accepted history.

A table is compared with the previous accepted ones together, or, once the history holds enough of them, with the same season of earlier years (month)
or weeks (weekday). The limit is a multiple of the largest change that was natural in the history (and of what chance does at the usual number of
values), with a floor. What a person accepts as the new
normal begins a new history for the columns that had changed: earlier tables no longer serve as a reference, though the size of their natural changes
still does.

A change counts only if its effect is beyond the limit **and** chance does not explain it (Benjamini and Hochberg 1995, over all columns and kinds of
change of the table). Where there are too few values for chance to stay below the limit, the result is not assessable and says how many would do.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from statistics import median

from pilotage.data.quality.distances import Distance, level_distance, new_level_distance, null_distance, shape_distance
from pilotage.data.quality.policy import Limits
from pilotage.data.quality.profile import ColumnProfile, Profile
from pilotage.data.quality.report import CheckResult

LONGEST_HISTORY = 60
ROWS = ""
"""Stands for the table itself among the columns that begin a new history."""
_POWER = 0.75


@dataclass(frozen=True)
class Accepted:
    """One accepted report: its profile, and the columns for which a person said that a new normal begins here."""

    report_id: str
    profile: Profile
    restarts: frozenset[str] = frozenset()


@dataclass(frozen=True)
class History:
    """The accepted reports before a table, oldest first, and how limits are learned from them."""

    reports: tuple[Accepted, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reports", tuple(self.reports[-LONGEST_HISTORY:]))

    @property
    def ids(self) -> tuple[str, ...]:
        """The reports' ids."""
        return tuple(each.report_id for each in self.reports)


@dataclass(frozen=True)
class _Change:
    """A kind of change: how it is called, measured, and how small it may be without mattering."""

    kind: str
    title: str
    distance: Callable[[ColumnProfile, ColumnProfile], Distance | None]
    floor: float


@dataclass(frozen=True)
class _Past:
    profile: ColumnProfile
    season: str | None
    era: int


def compare(profile: Profile, history: History, *, limits: Limits | None = None) -> list[CheckResult]:
    """The learned checks of a table against its history: one a column and kind of change, and one for the number of rows.

    Cost: (reports in the history, at most 60) x (columns) comparisons of small summaries; the rows are not needed.
    """
    limits = limits or history.limits
    if len(history.reports) <= limits.minimum_history:
        known = max(0, len(history.reports) - 1)
        return [
            CheckResult(
                check="change since the accepted history",
                kind="change.history",
                column=None,
                severity="warning",
                status="not_assessable",
                figure=None,
                at_least=None,
                at_most=None,
                n=profile.rows,
                reason=f"still learning: {known} of {limits.minimum_history} natural changes are known "
                f"({limits.minimum_history + 1 - len(history.reports)} more accepted reports are needed)",
            )
        ]
    judged = [_rows(profile, history, limits)]
    for name, column in profile.columns.items():
        past = _past(name, column.kind, history)
        judged += [_judge(name, change, column, profile.season, past, limits) for change in _changes(column, limits)]
    return _against_chance(judged, limits)


def _changes(column: ColumnProfile, limits: Limits) -> list[_Change]:
    changes = [_Change("change.nulls", "null share", null_distance, limits.nulls_floor)]
    if column.kind == "levels":
        changes.append(_Change("change.levels", "level shares", level_distance, limits.levels_floor))
        changes.append(_Change("change.new_levels", "levels never seen", new_level_distance, limits.new_levels_floor))
    if column.kind in ("number", "length"):
        changes.append(_Change("change.shape", "distribution" if column.kind == "number" else "length", shape_distance, limits.shape_floor))
    return changes


def _past(name: str, kind: str, history: History) -> list[_Past]:
    """The column's profiles in the history, each with the era it belongs to."""
    era, past = 0, []
    for accepted in history.reports:
        era += name in accepted.restarts
        column = accepted.profile.columns.get(name)
        if column is not None and column.kind == kind:
            past.append(_Past(column, accepted.profile.season, era))
    return past


def _reference(past: Sequence[_Past], at: int, *, era: int, limits: Limits, season: str | None = None) -> ColumnProfile | None:
    """What the entry at ``at`` is compared with: the previous ones of its era, of its season where given, together."""
    before = [each.profile for each in past[:at] if each.era == era and (season is None or each.season == season)][-limits.previous :]
    return reduce(ColumnProfile.merge, before) if before else None


def _judge(name: str, change: _Change, new: ColumnProfile, season: str | None, past: list[_Past], limits: Limits) -> _Judged:
    era = past[-1].era if past else 0
    best: tuple[str, Distance | None, list[float]] | None = None
    for baseline in ([season] if season is not None and limits.seasonal else []) + [None]:
        reference = _reference(past, len(past), era=era, limits=limits, season=baseline)
        natural: list[float] = []
        for at, each in enumerate(past):
            if baseline is not None and each.season is None:
                continue
            before = _reference(past, at, era=each.era, limits=limits, season=None if baseline is None else each.season)
            apart = None if before is None else change.distance(before, each.profile)
            if apart is not None:
                natural.append(apart.effect)
        if reference is not None and len(natural) >= limits.minimum_history:
            best = (f"the same {baseline.partition('-')[0]} before" if baseline else "the previous ones", change.distance(reference, new), natural)
            break
    result = CheckResult(
        check=f"change of {change.title} of {name}",
        kind=change.kind,
        column=name,
        severity=limits.severity,
        status="not_assessable",
        figure=None,
        at_least=None,
        at_most=None,
        n=new.n if change.kind == "change.nulls" else new.values,
    )
    if best is None:
        return _Judged(replace(result, severity="warning", reason="still learning: the accepted history of this column is too short"), None)
    words, distance, natural = best
    usual = median(each.profile.values if change.kind != "change.nulls" else each.profile.n for each in past)
    # Natural changes of an earlier era may be smaller than what chance alone does in this one: a limit below that would tell nothing.
    chance = 0.0 if distance is None or not usual else distance.spread * math.sqrt(1 / usual + 1 / distance.m)
    limit = max(limits.times * max(*natural, chance), change.floor)
    result = replace(result, at_most=limit)
    if result.n < limits.minimum_rows:
        # A column that never holds many values is not a table's failing.
        sparse = usual < limits.minimum_rows
        return _Judged(
            replace(
                result,
                severity="warning" if sparse else result.severity,
                needed=limits.minimum_rows,
                reason=f"{result.n} values are too few to compare; {limits.minimum_rows} would do",
            ),
            None,
        )
    if distance is None:
        reason = "the history holds more levels than are kept" if change.kind == "change.new_levels" else "there are no values to compare"
        return _Judged(replace(result, severity="warning", reason=reason), None)
    if distance.noise > _POWER * limit and distance.effect <= limit:
        needed = distance.needed(_POWER * limit)
        reason = f"{result.n} values cannot tell a change of {limit:.3g} from chance ({distance.noise:.3g})"
        reason += f"; {needed} would do" if needed else "; the accepted history is too small to compare with"
        return _Judged(replace(result, figure=None, needed=needed, reason=reason), None)
    passed = distance.effect <= limit
    reason = "" if passed else f"{distance.effect / limit:,.1f} times the limit, beside {words}; the largest natural change was {max(natural):.3g}"
    return _Judged(replace(result, status="pass" if passed else "fail", figure=distance.effect, reason=reason), distance.p)


@dataclass(frozen=True)
class _Judged:
    result: CheckResult
    p: float | None


def _rows(profile: Profile, history: History, limits: Limits) -> _Judged:
    """The number of rows beside that of the previous tables: the absolute logarithm of the ratio to their median. Chance has no model here."""
    era, past = 0, []
    for accepted in history.reports:
        era += ROWS in accepted.restarts
        past.append((accepted.profile.rows, accepted.profile.season, era))

    def against(at: int, era: int, season: str | None) -> float | None:
        before = [rows for rows, was, of in past[:at] if of == era and rows and (season is None or was == season)][-limits.previous :]
        return median(before) if before else None

    def effect(rows: int, reference: float | None) -> float | None:
        return abs(math.log(rows / reference)) if rows and reference else None

    result = CheckResult("change of the number of rows", "change.rows", None, limits.severity, "not_assessable", None, None, None, profile.rows)
    for baseline in ([profile.season] if profile.season is not None and limits.seasonal else []) + [None]:
        natural = [
            found
            for at, (rows, season, of) in enumerate(past)
            if (baseline is None or season is not None) and (found := effect(rows, against(at, of, None if baseline is None else season))) is not None
        ]
        figure = effect(profile.rows, against(len(past), era, baseline))
        if figure is not None and len(natural) >= limits.minimum_history:
            limit = max(limits.times * max(natural), limits.rows_floor)
            reason = "" if figure <= limit else f"{profile.rows} rows; the largest natural change of their logarithm was {max(natural):.3g}"
            return _Judged(replace(result, status="pass" if figure <= limit else "fail", figure=figure, at_most=limit, reason=reason), None)
    return _Judged(replace(result, severity="warning", reason="still learning: the accepted history is too short"), None)


def _against_chance(judged: list[_Judged], limits: Limits) -> list[CheckResult]:
    """Changes beyond their limit that chance could explain, over all comparisons made, are passed and say so."""
    adjusted = benjamini_hochberg([each.p for each in judged if each.p is not None])
    q_values = iter(adjusted)
    results = []
    for each in judged:
        q = None if each.p is None else next(q_values)
        result = each.result
        if result.status == "fail" and q is not None and q > limits.false_discovery_rate:
            result = replace(result, status="pass", reason=f"beyond the limit, but chance may explain it (false discovery rate {q:.2g})")
        results.append(result)
    return results


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values, in the order given: the false discovery rate at which each would be called a discovery (Benjamini and Hochberg 1995)."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at], reverse=True)
    adjusted, lowest = [1.0] * len(p_values), 1.0
    for worse, at in enumerate(order):
        lowest = min(lowest, p_values[at] * len(p_values) / (len(p_values) - worse))
        adjusted[at] = lowest
    return adjusted
