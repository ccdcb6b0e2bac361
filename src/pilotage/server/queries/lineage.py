"""Questions about lineage: a walk from one thing, small enough to draw, and what an incident touched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from sqlalchemy import Text, and_, column, select, table, tuple_

from pilotage.core import InputError, NotFound
from pilotage.data import load_version
from pilotage.data.lineage import KINDS, ColumnOrigin, Edge, Node, Trace, column_origins, impact, made_from, made_of
from pilotage.data.lineage.tables import lineage_edge
from pilotage.data.tables import dataset, dataset_version
from pilotage.store import Workspace

DIRECTIONS = ("both", "up", "down")
LAYERS = ("source", "batch", "external", "version", "view", "training set", "model", "predictions", "run", "export")
MANY = {"batch": "batches", "predictions": "predictions", "external": "external datasets"}
PER_LAYER = 7
SHOWN_ROWS = 200
SHOWN_ORIGINS = 200
STARTS = 8

# By name: the rooms of these tables need an extra that may not be installed; the tables are there all the same.
_REPORT = table("quality_report", *(column(name, Text) for name in ("workspace_id", "id", "subject_id", "verdict", "created_at")))
_ATTACHED = table("quality_attachment", *(column(name, Text) for name in ("workspace_id", "version_id", "report_id")))
_MODEL = table("trained_model", *(column(name, Text) for name in ("workspace_id", "id", "pipeline", "kind")))


@dataclass(frozen=True)
class NodeLine:
    """One thing of lineage as a page shows it. ``page``: its own page, None where it has none; ``walk``: the graph that starts from it."""

    kind: str
    id: str
    title: str
    detail: str
    layer: str
    dataset: str | None = None
    number: int = 0
    page: str | None = None
    walk: str = ""
    gate: str | None = None


@dataclass(frozen=True)
class Box:
    """A box of the drawing: one thing, or many of a kind that are not drawn one by one (``count``)."""

    x: float
    y: float
    title: str
    detail: str
    href: str | None
    kind: str
    count: int = 1
    start: bool = False
    gate: str | None = None


@dataclass(frozen=True)
class GraphDrawing:
    """Boxes in layers, in the order data flows, and the lines between them as the ``d`` of paths."""

    width: float
    height: float
    boxes: tuple[Box, ...]
    lines: tuple[str, ...]
    heads: tuple[tuple[float, str], ...]
    box_width: float
    box_height: float


@dataclass(frozen=True)
class EdgeLine:
    """One edge in words."""

    parent: NodeLine
    child: NodeLine
    via: str
    from_us: int | None
    until_us: int | None
    columns: int


@dataclass(frozen=True)
class OriginLine:
    """Where a column comes from."""

    node: NodeLine
    origin: ColumnOrigin


@dataclass(frozen=True)
class Walk:
    """A walk as the page shows it: drawn, and as a table."""

    start: NodeLine
    direction: str
    counts: dict[str, int]
    drawing: GraphDrawing
    drawn: int
    edges: list[EdgeLine]
    more_edges: bool
    complete: bool
    columns: list[str]
    column: str | None = None
    origins: list[OriginLine] = field(default_factory=list)


@dataclass(frozen=True)
class Incident:
    """What a source that was wrong for some time touched. ``lists``: of each kind the first, with ``counts`` in full."""

    start: NodeLine
    from_us: int
    until_us: int
    counts: dict[str, int]
    lists: dict[str, list[NodeLine]]
    complete: bool


def resolve(workspace: Workspace, kind: str, id: str) -> Node:
    """The node of this kind and id; a version also by name, name@number or name@tag. Raises ``InputError`` or ``NotFound``."""
    if kind not in KINDS:
        raise InputError(f"Unknown kind of thing: {kind[:40]!r}.", mend=f"use one of: {', '.join(KINDS)}")
    if not id:
        raise InputError("Say of what: an id, or for a version its name.", mend="choose one from the lineage page")
    return Node(kind, load_version(workspace, id).id if kind == "version" else id)


def walk(workspace: Workspace, node: Node, *, direction: str = "both", column: str | None = None) -> Walk:
    """Everything up, down or both ways from ``node``, drawn with at most about sixty boxes. Raises ``NotFound`` for what lineage does not know."""
    if direction not in DIRECTIONS:
        raise InputError(f"Unknown direction: {direction[:20]!r}.", mend="use up, down or both")
    traces = [made_from(workspace, node)] if direction != "down" else []
    traces += [made_of(workspace, node)] if direction != "up" else []
    if node.kind != "version" and not any(trace.nodes for trace in traces) and not _known(workspace, node):
        raise NotFound(
            f"Lineage knows no {node.kind} {node.id[:80]!r}.",
            mend="choose one from the lineage page; what was made before lineage was recorded is filled in by 'pilotage lineage rebuild'",
        )
    counts: dict[str, int] = {}
    for trace in traces:
        for kind, n in trace.counts.items():
            counts[kind] = counts.get(kind, 0) + n
    edges = tuple(dict.fromkeys(_key(edge) for trace in traces for edge in trace.edges))
    chosen, hidden = _choose(node, [each for trace in traces for each in trace.nodes], edges, workspace)
    lines = describe(workspace, [node, *chosen])
    drawing = _draw(node, lines, hidden, edges, counts)
    shown = [edge for trace in traces for edge in trace.edges][: SHOWN_ROWS + 1]
    named = describe(workspace, {end for edge in shown[:SHOWN_ROWS] for end in (edge.parent, edge.child)})
    origins = column_origins(workspace, node, column)[:SHOWN_ORIGINS] if column else ()
    of_origins = describe(workspace, {each for each, _ in origins})
    return Walk(
        start=lines[node],
        direction=direction,
        counts={kind: counts[kind] for kind in KINDS if kind in counts},
        drawing=drawing,
        drawn=len(chosen) + 1,
        edges=[_edge_line(edge, named) for edge in shown[:SHOWN_ROWS]],
        more_edges=len(shown) > SHOWN_ROWS,
        complete=all(trace.complete for trace in traces),
        columns=_columns_of(workspace, node),
        column=column,
        origins=[OriginLine(of_origins[each], origin) for each, origin in origins],
    )


def incident(workspace: Workspace, node: Node, *, from_us: int, until_us: int) -> Incident:
    """What rows of these event times (µs UTC, inclusive) reached: counts in full, of each kind the first ``SHOWN_ROWS``."""
    trace = impact(workspace, node, from_us=from_us, until_us=until_us)
    lists = {kind: [Node(kind, each) for each in trace.of_kind(kind)[:SHOWN_ROWS]] for kind in KINDS if kind in trace.counts}
    lines = describe(workspace, [node, *(each for nodes in lists.values() for each in nodes)])
    return Incident(
        start=lines[node],
        from_us=from_us,
        until_us=until_us,
        counts={kind: trace.counts[kind] for kind in lists},
        lists={kind: sorted((lines[each] for each in nodes), key=_by_name) for kind, nodes in lists.items()},
        complete=trace.complete,
    )


def _by_name(line: NodeLine) -> tuple[str, int, str]:
    return line.dataset or "", line.number, line.title


def trace_of(workspace: Workspace, node: Node, *, direction: str, from_us: int | None = None, until_us: int | None = None) -> Trace:
    """A walk as the API gives it: ``up``, ``down`` or ``impact`` (which needs both times)."""
    if direction == "impact":
        if from_us is None or until_us is None:
            raise InputError("An impact needs 'since' and 'until'.", mend="say from when to when it was wrong")
        return impact(workspace, node, from_us=from_us, until_us=until_us)
    if direction not in ("up", "down"):
        raise InputError(f"Unknown direction: {direction[:20]!r}.", mend="use up, down or impact")
    return made_from(workspace, node) if direction == "up" else made_of(workspace, node)


def list_starts(workspace: Workspace) -> dict[str, list[NodeLine]]:
    """Some places to start from: the latest of each kind that lineage knows."""
    e = lineage_edge.c
    found: list[Node] = []
    with workspace.read() as conn:
        for kind in ("source", "version", "model", "predictions", "external"):
            ends: dict[str, None] = {}
            for side_kind, side_id in ((e.parent_kind, e.parent_id), (e.child_kind, e.child_id)):
                # The latest edges of a kind, not all of them: a start is a hint, the form finds the rest.
                latest = select(side_id).where(e.workspace_id == workspace.id, side_kind == kind).order_by(e.created_at.desc(), e.id).limit(200)
                ends.update(dict.fromkeys(conn.execute(latest).scalars()))
            found += [Node(kind, each) for each in list(ends)[:STARTS]]
    lines = describe(workspace, found)
    starts: dict[str, list[NodeLine]] = {}
    for node in found:
        starts.setdefault(node.kind, []).append(lines[node])
    return starts


def describe(workspace: Workspace, nodes: Iterable[Node]) -> dict[Node, NodeLine]:
    """What to call each thing and where its page is. Cost: a few queries, however many there are."""
    wanted = list(dict.fromkeys(nodes))
    ids: dict[str, list[str]] = {}
    for node in wanted:
        ids.setdefault(node.kind, []).append(node.id)
    versions, gates, models = _versions(workspace, ids.get("version", [])), _gates(workspace, ids.get("version", [])), {}
    with workspace.read() as conn:
        for part in _parts(ids.get("model", [])):
            rows = conn.execute(
                select(_MODEL.c.id, _MODEL.c.pipeline, _MODEL.c.kind).where(_MODEL.c.workspace_id == workspace.id, _MODEL.c.id.in_(part))
            )
            models.update({row.id: row for row in rows})
    return {node: _line(node, versions.get(node.id), gates.get(node.id), models.get(node.id)) for node in wanted}


def _line(node: Node, version: Any, gate: str | None, model: Any) -> NodeLine:
    walk_here = "/lineage?" + urlencode({"kind": node.kind, "id": node.id})
    plain = NodeLine(node.kind, node.id, node.id, node.kind, node.kind, walk=walk_here)
    made: dict[str, Any] = {}
    if node.kind == "version" and version is not None:
        operation = version.operation["name"]
        made = {
            "title": f"{version.name}@{version.number}",
            "detail": f"{version.rows:,} rows, {operation.replace('_', ' ')}".replace(",", "\u202f", 1),
            "layer": {"training_set": "training set", "score": "predictions"}.get(operation, "version"),
            "dataset": version.name,
            "number": version.number,
            "page": f"/data/{quote(version.name, safe='')}/{version.number}",
            "gate": gate,
        }
    elif node.kind == "source":
        made = {"page": "/data/batches?" + urlencode({"source": node.id})}
    elif node.kind == "batch":
        made = {"title": _short(node.id), "page": f"/data/batches/{quote(node.id, safe='')}"}
    elif node.kind == "view":
        made = {"page": f"/features/{quote(node.id, safe='@')}"}
    elif node.kind == "model":
        made = {"title": _short(node.id)}
        if model is not None:
            made |= {"detail": f"{model.kind} of {model.pipeline}", "page": f"/pipelines/{quote(model.pipeline, safe='')}"}
    elif node.kind == "predictions":
        of, _, day = node.id.rpartition("/")
        made = {"title": day or node.id, "detail": f"of {_short(of)}" if of else "predictions"}
    elif node.kind == "run":
        made = {"title": _short(node.id), "page": f"/runs/{quote(node.id, safe='')}"}
    elif node.kind == "export":
        made = {"title": _short(node.id)}
    return NodeLine(**{**vars(plain), **made})


def _short(text: str) -> str:
    prefix, mark, rest = text.rpartition("_")
    return text if len(rest) <= 8 else f"{prefix}{mark}{rest[:8]}…"


def _parts(ids: list[str]) -> Iterable[list[str]]:
    return (ids[start : start + 500] for start in range(0, len(ids), 500))


def _versions(workspace: Workspace, ids: list[str]) -> dict[str, Any]:
    v, d = dataset_version.c, dataset.c
    found: dict[str, Any] = {}
    with workspace.read() as conn:
        for part in _parts(ids):
            rows = conn.execute(
                select(v.id, v.number, v.rows, v.operation, d.name)
                .join(dataset, (d.workspace_id == v.workspace_id) & (d.id == v.dataset_id))
                .where(v.workspace_id == workspace.id, v.id.in_(part))
            )
            found.update({row.id: row for row in rows})
    return found


def _gates(workspace: Workspace, ids: list[str]) -> dict[str, str]:
    """The verdict of each version's gate, the latest one, its own or that of the batch it came with."""
    r, a = _REPORT.c, _ATTACHED.c
    found: dict[str, str] = {}
    with workspace.read() as conn:
        for part in _parts(ids):
            with_batch = (
                select(a.version_id, r.verdict)
                .join(_REPORT, (r.workspace_id == a.workspace_id) & (r.id == a.report_id))
                .where(a.workspace_id == workspace.id, a.version_id.in_(part))
            )
            own = select(r.subject_id, r.verdict).where(r.workspace_id == workspace.id, r.subject_id.in_(part)).order_by(r.created_at)
            for statement in (with_batch, own):
                found.update({row[0]: row[1] for row in conn.execute(statement)})
    return found


def _known(workspace: Workspace, node: Node) -> bool:
    e = lineage_edge.c
    sides = ((e.parent_kind, e.parent_id), (e.child_kind, e.child_id))
    with workspace.read() as conn:
        return any(
            conn.execute(select(e.id).where(e.workspace_id == workspace.id, and_(kind == node.kind, id == node.id)).limit(1)).first() is not None
            for kind, id in sides
        )


def _columns_of(workspace: Workspace, node: Node) -> list[str]:
    """The columns of which lineage knows where they come from."""
    e = lineage_edge.c
    mine = (e.workspace_id == workspace.id, e.child_kind == node.kind, e.child_id == node.id)
    with workspace.read() as conn:
        listed = conn.execute(select(e.columns).where(*mine).limit(50)).scalars().all()
    return sorted({origin["child"] for columns in listed for origin in columns})[:500]


def _edge_line(edge: Edge, named: Mapping[Node, NodeLine]) -> EdgeLine:
    return EdgeLine(named[edge.parent], named[edge.child], edge.via, edge.from_us, edge.until_us, len(edge.columns))


# --------------------------------------------------------------------------- the drawing

BOX_WIDTH, BOX_HEIGHT = 152.0, 46.0
_ACROSS, _DOWN, _TOP = 192.0, 60.0, 26.0
Pair = tuple[Node, Node]


def _key(edge: Edge) -> Pair:
    return edge.parent, edge.child


def _choose(start: Node, nodes: list[Node], edges: Iterable[Pair], workspace: Workspace) -> tuple[list[Node], dict[Node, str]]:
    """Which things get a box of their own, the nearest of each layer first; and of the others, the layer they are counted in."""
    lines = describe(workspace, [start, *nodes])
    far = _distances(start, edges)
    by_layer: dict[str, list[Node]] = {}
    for node in dict.fromkeys(nodes):
        by_layer.setdefault(lines[node].layer, []).append(node)
    chosen: list[Node] = []
    hidden: dict[Node, str] = {}
    for layer, members in by_layer.items():
        room = PER_LAYER - (lines[start].layer == layer)
        ranked = sorted(members, key=lambda node: (far.get(node, 1 << 30), -lines[node].number, node.id))
        if len(ranked) == room + 1:
            room += 1  # one box for "one more" would take as much room as the thing
        chosen += ranked[:room]
        hidden.update(dict.fromkeys(ranked[room:], layer))
    return chosen, hidden


def _distances(start: Node, edges: Iterable[Pair]) -> dict[Node, int]:
    """Steps from the start, straight up or straight down."""
    above: dict[Node, list[Node]] = {}
    below: dict[Node, list[Node]] = {}
    for parent, child in edges:
        above.setdefault(child, []).append(parent)
        below.setdefault(parent, []).append(child)
    far: dict[Node, int] = {}
    for beside in (above, below):
        found, border = {start: 0}, [start]
        while border:
            after = dict.fromkeys(each for node in border for each in beside.get(node, ()) if each not in found)
            found.update(dict.fromkeys(after, found[border[0]] + 1))
            border = list(after)
        far.update({node: min(steps, far.get(node, steps)) for node, steps in found.items()})
    return far


def _draw(start: Node, lines: Mapping[Node, NodeLine], hidden: Mapping[Node, str], edges: Iterable[Pair], counts: Mapping[str, int]) -> GraphDrawing:
    layers = [layer for layer in LAYERS if any(line.layer == layer for line in lines.values()) or layer in hidden.values()]
    # Of a kind with more things than a walk lists, the rest is counted in the kind's own layer.
    listed: dict[str, int] = {}
    for node in [*lines, *hidden]:
        listed[node.kind] = listed.get(node.kind, 0) + (node != start)
    places: dict[Node | str, tuple[float, float]] = {}
    boxes: list[Box] = []
    for across, layer in enumerate(layers):
        x = across * _ACROSS
        members = sorted(
            (node for node in lines if lines[node].layer == layer), key=lambda node: (lines[node].dataset or "", lines[node].number, node.id)
        )
        for down, node in enumerate(members):
            line, y = lines[node], _TOP + down * _DOWN
            places[node] = (x, y)
            href = line.page if node == start else line.walk
            boxes.append(Box(x, y, _fit(line), line.detail, href, line.kind, start=node == start, gate=line.gate))
        more = sum(1 for each in hidden.values() if each == layer) + max(0, counts.get(layer, 0) - listed.get(layer, 0))
        if more:
            y = _TOP + len(members) * _DOWN
            places[layer] = (x, y)
            boxes.append(Box(x, y, f"{more} more", MANY.get(layer, f"{layer}s"), None, layer, count=more))
    ends = dict.fromkeys(
        (parent if parent in lines else hidden.get(parent), child if child in lines else hidden.get(child)) for parent, child in edges
    )
    paths = [_path(places[one], places[other]) for one, other in ends if one in places and other in places and one != other]
    height = max((box.y for box in boxes), default=0.0) + BOX_HEIGHT + 8
    heads = tuple((across * _ACROSS, layer) for across, layer in enumerate(layers))
    width = max(1, len(layers)) * _ACROSS - (_ACROSS - BOX_WIDTH) + 30
    return GraphDrawing(width, height, tuple(boxes), tuple(paths), heads, BOX_WIDTH, BOX_HEIGHT)


def _fit(line: NodeLine) -> str:
    """The title, cut so that a version's number stays."""
    room = 16 if line.gate else 19
    if line.dataset is None or len(line.title) <= room:
        return line.title
    number = f"@{line.number}"
    return f"{line.dataset[: room - len(number) - 1]}…{number}"


def _path(one: tuple[float, float], other: tuple[float, float]) -> str:
    """A curve from the right of one box to the left of another; within a layer, or backwards, round the right side."""
    (x, y), (to_x, to_y) = one, other
    y, to_y = y + BOX_HEIGHT / 2, to_y + BOX_HEIGHT / 2
    if to_x > x:
        x += BOX_WIDTH
        middle = (x + to_x) / 2
        return f"M{x:g} {y:g} C{middle:g} {y:g} {middle:g} {to_y:g} {to_x:g} {to_y:g}"
    x, to_x = x + BOX_WIDTH, to_x + BOX_WIDTH
    out = max(x, to_x) + 12 + min(14.0, abs(to_y - y) / 24)
    return f"M{x:g} {y:g} C{out:g} {y:g} {out:g} {to_y:g} {to_x:g} {to_y:g}"


def versions_in_order(workspace: Workspace, *, after: str | None, size: int) -> tuple[list[str], bool]:
    """The ids of ``size`` versions, oldest first, after the version ``after``; and whether there are more. Raises ``NotFound``."""
    v = dataset_version.c
    statement = select(v.id).where(v.workspace_id == workspace.id)
    with workspace.read() as conn:
        if after is not None:
            at = conn.execute(select(v.created_at, v.id).where(v.workspace_id == workspace.id, v.id == after)).first()
            if at is None:
                raise NotFound("There is no such version to go on from.", where=after, mend="start from the first page")
            statement = statement.where(tuple_(v.created_at, v.id) > (at.created_at, at.id))
        found = list(conn.execute(statement.order_by(v.created_at, v.id).limit(size + 1)).scalars())
    return found[:size], len(found) > size
