"""Every figure by slice: an average that is fine can hide a group for whom the confidence lies.

With twenty slices at .05 one fails by chance, so calibration is judged after Holm over the slices, and the risk at the common threshold by bounds
that share their level. A slice of fewer than 50 items is not measured, and a mandatory one is then named: silence is no pass.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace

from pilotage.core.multiplicity import holm
from pilotage.judging.calibration.bounds import clopper_pearson_lower, clopper_pearson_upper
from pilotage.judging.calibration.measure import Measure
from pilotage.judging.calibration.ranking import auroc, risk_coverage
from pilotage.judging.calibration.reliability import calibration_line, reliability_of, weighted_mean
from pilotage.judging.calibration.sample import ENOUGH_FOR_A_SLICE, Sample
from pilotage.judging.calibration.smooth import smooth_ece
from pilotage.judging.calibration.verdict import SliceReport, Threshold

# A calibration error that is real but smaller than this moves no threshold that matters; without it, every confidence fails at a large enough n.
TOLERABLE = 0.02
_BINS = 10


def slice_reports(
    sample: Sample,
    *,
    threshold: float | None,
    risk: float,
    own: Mapping[str, Threshold] | None = None,
    mandatory: Collection[str] = (),
    level: float = 0.95,
    test_level: float = 0.05,
    seed: int = 0,
) -> tuple[SliceReport, ...]:
    """One report for each slice of the sample (``dimension=value``) and each mandatory one that it lacks, by name.

    Parameters
    ----------
    threshold
        The common threshold; None: nothing was certified.
    own
        Thresholds of slices of their own, by name, as :func:`certify_slices` found them.
    mandatory
        Names of slices, or of dimensions (all values the sample has).
    """
    names = {f"{dimension}={value}": (dimension, value) for dimension, value in sample.slice_names()}
    lacking = [name for name in mandatory if name not in names and name not in sample.slices]
    found = [_measure(sample, name, place, _is_mandatory(place, mandatory), (own or {}).get(name), level, seed) for name, place in names.items()]
    adjusted = holm({each.name: each.ece_p for each in found if each.ece_p is not None})
    measured = max(1, sum(each.status != "not_measured" for each in found))
    judged = [
        _judge(
            replace(each, ece_p_adjusted=adjusted.get(each.name)),
            None if threshold is None else _risk_at(sample.where(sample.in_slice(*names[each.name])), threshold, test_level / measured),
            risk,
            test_level,
        )
        for each in found
    ]
    judged += [SliceReport(name, "not_measured", True, 0, reason="no item of the sample is in it") for name in lacking]
    return tuple(sorted(judged, key=lambda each: each.name))


def _is_mandatory(place: tuple[str, str], mandatory: Collection[str]) -> bool:
    return place[0] in mandatory or f"{place[0]}={place[1]}" in mandatory


def _measure(sample: Sample, name: str, place: tuple[str, str], mandatory: bool, own: Threshold | None, level: float, seed: int) -> SliceReport:
    part = sample.where(sample.in_slice(*place))
    if part.n < ENOUGH_FOR_A_SLICE:
        return SliceReport(
            name, "not_measured", mandatory, part.n, threshold=own, reason=f"{part.n} items; {ENOUGH_FOR_A_SLICE} are needed to say anything"
        )
    calibrated = reliability_of(part, bins=min(_BINS, max(2, part.n // 25)), level=level, seed=seed)
    return SliceReport(
        name=name,
        status="measured" if own is None else ("certified" if own.certified else "not_certified"),
        mandatory=mandatory,
        n=part.n,
        accuracy=weighted_mean("accuracy", part.correct, part.weights, level),
        ece=calibrated.ece,
        ece_p=calibrated.p,
        smooth_ece=smooth_ece(part, level=level, seed=seed),
        slope=calibration_line(part, level=level).slope,
        auroc=auroc(part, level=level),
        excess_aurc=risk_coverage(part, level=level, seed=seed).excess,
        threshold=own,
        reason="" if own is None or own.certified else own.reason,
    )


def _risk_at(part: Sample, threshold: float, alpha: float) -> Measure | None:
    """The error rate among what the common threshold accepts, between one-sided bounds at ``alpha`` each; None: it accepts nothing here."""
    accepted = part.where(part.confidence >= threshold)
    if not accepted.n:
        return None
    rate = float((accepted.weights * accepted.wrong).sum() / accepted.weights.sum())
    # Unequal weights and soft truth: as many items as they are worth.
    n = float(accepted.n) if accepted.equal_weights else accepted.effective_n
    low, high = clopper_pearson_lower(rate * n, n, alpha), clopper_pearson_upper(rate * n, n, alpha)
    return Measure(
        "error rate at the common threshold", rate, min(low, rate), max(high, rate), 1 - 2 * alpha, accepted.n, "Clopper-Pearson, shared level"
    )


def _judge(report: SliceReport, at_common: Measure | None, risk: float, test_level: float) -> SliceReport:
    if report.status == "not_measured":
        return report
    problems = []
    lower = report.smooth_ece.lower if report.smooth_ece is not None else None
    if report.ece_p_adjusted is not None and report.ece_p_adjusted < test_level and lower is not None and lower > TOLERABLE:
        problems.append(f"the confidence is off: error at least {lower:.3f}, p = {report.ece_p_adjusted:.4f} after Holm")
    if report.status == "measured" and at_common is not None and at_common.lower is not None and at_common.lower > risk:
        problems.append(f"at least {at_common.lower:.1%} of what the common threshold accepts is wrong, above {risk:.1%}")
    if problems:
        return replace(report, status="failed", risk_at_common=at_common, reason="; ".join(problems))
    return replace(report, risk_at_common=at_common)
