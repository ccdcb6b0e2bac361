"""Performance before labels: what a calibrated score says about itself on rows nobody has labelled yet.

The reference's scores are calibrated (isotonic); a production row with calibrated probability p that was decided positive counts p towards the true
positives and 1 - p towards the false ones. Sums give the expected confusion matrix and so accuracy, precision, recall, F1 and specificity; the
expected share of pairs in the right order gives AUC. With ``domain`` given, the calibration is weighted by the density ratio pi / (1 - pi), so that
it is right where production's rows are.

Two things have intervals of their own. ``figures``: what the labels will show, so the interval holds the calibration's uncertainty **and** the
chance of the labels. ``drops``: how much expected performance fell from the reference; chance of the labels left out, both windows resampled.
Both by Bayesian bootstrap (Gamma weights) of at most 100 score groups, whatever n; the calibration is refitted in every replicate.

**Blind to concept drift**: all of it supposes that a score still means what it meant on the reference. If the world changed its mind about the same
inputs, these figures stay good while the model is wrong. Only labels can tell. Every result says so.

Refused (no figure, and why): a reference that is the training data or has no labels; too few rows; a reference no isotonic fit calibrates; more than
5 % of rows where the reference has next to nothing.

Cost: one sort and one isotonic fit of the reference, one sort of the window: 200,000 + 200,000 rows in well under 0.5 s.

References: the expected confusion matrix is that of "confidence-based performance estimation" (NannyML, 2022); weighting: Białek et al. (2024), arXiv
2401.08348; Rubin (1981) for the Bayesian bootstrap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from pilotage.core import InputError, Refused
from pilotage.evidence import Evidence, not_assessable
from pilotage.monitoring.calibration import CalibrationCheck, Isotonic, check_calibration, fit_sorted, group_edges, group_of
from pilotage.monitoring.domain import DomainTest
from pilotage.monitoring.performance import EMPTY, METRICS, Confusion
from pilotage.monitoring.windows import Window

Floats = npt.NDArray[np.float64]
ALL_METRICS = (*METRICS, "auc")
REPLICATES = 200
MIN_ROWS = 300
MIN_REFERENCE = 500
MOST_OUTSIDE = 0.05
MOST_WEIGHT = 50.0
BLIND = "blind to concept drift: it supposes that a score still means what it meant on the reference; only labels can show otherwise"


@dataclass(frozen=True)
class PerformanceEstimate:
    """Expected performance of a window without its labels.

    figures
        ``estimated.<metric>``: the value the labels would give, with its interval.
    drops
        ``estimated_drop.<metric>``: reference minus window, so that positive is worse.
    refusals
        Why there is no figure; () where there are.
    """

    figures: tuple[Evidence, ...]
    drops: tuple[Evidence, ...]
    refusals: tuple[str, ...]
    weighted: bool
    calibration: CalibrationCheck | None
    notes: tuple[str, ...] = field(default=(BLIND,))

    def figure(self, metric: str) -> Evidence:
        """The estimate of ``metric``."""
        return next(each for each in self.figures if each.metric == f"estimated.{metric}")

    def drop(self, metric: str) -> Evidence:
        """How much ``metric`` fell."""
        return next(each for each in self.drops if each.metric == f"estimated_drop.{metric}")

    def require(self) -> PerformanceEstimate:
        """This estimate, or ``Refused`` with the reasons."""
        if self.refusals:
            raise Refused("Performance cannot be estimated without labels here.", where="estimate", why="; ".join(self.refusals))
        return self

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "weighted": self.weighted,
            "refusals": list(self.refusals),
            "notes": list(self.notes),
            "calibration": None if self.calibration is None else {"ece": self.calibration.ece, "expected": self.calibration.expected},
            "figures": [each.to_dict() for each in self.figures],
            "drops": [each.to_dict() for each in self.drops],
        }

    def __str__(self) -> str:
        return "\n".join([*(str(each) for each in (*self.figures, *self.drops)), *(f"refused: {why}" for why in self.refusals), *self.notes])


def estimate_performance(
    reference: Window,
    production: Window,
    *,
    domain: DomainTest | None = None,
    training_digest: str | None = None,
    reference_is_training: bool = False,
    min_rows: int = MIN_ROWS,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> PerformanceEstimate:
    """Estimate how well the model does on ``production`` without its labels.

    Parameters
    ----------
    reference
        Rows with scores, decisions and labels that the model was not trained on, oldest first.
    domain
        The domain test of the same two windows: weights the calibration, and refuses where production has left the reference.
    training_digest
        Digest of the training data; a reference of the same digest is refused.
    min_rows
        Fewer production rows are refused.

    Raises
    ------
    InputError
        If a window has no scores or decisions.
    """
    estimator = fit_estimator(
        reference,
        domain=domain,
        training_digest=training_digest,
        reference_is_training=reference_is_training,
        level=level,
        seed=seed,
        subject=subject,
    )
    return estimator.estimate(production, min_rows=min_rows)


@dataclass(frozen=True)
class Estimator:
    """A calibrated reference, to be asked about one window after another: what is common to them is worked out once."""

    calibrate: Isotonic | None
    check: CalibrationCheck | None
    refusals: tuple[str, ...]
    weighted: bool
    level: float
    seed: int
    subject: Mapping[str, Any]
    _groups: _Groups | None
    _before: Mapping[str, float | None]

    def estimate(self, production: Window, *, min_rows: int = MIN_ROWS) -> PerformanceEstimate:
        """Expected performance on ``production``. Fewer than ``min_rows`` rows are refused. O(n log n).

        Raises
        ------
        InputError
            If the window has no scores or decisions.
        """
        scores, decided = _columns(production)
        n = production.n
        refusals = list(self.refusals)
        if n < min_rows:
            refusals.append(f"{n} rows are fewer than {min_rows}: the expected figure would be noise")
        about: dict[str, Any] = {"level": self.level, "subject": dict(self.subject)}
        if refusals or self.calibrate is None or self._groups is None:
            reason = "refused: " + "; ".join(refusals)
            nothing = [
                tuple(not_assessable(f"{kind}.{metric}", reason=reason, n=n, **about) for metric in ALL_METRICS)
                for kind in ("estimated", "estimated_drop")
            ]
            return PerformanceEstimate(nothing[0], nothing[1], tuple(refusals), self.weighted, self.check)
        method = "expected confusion, isotonic" + (" weighted by density ratio" if self.weighted else "")
        order = np.argsort(scores, kind="stable")
        ordered, said = scores[order], decided[order]
        drawn = self._groups.replicate(ordered, said, np.random.default_rng([self.seed, 5]))
        now = observed_performance(ordered, said, self.calibrate(ordered))

        def figure(kind: str, metric: str, exact: float | None, middle: float, replicates: Floats, least: float) -> Evidence:
            return _interval(f"{kind}.{metric}", exact, middle, replicates, bounds=(least, 1.0), n=n, method=method, seed=self.seed, about=about)

        figures = tuple(figure("estimated", metric, now[metric], drawn.centre[metric], drawn.realised[metric], 0.0) for metric in ALL_METRICS)
        drops = tuple(
            figure(
                "estimated_drop",
                metric,
                _less(self._before[metric], now[metric]),
                drawn.centre_before[metric] - drawn.centre[metric],
                drawn.before[metric] - drawn.expected[metric],
                -1.0,
            )
            for metric in ALL_METRICS
        )
        return PerformanceEstimate(figures, drops, (), self.weighted, self.check)


def _less(before: float | None, now: float | None) -> float | None:
    return None if before is None or now is None else before - now


def fit_estimator(
    reference: Window,
    *,
    domain: DomainTest | None = None,
    training_digest: str | None = None,
    reference_is_training: bool = False,
    level: float = 0.95,
    seed: int = 0,
    subject: Mapping[str, Any] | None = None,
) -> Estimator:
    """Calibrate a reference once, for many windows. With ``domain`` it is right for that test's production window only.

    Raises
    ------
    InputError
        If the reference has no scores or decisions.
    """
    scores, decided = _columns(reference)
    known = reference.known
    scores, decided = scores[known], decided[known]
    truth = (reference.labels == 1)[known] if reference.labels is not None else np.zeros(0, dtype=np.bool_)
    refusals: list[str] = []
    if reference_is_training or (training_digest is not None and training_digest == reference.digest):
        refusals.append("the reference is the training data: the model knows these labels, so its scores look better calibrated than they are")
    if len(truth) < MIN_REFERENCE:
        refusals.append(f"{len(truth)} reference rows have a label, fewer than {MIN_REFERENCE}")
    elif truth.all() or not truth.any():
        refusals.append("the reference's labels are all of one class")
    if domain is not None and domain.outside > MOST_OUTSIDE:
        refusals.append(f"{domain.outside:.0%} of the rows lie where the reference has next to nothing (limit {MOST_OUTSIDE:.0%})")
    check: CalibrationCheck | None = None
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    if not refusals:
        check = check_calibration(scores, truth, order=order, seed=seed)
        if not check.ok:
            refusals.append(
                f"the reference cannot be calibrated: calibration error {check.ece:.3f} after isotonic regression on rows it has not seen, "
                f"{check.expected:.3f} expected by chance"
            )
    weighted = domain is not None
    if refusals:
        return Estimator(None, check, tuple(refusals), weighted, level, seed, dict(subject or {}), None, {})
    weight = None
    if domain is not None:
        pi = domain.pi_reference[known][order]
        weight = np.clip(pi / (1 - pi), 1 / MOST_WEIGHT, MOST_WEIGHT)
    said, true = decided[order], truth[order]
    return Estimator(
        fit_sorted(ordered, true.astype(np.float64), weight),
        check,
        (),
        weighted,
        level,
        seed,
        dict(subject or {}),
        _Groups.of(ordered, said, true, weight, np.random.default_rng([seed, 3])),
        observed_performance(ordered, said, true),
    )


def _columns(window: Window) -> tuple[Floats, npt.NDArray[np.bool_]]:
    if window.scores is None or window.decisions is None:
        raise InputError("A window without scores and decisions cannot be estimated.")
    return window.scores, window.decisions


def observed_performance(ordered: Floats, decided: npt.NDArray[np.bool_], truth: npt.NDArray[Any]) -> dict[str, float | None]:
    """The value of each metric of rows in order of their score; ``truth`` is 0 or 1, or how probable 1 is."""
    p = truth.astype(np.float64)
    positive, said, caught = float(p.sum()), float(decided.sum()), float(p[decided].sum())
    confusion = Confusion(caught, said - caught, positive - caught, len(p) - said - positive + caught)
    start = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    hits = np.add.reduceat(p, start)
    rows = np.diff(np.append(start, len(p)))
    return {**{metric: _or_none(confusion.value(metric)) for metric in METRICS}, "auc": _or_none(pair_order(hits, rows - hits))}


def pair_order(positive: Floats, negative: Floats) -> Floats:
    """Share of (positive, negative) pairs in the right order, ties half, from weights (…, k) in order of the score."""
    below = np.cumsum(negative, axis=-1) - negative
    right = (positive * (below + negative / 2)).sum(axis=-1)
    pairs = positive.sum(axis=-1) * negative.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(pairs > 0, right / pairs, np.nan))


def _or_none(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


@dataclass(frozen=True)
class _Drawn:
    realised: Mapping[str, Floats]
    expected: Mapping[str, Floats]
    before: Mapping[str, Floats]
    centre: Mapping[str, float]
    centre_before: Mapping[str, float]


@dataclass(frozen=True)
class _Groups:
    """The reference counted by score group, and its replicates: rows (r, g, decided, truth) and the calibration (r, g) refitted to each."""

    edges: Floats
    reference: Floats
    exact: Floats
    calibrated: Floats
    before: Mapping[str, Floats]
    centre_before: Mapping[str, float]

    @classmethod
    def of(
        cls, ordered: Floats, decided: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_], weight: Floats | None, rng: np.random.Generator
    ) -> _Groups:
        edges = group_edges(ordered)
        k = len(edges) + 1
        cell = (group_of(ordered, edges) * 2 + decided) * 2 + truth
        count: Floats = np.bincount(cell, minlength=4 * k).astype(np.float64)
        mean: Floats = np.ones(4 * k)
        variance: Floats = np.zeros(4 * k)
        if weight is not None:
            filled = np.maximum(count, 1)
            mean = np.bincount(cell, weights=weight, minlength=4 * k) / filled
            variance = np.maximum(np.bincount(cell, weights=weight**2, minlength=4 * k) / filled - mean**2, 0)
        shape = (k, 2, 2)
        count, mean, variance = count.reshape(shape), mean.reshape(shape), variance.reshape(shape)
        rows = rng.standard_gamma(np.broadcast_to(count, (REPLICATES, *count.shape)))
        scatter = rng.normal(size=rows.shape) * np.sqrt(count * variance) if weight is not None else 0.0
        middle = _by_metric(count[None, ..., 1], count[None, ..., 0])
        return cls(
            edges,
            count,
            _calibrate((count * mean)[None])[0],
            _calibrate(np.maximum(rows * mean + scatter, 0)),
            _by_metric(rows[..., 1], rows[..., 0]),
            {metric: float(value[0]) for metric, value in middle.items()},
        )

    def replicate(self, ordered: Floats, decided: npt.NDArray[np.bool_], rng: np.random.Generator) -> _Drawn:
        k = len(self.edges) + 1
        count = np.bincount(group_of(ordered, self.edges) * 2 + decided, minlength=2 * k).reshape(k, 2)
        p = self.calibrated[..., None]
        new = rng.standard_gamma(np.broadcast_to(count.astype(np.float64), (REPLICATES, k, 2)))
        # What the labels of these very rows will show: the rows stay, their labels are chance.
        hits = rng.binomial(count, p).astype(np.float64)
        centre = _by_metric((count * self.exact[:, None])[None], (count * (1 - self.exact[:, None]))[None])
        return _Drawn(
            realised=_by_metric(hits, count - hits),
            expected=_by_metric(new * p, new * (1 - p)),
            before=self.before,
            centre={metric: float(value[0]) for metric, value in centre.items()},
            centre_before=self.centre_before,
        )


def _calibrate(cells: Floats) -> Floats:
    """(r, g, decided, truth) weights to (r, g) probabilities, rising in g."""
    from scipy.optimize import isotonic_regression

    total = cells.sum(axis=(2, 3))
    share = cells[..., 1].sum(axis=2) / np.maximum(total, 1e-12)
    return np.array([isotonic_regression(y, weights=np.maximum(w, 1e-12)).x for y, w in zip(share, total, strict=True)])


def _by_metric(positive: Floats, negative: Floats) -> dict[str, Floats]:
    """Metrics of (r, g, decided) weights of true positives and negatives."""
    p, q = positive.sum(axis=1), negative.sum(axis=1)
    confusion = Confusion(p[:, 1], q[:, 1], p[:, 0], q[:, 0])
    return {**{metric: confusion.value(metric) for metric in METRICS}, "auc": pair_order(positive.sum(axis=2), negative.sum(axis=2))}


def _interval(
    metric: str,
    exact: float | None,
    middle: float,
    replicates: Floats,
    *,
    bounds: tuple[float, float],
    n: int,
    method: str,
    seed: int,
    about: dict[str, Any],
) -> Evidence:
    there = replicates[np.isfinite(replicates)]
    if exact is None or len(there) < 0.9 * len(replicates) or not np.isfinite(middle):
        return not_assessable(metric, reason=EMPTY[metric.rpartition(".")[2]].replace("is truly", "is expected to be"), n=n, **about)
    level = float(about["level"])
    low, high = np.quantile(there - middle, ((1 - level) / 2, (1 + level) / 2))
    least = 0.5 / n  # never of zero width: half a row
    lower, upper = max(bounds[0], exact + min(float(low), -least)), min(bounds[1], exact + max(float(high), least))
    return Evidence(
        metric=metric,
        status="measured",
        estimate=exact,
        lower=min(lower, exact),
        upper=max(upper, exact),
        n=n,
        n_clusters=None,
        method=method,
        detail={"seed": seed, "replicates": REPLICATES, "blind_to": "concept drift"},
        **about,
    )
