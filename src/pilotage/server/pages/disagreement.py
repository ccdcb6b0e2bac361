"""Disagreement: what people differ on and why, between which answers, and how far they agree."""

from __future__ import annotations

from typing import Annotated, Any, Literal
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Form, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError, Refused
from pilotage.judging import person
from pilotage.review.measuring.triaging import CAUSES
from pilotage.server.context import PersonDep, PresentDep, WorkspaceDep, require
from pilotage.server.pages.asking import with_query
from pilotage.server.queries import agreements, disagreement
from pilotage.server.queries.divided_item import find_item
from pilotage.server.render import page

router = APIRouter(include_in_schema=False, prefix="/review/disagreement")
Word = Annotated[str | None, Query(max_length=300)]
View = Literal["items", "answers", "agreement", "guidelines"]
VIEWS = {"items": "Items", "answers": "Answers mixed up", "agreement": "Agreement", "guidelines": "Guidelines"}


@router.get("")
def show(
    request: Request,
    workspace: WorkspaceDep,
    who: PersonDep,
    project: Word = None,
    question: Word = None,
    view: View = "items",
    cause: Word = None,
    first: Word = None,
    second: Word = None,
    slice: Word = None,
    one: Word = None,
    other: Word = None,
    by: Literal["slice", "guideline", "pair"] = "slice",
    after: Word = None,
    whole: bool = False,
) -> Response:
    """One project and question, seen one of four ways."""
    leads = who.may("run")
    if (one or other or (view == "agreement" and by == "pair")) and not leads:
        raise Refused("Who differs with whom is for those who lead the project.", mend="look at the answers without names")
    chosen = disagreement.choose(workspace, project or None, question or None)
    seen: dict[str, Any] = {}
    if chosen is not None and view == "items":
        wanted = disagreement.Wanted(
            cause or None,
            (first, second) if first and second else None,
            _slice(slice),
            disagreement.pair_of_people(workspace, chosen.project.name, [one or "", other or ""]) if leads else None,
            after or None,
        )
        seen = {
            "causes": disagreement.count_causes(workspace, chosen),
            "found": disagreement.list_divided(
                workspace, chosen, wanted, sees_waiting=leads or not who.may("review"), without=person(who.login) if who.measured else None
            ),
            "slices": disagreement.grouped(disagreement.slices_of(workspace, chosen)),
            "people": sorted(disagreement.people_of(workspace, chosen.project.name).values()) if leads else [],
        }
    elif chosen is not None and (whole or not chosen.is_large):
        if view == "answers":
            seen = {"confusion": disagreement.confusion(workspace, chosen)}
        elif view == "agreement":
            seen = {"agreeing": agreements.agreeing(workspace, chosen, by, names=leads)}
        else:
            seen = {"changes": agreements.guideline_changes(workspace, chosen)}
    return page(
        request,
        "review/disagreement.html",
        chosen=chosen,
        view=view,
        views=VIEWS,
        asked={"cause": cause or "", "first": first, "second": second, "slice": slice or "", "one": one or "", "other": other or ""},
        by=by,
        ways=agreements.BY if leads else agreements.BY[:2],
        leads=leads,
        whole=whole,
        with_query=with_query,
        **{
            "causes": {},
            "found": None,
            "slices": {},
            "people": [],
            "confusion": None,
            "agreeing": None,
            "changes": None,
            "worked_out": bool(seen),
            **seen,
        },
    )


@router.get("/{project}/{item_id}")
def show_item(request: Request, workspace: WorkspaceDep, who: PersonDep, project: str, item_id: str, question: Word = None) -> Response:
    """One item: the distribution of answers, what was settled, and why people differ."""
    item = find_item(workspace, project, item_id, question or None, who)
    return page(request, "review/divided_item.html", project=project, item=item, leads=who.may("run"), causes=CAUSES)


@router.post("/{project}/triage", dependencies=[require("run")])
def look_for_causes(workspace: WorkspaceDep, who: PresentDep, project: str, question: Annotated[str, Form(max_length=200)]) -> Response:
    """Have the rule look at every divided item again."""
    from pilotage.review.measuring import triage

    triage(workspace.acting_as(who.login), project, question)
    return RedirectResponse(f"/review/disagreement?{urlencode({'project': project, 'question': question})}", 303)


@router.post("/{project}/{item_id}/cause", dependencies=[require("run")])
def say_cause(
    workspace: WorkspaceDep,
    who: PresentDep,
    project: str,
    item_id: str,
    question: Annotated[str, Form(max_length=200)],
    cause: Annotated[str, Form(max_length=200)],
    note: Annotated[str, Form(max_length=2000)],
) -> Response:
    """Say why people differ, against the rule or before it. It is added, and takes nothing away."""
    from pilotage.review.measuring import overrule

    if not note.strip():
        raise InputError("Say why.", where="note", why="the next reader must be able to follow it", mend="say it in a sentence")
    overrule(workspace.acting_as(who.login), project, item_id, question, cause, login=who.login, note=note.strip())
    return RedirectResponse(f"/review/disagreement/{quote(project, safe='')}/{quote(item_id, safe='')}?{urlencode({'question': question})}", 303)


def _slice(given: str | None) -> tuple[str, str] | None:
    if not given:
        return None
    name, equals, value = given.partition("=")
    if not equals:
        raise InputError("A slice is a name and a value.", where=f"slice '{given[:80]}'", mend="write it like language=de")
    return name, value
