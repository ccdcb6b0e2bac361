"""Skew: served values against the batch path."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pilotage.server.context import PersonDep, WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import skew
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/features/skew")


@router.get("")
def show_reports(request: Request, workspace: WorkspaceDep, turn: TurnDep, view: Annotated[str | None, Query(max_length=100)] = None) -> Response:
    """Reports, the newest first, and what the serving log holds."""
    return page(
        request,
        "skew_reports.html",
        reports=skew.list_reports(workspace, view=view or None, turn=turn),
        served=skew.served_counts(workspace),
        view=view or None,
        with_query=with_query,
    )


@router.get("/{report_id}")
def show_report(request: Request, workspace: WorkspaceDep, person: PersonDep, report_id: str) -> Response:
    """One report, feature by feature, with the likeliest cause."""
    return page(request, "skew_report.html", report=skew.find_report(workspace, report_id, login=person.login if person.may("export") else None))
