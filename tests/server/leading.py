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
