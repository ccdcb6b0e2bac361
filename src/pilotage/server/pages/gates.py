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
    return page(request, "gates_of_all.html", pilots=[(one, _counts(workspace, one)) for one in found])


def _counts(workspace: WorkspaceDep, line: pilots.PilotLine) -> dict[str, int]:
    said: dict[str, int] = {}
    for gate in gates.list_gates(workspace, pilot_id=line.id, cycle=line.cycle) if line.cycle else []:
        said[gate.verdict] = said.get(gate.verdict, 0) + 1
    return said


@router.get("/pilots/{name}/gates")
def show_gates(request: Request, workspace: WorkspaceDep, name: str, cycle: int | None = None) -> Response:
    """One pilot's gates by the role that owns them, with the age of the evidence and what blocks."""
    found = pilots.find_pilot(workspace, name, cycle=cycle)
    by_role: dict[str, list[gates.GateLine]] = {}
    for gate in found.gates:
        by_role.setdefault(gate.owner_role or "owner", []).append(gate)
    return page(request, "gates.html", pilot=found, by_role=by_role)


@router.get("/evidence/{evidence_id}")
def show_evidence(request: Request, workspace: WorkspaceDep, evidence_id: str) -> Response:
    """One figure: of what, how, from how many, and the rows behind it."""
    found = gates.find_evidence(workspace, evidence_id)
    ids = [str(one) for one in found.subject.get("versions") or []]
    return page(
        request,
        "evidence.html",
        evidence=found,
        used=gates.gates_resting_on(workspace, evidence_id),
        versions=versions.name_versions(workspace, ids),
    )
