"""Runs, their progress, their samples."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from pilotage.server.context import WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import pilots, runs, versions
from pilotage.server.render import page

router = APIRouter(include_in_schema=False)


@router.get("/runs")
def show_runs(request: Request, workspace: WorkspaceDep, turn: TurnDep, pilot: str | None = None, kind: str | None = None) -> Response:
    """Runs, the newest first."""
    pilot_id = pilots.pilot_id_of(workspace, pilot) if pilot else None
    found = runs.list_runs(workspace, pilot_id=pilot_id, kind=kind or None, turn=turn)
    return page(request, "runs.html", runs=found, pilot=pilot, kind=kind, with_query=with_query)


@router.get("/runs/{run_id}")
def show_run(request: Request, workspace: WorkspaceDep, turn: TurnDep, run_id: str, outcome: str | None = None, slice: str | None = None) -> Response:
    """One run: progress, outcomes, samples."""
    found = runs.find_run(workspace, run_id)
    samples = runs.list_samples(workspace, run_id, outcome=outcome or None, slice=slice or None, turn=turn)
    return page(
        request,
        "run.html",
        run=found,
        samples=samples,
        outcome=outcome,
        slice=slice,
        versions=versions.name_versions(workspace, found.versions),
        with_query=with_query,
    )


@router.get("/runs/{run_id}/live")
def show_progress(request: Request, workspace: WorkspaceDep, run_id: str) -> Response:
    """The part of a run's page that changes while it runs."""
    return page(request, "parts/progress.html", run=runs.find_run(workspace, run_id))


@router.get("/samples/{sample_id}")
def show_sample(request: Request, workspace: WorkspaceDep, sample_id: str) -> Response:
    """One sample: what was said, and what was said of it."""
    return page(request, "sample.html", sample=runs.find_sample(workspace, sample_id))
