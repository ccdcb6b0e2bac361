"""The index of projects and review queues. A queue's own screen is in ``review_routes``, a project's in ``projects``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pilotage.server.context import PersonDep, WorkspaceDep
from pilotage.server.queries.queues import MOST_COUNTED, list_queues
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/review")
def show_queues(request: Request, workspace: WorkspaceDep, person: PersonDep) -> Response:
    """Every project and queue: how much is left, for whom, who works, how far they agree; paused and archived ones apart."""
    found = list_queues(workspace, request.app.state.agreements, who=person)
    served = [one for one in found if one.state in (None, "active")]
    apart = [one for one in found if one.state not in (None, "active")]
    return page(request, "queues.html", served=served, apart=apart, most_counted=MOST_COUNTED)


@router.get("/review/projects")
def list_projects() -> Response:
    """They stand in the index."""
    return RedirectResponse("/review", 303)
