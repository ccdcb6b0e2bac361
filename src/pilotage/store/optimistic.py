"""Optimistic locks: two people may open the same form; only the first to save it wins, and the second is told."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, update

from pilotage.core import Conflict
from pilotage.store.writer import WriteTransaction


def update_if_unchanged(tx: WriteTransaction, table: Table, row_id: str, *, lock_version: int, values: dict[str, Any]) -> int:
    """Update the row only if its ``lock_version`` is still the given one; return the new one.

    Raises
    ------
    Conflict
        If the row changed since it was read, or is gone.
    """
    done = tx.conn.execute(
        update(table)
        .where(table.c.workspace_id == tx.workspace_id, table.c.id == row_id, table.c.lock_version == lock_version)
        .values(**values, lock_version=lock_version + 1)
    )
    if done.rowcount != 1:
        raise Conflict(
            f"This {table.name.replace('_', ' ')} was changed by somebody else in the meantime.",
            where=f"{table.name} {row_id}",
            mend="look at it again and repeat the change if it is still wanted",
        )
    return lock_version + 1
