"""Accounts, roles and API tokens. Everybody sees their own; an admin looks after all."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import RedirectResponse, Response

from pilotage import people
from pilotage.core import Conflict, InputError, Refused
from pilotage.server.context import Person, PersonDep, WorkspaceDep, require
from pilotage.server.render import page
from pilotage.store import Workspace

router = APIRouter(include_in_schema=False, prefix="/people")

Roles = Annotated[list[str], Form(max_length=10)]
Login = Annotated[str, Form(max_length=100)]


@router.get("")
def show_people(request: Request, workspace: WorkspaceDep, person: PersonDep) -> Response:
    """Who has an account, and your own tokens."""
    return _show(request, workspace, person)


@router.post("/accounts", dependencies=[require("people")])
def add_account(
    workspace: WorkspaceDep,
    person: PersonDep,
    login: Login,
    password: Annotated[str, Form(max_length=1000)],
    roles: Roles,
    display_name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Add an account. The first one must be an admin's: from then on nobody else could add another here."""
    first = not people.has_accounts(workspace)
    if first and "admin" not in roles:
        raise InputError(
            "The first account must have the role admin.",
            why="from then on everybody signs in, and only an admin may add others",
            mend="tick admin too; roles can be changed later",
        )
    people.add_account(
        workspace, login=login, display_name=display_name.strip() or login, roles=roles, password=password, by=_account(workspace, person)
    )
    return RedirectResponse("/login" if first else "/people", 303)


@router.post("/roles", dependencies=[require("people")])
def set_roles(workspace: WorkspaceDep, person: PersonDep, login: Login, roles: Roles) -> Response:
    """Give an account these roles and no others."""
    account = people.find_account(workspace, login)
    if "admin" not in roles:
        _keep_an_admin(workspace, account)
    people.set_roles(workspace, account, roles=roles, by=_account(workspace, person))
    return RedirectResponse("/people", 303)


@router.post("/disable", dependencies=[require("people")])
def disable(workspace: WorkspaceDep, person: PersonDep, login: Login) -> Response:
    """Disable an account: its sessions and tokens end."""
    account = people.find_account(workspace, login)
    _keep_an_admin(workspace, account)
    people.disable_account(workspace, account, by=_account(workspace, person))
    return RedirectResponse("/people", 303)


@router.post("/tokens")
def issue_token(
    request: Request,
    workspace: WorkspaceDep,
    person: PersonDep,
    name: Annotated[str, Form(max_length=100)],
    valid_days: Annotated[int, Form(ge=1, le=3650)] = 90,
) -> Response:
    """Issue a token for yourself. It is shown on this answer and never again."""
    account = _account(workspace, person)
    if account is None:
        raise Refused("The local person has no tokens.", why="a token belongs to an account", mend="add an account first")
    issued = people.issue_token(workspace, account, name=name.strip(), valid_days=valid_days, by=account)
    return _show(request, workspace, person, issued=issued)


@router.post("/tokens/revoke")
def revoke_token(workspace: WorkspaceDep, person: PersonDep, token_id: Annotated[str, Form(max_length=200)]) -> Response:
    """End a token."""
    account = _account(workspace, person)
    if account is None:
        raise Refused("The local person has no tokens.", mend="sign in")
    people.revoke_token(workspace, token_id, by=account)
    return RedirectResponse("/people", 303)


def _account(workspace: Workspace, person: Person) -> people.Account | None:
    return None if person.account_id is None else people.find_account(workspace, person.login)


def _keep_an_admin(workspace: Workspace, losing: people.Account) -> None:
    others = [one for one in people.accounts(workspace) if "admin" in one.roles and one.disabled_at is None and one.id != losing.id]
    if "admin" in losing.roles and not others:
        raise Conflict("This is the last admin.", why="nobody could look after accounts any more", mend="make somebody else an admin first")


def _show(request: Request, workspace: Workspace, person: Person, *, issued: people.IssuedToken | None = None) -> Response:
    account = _account(workspace, person)
    return page(
        request,
        "people.html",
        headers={"cache-control": "no-store"} if issued else None,
        accounts=people.accounts(workspace),
        tokens=people.tokens(workspace, account) if account else [],
        is_local=account is None,
        issued=issued,
        roles=people.ROLES,
        shortest=people.MIN_PASSWORD_CHARACTERS,
    )
