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

from pilotage.core import InputError, IntegrityError, content_id
from pilotage.judging.calibration.checks import Found, Limits, riskier
from pilotage.judging.calibration.economics import CostCurve, Costs, RoutedCosts, cost_curve
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
    weighted_mean,
)
from pilotage.judging.calibration.risk_control import marginal
from pilotage.judging.calibration.sample import Sample
from pilotage.judging.calibration.verdict import Check, SliceReport, Threshold, Verdict

_CROSS_FITTED = "cross-fitted"


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
            if each.name in names and riskier(each, self.threshold):
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
    found = Found(used, held, costs, seed)
    checks = found.checks()
    candidates: tuple[Candidate, ...] = ()
    verdict = Verdict.ROUTABLE if all(each.holds for each in checks) else Verdict.HUMAN_ONLY
    if verdict is Verdict.HUMAN_ONLY and not (found.calibrated().holds and used.recalibrated_by):
        candidates = compare(sample, methods=METHODS, seed=seed)
        best = next(each.method for each in candidates if each.chosen)
        mended = sample.with_confidence(cross_fitted(sample, best, seed=seed), recalibrated_by=_CROSS_FITTED)
        if all(each.holds for each in Found(mended, held, costs, seed).checks()):
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


def _none(threshold: Threshold, name: str, reason: str) -> Threshold:
    return replace(threshold, value=None, coverage=0.0, accepted=0, errors=0.0, bound=None, slice=name, reason=reason)


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
