"""Bringing a delivery in: read, conform, set aside, gate, publish. Each step is kept before the next begins.

The batch's id is made of the source's name, the digest of what came, and the contract: the same delivery twice is one batch, and the second call
returns the first. A process that dies between any two steps leaves a batch that the same command finishes: pieces that were staged are not conformed
again, and publishing under the batch's id happens once.

Cost: one pass to hash, one to read and conform, one over the staged keys, one for the gate, one to publish; figures are in ``docs/ingest.md``.
Memory: one chunk of about 64 k rows, and the keys.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from pilotage.core import InputError, NotFound, PilotageError, Progress, Refused, SilentProgress, Step, parse_duration
from pilotage.data.contracts import Contract, contract_of, load_contract, put_contract
from pilotage.data.ingest.batch import Batch, batch_id, load_batch, move
from pilotage.data.ingest.chunk import BadRow, Chunk, Expected, RowsToChunk, json_row
from pilotage.data.ingest.conforming import LINE, Conformer, merged_notes, plain_rows, quarantine_rows
from pilotage.data.ingest.delivery import Cursor, Delivery, Nothing, deliver_file, deliver_lance
from pilotage.data.ingest.publishing import judge, publish, taken_keys
from pilotage.data.ingest.source import (
    FileSource,
    HttpSource,
    LanceSource,
    LogSource,
    ObjectSource,
    SourceConfig,
    SqlSource,
    anchored,
    load_source,
)
from pilotage.data.ingest.staging import delete_staged, drop_parts, find_doubled, parquet_bytes, parts_of, staged_table, sweep
from pilotage.data.ingest.state import KEEPS_CURSOR, cursor_of, end, keep_bad, keep_part, receive
from pilotage.data.ingest.tables import ingest_batch, ingest_part, ingest_quarantine
from pilotage.store import Workspace, WriteTransaction

_SHOWN = 5


def ingest(
    workspace: Workspace,
    source: SourceConfig | str | Path,
    *,
    file: str | Path | None = None,
    batch_key: str | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Batch:
    """Bring in what the source delivers now.

    Parameters
    ----------
    source
        The source, or its YAML file.
    file
        For sources of files: this one, instead of the source's ``path``.
    batch_key
        The sender's own name for this delivery: other rows under the same key are refused.
    stop
        Asked between chunks; once it says true, the batch is left where it is (``received``), and the same call later goes on from there.

    Returns
    -------
    Batch
        ``published``; ``held``, where too many rows are bad or an error gate failed; ``empty``, where there was nothing new.

    Raises
    ------
    InputError
        If the delivery is refused whole: not readable, other columns than the contract's, every row bad, over the limits, changed while it was read.
    Refused
        If a path, host or archive is not allowed, or a file would run code.
    NotFound, Unavailable
        If a file or contract is not there; if a server or database cannot be reached.
    Conflict
        If the batch key was used for other rows.
    """
    config = source if isinstance(source, SourceConfig) else load_source(source)
    if not config.within:
        config = anchored(config, folder=Path.cwd())
    contract = contract_for(workspace, config)
    sweep(workspace)
    if config.kind in KEEPS_CURSOR:
        _finish_open(workspace, config.name)
    expected = Expected(contract, extra=config.extra_columns)
    with tempfile.TemporaryDirectory(prefix="pilotage-ingest-") as folder:
        cursor = cursor_of(workspace, config.name) if config.kind in KEEPS_CURSOR else None
        delivery = _deliver(config, file=None if file is None else Path(file), expected=expected, folder=Path(folder), cursor=cursor)
        return _take(workspace, config, contract, expected, delivery, batch_key=batch_key, progress=progress or SilentProgress(), stop=stop)


def ingest_rows(
    workspace: Workspace,
    source: SourceConfig | str | Path,
    rows: Sequence[Mapping[str, Any]],
    *,
    batch_key: str | None = None,
    progress: Progress | None = None,
) -> Batch:
    """Bring in rows that are handed over as JSON objects (a push). ``line`` of a quarantined row is its number, from 1. Raises as :func:`ingest`."""
    config = source if isinstance(source, SourceConfig) else load_source(source)
    contract = contract_for(workspace, config)
    sweep(workspace)
    expected = Expected(contract, extra=config.extra_columns)
    if len(rows) > config.limits.rows:
        raise InputError(f"More than {config.limits.rows} rows were sent.", where=f"source '{config.name}'", mend="send them in several batches")
    delivery = _deliver_rows(rows, expected=expected)
    return _take(workspace, config, contract, expected, delivery, batch_key=batch_key, progress=progress or SilentProgress(), stop=None)


def contract_for(workspace: Workspace, source: SourceConfig) -> Contract:
    """The contract a source names; one in a file is put into the workspace first."""
    if source.contract.endswith((".yaml", ".yml")):
        return put_contract(workspace, load_contract(source.contract))
    return contract_of(workspace, source.contract)


def _deliver(config: SourceConfig, *, file: Path | None, expected: Expected, folder: Path, cursor: Cursor | None) -> Delivery | Nothing:
    if file is not None and not isinstance(config, FileSource):
        raise InputError(f"The source '{config.name}' is of kind {config.kind}: it takes no file.", mend="leave the file out")
    if isinstance(config, FileSource):
        return deliver_file(config, file=file, expected=expected, folder=folder)
    if isinstance(config, LanceSource):
        return deliver_lance(config, expected=expected)
    if isinstance(config, SqlSource):
        from pilotage.data.ingest.from_sql import deliver_sql

        return deliver_sql(config, expected=expected, folder=folder, cursor=cursor)
    if isinstance(config, ObjectSource):
        from pilotage.data.ingest.from_objects import deliver_object

        return deliver_object(config, expected=expected, folder=folder)
    if isinstance(config, HttpSource):
        from pilotage.data.ingest.from_http import deliver_http

        return deliver_http(config, expected=expected, folder=folder, cursor=cursor)
    if isinstance(config, LogSource):
        from pilotage.data.ingest.from_log import deliver_log

        return deliver_log(config, expected=expected, cursor=cursor)
    raise InputError(f"The source '{config.name}' is pushed to: it cannot be read.", mend="send rows to it, or declare another kind")


def _deliver_rows(rows: Sequence[Mapping[str, Any]], *, expected: Expected) -> Delivery:
    hasher = hashlib.sha256()
    for row in rows:
        hasher.update(json_row(row).encode("utf-8", errors="surrogatepass") if isinstance(row, Mapping) else repr(row).encode())
        hasher.update(b"\n")

    def read() -> Iterator[Chunk]:
        from pilotage.data.ingest.chunk import CHUNK_ROWS

        gathered = RowsToChunk(expected, source="push")
        for number, row in enumerate(rows, start=1):
            if isinstance(row, Mapping):
                gathered.add(number, row)
            else:
                gathered.refuse(number, "json", f"expected an object, found {type(row).__name__}", raw=str(row)[:10_000])
            if len(gathered) >= CHUNK_ROWS:
                yield gathered.chunk(number)
        if len(gathered):
            yield gathered.chunk(len(rows))

    return Delivery(label="push", digest=hasher.hexdigest(), size=len(rows), read=read)


def take_rows(workspace: Workspace, config: SourceConfig, contract: Contract, expected: Expected, delivery: Delivery) -> Batch:
    """Bring in a delivery of rows that are at hand, through all the steps."""
    return _take(workspace, config, contract, expected, delivery, batch_key=None, progress=SilentProgress(), stop=None)


def _take(
    workspace: Workspace,
    config: SourceConfig,
    contract: Contract,
    expected: Expected,
    delivery: Delivery | Nothing,
    *,
    batch_key: str | None,
    progress: Progress,
    stop: Callable[[], bool] | None,
) -> Batch:
    reason = None
    if isinstance(delivery, Nothing):
        reason = delivery.reason
        digest = hashlib.sha256(json_row({"nothing": reason, "cursor": delivery.cursor}).encode()).hexdigest()
        delivery = Delivery(label="nothing", digest=digest, size=0, read=lambda: iter(()), cursor=delivery.cursor)
    taken = delivery
    name = batch_id(source=config.name, digest=taken.digest, contract_id=contract.id)
    batch = workspace.write(lambda tx: receive(tx, name, source=config, contract=contract, delivery=taken, batch_key=batch_key))
    if batch.again:
        return batch
    if batch.state == "received":
        batch = _Conforming(workspace, config, contract, expected, taken, batch, progress=progress, stop=stop).run(why_empty=reason)
    return finish(workspace, batch.id) if batch.state in ("conformed", "gated") else batch


class _Conforming:
    """From received to conformed (or empty, or refused): piece by piece, each kept before the next is read."""

    def __init__(
        self,
        workspace: Workspace,
        config: SourceConfig,
        contract: Contract,
        expected: Expected,
        delivery: Delivery,
        batch: Batch,
        *,
        progress: Progress,
        stop: Callable[[], bool] | None,
    ) -> None:
        self._workspace = workspace
        self._config = config
        self._contract = contract
        self._expected = expected
        self._delivery = delivery
        self._batch = batch
        self._progress = progress
        self._stop = stop

    def run(self, *, why_empty: str | None) -> Batch:
        try:
            if not self._stage():
                return load_batch(self._workspace, self._batch.id)
            self._delivery.require_unchanged()
            return self._settle(why_empty)
        except (InputError, Refused) as error:
            self._refuse(error)
            raise

    def _stage(self) -> bool:
        """Conform and stage every piece. False if it was asked to stop."""
        chunks = self._delivery.read()
        done = parts_of(self._workspace, self._batch.id)
        for part in done:
            chunk = next(chunks, None)
            if chunk is None or (chunk.source, chunk.rows_in) != (part.source, part.rows_in):
                # Another release of this program cuts pieces elsewhere: what it staged cannot be gone on from.
                self._start_over()
                chunks, done = self._delivery.read(), []
                break
        rows_in, bad = sum(part.rows_in for part in done), sum(part.quarantined for part in done)
        now_us = self._workspace.clock.now_us() + parse_duration(self._config.limits.clock_skew)
        conformer = Conformer(self._contract, now_us=now_us)
        for position, chunk in enumerate(chunks, start=len(done)):
            if self._stop is not None and self._stop():
                self._progress.finish(self._step(rows_in, bad))
                return False
            bad += self._keep(position, conformer, chunk)
            rows_in += chunk.rows_in
            self._progress.update(self._step(rows_in, bad))
            self._require_limits(rows_in, bad)
        self._progress.finish(self._step(rows_in, bad))
        return True

    def _start_over(self) -> None:
        delete_staged(self._workspace, self._batch.id)
        self._workspace.write(lambda tx: drop_parts(tx, self._batch.id))

    def _keep(self, position: int, conformer: Conformer, chunk: Chunk) -> int:
        found = conformer.sort(chunk)
        kept = found.table.num_rows
        assert kept + len(found.bad) == chunk.rows_in  # noqa: S101 - no row may vanish
        blob = None
        if kept:
            blob = self._workspace.blobs.put(parquet_bytes(found.table, batch_id=self._batch.id, position=position))
        bad = quarantine_rows(found.bad, batch_id=self._batch.id, expected=self._expected)

        def job(tx: WriteTransaction) -> None:
            keep_part(tx, self._batch.id, position=position, source=chunk.source, blob=blob, kept=kept, notes=found.notes, bad=bad)

        self._workspace.write(job)
        return len(bad)

    def _require_limits(self, rows_in: int, bad: int) -> None:
        limits = self._config.limits
        if bad > limits.bad_rows:
            raise self._all_wrong(f"More than {limits.bad_rows} rows of this delivery are bad.")
        if rows_in > limits.rows:
            raise InputError(f"This delivery has more than {limits.rows} rows.", where=self._delivery.label, mend="split it, or raise the limit")

    def _settle(self, why_empty: str | None) -> Batch:
        """All pieces are staged: set rows with taken keys aside, add up, and decide whether there is a batch at all."""
        parts = parts_of(self._workspace, self._batch.id)
        doubled, bad = self._doubled()
        rows_in = sum(part.rows_in for part in parts)
        quarantined = sum(part.quarantined for part in parts) + len(bad)
        kept = rows_in - quarantined
        notes = merged_notes([*(part.notes for part in parts), {"ignored": sorted(self._expected.ignored)} if self._expected.ignored else {}])
        if rows_in and (kept == 0 or (quarantined and self._config.on_bad_rows == "refuse")):
            what = f"Every row of this delivery is bad ({rows_in} of {rows_in})." if kept == 0 else f"{quarantined} of {rows_in} rows are bad."
            raise self._all_wrong(what, more=bad)
        values = {
            "rows_in": rows_in,
            "kept": kept,
            "quarantined": quarantined,
            "origin": {**self._batch.origin, "notes": notes},
        }

        def job(tx: WriteTransaction) -> None:
            if rows_in == 0:
                end(tx, self._batch.id, out_of=("received",), to="empty", reason=why_empty or "the delivery has no rows", **values)
            elif move(tx, self._batch.id, out_of=("received",), to="conformed", **values):
                keep_bad(tx, self._batch.id, bad)
                for position, lines in doubled.items():
                    tx.conn.execute(
                        update(ingest_part)
                        .where(
                            ingest_part.c.workspace_id == tx.workspace_id,
                            ingest_part.c.batch_id == self._batch.id,
                            ingest_part.c.position == position,
                        )
                        .values(dropped=lines)
                    )

        self._workspace.write(job)
        return load_batch(self._workspace, self._batch.id)

    def _doubled(self) -> tuple[dict[int, list[int]], list[dict[str, Any]]]:
        """The lines of each piece whose keys are taken, and their rows of the quarantine."""
        if not self._contract.key or not self._contract.unique:
            return {}, []
        taken = taken_keys(self._workspace, self._config, self._contract)
        found = find_doubled(self._workspace, self._batch.id, self._contract.key, taken=taken)
        parts = {part.position: part for part in parts_of(self._workspace, self._batch.id)} if found else {}
        lines: dict[int, list[int]] = {}
        for each in found:
            lines.setdefault(each.part, []).append(each.line)
        rows: dict[tuple[int, int], dict[str, Any]] = {}
        for position, wanted in lines.items():
            blob = parts[position].blob
            assert blob is not None  # noqa: S101 - a row was found in it
            for row in _rows_on(staged_table(self._workspace, blob), wanted):
                rows[(position, row.pop(LINE))] = row
        bad = []
        for each in found:
            if each.first_part is None:
                reason, code = f"a row with this key is in '{self._config.dataset}' already", "key_taken"
            else:
                first = parts[each.first_part].source
                place = f"line {each.first_line}" + ("" if first == parts[each.part].source else f" of {first}")
                reason, code = f"the key stands already on {place}", "duplicate_key"
            bad.append(BadRow(parts[each.part].source, each.line, ", ".join(self._contract.key), code, reason, rows[(each.part, each.line)], ""))
        return lines, quarantine_rows(bad, batch_id=self._batch.id, expected=self._expected)

    def _all_wrong(self, what: str, *, more: Sequence[Mapping[str, Any]] = ()) -> InputError:
        table = ingest_quarantine.c
        query = (
            select(table.source, table.line, table.field, table.reason)
            .where(table.workspace_id == self._workspace.id, table.batch_id == self._batch.id)
            .order_by(table.position)
            .limit(_SHOWN)
        )
        with self._workspace.read() as conn:
            first = [dict(row._mapping) for row in conn.execute(query).all()]
        shown = [*first, *more][:_SHOWN]
        places = [f"{row['source']}:{row['line']}" + (f" field '{row['field']}'" if row["field"] else "") + f": {row['reason']}" for row in shown]
        return InputError(
            what,
            where="; ".join(places),
            why="nothing was published",
            mend=f"mend these rows; if all fail alike, check encoding (UTF-8), dialect and contract. All: pilotage data quarantine {self._batch.id}",
        )

    def _refuse(self, error: PilotageError) -> None:
        parts = parts_of(self._workspace, self._batch.id)
        rows_in, bad = sum(part.rows_in for part in parts), sum(part.quarantined for part in parts)

        def job(tx: WriteTransaction) -> None:
            # Of what is refused nothing is kept: all rows that were read count as set aside.
            end(
                tx,
                self._batch.id,
                out_of=("received",),
                to="refused",
                reason=error.what,
                rows_in=rows_in,
                kept=0,
                quarantined=rows_in,
                origin={**self._batch.origin, "bad_rows": bad},
            )

        self._workspace.write(job)
        delete_staged(self._workspace, self._batch.id)

    def _step(self, rows: int, bad: int) -> Step:
        return Step(name=f"ingest {self._config.name}", done=rows, unit="rows", counts={"quarantined": bad})


def _rows_on(table: Any, lines: list[int]) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.compute as pc

    return plain_rows(table.filter(pc.is_in(table.column(LINE), value_set=pa.array(lines, pa.int64()))))


def finish(workspace: Workspace, batch_id: str) -> Batch:
    """Lead a batch whose rows are staged to its end: gate it, then publish or hold it. Safe to do again, and by several processes at once."""
    batch = load_batch(workspace, batch_id)
    if batch.state == "conformed":
        judge(workspace, batch)
        batch = load_batch(workspace, batch_id)
    if batch.state == "gated":
        try:
            publish(workspace, batch)
        except NotFound:
            # Another process may have published it, and deleted what was staged, while we read it.
            if load_batch(workspace, batch_id).state == "gated":
                raise
    batch = load_batch(workspace, batch_id)
    if batch.state in ("published", "discarded", "refused", "empty"):
        delete_staged(workspace, batch_id)
    return batch


def _finish_open(workspace: Workspace, source: str) -> None:
    """Finish the batches of a source that were staged whole when a process died: what follows them must not be read twice."""
    table = ingest_batch.c
    query = select(table.id).where(table.workspace_id == workspace.id, table.source == source, table.state.in_(("conformed", "gated")))
    with workspace.read() as conn:
        left = [row.id for row in conn.execute(query.order_by(table.created_at)).all()]
    for each in left:
        finish(workspace, each)
