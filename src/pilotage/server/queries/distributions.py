"""Where things go in the drawings of distributions: quantile bars and level bars, one side above the other. Numbers only; templates draw them.

A quantile bar is a line from the least to the largest value, a band that holds the middle 80 %, a bar that holds the middle half, and the median.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pilotage.core import MICROSECONDS

WIDTH = 380.0
LEFT = 62.0
RIGHT = 12.0
ROW = 30.0
LEVELS_DRAWN = 8
LEVEL_WIDTH = 260.0
_LOG_FROM = 40.0


@dataclass(frozen=True)
class QuantileBar:
    """One side. Positions on the horizontal; ``median`` and ``said`` are for readers."""

    label: str
    n: int | None
    y: float
    low: float
    p10: float
    p25: float
    p50: float
    p75: float
    p90: float
    high: float
    said: str


@dataclass(frozen=True)
class QuantileDrawing:
    """Some sides on one scale; ``scale`` is ``linear`` or ``logarithmic``, ``ticks`` are (position, text)."""

    bars: tuple[QuantileBar, ...]
    scale: str
    ticks: tuple[tuple[float, str], ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    width: float = WIDTH
    left: float = LEFT
    right: float = WIDTH - RIGHT

    @property
    def height(self) -> float:
        """Of the whole drawing, ticks included."""
        return ROW * len(self.bars) + 20


@dataclass(frozen=True)
class LevelRow:
    """A level's share on both sides, with the widths of its bars."""

    level: str
    before: float
    after: float
    before_width: float
    after_width: float


@dataclass(frozen=True)
class LevelDrawing:
    """The levels with the largest shares; ``rest`` are the shares of all others together, ``others`` how many these are."""

    rows: tuple[LevelRow, ...]
    labels: tuple[str, str]
    n: tuple[int, int]
    others: int
    rest: tuple[float, float]
    width: float = LEVEL_WIDTH


def draw_quantiles(sides: Sequence[tuple[str, int | None, Sequence[float]]], *, times: bool = False) -> QuantileDrawing:
    """Draw each side (label, n, evenly spaced quantiles in ascending order, from 2 to any number of them) on one scale.

    The scale is logarithmic where every value is positive and the middle 80 % of all sides spans more than a factor of 40; it then says so.
    """
    points = [[grid[round(part * (len(grid) - 1))] for part in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)] for _, _, grid in sides]
    low, high = min(row[0] for row in points), max(row[-1] for row in points)
    p10, p90 = min(row[1] for row in points), max(row[5] for row in points)
    log = not times and low > 0 and p90 / p10 > _LOG_FROM
    bend: Callable[[float], float] = math.log10 if log else float
    start, end = bend(low), bend(high)
    if end <= start:
        start, end = start - 0.5, end + 0.5

    def at(value: float) -> float:
        return round(LEFT + (bend(value) - start) / (end - start) * (WIDTH - LEFT - RIGHT), 1)

    show = _time_text if times else number_text
    bars = []
    for place, ((label, n, _), row) in enumerate(zip(sides, points, strict=True)):
        low_at, p10_at, p25_at, p50_at, p75_at, p90_at, high_at = map(at, row)
        said = f"{label}: median {show(row[3])}, middle half {show(row[2])} to {show(row[4])}, from {show(row[0])} to {show(row[6])}"
        bars.append(QuantileBar(label, n, ROW * place, low_at, p10_at, p25_at, p50_at, p75_at, p90_at, high_at, said))
    names = ("least", "10 %", "25 %", "median", "75 %", "90 %", "largest")
    rows = tuple((name, tuple(show(row[place]) for row in points)) for place, name in enumerate(names))
    return QuantileDrawing(tuple(bars), "logarithmic" if log else "linear", ((LEFT, show(low)), (WIDTH - RIGHT, show(high))), rows)


def draw_levels(before: tuple[str, int, Mapping[str, float]], after: tuple[str, int, Mapping[str, float]]) -> LevelDrawing:
    """Draw the shares (0 to 1) of levels on two sides, the largest first; what is beyond the first eight is put together."""
    shares = (before[2], after[2])
    every = sorted({*shares[0], *shares[1]}, key=lambda level: (-max(side.get(level, 0.0) for side in shares), level))
    drawn = every[:LEVELS_DRAWN]
    rows = tuple(
        LevelRow(level, *(side.get(level, 0.0) for side in shares), *(round(side.get(level, 0.0) * LEVEL_WIDTH, 1) for side in shares))
        for level in drawn
    )
    kept = [sum(side.get(level, 0.0) for level in drawn) for side in shares]
    return LevelDrawing(rows, (before[0], after[0]), (before[1], after[1]), len(every) - len(drawn), (max(0.0, 1 - kept[0]), max(0.0, 1 - kept[1])))


def number_text(value: float) -> str:
    """A number as people read it on a scale: four digits that count."""
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e7 or size < 1e-4:
        return f"{value:.3g}"
    return f"{value:,.0f}".replace(",", "\u202f") if size >= 1000 else f"{value:.4g}"


def _time_text(value: float) -> str:
    return datetime.fromtimestamp(value / MICROSECONDS, UTC).strftime("%Y-%m-%d %H:%M")
