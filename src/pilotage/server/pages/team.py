"""The team and its people, for who leads a project: figures with bounds, skills, who has to practise. Nothing here happens by itself."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError
from pilotage.review import grant_skill, revoke_skill
from pilotage.review.projects import Project
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.kept import Kept, Made
from pilotage.server.pages.asking import with_query
from pilotage.server.queries import team
from pilotage.server.queries.measures import choose
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/review/team", dependencies=[require("run")])

Wanted = Annotated[str | None, Query(max_length=200)]
Word = Annotated[str, Form(min_length=1, max_length=200)]
Reason = Annotated[str, Form(min_length=1, max_length=2000)]
AT_ONCE = 20_000  # answers up to which figures are made before the page is sent; beyond, the page comes first
DAY_US = 86_400_000_000


def comes_later(request: Request, workspace: Workspace, project: str, key: tuple[object, ...], part: str | None, again: str | None) -> bool:
    """Whether the page is sent without its figures, which it then asks for itself."""
    if part or again:
        return False
    kept: Kept = request.app.state.kept
    return not kept.has(key) and team.answers_in(workspace, project) > AT_ONCE


@router.get("")
def show_team(request: Request, workspace: WorkspaceDep, project: Wanted = None, part: Wanted = None, again: Wanted = None) -> Response:
    """The people of a project: work, accuracy, agreement, speed, skills; proposals; who has to practise."""
    names, chosen = choose(workspace, project)
    if chosen is None:
        return page(request, "measuring/team.html", projects=names, project=None)
    key = ("team", chosen.name, chosen.number)
    later = comes_later(request, workspace, chosen.name, key, part, again)
    made = None if later else _figures(request, workspace, chosen, again)
    people = team.people_of(workspace, chosen.name)
    return page(
        request,
        "measuring/team_figures.html" if part else "measuring/team.html",
        projects=names,
        project=chosen,
        made=made,
        skills=team.skills_of_team(workspace, chosen, people),
        rounds=team.rounds_due(workspace, chosen, people),
        with_query=with_query,
    )


@router.get("/{login}")
def show_member(
    request: Request,
    workspace: WorkspaceDep,
    login: Annotated[str, Path(max_length=200)],
    project: Wanted = None,
    by: Wanted = None,
    again: Wanted = None,
) -> Response:
    """One person in a project: where they are right, what they mix up, with whom they agree, when they work."""
    names, chosen = choose(workspace, project)
    if chosen is None:
        return page(request, "measuring/team.html", projects=names, project=None)
    kept: Kept = request.app.state.kept
    slices = team.slice_names(workspace, chosen.name)
    slice_by = by if by in slices else None
    figures = _figures(request, workspace, chosen, again).value
    made = kept.get(
        ("member", chosen.name, chosen.number, login, slice_by),
        lambda: team.member_figures(workspace, chosen, figures, login, slice_by=slice_by),
        again=bool(again),
    )
    return page(
        request,
        "measuring/member.html",
        project=chosen,
        found=made.value,
        made=made,
        slices=slices,
        with_query=with_query,
    )


@router.post("/skills/grant")
def grant(
    workspace: WorkspaceDep,
    person: PersonDep,
    project: Word,
    login: Word,
    skill: Word,
    reason: Reason,
    days: Annotated[int | None, Form(ge=1, le=3650)] = None,
) -> Response:
    """Give somebody a skill, for so many days or without an end."""
    expires_at = workspace.clock.now_us() + days * DAY_US if days else None
    grant_skill(workspace.acting_as(person.login), login.strip(), skill.strip(), expires_at=expires_at, reason=reason)
    return _back(project)


@router.post("/skills/revoke")
def revoke(workspace: WorkspaceDep, person: PersonDep, project: Word, login: Word, skill: Word, reason: Reason) -> Response:
    """Take a skill away."""
    if not revoke_skill(workspace.acting_as(person.login), login, skill, reason=reason):
        raise InputError(f"'{login}' does not hold the skill '{skill}'.", mend="look at the matrix again: somebody may have been quicker")
    return _back(project)


def _back(project: str) -> Response:
    return RedirectResponse(f"/review/team?{urlencode({'project': project})}#skills", 303)


def _figures(request: Request, workspace: Workspace, project: Project, again: str | None) -> Made[team.TeamFigures]:
    kept: Kept = request.app.state.kept
    return kept.get(("team", project.name, project.number), lambda: team.team_figures(workspace, project), again=bool(again))
