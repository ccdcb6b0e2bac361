"""The small learners that tests and weights stand on: fitted on one half, asked about the other.

Boosted shallow trees see any difference; the logistic one (values and their squares, standardised) sees shifts of mean and spread, and weighs
smoothly. One thread: on samples of this size more threads only wait for each other, and the answer must not depend on their number.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Kind = Literal["boosting", "logistic"]
_EDGE = 1e-4
BINS = 64


class Learner:
    """A probability from columns. ``kind``: boosting | logistic."""

    def __init__(self, kind: Kind = "boosting", *, seed: int = 0) -> None:
        self.kind = kind
        self._seed = seed
        self._centre: Floats = np.zeros(0)
        self._spread: Floats = np.ones(0)
        self._constant: float | None = None
        self._edges: list[Floats] = []
        self._model: Any = None

    def fit(self, x: Floats, y: npt.NDArray[Any], *, weight: Floats | None = None) -> Learner:
        """Learn P(y = 1 | x), (n, d) and (n,) of 0 and 1; NaN in ``x`` is a value of its own."""
        self._constant = float(y[0]) if len(np.unique(y)) < 2 else None
        if self._constant is not None:
            return self
        with _one_thread():
            if self.kind == "boosting":
                from sklearn.ensemble import HistGradientBoostingClassifier

                self._model = HistGradientBoostingClassifier(
                    max_iter=50,
                    learning_rate=0.1,
                    max_leaf_nodes=6,
                    min_samples_leaf=max(20, len(x) // 200),
                    l2_regularization=5.0,
                    early_stopping=False,
                    random_state=self._seed,
                )
                self._edges = [_edges(column) for column in x.T]
                self._model.fit(self._bin(x), y, sample_weight=weight)
            else:
                from sklearn.linear_model import LogisticRegression

                with np.errstate(invalid="ignore"):
                    there = ~np.isnan(x)
                    count = np.maximum(there.sum(axis=0), 1)
                    self._centre = np.where(there, x, 0).sum(axis=0) / count
                    self._spread = np.sqrt((np.where(there, x - self._centre, 0) ** 2).sum(axis=0) / count)
                self._spread[self._spread < 1e-12] = 1.0
                self._model = LogisticRegression(C=0.5, max_iter=300).fit(self._expand(x), y, sample_weight=weight)
        return self

    def predict(self, x: Floats) -> Floats:
        """P(y = 1 | x), kept a little away from 0 and 1."""
        if self._constant is not None:
            return np.full(len(x), np.clip(self._constant, _EDGE, 1 - _EDGE))
        with _one_thread():
            found = self._model.predict_proba(self._bin(x) if self.kind == "boosting" else self._expand(x))[:, 1]
        return np.asarray(np.clip(found, _EDGE, 1 - _EDGE), dtype=np.float64)

    def _bin(self, x: Floats) -> Floats:
        # scikit-learn's own binning of weighted rows costs fifty times the fit.
        return np.column_stack(
            [np.where(np.isnan(column), np.nan, np.searchsorted(edges, column)) for edges, column in zip(self._edges, x.T, strict=True)]
        )

    def _expand(self, x: Floats) -> Floats:
        missing = np.isnan(x)
        z = np.clip(np.where(missing, 0.0, (x - self._centre) / self._spread), -6, 6)
        return np.hstack([z, np.where(missing, 0.0, z**2 - 1), missing.astype(float)])


def _edges(column: Floats) -> Floats:
    """Where a column is cut: at its quantiles, at most 63."""
    values = np.sort(column[~np.isnan(column)])
    return np.unique(values[(np.arange(1, BINS) * len(values)) // BINS]) if len(values) else values


class Regression:
    """A number from columns: boosted shallow trees on squared error."""

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._model: Any = None

    def fit(self, x: Floats, y: Floats, *, weight: Floats | None = None) -> Regression:
        """Learn E(y | x)."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        with _one_thread():
            self._model = HistGradientBoostingRegressor(
                max_iter=100, max_leaf_nodes=12, min_samples_leaf=20, l2_regularization=1.0, early_stopping=False, random_state=self._seed
            ).fit(x, y, sample_weight=weight)
        return self

    def predict(self, x: Floats) -> Floats:
        """E(y | x)."""
        with _one_thread():
            return np.asarray(self._model.predict(x), dtype=np.float64)


@cache
def _threads() -> Any:
    import sklearn.ensemble  # noqa: F401  # loads OpenMP, which is looked up once
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _one_thread() -> Any:
    return _threads().limit(limits=1)


def halves(n: int, *, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """A fold (0 or 1) for each of ``n`` rows, equally many of each."""
    return np.asarray(rng.permutation(np.arange(n) % 2), dtype=np.int64)
