"""The staged pieces of a batch: Parquet files among the workspace's blobs, each with the lines its rows came from.

A piece and the quarantine of its rows are one transaction, so work that was killed goes on after the last whole piece. Each file names its batch, so
no two batches share one, and what is published or discarded can be deleted.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from sqlalchemy import delete, func, select

from pilotage.data.ingest.batch import OPEN
from pilotage.data.ingest.conforming import LINE
from pilotage.data.ingest.tables import ingest_batch, ingest_part, ingest_quarantine
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class Part:
    """One staged piece. ``source`` is the file or segment its lines belong to."""

    position: int
    source: str
    blob: str | None
    rows_in: int
    kept: int
    quarantined: int
    dropped: tuple[int, ...]
    notes: Mapping[str, Any]


def parquet_bytes(table: pa.Table, *, batch_id: str, position: int) -> bytes:
    """The piece as a Parquet file that names its batch."""
    marks = {**(table.schema.metadata or {}), b"pilotage:batch": batch_id.encode(), b"pilotage:part": str(position).encode()}
    out = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(marks), out, compression="zstd")
    return out.getvalue()


def parts_of(workspace: Workspace, batch_id: str) -> list[Part]:
    """The staged pieces, in order."""
    query = select(ingest_part).where(ingest_part.c.workspace_id == workspace.id, ingest_part.c.batch_id == batch_id).order_by(ingest_part.c.position)
    with workspace.read() as conn:
        return [
            Part(row.position, row.source, row.blob, row.rows_in, row.kept, row.quarantined, tuple(row.dropped or ()), row.notes)
            for row in conn.execute(query).all()
        ]


def staged_frame(workspace: Workspace, batch_id: str) -> pl.LazyFrame | None:
    """All staged rows, lazily, with their lines; None if there are none."""
    frames = []
    for part in parts_of(workspace, batch_id):
        if part.blob is not None:
            frame = pl.scan_parquet(workspace.blobs.path(part.blob))
            frames.append(frame.filter(~pl.col(LINE).is_in(list(part.dropped))) if part.dropped else frame)
    return pl.concat(frames) if frames else None


def staged_batches(workspace: Workspace, batch_id: str) -> Iterator[pa.RecordBatch]:
    """The staged rows piece by piece, without their lines. Memory: one piece."""
    for part in parts_of(workspace, batch_id):
        if part.blob is None:
            continue
        table = staged_table(workspace, part.blob)
        if part.dropped:
            table = table.filter(pc.invert(pc.is_in(table.column(LINE), value_set=pa.array(part.dropped, pa.int64()))))
        yield from table.drop_columns([LINE]).to_batches()


def staged_table(workspace: Workspace, blob: str) -> pa.Table:
    """One piece; its bytes are checked against its name."""
    table = pq.read_table(io.BytesIO(workspace.blobs.get(blob)))
    kept = {key: value for key, value in (table.schema.metadata or {}).items() if not key.startswith(b"pilotage:")}
    return table.replace_schema_metadata(kept or None)


@dataclass(frozen=True)
class Doubled:
    """A staged row whose key is taken: by an earlier row (its part and line), or, where they are None, by a row of the dataset."""

    part: int
    line: int
    first_part: int | None
    first_line: int | None


def find_doubled(workspace: Workspace, batch_id: str, key: tuple[str, ...], *, taken: pl.LazyFrame | None) -> list[Doubled]:
    """Every staged row whose key an earlier staged row has, or a row of ``taken``. Reads the key columns only; memory grows with them."""
    frames = [
        pl.scan_parquet(workspace.blobs.path(part.blob)).select(*key, pl.col(LINE).alias("_line"), pl.lit(part.position).alias("_part"))
        for part in parts_of(workspace, batch_id)
        if part.blob is not None
    ]
    if not frames:
        return []
    rows = pl.concat(frames).with_row_index("_at").collect()
    found: list[Doubled] = []
    if taken is not None:
        there = rows.lazy().join(taken.select(key), on=list(key), how="semi").select("_at", "_part", "_line").collect()
        found += [Doubled(part, line, None, None) for _, part, line in there.sort("_at").iter_rows()]
        rows = rows.filter(~pl.col("_at").is_in(there["_at"].implode()))
    repeated = rows.filter(pl.struct(key).is_duplicated() if len(key) > 1 else pl.col(key[0]).is_duplicated())
    if not repeated.is_empty():
        first = repeated.group_by(key).agg(pl.col("_at", "_line", "_part").sort_by("_at").first())
        later = repeated.join(first, on=list(key), suffix="_first").filter(pl.col("_at") != pl.col("_at_first")).sort("_at")
        found += [Doubled(*row) for row in later.select("_part", "_line", "_part_first", "_line_first").iter_rows()]
    return found


def drop_parts(tx: WriteTransaction, batch_id: str) -> None:
    """Forget the pieces and the quarantine of a batch that is read anew."""
    for each in (ingest_part, ingest_quarantine):
        tx.conn.execute(delete(each).where(each.c.workspace_id == tx.workspace_id, each.c.batch_id == batch_id))


def next_position(tx: WriteTransaction, batch_id: str) -> int:
    """The number of the next quarantined row of a batch."""
    last = tx.conn.execute(
        select(func.max(ingest_quarantine.c.position)).where(
            ingest_quarantine.c.workspace_id == tx.workspace_id, ingest_quarantine.c.batch_id == batch_id
        )
    ).scalar()
    return 0 if last is None else int(last) + 1


def delete_staged(workspace: Workspace, batch_id: str) -> None:
    """Delete the staged files of a batch that is published or discarded; first the files, so that none is left behind if this is killed."""
    parts = parts_of(workspace, batch_id)
    if not parts:
        return
    for part in parts:
        if part.blob is not None:
            workspace.blobs.delete(part.blob)

    def forget(tx: WriteTransaction) -> None:
        tx.conn.execute(delete(ingest_part).where(ingest_part.c.workspace_id == tx.workspace_id, ingest_part.c.batch_id == batch_id))

    workspace.write(forget)


def sweep(workspace: Workspace) -> None:
    """Delete what a killed process left staged of batches that need it no more."""
    query = (
        select(ingest_part.c.batch_id)
        .join(ingest_batch, (ingest_batch.c.workspace_id == ingest_part.c.workspace_id) & (ingest_batch.c.id == ingest_part.c.batch_id))
        .where(ingest_part.c.workspace_id == workspace.id, ingest_batch.c.state.not_in((*OPEN, "held")))
        .distinct()
    )
    with workspace.read() as conn:
        left = [row.batch_id for row in conn.execute(query).all()]
    for batch_id in left:
        delete_staged(workspace, batch_id)
