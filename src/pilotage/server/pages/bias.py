"""The bias board, for who leads a project: figures with their bounds, what a countermeasure changed, how many seeds it takes, and planting them."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.review.projects import load_project
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.kept import Kept
from pilotage.server.pages.asking import with_query
from pilotage.server.pages.team import comes_later
from pilotage.server.queries import bias_board
from pilotage.server.queries.measures import choose
from pilotage.server.queries.team import slice_names
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/bias", dependencies=[require("run")])

Wanted = Annotated[str | None, Query(max_length=200)]
Version = Annotated[int | None, Query(ge=1, le=1_000_000)]
Word = Annotated[str, Form(min_length=1, max_length=200)]


@router.get("")
def show_board(
    request: Request,
    workspace: WorkspaceDep,
    project: Wanted = None,
    by: Wanted = None,
    before: Version = None,
    after: Version = None,
    at: Annotated[float, Query(gt=0, lt=1)] = 0.2,
    half_width: Annotated[float, Query(gt=0, lt=1)] = 0.08,
    rate: Annotated[float, Query(gt=0, le=1)] = 0.03,
    people: Annotated[int | None, Query(ge=1, le=100_000)] = None,
    per_day: Annotated[int | None, Query(ge=1, le=1_000_000)] = None,
    icc: Annotated[float, Query(ge=0, lt=1)] = 0.0,
    planted: Annotated[int | None, Query(ge=0, le=10_000_000)] = None,
    part: Wanted = None,
    again: Wanted = None,
) -> Response:
    """The board of a project; ``before`` and ``after`` compare two versions of its settings; the rest is for the planner."""
    names, chosen = choose(workspace, project)
    if chosen is None:
        return page(request, "measuring/bias.html", projects=names, project=None)
    kept: Kept = request.app.state.kept
    slices = slice_names(workspace, chosen.name)
    slice_by = by if by in slices else None
    key = ("bias", chosen.name, chosen.number, slice_by)
    later = comes_later(request, workspace, chosen.name, key, part, again)
    made = None if later else kept.get(key, lambda: bias_board.board_figures(workspace, chosen.name, slice_by=slice_by), again=bool(again))
    pace = kept.get(("pace", chosen.name), lambda: bias_board.pace(workspace, chosen.name)).value
    compared = None
    if before is not None and after is not None:
        compared = kept.get(
            ("compared", chosen.name, before, after), lambda: bias_board.compare(workspace, chosen.name, before, after), again=bool(again)
        ).value
    mean = round(pace.answers_a_day / pace.people) if pace.people else 200
    asked = bias_board.PlanAsked(at, half_width, rate, people or pace.people or 10, per_day or max(1, mean), icc)
    return page(
        request,
        "measuring/bias_figures.html" if part else "measuring/bias.html",
        projects=names,
        project=chosen,
        made=made,
        slices=slices,
        slice_by=slice_by,
        standing=bias_board.standing(workspace, chosen),
        versions=bias_board.versions(workspace, chosen.name),
        compared=compared,
        before=before,
        after=after,
        pace=pace,
        planner=bias_board.plan(asked, have=made.value.seeds if made else 0, pace=pace),
        planted=planted,
        stamp=bias_board.stamp(workspace, workspace.clock.now_us()),
        with_query=with_query,
    )


@router.get("/planting")
def show_planting(
    request: Request,
    workspace: WorkspaceDep,
    project: Annotated[str, Query(max_length=200)],
    question: Annotated[str, Query(max_length=200)],
    rate: Annotated[float, Query(gt=0, le=0.05)] = 0.03,
) -> Response:
    """How many seeds planting would make; never which."""
    chosen = load_project(workspace, project)
    return page(
        request,
        "measuring/planting.html",
        project=chosen,
        standing=bias_board.standing(workspace, chosen),
        planting=bias_board.plan_planting(workspace, chosen, question, rate),
    )


@router.post("/plant")
def plant(workspace: WorkspaceDep, person: PersonDep, project: Word, question: Word, rate: Annotated[float, Form(gt=0, le=0.05)] = 0.03) -> Response:
    """Plant seeds on a small share of the open tasks. The ledger says how many; nobody is told which."""
    own = workspace.acting_as(person.login)
    made = bias_board.do_plant(own, load_project(own, project), question, rate)
    return RedirectResponse(f"/review/bias?{urlencode({'project': project, 'planted': made})}#seeds", 303)
