"""Items: what is shown to a rater. The payload lies apart, so that lists and counts never carry it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import select

from pilotage.core import NotFound, content_id
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload
from pilotage.store import Workspace, WriteTransaction

CHUNK = 500  # SQLite takes at least 999 parameters in one statement


class Item(msgspec.Struct, frozen=True):
    """One thing to judge, addressed by its content. ``source_id`` is the output (or row) it shows; ``slices`` say what it counts towards."""

    kind: str
    source_id: str
    payload: Any
    slices: dict[str, str] = msgspec.field(default_factory=dict)
    id: str = ""

    def __post_init__(self) -> None:
        if not self.id:
            content = {"kind": self.kind, "source_id": self.source_id, "payload": self.payload, "slices": self.slices}
            msgspec.structs.force_setattr(self, "id", content_id("itm", content))


@dataclass(frozen=True)
class ItemRef:
    """An item without its payload."""

    id: str
    kind: str
    source_id: str
    slices: dict[str, str]


def put_item(tx: WriteTransaction, item: Item) -> str:
    """Keep ``item`` and return its id. Putting it again changes nothing."""
    put_items(tx, [item])
    return item.id


def put_items(tx: WriteTransaction, items: Iterable[Item]) -> list[str]:
    """As :func:`put_item` for many; the ids in the order given."""
    wanted = list(items)
    known = {ref.id for ref in _refs(tx.conn, tx.workspace_id, [item.id for item in wanted])}
    new = list({item.id: item for item in wanted if item.id not in known}.values())
    for start in range(0, len(new), CHUNK):
        part = new[start : start + CHUNK]
        tx.insert(item_table, *({"id": item.id, "kind": item.kind, "source_id": item.source_id, "slices": item.slices} for item in part))
        tx.insert(item_payload, *({"item_id": item.id, "payload": item.payload} for item in part))
    return [item.id for item in wanted]


def load_item(workspace: Workspace, item_id: str) -> Item:
    """The item with its payload. Raises ``NotFound``."""
    t, p = item_table, item_payload
    query = select(t, p.c.payload).join(p, (p.c.workspace_id == t.c.workspace_id) & (p.c.item_id == t.c.id))
    with workspace.read() as conn:
        found = conn.execute(query.where(t.c.workspace_id == workspace.id, t.c.id == item_id)).first()
    if found is None:
        raise NotFound(f"There is no item {item_id}.")
    return Item(kind=found.kind, source_id=found.source_id, payload=found.payload, slices=found.slices, id=found.id)


def item_refs(workspace: Workspace, *, ids: Iterable[str] | None = None, source_ids: Iterable[str] | None = None) -> list[ItemRef]:
    """Items without their payloads, by id or by what they show."""
    with workspace.read() as conn:
        if ids is not None:
            return list(_refs(conn, workspace.id, list(ids)))
        return list(_refs(conn, workspace.id, list(source_ids or ()), column="source_id"))


def _refs(conn: Any, workspace_id: str, values: list[str], *, column: str = "id") -> Iterator[ItemRef]:
    t = item_table
    for start in range(0, len(values), CHUNK):
        query = select(t.c.id, t.c.kind, t.c.source_id, t.c.slices)
        part = query.where(t.c.workspace_id == workspace_id, t.c[column].in_(values[start : start + CHUNK])).order_by(t.c.id)
        for row in conn.execute(part):
            yield ItemRef(id=row.id, kind=row.kind, source_id=row.source_id, slices=row.slices)
