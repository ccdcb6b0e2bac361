"""Walking lineage: up to the sources, down to the predictions, and the question an incident asks.

Each walk is one recursive query over covering indexes. Cost: O(edges reached), about 5 µs each; the size of the rest of the graph does not matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, literal, or_, select, union_all

from pilotage.core import InputError
from pilotage.data.lineage.graph import KINDS, ColumnOrigin, Edge, Node
from pilotage.data.lineage.tables import lineage_edge
from pilotage.store import Workspace

MAX_SHOWN = 5_000


@dataclass(frozen=True)
class Trace:
    """What was reached from ``start``.

    ``counts`` says how many things of each kind, always in full. ``nodes`` and ``edges`` are for showing: of a kind with more than :data:`MAX_SHOWN`
    things the first by id, and at most as many edges; ``complete`` says whether they are all there.
    """

    start: tuple[Node, ...]
    counts: Mapping[str, int]
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    complete: bool

    def of_kind(self, kind: str) -> tuple[str, ...]:
        """The ids of the nodes of one kind."""
        return tuple(node.id for node in self.nodes if node.kind == kind)

    def __str__(self) -> str:
        reached = ", ".join(f"{self.counts[kind]} {kind}" for kind in KINDS if kind in self.counts)
        return f"from {', '.join(map(str, self.start))}: {reached or 'nothing'}"

    def to_dict(self) -> dict[str, Any]:
        """The trace as plain data, for the API and the pages."""
        return {
            "start": [{"kind": node.kind, "id": node.id} for node in self.start],
            "counts": dict(self.counts),
            "nodes": [{"kind": node.kind, "id": node.id} for node in self.nodes],
            "edges": [edge.to_dict() for edge in self.edges],
            "complete": self.complete,
        }


def made_from(workspace: Workspace, *start: Node) -> Trace:
    """Everything these things were made from, up to the sources."""
    return _walk(workspace, start, up=True, within=None)


def made_of(workspace: Workspace, *start: Node) -> Trace:
    """Everything made from these things, down to the predictions."""
    return _walk(workspace, start, up=False, within=None)


def impact(workspace: Workspace, *start: Node, from_us: int, until_us: int) -> Trace:
    """ "This was wrong on these days": every batch, version, model and prediction that rows of those event times reached.

    ``from_us`` to ``until_us`` are event times, inclusive, µs UTC. An edge whose range is known and lies outside is not followed; an edge whose range
    is not known is: what may be touched is listed rather than left out. Raises ``InputError`` if the range is empty.
    """
    if from_us > until_us:
        raise InputError(f"Not a range of time: {from_us} to {until_us}.", mend="give the earlier time first")
    return _walk(workspace, start, up=False, within=(from_us, until_us))


def column_origins(workspace: Workspace, node: Node, column: str) -> tuple[tuple[Node, ColumnOrigin], ...]:
    """Where one column of ``node`` comes from, followed up through every edge that knows its columns; nearest first.

    An edge that lists no columns ends the walk there: what is not known is not guessed.
    """
    found: dict[tuple[Node, ColumnOrigin], None] = {}
    border: list[tuple[Node, str]] = [(node, column)]
    seen = set(border)
    while border:
        after: list[tuple[Node, str]] = []
        parents = _edges_into(workspace, {each for each, _ in border})
        for each, name in border:
            for edge in parents.get(each, ()):
                for origin in edge.columns:
                    if origin.child != name:
                        continue
                    found[(edge.parent, origin)] = None
                    step = (edge.parent, origin.parent)
                    if step not in seen:
                        seen.add(step)
                        after.append(step)
        border = after
    return tuple(found)


def _edges_into(workspace: Workspace, nodes: Iterable[Node]) -> dict[Node, list[Edge]]:
    edge = lineage_edge.c
    wanted = or_(*(and_(edge.child_kind == node.kind, edge.child_id == node.id) for node in nodes))
    with workspace.read() as conn:
        rows = conn.execute(select(lineage_edge).where(edge.workspace_id == workspace.id, wanted).order_by(edge.id)).all()
    found: dict[Node, list[Edge]] = {}
    for row in rows:
        made = _edge(row)
        found.setdefault(made.child, []).append(made)
    return found


def _walk(workspace: Workspace, start: tuple[Node, ...], *, up: bool, within: tuple[int, int] | None) -> Trace:
    if not start:
        raise InputError("A walk through lineage needs somewhere to start.")
    edge = lineage_edge.c
    here, there = ((edge.child_kind, edge.child_id), (edge.parent_kind, edge.parent_id))
    if not up:
        here, there = there, here
    mine: ColumnElement[bool] = edge.workspace_id == workspace.id
    if within is not None:
        mine = and_(mine, or_(edge.from_us.is_(None), and_(edge.from_us <= within[1], edge.until_us >= within[0])))
    begins = union_all(*(select(literal(node.kind).label("kind"), literal(node.id).label("id")) for node in dict.fromkeys(start))).subquery()
    reached = select(begins.c.kind, begins.c.id).cte("reached", recursive=True)
    reached = reached.union(select(there[0], there[1]).join(reached, and_(here[0] == reached.c.kind, here[1] == reached.c.id)).where(mine))
    walked = select(lineage_edge).join(reached, and_(here[0] == reached.c.kind, here[1] == reached.c.id)).where(mine)
    begun = {(node.kind, node.id) for node in start}
    by_kind: dict[str, list[str]] = {}
    with workspace.read() as conn:
        for kind, node_id in conn.execute(select(reached.c.kind, reached.c.id)):
            if (kind, node_id) not in begun:
                by_kind.setdefault(kind, []).append(node_id)
        edges = [_edge(row) for row in conn.execute(walked.limit(MAX_SHOWN + 1))]
    complete = len(edges) <= MAX_SHOWN and all(len(ids) <= MAX_SHOWN for ids in by_kind.values())
    return Trace(
        start=start,
        counts={kind: len(ids) for kind, ids in sorted(by_kind.items())},
        nodes=tuple(Node(kind, node_id) for kind, ids in sorted(by_kind.items()) for node_id in sorted(ids)[:MAX_SHOWN]),
        edges=tuple(sorted(edges[:MAX_SHOWN], key=lambda edge: (edge.parent, edge.child, edge.via))),
        complete=complete,
    )


def _edge(row: Any) -> Edge:
    stored = row._mapping
    return Edge(
        parent=Node(stored["parent_kind"], stored["parent_id"]),
        child=Node(stored["child_kind"], stored["child_id"]),
        via=stored["via"],
        from_us=stored["from_us"],
        until_us=stored["until_us"],
        columns=tuple(ColumnOrigin(**origin) for origin in stored["columns"]),
    )
