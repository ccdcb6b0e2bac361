"""Performance before labels: what a calibrated score says about itself on rows nobody has labelled yet.

The reference's scores are calibrated (isotonic); a production row with calibrated probability p that was decided positive counts p towards the true
positives and 1 - p towards the false ones. Sums give the expected confusion matrix and so accuracy, precision, recall, F1 and specificity; the
expected share of pairs in the right order gives AUC. With ``domain`` given, the calibration is weighted by the density ratio pi / (1 - pi), so that
it is right where production's rows are.

Two things have intervals of their own. ``figures``: what the labels will show, so the interval holds the calibration's uncertainty **and** the
chance of the labels. ``drops``: how much expected performance fell from the reference; chance of the labels left out, both windows resampled.
Both by Bayesian bootstrap (Gamma weights) of at most 200 score groups, whatever n; the calibration is refitted in every replicate.

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
from pilotage.monitoring.calibration import CalibrationCheck, Isotonic, check_calibration, fit_isotonic
from pilotage.monitoring.domain import DomainTest
from pilotage.monitoring.performance import METRICS, Confusion
from pilotage.monitoring.windows import Window

Floats = npt.NDArray[np.float64]
ALL_METRICS = (*METRICS, "auc")
GROUPS = 200
REPLICATES = 300
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
    for name, each in (("reference", reference), ("production", production)):
        if each.scores is None or each.decisions is None:
            raise InputError(f"The {name} has no scores or no decisions.", where=f"window '{name}'", mend="give the column of the score")
    known = reference.known
    refusals: list[str] = []
    if reference_is_training or (training_digest is not None and training_digest == reference.digest):
        refusals.append("the reference is the training data: the model knows these labels, so its scores look better calibrated than they are")
    if production.n < min_rows:
        refusals.append(f"{production.n} rows are fewer than {min_rows}: the expected figure would be noise")
    if int(known.sum()) < MIN_REFERENCE:
        refusals.append(f"{int(known.sum())} reference rows have a label, fewer than {MIN_REFERENCE}")
    if domain is not None and domain.outside > MOST_OUTSIDE:
        refusals.append(f"{domain.outside:.0%} of the rows lie where the reference has next to nothing (limit {MOST_OUTSIDE:.0%})")
    check: CalibrationCheck | None = None
    scores, decided = _columns(reference)
    truth = (reference.labels == 1)[known] if reference.labels is not None else np.zeros(0, dtype=np.bool_)
    if not refusals and (truth.all() or not truth.any()):
        refusals.append("the reference's labels are all of one class")
    if not refusals:
        check = check_calibration(scores[known], truth, seed=seed)
        if not check.ok:
            refusals.append(
                f"the reference cannot be calibrated: calibration error {check.ece:.3f} after isotonic regression on rows it has not seen, "
                f"{check.expected:.3f} expected by chance"
            )
    weight = None
    if domain is not None:
        ratio = domain.pi_reference[known] / (1 - domain.pi_reference[known])
        weight = np.clip(ratio, 1 / MOST_WEIGHT, MOST_WEIGHT)
    method = "expected confusion, isotonic" + (" weighted by density ratio" if weight is not None else "")
    about: dict[str, Any] = {"level": level, "subject": dict(subject or {})}
    if refusals:
        reason = "refused: " + "; ".join(refusals)
        nothing = [
            tuple(not_assessable(f"{kind}.{metric}", reason=reason, n=production.n, **about) for metric in ALL_METRICS)
            for kind in ("estimated", "estimated_drop")
        ]
        return PerformanceEstimate(nothing[0], nothing[1], tuple(refusals), weight is not None, check)
    calibrate = fit_isotonic(scores[known], truth, weight=weight)
    groups = _Groups.of(scores[known], decided[known], truth, weight, *_columns(production))
    drawn = groups.replicate(np.random.default_rng([seed, 3]))
    now = expected_performance(calibrate, *_columns(production))
    before = observed_performance(scores[known], decided[known], truth)
    figures: list[Evidence] = []
    drops: list[Evidence] = []
    for metric in ALL_METRICS:
        for kind, exact, middle, replicates, into in (
            ("estimated", now[metric], drawn.centre[metric], drawn.realised[metric], figures),
            (
                "estimated_drop",
                None if now[metric] is None or before[metric] is None else float(before[metric] or 0) - float(now[metric] or 0),
                drawn.centre_before[metric] - drawn.centre[metric],
                drawn.before[metric] - drawn.expected[metric],
                drops,
            ),
        ):
            bounds = (0.0, 1.0) if kind == "estimated" else (-1.0, 1.0)
            into.append(
                _interval(f"{kind}.{metric}", exact, middle, replicates, bounds=bounds, n=production.n, method=method, seed=seed, about=about)
            )
    return PerformanceEstimate(tuple(figures), tuple(drops), (), weight is not None, check)


def _columns(window: Window) -> tuple[Floats, npt.NDArray[np.bool_]]:
    if window.scores is None or window.decisions is None:
        raise InputError("A window without scores and decisions cannot be estimated.")
    return window.scores, window.decisions


def expected_performance(calibrate: Isotonic, scores: Floats, decided: npt.NDArray[np.bool_]) -> dict[str, float | None]:
    """The expected value of each metric, None where it divides by nothing."""
    p = calibrate(scores)
    positive, said, caught = float(p.sum()), float(decided.sum()), float(p[decided].sum())
    confusion = Confusion(caught, said - caught, positive - caught, len(p) - said - positive + caught)
    found = {metric: _or_none(confusion.value(metric)) for metric in METRICS}
    order = np.argsort(scores, kind="stable")
    ordered, q = scores[order], p[order]
    start = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    pos, neg = np.add.reduceat(q, start), np.add.reduceat(1 - q, start)
    return {**found, "auc": _or_none(pair_order(pos, neg))}


def observed_performance(scores: Floats, decided: npt.NDArray[np.bool_], truth: npt.NDArray[np.bool_]) -> dict[str, float | None]:
    """The value of each metric where labels are known."""
    from pilotage.monitoring.ranks import rank_sum

    tp, said, positive = float((truth & decided).sum()), float(decided.sum()), float(truth.sum())
    confusion = Confusion(tp, said - tp, positive - tp, len(truth) - said - positive + tp)
    return {**{metric: _or_none(confusion.value(metric)) for metric in METRICS}, "auc": rank_sum(scores, truth).auc}


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
    realised: dict[str, Floats]
    expected: dict[str, Floats]
    before: dict[str, Floats]
    centre: dict[str, float]
    centre_before: dict[str, float]


@dataclass(frozen=True)
class _Groups:
    """Rows counted by score group: reference (g, decided, truth) and its calibration weights (sum, mean square), production (g, decided)."""

    reference: Floats
    weight_mean: Floats
    weight_var: Floats
    production: Floats

    @classmethod
    def of(
        cls,
        scores: Floats,
        decided: npt.NDArray[np.bool_],
        truth: npt.NDArray[np.bool_],
        weight: Floats | None,
        new_scores: Floats,
        new_decided: npt.NDArray[np.bool_],
    ) -> _Groups:
        ordered = np.sort(scores)
        groups = min(GROUPS, max(2, len(ordered) // 20))
        edges = np.unique(ordered[(np.arange(1, groups) * len(ordered)) // groups])
        k = len(edges) + 1

        def place(values: Floats) -> npt.NDArray[np.int64]:
            return np.asarray(np.searchsorted(edges, values, side="right"), dtype=np.int64)

        cell = (place(scores) * 2 + decided) * 2 + truth
        count = np.bincount(cell, minlength=4 * k).astype(np.float64)
        if weight is None:
            mean, var = np.ones(4 * k), np.zeros(4 * k)
        else:
            filled = np.maximum(count, 1)
            mean = np.bincount(cell, weights=weight, minlength=4 * k) / filled
            var = np.maximum(np.bincount(cell, weights=weight**2, minlength=4 * k) / filled - mean**2, 0)
        new = np.bincount(place(new_scores) * 2 + new_decided, minlength=2 * k).astype(np.float64)
        shape = (k, 2, 2)
        return cls(count.reshape(shape), mean.reshape(shape), var.reshape(shape), new.reshape(k, 2))

    def replicate(self, rng: np.random.Generator) -> _Drawn:
        rows = rng.standard_gamma(np.broadcast_to(self.reference, (REPLICATES, *self.reference.shape)))
        extra = rng.normal(size=rows.shape) * np.sqrt(self.reference * self.weight_var)
        calibrated = _calibrate(np.maximum(rows * self.weight_mean + extra, 0))
        new = rng.standard_gamma(np.broadcast_to(self.production, (REPLICATES, *self.production.shape)))
        # What the labels of these very rows will show: the rows stay, their labels are chance.
        hits = rng.binomial(self.production.astype(np.int64), calibrated[..., None]).astype(np.float64)
        exact = _calibrate((self.reference * self.weight_mean)[None])
        return _Drawn(
            realised=_by_metric(hits, self.production - hits),
            expected=_by_metric(new * calibrated[..., None], new * (1 - calibrated[..., None])),
            before=_by_metric(rows[..., 1], rows[..., 0]),
            centre={key: float(v[0]) for key, v in _by_metric(self.production * exact[..., None], self.production * (1 - exact[..., None])).items()},
            centre_before={key: float(v[0]) for key, v in _by_metric(self.reference[None, ..., 1], self.reference[None, ..., 0]).items()},
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
    from pilotage.monitoring.performance import EMPTY

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
