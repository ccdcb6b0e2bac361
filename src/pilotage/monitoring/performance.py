"""Realised performance: what the labels that are known say, with intervals.

Accuracy, precision, recall and specificity are rates (Wilson); F1 is a ratio of counts (Dirichlet draws of the four cells of the confusion
matrix, with half a row in each, so that the interval has a width where nothing was wrong); AUC has DeLong's interval on the logit scale. What
divides by nothing is not assessable: precision without a positive decision is not 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotage.core import InputError
from pilotage.evidence import Evidence, not_assessable, wilson
from pilotage.monitoring.ranks import rank_sum
from pilotage.monitoring.windows import Window

Floats = npt.NDArray[np.float64]
METRICS = ("accuracy", "precision", "recall", "f1", "specificity")
DRAWS = 2000


@dataclass(frozen=True)
class Confusion:
    """Counts, or expected counts, of the four outcomes; arrays of one shape where many are worked out at once."""

    tp: Any
    fp: Any
    fn: Any
    tn: Any

    def parts(self, metric: str) -> tuple[Any, Any]:
        """Numerator and denominator of ``metric``."""
        tp, fp, fn, tn = self.tp, self.fp, self.fn, self.tn
        return {
            "accuracy": (tp + tn, tp + fp + fn + tn),
            "precision": (tp, tp + fp),
            "recall": (tp, tp + fn),
            "specificity": (tn, tn + fp),
            "f1": (2 * tp, 2 * tp + fp + fn),
        }[metric]

    def value(self, metric: str) -> Any:
        """``metric``; NaN within arrays where the denominator is 0 (never shown: the caller says why there is no figure)."""
        over, under = self.parts(metric)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(np.asarray(under) > 0, np.divide(over, under), np.nan)


EMPTY = {
    "precision": "nothing was decided positive",
    "recall": "no case is truly positive",
    "specificity": "no case is truly negative",
    "f1": "nothing was decided positive and no case is",
    "accuracy": "no row has a label",
    "auc": "the labels are all of one class",
}


@dataclass(frozen=True)
class Performance:
    """Figures of a window by metric; ``known`` of its ``n`` rows have a label."""

    figures: tuple[Evidence, ...]
    n: int
    known: int

    def figure(self, metric: str) -> Evidence:
        """``accuracy``, ``precision``, ``recall``, ``f1``, ``specificity`` or ``auc``."""
        return next(each for each in self.figures if each.metric.rpartition(".")[2] == metric)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"n": self.n, "known": self.known, "figures": [each.to_dict() for each in self.figures]}

    def __str__(self) -> str:
        return "\n".join([f"{self.known} of {self.n} rows have a label", *(f"  {each}" for each in self.figures)])


def realised_performance(
    window: Window, *, level: float = 0.95, seed: int = 0, subject: Mapping[str, Any] | None = None, slice: Mapping[str, str] | None = None
) -> Performance:
    """The performance on the rows whose label is known. Rows whose label is still out are counted, not guessed.

    Raises
    ------
    InputError
        If the window has no decisions.
    """
    if window.decisions is None:
        raise InputError("A window without decisions has no performance.", where="window field 'decisions'")
    known = window.known
    truth, said = (window.labels == 1)[known] if window.labels is not None else np.zeros(0, dtype=np.bool_), window.decisions[known]
    n = int(known.sum())
    confusion = Confusion(*(int(x.sum()) for x in (truth & said, ~truth & said, truth & ~said, ~truth & ~said)))
    about: dict[str, Any] = {"level": level, "slice": dict(slice or {}), "subject": dict(subject or {})}
    notes = {"labels_out": window.n - n}
    figures: list[Evidence] = []
    for metric in METRICS:
        over, under = confusion.parts(metric)
        name = f"realised.{metric}"
        if not under:
            figures.append(not_assessable(name, reason=EMPTY[metric] if n else EMPTY["accuracy"], n=n, detail=notes, **about))
        elif metric == "f1":
            drawn = _draw(confusion, seed=seed).value("f1")
            lower, upper = np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2))
            f1 = over / under
            figures.append(_measured(name, f1, min(f1, lower), max(f1, upper), n, "Dirichlet draws of the confusion matrix", notes, about))
        else:
            interval = wilson(over, under, level=level)
            figures.append(
                _measured(name, over / under, interval.lower, interval.upper, under, interval.method, {**notes, "n_effective": under}, about)
            )
    figures.append(_auc(window, truth, known, notes, about))
    return Performance(tuple(figures), window.n, n)


def _auc(window: Window, truth: npt.NDArray[np.bool_], known: npt.NDArray[np.bool_], notes: dict[str, Any], about: dict[str, Any]) -> Evidence:
    n = len(truth)
    if window.scores is None:
        return not_assessable("realised.auc", reason="the window has no scores", n=n, detail=notes, **about)
    if truth.all() or not truth.any():
        return not_assessable("realised.auc", reason=EMPTY["auc"] if n else EMPTY["accuracy"], n=n, detail=notes, **about)
    ranked = rank_sum(window.scores[known], truth)
    lower, upper = ranked.interval(level=about["level"])
    return _measured("realised.auc", ranked.auc, lower, upper, n, "DeLong", notes, about)


def _measured(
    metric: str, estimate: float, lower: float, upper: float, n: int, method: str, notes: dict[str, Any], about: dict[str, Any]
) -> Evidence:
    return Evidence(
        metric=metric,
        status="measured",
        estimate=float(estimate),
        lower=float(lower),
        upper=float(upper),
        n=n,
        n_clusters=None,
        method=method,
        detail=notes,
        **about,
    )


def _draw(confusion: Confusion, *, seed: int) -> Confusion:
    cells = np.array([confusion.tp, confusion.fp, confusion.fn, confusion.tn]) + 0.5
    return Confusion(*np.random.default_rng(seed).standard_gamma(cells, (DRAWS, 4)).T)
