"""Logistic regression of right or wrong on functions of the confidence, by Newton's method, with weights and robust standard errors.

Three columns at most, so it is a few matrix products of (n, 3); scikit-learn would cost its import and gives no standard errors.

References: McCullagh & Nelder (1989) §4; Huber (1967) for the sandwich.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

Floats = NDArray[np.float64]

_MOST_STEPS = 60
_SEPARATED = 50.0


@dataclass(frozen=True, eq=False)
class Fit:
    """Coefficients, one a column, and their covariance. ``problem`` says why there are none (right and wrong are separated, say)."""

    coefficients: Floats
    covariance: Floats
    problem: str = ""


def logistic(columns: Floats, y: Floats, weights: Floats, *, offset: Floats | None = None) -> Fit:
    """Maximum likelihood of ``y`` in [0, 1] on ``columns`` (n, k) with a fixed ``offset``; weights scaled to mean 1."""
    k = columns.shape[1]
    beta = np.zeros(k)
    base = np.zeros(len(y)) if offset is None else offset
    last = -np.inf
    for _ in range(_MOST_STEPS):
        eta = base + columns @ beta
        mu = expit(eta)
        gradient = columns.T @ (weights * (y - mu))
        information = (columns * (weights * mu * (1 - mu))[:, None]).T @ columns
        try:
            step = np.linalg.solve(information + 1e-10 * np.eye(k), gradient)
        except np.linalg.LinAlgError:
            return _none(k, "the confidence does not vary enough to fit a line")
        beta, last = _halved(columns, base, y, weights, beta, step, last)
        if np.abs(beta).max() > _SEPARATED:
            return _none(k, "right and wrong are separated by the confidence, so no slope is the best")
        if np.abs(step).max() < 1e-9:
            break
    mu = expit(base + columns @ beta)
    information = (columns * (weights * mu * (1 - mu))[:, None]).T @ columns
    if not np.isfinite(information).all() or np.linalg.cond(information) > 1e14:
        return _none(k, "the confidence does not vary enough to fit a line")
    scores = columns * (weights * (y - mu))[:, None]
    inverse = np.linalg.inv(information)
    return Fit(beta, inverse @ (scores.T @ scores) @ inverse)


def _halved(columns: Floats, base: Floats, y: Floats, weights: Floats, beta: Floats, step: Floats, last: float) -> tuple[Floats, float]:
    """``beta`` after the step, or after as large a part of it as does not make the likelihood smaller."""
    size = 1.0
    while True:
        at = beta + size * step
        eta = base + columns @ at
        likelihood = float(np.sum(weights * (y * eta - np.logaddexp(0.0, eta))))
        if likelihood >= last - 1e-12 or size < 1e-4:
            return at, likelihood
        size /= 2


def _none(k: int, problem: str) -> Fit:
    return Fit(np.zeros(k), np.zeros((k, k)), problem)
