"""My page: what the person who asks did, how they stand, and their exams. Everybody who reviews sees their own and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage import review
from pilotage.core import new_id
from pilotage.judging import person as rater_of
from pilotage.review.measuring import begin_exam, finish_exam
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import mine
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/me", dependencies=[require("review")])

SHORT = 15  # lines of the history beside everything else
Name = Annotated[str, Path(max_length=200)]


@router.get("")
def show_me(
    request: Request, workspace: WorkspaceDep, person: PersonDep, turn: TurnDep, project: Annotated[str | None, Query(max_length=200)] = None
) -> Response:
    """What I did, per day and project; what I was told; my skills, exams and rounds; my history."""
    if "size" not in request.query_params:
        turn = replace(turn, size=SHORT)
    found = mine.my_projects(workspace, person.login)
    return page(
        request,
        "measuring/me.html",
        projects=found,
        skills=mine.my_skills(workspace, person.login),
        history=mine.my_history(workspace, person.login, turn, queue=project or None),
        chosen=project or None,
        with_query=with_query,
    )


@router.post("/undo")
def undo(
    workspace: WorkspaceDep, person: PersonDep, task_id: Annotated[str, Form(max_length=200)], queue: Annotated[str, Form(max_length=200)]
) -> Response:
    """Take back an answer or a skip; the item is in my hands again."""
    review.undo(workspace, task_id, rater_of(person.login), idempotency_key=new_id("key", clock=workspace.clock))
    return RedirectResponse(f"/review/{quote(queue, safe='')}?held", 303)


@router.get("/exams/{name}")
def show_exam(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name) -> Response:
    """A project's exam: its terms, how it stands for me, and how my last try went."""
    return page(request, "measuring/exam.html", found=mine.my_exam(workspace, name, person.login))


@router.post("/exams/{name}/begin")
def begin(workspace: WorkspaceDep, person: PersonDep, name: Name) -> Response:
    """Begin a try, or go on with mine, on the answering screen."""
    begin_exam(workspace, name, rater_of(person.login))
    return RedirectResponse(f"/review/{quote(name, safe='')}?held", 303)


@router.post("/exams/{name}/finish")
def finish(workspace: WorkspaceDep, person: PersonDep, name: Name, give_up: Annotated[bool, Form()] = False) -> Response:
    """End my try and say how it went."""
    finish_exam(workspace, name, rater_of(person.login), give_up=give_up)
    return RedirectResponse(f"/review/me/exams/{quote(name, safe='')}", 303)
