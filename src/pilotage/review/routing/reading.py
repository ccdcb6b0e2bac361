"""From a calibration report to what routing needs of it: which slices may be routed, from which confidence on, and why the others may not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pilotage.core import Refused

if TYPE_CHECKING:
    from pilotage.judging.calibration import CalibrationReport, Recalibrator


def body_of(report: CalibrationReport, recalibrator: Recalibrator) -> dict[str, Any]:
    """The report as it is kept. ``thresholds``: '' for everything together, ``dimension=value`` for a slice with a threshold of its own.

    Raises
    ------
    Refused
        If the report was made on raw confidence, or on one that another recalibrator mended.
    """
    if report.recalibrator is None:
        raise Refused("The report is about raw confidence.", why="routing on raw confidence is refused", mend="fit a recalibrator and report again")
    if report.recalibrator != recalibrator.hash:
        raise Refused("The report is about confidence that another recalibrator mended.", mend="give the one it was made with")
    thresholds: dict[str, float | None] = {"": report.threshold.value}
    reasons = {"": report.threshold.reason} if report.threshold.value is None else {}
    for each in report.slices:
        own = each.threshold.value if each.threshold is not None and each.status == "certified" else None
        thresholds[each.name] = own
        if own is None:
            reasons[each.name] = each.reason or "it has no threshold of its own"
    if not report.routable:
        reasons["verdict"] = "; ".join(check.text for check in report.checks if not check.holds)
    return {
        "model": report.model,
        "look": report.limits.look,
        "labels_hash": report.sample_digest,
        "verdict": report.verdict.value,
        "risk": report.limits.risk,
        "delta": report.limits.delta,
        "thresholds": thresholds,
        "reasons": reasons,
        "recalibrator": recalibrator.to_dict(),
        "report": report.to_dict(),
    }
