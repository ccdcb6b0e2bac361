"""The audit trail of review: every serve, view, answer, change and export, from the ledger."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pilotage.core import PilotageError
from pilotage.review.projects import projects
from pilotage.server.context import WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries.paging import Page
from pilotage.server.queries.trail import KINDS, Trail, list_steps
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, dependencies=[require("ledger")])

Word = Annotated[str | None, Query(max_length=200)]


@router.get("/review/audit")
def show_trail(
    request: Request,
    workspace: WorkspaceDep,
    turn: TurnDep,
    who: Word = None,
    project: Word = None,
    item: Word = None,
    kind: Word = None,
    since: Word = None,
    until: Word = None,
) -> Response:
    """Who did what to which item, newest first."""
    wanted = {
        "who": who or None,
        "project": project or None,
        "item": item or None,
        "kind": kind or None,
        "since": since or None,
        "until": until or None,
    }
    problem: PilotageError | None = None
    found = Trail(Page(), cut=False)
    try:
        found = list_steps(workspace, **wanted, turn=turn)
    except PilotageError as error:
        problem = error
    return page(
        request,
        "review/trail.html",
        status=200 if problem is None else problem.http_status,
        steps=found.page,
        cut=found.cut,
        wanted=wanted,
        kinds=KINDS,
        projects=[each.name for each in projects(workspace, archived=True)],
        problem=problem.to_dict() if problem else None,
        with_query=with_query,
    )
