"""Findings: failures that people confirmed, and what became of them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage.readiness import find_pilot_id
from pilotage.server.context import PersonDep, WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.pages.revealing import is_revealed
from pilotage.server.queries import findings
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/findings")
def show_findings(
    request: Request,
    workspace: WorkspaceDep,
    turn: TurnDep,
    pilot: str | None = None,
    state: str | None = None,
    severity: str | None = None,
    clause: str | None = None,
    technique: str | None = None,
) -> Response:
    """Findings, the latest changed first."""
    pilot_id = find_pilot_id(workspace, pilot) if pilot else None
    wanted = findings.Wanted(pilot_id, state or None, severity or None, clause or None, technique or None)
    counts = findings.count_by_state(workspace, wanted)
    return page(
        request,
        "findings.html",
        findings=findings.list_findings(workspace, wanted, turn=turn),
        counts={**counts, "open": sum(counts.get(one, 0) for one in findings.OPEN_STATES)},
        states=[str(one) for one in findings.STATES],
        kinds=findings.list_kinds(workspace, pilot_id=pilot_id),
        wanted=wanted,
        pilot=pilot,
        with_query=with_query,
    )


@router.get("/findings/{finding_id}")
def show_finding(request: Request, workspace: WorkspaceDep, person: PersonDep, finding_id: str, attempt: str | None = None) -> Response:
    """One finding: its life, how each model answered, and a conversation."""
    found = findings.find_finding(workspace, finding_id, sample_id=attempt or None)
    shown = found.output is None or not found.output.harmful or is_revealed(workspace, found.output.id, person)
    return page(request, "finding.html", found=found, veiled=not shown)
