"""The items of a project, and one item with all that was said of it; for who leads, what can be done about it."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Form, Path, Query, Request
from sqlalchemy import select
from starlette.responses import RedirectResponse, Response

from pilotage import review
from pilotage.core import NotFound, PilotageError, Refused
from pilotage.ledger import entries, record
from pilotage.review.new_task import TASK_PURPOSES
from pilotage.review.projects import load_project
from pilotage.review.tables import review_task
from pilotage.server.context import Person, PersonDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep, with_query
from pilotage.server.pages.project_fields import POLICY_WORDS
from pilotage.server.queries.review_item import find_item
from pilotage.server.queries.review_items import FOR_LEADS, ONLY, STATES, list_items
from pilotage.server.render import page
from pilotage.store import Workspace, WriteTransaction

router = APIRouter(include_in_schema=False, prefix="/review/projects/{name}/items", dependencies=[require("view")])

Name = Annotated[str, Path(max_length=200)]
ItemId = Annotated[str, Path(max_length=200)]
Word = Annotated[str | None, Query(max_length=300)]
TaskId = Annotated[str, Form(max_length=200)]
ITEM_REVEALED = "item.revealed"


@router.get("")
def show_items(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    turn: TurnDep,
    name: Name,
    state: Word = None,
    only: Word = None,
    slice: Word = None,
    purpose: Word = None,
) -> Response:
    """Items in the order they are served."""
    project = load_project(workspace, name)
    leads = person.may("run")
    if person.measured:  # a list of work alone would tell what was known beforehand: that it is not there
        return RedirectResponse(f"/review/me?project={quote(name, safe='')}#history", 303)
    # Asked for what is special without saying where, the first state that has any is shown.
    for looked in (state,) if state else STATES if only else ("open",):
        wanted = {"state": looked, "only": only or None, "slice": slice or None, "purpose": purpose or None}
        found = list_items(workspace, name, **wanted, leads=leads, turn=turn)  # type: ignore[arg-type]
        if found.page.rows or found.cut:
            break
    else:
        wanted["state"] = state or "open"
    return page(
        request,
        "review/items.html",
        project=project,
        found=found,
        wanted=wanted,
        states=STATES,
        only=[each for each in ONLY if leads or each not in FOR_LEADS],
        purposes=TASK_PURPOSES if leads else (),
        with_query=with_query,
    )


@router.get("/{item_id}")
def show_item(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, item_id: ItemId) -> Response:
    """What it shows, what was proposed and said of it, and what became of that."""
    return _show(request, workspace, person, name, item_id)


@router.post("/{item_id}/reveal")
def reveal(workspace: WorkspaceDep, person: PersonDep, name: Name, item_id: ItemId) -> Response:
    """Uncover what may hurt; that somebody did is in the ledger."""
    find_item(workspace, name, item_id, person)

    def job(tx: WriteTransaction) -> None:
        record(tx, type=ITEM_REVEALED, subject=item_id, body={"project": name}, actor=person.login)

    if not any(entry.actor == person.login for entry in entries(workspace, subject=item_id, type=ITEM_REVEALED)):
        workspace.write(job)
    return RedirectResponse(_address(name, item_id), 303)


@router.post("/{item_id}/priority", dependencies=[require("run")])
def set_priority(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: Name,
    item_id: ItemId,
    task_id: TaskId,
    priority: Annotated[int, Form(ge=-(2**31), lt=2**31)],
) -> Response:
    """Serve it sooner or later."""
    return _act(
        request,
        workspace,
        person,
        name,
        item_id,
        lambda: review.prioritise(workspace.acting_as(person.login), [_own_task(workspace, name, item_id, task_id)], priority),
    )


@router.post("/{item_id}/withdraw", dependencies=[require("run")])
def withdraw(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, item_id: ItemId, task_id: TaskId) -> Response:
    """Ask nobody more."""
    return _act(
        request,
        workspace,
        person,
        name,
        item_id,
        lambda: review.withdraw(workspace.acting_as(person.login), [_own_task(workspace, name, item_id, task_id)]),
    )


@router.post("/{item_id}/gold", dependencies=[require("run")])
def make_gold(
    request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, item_id: ItemId, explanation: Annotated[str, Form(max_length=2000)] = ""
) -> Response:
    """Hide it, with what was settled, among the work."""
    from pilotage.review.measuring import gold_from

    def act() -> None:
        made = gold_from(workspace.acting_as(person.login), name, [item_id], explanation=explanation)
        for why in made.refused.values():
            raise Refused(f"It cannot become gold: {why}.", where=item_id, mend="have it adjudicated, or answered alike by three people")

    return _act(request, workspace, person, name, item_id, act)


@router.post("/{item_id}/adjudicate", dependencies=[require("run")])
def adjudicate(request: Request, workspace: WorkspaceDep, person: PersonDep, name: Name, item_id: ItemId) -> Response:
    """Put it before somebody who did not take part."""
    from pilotage.review.measuring import open_adjudications, settle

    def act() -> None:
        own = workspace.acting_as(person.login)
        settle(own, name)
        if not open_adjudications(own, name, items=[item_id]):
            raise Refused(
                "There is nothing to decide about this item.",
                where=item_id,
                why="its answers became one by the policy of its questions, it still waits for answers, or it was put before somebody already",
                mend="look at what its answers became, below",
            )

    return _act(request, workspace, person, name, item_id, act)


def _own_task(workspace: Workspace, name: str, item_id: str, task_id: str) -> str:
    t = review_task.c
    query = select(t.id).where(t.workspace_id == workspace.id, t.id == task_id, t.queue == name, t.item_id == item_id)
    with workspace.read() as conn:
        found = conn.execute(query).scalar()
    if found is None:
        raise NotFound("This is no task of this item.", where=task_id, mend="open the item again")
    return str(found)


def _act(request: Request, workspace: Workspace, person: Person, name: str, item_id: str, act: object) -> Response:
    try:
        act()  # type: ignore[operator]
    except NotFound:
        raise
    except PilotageError as error:
        return _show(request, workspace, person, name, item_id, problem=error)
    return RedirectResponse(_address(name, item_id), 303)


def _show(request: Request, workspace: Workspace, person: Person, name: str, item_id: str, *, problem: PilotageError | None = None) -> Response:
    project = load_project(workspace, name)
    item = find_item(workspace, name, item_id, person)
    return page(
        request,
        "review/item.html",
        status=200 if problem is None else problem.http_status,
        project=project,
        item=item,
        problem=problem.to_dict() if problem else None,
        policies=POLICY_WORDS,
    )


def _address(name: str, item_id: str) -> str:
    return f"/review/projects/{quote(name, safe='')}/items/{quote(item_id, safe='')}"
