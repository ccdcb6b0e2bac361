"""Routing: which live outputs go out, and which a person sees first.

A **calibration report** (:func:`store_report`) shows what the confidence of one model and prompt is worth. A **policy** (``policy.yaml``,
:func:`read_policy`) stands on such a report and on the assessments of its slices: :func:`draft_policy`, then :func:`activate_policy` by an owner who
did not write it. A :class:`Router` answers for one output at a time: accept, review, two people, people only, block; with reason codes. Of what is
accepted a random part is audited; :func:`watch_policy` counts the answers, and an alarm tightens the slice by itself. Only a person loosens
(:func:`loosen`), on fresh evidence.

Deciding is pure (:mod:`.deciding`); everything that is kept is kept in one transaction with what follows from it (:mod:`.recording`).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pilotage.review.routing.asking import Outcome, Routed, load_route, report_outcome, routes
    from pilotage.review.routing.compiling import keep_novelty, load_compiled, load_novelty
    from pilotage.review.routing.managing import (
        Change,
        PolicyVersion,
        activate_policy,
        draft_policy,
        policies,
        policy_changes,
        policy_version,
        retire_policy,
        suspend_policy,
    )
    from pilotage.review.routing.novelty import Novelty, fit_novelty
    from pilotage.review.routing.policy import Policy, policy_of, read_policy
    from pilotage.review.routing.reporting import StoredReport, load_report, next_look, reports, store_report
    from pilotage.review.routing.request import ACTIONS, RouteDecision, RouteRequest
    from pilotage.review.routing.reviewers import Misses, count_misses, reviewer_error
    from pilotage.review.routing.router import Router
    from pilotage.review.routing.tightening import loosen, tighten
    from pilotage.review.routing.watching import Counted, SliceState, monitor_states, watch_all, watch_policy

# numpy loads with the first name that needs it.
_FROM = {
    "asking": ("Outcome", "Routed", "load_route", "report_outcome", "routes"),
    "compiling": ("keep_novelty", "load_compiled", "load_novelty"),
    "managing": (
        "Change",
        "PolicyVersion",
        "activate_policy",
        "draft_policy",
        "policies",
        "policy_changes",
        "policy_version",
        "retire_policy",
        "suspend_policy",
    ),
    "novelty": ("Novelty", "fit_novelty"),
    "policy": ("Policy", "policy_of", "read_policy"),
    "reporting": ("StoredReport", "load_report", "next_look", "reports", "store_report"),
    "request": ("ACTIONS", "RouteDecision", "RouteRequest"),
    "reviewers": ("Misses", "count_misses", "reviewer_error"),
    "router": ("Router",),
    "tightening": ("loosen", "tighten"),
    "watching": ("Counted", "SliceState", "monitor_states", "watch_all", "watch_policy"),
}
_HOME = {name: module for module, names in _FROM.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


__all__ = [
    "ACTIONS",
    "Change",
    "Counted",
    "Misses",
    "Novelty",
    "Outcome",
    "Policy",
    "PolicyVersion",
    "RouteDecision",
    "RouteRequest",
    "Routed",
    "Router",
    "SliceState",
    "StoredReport",
    "activate_policy",
    "count_misses",
    "draft_policy",
    "fit_novelty",
    "keep_novelty",
    "load_compiled",
    "load_novelty",
    "load_report",
    "load_route",
    "loosen",
    "monitor_states",
    "next_look",
    "policies",
    "policy_changes",
    "policy_of",
    "policy_version",
    "read_policy",
    "report_outcome",
    "reports",
    "retire_policy",
    "reviewer_error",
    "routes",
    "store_report",
    "suspend_policy",
    "tighten",
    "watch_all",
    "watch_policy",
]
