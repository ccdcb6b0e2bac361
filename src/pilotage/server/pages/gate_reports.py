"""Gate reports: what a gate found in a version or a batch, and an owner's word that it is normal from now on."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pilotage.server.context import PersonDep, WorkspaceDep, require, visitor_of
from pilotage.server.queries import gate_reports
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/data/gates")


@router.get("/{report_id}")
def show_report(request: Request, workspace: WorkspaceDep, report_id: str) -> Response:
    """One report: the verdict and why, every check with figure and limit, failing rows."""
    return page(request, "gate_report.html", gate=gate_reports.find_report(workspace, report_id))


@router.post("/{report_id}/accept", dependencies=[require("waive")])
def accept(request: Request, workspace: WorkspaceDep, person: PersonDep, report_id: str, reason: Annotated[str, Form(max_length=2000)]) -> Response:
    """Accept as the new normal. A token is refused: it acts without anybody looking."""
    from pilotage.data.quality import accept_as_normal

    visitor = visitor_of(request)
    via: Literal["session", "token"] = "session" if visitor is not None and visitor.via == "cookie" else "token"
    accept_as_normal(workspace, report_id, person=person, reason=reason, via=via)
    return RedirectResponse(f"/data/gates/{report_id}", 303)
