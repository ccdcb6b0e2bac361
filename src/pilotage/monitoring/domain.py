"""Can a classifier tell production from the reference? The two-sample test, and the columns behind it.

Both samples are halved; a classifier learns on one half which sample a row came from, and is asked about the other half, then the other way round.
The p-value is that of exchanging the labels of the **held-out** half while the scores stay: the scores are a fixed function of rows the classifier
has not seen, so under "no drift" every assignment of labels is equally likely and the test is valid whatever the classifier does. (Exchanging the
labels of out-of-fold scores of one cross-validation would not be: there each score depends on the other labels.) The exact permutation mean and
variance of the rank sum, ties included, with a normal tail stand in for drawing. The two halves' p-values depend on each other, so twice their mean
is taken, which is valid under any dependence.

With ``strata`` labels are exchanged within each stratum only: given the true class as the stratum, it is the test of P(X | Y).

``pi`` is the cross-fitted probability that a row came from production if both samples had the same size: the density ratio is pi / (1 - pi).

Cost: two fits of 50 shallow trees on half of at most ``most_rows`` rows each, about 0.1 s for 5,000 rows × 10 columns.

References: Lopez-Paz & Oquab (2017) for the test; Vovk & Wang (2020) for the mean of p-values; Bickel, Brückner & Scheffer (2007) for the ratio.
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
from pilotage.monitoring.columns import LevelPair, Matrix, Paired, pair_columns, to_matrix
from pilotage.monitoring.distances import total_variation
from pilotage.monitoring.learners import Floats, Kind, Learner, halves
from pilotage.monitoring.ranks import logit_interval, rank_sum
from pilotage.monitoring.windows import Window

MIN_ROWS = 100
OUTSIDE = 0.95


@dataclass(frozen=True)
class Contribution:
    """What one column has to do with telling the samples apart.

    alone
        How well it tells them apart by itself, 0 to 1: abs(2 AUC - 1) of a number, total variation of levels; missing values count as a value.
    importance
        How much of the held-out AUC is lost when the column is shuffled.
    """

    column: str
    alone: float
    importance: float


@dataclass(frozen=True)
class DomainTest:
    """What the classifier found.

    auc
        Held-out area under the curve: 0.5 is "cannot tell".
    p_value
        One-sided p under exchange of held-out labels; None where not assessable.
    pi_reference, pi_production
        P(production | x) for each row, equal prior, cross-fitted.
    outside
        Share of production rows with pi > 0.95: where the reference has next to nothing, and no weighting helps.
    columns
        The columns behind it, the most telling first.
    """

    auc: Evidence
    p_value: float | None
    pi_reference: Floats
    pi_production: Floats
    outside: float
    columns: tuple[Contribution, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, without the rows."""
        return {
            "auc": self.auc.to_dict(),
            "p_value": self.p_value,
            "outside": self.outside,
            "columns": [{"column": each.column, "alone": each.alone, "importance": each.importance} for each in self.columns],
        }

    def __str__(self) -> str:
        behind = ", ".join(f"{each.column} ({each.importance:+.3f})" for each in self.columns[:3])
        return f"{self.auc}; p = {self.p_value}; behind it: {behind}"


def domain_test(
    reference: Window,
    production: Window,
    *,
    kind: Kind = "boosting",
    explain: bool = True,
    most_rows: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> DomainTest:
    """Test whether the features of both windows come from one distribution.

    Parameters
    ----------
    kind
        ``boosting`` (any difference) or ``logistic`` (mean and spread; smoother weights).
    explain
        Whether to work out the columns behind it.
    most_rows
        Rows of each window that are used, drawn with ``seed``; the figure's n and detail say how many. Rows not drawn get their ``pi`` from the
        mean of both classifiers.

    Raises
    ------
    InputError
        If the windows have no comparable column in common.
    """
    paired = pair_columns(reference.features, production.features)
    if not paired.columns:
        raise InputError("The two windows have no column that can be compared.", where="domain test")
    matrix = to_matrix(paired.columns)
    n, m = reference.n, production.n
    if min(n, m) < MIN_ROWS:
        reason = f"{n} reference rows and {m} since: fewer than {MIN_ROWS}"
        nothing = not_assessable("drift.domain_auc", reason=reason, n=min(n, m), level=level, subject=subject)
        return DomainTest(nothing, None, np.full(n, 0.5), np.full(m, 0.5), 0.0, ())
    found = tell_apart(matrix, kind=kind, most_rows=most_rows, seed=seed)
    lower, upper = logit_interval(found.auc, found.variance, n=min(found.used), level=level)
    auc = Evidence(
        metric="drift.domain_auc",
        status="measured",
        estimate=found.auc,
        lower=lower,
        upper=upper,
        level=level,
        n=min(found.used),
        n_clusters=None,
        method="held-out halves, DeLong",
        subject=dict(subject or {}),
        detail={"p_value": found.p_value, "classifier": kind, "n_reference": found.used[0], "n_production": found.used[1], "seed": seed},
    )
    columns = found.contributions(paired, matrix, seed=seed) if explain else ()
    outside = float((found.pi_production > OUTSIDE).mean())
    return DomainTest(auc, found.p_value, found.pi_reference, found.pi_production, outside, columns)


@dataclass(frozen=True)
class Told:
    """The raw result of :func:`tell_apart`."""

    auc: float
    variance: float
    p_value: float
    pi_reference: Floats
    pi_production: Floats
    used: tuple[int, int]
    _learners: tuple[Learner, Learner]
    _x: Floats
    _is_production: npt.NDArray[np.bool_]
    _fold: npt.NDArray[np.int64]

    def contributions(self, paired: Paired, matrix: Matrix, *, seed: int) -> tuple[Contribution, ...]:
        """How much each column matters: alone, and to the classifiers (half by half, on rows they have not seen)."""
        rng = np.random.default_rng([seed, 7])
        owner = np.array(matrix.owner)
        base = [rank_sum(self._scores(fold), self._is_production[self._fold == fold]).auc for fold in (0, 1)]
        made = []
        for pair in paired.columns:
            at = np.flatnonzero(owner == pair.name)
            lost = []
            for fold in (0, 1):
                x = self._x[self._fold == fold]
                shuffled = x.copy()
                shuffled[:, at] = x[rng.permutation(len(x))][:, at]
                lost.append(base[fold] - rank_sum(self._learners[fold].predict(shuffled), self._is_production[self._fold == fold]).auc)
            made.append(Contribution(pair.name, _alone(pair), float(np.mean(lost))))
        return tuple(sorted(made, key=lambda each: (-each.importance, -each.alone, each.column)))

    def _scores(self, fold: int) -> Floats:
        return self._learners[fold].predict(self._x[self._fold == fold])


def tell_apart(
    matrix: Matrix,
    *,
    kind: Kind = "boosting",
    most_rows: int = 10_000,
    seed: int = 0,
    strata: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None,
) -> Told:
    """The test on a matrix. ``strata``: a stratum of each row; rows weigh so that every stratum is equally heavy on both sides."""
    rng = np.random.default_rng([seed, 1])
    n, m = len(matrix.reference), len(matrix.production)
    rows = [np.sort(rng.permutation(size)[:most_rows]) for size in (n, m)]
    x = np.vstack([matrix.reference[rows[0]], matrix.production[rows[1]]])
    where = np.repeat([False, True], [len(rows[0]), len(rows[1])])
    stratum = np.zeros(len(x), dtype=np.int64) if strata is None else np.concatenate([strata[0][rows[0]], strata[1][rows[1]]])
    fold = np.empty(len(x), dtype=np.int64)
    for value in np.unique(stratum):
        for side in (False, True):
            at = (stratum == value) & (where == side)
            fold[at] = halves(int(at.sum()), rng=rng)
    weight = _balance(stratum, where)
    # learners[k] has not seen fold k.
    learners = tuple(Learner(kind, seed=seed).fit(x[fold != k], where[fold != k], weight=weight[fold != k]) for k in (0, 1))
    score = np.empty(len(x))
    p_values, areas, variances = [], [], []
    for k in (0, 1):
        held = fold == k
        score[held] = learners[k].predict(x[held])
        p, auc, variance = _held_out(score[held], where[held], stratum[held])
        p_values.append(p)
        areas.append(auc)
        variances.append(variance)
    pi = []
    for from_production, all_rows, used in ((False, matrix.reference, rows[0]), (True, matrix.production, rows[1])):
        values = np.empty(len(all_rows))
        values[used] = score[where == from_production]
        rest = np.setdiff1d(np.arange(len(all_rows)), used, assume_unique=True)
        if len(rest):
            values[rest] = np.mean([learner.predict(all_rows[rest]) for learner in learners], axis=0)
        pi.append(values)
    return Told(
        float(np.mean(areas)),
        float(np.sum(variances)) / 4,
        min(1.0, 2 * float(np.mean(p_values))),
        pi[0],
        pi[1],
        (len(rows[0]), len(rows[1])),
        (learners[0], learners[1]),
        x,
        where,
        fold,
    )


def _balance(stratum: npt.NDArray[np.int64], where: npt.NDArray[np.bool_]) -> Floats:
    weight = np.ones(len(stratum))
    for value in np.unique(stratum):
        here = stratum == value
        for side in (False, True):
            at = here & (where == side)
            weight[at] = here.sum() / (2 * max(1, at.sum()))
    return weight


def _held_out(score: Floats, where: npt.NDArray[np.bool_], stratum: npt.NDArray[np.int64]) -> tuple[float, float, float]:
    """p under exchange within strata, AUC and its variance (strata weighed by the harmonic mean of their sides)."""
    parts, weights = [], []
    for value in np.unique(stratum):
        at = stratum == value
        if where[at].any() and (~where[at]).any():
            part = rank_sum(score[at], where[at])
            parts.append(part)
            weights.append(1 / (1 / part.n_positive + 1 / part.n_negative))
    if not parts:
        return 1.0, 0.5, 0.25
    w = np.array(weights) / np.sum(weights)
    auc = float(sum(a * part.auc for a, part in zip(w, parts, strict=True)))
    variance = float(sum(a * a * part.variance for a, part in zip(w, parts, strict=True)))
    z = float(sum(math.sqrt(a) * part.z for a, part in zip(w, parts, strict=True)))
    return 1.0 - normal_cdf(z), auc, variance


def _alone(pair: Any) -> float:
    if isinstance(pair, LevelPair):
        first, second = pair.counts
        counts = [np.append(c, gone).astype(float) for c, gone in zip((first, second), pair.missing, strict=True)]
        return float(total_variation(counts[0], counts[1]))
    values = np.concatenate([pair.reference, pair.production])
    where = np.repeat([False, True], [len(pair.reference), len(pair.production)])
    return abs(2 * rank_sum(np.where(np.isnan(values), -np.inf, values), where).auc - 1)
