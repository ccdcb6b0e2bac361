"""Writing a batch's steps: received, conformed, judged, published; each one transaction that may be done again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row, insert, select, update

from pilotage.core import Conflict
from pilotage.data.contracts import Contract
from pilotage.data.ingest.batch import OPEN, Batch, State, batch_of, move
from pilotage.data.ingest.delivery import Cursor, Delivery
from pilotage.data.ingest.source import SourceConfig
from pilotage.data.ingest.staging import drop_parts, next_position
from pilotage.data.ingest.tables import ingest_batch, ingest_cursor, ingest_part, ingest_quarantine
from pilotage.data.tabular import note_set_aside
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

KEEPS_CURSOR = ("sql", "http", "log")


def find(tx: WriteTransaction, batch_id: str) -> Row[Any] | None:
    """The batch's row, or None."""
    return tx.conn.execute(select(ingest_batch).where(ingest_batch.c.workspace_id == tx.workspace_id, ingest_batch.c.id == batch_id)).first()


def receive(tx: WriteTransaction, batch_id: str, *, source: SourceConfig, contract: Contract, delivery: Delivery, batch_key: str | None) -> Batch:
    """Enter a delivery; one that is known is found as it is, and one that was refused begins anew."""
    origin = {"label": delivery.label, "size": delivery.size, "cursor": delivery.cursor}
    config = source.to_dict()
    if batch_key is not None:
        _claim_key(tx, source.name, batch_key, batch_id)
    known = find(tx, batch_id)
    if known is None:
        tx.insert(
            ingest_batch,
            {
                "id": batch_id,
                "source": source.name,
                "dataset": source.dataset,
                "contract_id": contract.id,
                "digest": delivery.digest,
                "batch_key": batch_key,
                "state": "received",
                "origin": origin,
                "config": config,
                "rows_in": 0,
                "kept": 0,
                "quarantined": 0,
                "version_id": None,
                "gate_report_id": None,
                "reason": None,
                "changed_at": tx.clock.now_us(),
            },
        )
    elif known.state == "refused" or (known.state == "received" and known.config != config):
        drop_parts(tx, batch_id)
        move(
            tx,
            batch_id,
            out_of=("refused", "received"),
            to="received",
            origin=origin,
            config=config,
            dataset=source.dataset,
            batch_key=batch_key or known.batch_key,
            rows_in=0,
            kept=0,
            quarantined=0,
            reason=None,
        )
    elif known.state not in OPEN:
        set_cursor(tx, source.name, delivery.cursor, batch_id)
        return batch_of(known, again=True)
    if source.kind in KEEPS_CURSOR:
        _take_over(tx, source.name, batch_id)
    found = find(tx, batch_id)
    assert found is not None  # noqa: S101 - written above, in this transaction
    return batch_of(found)


def _claim_key(tx: WriteTransaction, source: str, batch_key: str, batch_id: str) -> None:
    table = ingest_batch.c
    other = tx.conn.execute(
        select(table.id, table.state).where(
            table.workspace_id == tx.workspace_id, table.source == source, table.batch_key == batch_key, table.id != batch_id
        )
    ).first()
    if other is None:
        return
    if other.state != "refused":
        raise Conflict(
            f"The batch key {batch_key!r} was used for other rows.",
            where=f"batch {other.id} of {source}",
            why="a key names one delivery, so that sending it twice is harmless",
            mend="send other rows under another key",
        )
    tx.conn.execute(update(ingest_batch).where(table.workspace_id == tx.workspace_id, table.id == other.id).values(batch_key=None))


def _take_over(tx: WriteTransaction, source: str, batch_id: str) -> None:
    """A source that is read from where it was left has one open delivery, the last read: one that was never staged whole is read again in it."""
    table = ingest_batch.c
    left = tx.conn.execute(
        select(table.id).where(table.workspace_id == tx.workspace_id, table.source == source, table.state == "received", table.id != batch_id)
    ).scalars()
    for other in list(left):
        move(tx, other, out_of=("received",), to="refused", reason=f"it was interrupted; its rows were read again in {batch_id}")


def keep_part(
    tx: WriteTransaction,
    batch_id: str,
    *,
    position: int,
    source: str,
    blob: str | None,
    kept: int,
    notes: Mapping[str, Any],
    bad: Sequence[dict[str, Any]],
) -> None:
    """Enter a staged piece and the quarantine of its rows. ``Conflict`` if the batch is no longer being received."""
    found = find(tx, batch_id)
    if found is None or found.state != "received":
        raise Conflict("Somebody else has gone on with this batch.", where=f"batch {batch_id}", mend="run the same command again")
    there = tx.conn.execute(
        select(ingest_part.c.position).where(
            ingest_part.c.workspace_id == tx.workspace_id, ingest_part.c.batch_id == batch_id, ingest_part.c.position == position
        )
    ).first()
    if there is not None:
        return
    tx.insert(
        ingest_part,
        {
            "batch_id": batch_id,
            "position": position,
            "source": source,
            "blob": blob,
            "rows_in": kept + len(bad),
            "kept": kept,
            "quarantined": len(bad),
            "dropped": None,
            "notes": dict(notes),
        },
    )
    keep_bad(tx, batch_id, bad)


def keep_bad(tx: WriteTransaction, batch_id: str, bad: Sequence[dict[str, Any]]) -> None:
    """Put rows into quarantine, numbered on from those that are there, and note their keys: who asks for one is told where it is."""
    if not bad:
        return
    batch = find(tx, batch_id)
    assert batch is not None  # noqa: S101 - rows are set aside of a batch that was received
    first = next_position(tx, batch_id)
    stamp = tx.stamp()
    rows = [{name: value for name, value in row.items() if name != "row_key"} for row in bad]
    tx.conn.execute(insert(ingest_quarantine), [{**stamp, **row, "position": first + at} for at, row in enumerate(rows)])
    note_set_aside(tx, dataset=batch.dataset, batch=batch_id, rows=[(row["row_key"], row["reason"]) for row in bad if row["row_key"] is not None])


def end(tx: WriteTransaction, batch_id: str, *, out_of: tuple[State, ...], to: State, **values: Any) -> bool:
    """Lead the batch to a state in which it stays, move the source's cursor with it, and tell the ledger. False if somebody else did."""
    if not move(tx, batch_id, out_of=out_of, to=to, **values):
        return False
    batch = find(tx, batch_id)
    assert batch is not None  # noqa: S101 - moved above, in this transaction
    if to in ("published", "held", "empty") and "released" not in batch.origin:  # a batch that was held has moved the cursor then
        set_cursor(tx, batch.source, batch.origin.get("cursor"), batch_id)
    record(
        tx,
        type="ingest.batch",
        subject=batch_id,
        body={
            "source": batch.source,
            "dataset": batch.dataset,
            "digest": batch.digest,
            "contract": batch.contract_id,
            "state": to,
            "rows_in": batch.rows_in,
            "kept": batch.kept,
            "quarantined": batch.quarantined,
            "version": batch.version_id,
        },
    )
    return True


def cursor_of(workspace: Workspace, source: str) -> Cursor | None:
    """How far the source was read, or None."""
    with workspace.read() as conn:
        found = conn.execute(
            select(ingest_cursor.c.cursor).where(ingest_cursor.c.workspace_id == workspace.id, ingest_cursor.c.source == source)
        ).scalar()
    return None if found is None else dict(found)


def set_cursor(tx: WriteTransaction, source: str, cursor: Cursor | None, batch_id: str) -> None:
    """Remember how far the source was read."""
    if cursor is None:
        return
    here = (ingest_cursor.c.workspace_id == tx.workspace_id, ingest_cursor.c.source == source)
    values = {"cursor": dict(cursor), "batch_id": batch_id, "changed_at": tx.clock.now_us()}
    if tx.conn.execute(update(ingest_cursor).where(*here).values(**values)).rowcount == 0:
        tx.insert(ingest_cursor, {"source": source, **values})
