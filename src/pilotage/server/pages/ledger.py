"""The ledger: who did what, and whether it still holds."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage import ledger
from pilotage.server.context import Person, PersonDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import acts
from pilotage.server.queries.paging import Page, Turn
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False)


@router.get("/ledger")
def show_ledger(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    turn: TurnDep,
    type: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
) -> Response:
    """Entries, the newest first."""
    return _show(request, workspace, person, turn, type=type or None, actor=actor or None, subject=subject or None)


@router.post("/ledger", dependencies=[require("verify")])
def verify(request: Request, workspace: WorkspaceDep, person: PersonDep) -> Response:
    """Check the whole chain now and show what was found. Nothing is changed by it."""
    return _show(request, workspace, person, Turn(), verification=ledger.verify(workspace))


def _show(
    request: Request,
    workspace: Workspace,
    person: Person,
    turn: Turn,
    *,
    type: str | None = None,
    actor: str | None = None,
    subject: str | None = None,
    verification: object | None = None,
) -> Response:
    readable = person.may("ledger")  # anybody may check the ledger; reading it is for some
    return page(
        request,
        "ledger.html",
        readable=readable,
        acts=acts.list_acts(workspace, type=type, actor=actor, subject=subject, turn=turn) if readable else Page(),
        types=acts.list_types(workspace) if readable else [],
        type=type,
        actor=actor,
        subject=subject,
        verification=verification,
        with_query=with_query,
    )
