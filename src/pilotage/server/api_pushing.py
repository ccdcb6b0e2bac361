"""The HTTP API of what comes in: rows pushed to sources, events appended to logs, and the batches and pipelines that they feed."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Header, Query, Response
from pydantic import BaseModel

from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep
from pilotage.server.queries import batches, pipelines
from pilotage.server.queries.paging import Page, Turn

router = APIRouter(prefix="/api/v1", dependencies=[require("view")])

Told = dict[int | str, dict[str, Any]]
_ERRORS: Told = {
    403: {"description": "Your roles do not allow it."},
    404: {"description": "There is no source of that name."},
    413: {"description": "The body is larger than 1 MiB: send less at once."},
    422: {"description": "It was refused whole; nothing was kept. `what`, `where`, `why` and `mend` say more."},
}
_ROWS = "the rows, as JSON objects; what does not keep the contract is set aside with its reason"


class AppendedAnswer(BaseModel):
    """What became of a batch of events: `taken` + `duplicates` were offered. `repeated`: the batch's number was known, nothing was taken again."""

    source: str
    taken: int
    duplicates: int
    corrections: int
    next_position: int
    repeated: bool


@router.post(
    "/ingest/{source}",
    tags=["data"],
    dependencies=[require("run")],
    status_code=201,
    responses={
        **_ERRORS,
        200: {"description": "These rows came before: the batch that is there.", "model": batches.BatchLine},
        409: {"description": "The Idempotency-Key was used for other rows."},
    },
)
def push_rows(
    workspace: WorkspaceDep,
    person: PersonDep,
    response: Response,
    source: str,
    rows: Annotated[list[Any], Body(description=_ROWS)],
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="your name for this delivery; sending it twice is harmless")
    ] = None,
) -> batches.BatchLine:
    """Push rows to a registered source: conformed, gated and published (or held) before this answers. The same rows again are the same batch."""
    from pilotage.data.ingest import ingest_rows, source_of

    batch = ingest_rows(workspace.acting_as(person.login), source_of(workspace, source), rows, batch_key=idempotency_key)
    if batch.again:
        response.status_code = 200
    return batches.line_of(batch)


@router.get("/batches", tags=["data"])
def list_batches(
    workspace: WorkspaceDep, turn: TurnDep, source: str | None = None, dataset: str | None = None, state: str | None = None
) -> Page[batches.BatchLine]:
    """Batches, the newest first."""
    return batches.list_batches(workspace, source=source, dataset=dataset, state=state, turn=turn)


@router.get("/batches/{batch_id}", tags=["data"])
def get_batch(workspace: WorkspaceDep, batch_id: str) -> batches.BatchLine:
    """One batch: what came and what became of it."""
    return batches.find_line(workspace, batch_id)


@router.post(
    "/events/{source}",
    tags=["features"],
    dependencies=[require("run")],
    responses={
        **_ERRORS,
        409: {"description": "A number of the producer was left out: a batch is missing."},
        429: {"description": "Streams are behind; nothing was taken. Send it again after `Retry-After` seconds."},
    },
)
def append_events(
    workspace: WorkspaceDep,
    person: PersonDep,
    source: str,
    events: Annotated[list[dict[str, Any]], Body(description="the events, of the source's declared columns; all are taken, or none")],
    producer: Annotated[str | None, Query(min_length=1, max_length=200, description="who sends; with `sequence`")] = None,
    sequence: Annotated[int | None, Query(ge=0, lt=2**63, description="the number of this batch of the producer: 0, 1, 2, … without gaps")] = None,
) -> AppendedAnswer:
    """Append events to a source's log. Durable when this answers; an event that is sent again is a duplicate and changes nothing."""
    from pilotage.features.streams import append

    done = append(workspace.acting_as(person.login), source, events, producer=producer, sequence=sequence)
    return AppendedAnswer(**vars(done))


@router.get("/pipelines", tags=["pipelines"])
def list_pipelines(workspace: WorkspaceDep) -> list[pipelines.PipelineLine]:
    """Every pipeline that has run, with its last tick and what waits for whom."""
    return pipelines.list_pipelines(workspace)


@router.get("/pipelines/{name}", tags=["pipelines"])
def get_pipeline(workspace: WorkspaceDep, turn: TurnDep, name: str) -> pipelines.PipelineDetail:
    """One pipeline: its ticks (a page at a time), decisions, challenges, models and the deliveries that are not done."""
    return pipelines.find_pipeline(workspace, name, turn=Turn(turn.after, turn.before, min(turn.size, 50)))
