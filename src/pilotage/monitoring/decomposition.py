"""A change of loss, split: what came from other inputs, and what from another truth about the same inputs.

Both parts are told apart on the inputs that both windows share (density p q / (p + q)): the **concept part** is how much the loss of a row of the
same kind changed; the **covariate part** is the rest, what moving from the reference's inputs to production's does.

The concept part is the overlap-weighted difference given the inputs, Σ (D - pi)(l - m) / Σ (D - pi)², D = "from production", pi(x) the cross-fitted
domain probability, m(x) the cross-fitted mean loss of both windows. It equals DISDE's S_Q - S_P where pi is right, and an error of pi only counts
times an error of m: so its interval needs no refitting of pi, which the plain weighted difference does.

Whether the truth given the inputs changed at all is tested apart, since a change can leave the loss as it was: the generalised covariance measure (D
- pi)(y - m) is held against 0 overall, along the score, and along every column; the greatest of them against its own null (their joint normal law).

Cost: two fits of shallow trees for m, beside those of the domain test.

References: Cai, Namkoong & Yadlowsky (2023), arXiv 2303.02011 (DISDE); Li, Morgan & Zaslavsky (2018) for overlap weights; Robinson (1988);
Shah & Peters (2020) and Scheidegger, Hörrmann & Bühlmann (2022) for the test.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotage.core import InputError
from pilotage.core.distributions import normal_quantile
from pilotage.evidence import Evidence, not_assessable
from pilotage.monitoring.columns import Matrix, pair_columns, to_matrix
from pilotage.monitoring.domain import DomainTest, domain_test
from pilotage.monitoring.learners import Learner, halves
from pilotage.monitoring.windows import Window

Floats = npt.NDArray[np.float64]
MIN_ROWS = 200
_DRAWS = 20_000


@dataclass(frozen=True)
class Decomposition:
    """Of a rise in error rate (positive is worse) from reference to production, on the rows with labels.

    total, covariate, concept
        ``loss_change.total`` = ``.covariate`` + ``.concept``.
    p_value
        Of "given the inputs, the truth is what it was": P(Y | X) is unchanged. None where not assessable.
    along
        Where the truth changed most: ``everywhere``, ``score``, or a column.
    """

    total: Evidence
    covariate: Evidence
    concept: Evidence
    p_value: float | None
    along: str | None

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "total": self.total.to_dict(),
            "covariate": self.covariate.to_dict(),
            "concept": self.concept.to_dict(),
            "p_value": self.p_value,
            "along": self.along,
        }

    def __str__(self) -> str:
        return f"{self.total}\n{self.covariate}\n{self.concept}\nP(Y | X) unchanged: p = {self.p_value}, changed most along: {self.along}"


def decompose(
    reference: Window,
    production: Window,
    *,
    domain: DomainTest | None = None,
    most_rows: int = 10_000,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> Decomposition:
    """Split the change of the error rate between two windows with decisions and labels.

    ``domain`` must be of these windows (its pi is used); without it, it is worked out. Rows without a label do not take part. Of each window at most
    ``most_rows`` labelled rows are used, drawn with ``seed``; n says how many.

    Raises
    ------
    InputError
        If a window has no decisions, or ``domain`` is of other windows.
    """
    if reference.decisions is None or production.decisions is None:
        raise InputError("A window without decisions has no error rate.", where="decompose")
    domain = domain or domain_test(reference, production, explain=False, seed=seed)
    if len(domain.pi_reference) != reference.n or len(domain.pi_production) != production.n:
        raise InputError("The domain test is of other windows.", where="decompose", mend="run domain_test on the same two")
    rng = np.random.default_rng([seed, 11])
    rows = [np.sort(rng.permutation(np.flatnonzero(each.known))[:most_rows]) for each in (reference, production)]
    n = [len(each) for each in rows]
    about: dict[str, Any] = {"level": level, "subject": dict(subject or {})}
    if min(n) < MIN_ROWS or domain.p_value is None:
        reason = f"{n[0]} labelled reference rows and {n[1]} since: fewer than {MIN_ROWS}"
        nothing = [not_assessable(f"loss_change.{part}", reason=reason, n=min(n), **about) for part in ("total", "covariate", "concept")]
        return Decomposition(nothing[0], nothing[1], nothing[2], None, None)
    matrix = to_matrix(pair_columns(reference.features, production.features).columns)
    rows_of = _Rows.of(reference, production, domain, rows, matrix, seed=seed)
    loss, d, m_loss = rows_of.loss, rows_of.d, rows_of.m_loss
    w = rows_of.weight
    r = d - rows_of.pi
    under = float((w * r * r).sum())
    concept = float((w * r * (loss - m_loss)).sum()) / under
    concept_if = w * r * (loss - m_loss - concept * r) / under  # what each row adds: the sandwich
    now, before = loss[d == 1], loss[d == 0]
    total = float(now.mean() - before.mean())
    total_if = np.where(d == 1, (loss - now.mean()) / n[1], -(loss - before.mean()) / n[0])
    z = normal_quantile((1 + level) / 2)

    def figure(part: str, estimate: float, influence: Floats) -> Evidence:
        half = max(z * math.sqrt(float((influence**2).sum())), 0.5 / min(n))
        return Evidence(
            metric=f"loss_change.{part}",
            status="measured",
            estimate=estimate,
            lower=estimate - half,
            upper=estimate + half,
            n=min(n),
            n_clusters=None,
            method="overlap-weighted difference given the inputs, cross-fitted",
            detail={"n_reference": n[0], "n_production": n[1], "loss": "error", "seed": seed},
            **about,
        )

    p_value, along = _conditional_test(rows_of, matrix, rng)
    return Decomposition(
        figure("total", total, total_if),
        figure("covariate", total - concept, total_if - concept_if),
        figure("concept", concept, concept_if),
        p_value,
        along,
    )


@dataclass(frozen=True)
class _Rows:
    x: Floats
    score: Floats | None
    d: Floats
    pi: Floats
    y: Floats
    m: Floats
    loss: Floats
    m_loss: Floats
    weight: Floats

    @classmethod
    def of(cls, reference: Window, production: Window, domain: DomainTest, rows: list[npt.NDArray[np.int64]], matrix: Matrix, *, seed: int) -> _Rows:
        x = np.vstack([matrix.reference[rows[0]], matrix.production[rows[1]]])
        d = np.repeat([0.0, 1.0], [len(rows[0]), len(rows[1])])
        pi = np.concatenate([domain.pi_reference[rows[0]], domain.pi_production[rows[1]]])
        y = np.concatenate([_of(reference.labels)[rows[0]], _of(production.labels)[rows[1]]]).astype(np.float64)
        decided = np.concatenate([_of(reference.decisions)[rows[0]], _of(production.decisions)[rows[1]]])
        score = None
        if reference.scores is not None and production.scores is not None:
            score = _logit(np.concatenate([reference.scores[rows[0]], production.scores[rows[1]]]))
        weight = np.where(d == 1, len(d) / (2 * len(rows[1])), len(d) / (2 * len(rows[0])))
        known = x if score is None else np.column_stack([x, score])
        m = _cross_fit(known, y, d, weight, seed=seed)
        loss = (decided != (y == 1)).astype(np.float64)
        return cls(x, score, d, pi, y, m, loss, np.where(decided, 1 - m, m), weight)


def _of(values: Any) -> npt.NDArray[Any]:
    return np.asarray(values)


def _logit(scores: Floats) -> Floats:
    inside = np.clip(scores, 1e-4, 1 - 1e-4)
    return np.asarray(np.log(inside / (1 - inside)))


def _cross_fit(x: Floats, y: Floats, d: Floats, weight: Floats, *, seed: int) -> Floats:
    """Mean of y given x, each row asked of the learners that have not seen it: trees and a logistic curve, whichever half predicts better."""
    rng = np.random.default_rng([seed, 13])
    fold = np.empty(len(x), dtype=np.int64)
    for side in (0.0, 1.0):
        fold[d == side] = halves(int((d == side).sum()), rng=rng)
    found = np.empty((2, len(x)))
    for which, kind in enumerate(("boosting", "logistic")):
        for k in (0, 1):
            seen = fold != k
            learner = Learner("boosting" if kind == "boosting" else "logistic", seed=seed).fit(x[seen], y[seen].astype(np.int64), weight=weight[seen])
            found[which, fold == k] = learner.predict(x[fold == k])
    # The blend with the least squared error of a few: a smooth truth is the logistic curve's, a rough one the trees'.
    blends = [(1 - a) * found[0] + a * found[1] for a in (0.0, 0.25, 0.5, 0.75, 1.0)]
    return np.asarray(min(blends, key=lambda m: float((weight * (y - m) ** 2).sum())))


def _conditional_test(rows: _Rows, matrix: Matrix, rng: np.random.Generator) -> tuple[float, str]:
    product = rows.weight * (rows.d - rows.pi) * (rows.y - rows.m)
    names, directions = ["everywhere"], [np.ones(len(product))]
    if rows.score is not None:
        names.append("score")
        directions.append(_ranked(rows.score))
    for j, owner in enumerate(matrix.owner):
        column = _ranked(rows.x[:, j])
        if column.std() > 0.05:
            names.append(owner)
            directions.append(column)
    # Centred against "everywhere", so that each direction asks what the first does not.
    phi = np.column_stack([directions[0], *(column - column.mean() for column in directions[1:])])
    terms = product[:, None] * phi
    spread = terms.std(axis=0)
    spread[spread < 1e-12] = 1.0
    t = np.abs(terms.mean(axis=0)) / spread * math.sqrt(len(terms))
    correlation = np.corrcoef((terms - terms.mean(axis=0)) / spread, rowvar=False).reshape(len(names), len(names))
    values, vectors = np.linalg.eigh(np.nan_to_num(correlation) + 1e-9 * np.eye(len(names)))
    drawn = rng.normal(size=(_DRAWS, len(names))) @ (vectors * np.sqrt(np.clip(values, 0, None))).T
    worst = int(np.argmax(t))
    p_value = (1 + int((np.abs(drawn).max(axis=1) >= t[worst]).sum())) / (_DRAWS + 1)
    return p_value, names[worst]


def _ranked(column: Floats) -> Floats:
    """Ranks from -1 to 1, ties and missing values at 0 distance from each other: no outlier carries the test."""
    from pilotage.monitoring.ranks import midranks

    there = ~np.isnan(column)
    found = np.zeros(len(column))
    if there.sum() > 1:
        found[there] = 2 * (midranks(column[there]) - 1) / (there.sum() - 1) - 1
    return found
