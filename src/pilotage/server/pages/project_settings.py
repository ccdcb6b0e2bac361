"""Making a project and changing its settings: a form or YAML, both ways, without script; what does not fit is told beside the field."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, Path, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import Conflict, NotFound, PilotageError, Refused
from pilotage.review import projects as managing
from pilotage.review.projects import Project, ProjectVersion, write_project
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.pages.project_fields import KIND_WORDS, POLICY_WORDS, SECTIONS
from pilotage.server.pages.project_form import Draft, Meant, act, blame, draft_of, into_form, into_yaml, new_draft, question_of, read_form, settle
from pilotage.server.pages.project_merging import merge
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/review/projects", dependencies=[require("run")])

MOST_FIELDS = 5000
Name = Annotated[str, Path(max_length=200)]


async def _form(request: Request) -> list[tuple[str, str]]:
    async with request.form(max_fields=MOST_FIELDS, max_files=0) as form:
        return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


FormDep = Annotated[list[tuple[str, str]], Depends(_form)]


@router.get("/new")
def ask_new(request: Request) -> Response:
    """The form of a new project."""
    return _show(request, new_draft())


@router.post("/new")
def make(request: Request, workspace: WorkspaceDep, person: PersonDep, form: FormDep) -> Response:
    """Change the draft as a button asks, or make the project."""
    draft, do = read_form(form), _asked(form)
    if do != "save":
        return _redrawn(request, draft, do)
    meant = settle(draft)
    if meant is None:
        return _show(request, draft, status=422)
    try:
        made = managing.create_project(workspace.acting_as(person.login), meant.settings, rubric=meant.rubric, guideline=meant.guideline)
    except PilotageError as error:
        blame(draft, error)
        return _show(request, draft, status=error.http_status)
    return RedirectResponse(f"/review/projects/{quote(made.name, safe='')}", 303)


@router.post("/preview")
def preview(request: Request, form: FormDep) -> Response:
    """The question being written as people will see it. Nothing is kept."""
    draft = read_form(form)
    return page(request, "review/preview.html", **_shared(draft))


@router.get("/{name}/settings")
def ask_change(request: Request, workspace: WorkspaceDep, name: Name) -> Response:
    """The project's settings and questions, to change."""
    project = managing.load_project(workspace, name)
    draft = draft_of(project.settings, project.rubric, project.guideline.text, number=project.number)
    return _show(request, draft, project=project)


@router.post("/{name}/settings")
def change(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, form: FormDep) -> Response:
    """Change the draft as a button asks, or keep a new version. Whoever began from an old one is shown what somebody else changed."""
    project = managing.load_project(workspace, name)
    draft, do = read_form(form), _asked(form)
    if do != "save":
        return _redrawn(request, draft, do, project=project)
    meant = settle(draft)
    if meant is None:
        return _show(request, draft, project=project, status=422)
    own = workspace.acting_as(person.login)
    try:
        managing.change_project(own, name, number=draft.number, settings=meant.settings, rubric=meant.rubric, guideline=meant.guideline)
    except Conflict:
        return show_conflict(request, workspace, name, draft.number, meant)
    except PilotageError as error:
        blame(draft, error)
        return _show(request, draft, project=project, status=error.http_status)
    return RedirectResponse(f"/review/projects/{quote(name, safe='')}", 303)


def show_conflict(request: Request, workspace: Workspace, name: str, number: int, meant: Meant) -> Response:
    """What somebody else changed since version ``number``, what was meant here, and the way to have both."""
    project = managing.load_project(workspace, name)
    try:
        base = managing.load_version(workspace, name, number)
    except NotFound:
        raise Refused("This change was made from no version of the project.", mend="open its settings again") from None
    theirs = managing.load_version(workspace, name, project.number)
    mine = ProjectVersion(number, meant.settings, meant.rubric, managing.Guideline("", 0, meant.guideline), "", 0)
    merged = merge(base, meant, theirs)
    return page(
        request,
        "review/conflict.html",
        status=409,
        project=project,
        base=base,
        theirs=theirs,
        their_diff=managing.project_diff(base, theirs),
        my_diff=managing.project_diff(base, mine),
        clashes=merged.clashes,
        merged=write_project(merged.both.settings, merged.both.rubric, merged.both.guideline),
    )


def _asked(form: list[tuple[str, str]]) -> str:
    return next((value for name, value in reversed(form) if name == "do"), "save")


def _redrawn(request: Request, draft: Draft, do: str, *, project: Project | None = None) -> Response:
    if do == "yaml":
        into_yaml(draft)
    elif do == "form":
        draft = into_form(draft)
    else:
        act(draft, do)
    return _show(request, draft, project=project)


def _show(request: Request, draft: Draft, *, project: Project | None = None, status: int = 200) -> Response:
    template = "review/editor.html" if request.headers.get("hx-request") == "true" else "review/settings.html"
    return page(request, template, status=status, project=project, sections=SECTIONS, **_shared(draft))


def _shared(draft: Draft) -> dict[str, Any]:
    # The preview says for itself why there is none yet; the fields keep what they were told at the last save.
    told, draft.errors = draft.errors, {}
    previewed = question_of(draft, draft.shown) if draft.mode == "form" else None
    problem = next(iter(draft.errors.values()), None)
    draft.errors = told
    return {"draft": draft, "previewed": previewed, "preview_problem": problem, "kinds": KIND_WORDS, "policies": POLICY_WORDS}
