"""Where things go in the little drawing of a figure against its limit. Numbers only; the template draws them."""

from __future__ import annotations

from dataclasses import dataclass

WIDTH = 240.0
MARGIN = 8.0


@dataclass(frozen=True)
class IntervalDrawing:
    """Positions on the horizontal, in units of the drawing (0 to ``WIDTH``).

    allowed_from, allowed_to
        The stretch in which the figure would pass.
    low, high
        The values at the two ends of the scale.
    counted
        Whether the figure is a count: a point without an interval, on a scale of whole numbers from 0.
    """

    estimate: float
    lower: float
    upper: float
    limit: float
    allowed_from: float
    allowed_to: float
    low: float
    high: float
    width: float = WIDTH
    counted: bool = False


def draw_interval(estimate: float, lower: float, upper: float, *, limit: float, allowed: str) -> IntervalDrawing:
    """The positions of an interval against ``limit``. ``allowed`` is the side on which a figure passes: ``above`` or ``below``."""
    ends = (estimate, lower, upper, limit)
    low, high = min(ends), max(ends)
    room = (high - low) * 0.15 or 0.05
    low, high = low - room, high + room
    if all(0.0 <= end <= 1.0 for end in ends):
        # A share: keep to 0 and 1, and show them where they are near.
        low, high = (0.0 if low < 0.15 else low), (1.0 if high > 0.85 else high)
    return _place(estimate, lower, upper, limit, low=low, high=high, allowed=allowed)


def draw_count(count: float, *, limit: float, allowed: str) -> IntervalDrawing:
    """The positions of a count against ``limit``, on a scale from 0 to a whole number beyond both."""
    return _place(count, count, count, limit, low=0.0, high=max(count, limit, 1.0) + 1.0, allowed=allowed, counted=True)


def _place(
    estimate: float, lower: float, upper: float, limit: float, *, low: float, high: float, allowed: str, counted: bool = False
) -> IntervalDrawing:
    def at(number: float) -> float:
        return round(MARGIN + (number - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    sliver = 3.0 if counted else 0.0  # of what is allowed, where a count's limit lies at the very end of its scale
    return IntervalDrawing(
        estimate=at(estimate),
        lower=at(lower),
        upper=at(upper),
        limit=at(limit),
        allowed_from=min(at(limit), WIDTH - MARGIN - sliver) if allowed == "above" else MARGIN,
        allowed_to=WIDTH - MARGIN if allowed == "above" else max(at(limit), MARGIN + sliver),
        low=low,
        high=high,
        counted=counted,
    )


HISTORY_HEIGHT = 40.0


@dataclass(frozen=True)
class HistoryDrawing:
    """A figure's way through earlier reports, left to right, the last point being the present one; y grows downwards.

    ``points`` are (x, y), or None where nothing was measured; ``line`` the polyline through them; ``limit`` the y of the limit, None without one.
    ``cut``: the present figure is beyond the scale and is drawn at its edge.
    """

    points: list[tuple[float, float] | None]
    line: str
    limit: float | None
    cut: bool
    width: float = WIDTH
    height: float = HISTORY_HEIGHT


def draw_history(past: list[float | None], present: float | None, *, limit: float | None) -> HistoryDrawing:
    """Positions of ``past`` figures and the ``present`` one. The scale ends at three times the largest of past and limit: they stay legible."""
    known = [value for value in past if value is not None]
    top = max([*known, limit or 0.0])
    ceiling = min(max([top, present or 0.0]), 3 * top) if top else (present or 1.0)
    ceiling = (ceiling or 1.0) * 1.1
    figures = [*past, present]
    step = (WIDTH - 2 * MARGIN) / max(len(figures) - 1, 1)

    def height(value: float) -> float:
        return round(HISTORY_HEIGHT - 5 - min(max(value, 0.0) / ceiling, 1.0) * (HISTORY_HEIGHT - 10), 1)

    points = [None if value is None else (round(MARGIN + at * step, 1), height(value)) for at, value in enumerate(figures)]
    return HistoryDrawing(
        points=points,
        line=" ".join(f"{x},{y}" for x, y in (point for point in points if point is not None)),
        limit=None if limit is None else height(limit),
        cut=present is not None and present > ceiling,
    )
