"""Where each pilot stands: the list of pilots, one pilot's overview, going on with it, and signing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pilotage import readiness
from pilotage.core import Conflict, PilotageError
from pilotage.server.advances import already, bring_forward, last_advance, load_as_last_run
from pilotage.server.context import JobsDep, PersonDep, WorkspaceDep, require
from pilotage.server.queries import pilots
from pilotage.server.render import page
from pilotage.store import Workspace

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
    return _show(request, workspace, name, cycle=cycle)


@router.get("/pilots/{name}/live")
def show_live(request: Request, workspace: WorkspaceDep, jobs: JobsDep, name: str) -> Response:
    """The part of the overview that changes while the pilot is under way. At the end the whole page is asked for again."""
    found = pilots.find_pilot(workspace, name)
    going = last_advance(jobs, name)
    ended = not found.under_way and not (going is not None and going.under_way)
    # Gates, cycles and signatures have changed too by then; htmx follows this header.
    return page(request, "parts/live.html", headers={"HX-Redirect": f"/pilots/{name}"} if ended else None, pilot=found, going=going)


@router.post("/pilots/{name}/run", dependencies=[require("run")])
def go_on(request: Request, workspace: WorkspaceDep, person: PersonDep, jobs: JobsDep, name: str) -> Response:
    """Bring the pilot as far as it goes without people, in the background. What cannot begin is told on the page."""
    found = pilots.find_pilot(workspace, name)
    try:
        if found.under_way:
            going = last_advance(jobs, name)
            raise already(name, going.by if going is not None and going.under_way else None)
        bring_forward(jobs, load_as_last_run(Path(found.folder), found.declaration), by=person.login)
    except PilotageError as error:
        return _show(request, workspace, name, status=error.http_status, cannot_go_on=error.to_dict())
    return RedirectResponse(f"/pilots/{name}", 303)


@router.post("/pilots/{name}/sign", dependencies=[require("sign")])
def sign(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: str,
    cycle_id: Annotated[str, Form(max_length=100)],
    role: Annotated[str, Form(max_length=100)] = "",
    decision: Annotated[str, Form(max_length=10)] = "",
    note: Annotated[str, Form(max_length=4000)] = "",
) -> Response:
    """Sign the cycle that was shown, and no other: had another begun meanwhile, the signature would be under what nobody read."""
    found = pilots.find_pilot(workspace, name)
    note = note.strip()
    try:
        if found.cycle is None or found.cycle.id != cycle_id:
            raise Conflict(
                "Another cycle has begun since this page was shown.", why="you would sign what you have not seen", mend="read it again, then sign"
            )
        readiness.sign(workspace, cycle_id, role=role, decision=decision, note=note, person=person)
    except PilotageError as error:
        given = {"role": role, "decision": decision, "note": note}
        return _show(request, workspace, name, status=error.http_status, cannot_sign=error.to_dict(), given=given)
    return RedirectResponse(f"/pilots/{name}#sign", 303)


def _show(request: Request, workspace: Workspace, name: str, *, cycle: int | None = None, status: int = 200, **told: Any) -> Response:
    nothing: dict[str, Any] = {"cannot_go_on": None, "cannot_sign": None, "given": {}}
    found = pilots.find_pilot(workspace, name, cycle=cycle)
    return page(request, "pilot.html", status=status, pilot=found, going=last_advance(request.app.state.jobs, name), **{**nothing, **told})
