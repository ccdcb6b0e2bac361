"""Files of other tools into a project, and a project into such files."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from fastapi import Path as PathParameter
from starlette.background import BackgroundTask
from starlette.datastructures import UploadFile
from starlette.responses import FileResponse, RedirectResponse, Response

from pilotage.core import InputError, PilotageError, Refused
from pilotage.review.projects import load_project
from pilotage.server.context import JobsDep, PersonDep, WorkspaceDep, require
from pilotage.server.guard import MAX_UPLOAD_BYTES
from pilotage.server.imports import find_import, start_import
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/review/projects")

Name = Annotated[str, PathParameter(max_length=200)]
Word = Annotated[str, Form(max_length=200)]
PATIENCE_S = 2.0  # most files are taken in by then, and their report is the first thing shown
PREFERENCES = ("dpo", "kto", "hh-rlhf")


async def _upload(request: Request) -> dict[str, Any]:
    """The fields and the file. The file is spooled to disk beyond 1 MiB."""
    form = await request.form(max_files=1, max_fields=50)
    return dict(form.multi_items())


UploadDep = Annotated[dict[str, Any], Depends(_upload)]


@router.get("/{name}/import", dependencies=[require("run")])
def ask_import(request: Request, workspace: WorkspaceDep, name: Name) -> Response:
    """Which file, in which format."""
    return _ask(request, workspace, name)


@router.post("/{name}/import", dependencies=[require("run")])
def take(request: Request, workspace: WorkspaceDep, person: PersonDep, jobs: JobsDep, name: Name, sent: UploadDep) -> Response:
    """Take the file, and go where its progress and its report are."""
    project = load_project(workspace, name)
    chosen = {field: str(sent.get(field) or "") for field in ("format", "question", "queue", "skip_refused")}
    try:
        file = sent.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            raise InputError("No file was chosen.", where="field 'file'", mend="choose the file to take in")
        format = _file_format(chosen["format"])
        if chosen["queue"] not in ("unanswered", "all", "none"):
            raise InputError("Say which items people are asked.", where="field 'queue'", mend="choose one of the three")
        begun = start_import(
            jobs,
            workspace,
            project.name,
            format.name,
            format.suffix,
            file.file,
            file.filename[:200],
            by=person.login,
            question=chosen["question"] or None,
            queue=chosen["queue"],
            skip_refused=chosen["skip_refused"] == "yes",
        )
    except PilotageError as error:
        return _ask(request, workspace, name, problem=error, chosen=chosen)
    jobs.wait("import", project.name, begun, timeout_s=PATIENCE_S)
    return RedirectResponse(f"/review/projects/{quote(name, safe='')}/import/{begun}", 303)


@router.get("/{name}/import/{import_id}", dependencies=[require("run")])
def show_import(request: Request, workspace: WorkspaceDep, jobs: JobsDep, name: Name, import_id: str) -> Response:
    """How far it is, or what became of the file: what was taken, and every row that was not."""
    found = find_import(jobs, name, import_id)
    return page(request, "review/import_report.html", project=load_project(workspace, name), found=found)


@router.get("/{name}/import/{import_id}/live", dependencies=[require("run")])
def show_import_live(request: Request, workspace: WorkspaceDep, jobs: JobsDep, name: Name, import_id: str) -> Response:
    """The part of that page that changes."""
    return page(request, "review/import_live.html", project=load_project(workspace, name), found=find_import(jobs, name, import_id))


@router.get("/{name}/import/{import_id}/refused.csv", dependencies=[require("run")])
def take_refused(jobs: JobsDep, name: Name, import_id: str) -> Response:
    """Every refused row with its field and the reason."""
    found = find_import(jobs, name, import_id)
    rows = found.result.refused if found.result else ()
    written = io.StringIO()
    out = csv.writer(written)
    out.writerow(["row", "field", "reason"])
    out.writerows([row.row, _inert(row.field or ""), _inert(row.reason)] for row in rows)
    headers = {"content-disposition": 'attachment; filename="refused.csv"'}
    return Response(written.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/{name}/export", dependencies=[require("export")])
def ask_export(request: Request, workspace: WorkspaceDep, name: Name) -> Response:
    """Which format, and what it cannot hold."""
    return _ask_out(request, workspace, name)


@router.post("/{name}/export", dependencies=[require("export")])
def let_out(
    request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, format: Word, question: Word = "", anonymous: Word = ""
) -> Response:
    """The file. Why it cannot be made is told on the page."""
    from pilotage.review.exchange import export_from

    folder = Path(tempfile.mkdtemp(prefix="pilotage-export-"))
    try:
        chosen = _file_format(format)
        _require_floor(request, workspace, name, chosen.name, question)
        place = folder / f"{_plain(name)}{chosen.suffix}"
        report = export_from(workspace.acting_as(person.login), name, place, chosen.name, question=question or None, anonymous=anonymous == "yes")
    except PilotageError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _ask_out(request, workspace, name, problem=error, chosen={"format": format, "question": question, "anonymous": anonymous})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    headers = {"x-pilotage-rows": str(report.rows), "x-pilotage-sha256": report.sha256, "x-pilotage-left-out": str(sum(report.left_out.values()))}
    return FileResponse(
        place,
        media_type="application/octet-stream",
        filename=place.name,
        headers=headers,
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


def _ask(
    request: Request, workspace: Workspace, name: str, *, problem: PilotageError | None = None, chosen: dict[str, str] | None = None
) -> Response:
    from pilotage.review.exchange import FORMATS

    return page(
        request,
        "review/import.html",
        status=200 if problem is None else problem.http_status,
        project=load_project(workspace, name),
        formats=[each for each in FORMATS.values() if not each.container.folder],
        problem=problem.to_dict() if problem else None,
        chosen=chosen or {"format": "label-studio", "question": "", "queue": "unanswered", "skip_refused": ""},
        most_bytes=MAX_UPLOAD_BYTES,
    )


def _ask_out(
    request: Request, workspace: Workspace, name: str, *, problem: PilotageError | None = None, chosen: dict[str, str] | None = None
) -> Response:
    from pilotage.review.exchange import FORMATS

    project = load_project(workspace, name)
    return page(
        request,
        "review/export.html",
        status=200 if problem is None else problem.http_status,
        project=project,
        formats=[each for each in FORMATS.values() if not each.container.folder],
        agreement=_agreement(request, workspace, name),
        problem=problem.to_dict() if problem else None,
        chosen=chosen or {"format": "label-studio", "question": "", "anonymous": ""},
        preferences=PREFERENCES,
    )


def _agreement(request: Request, workspace: Workspace, name: str) -> Any:
    from pilotage import review

    project = load_project(workspace, name)
    return request.app.state.agreements.of(workspace, project, review.counts(workspace, name).answers)


def _require_floor(request: Request, workspace: Workspace, name: str, format: str, question: str) -> None:
    """Refuse preferences on which people do not agree as the project declared: a model would learn noise."""
    project = load_project(workspace, name)
    floor = project.settings.agreement_floor
    if format not in PREFERENCES or floor is None:
        return
    for one in _agreement(request, workspace, name):
        wanted = one.question == question if question else project.rubric.question(one.question).kind == "pair"
        if not wanted or one.unaided is None:
            continue
        lower = one.unaided.lower
        if lower is None or lower < floor:
            said = f"its lower bound is {lower:.2f}" if lower is not None else f"it is not assessable, {one.unaided.reason}"
            raise Refused(
                f"Agreement on '{one.question}' is below the floor of {floor:g}: {said}.",
                where=f"project '{name}' question '{one.question}'",
                why="a model trained on preferences people do not share learns noise",
                mend="have more items answered twice or sharpen the guideline; the floor itself is in the settings",
            )


def _file_format(name: str) -> Any:
    from pilotage.review.exchange import find_format

    found = find_format(name)
    if found.container.folder:
        raise InputError(f"{found.title} is a folder.", where="field 'format'", mend="use 'pilotage exchange', or another format")
    return found


def _inert(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


def _plain(name: str) -> str:
    return "".join(each if each.isalnum() or each in "-_." else "-" for each in name)[:80] or "project"
