"""Preferences: the rankings that pairs give, one dimension at a time, what pulls at those who compare, and the export."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask
from starlette.responses import Response

from pilotage.server.context import PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import with_query
from pilotage.server.pages.cards import CardDep
from pilotage.server.queries import preferences
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/projects/{name}/preferences")
FORMATS = ("dpo", "dpo-plain", "kto", "hh")


@router.get("")
def show(
    request: Request,
    workspace: WorkspaceDep,
    who: PersonDep,
    name: str,
    question: Annotated[str | None, Query(max_length=200)] = None,
    whole: bool = False,
) -> Response:
    """One pair question of the project: its ranking, and what to know about those who compared."""
    found = preferences.find_dimensions(workspace, name)
    ready = bool(found.questions) and (whole or not found.is_large)
    detail = preferences.find_dimension(workspace, found, question or None, names=who.may("run")) if ready else None
    return page(
        request,
        "review/preferences.html",
        found=found,
        one=detail,
        chosen=question or (found.questions[0].name if found.questions else ""),
        ready=ready,
        formats=FORMATS,
        exports=who.may("export"),
        with_query=with_query,
    )


@router.post("/export", dependencies=[require("export")])
def export(
    workspace: WorkspaceDep,
    who: PresentDep,
    card: CardDep,
    name: str,
    question: Annotated[str, Form(max_length=200)],
    format: Annotated[Literal["dpo", "dpo-plain", "kto", "hh"], Form()] = "dpo",
    ties: Annotated[Literal["drop", "refuse"], Form()] = "drop",
    both_bad: Annotated[Literal["drop", "refuse", "unpaired"], Form()] = "drop",
    margin: Annotated[Literal["votes", "strength"], Form()] = "votes",
    purpose: Annotated[Literal["commercial", "research"], Form()] = "commercial",
) -> Response:
    """The preferences as a file for training. Published as a dataset version first; refused below the declared floor."""
    from pilotage.review.flywheel import export_preferences

    preferences.find_dimensions(workspace, name).project.rubric.question(question)
    folder = Path(tempfile.mkdtemp(prefix="pilotage-preferences-"))
    place = folder / f"{format}.jsonl"
    try:
        made = export_preferences(
            workspace.acting_as(who.login),
            name,
            question,
            format=format,
            path=place,
            card=card,
            ties=ties,
            both_bad=both_bad,
            margin=margin,
            purpose=purpose,
        )
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    headers = {"x-pilotage-rows": str(made.export.rows), "x-pilotage-sha256": made.export.sha256, "x-pilotage-version": made.version.ref}
    done = BackgroundTask(shutil.rmtree, folder, ignore_errors=True)
    return FileResponse(place, media_type="application/jsonl", filename=place.name, headers=headers, background=done)
