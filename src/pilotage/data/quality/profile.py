"""Profiles: what a table looked like, small enough to keep with every report and to compare without the rows.

A column's profile holds counts, exact order statistics (a grid of 101 quantiles from the minimum to the maximum, each a value of the data), exact
mean and standard deviation, and for levels the counts of the most frequent ones. All are sums or order statistics, so the order of rows, the number
of threads and the engine change nothing. Profiles merge: counts, means and deviations exactly, grids as the mixture of two grids, which is off by at
most one grid step (one percent of the rows) in rank.

Personal columns keep their null count and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np

from pilotage.core import MICROSECONDS, Conflict

GRID = 101
LEVELS_KEPT = 200
_DAY_US = 86_400 * MICROSECONDS
_MONTH_DAYS = (20, 36)


@dataclass(frozen=True)
class ColumnProfile:
    """One column. ``n`` is the number of rows, ``nulls`` of them without a value, ``odd`` with NaN or infinity.

    ``grid`` and the moments are those of a number, of a text's length in characters, or of a time in microseconds; empty where there is no value.
    ``levels`` are counts by level (as text), most frequent first; ``rest`` counts the values of all ``distinct`` levels beyond those kept.
    """

    kind: Literal["number", "levels", "length", "time", "hidden"]
    n: int
    nulls: int
    odd: int = 0
    grid: tuple[float, ...] = ()
    mean: float | None = None
    sd: float | None = None
    levels: Mapping[str, int] = field(default_factory=dict)
    rest: int = 0
    distinct: int = 0

    @property
    def values(self) -> int:
        """How many values are there."""
        return self.n - self.nulls - self.odd

    @property
    def null_share(self) -> float | None:
        """Share of rows without a value; None without rows."""
        return self.nulls / self.n if self.n else None

    def shares(self) -> dict[str, float]:
        """Level to share of values; without values, nothing."""
        return {level: count / self.values for level, count in self.levels.items()} if self.values else {}

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """The profile of both tables' rows together. Raises ``Conflict`` if they are of two kinds."""
        if self.kind != other.kind:
            raise Conflict(f"A profile of kind {self.kind} and one of kind {other.kind} do not merge.", mend="profile the column by one contract")
        mean, sd = _merge_moments(self, other)
        counts = dict(self.levels)
        for level, count in other.levels.items():
            counts[level] = counts.get(level, 0) + count
        ordered = sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))
        kept = dict(ordered[:LEVELS_KEPT])
        cut = sum(count for _, count in ordered[LEVELS_KEPT:])
        return ColumnProfile(
            kind=self.kind,
            n=self.n + other.n,
            nulls=self.nulls + other.nulls,
            odd=self.odd + other.odd,
            grid=merge_grids([(self.grid, self.values), (other.grid, other.values)]),
            mean=mean,
            sd=sd,
            levels=kept,
            rest=self.rest + other.rest + cut,
            distinct=max(len(counts), self.distinct, other.distinct),
        )

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain data."""
        return {**asdict(self), "grid": list(self.grid), "levels": dict(self.levels)}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> ColumnProfile:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**value, "grid": tuple(value["grid"]), "levels": dict(value["levels"])})


@dataclass(frozen=True)
class Profile:
    """A table's columns. ``event_from`` and ``event_to`` are the 5 % and 95 % points of the event time, microseconds UTC."""

    rows: int
    columns: Mapping[str, ColumnProfile]
    event_from: int | None = None
    event_to: int | None = None

    @property
    def season(self) -> str | None:
        """What recurs: ``month-03`` for about a month of data, ``weekday-1`` (Monday) for about a day; None for anything else or without event time.

        The 5 % and 95 % points decide, so a few stray rows do not.
        """
        if self.event_from is None or self.event_to is None:
            return None
        days = (self.event_to - self.event_from) / 0.9 / _DAY_US
        middle = datetime.fromtimestamp((self.event_from + self.event_to) / 2 / MICROSECONDS, UTC)
        if days <= 1.5:
            return f"weekday-{middle.isoweekday()}"
        if _MONTH_DAYS[0] <= days <= _MONTH_DAYS[1]:
            return f"month-{middle.month:02d}"
        return None

    def merge(self, other: Profile) -> Profile:
        """The profile of both tables' rows together; columns that only one has are left out."""
        froms = [each.event_from for each in (self, other) if each.event_from is not None]
        tos = [each.event_to for each in (self, other) if each.event_to is not None]
        return Profile(
            rows=self.rows + other.rows,
            columns={name: column.merge(other.columns[name]) for name, column in self.columns.items() if name in other.columns},
            event_from=min(froms, default=None),
            event_to=max(tos, default=None),
        )

    def to_dict(self) -> dict[str, Any]:
        """The profile as plain data."""
        return {
            "rows": self.rows,
            "columns": {name: column.to_dict() for name, column in self.columns.items()},
            "event_from": self.event_from,
            "event_to": self.event_to,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Profile:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**value, "columns": {name: ColumnProfile.from_dict(column) for name, column in value["columns"].items()}})


def merge_grids(parts: Sequence[tuple[Sequence[float], int]]) -> tuple[float, ...]:
    """The quantile grid of the mixture of grids, each with its number of values. Off by at most one grid step in rank."""
    parts = [(grid, n) for grid, n in parts if grid and n]
    if not parts:
        return ()
    if len(parts) == 1:
        return tuple(parts[0][0])
    points = np.concatenate([np.asarray(grid, dtype=np.float64) for grid, _ in parts])
    weights = np.concatenate([np.full(len(grid), n / len(grid)) for grid, n in parts])
    order = np.argsort(points, kind="stable")
    points, reached = points[order], np.cumsum(weights[order])
    wanted = np.linspace(0.0, 1.0, GRID) * reached[-1]
    found = points[np.minimum(np.searchsorted(reached, wanted, side="left"), len(points) - 1)]
    return tuple(float(value) for value in found)


def _merge_moments(one: ColumnProfile, two: ColumnProfile) -> tuple[float | None, float | None]:
    """Chan, Golub and LeVeque (1979): mean and population deviation of two samples together."""
    if one.mean is None or two.mean is None or one.sd is None or two.sd is None:
        only = one if one.mean is not None else two
        return only.mean, only.sd
    n = one.values + two.values
    mean = (one.values * one.mean + two.values * two.mean) / n
    apart = one.values * two.values / n * (one.mean - two.mean) ** 2
    return mean, math.sqrt((one.values * one.sd**2 + two.values * two.sd**2 + apart) / n)
