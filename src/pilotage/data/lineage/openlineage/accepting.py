"""Taking in the events of other systems: kept as they came, and their datasets joined to the graph."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import content_id, parse_moment
from pilotage.data.lineage.graph import ColumnOrigin, Edge, Node
from pilotage.data.lineage.openlineage.checking import check_event
from pilotage.data.lineage.recording import record_edges
from pilotage.data.lineage.tables import openlineage_event
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

NAMESPACE = "pilotage"


@dataclass(frozen=True)
class Accepted:
    """An event that was taken in: its id, its kind, whether it was new, and how many edges it added."""

    id: str
    kind: str
    created: bool
    edges: int


def accept_event(workspace: Workspace, event: Mapping[str, Any]) -> Accepted:
    """Keep an OpenLineage event and join its inputs to its outputs. The same event again changes nothing.

    A dataset of our own namespace whose ``version`` facet names a version of ours is that version; any other is an ``external`` node
    ``namespace/name``. Only runs that reached COMPLETE and job events make edges: what failed made nothing.

    Raises
    ------
    InputError
        If it is no OpenLineage event (see :func:`check_event`).
    """
    kind = check_event(event)
    event_id = content_id("ole", dict(event))
    job = event.get("job", {})
    edges = tuple(_edges(event, kind))

    def write(tx: WriteTransaction) -> tuple[bool, int]:
        mine = openlineage_event.c.workspace_id == tx.workspace_id
        if tx.conn.execute(select(openlineage_event.c.id).where(mine, openlineage_event.c.id == event_id)).first() is not None:
            return False, 0
        tx.insert(
            openlineage_event,
            {
                "id": event_id,
                "producer": event["producer"],
                "event_time": parse_moment(event["eventTime"]),
                "job": f"{job['namespace']}/{job['name']}" if job else "",
                "run": event["run"]["runId"] if kind == "run" else None,
                "body": dict(event),
            },
        )
        added = record_edges(tx, edges)
        record(tx, type="lineage.event", subject=event_id, body={"producer": event["producer"], "kind": kind, "edges": added})
        return True, added

    created, added = workspace.write(write)
    return Accepted(id=event_id, kind=kind, created=created, edges=added)


def _edges(event: Mapping[str, Any], kind: str) -> Iterator[Edge]:
    if kind == "dataset" or (kind == "run" and event.get("eventType") != "COMPLETE"):
        return
    via = f"{event['job']['namespace']}/{event['job']['name']}"
    inputs = {(each["namespace"], each["name"]): _node(each) for each in event.get("inputs", [])}
    for output in event.get("outputs", []):
        child = _node(output)
        columns: dict[Node, list[ColumnOrigin]] = {}
        for column, lineage in output.get("facets", {}).get("columnLineage", {}).get("fields", {}).items():
            for origin in lineage["inputFields"]:
                parent = inputs.get((origin["namespace"], origin["name"]))
                step = (origin.get("transformations") or [{}])[0]
                if parent is not None:
                    columns.setdefault(parent, []).append(
                        ColumnOrigin(
                            child=column,
                            parent=origin["field"],
                            how="INDIRECT" if step.get("type") == "INDIRECT" else "DIRECT",
                            subtype=str(step.get("subtype") or "TRANSFORMATION"),
                            text=str(step.get("description") or ""),
                        )
                    )
        for parent in dict.fromkeys(inputs.values()):
            if parent != child:
                yield Edge(parent, child, via=via, columns=tuple(columns.get(parent, ())))


def _node(dataset: Mapping[str, Any]) -> Node:
    version = dataset.get("facets", {}).get("version", {}).get("datasetVersion")
    if dataset["namespace"] == NAMESPACE and isinstance(version, str):
        return Node("version", version)
    return Node("external", f"{dataset['namespace']}/{dataset['name']}")
