"""Datasets and their versions: of rows, and of tables with their rows by page and by key."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage import data
from pilotage.core import MICROSECONDS, InputError, NotFound
from pilotage.data import tagging
from pilotage.data.version import TABLE
from pilotage.server.context import Person, PersonDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import table_differences, tables, versions
from pilotage.server.queries.paging import Turn
from pilotage.server.queries.rows import ROWS_A_PAGE, list_rows
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False)

StartQuery = Annotated[int, Query(ge=0)]
KeyQuery = Annotated[str, Query(max_length=tables.LONGEST_KEY)]


@router.get("/data")
def show_datasets(request: Request, workspace: WorkspaceDep) -> Response:
    """Every dataset with its latest version."""
    return page(request, "data.html", datasets=versions.list_datasets(workspace))


@router.get("/versions/{version_id}")
def show_by_id(workspace: WorkspaceDep, version_id: str) -> Response:
    """A version by its id, for whoever knows only that."""
    found = data.load_version(workspace, version_id)
    return RedirectResponse(f"/data/{found.dataset}/{found.number}", 303)


@router.get("/data/{name}/versions")
def show_versions(request: Request, workspace: WorkspaceDep, turn: TurnDep, name: str, at: str | None = None) -> Response:
    """A dataset's versions with their tags; with ``at`` (a time, UTC) on to the one that was the latest then."""
    if at:
        try:
            then = tagging.as_of(workspace, name, _moment(at))
        except (InputError, NotFound) as error:
            if isinstance(error, NotFound) and "no version yet" not in error.what:
                raise
            return _show_versions(request, workspace, name, turn, at=at, mistake=error.to_dict(), status=error.http_status)
        return RedirectResponse(f"/data/{then.dataset}/{then.number}?at={_plain_time(at)}", 303)
    return _show_versions(request, workspace, name, turn)


def _show_versions(
    request: Request, workspace: Workspace, name: str, turn: Turn, *, at: str = "", mistake: object | None = None, status: int = 200
) -> Response:
    found = versions.list_versions(workspace, name, turn)
    return page(request, "versions.html", status=status, history=found, at=at, mistake=mistake, with_query=with_query)


def _moment(text: str) -> int:
    """A time as a browser's field gives it (``2026-03-01T08:30``), taken as UTC, in microseconds."""
    try:
        moment = datetime.fromisoformat(text.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
        whole = moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(f"Not a time: {text[:60]!r}.", mend="write it as 2026-03-01T08:30, in UTC") from error
    return (whole.days * 86_400 + whole.seconds) * MICROSECONDS + whole.microseconds


def _plain_time(text: str) -> str:
    return re.sub(r"[^0-9T:.-]", "", text)[:32]


@router.get("/data/{name}/diff")
def show_difference(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: str,
    before: Annotated[int, Query(ge=1)],
    after: Annotated[int, Query(ge=1)],
    kind: str | None = None,
    start: StartQuery = 0,
) -> Response:
    """What changed between two versions of a table: rows added, removed with the reason, and changed, a page at a time."""
    old, new = data.load_version(workspace, f"{name}@{before}"), data.load_version(workspace, f"{name}@{after}")
    tables.contract_of(new)
    personal = _sees_personal(workspace, old, person) and _sees_personal(workspace, new, person)
    found = table_differences.show_difference(workspace, old, new, kind=kind, start=start, personal=personal)
    return page(request, "table_difference.html", before=old, after=new, found=found, kinds=table_differences.KINDS, with_query=with_query)


@router.get("/data/{name}/{number:int}")
def show_version(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: str,
    number: int,
    start: StartQuery = 0,
    order_by: Annotated[str | None, Query(max_length=400)] = None,
    descending: bool = False,
    where: Annotated[str | None, Query(max_length=5000)] = None,
    at: Annotated[str, Query(max_length=40)] = "",
) -> Response:
    """One version: card, operation, lineage, what was refused, rows."""
    found = versions.find_version(workspace, name, number)
    shared: dict[str, Any] = {"version": found, "start": start, "at": _plain_time(at), "with_query": with_query}
    if found.line.kind != TABLE:
        rows = list_rows(workspace, found.line.id, start=start)
        return page(
            request,
            "version.html",
            **shared,
            rows=rows,
            next_start=start + ROWS_A_PAGE if start + ROWS_A_PAGE < found.line.rows and rows.rows else None,
            previous_start=max(0, start - ROWS_A_PAGE) if start else None,
        )
    version = data.load_version(workspace, found.line.id)
    wanted = tables.Wanted(start, order_by or None, descending, where or None)
    personal = _sees_personal(workspace, version, person)
    table = None if found.withdrawn else tables.list_rows(workspace, version, wanted, personal=personal)
    return page(
        request,
        "table_version.html",
        status=422 if table is not None and table.mistake else 200,
        **shared,
        contract=tables.contract_of(version),
        table=table,
        wanted=wanted,
        may_see=person.may("export"),
    )


@router.get("/data/{name}/{number:int}/row")
def show_row(request: Request, workspace: WorkspaceDep, person: PersonDep, name: str, number: int, key: KeyQuery = "") -> Response:
    """One row by its key; where this version does not have it, what became of it."""
    version = data.load_version(workspace, f"{name}@{number}")
    found = tables.find_row(workspace, version, key, personal=_sees_personal(workspace, version, person))
    status = 422 if found.mistake else 200 if found.line else 404
    return page(request, "table_row.html", status=status, version=version, found=found, may_take=person.may("export"))


@router.post("/data/{name}/{number}/cell", dependencies=[require("export")])
def take_cell(
    workspace: WorkspaceDep,
    person: PersonDep,
    name: str,
    number: int,
    key: Annotated[str, Form(max_length=tables.LONGEST_KEY)],
    column: Annotated[str, Form(max_length=400)],
) -> Response:
    """The bytes of one binary cell, as a file. That it was taken is in the ledger."""
    version = data.load_version(workspace, f"{name}@{number}")
    content = tables.take_cell(workspace, version, key=key, column=column, by=person.login)
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", f"{name}-{number}-{column}").strip(".-")[:120] or "cell"
    return Response(content, media_type="application/octet-stream", headers={"content-disposition": f'attachment; filename="{stem}.bin"'})


@router.post("/data/{name}/{number}/personal", dependencies=[require("export")])
def show_personal(workspace: WorkspaceDep, person: PersonDep, name: str, number: int) -> Response:
    """Write down that the person sees the personal columns of this version, and show them from now on."""
    version = data.load_version(workspace, f"{name}@{number}")
    tables.show_personal(workspace, version, person.login)
    return RedirectResponse(f"/data/{version.dataset}/{version.number}#rows", 303)


def _sees_personal(workspace: Workspace, version: data.Version, person: Person) -> bool:
    """Whoever may take data out may see personal columns, once they have asked to: as with any export, that is on record."""
    return person.may("export") and tables.is_personal_shown(workspace, version.id, person.login)


@router.get("/data/{name}")
def show_latest(workspace: WorkspaceDep, name: str) -> Response:
    """The latest version."""
    return RedirectResponse(f"/data/{name}/{versions.find_version(workspace, name).line.number}", 303)
