"""Model judges beside people, and how large a human evaluation has to be; for who leads a project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request
from starlette.responses import Response

from pilotage.core import InputError
from pilotage.review.projects import load_project
from pilotage.server.context import WorkspaceDep, require
from pilotage.server.kept import Kept
from pilotage.server.pages.asking import with_query
from pilotage.server.queries import judges
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/projects/{name}", dependencies=[require("run")])

Wanted = Annotated[str | None, Query(max_length=400)]


@router.get("/judges")
def show_judges(
    request: Request,
    workspace: WorkspaceDep,
    name: Annotated[str, Path(max_length=200)],
    question: Wanted = None,
    judge: Wanted = None,
    pool: Wanted = None,
    value: Wanted = None,
    share: Annotated[float, Query(gt=0, lt=0.5)] = 0.05,
    score: Annotated[float, Query(gt=0, le=1_000_000)] = 0.25,
    effect: Annotated[float, Query(gt=0, lt=1)] = 0.1,
    raters: Annotated[int, Query(ge=1, le=100)] = 2,
    minutes: Annotated[float, Query(ge=0, le=1000)] = 1.0,
    again: Wanted = None,
) -> Response:
    """One judge on one question against people; and the planner."""
    project = load_project(workspace, name)
    kept: Kept = request.app.state.kept
    asked = judges.comparable(project)
    chosen = next((one for one in asked if one.name == question), asked[0] if asked else None)
    there = kept.get(("judges", name, project.number), lambda: judges.judges_of(workspace, project), again=bool(again)).value
    who = next((one for one in there if one.key == judge), there[0] if there else None)
    if pool and pool not in judges.POOLS:
        raise InputError(f"'{pool}' is no kind of pool.", mend=f"use one of: {', '.join(judges.POOLS)}")
    values = judges.values_of(chosen) if chosen else []
    of = value if value in values else values[0] if values else ""
    made = None
    if chosen is not None and who is not None:
        key = ("judge", name, project.number, chosen.name, who.key, pool or "skilled", of)
        made = kept.get(key, lambda: judges.judge_figures(workspace, project, chosen, who, pool=pool or "skilled", value=of), again=bool(again))
    wanted = judges.PlanWanted(share, score, effect, raters, minutes)
    return page(
        request,
        "measuring/judges.html",
        project=project,
        tab="judges",
        questions=asked,
        question=chosen,
        judges=there,
        judge=who,
        pools=judges.POOLS,
        pool=pool or "skilled",
        values=values,
        value=of,
        made=made,
        wanted=wanted,
        plan=kept.get(("plan", name, project.number, wanted), lambda: judges.plan_lines(workspace, project, wanted)).value,
        with_query=with_query,
    )
