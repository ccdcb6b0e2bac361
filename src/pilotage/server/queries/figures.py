"""Where things go in the drawings of monitoring: a column before and after, and a metric over time. Numbers only; the templates draw them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.evidence import Evidence

SHAPE_WIDTH = 300.0
SHAPE_HEIGHT = 84.0
LEVEL_ROW = 22.0
LEVEL_LEFT = 108.0
TREND_WIDTH = 760.0
TREND_HEIGHT = 220.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 64.0, 44.0, 12.0, 28.0


@dataclass(frozen=True)
class Bar:
    """A bar: ``before`` and ``after`` are its two lengths, ``y`` its place; ``text`` and the shares for who reads."""

    text: str
    y: float
    before: float
    after: float
    share_before: float
    share_after: float


@dataclass(frozen=True)
class ShapeDrawing:
    """A column in both windows. Numbers: two outlines, as the ``d`` of a path, and the ends of the scale. Levels: a pair of bars each."""

    kind: str
    width: float
    height: float
    before: str = ""
    after: str = ""
    low: float = 0.0
    high: float = 0.0
    bars: tuple[Bar, ...] = ()
    quantiles_before: tuple[float, ...] = ()
    quantiles_after: tuple[float, ...] = ()


def draw_shape(shape: Mapping[str, Any]) -> ShapeDrawing | None:
    """The drawing of what a report keeps of a column; None where neither window has a value."""
    at, before, after = list(shape["at"]), list(shape["before"]), list(shape["after"])
    if not at or not (before or after):
        return None
    if shape["kind"] == "level":
        return _levels(at, before, after)
    tallest = max([*before, *after], default=0.0) or 1.0
    return ShapeDrawing(
        kind="number",
        width=SHAPE_WIDTH,
        height=SHAPE_HEIGHT,
        before=_outline(before, tallest),
        after=_outline(after, tallest),
        low=float(at[0]),
        high=float(at[-1]),
        quantiles_before=tuple(shape.get("quantiles_before") or ()),
        quantiles_after=tuple(shape.get("quantiles_after") or ()),
    )


def _outline(shares: Sequence[float], tallest: float) -> str:
    """Steps over the bins, closed at the bottom."""
    if not shares:
        return ""
    floor, room, wide = SHAPE_HEIGHT - 14, SHAPE_HEIGHT - 20, SHAPE_WIDTH / len(shares)
    steps = [f"M0 {floor:g}"]
    for place, share in enumerate(shares):
        top = round(floor - share / tallest * room, 1)
        steps += [f"V{top:g}", f"H{round((place + 1) * wide, 1):g}"]
    return " ".join([*steps, f"V{floor:g}", "Z"])


def _levels(at: list[Any], before: list[float], after: list[float]) -> ShapeDrawing:
    room = SHAPE_WIDTH - LEVEL_LEFT - 66
    shares = [(before[place] if before else 0.0, after[place] if after else 0.0) for place in range(len(at))]
    tallest = max((share for pair in shares for share in pair), default=0.0) or 1.0
    bars = tuple(
        Bar(
            text="all others" if name is None else str(name),
            y=place * LEVEL_ROW,
            before=round(first / tallest * room, 1),
            after=round(second / tallest * room, 1),
            share_before=first,
            share_after=second,
        )
        for place, (name, (first, second)) in enumerate(zip(at, shares, strict=True))
    )
    return ShapeDrawing(kind="level", width=SHAPE_WIDTH, height=len(bars) * LEVEL_ROW + 2, bars=bars)


@dataclass(frozen=True)
class TrendPoint:
    """One report on the line of time: what was estimated before labels and what labels said, each None where not measured."""

    report: str
    said: str
    when: str
    estimated: Evidence | None
    realised: Evidence | None


@dataclass(frozen=True)
class Mark:
    """A figure in the drawing: its place and the ends of its interval."""

    x: float
    y: float
    upper: float
    lower: float
    report: str
    text: str


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    text: str


@dataclass(frozen=True)
class TrendDrawing:
    """A metric over reports, two marks a report, with the points for the table beside it."""

    metric: str
    width: float
    height: float
    estimated: tuple[Mark, ...]
    realised: tuple[Mark, ...]
    rows: tuple[Tick, ...]
    columns: tuple[Tick, ...]
    points: tuple[TrendPoint, ...]


def draw_trend(points: Sequence[TrendPoint]) -> TrendDrawing | None:
    """The drawing of a metric over reports, oldest first; None without points."""
    measured = [one for point in points for one in (point.estimated, point.realised) if one is not None and one.estimate is not None]
    named = next((one for point in points for one in (point.realised, point.estimated) if one is not None), None)
    if named is None:
        return None
    ends = [value for one in measured for value in (one.lower, one.upper, one.estimate) if value is not None]
    low, high = min(ends, default=0.0), max(ends, default=1.0)
    room = (high - low) * 0.1 or 0.05
    low, high = low - room, high + room
    if measured and all(0 <= value <= 1 for value in ends):
        low, high = max(low, 0.0), min(high, 1.0)
    wide, tall = TREND_WIDTH - _LEFT - _RIGHT, TREND_HEIGHT - _TOP - _BOTTOM

    def across(place: int) -> float:
        return round(_LEFT + (wide / 2 if len(points) == 1 else place / (len(points) - 1) * wide), 1)

    def down(value: float) -> float:
        return round(_TOP + (high - value) / (high - low) * tall, 1)

    def marks(which: str, beside: float) -> tuple[Mark, ...]:
        found = []
        for place, point in enumerate(points):
            one: Evidence | None = getattr(point, which)
            if one is None or one.estimate is None or one.lower is None or one.upper is None:
                continue
            text = f"{point.when}: {which} {one.estimate:.3f}, between {one.lower:.3f} and {one.upper:.3f}, n = {one.n}; {point.said}"
            found.append(Mark(across(place) + beside, down(one.estimate), down(one.upper), down(one.lower), point.report, text))
        return tuple(found)

    every = max(1, -(-len(points) // 8))
    return TrendDrawing(
        metric=named.metric.partition(".")[2],
        width=TREND_WIDTH,
        height=TREND_HEIGHT,
        estimated=marks("estimated", -3.0),
        realised=marks("realised", 3.0),
        rows=tuple(Tick(down(value), f"{value:.3f}") for value in (low, (low + high) / 2, high)),
        columns=tuple(Tick(across(place), point.when) for place, point in enumerate(points) if place % every == 0),
        points=tuple(points),
    )
