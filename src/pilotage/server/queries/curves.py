"""Where things go in the drawings of a calibration report: reliability, risk against coverage, cost against coverage. Numbers only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilotage.judging.calibration import Bin

SIDE = 320.0
WIDTH, HEIGHT = 640.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 12.0, 34.0
TICKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class BinDrawing:
    """A bin: where it was found, how large it is, where it would lie (95 %) were the confidence right, and whether it is outside of that."""

    x: float
    y: float
    r: float
    band_top: float | None
    band_bottom: float | None
    outside: bool
    said: str


@dataclass(frozen=True)
class ReliabilityDrawing:
    """The diagram on a square of ``side``, from ``low`` to 1 on both axes: a model that is mostly sure has little to show below."""

    bins: tuple[BinDrawing, ...]
    low: float
    ticks: tuple[tuple[float, float, str], ...]
    side: float = SIDE
    left: float = 40.0
    right: float = SIDE - 10
    top: float = 10.0
    bottom: float = SIDE - 32


def draw_reliability(bins: Sequence[Bin]) -> ReliabilityDrawing:
    """Positions of the diagram."""
    least = min((min(one.confidence, one.correct, one.band_low if one.band_low is not None else 1.0) for one in bins), default=0.0)
    low = max(0.0, int(least * 10 - 0.3) / 10)
    frame = ReliabilityDrawing((), low, ())
    span = 1 - low

    def x(value: float) -> float:
        return round(frame.left + (value - low) / span * (frame.right - frame.left), 1)

    def y(value: float) -> float:
        return round(frame.bottom - (value - low) / span * (frame.bottom - frame.top), 1)

    largest = max((one.weight for one in bins), default=1.0)
    drawn = tuple(
        BinDrawing(
            x=x(one.confidence),
            y=y(one.correct),
            r=round(3 + 4 * (one.weight / largest) ** 0.5, 1),
            band_top=None if one.band_high is None else y(one.band_high),
            band_bottom=None if one.band_low is None else y(one.band_low),
            outside=one.band_low is not None and one.band_high is not None and not one.band_low <= one.correct <= one.band_high,
            said=f"said {one.confidence:.2f}, right {one.correct:.2f} of {one.n}",
        )
        for one in bins
    )
    marks = [low + span * part for part in TICKS]
    return ReliabilityDrawing(drawn, low, tuple((x(mark), y(mark), f"{mark:.2f}".rstrip("0").rstrip(".") or "0") for mark in marks))


@dataclass(frozen=True)
class CurveDrawing:
    """A curve over coverage. ``lines`` are named heights (a limit, an extreme); ``band`` a polygon; ``xs`` and ``ys`` the points, strict to loose."""

    line: str
    band: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]
    lines: tuple[tuple[str, str, float], ...]
    certified: float | None
    x_ticks: tuple[tuple[float, str], ...]
    y_ticks: tuple[tuple[float, str], ...]
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM
    bars: tuple[tuple[float, float, float], ...] = field(default=())


def draw_curve(
    coverage: Sequence[float],
    values: Sequence[float],
    *,
    lower: Sequence[float | None] = (),
    upper: Sequence[float | None] = (),
    lines: Sequence[tuple[str, str, float]] = (),
    certified: float | None = None,
    percent: bool = False,
) -> CurveDrawing:
    """Positions of ``values`` over ``coverage`` (both of the same length), with horizontal ``lines`` (name, kind, value)."""
    high = max([*values, *(value for _, _, value in lines), *(value for value in upper if value is not None)], default=1.0) or 1.0
    if lower and upper:  # a wild end of a band must not press the curve flat
        high = min(high, 2.5 * max([*values, *(value for _, _, value in lines)], default=high))
    high *= 1.08

    def x(share: float) -> float:
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def y(value: float) -> float:
        return round(HEIGHT - BOTTOM - min(max(value, 0.0) / high, 1.0) * (HEIGHT - TOP - BOTTOM), 1)

    xs, ys = tuple(x(share) for share in coverage), tuple(y(value) for value in values)
    band = ""
    if upper and lower:
        over = [(x(share), y(value)) for share, value in zip(coverage, upper, strict=True) if value is not None]
        under = [(x(share), y(value)) for share, value in zip(coverage, lower, strict=True) if value is not None]
        band = " ".join(f"{a},{b}" for a, b in [*over, *reversed(under)])
    step = _step(high)
    marks = [step * number for number in range(int(high / step) + 1)]
    return CurveDrawing(
        line=" ".join(f"{a},{b}" for a, b in zip(xs, ys, strict=True)),
        band=band,
        xs=xs,
        ys=ys,
        lines=tuple((name, kind, y(value)) for name, kind, value in lines),
        certified=None if certified is None else x(certified),
        x_ticks=tuple((x(share), f"{100 * share:.0f} %") for share in TICKS),
        y_ticks=tuple((y(mark), f"{100 * mark:g} %" if percent else f"{mark:g}") for mark in marks),
    )


def _step(high: float) -> float:
    """A round step that gives three to six marks."""
    unit = 10.0 ** len(str(int(high))) if high >= 1 else 1.0
    while high / unit < 3:
        for part in (1, 0.5, 0.2):
            if high / (unit * part) >= 3:
                return round(unit * part, 10)
        unit /= 10
    return round(unit, 10)
