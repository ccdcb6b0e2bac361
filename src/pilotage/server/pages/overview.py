"""Where each pilot stands: the list of pilots, one pilot's overview, and signing."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import Conflict, Unavailable
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.queries import pilots
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/")
def show_pilots(request: Request, workspace: WorkspaceDep) -> Response:
    """The pilots; where there is only one, that one."""
    found = pilots.list_pilots(workspace)
    if len(found) == 1:
        return RedirectResponse(f"/pilots/{found[0].name}", 303)
    return page(request, "pilots.html", pilots=found)


@router.get("/pilots/{name}")
def show_pilot(request: Request, workspace: WorkspaceDep, name: str, cycle: int | None = None) -> Response:
    """One pilot: verdict, what waits, the loop, gates, cycles, signatures."""
    return page(request, "pilot.html", pilot=pilots.find_pilot(workspace, name, cycle=cycle))


@router.get("/pilots/{name}/live")
def show_loop(request: Request, workspace: WorkspaceDep, name: str) -> Response:
    """The part of the overview that changes while the pilot is under way."""
    return page(request, "parts/loop.html", pilot=pilots.find_pilot(workspace, name))


@router.post("/pilots/{name}/sign", dependencies=[require("sign")])
def sign(
    workspace: WorkspaceDep,
    person: PersonDep,
    name: str,
    role: Annotated[str, Form(max_length=100)],
    decision: Annotated[str, Form(pattern="^(go|no_go)$")],
    cycle_id: Annotated[str, Form(max_length=100)],
    note: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Sign the cycle that was shown, and no other: had another begun meanwhile, the signature would be under what nobody read."""
    found = pilots.find_pilot(workspace, name)
    if found.cycle is None or found.cycle.id != cycle_id:
        raise Conflict(
            "Another cycle has begun since this page was shown.", why="you would sign what you have not seen", mend="read it again, then sign"
        )
    from pilotage import readiness

    if not hasattr(readiness, "sign"):
        raise Unavailable("Signing is not part of this installation.", mend="install a complete version of Pilotage")
    readiness.sign(workspace, cycle_id, role=role, decision=decision, note=note.strip(), person=person)
    return RedirectResponse(f"/pilots/{name}#sign", 303)
