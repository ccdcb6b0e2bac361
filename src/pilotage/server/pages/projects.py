"""One project: how it stands, its versions, its guideline, and pausing, resuming and putting it away."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Form, Path, Query, Request
from sqlalchemy import func, select
from starlette.responses import RedirectResponse, Response

from pilotage.core import Conflict, NotFound, PilotageError
from pilotage.review import projects as managing
from pilotage.review.projects import Guideline, Project
from pilotage.review.tables import review_assignment
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.pages.project_fields import KIND_WORDS, POLICY_WORDS
from pilotage.server.pages.project_form import Meant
from pilotage.server.pages.project_settings import show_conflict
from pilotage.server.queries.project_overview import find_overview
from pilotage.server.queries.queues import MOST_COUNTED
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/review/projects", dependencies=[require("view")])

Name = Annotated[str, Path(max_length=200)]
Number = Annotated[int, Query(ge=1, lt=2**31)]
State = Literal["active", "paused", "archived"]


@router.get("/{name}")
def show_project(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name) -> Response:
    """How far it is, who is waited for, how fast it goes, how far people agree, and what to do next."""
    found = find_overview(workspace, name, request.app.state.agreements, who=person)
    return page(request, "review/project.html", found=found, most_counted=MOST_COUNTED, kinds=KIND_WORDS, policies=POLICY_WORDS)


@router.get("/{name}/state", dependencies=[require("run")])
def ask_state(request: Request, workspace: WorkspaceDep, name: Name, to: State) -> Response:
    """What pausing, resuming or putting away means, before it is done."""
    project = managing.load_project(workspace, name)
    a = review_assignment.c
    query = select(func.count()).select_from(review_assignment).where(a.workspace_id == workspace.id, a.queue == name, a.state == "claimed")
    with workspace.read() as conn:
        held = conn.execute(query.where(a.expires_at > workspace.clock.now_us())).scalar_one()
    return page(request, "review/state.html", project=project, to=to, held=held)


@router.post("/{name}/state", dependencies=[require("run")])
def set_state(workspace: WorkspaceDep, person: PersonDep, name: Name, to: Annotated[State, Form()]) -> Response:
    """Pause, resume or put away."""
    act = {"active": managing.resume_project, "paused": managing.pause_project, "archived": managing.archive_project}[to]
    act(workspace.acting_as(person.login), name)
    return RedirectResponse(address_of(name), 303)


@router.get("/{name}/versions")
def show_versions(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name) -> Response:
    """Every version, with what it changed."""
    project = managing.load_project(workspace, name)
    versions = managing.project_versions(workspace, name)
    before = [*versions[1:], None]
    told = [(new, None if old is None else managing.project_diff(old, new)) for new, old in zip(versions, before, strict=True)]
    if not person.may("run"):
        told = [(new, diff and _without_secrets(diff)) for new, diff in told]
    return page(request, "review/versions.html", project=project, versions=told)


@router.get("/{name}/versions/diff")
def show_change(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, before: Number, after: Number) -> Response:
    """What changed from one version to another."""
    project = managing.load_project(workspace, name)
    old, new = (managing.load_version(workspace, name, number) for number in (before, after))
    diff = managing.project_diff(old, new)
    return page(
        request, "review/version_diff.html", project=project, before=old, after=new, diff=diff if person.may("run") else _without_secrets(diff)
    )


@router.get("/{name}/guideline")
def show_guideline(request: Request, workspace: WorkspaceDep, name: Name, number: Number | None = None, since: Number | None = None) -> Response:
    """The guideline in force, or an earlier one, whole or against another; and the editor."""
    return _guideline(request, workspace, name, number=number, since=since)


@router.post("/{name}/guideline", dependencies=[require("run")])
def change_guideline(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: Name,
    number: Annotated[int, Form(ge=1, lt=2**31)],
    guideline: Annotated[str, Form(max_length=300_000)],
) -> Response:
    """Keep a new version of the guideline."""
    text = guideline.replace("\r\n", "\n")
    try:
        managing.change_project(workspace.acting_as(person.login), name, number=number, guideline=text)
    except Conflict:
        base = managing.load_version(workspace, name, number)
        return show_conflict(request, workspace, name, number, Meant(base.settings, base.rubric, text))
    except NotFound:
        raise
    except PilotageError as error:
        return _guideline(request, workspace, name, problem=error, typed=text, draft_number=number)
    return RedirectResponse(f"{address_of(name)}/guideline", 303)


def address_of(name: str) -> str:
    """The page of the project of this name."""
    from urllib.parse import quote

    return f"/review/projects/{quote(name, safe='')}"


def _guideline(
    request: Request,
    workspace: Workspace,
    name: str,
    *,
    number: int | None = None,
    since: int | None = None,
    problem: PilotageError | None = None,
    typed: str | None = None,
    draft_number: int | None = None,
) -> Response:
    project = managing.load_project(workspace, name)
    versions = managing.guideline_versions(workspace, name)
    shown = _find(versions, number, project)
    diff = managing.guideline_diff(_find(versions, since, project), shown) if since is not None else None
    return page(
        request,
        "review/guideline.html",
        status=200 if problem is None else problem.http_status,
        project=project,
        versions=versions,
        shown=shown,
        since=since,
        diff=diff,
        problem=problem.to_dict() if problem else None,
        typed=typed,
        number=draft_number or project.number,
    )


def _find(versions: list[Guideline], number: int | None, project: Project) -> Guideline:
    if number is None:
        return project.guideline
    for each in versions:
        if each.number == number:
            return each
    raise NotFound(f"The project '{project.name}' has no guideline {number}.", mend="see its guidelines")


def _without_secrets(diff: managing.ProjectDiff) -> managing.ProjectDiff:
    """A change as who answers may see it: how much is planted, withheld or known beforehand is for who leads."""
    kept = tuple(one for one in diff.changed if not one.field.startswith(("arms", "gold")))
    return managing.ProjectDiff(kept, diff.guideline)
