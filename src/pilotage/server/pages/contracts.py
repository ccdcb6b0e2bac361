"""Contracts: what each source promises, what a change of that means, and deciding on changes that the data suggest."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import PilotageError
from pilotage.data.contracts import contract_of, decide_proposal, to_odcs
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.queries import contracts
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False)

VersionQuery = Annotated[int | None, Query(ge=1)]


@router.get("/data/contracts")
def show_contracts(request: Request, workspace: WorkspaceDep) -> Response:
    """Every contract in its latest version."""
    return page(request, "contracts.html", contracts=contracts.list_contracts(workspace))


@router.get("/data/contracts/{name}")
def show_contract(request: Request, workspace: WorkspaceDep, name: str, version: VersionQuery = None) -> Response:
    """One contract: columns, times, checks, versions, and what is proposed to it."""
    return _show(request, workspace, name, version=version)


@router.get("/data/contracts/{name}/diff")
def show_change(
    request: Request, workspace: WorkspaceDep, name: str, before: Annotated[int, Query(ge=1)], after: Annotated[int, Query(ge=1)]
) -> Response:
    """What changes from one version to another, and how the data looked on either side."""
    return page(request, "contract_change.html", found=contracts.compare(workspace, name, before, after))


@router.get("/data/contracts/{name}/odcs")
def take_odcs(workspace: WorkspaceDep, name: str, version: VersionQuery = None) -> Response:
    """The contract as a document of the Open Data Contract Standard."""
    found = contract_of(workspace, name, version)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{found.name}-{found.version}")
    headers = {"content-disposition": f'attachment; filename="{stem}.odcs.yaml"'}
    return Response(to_odcs(found), media_type="application/yaml", headers=headers)


@router.post("/data/contracts/{name}/proposals/{proposal_id}", dependencies=[require("review")])
def decide(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: str,
    proposal_id: str,
    decision: Annotated[Literal["accept", "reject"], Form()],
    reason: Annotated[str, Form(max_length=10_000)] = "",
) -> Response:
    """Accept or reject a proposed change. What cannot stand is told beside the proposal."""
    found = contracts.find_proposal(workspace, name, proposal_id)
    try:
        contracts.require_no_queue(workspace, found)
        decide_proposal(workspace, found.id, accept=decision == "accept", by=person.login, by_person=True, reason=reason)
    except PilotageError as error:
        return _show(request, workspace, name, status=error.http_status, cannot={found.id: error.to_dict()}, reason=reason)
    return RedirectResponse(f"/data/contracts/{found.contract}#{found.id}", 303)


def _show(request: Request, workspace: Workspace, name: str, *, version: int | None = None, status: int = 200, **more: Any) -> Response:
    found = contracts.find_contract(workspace, name, version)
    return page(request, "contract.html", status=status, found=found, **{"cannot": {}, "reason": "", **more})
