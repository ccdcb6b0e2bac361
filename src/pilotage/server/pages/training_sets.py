"""Training sets: what they were built from and what learned from them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from pilotage.server.context import PersonDep, WorkspaceDep
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import training_sets
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/features/training-sets")


@router.get("")
def show_sets(request: Request, workspace: WorkspaceDep, turn: TurnDep) -> Response:
    """Training sets, the newest first."""
    return page(request, "training_sets.html", sets=training_sets.list_sets(workspace, turn=turn), with_query=with_query)


@router.get("/{name}/{number}")
def show_set(
    request: Request, workspace: WorkspaceDep, person: PersonDep, name: str, number: int, start: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """One training set, and some of its rows with the way to why each value is what it is."""
    found = training_sets.find_set(workspace, name, number)
    rows = training_sets.rows_of(workspace, name, number, start=start, login=person.login if person.may("export") else None)
    size = training_sets.ROWS_A_PAGE
    return page(
        request,
        "training_set.html",
        set=found,
        rows=rows,
        start=start,
        next_start=start + size if start + size < rows.total else None,
        previous_start=max(0, start - size) if start else None,
        with_query=with_query,
    )
