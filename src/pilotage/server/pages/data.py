"""Datasets and their versions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.server.context import WorkspaceDep
from pilotage.server.pages.asking import with_query
from pilotage.server.queries import versions
from pilotage.server.queries.rows import ROWS_A_PAGE, list_rows
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/data")
def show_datasets(request: Request, workspace: WorkspaceDep) -> Response:
    """Every dataset with its latest version."""
    return page(request, "data.html", datasets=versions.list_datasets(workspace))


@router.get("/data/{name}")
def show_latest(workspace: WorkspaceDep, name: str) -> Response:
    """The latest version."""
    return RedirectResponse(f"/data/{name}/{versions.find_version(workspace, name).line.number}", 303)


@router.get("/data/{name}/{number}")
def show_version(request: Request, workspace: WorkspaceDep, name: str, number: int, start: Annotated[int, Query(ge=0)] = 0) -> Response:
    """One version: card, operation, lineage, what was refused, rows."""
    found = versions.find_version(workspace, name, number)
    rows = list_rows(workspace, found.line.id, start=start)
    return page(
        request,
        "version.html",
        version=found,
        rows=rows,
        start=start,
        next_start=start + ROWS_A_PAGE if start + ROWS_A_PAGE < found.line.rows and rows.rows else None,
        previous_start=max(0, start - ROWS_A_PAGE) if start else None,
        with_query=with_query,
    )
