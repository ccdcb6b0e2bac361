"""Where things go in the little drawing of an interval against its limit. Numbers only; the template draws them."""

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


def draw_interval(estimate: float, lower: float, upper: float, *, limit: float, allowed: str) -> IntervalDrawing:
    """The positions of an interval against ``limit``. ``allowed`` is the side on which a figure passes: ``above`` or ``below``."""
    ends = (estimate, lower, upper, limit)
    low, high = min(ends), max(ends)
    room = (high - low) * 0.15 or 0.05
    low, high = low - room, high + room
    if all(0.0 <= end <= 1.0 for end in ends):
        # A share: keep to 0 and 1, and show them where they are near.
        low, high = (0.0 if low < 0.15 else low), (1.0 if high > 0.85 else high)

    def place(number: float) -> float:
        return round(MARGIN + (number - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    return IntervalDrawing(
        estimate=place(estimate),
        lower=place(lower),
        upper=place(upper),
        limit=place(limit),
        allowed_from=place(limit) if allowed == "above" else MARGIN,
        allowed_to=WIDTH - MARGIN if allowed == "above" else place(limit),
        low=low,
        high=high,
    )
