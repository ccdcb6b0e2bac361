"""What a request is about: the workspace, and the person who asks.

Handlers take these as dependencies and never look at cookies or headers themselves::

    @router.get("/things")
    def things(workspace: WorkspaceDep, person: PersonDep) -> Response: ...

    @router.post("/things", dependencies=[require("review")])

The guard in front of every route (``guard.py``) has already identified the person and, where a cookie was used, checked the CSRF token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import Depends, Request

from pilotage.core import Refused
from pilotage.people import PERMISSIONS
from pilotage.people import require as require_permission
from pilotage.server.errors import SignInNeeded
from pilotage.server.jobs import Jobs
from pilotage.store import Workspace


@dataclass(frozen=True)
class Person:
    """Who asks.

    login
        The name in the ledger.
    roles
        Of ``owner``, ``reviewer``, ``operator``, ``auditor``, ``admin``. Whoever works alone, before there are accounts, holds them all.
    account_id
        The account's id; None for the local person of a workspace without accounts.
    """

    login: str
    display_name: str
    roles: frozenset[str]
    account_id: str | None = None

    def has(self, role: str) -> bool:
        """Whether the person holds ``role``."""
        return role in self.roles

    def may(self, permission: str) -> bool:
        """Whether any of the person's roles gives ``permission``."""
        return bool(self.roles & PERMISSIONS[permission])


@dataclass(frozen=True)
class Visitor:
    """A person as they came in: by ``cookie`` (then with a CSRF token) or by ``bearer`` token."""

    person: Person
    via: str
    csrf_token: str = ""
    session_token: str = ""


def visitor_of(request: Request) -> Visitor | None:
    """Who the guard found, or None on the few pages that need nobody."""
    found: Visitor | None = getattr(request.state, "visitor", None)
    return found


# These look nothing up, so they are coroutines: FastAPI gives a plain function a thread of its own, and changing threads costs more than it does.


async def _workspace(request: Request) -> Workspace:
    workspace: Workspace = request.app.state.workspace
    return workspace


async def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.app.state.jobs
    return jobs


async def _person(request: Request) -> Person:
    visitor = visitor_of(request)
    if visitor is None:
        raise SignInNeeded
    return visitor.person


async def _present(request: Request) -> Person:
    person = await _person(request)
    visitor = visitor_of(request)
    if visitor is None or visitor.via != "cookie":
        raise Refused("Only a person decides this.", why="a token acts without anybody looking", mend="sign in to the workbench and decide there")
    return person


WorkspaceDep = Annotated[Workspace, Depends(_workspace)]
JobsDep = Annotated[Jobs, Depends(_jobs)]
PersonDep = Annotated[Person, Depends(_person)]
PresentDep = Annotated[Person, Depends(_present)]
"""The person who asks, in a session of their own: whoever comes with a token is refused (403)."""


def require(permission: str) -> Any:
    """A dependency that refuses (403) whoever's roles do not give ``permission``; one of the keys of ``people.PERMISSIONS``."""
    if permission not in PERMISSIONS:
        raise KeyError(permission)

    async def check(request: Request) -> Person:
        person = await _person(request)
        require_permission(person, permission)
        return person

    return Depends(check)
