"""Lineage for programs: the OpenLineage endpoint, walks as JSON, and our own events as OpenLineage."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import JSONResponse, Response, StreamingResponse

from pilotage.core import InputError, content_id
from pilotage.data.contract import Problem
from pilotage.data.lineage import column_origins
from pilotage.data.lineage.openlineage import accept_event, events
from pilotage.data.strict_json import parse_json
from pilotage.server.context import WorkspaceDep, require
from pilotage.server.errors import BodyTooLarge
from pilotage.server.guard import MAX_BODY_BYTES
from pilotage.server.pages.lineage import moment
from pilotage.server.queries import lineage
from pilotage.server.queries.lineage import versions_in_order
from pilotage.store import Workspace

router = APIRouter(prefix="/api/v1", tags=["lineage"], dependencies=[require("view")])

MAX_UNPACKED = 8 * MAX_BODY_BYTES
EVENTS_OF = 500


@router.post("/lineage", status_code=201, dependencies=[require("run")])
async def receive_event(request: Request, workspace: WorkspaceDep) -> Response:
    """Take in one OpenLineage event (run, job or dataset), as OpenLineage clients send it. The same event again changes nothing.

    Answers 201 with the event's id; 400 naming the field that is wrong.
    """
    body = await request.body()
    try:
        event = _read(body, request.headers.get("content-encoding", ""))
        accepted = await run_in_threadpool(accept_event, workspace, event)
    except BodyTooLarge:
        raise
    except InputError as error:
        return JSONResponse(error.to_dict(), status_code=400)
    told = {"id": accepted.id, "kind": accepted.kind, "created": accepted.created, "edges": accepted.edges}
    return JSONResponse(told, status_code=201)


@router.get("/lineage")
def get_lineage(
    workspace: WorkspaceDep,
    kind: str,
    id: Annotated[str, Query(max_length=1000)],
    direction: str = "down",
    since: str | None = None,
    until: str | None = None,
    column: Annotated[str | None, Query(max_length=1000)] = None,
) -> dict[str, Any]:
    """Everything ``up`` or ``down`` from one thing, or its ``impact`` between two event times; with ``column``, where that column comes from."""
    node = lineage.resolve(workspace, kind, id)
    trace = lineage.trace_of(
        workspace,
        node,
        direction=direction,
        from_us=moment(since, "since") if since else None,
        until_us=moment(until, "until", end=True) if until else None,
    )
    told = trace.to_dict()
    if column is not None:
        told["column"] = [{"of": {"kind": each.kind, "id": each.id}, **origin.to_dict()} for each, origin in column_origins(workspace, node, column)]
    return told


@router.get(
    "/openlineage/events",
    response_class=Response,
    responses={200: {"description": "One event a line.", "content": {"application/x-ndjson": {}}}},
)
def list_events(
    workspace: WorkspaceDep,
    after: Annotated[str | None, Query(max_length=100)] = None,
    size: Annotated[int, Query(ge=1, le=EVENTS_OF)] = 100,
) -> Response:
    """Our versions as OpenLineage run events, oldest first, one JSON object a line. ``Link`` names the next page; hand its ``after`` back."""
    ids, more = versions_in_order(workspace, after=after, size=size)
    headers = {"link": f'</api/v1/openlineage/events?after={ids[-1]}&size={size}>; rel="next"'} if more else {}
    return StreamingResponse(_lines(workspace, ids), media_type="application/x-ndjson", headers=headers)


def _lines(workspace: Workspace, ids: list[str]) -> Iterator[bytes]:
    if ids:  # no name at all would be all versions
        for event in events(workspace, *ids):
            yield json.dumps(event, ensure_ascii=False).encode() + b"\n"


def _read(body: bytes, encoding: str) -> dict[str, Any]:
    text = _unpacked(body, encoding.strip().lower())
    try:
        read = parse_json(text.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("The event is not UTF-8 text.", where="the body") from None
    if isinstance(read, Problem):
        raise InputError(f"The event is not JSON: {read.reason}.", where=f"the event.{read.field}" if read.field else "the body")
    if not isinstance(read, dict):
        raise InputError("The event is not a JSON object.", where="the event", mend="send one event a request")
    content_id("ole", read)  # what has no canonical form is refused before anything is written
    return read


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise InputError(f"Unknown encoding of the body: {encoding[:40]!r}.", where="content-encoding", mend="send it plain or with gzip")
    reader = zlib.decompressobj(wbits=31)
    try:
        text = reader.decompress(body, MAX_UNPACKED)
    except zlib.error:
        raise InputError("The body is no gzip stream.", where="the body") from None
    if reader.unconsumed_tail:
        raise BodyTooLarge("What was sent is too large.", where=f"more than {MAX_UNPACKED} bytes unpacked", mend="send less at once")
    if not reader.eof:
        raise InputError("The gzip stream ends early.", where="the body")
    return text
