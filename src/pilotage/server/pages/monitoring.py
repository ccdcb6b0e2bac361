"""Monitoring's reports: what was found, why, and what followed."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage.readiness import find_pilot_id
from pilotage.server.context import WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import reports
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/monitoring")
def show_reports(
    request: Request,
    workspace: WorkspaceDep,
    turn: TurnDep,
    pilot: str | None = None,
    pipeline: str | None = None,
    verdict: str | None = None,
    kind: str | None = None,
) -> Response:
    """Reports, the newest first; of one pipeline with the metric it watches."""
    pilot_id = find_pilot_id(workspace, pilot) if pilot else None
    found = reports.list_reports(workspace, pilot_id=pilot_id, pipeline=pipeline or None, verdict=verdict or None, kind=kind or None, turn=turn)
    return page(
        request,
        "monitoring.html",
        reports=found,
        pilot=pilot or None,
        pipeline=pipeline or None,
        pipelines=reports.list_pipelines(workspace),
        verdict=verdict or None,
        kind=kind or None,
        verdicts=reports.VERDICTS,
        kinds=reports.KINDS,
        trend=reports.trend_of(workspace, pipeline) if pipeline else None,
        with_query=with_query,
    )


@router.get("/monitoring/{report_id}")
def show_report(request: Request, workspace: WorkspaceDep, report_id: str) -> Response:
    """One report: the ladder, the columns behind it, what was decided after it."""
    return page(request, "report.html", report=reports.find_report(workspace, report_id), meanings=reports.THRESHOLDS)
