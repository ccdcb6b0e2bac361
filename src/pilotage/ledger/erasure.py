"""Erasing personal data without breaking the ledger.

The entry stays, and so does its commitment: a SHA-256 over 32 random bytes and the data. With data and salt gone nobody can tell from the commitment
what the data was, not even by trying every value. That it was erased, when and why is an entry of its own.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

from sqlalchemy import select, update

from pilotage.core import Conflict, NotFound
from pilotage.ledger.append import append
from pilotage.ledger.tables import ledger_payload
from pilotage.ledger.verify import ERASURE_ENTRY
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class Erasure:
    """That a payload was erased."""

    seq: int
    """The entry that says so."""
    commitment: str
    left: str | None
    """Where copies may still lie in the database's own files, in words; None if nowhere. Backups are always the keeper's own concern."""


def erase_payload(workspace: Workspace, commitment: str, *, reason: str, actor: str | None = None) -> Erasure:
    """Erase the personal data (and its salt) behind ``commitment``, and record that it was.

    On SQLite the freed bytes are overwritten and the write-ahead log is emptied. PostgreSQL keeps the old row until it is vacuumed.

    Raises
    ------
    NotFound
        If nothing was ever kept under ``commitment``.
    Conflict
        If it was erased before.
    """

    def erase(tx: WriteTransaction) -> int:
        if tx.conn.dialect.name == "sqlite":
            tx.conn.exec_driver_sql("PRAGMA secure_delete=ON")
        table = ledger_payload.c
        here = (table.workspace_id == tx.workspace_id) & (table.commitment == commitment)
        found = tx.conn.execute(select(table.payload.is_(None)).where(here)).scalar()
        if found is None:
            raise NotFound(f"No personal data was ever kept under {commitment!r}.", mend="take the commitment from the entry")
        if found:
            raise Conflict("This personal data was erased before.", where=f"commitment {commitment}")
        tx.conn.execute(update(ledger_payload).where(here).values(salt=None, payload=None, erased_at=tx.clock.now_us()))
        return append(tx, type=ERASURE_ENTRY, subject=commitment, body={"reason": reason}, actor=actor)

    seq = workspace.write(erase)
    return Erasure(seq=seq, commitment=commitment, left=_left(workspace))


def _left(workspace: Workspace) -> str | None:
    if workspace.engine.dialect.name != "sqlite":
        return "the old row, until the database vacuums the table (VACUUM ledger_payload)"
    with contextlib.closing(workspace.engine.raw_connection()) as raw:  # outside any transaction, which SQLite demands of this
        busy = raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    return "the write-ahead log, until no other process is reading" if busy else None
