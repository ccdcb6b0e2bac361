"""Recording the edges of what was made before edges were recorded.

Versions name their parents, exports their version, batches their source and version: what is not in the graph yet is added from there. Columns and
times of rows are not known any more, so these edges have none, which counts as any. What other rooms know (runs, say) they hand over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, column, select, table

from pilotage.data.lineage.graph import Edge, Node
from pilotage.data.lineage.recording import record_edges
from pilotage.data.lineage.tables import lineage_edge
from pilotage.data.tables import dataset_export, dataset_version
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

# By name: the room of batches needs an extra that may not be installed; its table is there all the same.
_BATCHES = table("ingest_batch", column("workspace_id"), column("id"), column("source"), column("version_id"))


@dataclass(frozen=True)
class Rebuilt:
    """How many edges were missing and are recorded now, by kinds of their ends: ``version -> export`` and so on."""

    added: int
    by_kind: dict[str, int]

    def __str__(self) -> str:
        parts = ", ".join(f"{count} {kind}" for kind, count in self.by_kind.items())
        return f"{self.added} edges added{f': {parts}' if parts else '; nothing was missing'}"


def rebuild_edges(workspace: Workspace, more: Iterable[Edge] = ()) -> Rebuilt:
    """Record the edges that follow from what is stored and are not in the graph. Idempotent; an entry in the ledger says how many.

    Cost: one pass over versions, exports, batches and edges, in one transaction.
    """
    others = tuple(more)

    def job(tx: WriteTransaction) -> Rebuilt:
        e = lineage_edge.c
        ends = select(e.parent_kind, e.parent_id, e.child_kind, e.child_id).where(e.workspace_id == tx.workspace_id)
        known = {tuple(row) for row in tx.conn.execute(ends)}
        missing: dict[tuple[Any, ...], Edge] = {}
        for edge in (*_stored(tx.conn, tx.workspace_id), *others):
            at = (edge.parent.kind, edge.parent.id, edge.child.kind, edge.child.id)
            if at not in known:
                missing[at] = edge
        added = record_edges(tx, missing.values())
        by_kind: dict[str, int] = {}
        for edge in missing.values():
            kind = f"{edge.parent.kind} -> {edge.child.kind}"
            by_kind[kind] = by_kind.get(kind, 0) + 1
        if added:
            record(tx, type="lineage.rebuilt", subject=tx.workspace_id, body={"added": added, "by_kind": by_kind})
        return Rebuilt(added, by_kind)

    return workspace.write(job)


def _stored(conn: Connection, workspace_id: str) -> Iterator[Edge]:
    v, x = dataset_version.c, dataset_export.c
    for row in conn.execute(select(v.id, v.parents, v.operation).where(v.workspace_id == workspace_id)):
        for parent in row.parents:
            yield Edge(Node("version", parent), Node("version", row.id), via=row.operation["name"])
    for row in conn.execute(select(x.version_id, x.id, x.format).where(x.workspace_id == workspace_id)):
        yield Edge(Node("version", row.version_id), Node("export", row.id), via=row.format)
    b = _BATCHES.c
    for row in conn.execute(select(b.id, b.source, b.version_id).where(b.workspace_id == workspace_id, b.version_id.is_not(None))):
        yield Edge(Node("source", row.source), Node("batch", row.id), via="deliver")
        yield Edge(Node("batch", row.id), Node("version", row.version_id), via="ingest")
