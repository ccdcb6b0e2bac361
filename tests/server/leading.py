"""Signing in to the reviewed workspace as whoever a test needs."""

from __future__ import annotations

from browserless import Client

from pilotage import people
from pilotage.server import create_app
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"
STAFF = {"lena": ["owner"], "olga": ["operator"], "aldo": ["auditor"]}


def staff(workspace: Workspace) -> None:
    """Accounts besides those of the five people who review."""
    for login, roles in STAFF.items():
        people.add_account(workspace, login=login, roles=roles, password=PASSWORD)


def sign_in_as(workspace: Workspace, login: str) -> Client:
    """Signed in with a password, ``lena`` (who leads), ``aldo`` (an auditor) or ``ben`` (who reviews), say."""
    client = Client(create_app(workspace))
    assert client.post("/login", {"login": login, "password": PASSWORD}, csrf=False).status == 303
    return client


def told(lower: float | None, upper: float | None) -> str:
    """An interval of shares as the pages tell it: ``49.1 % to 84.4 %``. Tests make it from what the room says, never from a page."""
    assert lower is not None and upper is not None
    return f"{100 * lower:.1f} % to {100 * upper:.1f} %"
