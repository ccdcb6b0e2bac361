"""Regression before labels: the expected error of each prediction, learned from the reference ("direct loss estimation").

A second model learns, on rows of the reference with known truth, how large the error of a prediction is, given the inputs and the prediction; on
production it says what error to expect. Cross-fitted on the reference, so that its own errors there are those of rows it has not seen; the interval
holds them (resampled within bands of expected loss) and the chance of the window. Like CBPE it is **blind to concept drift**.

Cost: three fits of 100 trees.

Reference: "direct loss estimation" (NannyML, 2022).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pilotage.core import InputError
from pilotage.evidence import Evidence, not_assessable
from pilotage.monitoring.columns import Matrix, pair_columns, to_matrix
from pilotage.monitoring.estimation import BLIND, MIN_REFERENCE, MIN_ROWS
from pilotage.monitoring.learners import Regression, halves

Floats = npt.NDArray[np.float64]
BANDS = 50
REPLICATES = 300
# The learner answers the mean of what it saw; where the reference's own rows come out further off than this, it has learned nothing to rely on.
MOST_BIAS = 0.1


@dataclass(frozen=True)
class LossEstimate:
    """Expected loss of a window: ``estimated.mae`` (or ``rmse``), how it rose since the reference, and why there is none."""

    figure: Evidence
    rise: Evidence
    refusals: tuple[str, ...]
    notes: tuple[str, ...] = (BLIND,)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"figure": self.figure.to_dict(), "rise": self.rise.to_dict(), "refusals": list(self.refusals), "notes": list(self.notes)}

    def __str__(self) -> str:
        return "\n".join([str(self.figure), str(self.rise), *self.notes])


def estimate_loss(
    reference: pa.Table,
    production: pa.Table,
    *,
    predicted: tuple[Floats, Floats],
    truth: Floats,
    metric: str = "mae",
    min_rows: int = MIN_ROWS,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> LossEstimate:
    """The error to expect of a regression model on ``production``, whose truth is not known.

    Parameters
    ----------
    predicted
        The model's predictions of both tables, (n,) and (m,).
    truth
        What was true on the reference, (n,), rows the model was not trained on.
    metric
        ``mae`` or ``rmse``, in the unit of the truth.

    Raises
    ------
    InputError
        If lengths differ, a value is not finite, or ``metric`` is another.
    """
    if metric not in ("mae", "rmse"):
        raise InputError(f"'{metric}' is not a loss that is estimated.", mend="use mae or rmse")
    before, after = (np.asarray(each, dtype=np.float64) for each in predicted)
    known = np.asarray(truth, dtype=np.float64)
    if len(before) != reference.num_rows or len(after) != production.num_rows or len(known) != reference.num_rows:
        raise InputError("There is not one prediction (and one truth) per row.", where="estimate_loss")
    if not (np.isfinite(before).all() and np.isfinite(after).all() and np.isfinite(known).all()):
        raise InputError("A prediction or a truth is not finite.", where="estimate_loss", mend="leave these rows out, and count them")
    about: dict[str, Any] = {"level": level, "subject": dict(subject or {})}
    refusals = []
    if len(after) < min_rows:
        refusals.append(f"{len(after)} rows are fewer than {min_rows}")
    if len(known) < MIN_REFERENCE:
        refusals.append(f"{len(known)} reference rows are fewer than {MIN_REFERENCE}")
    loss = np.abs(before - known) if metric == "mae" else (before - known) ** 2
    if not refusals and np.ptp(loss) == 0:
        refusals.append("the reference's errors are all the same: nothing can be learned of them")
    if not refusals:
        matrix = to_matrix(pair_columns(reference, production).columns)
        expected_before, expected_after = _expect(_with(matrix, before, after), loss, seed=seed)
        bias = abs(float(expected_before.mean() - loss.mean())) / float(loss.mean())
        if bias > MOST_BIAS:
            refusals.append(f"the expected error of reference rows it has not seen is off by {bias:.0%} of the real one")
    if refusals:
        reason = "refused: " + "; ".join(refusals)
        nothing = [not_assessable(f"{kind}.{metric}", reason=reason, n=len(after), **about) for kind in ("estimated", "estimated_rise")]
        return LossEstimate(nothing[0], nothing[1], tuple(refusals))
    return _figures(metric, loss, expected_before, expected_after, about, seed)


def _with(matrix: Matrix, before: Floats, after: Floats) -> Matrix:
    return Matrix(np.column_stack([matrix.reference, before]), np.column_stack([matrix.production, after]), (*matrix.owner, "prediction"))


def _expect(matrix: Matrix, loss: Floats, *, seed: int) -> tuple[Floats, Floats]:
    fold = halves(len(loss), rng=np.random.default_rng([seed, 23]))
    before = np.empty(len(loss))
    for k in (0, 1):
        before[fold == k] = Regression(seed=seed).fit(matrix.reference[fold != k], loss[fold != k]).predict(matrix.reference[fold == k])
    after = Regression(seed=seed).fit(matrix.reference, loss).predict(matrix.production)
    return np.maximum(before, 0), np.maximum(after, 0)


def _figures(metric: str, loss: Floats, before: Floats, after: Floats, about: dict[str, Any], seed: int) -> LossEstimate:
    """Intervals: losses of rows of the same band of expected loss are exchangeable, so a row of the window is drawn from its band."""
    rng = np.random.default_rng([seed, 29])
    edges = np.unique(np.quantile(before, np.arange(1, BANDS) / BANDS))
    band, new = np.searchsorted(edges, before, side="right"), np.searchsorted(edges, after, side="right")
    k = len(edges) + 1
    rows = np.bincount(band, minlength=k).astype(np.float64)
    mean = np.bincount(band, weights=loss, minlength=k) / np.maximum(rows, 1)
    variance = np.maximum(np.bincount(band, weights=loss**2, minlength=k) / np.maximum(rows, 1) - mean**2, 0)
    counts = np.bincount(new, minlength=k).astype(np.float64)
    share = counts / counts.sum()
    # The band's mean is known this well, and the window's own rows scatter around it this much.
    learned = np.sqrt(float((share**2 * variance / np.maximum(rows, 1)).sum()))
    chance = np.sqrt(float((share * variance).sum()) / len(after))
    moved = np.sqrt(float(after.var()) / len(after))
    own = np.sqrt(float(loss.var()) / len(loss))
    exact, base = float(after.mean()), float(loss.mean())
    drawn = exact + rng.normal(size=REPLICATES * 10) * np.hypot(learned, chance)
    drawn_rise = (exact + rng.normal(size=REPLICATES * 10) * np.hypot(learned, moved)) - (base + rng.normal(size=REPLICATES * 10) * own)
    to = np.sqrt if metric == "rmse" else np.asarray
    value, reference = float(to(exact)), float(to(base))
    if metric == "rmse":
        drawn_rise = np.sqrt(np.maximum(base + drawn_rise, 0)) - np.sqrt(base)
    drawn = to(np.maximum(drawn, 0))

    def figure(name: str, estimate: float, values: Floats, least: float) -> Evidence:
        low, high = np.quantile(values, ((1 - about["level"]) / 2, (1 + about["level"]) / 2))
        return Evidence(
            metric=name,
            status="measured",
            estimate=estimate,
            lower=max(least, min(estimate - 1e-12, float(low))),
            upper=max(estimate + 1e-12, float(high)),
            n=len(after),
            n_clusters=None,
            method="direct loss estimation",
            detail={"reference": reference, "seed": seed, "blind_to": "concept drift"},
            **about,
        )

    return LossEstimate(
        figure(f"estimated.{metric}", value, np.asarray(drawn), 0.0),
        figure(f"estimated_rise.{metric}", value - reference, drawn_rise, -reference),
        (),
    )
