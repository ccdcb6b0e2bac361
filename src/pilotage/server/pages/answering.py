"""The review screen: a shell. ``static/review/`` fills it, keeps the next items ready and sends what people decide until it is acknowledged."""

from __future__ import annotations

from fastapi import APIRouter, Request
from sqlalchemy import select
from starlette.responses import Response

from pilotage.readiness.tables import pilot as pilot_table
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.render import page
from pilotage.server.review_routes import Purpose

router = APIRouter(dependencies=[require("review")])


@router.get("/review/{queue}", include_in_schema=False)
def show_queue(request: Request, queue: str, workspace: WorkspaceDep, who: PersonDep, purpose: Purpose | None = None) -> Response:
    """The review screen of one queue; with a purpose, of its tasks for that alone."""
    with workspace.read() as conn:
        c = pilot_table.c
        found = conn.execute(select(c.name, c.title).where(c.workspace_id == workspace.id, c.name == queue)).first()
    return page(
        request,
        "review.html",
        queue=queue,
        queue_title=found.title if found else queue,
        pilot_name=found.name if found else None,
        workspace_id=workspace.id,
        login=who.login,
        purpose=purpose,
    )
