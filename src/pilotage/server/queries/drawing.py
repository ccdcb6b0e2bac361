"""Where things go in the little drawing of an interval against its limit. Numbers only; the template draws them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

WIDTH = 240.0
MARGIN = 8.0


@dataclass(frozen=True)
class IntervalDrawing:
    """Positions on the horizontal, in units of the drawing (0 to ``WIDTH``).

    allowed_from, allowed_to
        The stretch in which the figure would pass.
    low, high
        The values at the two ends of the scale.
    """

    estimate: float
    lower: float
    upper: float
    limit: float
    allowed_from: float
    allowed_to: float
    low: float
    high: float
    limit_value: float
    width: float = WIDTH


def draw_interval(estimate: float | None, lower: float | None, upper: float | None, limit: dict[str, Any]) -> IntervalDrawing | None:
    """The positions, or None where there is no figure or no limit to draw it against."""
    value = limit.get("value", limit.get("margin"))
    if estimate is None or lower is None or upper is None or not isinstance(value, int | float):
        return None
    kind = limit.get("kind")
    bound = -float(value) if kind == "no_worse_than" and limit.get("direction") != "lower_is_better" else float(value)
    ends = (estimate, lower, upper, bound)
    low, high = min(ends), max(ends)
    room = (high - low) * 0.15 or 0.05
    low, high = low - room, high + room
    if all(0.0 <= end <= 1.0 for end in ends):
        low, high = max(0.0, low), min(1.0, high)
        if low < 0.15:
            low = 0.0
        if high > 0.85:
            high = 1.0

    def place(number: float) -> float:
        return round(MARGIN + (number - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    upward = kind in ("at_least", "no_worse_than") and limit.get("direction") != "lower_is_better"
    return IntervalDrawing(
        estimate=place(estimate),
        lower=place(lower),
        upper=place(upper),
        limit=place(bound),
        allowed_from=place(bound) if upward else MARGIN,
        allowed_to=WIDTH - MARGIN if upward else place(bound),
        low=low,
        high=high,
        limit_value=bound,
    )
