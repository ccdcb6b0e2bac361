"""Event sources, and the streams that work features off them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage.server.context import WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import streams
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/features/streams")


@router.get("")
def show_streams(request: Request, workspace: WorkspaceDep) -> Response:
    """Sources and streams: how far behind, and who holds them."""
    return page(request, "streams.html", sources=streams.list_sources(workspace), streams=streams.list_streams(workspace))


@router.get("/{view}")
def show_stream(request: Request, workspace: WorkspaceDep, turn: TurnDep, view: str) -> Response:
    """One stream: its events that came late and those it refused."""
    return page(
        request,
        "stream.html",
        stream=streams.find_stream(workspace, view),
        late=streams.list_late(workspace, view, turn=turn),
        refused=streams.list_refused(workspace, view),
        with_query=with_query,
    )
