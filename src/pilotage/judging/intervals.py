"""Wilson's score interval for a share, in plain Python: the one small interval that raters' figures need."""

from __future__ import annotations

import math
from statistics import NormalDist


def wilson(events: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """Lower and upper bound of the share of ``events`` (perhaps expected, not whole) in ``n`` > 0 (Wilson 1927)."""
    z = NormalDist().inv_cdf((1 + level) / 2)
    p = min(1.0, max(0.0, events / n))
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return min(p, max(0.0, centre - half)), max(p, min(1.0, centre + half))
