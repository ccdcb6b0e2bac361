"""Intervals of a share, in plain Python: what every room that gives a rate needs.

References: Wilson (1927); Clopper & Pearson (1934); Korn & Graubard (1998) for Student's t in place of the normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pilotage.core.distributions import beta_quantile, normal_quantile, t_quantile
from pilotage.core.errors import InputError

_ROUNDING = 1e-9  # of n: sums of expected counts may pass it by so much


@dataclass(frozen=True)
class Interval:
    """An interval at a confidence level."""

    lower: float
    upper: float
    level: float
    method: str


def wilson(events: float, n: float, *, level: float = 0.95, df: float | None = None) -> Interval:
    """Wilson's score interval of ``events`` in ``n`` > 0 (perhaps expected or effective numbers). ``df``: Student's t in place of the normal."""
    events = _checked(events, n, level)
    z = normal_quantile((1 + level) / 2) if df is None else t_quantile((1 + level) / 2, df)
    p = events / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # At 0 and n the bound is exact; rounding must not push it past the rate.
    lower = 0.0 if events == 0 else min(p, max(0.0, centre - half))
    upper = 1.0 if events == n else max(p, min(1.0, centre + half))
    return Interval(lower, upper, level, "Wilson")


def share_bounds(events: float, n: float, *, level: float = 0.95) -> tuple[float, float]:
    """The two bounds of :func:`wilson`."""
    found = wilson(events, n, level=level)
    return found.lower, found.upper


def clopper_pearson(events: int, n: int, *, level: float = 0.95) -> Interval:
    """The exact interval of ``events`` in ``n`` > 0 independent trials: coverage is never below ``level``."""
    _checked(events, n, level)
    tail = (1 - level) / 2
    lower = beta_quantile(tail, events, n - events + 1) if events else 0.0
    upper = beta_quantile(1 - tail, events + 1, n - events) if events < n else 1.0
    return Interval(lower, upper, level, "Clopper-Pearson")


def _checked(events: float, n: float, level: float) -> float:
    slack = _ROUNDING * n if n > 0 else 0.0
    if not n > 0 or not -slack <= events <= n + slack or not 0 < level < 1:
        raise InputError(f"{events} of {n} at level {level} is no rate.", mend="n > 0, 0 ≤ events ≤ n, 0 < level < 1")
    return min(max(events, 0), n)
