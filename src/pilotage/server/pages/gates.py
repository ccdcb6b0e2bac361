"""Gates, and the evidence they rest on."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pilotage.server.context import WorkspaceDep
from pilotage.server.queries import gates, pilots, versions
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/gates")
def show_gates_of_all(request: Request, workspace: WorkspaceDep) -> Response:
    """Every pilot's gates in its latest cycle; where there is only one pilot, its page."""
    found = pilots.list_pilots(workspace)
    if len(found) == 1:
        return RedirectResponse(f"/pilots/{found[0].name}/gates", 303)
    details = [pilots.find_pilot(workspace, one.name) for one in found]
    return page(request, "gates_of_all.html", pilots=[(one, gates.count_verdicts(one.gates)) for one in details])


@router.get("/pilots/{name}/gates")
def show_gates(request: Request, workspace: WorkspaceDep, name: str, cycle: int | None = None) -> Response:
    """One pilot's gates as they were declared, with who answers for each, the age of the evidence and what blocks."""
    return page(request, "gates.html", pilot=pilots.find_pilot(workspace, name, cycle=cycle))


@router.get("/evidence/{evidence_id}")
def show_evidence(request: Request, workspace: WorkspaceDep, evidence_id: str) -> Response:
    """One figure: of what, how, from how many, and the rows behind it."""
    found = gates.find_evidence(workspace, evidence_id)
    ids = [str(one) for one in found.subject.get("versions") or []]
    return page(
        request,
        "evidence.html",
        evidence=found,
        used=gates.uses_of(workspace, found),
        versions=versions.name_versions(workspace, ids),
    )
