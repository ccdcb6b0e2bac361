"""Known items of a project, for who leads it: gold, the exam and the calibration round. Never for who answers."""

from __future__ import annotations

import json
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request
from starlette.responses import RedirectResponse, Response

from pilotage.core import InputError
from pilotage.judging import Item
from pilotage.review.measuring import Known, add_gold, close_round, gold_from, open_exam, open_round, read_known, retire_gold
from pilotage.review.measuring.matching import COMPARABLE
from pilotage.review.projects import Project, load_project
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.kept import Kept
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.queries import known_items
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/review/projects/{name}", dependencies=[require("run")])

Name = Annotated[str, Path(max_length=200)]
Text = Annotated[str, Form(max_length=200_000)]
Reason = Annotated[str, Form(min_length=1, max_length=2000)]
Ids = Annotated[list[str], Form(max_length=500)]
Short = Annotated[str | None, Query(max_length=200)]


@router.get("/gold")
def show_gold(
    request: Request, workspace: WorkspaceDep, turn: TurnDep, name: Name, state: Short = None, refused: Short = None, again: Short = None
) -> Response:
    """The project's known items: exposures, how often people are right, and whether word of them goes round."""
    project = load_project(workspace, name)
    kept: Kept = request.app.state.kept
    leak = kept.get(("leak", name, project.number), lambda: known_items.leak_figures(workspace, name), again=bool(again))
    shown = "retired" if state == "retired" else "active"
    return page(
        request,
        "measuring/gold.html",
        project=project,
        tab="gold",
        counts=known_items.gold_counts(workspace, name),
        gold=known_items.gold_page(workspace, project, turn, state=shown, leak=leak.value),
        state=shown,
        leak=leak.value,
        made=leak,
        questions=[question for question in project.rubric.questions if question.kind in COMPARABLE],
        candidates=known_items.candidates(workspace, project),
        refused=int(refused) if refused and refused.isascii() and refused.isdigit() and len(refused) < 6 else 0,
        with_query=with_query,
    )


@router.post("/gold/add")
async def add(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name) -> Response:
    """Make one item known, by hand: an item that is there, or a new one, with its right answers."""
    from starlette.concurrency import run_in_threadpool

    form = {key: str(value) for key, value in (await request.form()).multi_items()}
    return await run_in_threadpool(_add, workspace.acting_as(person.login), name, form)


def _add(workspace: Workspace, name: str, form: dict[str, str]) -> Response:
    project = load_project(workspace, name)
    values = {
        question.name: known_items.value_of(question, given)
        for question in project.rubric.questions
        if question.kind in COMPARABLE and (given := form.get(f"answer.{question.name}", "").strip())
    }
    known = Known(_item(workspace, name, form), values, form.get("explanation", "").strip()[:10_000])
    cap = form.get("cap", "").strip()
    add_gold(workspace, name, [known], exposure_cap=_count(cap) if cap else None)
    return _back(name, "gold")


def _item(workspace: Workspace, project: str, form: dict[str, str]) -> Item | str:
    """The id of an item that is there, or a new one of the kind the project's work is: with another it would be told from work."""
    there, content = form.get("item", "").strip(), form.get("payload", "").strip()
    if bool(there) == bool(content):
        raise InputError("A known item is one that is there, or a new one.", where="fields 'item' and 'payload'", mend="fill in one of the two")
    if there:
        return there
    try:
        payload: Any = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"What is judged is not JSON: {error}.", where="field 'payload'", mend='write an object such as {"text": "…"}') from error
    if not isinstance(payload, dict):
        raise InputError("What is judged is an object.", where="field 'payload'", mend='write an object such as {"text": "…"}')
    return Item(known_items.usual_kind(workspace, project), "known", payload, _slices(form.get("slices", "")))


def _slices(text: str) -> dict[str, str]:
    """Lines such as ``language=de`` as slices."""
    found: dict[str, str] = {}
    for number, line in enumerate(filter(None, map(str.strip, text.splitlines())), start=1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not equals or not name or not value:
            raise InputError("A slice is a name and a value.", where=f"field 'slices', line {number}", mend="write a line such as language=de")
        found[name[:100]] = value[:200]
    return found


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= 10_000):
        raise InputError(f"'{text[:20]}' people cannot see an item.", where="field 'cap'", mend="give 1 to 10,000")
    return int(text)


@router.post("/gold/settled")
def add_settled(workspace: WorkspaceDep, person: PersonDep, name: Name, items: Ids, explanation: Text = "") -> Response:
    """Make gold of items that people settled."""
    made = gold_from(workspace.acting_as(person.login), name, items, explanation=explanation.strip())
    return _back(name, "gold", f"?refused={len(made.refused)}" if made.refused else "")


@router.post("/gold/retire")
def retire(workspace: WorkspaceDep, person: PersonDep, name: Name, task_id: Annotated[str, Form(max_length=200)], reason: Reason) -> Response:
    """Take a known item out of service."""
    retire_gold(workspace.acting_as(person.login), name, [task_id], reason=reason)
    return _back(name, "gold")


@router.get("/exam")
def show_exam(request: Request, workspace: WorkspaceDep, name: Name) -> Response:
    """The exam: its terms, how people did, and opening one."""
    project = load_project(workspace, name)
    return page(
        request,
        "measuring/exam_set_up.html",
        project=project,
        tab="exam",
        found=known_items.exam_page(workspace, project),
        candidates=known_items.candidates(workspace, project, most=200),
        with_query=with_query,
    )


@router.post("/exam/open")
def open_an_exam(workspace: WorkspaceDep, person: PersonDep, name: Name, items: Ids = [], lines: Text = "", explanation: Text = "") -> Response:  # noqa: B006 - FastAPI copies it
    """Open the exam of the guideline in force, and close the one before it."""
    own = workspace.acting_as(person.login)
    open_exam(own, name, _known(own, load_project(own, name), items, lines, explanation))
    return _back(name, "exam")


@router.get("/round")
def show_round(request: Request, workspace: WorkspaceDep, name: Name, again: Short = None) -> Response:
    """The calibration round: who practised, what the guideline changed, and opening one."""
    project = load_project(workspace, name)
    kept: Kept = request.app.state.kept
    made = kept.get(
        ("round", name, project.number, *known_items.round_now(workspace, name)),
        lambda: known_items.round_page(workspace, project),
        again=bool(again),
    )
    return page(
        request,
        "measuring/round.html",
        project=project,
        tab="round",
        found=made.value,
        made=made,
        candidates=known_items.candidates(workspace, project, most=200),
        with_query=with_query,
    )


@router.post("/round/open")
def open_a_round(
    workspace: WorkspaceDep,
    person: PersonDep,
    name: Name,
    items: Ids = [],  # noqa: B006 - FastAPI copies it
    lines: Text = "",
    explanation: Text = "",
    needed: Annotated[int | None, Form(ge=1, le=500)] = None,
) -> Response:
    """Begin the calibration round of the guideline in force."""
    own = workspace.acting_as(person.login)
    open_round(own, name, _known(own, load_project(own, name), items, lines, explanation), needed=needed)
    return _back(name, "round")


@router.post("/round/close")
def close_the_round(workspace: WorkspaceDep, person: PersonDep, name: Name) -> Response:
    """End the round: nobody need practise any more."""
    close_round(workspace.acting_as(person.login), name)
    return _back(name, "round")


def _known(workspace: Workspace, project: Project, items: list[str], lines: str, explanation: str) -> list[Known]:
    """What a form hands in: settled items that were ticked, and lines of JSON."""
    given = known_items.known_of(workspace, project, list(dict.fromkeys(items)), explanation.strip()) if items else []
    return given + (read_known(lines.splitlines(), "field 'lines'") if lines.strip() else [])


def _back(name: str, tab: str, query: str = "") -> Response:
    return RedirectResponse(f"/review/projects/{quote(name, safe='')}/{tab}{query}", 303)
