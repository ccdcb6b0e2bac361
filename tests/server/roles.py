"""Signed in to a workspace that has accounts, as somebody with given roles."""

from __future__ import annotations

from browserless import Client

from pilotage import people
from pilotage.server import create_app
from pilotage.store import Workspace

PASSWORD = "correct horse battery staple"


def as_somebody(workspace: Workspace, login: str, *roles: str) -> Client:
    """A client signed in as ``login``, who is added with ``roles`` where the workspace does not know them yet."""
    if login not in {account.login for account in people.accounts(workspace)}:
        people.add_account(workspace, login=login, roles=list(roles), password=PASSWORD)
    client = Client(create_app(workspace))
    assert client.post("/login", {"login": login, "password": PASSWORD}, csrf=False).status == 303
    return client
