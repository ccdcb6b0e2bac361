"""Measured figures, comparisons and gates.

Every figure is an :class:`Evidence` record: metric, estimate, interval, n, slice, method, and what it was measured on. Pages, documents and gates
show evidence, never a bare number; what cannot be measured is evidence too, ``not_assessable`` with its reason. Intervals account for clusters
without being asked (repeats of an item always are one), contain their estimate and are never of zero width. A **gate** holds evidence against
declared limits; the interval decides: ``pass``, ``fail``, ``inconclusive`` (and the n that would decide), ``not_assessable`` (missing, stale,
or measured on something else), ``waived``.

numpy is all it needs: the distributions are in :mod:`.distributions`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pilotage.core.intervals import Interval, clopper_pearson, wilson
from pilotage.core.multiplicity import holm

if TYPE_CHECKING:
    from pilotage.evidence.clusters import Observation
    from pilotage.evidence.compare import Comparison, compare_paired
    from pilotage.evidence.correct import JudgeErrors, corrected_rate
    from pilotage.evidence.figure import Evidence, load_evidence, not_assessable, put_evidence
    from pilotage.evidence.gate import Gate, Limit, NoWorseThan, Waiver, load_gates_file, read_gates
    from pilotage.evidence.means import mean
    from pilotage.evidence.rates import rate
    from pilotage.evidence.verdict import (
        GateResult,
        LimitResult,
        Verdict,
        conjunction,
        evaluate_gate,
        exit_code,
        n_for_none,
        n_needed,
        overall,
        put_gate_result,
    )

# numpy loads when the first name that needs it is used, so that reading a gate file stays cheap.
_FROM = {
    "clusters": ("Observation",),
    "compare": ("Comparison", "compare_paired"),
    "correct": ("JudgeErrors", "corrected_rate"),
    "figure": ("Evidence", "load_evidence", "not_assessable", "put_evidence"),
    "gate": ("Gate", "Limit", "NoWorseThan", "Waiver", "load_gates_file", "read_gates"),
    "means": ("mean",),
    "rates": ("rate",),
    "verdict": (
        "GateResult",
        "LimitResult",
        "Verdict",
        "conjunction",
        "evaluate_gate",
        "exit_code",
        "n_for_none",
        "n_needed",
        "overall",
        "put_gate_result",
    ),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "Comparison",
    "Evidence",
    "Gate",
    "GateResult",
    "Interval",
    "JudgeErrors",
    "Limit",
    "LimitResult",
    "NoWorseThan",
    "Observation",
    "Verdict",
    "Waiver",
    "clopper_pearson",
    "compare_paired",
    "conjunction",
    "corrected_rate",
    "evaluate_gate",
    "exit_code",
    "holm",
    "load_evidence",
    "load_gates_file",
    "mean",
    "n_for_none",
    "n_needed",
    "not_assessable",
    "overall",
    "put_evidence",
    "put_gate_result",
    "rate",
    "read_gates",
    "wilson",
]
