"""Rising curves: isotonic regression, and the two fits of inductive Venn-Abers for every place an item could fall.

Cost: O(n log n) for the sort, then linear.

Reference: Vovk, Petej & Fedorova (2015) "Large-scale probabilistic predictors with and without guarantees of validity", §3: the corners of the
convex minorant are updated from place to place instead of fitting again.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

Floats = NDArray[np.float64]
Point = tuple[float, float]


def pooled(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Distinct x, ascending, with the weighted mean of y and the weight at each."""
    distinct, at = np.unique(x, return_inverse=True)
    mass = np.bincount(at, weights=weights).astype(np.float64)
    return distinct, np.bincount(at, weights=weights * y) / mass, mass


def isotonic_fit(x: Floats, y: Floats, weights: Floats) -> Floats:
    """The rising curve of ``y`` on ``x`` with the least weighted squares, at each item."""
    distinct, means, mass = pooled(x, y, weights)
    fit = np.asarray(isotonic_regression(means, weights=mass).x)
    return fit[np.searchsorted(distinct, x)]


def isotonic_steps(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """The corners of the isotonic curve: both ends of every flat piece; straight lines between."""
    distinct, means, mass = pooled(x, y, weights)
    fit = np.asarray(isotonic_regression(means, weights=mass).x)
    jump = np.flatnonzero(np.diff(fit) != 0)
    corners = np.unique(np.concatenate([[0], jump, jump + 1, [len(fit) - 1]]))
    return distinct[corners], np.clip(fit[corners], 0.0, 1.0)


def venn_abers_steps(x: Floats, y: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """For each distinct x: the isotonic value there with one more item added at x, wrong (p0) and right (p1). Weights scaled to mean 1.

    Only the x where one of the two changes are kept.
    """
    distinct, means, mass = pooled(x, y, weights)
    wide, tall = np.cumsum(mass).tolist(), np.cumsum(mass * means).tolist()
    right = _added_right(wide, tall)
    # Wrong is right seen in a mirror: x and y both turned round.
    back = mass[::-1]
    wrong = 1.0 - _added_right(np.cumsum(back).tolist(), np.cumsum(back * (1 - means[::-1])).tolist())[::-1]
    change = np.flatnonzero((np.diff(right) != 0) | (np.diff(wrong) != 0))
    keep = np.unique(np.concatenate([[0], change, change + 1, [len(distinct) - 1]]))
    return distinct[keep], np.clip(wrong[keep], 0.0, 1.0), np.clip(right[keep], 0.0, 1.0)


def _added_right(wide: list[float], tall: list[float]) -> Floats:
    """The slope of the convex minorant at each step of the cumulative diagram when a step (1, 1) joins it there."""
    # The diagram begins one step (1, 1) early; moving that step from place to place shifts one point a time.
    points: list[Point] = [(-1.0, -1.0), (0.0, 0.0), *zip(wide, tall, strict=True)]
    corners: list[Point] = []
    for point in points:
        while len(corners) > 1 and _turn(corners[-2], corners[-1], point) <= 0:
            corners.pop()
        corners.append(point)
    stack = corners[::-1]
    slopes = np.empty(len(wide))
    for i in range(len(wide)):
        (x0, y0), (x1, y1) = stack[-1], stack[-2]
        slopes[i] = (y1 - y0) / (x1 - x0)
        before, at, after = points[i], points[i + 1], points[i + 2]
        moved = (before[0] + after[0] - at[0], before[1] + after[1] - at[1])
        points[i + 1] = moved
        # The point moved is a new beginning of the diagram; it is a corner unless it lies on or above what is there.
        if _turn(stack[-1], stack[-2], moved) >= 0:
            continue
        stack.pop()
        while len(stack) > 1 and _turn(moved, stack[-1], stack[-2]) <= 0:
            stack.pop()
        stack.append(moved)
    return slopes


def _turn(a: Point, b: Point, c: Point) -> float:
    """Positive if a → b → c turns left."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
