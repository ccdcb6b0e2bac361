"""Runs, their progress, their samples."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.datastructures import URL
from starlette.responses import Response

from pilotage.readiness import find_pilot_id
from pilotage.server.context import PersonDep, WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.pages.revealing import is_revealed
from pilotage.server.queries import runs, versions
from pilotage.server.queries.paging import Turn
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False)


@router.get("/runs")
def show_runs(request: Request, workspace: WorkspaceDep, turn: TurnDep, pilot: str | None = None, kind: str | None = None) -> Response:
    """Runs, the newest first."""
    pilot_id = find_pilot_id(workspace, pilot) if pilot else None
    found = runs.list_runs(workspace, pilot_id=pilot_id, kind=kind or None, turn=turn)
    return page(request, "runs.html", runs=found, pilot=pilot, kind=kind, with_query=with_query)


@router.get("/runs/{run_id}")
def show_run(request: Request, workspace: WorkspaceDep, turn: TurnDep, run_id: str, outcome: str | None = None, slice: str | None = None) -> Response:
    """One run: progress, outcomes, samples."""
    found = runs.find_run(workspace, run_id)
    shown = _samples(request, workspace, found, turn, outcome, slice)
    return page(request, "run.html", versions=versions.name_versions(workspace, found.versions), **shown)


@router.get("/runs/{run_id}/live")
def show_progress(
    request: Request, workspace: WorkspaceDep, turn: TurnDep, run_id: str, outcome: str | None = None, slice: str | None = None
) -> Response:
    """The part of a run's page that changes while it runs: its progress, and the samples that are shown."""
    found = runs.find_run(workspace, run_id)
    return page(request, "parts/run_live.html", **_samples(request, workspace, found, turn, outcome, slice))


@router.get("/samples/{sample_id}")
def show_sample(request: Request, workspace: WorkspaceDep, person: PersonDep, sample_id: str) -> Response:
    """One sample: what was said, and what was said of it."""
    found = runs.find_sample(workspace, sample_id)
    veiled = {one.id for one in found.outputs if one.harmful and not is_revealed(workspace, one.id, person)}
    return page(request, "sample.html", sample=found, veiled=veiled)


def _samples(request: Request, workspace: Workspace, found: runs.RunLine, turn: Turn, outcome: str | None, slice: str | None) -> dict[str, Any]:
    address = URL(f"/runs/{found.id}/live").include_query_params(**request.query_params)
    return {
        "run": found,
        "samples": runs.list_samples(workspace, found.id, outcome=outcome or None, slice=slice or None, turn=turn),
        "outcomes": [*runs.OUTCOMES, "waiting"],
        "outcome": outcome,
        "slice": slice,
        "live": str(address),
        "with_query": with_query,
    }
