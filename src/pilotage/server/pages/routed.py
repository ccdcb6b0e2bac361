"""What was routed: the monitor of each policy, the decisions, and one decision with what became of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import NotFound
from pilotage.review.routing.request import ACTIONS
from pilotage.server.context import PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import routed
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/routing")

Name = Annotated[str | None, Query(max_length=200)]


@router.get("/monitor")
def show_monitor(request: Request, workspace: WorkspaceDep, policy: Name = None) -> Response:
    """How a policy does: what it decided, what the audit found against what was contracted, how full the queue is."""
    found = routed.find_monitor(workspace, policy or None)
    rate = routed.per_hour(found) if found else None
    return page(request, "routing/monitor.html", found=found, rate=rate, actions=ACTIONS, with_query=with_query)


@router.post("/monitor/count", dependencies=[require("run")])
def count_audits(workspace: WorkspaceDep, person: PresentDep, policy: Annotated[str, Form(max_length=100)] = "") -> Response:
    """Count the audits that were answered, raise what alarms there are, and let held outputs into the queue."""
    from pilotage.review.routing import watch_policy

    if policy not in routed.policy_names(workspace):
        raise NotFound(f"There is no routing policy '{policy}'.", mend="see the list of policies")
    watch_policy(workspace.acting_as(person.login), policy)
    return RedirectResponse(f"/routing/monitor?policy={policy}", 303)


# Who was drawn for audit is nothing for those who will answer: they would look at an audit with other eyes.
@router.get("/decisions", dependencies=[require("ledger")])
def show_decisions(
    request: Request,
    workspace: WorkspaceDep,
    turn: TurnDep,
    policy: Name = None,
    action: Name = None,
    slice: Name = None,
    audited: Name = None,
    held: Name = None,
) -> Response:
    """Decisions of a policy, the newest first."""
    names = routed.policy_names(workspace)
    chosen = policy or (names[0] if names else "")
    if policy and policy not in names:
        raise NotFound(f"There is no routing policy '{policy}'.", mend="see the list of policies")
    # '-' stands for everything else: an address cannot say the empty slice.
    wanted = routed.Wanted(chosen, action or None, None if not slice else "" if slice == "-" else slice, audited == "yes", held == "yes")
    return page(
        request,
        "routing/decisions.html",
        found=routed.list_decisions(workspace, wanted, turn=turn),
        names=names,
        wanted=wanted,
        slices=routed.slices_of(workspace, chosen) if chosen else [],
        actions=ACTIONS,
        with_query=with_query,
    )


@router.get("/decisions/{route_id}", dependencies=[require("ledger")])
def show_decision(request: Request, workspace: WorkspaceDep, route_id: str) -> Response:
    """One decision: what was known, which slice decided, and what became of it."""
    return page(request, "routing/decision.html", found=routed.find_decision(workspace, route_id))
