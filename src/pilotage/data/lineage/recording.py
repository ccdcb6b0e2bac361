"""Writing edges down, in the transaction of the act that made them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from sqlalchemy import select, update

from pilotage.data.lineage.graph import ColumnOrigin, Edge
from pilotage.data.lineage.tables import lineage_edge
from pilotage.store import WriteTransaction

_AT_ONCE = 500


def record_edges(tx: WriteTransaction, edges: Iterable[Edge]) -> int:
    """Record edges; returns how many are new.

    Of an edge that is there already, what is newly known is added: columns beside columns, and the range of times is widened to hold both (not known
    is any, and stays). The act itself belongs in the ledger; edges say what follows from it, so they have no entry of their own.
    """
    wanted: dict[str, Edge] = {}
    for edge in edges:
        wanted[edge.id] = _joined(wanted[edge.id], edge) if edge.id in wanted else edge
    new = 0
    for start in range(0, len(wanted), _AT_ONCE):
        part = dict(list(wanted.items())[start : start + _AT_ONCE])
        mine = (lineage_edge.c.workspace_id == tx.workspace_id, lineage_edge.c.id.in_(part.keys()))
        there = {
            row.id: Edge(
                part[row.id].parent, part[row.id].child, row.via, row.from_us, row.until_us, tuple(ColumnOrigin(**origin) for origin in row.columns)
            )
            for row in tx.conn.execute(select(lineage_edge).where(*mine))
        }
        rows = [_row(edge_id, edge) for edge_id, edge in part.items() if edge_id not in there]
        tx.insert(lineage_edge, *rows)
        new += len(rows)
        for edge_id, known in there.items():
            joined = _joined(known, part[edge_id])
            if joined != known:
                columns = [origin.to_dict() for origin in joined.columns]
                tx.conn.execute(
                    update(lineage_edge)
                    .where(lineage_edge.c.workspace_id == tx.workspace_id, lineage_edge.c.id == edge_id)
                    .values(from_us=joined.from_us, until_us=joined.until_us, columns=columns)
                )
    return new


def _joined(one: Edge, other: Edge) -> Edge:
    """What both say of the same edge."""
    times: tuple[int | None, int | None] = (None, None)
    if one.from_us is not None and other.from_us is not None and one.until_us is not None and other.until_us is not None:
        times = (min(one.from_us, other.from_us), max(one.until_us, other.until_us))
    return replace(one, from_us=times[0], until_us=times[1], columns=tuple(dict.fromkeys([*one.columns, *other.columns])))


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
