"""Pipelines: their ticks, deliveries, decisions and models, and what a person does about them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError
from pilotage.server.context import PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import pipelines
from pilotage.server.queries.paging import PAGE_SIZE, Turn
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/pipelines")

Reason = Annotated[str, Form(max_length=2000)]
TICKS_A_PAGE = 12


@router.get("")
def show_pipelines(request: Request, workspace: WorkspaceDep) -> Response:
    """Every pipeline that has run: where it stands, and what waits for whom."""
    return page(request, "pipelines.html", pipelines=pipelines.list_pipelines(workspace))


@router.get("/{name}")
def show_pipeline(request: Request, workspace: WorkspaceDep, turn: TurnDep, name: str) -> Response:
    """One pipeline: ticks, decisions, models, and the deliveries that are not done."""
    turn = turn if turn.size != PAGE_SIZE else Turn(turn.after, turn.before, TICKS_A_PAGE)
    return page(request, "pipeline.html", pipeline=pipelines.find_pipeline(workspace, name, turn=turn), steps=pipelines.STEPS, with_query=with_query)


@router.get("/{name}/deliveries")
def show_deliveries(
    request: Request, workspace: WorkspaceDep, turn: TurnDep, name: str, state: Annotated[str | None, Query(max_length=50)] = None
) -> Response:
    """What was delivered to the pipeline, and what became of it."""
    found = pipelines.list_deliveries(workspace, name, state=state or None, turn=turn)
    detail = pipelines.find_pipeline(workspace, name, turn=Turn(size=1))
    return page(
        request, "pipeline_deliveries.html", pipeline=detail, deliveries=found, state=state, states=pipelines.DELIVERY_STATES, with_query=with_query
    )


@router.get("/{name}/runs/{run_id}")
def show_run(request: Request, workspace: WorkspaceDep, name: str, run_id: str) -> Response:
    """One tick: each step's result, or why there is none."""
    return page(request, "pipeline_run.html", run=pipelines.find_run(workspace, name, run_id))


@router.post("/{name}/promote", dependencies=[require("waive")])
def promote(workspace: WorkspaceDep, person: PresentDep, name: str, model: Annotated[str, Form(max_length=100)], reason: Reason) -> Response:
    """Let a model serve, on the person's word."""
    from pilotage.pipelines import promote as let_serve

    let_serve(workspace.acting_as(person.login), name, model, reason=reason)
    return RedirectResponse(f"/pipelines/{name}#models", 303)


@router.post("/{name}/runs/{run_id}/retry", dependencies=[require("run")])
def retry(workspace: WorkspaceDep, person: PresentDep, name: str, run_id: str, reason: Reason) -> Response:
    """Let a failed run be tried again."""
    from pilotage.pipelines import retry as try_again

    pipelines.find_run(workspace, name, run_id)
    if not reason.strip():
        raise InputError("Say what was mended.", where="reason", why="it goes into the ledger", mend="say it in a sentence")
    try_again(workspace.acting_as(person.login), run_id, reason=reason)
    return RedirectResponse(f"/pipelines/{name}/runs/{run_id}", 303)
