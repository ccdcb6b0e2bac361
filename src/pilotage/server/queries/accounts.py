"""Questions about accounts."""

from __future__ import annotations

from sqlalchemy import select

from pilotage.people.tables import account
from pilotage.store import Workspace


def has_accounts(workspace: Workspace) -> bool:
    """Whether anybody has an account; from then on the printed address signs nobody in."""
    with workspace.read() as conn:
        return conn.execute(select(account.c.id).where(account.c.workspace_id == workspace.id).limit(1)).first() is not None
