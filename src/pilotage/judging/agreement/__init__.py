"""Agreement beyond chance, for every kind of answer.

Alpha for single values on four scales, for sets of labels, spans and rankings; Cohen, Fleiss and Gwet beside it; span F1 and Kendall's tau as plain
agreement. Each figure has its interval (units are drawn again), its n, a warning where one value has nearly all the answers, and its reason
where it is not defined. Below 50 units judged twice it is shown and decides nothing. :func:`agreement_by` parts it by question, slice, guideline or
pair of raters, with and without a suggestion side by side; :func:`agreement_change` is before and after.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.judging.agreement.alpha import krippendorff_alpha
    from pilotage.judging.agreement.breakdown import AgreementChange, ArmAgreement, agreement_by, agreement_change, rows_of
    from pilotage.judging.agreement.figure import ENOUGH_UNITS, Agreement, Rating, ratings_of
    from pilotage.judging.agreement.kappas import cohen_kappa, fleiss_kappa, gwet_ac1
    from pilotage.judging.agreement.of_question import agreement_on
    from pilotage.judging.agreement.rankings import kendall_tau, ranking_alpha
    from pilotage.judging.agreement.sets import set_alpha
    from pilotage.judging.agreement.spans import span_alpha, span_f1

_FROM = {
    "alpha": ("krippendorff_alpha",),
    "breakdown": ("AgreementChange", "ArmAgreement", "agreement_by", "agreement_change", "rows_of"),
    "figure": ("ENOUGH_UNITS", "Agreement", "Rating", "ratings_of"),
    "kappas": ("cohen_kappa", "fleiss_kappa", "gwet_ac1"),
    "of_question": ("agreement_on",),
    "rankings": ("kendall_tau", "ranking_alpha"),
    "sets": ("set_alpha",),
    "spans": ("span_alpha", "span_f1"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "ENOUGH_UNITS",
    "Agreement",
    "AgreementChange",
    "ArmAgreement",
    "Rating",
    "agreement_by",
    "agreement_change",
    "agreement_on",
    "cohen_kappa",
    "fleiss_kappa",
    "gwet_ac1",
    "kendall_tau",
    "krippendorff_alpha",
    "ranking_alpha",
    "ratings_of",
    "rows_of",
    "set_alpha",
    "span_alpha",
    "span_f1",
]
