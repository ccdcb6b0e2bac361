"""Drift of data and drift of the model, told apart.

Two **windows** of rows are compared: a reference the model was not trained on, and what came in since. :func:`measure_drift` says how far each column
moved; :func:`domain_test` whether a classifier can tell the windows apart; :func:`estimate_performance` what performance should be before any label
comes (blind to concept drift); :func:`realised_performance` what it is; :func:`decompose` splits the change into other inputs and another truth;
:func:`label_shift` asks whether only the share of positives changed. :func:`diagnose` climbs all of it as a ladder to one of seven verdicts, each
rung with its figures. :class:`RateMonitor` watches a stream with a bound on false alarms; :func:`retrieval_drift` watches a retriever and the age of
what it finds; :func:`group_gaps` watches fairness. All are pure functions; :func:`put_report` keeps a diagnosis.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.monitoring.data_bugs import BugLimits, DataBug, find_data_bugs, units_of_contract
    from pilotage.monitoring.decomposition import Decomposition, decompose
    from pilotage.monitoring.diagnosis import Cause, Diagnosis, Rung, Thresholds, diagnose
    from pilotage.monitoring.distances import ColumnDrift, DriftReport, measure_drift, psi_of_tables, rate_change
    from pilotage.monitoring.domain import Contribution, DomainTest, domain_test
    from pilotage.monitoring.estimation import Estimator, PerformanceEstimate, estimate_performance, fit_estimator
    from pilotage.monitoring.gaps import GroupGaps, group_gaps
    from pilotage.monitoring.losses import LossEstimate, estimate_loss
    from pilotage.monitoring.online import RateMonitor
    from pilotage.monitoring.performance import Performance, realised_performance
    from pilotage.monitoring.priors import LabelShift, black_box_prior, label_shift
    from pilotage.monitoring.reporting import Report, load_report, put_report, reports
    from pilotage.monitoring.retrieval import RetrievalDrift, RetrievalLimits, retrieval_drift
    from pilotage.monitoring.shapes import Shape, column_shapes
    from pilotage.monitoring.windows import UNKNOWN, Window, window

# numpy, pyarrow and scikit-learn load when the first name is used.
_FROM = {
    "data_bugs": ("BugLimits", "DataBug", "find_data_bugs", "units_of_contract"),
    "decomposition": ("Decomposition", "decompose"),
    "diagnosis": ("Cause", "Diagnosis", "Rung", "Thresholds", "diagnose"),
    "distances": ("ColumnDrift", "DriftReport", "measure_drift", "psi_of_tables", "rate_change"),
    "domain": ("Contribution", "DomainTest", "domain_test"),
    "estimation": ("Estimator", "PerformanceEstimate", "estimate_performance", "fit_estimator"),
    "priors": ("LabelShift", "black_box_prior", "label_shift"),
    "gaps": ("GroupGaps", "group_gaps"),
    "losses": ("LossEstimate", "estimate_loss"),
    "online": ("RateMonitor",),
    "reporting": ("Report", "load_report", "put_report", "reports"),
    "retrieval": ("RetrievalDrift", "RetrievalLimits", "retrieval_drift"),
    "performance": ("Performance", "realised_performance"),
    "shapes": ("Shape", "column_shapes"),
    "windows": ("UNKNOWN", "Window", "window"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "UNKNOWN",
    "BugLimits",
    "Cause",
    "ColumnDrift",
    "Contribution",
    "DataBug",
    "Decomposition",
    "Diagnosis",
    "DomainTest",
    "DriftReport",
    "Estimator",
    "GroupGaps",
    "LabelShift",
    "LossEstimate",
    "Performance",
    "PerformanceEstimate",
    "RateMonitor",
    "Report",
    "RetrievalDrift",
    "RetrievalLimits",
    "Rung",
    "Shape",
    "Thresholds",
    "Window",
    "black_box_prior",
    "column_shapes",
    "decompose",
    "diagnose",
    "domain_test",
    "estimate_loss",
    "estimate_performance",
    "find_data_bugs",
    "fit_estimator",
    "group_gaps",
    "label_shift",
    "load_report",
    "measure_drift",
    "psi_of_tables",
    "put_report",
    "rate_change",
    "realised_performance",
    "reports",
    "retrieval_drift",
    "units_of_contract",
    "window",
]
