"""Adjudication: what is disputed, who decides it, and what was decided. The deciding itself is on the review screen."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, NotFound
from pilotage.judging import person
from pilotage.server.context import PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import adjudication
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/adjudication")
Name = Annotated[str | None, Query(max_length=200)]


@router.get("")
def show(
    request: Request,
    workspace: WorkspaceDep,
    who: PersonDep,
    turn: TurnDep,
    project: Name = None,
    state: Literal["open", "reopened", "answered", "decided", ""] = "",
) -> Response:
    """Every project with what waits, and one of them in detail."""
    lines = adjudication.list_projects(workspace)
    chosen = next((line for line in lines if line.name == project), None) if project else (lines[0] if lines else None)
    if project and chosen is None:
        raise NotFound(f"There is no project '{project}'.", mend="choose one from the list")
    return page(
        request,
        "review/adjudication.html",
        lines=lines,
        chosen=chosen,
        leads=who.may("run"),
        mine=adjudication.for_me(workspace, chosen, who) if chosen else None,
        overturned=adjudication.overturned(workspace, chosen.name) if chosen and chosen.decided else [],
        found=adjudication.list_adjudications(
            workspace, chosen.name, state=state or None, turn=turn, without=person(who.login) if who.measured else None
        )
        if chosen
        else None,
        state=state or None,
        states=adjudication.STATES,
        with_query=with_query,
    )


@router.post("/{project}/open", dependencies=[require("run")])
def open_them(
    workspace: WorkspaceDep,
    who: PresentDep,
    project: str,
    limit: Annotated[int, Form(ge=1, le=10_000)] = 1000,
    machines: Annotated[bool, Form()] = False,
) -> Response:
    """Put what is disputed before adjudicators."""
    from pilotage.review.measuring import open_adjudications

    adjudication.require_project(workspace, project)
    open_adjudications(workspace.acting_as(who.login), project, limit=limit, machines=machines)
    return _back(project)


@router.post("/{project}/reopen", dependencies=[require("run")])
def reopen_one(
    workspace: WorkspaceDep,
    who: PresentDep,
    project: str,
    task_id: Annotated[str, Form(max_length=200)],
    reason: Annotated[str, Form(max_length=2000)],
) -> Response:
    """Have somebody else decide again."""
    from pilotage.review.measuring import reopen

    adjudication.require_project(workspace, project)
    if not reason.strip():
        raise InputError("Reopening a decision needs a reason.", where="reason", mend="say what speaks against it")
    reopen(workspace.acting_as(who.login), task_id, reason=reason.strip())
    return _back(project)


def _back(project: str) -> Response:
    from urllib.parse import urlencode

    return RedirectResponse(f"/review/adjudication?{urlencode({'project': project})}", 303)
