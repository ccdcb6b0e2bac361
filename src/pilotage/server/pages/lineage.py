"""Lineage: what was made of what, and what an incident touched."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pilotage.core import MICROSECONDS, InputError, as_text_cell, iso, parse_moment
from pilotage.data.lineage import KINDS
from pilotage.server.context import WorkspaceDep
from pilotage.server.pages.asking import with_query
from pilotage.server.queries import lineage
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/lineage")

DAY_US = 86_400 * MICROSECONDS
Id = Annotated[str | None, Query(max_length=1000)]


@router.get("")
def show_lineage(
    request: Request, workspace: WorkspaceDep, kind: str | None = None, id: Id = None, direction: str | None = None, column: Id = None
) -> Response:
    """The graph up and down from one thing, and where one of its columns comes from; without one, where to start."""
    if not id:
        return page(request, "lineage.html", walk=None, starts=lineage.list_starts(workspace), kinds=KINDS, kind=kind, with_query=with_query)
    node = lineage.resolve(workspace, kind or "version", id.strip())
    found = lineage.walk(workspace, node, direction=direction or "both", column=column or None)
    return page(request, "lineage.html", walk=found, starts={}, kinds=KINDS, kind=node.kind, with_query=with_query)


@router.get("/impact")
def show_impact(
    request: Request, workspace: WorkspaceDep, kind: str | None = None, id: Id = None, since: str | None = None, until: str | None = None
) -> Response:
    """ "This was wrong from … to …": what rows of that time reached. Without an answer yet, the form."""
    asked = {"kind": kind or "source", "id": (id or "").strip(), "since": since or "", "until": until or ""}
    found = None
    if asked["id"] and since and until:
        node = lineage.resolve(workspace, asked["kind"], asked["id"])
        found = lineage.incident(workspace, node, from_us=moment(since, "since"), until_us=moment(until, "until", end=True))
    starts = lineage.list_starts(workspace) if found is None else {}
    return page(request, "impact.html", incident=found, asked=asked, starts=starts, kinds=KINDS, with_query=with_query)


@router.get("/impact/export")
def export_impact(
    workspace: WorkspaceDep, kind: str, id: Annotated[str, Query(max_length=1000)], since: str, until: str, format: str = "csv"
) -> Response:
    """The same as a file: every thing it reached, one a line."""
    node = lineage.resolve(workspace, kind, id.strip())
    first, last = moment(since, "since"), moment(until, "until", end=True)
    trace = lineage.trace_of(workspace, node, direction="impact", from_us=first, until_us=last)
    lines = lineage.describe(workspace, trace.nodes)
    rows = [{"kind": line.kind, "id": line.id, "name": line.title, "detail": line.detail} for line in lines.values()]
    if format == "json":
        told = {
            "start": {"kind": node.kind, "id": node.id},
            "since": iso(first),
            "until": iso(last),
            "counts": dict(trace.counts),
            "complete": trace.complete,
            "reached": rows,
        }
        return _file(json.dumps(told, ensure_ascii=False, indent=1), "application/json", "impact.json")
    if format != "csv":
        raise InputError(f"Unknown format: {format[:20]!r}.", mend="use csv or json")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(("kind", "id", "name", "detail"))
    writer.writerows([as_text_cell(row[name]) for name in ("kind", "id", "name", "detail")] for row in rows)
    return _file(out.getvalue(), "text/csv; charset=utf-8", "impact.csv")


def moment(text: str, name: str, *, end: bool = False) -> int:
    """A moment in µs UTC from a date (its first moment, or with ``end`` its last) or a date-time with its zone."""
    try:
        day = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        return parse_moment(text.replace(" ", "+"), where=name)  # a plus sign in an address arrives as a space
    start = (day - datetime.fromtimestamp(0, UTC)).days * DAY_US
    return start + DAY_US - 1 if end else start


def _file(text: str, media_type: str, name: str) -> Response:
    return Response(text, media_type=media_type, headers={"content-disposition": f'attachment; filename="{name}"'})
