"""The calibration report: everything measured, the verdict, and every reason for it.

ROUTABLE only if the confidence was recalibrated on other items and is right within noise, a threshold with useful coverage is certified, routing is
shown to cost less than either extreme, and no mandatory slice fails or is unmeasured. RECALIBRATE if all that would hold once a recalibrator is
fitted (seen by cross-fitting). HUMAN_ONLY otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from pilotage.core import InputError, IntegrityError, content_id
from pilotage.judging.calibration.economics import CostCurve, Costs, RoutedCosts, cost_curve, routed_costs
from pilotage.judging.calibration.labels import MoreLabels, coverage_without_guarantee, more_labels
from pilotage.judging.calibration.measure import Measure
from pilotage.judging.calibration.ranking import RiskCoverage, auroc, risk_coverage
from pilotage.judging.calibration.recalibration import METHODS, Candidate, Recalibrator, compare, cross_fitted
from pilotage.judging.calibration.reliability import (
    Line,
    Reliability,
    Scores,
    calibration_line,
    dist_ce,
    proper_scores,
    reliability_of,
    weighted_mean,
)
from pilotage.judging.calibration.risk_control import certify, certify_slices, marginal
from pilotage.judging.calibration.sample import Sample
from pilotage.judging.calibration.slices import TOLERABLE, slice_reports
from pilotage.judging.calibration.smooth import smooth_ece
from pilotage.judging.calibration.verdict import Check, SliceReport, Threshold, Verdict

_CROSS_FITTED = "cross-fitted"


@dataclass(frozen=True)
class Limits:
    """What the verdict is held to.

    risk, delta
        At most ``risk`` of accepted outputs wrong, with probability 1 - ``delta``.
    by
        A dimension whose slices each get a threshold of their own; the common one and they then share ``delta``, half and half.
    mandatory
        Slices (``language=de``) or dimensions (``language``) that may not fail nor go unmeasured.
    useful_coverage
        A threshold that accepts less than this is not worth routing for.
    look
        Which look at this growing sample it is; from the ledger's count. ``only_look``: no other was or will be taken, so it spends all of delta.
    """

    risk: float = 0.05
    delta: float = 0.05
    useful_coverage: float = 0.1
    by: str | None = None
    mandatory: tuple[str, ...] = ()
    look: int = 1
    only_look: bool = False
    starts: tuple[float, ...] = (1.0, 3.0)
    level: float = 0.95
    test_level: float = 0.05

    def __post_init__(self) -> None:
        inside = {"risk": self.risk, "delta": self.delta, "level": self.level, "test_level": self.test_level}
        for name, value in inside.items():
            if not 0 < value < 1:
                raise InputError(f"{value:g} is not within (0, 1).", where=name)
        if not 0 <= self.useful_coverage <= 1:
            raise InputError(f"{self.useful_coverage:g} is no share.", where="useful_coverage")


@dataclass(frozen=True)
class Declared:
    """The costs a report stands on: means an item, in minor units, and the reviewers' error as counted."""

    error: float
    review: float
    delay: float
    missed: int
    of: int


@dataclass(frozen=True)
class CalibrationReport:
    """What is known of a confidence, and the verdict. Addressed by its content; goes to JSON and back.

    threshold
        The common one: what is promised of accepted outputs (SELECTIVE). ``marginal``: the second reading, a weaker promise.
    operating
        What the cost figures stand on: the larger of the certified threshold and the costs' own; None if it differs by item or nothing is accepted.
    price_of_guarantee
        Coverage given up for the guarantee, against a threshold read off the sample that promises nothing.
    candidates
        The recalibrators compared by cross-fitting, when the confidence was raw or found off.
    """

    verdict: Verdict
    checks: tuple[Check, ...]
    model: str
    n: int
    effective_n: float
    labelled_by: tuple[str, ...]
    sample_digest: str
    recalibrator: str | None
    recalibration: str
    limits: Limits
    accuracy: Measure
    reliability: Reliability
    smooth_ece: Measure
    line: Line
    scores: Scores
    auroc: Measure
    risk_coverage: RiskCoverage
    dist_ce: Measure | None
    dist_ce_floor: float | None
    threshold: Threshold
    marginal: Threshold
    slices: tuple[SliceReport, ...]
    operating: float | None
    costs: RoutedCosts | None
    cost_curve: CostCurve | None
    declared_costs: Declared | None
    price_of_guarantee: float
    more_labels: tuple[MoreLabels, ...]
    candidates: tuple[Candidate, ...]
    seed: int

    @property
    def routable(self) -> bool:
        """Whether a routing policy may stand on this report."""
        return self.verdict is Verdict.ROUTABLE

    @property
    def unmeasured(self) -> tuple[str, ...]:
        """Mandatory slices that were not measured, by name."""
        return tuple(each.name for each in self.slices if each.mandatory and each.status == "not_measured")

    @cached_property
    def hash(self) -> str:
        """Content id of everything the report says."""
        return content_id("calrep", msgspec.to_builtins(self))

    def threshold_for(self, slices: Mapping[str, str]) -> Threshold:
        """The threshold of an output with these slice values (SELECTIVE), or why there is none and people keep it.

        With ``limits.by``, its slice's own; a value the sample has not seen has none. Else the common one, but for an output in a slice that failed
        and is wrong more often than what the common threshold accepts on the whole: leaving such a slice out only lowers the risk promised.
        """
        if self.limits.by is not None:
            name = f"{self.limits.by}={slices.get(self.limits.by, '')}"
            own = next((each.threshold for each in self.slices if each.name == name and each.threshold is not None), None)
            return own or _none(self.threshold, name, "the sample has no item of this slice")
        names = {f"{dimension}={value}" for dimension, value in slices.items()}
        for each in self.slices:
            if each.name in names and _riskier(each, self.threshold):
                return _none(self.threshold, each.name, each.reason)
        return self.threshold

    def to_dict(self) -> dict[str, Any]:
        """Plain data with its hash."""
        held: dict[str, Any] = msgspec.to_builtins(self)
        return {**held, "hash": self.hash}

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> CalibrationReport:
        """Read back what :meth:`to_dict` wrote.

        Raises
        ------
        InputError
            If a field is missing or does not fit.
        IntegrityError
            If the record does not have the hash it says.
        """
        held = dict(record)
        said = held.pop("hash", None)
        try:
            made = msgspec.convert(held, cls)
        except msgspec.ValidationError as error:
            raise InputError(f"This is no calibration report: {error}.") from error
        if said != made.hash:
            raise IntegrityError("A calibration report does not match its own hash.", why="a policy that stands on it would stand on other figures")
        return made

    def __str__(self) -> str:
        head = f"{self.model}: {self.verdict.value.upper().replace('_', ' ')} (n = {self.n}, {self.recalibration or 'raw confidence'})"
        return "\n".join([head, *(f"  {'+' if each.holds else '-'} {each.text}" for each in self.checks)])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"


def calibration_report(
    sample: Sample,
    *,
    limits: Limits | None = None,
    recalibrator: Recalibrator | None = None,
    costs: Costs | None = None,
    more: tuple[int, ...] = (100, 500, 2_000),
    seed: int = 0,
) -> CalibrationReport:
    """Measure ``sample`` (raw confidence) as ``recalibrator`` mends it, and say whether outputs may be routed on it.

    Without a recalibrator the raw confidence is measured, and the verdict is at best RECALIBRATE. Without costs it is not ROUTABLE: that routing
    pays was not shown. About a second at 10,000 items.

    Raises
    ------
    Refused
        If there are fewer than 500 items, or the recalibrator was fitted on some of them, for another model, or it is not known on which.
    """
    held = limits or Limits()
    sample.enough()
    used = sample if recalibrator is None else recalibrator.apply_to(sample)
    found = _Found(used, held, costs, seed)
    checks = found.checks()
    candidates: tuple[Candidate, ...] = ()
    verdict = Verdict.ROUTABLE if all(each.holds for each in checks) else Verdict.HUMAN_ONLY
    if verdict is Verdict.HUMAN_ONLY and not (found.calibrated().holds and used.recalibrated_by):
        candidates = compare(sample, methods=METHODS, seed=seed)
        best = next(each.method for each in candidates if each.chosen)
        mended = sample.with_confidence(cross_fitted(sample, best, seed=seed), recalibrated_by=_CROSS_FITTED)
        if all(each.holds for each in _Found(mended, held, costs, seed).checks()):
            verdict = Verdict.RECALIBRATE
            checks = (*checks, Check("recalibrator", True, f"fitted anew ({best}), the confidence would do"))
        else:
            checks = (*checks, Check("recalibrator", False, "no recalibrator would change this"))
    distance, floor = dist_ce(used, level=held.level, seed=seed) if used.votes is not None or not used.binary else (None, None)
    return CalibrationReport(
        verdict=verdict,
        checks=checks,
        model=used.model,
        n=used.n,
        effective_n=used.effective_n,
        labelled_by=used.labelled_by,
        sample_digest=sample.digest,
        recalibrator=used.recalibrated_by,
        recalibration="" if recalibrator is None else recalibrator.method,
        limits=held,
        accuracy=weighted_mean("accuracy", used.correct, used.weights, held.level),
        reliability=found.reliability,
        smooth_ece=found.smooth,
        line=calibration_line(used, level=held.level),
        scores=proper_scores(used, level=held.level),
        auroc=auroc(used, level=held.level),
        risk_coverage=risk_coverage(used, level=held.level, seed=seed),
        dist_ce=distance,
        dist_ce_floor=floor,
        threshold=found.threshold,
        marginal=marginal(used, risk=held.risk),
        slices=found.slices,
        operating=None if found.costs is None else found.costs.threshold,
        costs=found.costs,
        cost_curve=None if costs is None or used.recalibrated_by is None else cost_curve(used, costs, level=held.level, seed=seed),
        declared_costs=None if costs is None else _declared(costs),
        price_of_guarantee=coverage_without_guarantee(used, risk=held.risk) - found.threshold.coverage,
        more_labels=_more(used, held, costs, more, seed),
        candidates=candidates,
        seed=seed,
    )


class _Found:
    """What the checks stand on, measured once."""

    def __init__(self, sample: Sample, limits: Limits, costs: Costs | None, seed: int) -> None:
        self.sample, self.limits = sample, limits
        share = 1.0 if limits.by is None else 0.5
        self.reliability = reliability_of(sample, level=limits.level, seed=seed)
        self.smooth = smooth_ece(sample, level=limits.level, seed=seed)
        self.threshold = certify(
            sample, risk=limits.risk, delta=limits.delta, starts=limits.starts, look=limits.look, only_look=limits.only_look, share=share
        )
        own = _own(sample, limits)
        self.slices = slice_reports(
            sample,
            threshold=self.threshold.value,
            risk=limits.risk,
            own=own,
            mandatory=limits.mandatory,
            level=limits.level,
            test_level=limits.test_level,
            seed=seed,
        )
        self.coverage, at = self._operating(own)
        self.costs = None
        if costs is not None and sample.recalibrated_by is not None:
            self.costs = routed_costs(sample, costs, threshold=np.maximum(at, costs.thresholds()), level=limits.level, seed=seed)

    def _operating(self, own: Mapping[str, Threshold]) -> tuple[float, NDArray[np.float64]]:
        """The certified coverage, and the threshold of each item: above 1 where nothing is certified."""
        sample, by = self.sample, self.limits.by
        at = np.full(sample.n, _value(self.threshold))
        if by is not None:
            for name, threshold in own.items():
                at[sample.in_slice(by, name.split("=", 1)[1])] = _value(threshold)
        for each in self.slices if by is None else ():
            if _riskier(each, self.threshold):
                at[sample.in_slice(*each.name.split("=", 1))] = 2.0  # as threshold_for: people keep these
        return float(np.average(sample.confidence >= at, weights=sample.weights)), at

    def calibrated(self) -> Check:
        p, lower = self.reliability.p, self.smooth.lower or 0.0
        if p is None:
            return Check(
                "calibrated", lower <= TOLERABLE, f"soft truth: smooth calibration error at least {lower:.3f} (up to {TOLERABLE:g} is tolerable)"
            )
        ece, null = self.reliability.ece.estimate, self.reliability.null_mean
        text = f"calibration error {ece:.4f}; a right confidence shows {null:.4f} on average (p = {p:.3f})"
        if p < self.limits.test_level:
            text += f"; smooth error at least {lower:.4f}, {'within' if lower <= TOLERABLE else 'above'} the tolerable {TOLERABLE:g}"
        return Check("calibrated", p >= self.limits.test_level or lower <= TOLERABLE, text)

    def checks(self) -> tuple[Check, ...]:
        """Everything the verdict needs, each with whether it holds."""
        made = bool(self.sample.recalibrated_by)
        mended = Check("recalibrated", made, f"recalibrated on other items ({self.sample.recalibrated_by})" if made else "the confidence is raw")
        useful = self.coverage >= self.limits.useful_coverage and self.coverage > 0
        certified = str(self.threshold) if self.limits.by is None else f"{self.coverage:.1%} accepted by thresholds of '{self.limits.by}'"
        reached = "" if useful else f"; useful from {self.limits.useful_coverage:.0%}"
        return (
            mended,
            self.calibrated(),
            Check("threshold", useful, certified + reached),
            self._pays(),
            *(Check(f"slice:{each.name}", each.status not in ("failed", "not_measured"), _of_slice(each)) for each in self.slices if each.mandatory),
        )

    def _pays(self) -> Check:
        if self.costs is None:
            why = "the costs were not declared" if self.sample.recalibrated_by else "costs cannot be weighed on a raw confidence"
            return Check("pays", False, f"not shown that routing pays: {why}")
        auto, human = self.costs.against_auto, self.costs.against_human
        return Check(
            "pays",
            self.costs.pays,
            f"routed {_money(self.costs.routed)} an output; all automatic {_money(self.costs.all_auto)}, "
            f"all by people {_money(self.costs.all_human)}; the difference is at most {auto.upper:+.2f} and {human.upper:+.2f}",
        )


def _none(threshold: Threshold, name: str, reason: str) -> Threshold:
    return replace(threshold, value=None, coverage=0.0, accepted=0, errors=0.0, bound=None, slice=name, reason=reason)


def _riskier(report: SliceReport, common: Threshold) -> bool:
    at = report.risk_at_common
    return report.status == "failed" and at is not None and at.estimate is not None and at.estimate > common.errors / max(1, common.accepted)


def _value(threshold: Threshold) -> float:
    return 2.0 if threshold.value is None else threshold.value


def _own(sample: Sample, limits: Limits) -> dict[str, Threshold]:
    if limits.by is None:
        return {}
    found = certify_slices(
        sample, limits.by, risk=limits.risk, delta=limits.delta / 2, starts=limits.starts, look=limits.look, only_look=limits.only_look
    )
    return {f"{limits.by}={value}": threshold for value, threshold in found.items()}


def _of_slice(report: SliceReport) -> str:
    return f"mandatory slice {report.name}: {report.status.replace('_', ' ')}" + (f" ({report.reason})" if report.reason else "")


def _money(figure: Measure) -> str:
    return f"{figure.estimate:.2f} [{figure.lower:.2f}, {figure.upper:.2f}]"


def _more(sample: Sample, limits: Limits, costs: Costs | None, more: tuple[int, ...], seed: int) -> tuple[MoreLabels, ...]:
    saving = None
    if costs is not None:
        error, review = costs.of_items(sample.n)
        # What the costs would have reviewed anyway is not accepted, however far the guarantee reaches.
        saving = np.where(sample.confidence >= costs.thresholds(), review + costs.reviewer.rate * error - sample.wrong * error, 0.0)
    delta = limits.delta * (1.0 if limits.by is None else 0.5)
    return more_labels(
        sample, risk=limits.risk, delta=delta, more=more, starts=limits.starts, look=limits.look, only_look=limits.only_look, saving=saving, seed=seed
    )


def _declared(costs: Costs) -> Declared:
    error, review, delay = (float(np.mean(np.asarray(value, dtype=np.float64))) for value in (costs.error, costs.review, costs.delay))
    return Declared(error, review, delay, costs.reviewer.missed, costs.reviewer.of)
