"""The index of the review queues. The queue's own screen is in ``review_routes``."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage.server.context import WorkspaceDep
from pilotage.server.queries.queues import list_queues
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/review")
def show_queues(request: Request, workspace: WorkspaceDep) -> Response:
    """Every queue with how much is left."""
    return page(request, "queues.html", queues=list_queues(workspace))
