"""Rising curves."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.judging.calibration.monotone import isotonic_fit, isotonic_steps, venn_abers_steps

POINTS = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 1)), min_size=1, max_size=40)


@settings(max_examples=200, deadline=None)
@given(POINTS, st.booleans())
def test_venn_abers_is_two_isotonic_fits_with_the_item_added(points: list[tuple[int, int]], weighted: bool) -> None:
    x = np.array([a for a, _ in points]) / 12
    y = np.array([float(b) for _, b in points])
    w = np.linspace(0.5, 1.5, len(x)) if weighted else np.ones(len(x))
    steps, low, high = venn_abers_steps(x, y, w)
    for at in np.unique(x):
        for label, values, side in ((0.0, low, "right"), (1.0, high, "left")):
            brute = isotonic_fit(np.append(x, at), np.append(y, label), np.append(w, 1.0))[-1]
            place = np.searchsorted(steps, at, side="right") - 1 if side == "right" else np.searchsorted(steps, at)
            assert np.isclose(values[place], brute, atol=1e-9)


@settings(max_examples=100, deadline=None)
@given(POINTS)
def test_the_corners_of_an_isotonic_curve_hold_all_of_it(points: list[tuple[int, int]]) -> None:
    x = np.array([a for a, _ in points]) / 12
    y = np.array([float(b) for _, b in points])
    corners, values = isotonic_steps(x, y, np.ones(len(x)))
    assert np.allclose(np.interp(x, corners, values), isotonic_fit(x, y, np.ones(len(x))))
    assert (np.diff(values) >= -1e-12).all()
