"""Label shift: there are more (or fewer) positives than before, and each class looks as it did. P(Y) changed, P(X | Y) did not.

It moves P(Y | X) too, so it would be read as concept drift by anything that looks at that alone; it is told apart by asking whether each class still
looks the same. With labels: the change of the prior has an interval, and P(X | Y) is tested within the classes, by the domain classifier with labels
exchanged within strata and by the mean of the score and of every column. Without labels: black-box shift estimation solves the confusion matrix of
the reference for the prior that explains today's decisions; it is right only if it *is* label shift, and says so.

References: Lipton, Wang & Smola (2018) for BBSE; Saerens, Latinne & Decaestecker (2002).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotage.core import InputError
from pilotage.core.distributions import normal_cdf
from pilotage.evidence import Evidence, not_assessable
from pilotage.monitoring.columns import Matrix, pair_columns, to_matrix
from pilotage.monitoring.distances import rate_change
from pilotage.monitoring.domain import tell_apart
from pilotage.monitoring.ranks import midranks
from pilotage.monitoring.windows import Window

Floats = npt.NDArray[np.float64]
MIN_PER_CLASS = 50
DRAWS = 1000


@dataclass(frozen=True)
class LabelShift:
    """What is known about P(Y).

    prior_change
        Change of the share of positives among labelled rows.
    p_x_given_y
        p of "each class looks as it did"; None where not assessable.
    estimated_prior
        The share of positives that explains the decisions if all else is label shift; needs no production label.
    """

    prior_change: Evidence
    p_x_given_y: float | None
    estimated_prior: Evidence

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {"prior_change": self.prior_change.to_dict(), "p_x_given_y": self.p_x_given_y, "estimated_prior": self.estimated_prior.to_dict()}

    def __str__(self) -> str:
        return f"{self.prior_change}\nP(X | Y) unchanged: p = {self.p_x_given_y}\n{self.estimated_prior}"


def label_shift(
    reference: Window,
    production: Window,
    *,
    most_rows: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> LabelShift:
    """Ask both questions of label shift: did the share of positives change, and does each class still look as it did?"""
    labels = [
        np.asarray(each.labels)[each.known] == 1 if each.labels is not None else np.zeros(0, dtype=np.bool_) for each in (reference, production)
    ]
    change = rate_change(
        "labels.prior_change", int(labels[0].sum()), len(labels[0]), int(labels[1].sum()), len(labels[1]), level=level, subject=subject
    )
    p_value = None
    smallest = min(min(int(each.sum()), int((~each).sum())) for each in labels)
    if smallest >= MIN_PER_CLASS:
        windows = (reference.take(reference.known), production.take(production.known))
        paired = pair_columns(windows[0].features, windows[1].features)
        matrix = to_matrix(paired.columns)
        if windows[0].scores is not None and windows[1].scores is not None:
            matrix = Matrix(
                np.column_stack([matrix.reference, windows[0].scores]),
                np.column_stack([matrix.production, windows[1].scores]),
                (*matrix.owner, "score"),
            )
        strata = (labels[0].astype(np.int64), labels[1].astype(np.int64))
        by_classifier = tell_apart(matrix, most_rows=most_rows, seed=seed, strata=strata).p_value
        p_value = min(1.0, 2 * min(by_classifier, _means_within_classes(matrix, strata)))
    return LabelShift(change, p_value, black_box_prior(reference, production, level=level, seed=seed, subject=subject))


def _means_within_classes(matrix: Matrix, strata: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]) -> float:
    """Bonferroni over columns of the stratified rank-sum test (van Elteren), both classes on their own: shifts may have opposite signs."""
    least, tests = 1.0, 0
    for j in range(matrix.reference.shape[1]):
        for value in (0, 1):
            first, second = matrix.reference[strata[0] == value, j], matrix.production[strata[1] == value, j]
            p = rank_sum_p(first[~np.isnan(first)], second[~np.isnan(second)])
            if p is not None:
                least, tests = min(least, p), tests + 1
    return min(1.0, least * max(1, tests))


def rank_sum_p(first: Floats, second: Floats) -> float | None:
    """Two-sided p of the rank-sum test with ties (normal); None where a side is empty or nothing varies."""
    n, m = len(first), len(second)
    if not n or not m:
        return None
    ranks = midranks(np.concatenate([first, second]))
    total = n + m
    spread = float(((ranks - (total + 1) / 2) ** 2).sum())
    variance = n * m * spread / (total * max(1, total - 1))
    if variance <= 0:
        return None
    z = (float(ranks[n:].sum()) - m * (total + 1) / 2) / math.sqrt(variance)
    return 2 * normal_cdf(-abs(z))


def black_box_prior(
    reference: Window, production: Window, *, level: float = 0.95, seed: int = 0, subject: Mapping[str, Any] | None = None
) -> Evidence:
    """The share of positives in production that explains its decisions by label shift alone. Needs no production label.

    Not assessable where the decisions hardly depend on the truth: then nothing can be solved for.

    Raises
    ------
    InputError
        If a window has no decisions.
    """
    if reference.decisions is None or production.decisions is None:
        raise InputError("A window without decisions has no confusion matrix.", where="black-box shift estimation")
    metric = "labels.estimated_prior"
    about: dict[str, Any] = {"level": level, "subject": dict(subject or {})}
    known = reference.known
    truth = (np.asarray(reference.labels) == 1)[known] if reference.labels is not None else np.zeros(0, dtype=np.bool_)
    said = reference.decisions[known]
    if min(int(truth.sum()), int((~truth).sum())) < MIN_PER_CLASS or production.n < MIN_PER_CLASS:
        return not_assessable(metric, reason=f"fewer than {MIN_PER_CLASS} rows of a class or since", n=production.n, **about)
    cells = np.array([[(truth & said).sum(), (truth & ~said).sum()], [(~truth & said).sum(), (~truth & ~said).sum()]], dtype=float)
    positive = float(production.decisions.sum())
    rng = np.random.default_rng([seed, 17])
    hit, false = (rng.beta(row[0] + 0.5, row[1] + 0.5, DRAWS) for row in cells)
    flagged = rng.beta(positive + 0.5, production.n - positive + 0.5, DRAWS)
    gap = cells[0, 0] / cells[0].sum() - cells[1, 0] / cells[1].sum()
    if gap < 0.05 or float(np.quantile(hit - false, 0.01)) <= 0:
        return not_assessable(metric, reason="decisions hardly depend on the truth, so they do not say what it is", n=production.n, **about)
    estimate = float(np.clip((positive / production.n - cells[1, 0] / cells[1].sum()) / gap, 0, 1))
    drawn = np.clip((flagged - false) / np.maximum(hit - false, 1e-6), 0, 1)
    low, high = (float(q) for q in np.quantile(drawn, ((1 - level) / 2, (1 + level) / 2)))
    lower, upper = min(low, estimate), max(high, estimate)
    if upper - lower < 1e-9:  # both at the edge: one row could still be otherwise
        lower, upper = max(0.0, lower - 1 / production.n), min(1.0, upper + 1 / production.n)
    return Evidence(
        metric=metric,
        status="measured",
        estimate=estimate,
        lower=lower,
        upper=upper,
        n=production.n,
        n_clusters=None,
        method="black-box shift estimation",
        detail={"supposes": "label shift and nothing else", "prior_reference": float(truth.mean()), "seed": seed},
        **about,
    )
