"""Findings: failures that people confirmed, and what became of them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage.server.context import WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import findings, pilots
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/findings")
def show_findings(
    request: Request, workspace: WorkspaceDep, turn: TurnDep, pilot: str | None = None, state: str | None = None, severity: str | None = None
) -> Response:
    """Findings, the latest changed first."""
    pilot_id = pilots.pilot_id_of(workspace, pilot) if pilot else None
    return page(
        request,
        "findings.html",
        findings=findings.list_findings(workspace, pilot_id=pilot_id, state=state or None, severity=severity or None, turn=turn),
        counts=findings.count_by_state(workspace, pilot_id=pilot_id),
        states=findings.STATES,
        state=state,
        severity=severity,
        pilot=pilot,
        with_query=with_query,
    )


@router.get("/findings/{finding_id}")
def show_finding(request: Request, workspace: WorkspaceDep, finding_id: str, attempt: str | None = None) -> Response:
    """One finding: its life, how each model answered, and a conversation."""
    return page(request, "finding.html", finding=findings.find_finding(workspace, finding_id, attempt_id=attempt or None))
