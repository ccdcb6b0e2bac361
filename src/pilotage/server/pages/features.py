"""Feature views: the list, one view, and why a value was what it was."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.queries import inspecting, skew, training_sets, views
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/features")


@router.get("")
def show_views(request: Request, workspace: WorkspaceDep) -> Response:
    """Every view in its latest version."""
    return page(request, "feature_views.html", views=views.list_views(workspace))


@router.get("/{ref}")
def show_view(request: Request, workspace: WorkspaceDep, person: PersonDep, ref: str, against: Annotated[int | None, Query(ge=1)] = None) -> Response:
    """One version of a view: what it computes, from what, whether it may be served, who uses it."""
    found = views.find_view(workspace, ref, against=against)
    if ref != found.ref:
        return RedirectResponse(f"/features/{found.ref}", 303)
    sets = training_sets.sets_using(workspace, found.hash)
    return page(
        request,
        "feature_view.html",
        view=found,
        sets=sets,
        models=training_sets.models_of(workspace, [one.version_id for one in sets]),
        reports=skew.list_reports(workspace, view=found.ref).rows[:5],
        may_release=person.may("gate"),
        hidden={one.name for one in found.features if one.personal},
        hide_entity=found.personal_key,
    )


@router.post("/{ref}/release", dependencies=[require("gate")])
def release(workspace: WorkspaceDep, person: PersonDep, ref: str) -> Response:
    """Release a view on the strength of its newest replay. Refused where there is none that passed."""
    views.require_features()
    from pilotage.features import registered_view
    from pilotage.features.replay import release_view

    view = registered_view(workspace, ref).view
    release_view(workspace, view, by=person.login)
    return RedirectResponse(f"/features/{view.ref}", 303)


@router.get("/{ref}/inspect")
def inspect(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    ref: str,
    at: Annotated[str, Query(max_length=100)] = "",
    source: Annotated[str, Query(max_length=200)] = "",
    of: Annotated[str | None, Query(max_length=200)] = None,
    row: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """Why the features of an entity were what they were at a moment."""
    given = {name.removeprefix("entity."): value for name, value in request.query_params.items() if name.startswith("entity.")}
    found = inspecting.inspect(
        workspace, ref, given=given, at=at, source=source, row=(of, row) if of else None, login=person.login if person.may("export") else None
    )
    return page(request, "feature_inspect.html", status=found.status, found=found)
