"""The record of a batch, and the states it goes through.

``received -> conformed -> gated -> published``; from ``conformed`` or ``gated`` also ``held``; from ``received`` also ``refused`` and ``empty``; from
``held`` a person leads it to ``published`` (:func:`release`) or ``discarded``. Each step is one transaction and may be done again: nothing is lost or
doubled if the process dies between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import desc, func, select, update

from pilotage.core import NotFound, content_id
from pilotage.data.ingest.tables import ingest_batch
from pilotage.store import Workspace, WriteTransaction

State = Literal["received", "conformed", "gated", "published", "held", "refused", "empty", "discarded"]
STATES: tuple[State, ...] = ("received", "conformed", "gated", "published", "held", "refused", "empty", "discarded")
OPEN: tuple[State, ...] = ("received", "conformed", "gated")


@dataclass(frozen=True)
class Batch:
    """One delivery of a source and what became of it. ``rows_in == kept + quarantined``, always.

    ``version`` is the id of the version it was published as. ``gate_report_id`` names the gate's report
    (:func:`pilotage.data.quality.load_report`). ``reason`` says why it is held, refused,
    empty or discarded. ``origin`` says what was delivered: label, bytes, and what conforming noted. ``again``: this call found it done already.
    """

    id: str
    source: str
    dataset: str
    state: State
    version: str | None
    rows_in: int
    kept: int
    quarantined: int
    contract_id: str
    digest: str
    batch_key: str | None
    origin: Mapping[str, Any]
    gate_report_id: str | None
    reason: str | None
    created_at: int
    created_by: str
    changed_at: int
    again: bool = False

    def __str__(self) -> str:
        where = f" as {self.version}" if self.version else ""
        lines = [
            f"{self.id} of {self.source}: {self.state}{where}{' (already there)' if self.again else ''}",
            f"  {self.kept} of {self.rows_in} rows kept, {self.quarantined} quarantined",
        ]
        if self.reason:
            lines.append(f"  {self.reason}")
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """The batch as plain data, for the API and the pages."""
        return {
            "id": self.id,
            "source": self.source,
            "dataset": self.dataset,
            "state": self.state,
            "version": self.version,
            "rows_in": self.rows_in,
            "kept": self.kept,
            "quarantined": self.quarantined,
            "contract_id": self.contract_id,
            "digest": self.digest,
            "batch_key": self.batch_key,
            "origin": dict(self.origin),
            "gate_report_id": self.gate_report_id,
            "reason": self.reason,
            "created_at": self.created_at,
            "created_by": self.created_by,
            "changed_at": self.changed_at,
        }


def batch_id(*, source: str, digest: str, contract_id: str) -> str:
    """The id of a batch: what came, from where, under which contract."""
    return content_id("ib", {"source": source, "digest": digest, "contract": contract_id})


def batches(
    workspace: Workspace,
    *,
    dataset: str | None = None,
    source: str | None = None,
    state: str | None = None,
    offset: int = 0,
    limit: int = 100,
) -> list[Batch]:
    """The batches, newest first."""
    query = select(ingest_batch).where(ingest_batch.c.workspace_id == workspace.id)
    for column, wanted in ((ingest_batch.c.dataset, dataset), (ingest_batch.c.source, source), (ingest_batch.c.state, state)):
        if wanted is not None:
            query = query.where(column == wanted)
    query = query.order_by(desc(ingest_batch.c.created_at), ingest_batch.c.id).offset(offset).limit(limit)
    with workspace.read() as conn:
        return [batch_of(row) for row in conn.execute(query).all()]


def batch_counts(workspace: Workspace) -> dict[str, int]:
    """How many batches there are in each state."""
    query = select(ingest_batch.c.state, func.count()).where(ingest_batch.c.workspace_id == workspace.id).group_by(ingest_batch.c.state)
    with workspace.read() as conn:
        found = {str(state): int(count) for state, count in conn.execute(query).all()}
    return {state: found.get(state, 0) for state in STATES}


def load_batch(workspace: Workspace, batch_id: str) -> Batch:
    """One batch. Raises ``NotFound`` if there is none of this id."""
    with workspace.read() as conn:
        row = conn.execute(select(ingest_batch).where(ingest_batch.c.workspace_id == workspace.id, ingest_batch.c.id == batch_id)).first()
    if row is None:
        raise NotFound(f"There is no batch {batch_id!r}.", mend="list them with 'pilotage data batches'")
    return batch_of(row)


def batch_of(row: Any, *, again: bool = False) -> Batch:
    """The record in a row of the table."""
    stored = row._mapping
    return Batch(
        id=stored["id"],
        source=stored["source"],
        dataset=stored["dataset"],
        state=stored["state"],
        version=stored["version_id"],
        rows_in=stored["rows_in"],
        kept=stored["kept"],
        quarantined=stored["quarantined"],
        contract_id=stored["contract_id"],
        digest=stored["digest"],
        batch_key=stored["batch_key"],
        origin=stored["origin"],
        gate_report_id=stored["gate_report_id"],
        reason=stored["reason"],
        created_at=stored["created_at"],
        created_by=stored["created_by"],
        changed_at=stored["changed_at"],
        again=again,
    )


def move(tx: WriteTransaction, batch_id: str, *, out_of: tuple[State, ...], to: State, **values: Any) -> bool:
    """Lead the batch from one of the states ``out_of`` to another. False if somebody else has moved it already: then nothing changed."""
    moved = tx.conn.execute(
        update(ingest_batch)
        .where(ingest_batch.c.workspace_id == tx.workspace_id, ingest_batch.c.id == batch_id, ingest_batch.c.state.in_(out_of))
        .values(state=to, changed_at=tx.clock.now_us(), **values)
    )
    return moved.rowcount == 1
