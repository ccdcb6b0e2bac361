"""The routing lab: bring a labelled sample, take a look, and see what each threshold would do and what is promised of it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, PilotageError
from pilotage.review.projects import projects
from pilotage.server.context import Person, PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import SentDep, TurnDep, with_query
from pilotage.server.queries import lab
from pilotage.server.queries.paging import Turn
from pilotage.server.queries.thresholds import WhatIf
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/routing/lab")

COLUMNS = ("confidence", "correct", "id", "inclusion", "labelled_by")
SUFFIXES = (".csv", ".parquet", ".pq")
LARGEST_FILE = 16 << 20
MOST_ITEMS = 100_000
Amount = Annotated[float | None, Query(ge=0, le=1e12)]


@router.get("")
def show_lab(request: Request, workspace: WorkspaceDep, person: PersonDep, turn: TurnDep, project: str | None = None) -> Response:
    """Reports, the samples brought last, and how to bring one."""
    return _lab(request, workspace, person, turn=turn, project=project)


@dataclass(frozen=True)
class Sent:
    """A form that may hold a file: its text fields, and the file's name and bytes ('' and b"" without one)."""

    fields: dict[str, str]
    name: str
    content: bytes


async def _uploaded(request: Request) -> Sent:
    form = await request.form(max_files=1, max_fields=50)
    fields = {name: value for name, value in form.items() if isinstance(value, str)}
    file = form.get("file")
    if file is None or isinstance(file, str) or not file.filename:
        return Sent(fields, "", b"")
    return Sent(fields, Path(file.filename).name[:100], await file.read(LARGEST_FILE + 1))


@router.post("/samples", dependencies=[require("run")])
def bring_sample(request: Request, workspace: WorkspaceDep, person: PresentDep, sent: Annotated[Sent, Depends(_uploaded)]) -> Response:
    """Keep a labelled sample from a file; nothing is measured yet."""
    return _bring(request, workspace, person, sent.fields, sent.name, sent.content)


def _bring(request: Request, workspace: Workspace, person: Person, sent: dict[str, str], name: str, content: bytes) -> Response:
    from pilotage.judging.calibration import read_sample
    from pilotage.review.routing.samples import keep_sample, without_ids

    try:
        if not content:
            raise InputError("No file came.", where="field 'file'", mend="choose a CSV or Parquet file")
        if len(content) > LARGEST_FILE:
            raise InputError("The file is larger than 16 MB.", where=name, mend="draw a smaller sample, or: pilotage routing report")
        suffix = Path(name).suffix.lower()
        if suffix not in SUFFIXES:
            raise InputError(f"'{name}' is neither CSV nor Parquet.", where="field 'file'", mend="its name ends in .csv or .parquet")
        model = _needed(sent, "model", "which model gave the confidence: its fingerprint")
        columns = {field: said for field in COLUMNS if (said := sent.get(f"column_{field}", "").strip())}
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / f"sample{suffix}"
            file.write_bytes(content)
            try:
                read = read_sample(
                    file, model=model, labelled_by=_listed(sent.get("by", "")), slices=_listed(sent.get("slices", "")), columns=columns
                )
            except InputError as error:
                where = (error.where or "").replace(str(file), name) or None
                raise InputError(error.what, where=where, why=error.why, mend=error.mend) from error
        if read.n > MOST_ITEMS:
            raise InputError(f"{read.n} items are more than a page measures.", where=name, mend="draw a smaller sample, or: pilotage routing report")
        kept = keep_sample(workspace.acting_as(person.login), without_ids(read), person=person, source=f"file {name}")
    except PilotageError as error:
        return _lab(request, workspace, person, problem=error, filled=sent)
    return RedirectResponse(f"/routing/lab/samples/{kept}", 303)


@router.post("/samples/project", dependencies=[require("run")])
def draw_sample(request: Request, workspace: WorkspaceDep, person: PresentDep, sent: SentDep) -> Response:
    """Draw a sample from what people of a project said of a model's suggestions."""
    from pilotage.review.routing.samples import keep_sample, sample_of_project

    project = sent.get("project", "")
    try:
        question, model, version = _asked(sent.get("suggester", ""))
        fingerprint = sent.get("model", "").strip() or None
        drawn = sample_of_project(workspace, project, question, model=model, version=version, model_name=fingerprint)
        notes = {"project": project, "question": question, "left_out": drawn.left_out, "ties": drawn.ties, "inclusion": drawn.inclusion}
        kept = keep_sample(workspace.acting_as(person.login), drawn.sample, person=person, source=f"project {project}", notes=notes)
    except PilotageError as error:
        return _lab(request, workspace, person, problem=error, filled=sent, project=project)
    return RedirectResponse(f"/routing/lab/samples/{kept}", 303)


@router.get("/samples/{sample_id}")
def show_sample(request: Request, workspace: WorkspaceDep, sample_id: str) -> Response:
    """What a sample is, before it is looked at, and the look that is to be taken."""
    return _sample(request, workspace, sample_id, {})


@router.post("/samples/{sample_id}/look", dependencies=[require("run")])
def look(request: Request, workspace: WorkspaceDep, person: PresentDep, sample_id: str, sent: SentDep) -> Response:
    """Measure, certify, and keep the report as the next look."""
    from pilotage.judging.calibration import Costs, Limits, ReviewerError
    from pilotage.review.routing.looking import take_look
    from pilotage.review.routing.samples import load_sample

    try:
        lab.find_sample(workspace, sample_id)
        error, review = _number(sent, "error"), _number(sent, "review")
        missed = lab.parse_missed(sent.get("missed", ""))
        costs = None
        if error is not None or review is not None or missed is not None:
            if error is None or review is None or missed is None:
                raise InputError(
                    "What an error costs, what a review costs and what reviewers miss go together.", why="each decides whether routing pays"
                )
            costs = Costs(error=error, review=review, delay=_number(sent, "delay") or 0.0, reviewer=ReviewerError(*missed))
        limits = Limits(
            risk=_number(sent, "risk") or 0.05,
            delta=_number(sent, "delta") or 0.05,
            by=sent.get("slices_by", "").strip() or None,
            mandatory=tuple(_listed(sent.get("mandatory", ""))),
        )
        category = _needed(sent, "category", "the task category, as the assessment names it")
        stored = take_look(
            workspace.acting_as(person.login),
            load_sample(workspace, sample_id),
            category=category,
            prompt=sent.get("prompt", "").strip()[:200],
            limits=limits,
            costs=costs,
            fit_share=_number(sent, "fit_share") or 0.3,
            person=person,
        )
    except PilotageError as error:
        if error.http_status == 404:
            raise
        return _sample(request, workspace, sample_id, sent, problem=error)
    return RedirectResponse(f"/routing/lab/{stored.id}", 303)


@router.get("/{report_id}")
def show_report(
    request: Request,
    workspace: WorkspaceDep,
    report_id: str,
    slice: Annotated[str, Query(max_length=200)] = "",
    at: Annotated[float | None, Query(ge=0, le=1)] = None,
    error: Annotated[float | None, Query(gt=0, le=1e12)] = None,
    review: Amount = None,
    delay: Amount = None,
    missed: Annotated[str, Query(max_length=20)] = "",
    per_hour: Annotated[float, Query(gt=0, le=1e6)] = 60.0,
    minutes: Annotated[float, Query(gt=0, le=480)] = 2.0,
    sla: Annotated[float, Query(ge=0, le=10_080)] = 30.0,
) -> Response:
    """One report: the verdict and why, calibration, ranking, slices, and the threshold that can be moved."""
    counted = lab.parse_missed(missed) or (None, None)
    asked = WhatIf(slice, at, error, review, delay, counted[0], counted[1], per_hour, minutes, sla)
    found = lab.find_report(workspace, lab.require_report_name(report_id), asked)
    return page(request, "routing/report.html", found=found, with_query=with_query)


def _lab(
    request: Request,
    workspace: Workspace,
    person: Person,
    *,
    turn: Turn | None = None,
    project: str | None = None,
    problem: PilotageError | None = None,
    filled: dict[str, str] | None = None,
) -> Response:
    from pilotage.review.routing.samples import suggesters

    names = [one.name for one in projects(workspace)]
    chosen = project if project in names else None
    return page(
        request,
        "routing/lab.html",
        status=problem.http_status if problem else 200,
        reports=lab.list_reports(workspace, turn=turn),
        samples=lab.recent_samples(workspace),
        projects=names,
        project=chosen,
        suggesters=suggesters(workspace, chosen) if chosen else [],
        problem=problem.to_dict() if problem else None,
        filled=filled or {},
        columns=COLUMNS,
        with_query=with_query,
    )


def _sample(request: Request, workspace: Workspace, sample_id: str, sent: dict[str, str], problem: PilotageError | None = None) -> Response:
    facts = lab.find_sample(workspace, sample_id)
    return page(
        request,
        "routing/sample.html",
        status=problem.http_status if problem else 200,
        sample=facts,
        categories=lab.categories(workspace),
        looks=lab.looks_taken(workspace, facts.model),
        filled=sent,
        problem=problem.to_dict() if problem else None,
    )


def _needed(sent: dict[str, str], name: str, words: str) -> str:
    given = sent.get(name, "").strip()
    if not given or len(given) > 200:
        raise InputError(f"Say {words}.", where=f"field '{name}'")
    return given


def _number(sent: dict[str, str], name: str) -> float | None:
    text = sent.get(name, "").strip()
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError as error:
        raise InputError(f"'{text[:40]}' is no number.", where=f"field '{name}'") from error
    if not 0 <= value <= 1e12:
        raise InputError(f"{value:g} is out of range.", where=f"field '{name}'")
    return value


def _listed(text: str) -> list[str]:
    return list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))


def _asked(text: str) -> tuple[str, str, str]:
    parts = text.split("\x1f")
    if len(parts) != 3:
        raise InputError("Say whose suggestions are to be held against what people said.", where="field 'suggester'", mend="choose one of the list")
    return parts[0], parts[1], parts[2]
