"""Questions about the ledger's entries. Whether the ledger is whole is the ledger's own answer (``ledger.verify``)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.ledger.tables import ledger_entry
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace


@dataclass(frozen=True)
class Act:
    """One entry."""

    seq: int
    type: str
    actor: str
    subject: str
    body: Any
    created_at: int
    chain_hash: str


def list_acts(
    workspace: Workspace, *, type: str | None = None, actor: str | None = None, subject: str | None = None, turn: Turn | None = None
) -> Page[Act]:
    """Entries, the newest first. ``type`` may end in ``.*``; ``subject`` matches from its beginning."""
    statement = select(ledger_entry).where(ledger_entry.c.workspace_id == workspace.id)
    if type:
        statement = statement.where(
            ledger_entry.c.type.startswith(type[:-1], autoescape=True) if type.endswith(".*") else ledger_entry.c.type == type
        )
    if actor:
        statement = statement.where(ledger_entry.c.actor == actor)
    if subject:
        statement = statement.where(ledger_entry.c.subject.startswith(subject, autoescape=True))
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[ledger_entry.c.seq], turn=turn or Turn(), descending=True)
    return found.map(
        lambda rows: [Act(row.seq, row.type, row.actor, row.subject, _parse(row.body), row.created_at, bytes(row.chain_hash).hex()) for row in rows]
    )


def list_types(workspace: Workspace) -> list[str]:
    """The types of entry there are."""
    with workspace.read() as conn:
        return list(
            conn.execute(
                select(ledger_entry.c.type).where(ledger_entry.c.workspace_id == workspace.id).distinct().order_by(ledger_entry.c.type)
            ).scalars()
        )


def _parse(body: str) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body
