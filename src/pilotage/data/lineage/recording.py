"""Writing edges down, in the transaction of the act that made them."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select

from pilotage.data.lineage.graph import Edge
from pilotage.data.lineage.tables import lineage_edge
from pilotage.store import WriteTransaction

_AT_ONCE = 500


def record_edges(tx: WriteTransaction, edges: Iterable[Edge]) -> int:
    """Record edges; those that are there already are left alone. Returns how many are new.

    The act itself belongs in the ledger; edges say what follows from it, so they have no entry of their own.
    """
    wanted = list({edge.id: edge for edge in edges}.items())
    new = 0
    for start in range(0, len(wanted), _AT_ONCE):
        part = dict(wanted[start : start + _AT_ONCE])
        there = set(
            tx.conn.execute(
                select(lineage_edge.c.id).where(lineage_edge.c.workspace_id == tx.workspace_id, lineage_edge.c.id.in_(part.keys()))
            ).scalars()
        )
        rows = [_row(edge_id, edge) for edge_id, edge in part.items() if edge_id not in there]
        tx.insert(lineage_edge, *rows)
        new += len(rows)
    return new


def _row(edge_id: str, edge: Edge) -> dict[str, object]:
    return {
        "id": edge_id,
        "parent_kind": edge.parent.kind,
        "parent_id": edge.parent.id,
        "child_kind": edge.child.kind,
        "child_id": edge.child.id,
        "via": edge.via,
        "from_us": edge.from_us,
        "until_us": edge.until_us,
        "columns": [origin.to_dict() for origin in edge.columns],
    }
