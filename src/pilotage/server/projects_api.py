"""The HTTP API of projects: making and changing them, putting items before people, and letting answers out and in.

A body holds at most 1 MiB, so many items go in several requests. Putting an item again changes nothing, so a request may be sent until it is
answered.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Body, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, Response

from pilotage import review
from pilotage.core import InputError
from pilotage.judging import Item, Question, Rubric
from pilotage.judging import person as as_rater
from pilotage.review import projects as managing
from pilotage.review.new_task import NewTask, Suggestion
from pilotage.review.projects import ProjectSettings
from pilotage.review.put import put_tasks
from pilotage.server.context import Person, PersonDep, WorkspaceDep, require
from pilotage.server.problems import problems

if TYPE_CHECKING:
    from pilotage.review.exchange import Format

router = APIRouter(prefix="/api/v1/projects", tags=["projects"], dependencies=[require("view")])

MOST_ITEMS = 1000
Text = Annotated[str, Field(max_length=10_000)]
Word = Annotated[str, Field(min_length=1, max_length=200)]
Moment = Annotated[int, Field(ge=0, lt=2**53)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class RubricBody(_Body):
    """What people are asked. Questions are as ``GET /api/v1/projects/{name}`` answers with them; what is left out has its default."""

    name: Word
    questions: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=100)]
    guideline: Annotated[str, Field(max_length=200_000)] = ""


class NewProject(_Body):
    """A project: its settings, its rubric (whole, or the id of a stored one) and its guideline (Markdown; left out: the rubric's)."""

    settings: ProjectSettings
    rubric: RubricBody | Word
    guideline: Annotated[str, Field(max_length=200_000)] = ""


class ProjectChange(_Body):
    """A change made from version ``number``; what is left out stays."""

    number: Annotated[int, Field(ge=1, lt=2**31)]
    settings: ProjectSettings | None = None
    rubric: RubricBody | Word | None = None
    guideline: Annotated[str, Field(max_length=200_000)] | None = None


class SuggestionBody(_Body):
    """What a machine proposes. ``probability`` is calibrated, ``score`` as the machine gave it."""

    question: Word
    value: Any
    score: float | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    model: Annotated[str, Field(max_length=200)] = ""
    model_version: Annotated[str, Field(max_length=200)] = ""


class ItemBody(_Body):
    """An item to be put before people. The same ``source_id``, payload and slices are one item."""

    payload: dict[str, Any]
    source_id: Annotated[str, Field(max_length=500)] = ""
    kind: Word = "record"
    slices: Annotated[dict[Word, Word], Field(max_length=100)] = Field(default_factory=dict)
    suggestions: Annotated[list[SuggestionBody], Field(max_length=100)] = Field(default_factory=list)
    priority: Annotated[int, Field(ge=-1_000_000, le=1_000_000)] = 0
    due_at: Moment | None = None
    harmful: bool = False
    authors: Annotated[list[Word], Field(max_length=100)] = Field(default_factory=list)
    selected_by: Word = "order"


class ProjectLine(BaseModel):
    """A project in a list, with its queue in numbers; to who answers and does not lead these are null, and `mine` is how far they are."""

    name: str
    title: str
    number: int
    state: str
    open: int | None
    done: int | None
    answers: int | None
    mine: review.Progress | None = None


class ProjectDetail(ProjectLine):
    """A project as it is now. How much is planted, withheld or known beforehand (`arms`, `gold`) is among the settings for who may change them."""

    settings: dict[str, Any]
    rubric_id: str
    questions: list[dict[str, Any]]
    guideline: str
    guideline_number: int


class PutAnswer(BaseModel):
    """What became of the items, in tasks; each refused one with its number in the request (from 1), the field and what is wrong."""

    put: int
    known: int
    reopened: int
    refused: list[dict[str, Any]]


class FormatLine(BaseModel):
    """One format of other tools, and what of a project it holds."""

    name: str
    title: str
    keeps: str


class ExportBody(_Body):
    """How to let a project out. ``question`` is needed where a format holds one and the rubric asks several.

    ``for_spreadsheets``: the CSV or TSV is for a person to open, so cells that look like formulas get an apostrophe; it is not taken back in.
    """

    format: Word = "label-studio"
    question: Word | None = None
    anonymous: bool = False
    for_spreadsheets: bool = False


@router.get("", summary="List projects", responses=problems(403))
def list_projects(workspace: WorkspaceDep, person: PersonDep, archived: bool = False) -> list[ProjectLine]:
    """The projects, by name; archived ones too where asked for."""
    return [ProjectLine(**_line(workspace, project, person)) for project in managing.projects(workspace, archived=archived)]


@router.post("", status_code=201, summary="Create a project", dependencies=[require("run")], responses=problems(403, 404, 409, 413))
def create_project(workspace: WorkspaceDep, person: PersonDep, body: NewProject) -> ProjectDetail:
    """Make a project. One without a guideline is refused."""
    own = workspace.acting_as(person.login)
    made = managing.create_project(own, body.settings, rubric=_rubric(body.rubric), guideline=body.guideline)
    return _detail(workspace, made, person)


@router.get("/formats", summary="List formats")
def list_formats() -> list[FormatLine]:
    """The formats of other tools that projects are read from and written to."""
    from pilotage.review.exchange import FORMATS

    return [FormatLine(name=each.name, title=each.title, keeps=each.keeps) for each in FORMATS.values()]


@router.get("/{name}", summary="Show a project", responses=problems(403, 404))
def get_project(workspace: WorkspaceDep, person: PersonDep, name: Word) -> ProjectDetail:
    """One project: settings, questions, guideline, and its queue in numbers."""
    return _detail(workspace, managing.load_project(workspace, name), person)


@router.post("/{name}/changes", summary="Change a project", dependencies=[require("run")], responses=problems(403, 404, 409, 413))
def change_project(workspace: WorkspaceDep, person: PersonDep, name: Word, body: ProjectChange) -> ProjectDetail:
    """Make a new version. 409 where somebody changed it since version ``number``. Tasks that wait keep the rubric they were put under."""
    rubric = None if body.rubric is None else _rubric(body.rubric)
    own = workspace.acting_as(person.login)
    made = managing.change_project(own, name, number=body.number, settings=body.settings, rubric=rubric, guideline=body.guideline)
    return _detail(workspace, made, person)


@router.post("/{name}/pause", summary="Pause a project", dependencies=[require("run")], responses=problems(403, 404))
def pause_project(workspace: WorkspaceDep, person: PersonDep, name: Word) -> ProjectDetail:
    """Serve nothing new. What people hold they may finish."""
    return _detail(workspace, managing.pause_project(workspace.acting_as(person.login), name), person)


@router.post("/{name}/resume", summary="Resume a project", dependencies=[require("run")], responses=problems(403, 404))
def resume_project(workspace: WorkspaceDep, person: PersonDep, name: Word) -> ProjectDetail:
    """Serve again."""
    return _detail(workspace, managing.resume_project(workspace.acting_as(person.login), name), person)


@router.post("/{name}/archive", summary="Archive a project", dependencies=[require("run")], responses=problems(403, 404))
def archive_project(workspace: WorkspaceDep, person: PersonDep, name: Word) -> ProjectDetail:
    """Put it away: nothing is served and nothing new is put until it is resumed."""
    return _detail(workspace, managing.archive_project(workspace.acting_as(person.login), name), person)


@router.post("/{name}/items", summary="Put items before people", dependencies=[require("run")], responses=problems(403, 404, 413))
def put_items(
    workspace: WorkspaceDep, person: PersonDep, name: Word, items: Annotated[list[ItemBody], Body(min_length=1, max_length=MOST_ITEMS)]
) -> PutAnswer:
    """Put up to 1,000 items before people. The same item again is known and changes nothing; one that does not fit is refused alone."""
    report = put_tasks(workspace.acting_as(person.login), managing.load_project(workspace, name).name, map(_task, items))
    refused = [{"row": row.row, "field": row.field, "what": row.what} for row in report.refused]
    return PutAnswer(put=report.put, known=report.known, reopened=report.reopened, refused=refused)


@router.post(
    "/{name}/export",
    summary="Export a project",
    dependencies=[require("export")],
    response_class=Response,
    responses={**problems(403, 404, 413), 200: {"description": "The file.", "content": {"application/octet-stream": {}}}},
)
def export_project(workspace: WorkspaceDep, person: PersonDep, name: Word, body: ExportBody) -> Response:
    """The project's items, suggestions and answers as a file of another tool's format. Gold and planted suggestions never leave. In the ledger."""
    from pilotage.review.exchange import export_from

    format = _file_format(body.format)
    folder = Path(tempfile.mkdtemp(prefix="pilotage-export-"))
    place = folder / f"export{format.suffix}"
    try:
        report = export_from(
            workspace.acting_as(person.login),
            name,
            place,
            format.name,
            question=body.question,
            anonymous=body.anonymous,
            for_spreadsheets=body.for_spreadsheets,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    headers = {"x-pilotage-rows": str(report.rows), "x-pilotage-sha256": report.sha256, "x-pilotage-left-out": str(sum(report.left_out.values()))}
    return FileResponse(
        place,
        media_type="application/octet-stream",
        filename=f"export{format.suffix}",
        headers=headers,
        background=BackgroundTask(shutil.rmtree, folder, ignore_errors=True),
    )


@router.post("/{name}/import", summary="Import a file", dependencies=[require("run")], responses=problems(403, 404, 413))
def import_file(
    workspace: WorkspaceDep,
    person: PersonDep,
    name: Word,
    content: Annotated[bytes, Body(media_type="application/octet-stream", description="the file; those beyond 1 MiB with the command line")],
    format: Annotated[str, Query(max_length=50, description="one of `GET /api/v1/projects/formats`")],
    question: Annotated[str | None, Query(max_length=200, description="which question the file answers, where it names none")] = None,
    skip_refused: Annotated[bool, Query(description="take the other rows where some are refused")] = False,
) -> dict[str, Any]:
    """Take a file of another tool. Rows that cannot be taken are named with their field; one of them refuses the file unless skipped.

    Whoever answered elsewhere is a rater of kind ``import`` and is never counted as a person.
    """
    from pilotage.review.exchange import import_into

    chosen = _file_format(format)
    with tempfile.TemporaryDirectory(prefix="pilotage-import-") as folder:
        file = Path(folder) / f"import{chosen.suffix}"
        file.write_bytes(content)
        return import_into(workspace.acting_as(person.login), name, file, format, question=question, skip_refused=skip_refused).to_dict()


def _file_format(name: str) -> Format:
    from pilotage.review.exchange import find_format

    found = find_format(name)
    if found.container.folder:
        raise InputError(f"{found.title} is a folder.", where=f"format '{name}'", mend="use 'pilotage exchange', or another format")
    return found


def _rubric(told: RubricBody | str) -> Rubric | str:
    if isinstance(told, str):
        return told
    made = []
    for number, question in enumerate(told.questions):
        try:
            options = [{"value": each} if isinstance(each, str) else each for each in question.get("options", ())]
            scale = question.get("scale", "ordinal" if question.get("kind") == "rating" else "nominal")
            made.append(Question.from_dict({**question, "options": options, "scale": scale}))
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"This is no question: {error}.", where=f"rubric.questions[{number}]", mend="give name, prompt, kind and what the kind needs"
            ) from error
    return Rubric(told.name, tuple(made), told.guideline)


def _task(told: ItemBody) -> NewTask:
    return NewTask(
        Item(told.kind, told.source_id, told.payload, told.slices),
        [Suggestion(**suggestion.model_dump()) for suggestion in told.suggestions],
        priority=told.priority,
        due_at=told.due_at,
        harmful=told.harmful,
        authors=told.authors,
        selected_by=told.selected_by,
    )


def _line(workspace: WorkspaceDep, project: managing.Project, who: Person) -> dict[str, Any]:
    told = {"name": project.name, "title": project.title, "number": project.number, "state": project.state}
    if who.measured:
        mine = review.progress(workspace, project.name, as_rater(who.login), roles=who.roles)
        return {**told, "open": None, "done": None, "answers": None, "mine": mine}
    counts = review.counts(workspace, project.name)
    return {**told, "open": counts.open, "done": counts.done, "answers": counts.answers}


def _detail(workspace: WorkspaceDep, project: managing.Project, who: Person) -> ProjectDetail:
    settings = project.settings.to_dict()
    if not who.may("run"):
        settings = {name: value for name, value in settings.items() if name not in ("arms", "gold")}
    return ProjectDetail(
        **_line(workspace, project, who),
        settings=settings,
        rubric_id=project.rubric.id,
        questions=[question.to_dict() for question in project.rubric.questions],
        guideline=project.guideline.text,
        guideline_number=project.guideline.number,
    )
