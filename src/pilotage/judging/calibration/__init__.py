"""Is this confidence good enough to route on? Pure numerics: arrays in, figures with intervals out; nothing is stored here.

A :class:`Sample` holds confidence, truth, slices and inclusion probabilities, and refuses what could only mislead. :func:`calibration_report`
measures it (calibration against its own noise, ranking, slices), certifies a threshold (:func:`certify`: Learn-then-Test) and answers with a
verdict: ROUTABLE, RECALIBRATE or HUMAN_ONLY, and every reason. :func:`recalibrate` mends a confidence that is off. :class:`Watch` raises an alarm
when audited outputs are wrong more often than was promised. :mod:`.economics` and :mod:`.capacity` say whether routing pays and how many
reviewers it takes. What each figure promises is a :class:`Guarantee`: selective, marginal or of a set; they are three different things.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.judging.calibration.capacity import Assigned, Ranked, Staffing, assign, erlang_c, rank_by_benefit, reviewers_needed, staffing
    from pilotage.judging.calibration.checks import Limits
    from pilotage.judging.calibration.economics import BreakEven, CostCurve, Costs, ReviewerError, RoutedCosts, break_even, cost_curve, routed_costs
    from pilotage.judging.calibration.labels import MoreLabels, coverage_without_guarantee, more_labels
    from pilotage.judging.calibration.measure import Measure
    from pilotage.judging.calibration.monitor import Audit, Watch
    from pilotage.judging.calibration.ranking import RiskCoverage, auroc, risk_coverage
    from pilotage.judging.calibration.reading import read_sample
    from pilotage.judging.calibration.recalibration import Candidate, Recalibrator, compare, recalibrate
    from pilotage.judging.calibration.reliability import Bin, Line, Reliability, Scores, calibration_line, dist_ce, proper_scores, reliability_of
    from pilotage.judging.calibration.report import CalibrationReport, calibration_report
    from pilotage.judging.calibration.risk_control import SetRule, certify, certify_slices, marginal, set_coverage
    from pilotage.judging.calibration.sample import ENOUGH_FOR_A_SLICE, ENOUGH_FOR_A_VERDICT, Sample
    from pilotage.judging.calibration.slices import slice_reports
    from pilotage.judging.calibration.smooth import smooth_ece
    from pilotage.judging.calibration.verdict import Check, Guarantee, SliceReport, Threshold, Verdict

# numpy and scipy load when a name is first used.
_FROM = {
    "capacity": ("Assigned", "Ranked", "Staffing", "assign", "erlang_c", "rank_by_benefit", "reviewers_needed", "staffing"),
    "economics": ("BreakEven", "CostCurve", "Costs", "ReviewerError", "RoutedCosts", "break_even", "cost_curve", "routed_costs"),
    "labels": ("MoreLabels", "coverage_without_guarantee", "more_labels"),
    "measure": ("Measure",),
    "monitor": ("Audit", "Watch"),
    "ranking": ("RiskCoverage", "auroc", "risk_coverage"),
    "reading": ("read_sample",),
    "recalibration": ("Candidate", "Recalibrator", "compare", "recalibrate"),
    "reliability": ("Bin", "Line", "Reliability", "Scores", "calibration_line", "dist_ce", "proper_scores", "reliability_of"),
    "checks": ("Limits",),
    "report": ("CalibrationReport", "calibration_report"),
    "risk_control": ("SetRule", "certify", "certify_slices", "marginal", "set_coverage"),
    "sample": ("ENOUGH_FOR_A_SLICE", "ENOUGH_FOR_A_VERDICT", "Sample"),
    "slices": ("slice_reports",),
    "smooth": ("smooth_ece",),
    "verdict": ("Check", "Guarantee", "SliceReport", "Threshold", "Verdict"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "ENOUGH_FOR_A_SLICE",
    "ENOUGH_FOR_A_VERDICT",
    "Assigned",
    "Audit",
    "Bin",
    "BreakEven",
    "CalibrationReport",
    "Candidate",
    "Check",
    "CostCurve",
    "Costs",
    "Guarantee",
    "Limits",
    "Line",
    "Measure",
    "MoreLabels",
    "Ranked",
    "Recalibrator",
    "Reliability",
    "ReviewerError",
    "RiskCoverage",
    "RoutedCosts",
    "Sample",
    "Scores",
    "SetRule",
    "SliceReport",
    "Staffing",
    "Threshold",
    "Verdict",
    "Watch",
    "assign",
    "auroc",
    "break_even",
    "calibration_line",
    "calibration_report",
    "certify",
    "certify_slices",
    "compare",
    "cost_curve",
    "coverage_without_guarantee",
    "dist_ce",
    "erlang_c",
    "marginal",
    "more_labels",
    "proper_scores",
    "rank_by_benefit",
    "read_sample",
    "recalibrate",
    "reliability_of",
    "reviewers_needed",
    "risk_coverage",
    "routed_costs",
    "set_coverage",
    "slice_reports",
    "smooth_ece",
    "staffing",
]
