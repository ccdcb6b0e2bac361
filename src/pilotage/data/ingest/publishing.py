"""The last two steps of a batch: the gate decides whether it may be published, and publishing happens once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.data.catalogue import load_version
from pilotage.data.contracts import Contract, compare_contracts, conform, contract_of
from pilotage.data.ingest.batch import Batch, move
from pilotage.data.ingest.conforming import LINE
from pilotage.data.ingest.source import SourceConfig, source_from_dict
from pilotage.data.ingest.staging import staged_batches, staged_frame
from pilotage.data.ingest.state import end, find
from pilotage.data.lineage import ColumnOrigin, Edge, Node, record_edges
from pilotage.data.tabular import append_table, contract_of_version, publish_table, scan, table_batches, upsert_table
from pilotage.data.version import Operation, Version
from pilotage.store import Workspace, WriteTransaction

if TYPE_CHECKING:
    import polars as pl


def config_of(workspace: Workspace, batch_id: str) -> SourceConfig:
    """The source as it was declared when the batch came."""
    row = workspace.write(lambda tx: find(tx, batch_id))
    if row is None:
        raise NotFound(f"There is no batch {batch_id!r}.")
    return source_from_dict(row.config)


def taken_keys(workspace: Workspace, source: SourceConfig, contract: Contract) -> pl.LazyFrame | None:
    """The keys that rows of an appended batch may not have: those of the dataset's latest version."""
    if source.write != "append":
        return None
    try:
        version = load_version(workspace, source.dataset)
    except NotFound:
        return None
    there = contract_of_version(version).columns
    if any(name not in there or there[name].type != contract.columns[name].type for name in contract.key):
        return None  # another grain: publishing will say so
    return scan(workspace, version.id, columns=contract.key)


def judge(workspace: Workspace, batch: Batch) -> None:
    """Gate the staged rows beside the dataset's history; hold the batch where an error check fails or too many of its rows are bad."""
    from pilotage.data.quality import gate_batch

    source, contract = config_of(workspace, batch.id), contract_of(workspace, batch.contract_id)
    frame = staged_frame(workspace, batch.id)
    assert frame is not None  # noqa: S101 - a batch without rows is empty or refused
    report = gate_batch(workspace, frame.drop(LINE), contract, dataset=batch.dataset, batch_id=batch.id, arrived_at=batch.created_at)
    reasons = []
    share = batch.quarantined / batch.rows_in
    if share > source.limits.bad_share:
        reasons.append(f"{batch.quarantined} of {batch.rows_in} rows are bad ({share:.1%}), at most {source.limits.bad_share:.1%} may be")
    if report.verdict == "fail":
        reasons.append(f"the gate failed: {', '.join(result.check for result in report.failed[:10])}")

    def job(tx: WriteTransaction) -> None:
        if reasons:
            end(tx, batch.id, out_of=("conformed",), to="held", gate_report_id=report.id, reason="; ".join(reasons))
        else:
            move(tx, batch.id, out_of=("conformed",), to="gated", gate_report_id=report.id)

    workspace.write(job)


def publish(workspace: Workspace, batch: Batch) -> None:
    """Publish the staged rows under the batch's id: again and again it is the one version. What the dataset does not take is held."""
    from pilotage.data.quality import attach_report

    source, contract = config_of(workspace, batch.id), contract_of(workspace, batch.contract_id)
    try:
        version = _store(workspace, batch, source, contract)
    except (InputError, Conflict, Refused) as error:
        reason = f"the dataset did not take it: {error.what}"
        workspace.write(lambda tx: end(tx, batch.id, out_of=("gated",), to="held", reason=reason))
        return

    edges = batch_edges(batch.id, batch.source, version.id, columns=contract.columns, times=_event_times(workspace, batch, contract))

    def job(tx: WriteTransaction) -> None:
        if not end(tx, batch.id, out_of=("gated",), to="published", version_id=version.id):
            return
        record_edges(tx, edges)
        if batch.gate_report_id is None:
            return
        try:
            attach_report(tx, report_id=batch.gate_report_id, version=version)
        except Refused:
            # The batch (a person released it) or what it was added to has not passed: the version has to pass a gate of its own before it is used.
            return

    workspace.write(job)


def batch_edges(
    batch_id: str, source: str, version_id: str, *, columns: Iterable[str] = (), times: tuple[int, int] | None = None
) -> tuple[Edge, Edge]:
    """What lineage knows of a published batch: source, batch, version, with the event times of its rows (first and last, µs UTC) where known."""
    first, last = times or (None, None)
    origins = tuple(ColumnOrigin(child=name, parent=name) for name in columns)
    batch = Node("batch", batch_id)
    return (
        Edge(Node("source", source), batch, via="deliver", from_us=first, until_us=last, columns=origins),
        Edge(batch, Node("version", version_id), via="ingest", from_us=first, until_us=last, columns=origins),
    )


def _event_times(workspace: Workspace, batch: Batch, contract: Contract) -> tuple[int, int] | None:
    """The first and the last event time of the staged rows; None without such a column, or where a row has none: that one may be of any time."""
    import polars as pl

    name = contract.event_time
    frame = staged_frame(workspace, batch.id)
    if name is None or frame is None or contract.columns[name].type != "timestamp":
        return None
    moment = pl.col(name).dt.timestamp("us")
    first, last, missing = (
        frame.select(moment.min().alias("first"), moment.max().alias("last"), pl.col(name).null_count().alias("n")).collect().row(0)
    )
    return None if missing or first is None else (first, last)


def _store(workspace: Workspace, batch: Batch, source: SourceConfig, contract: Contract) -> Version:
    params = {"source": batch.source, "batch": batch.id, "delivered": batch.origin["label"], "digest": batch.digest, "write": source.write}
    counts = {"in": batch.rows_in, "kept": batch.kept, "quarantined": batch.quarantined}
    rows = staged_batches(workspace, batch.id)
    latest = _latest(workspace, source.dataset)
    if latest is None or source.write == "replace":
        operation = Operation("ingest", params=params, counts=counts)
        return publish_table(
            workspace,
            rows,
            dataset=source.dataset,
            contract=contract,
            card=source.card,
            operation=operation,
            parents=() if latest is None else (latest.id,),
            run_id=batch.id,
        )
    if latest.contract_id != contract.id:
        _bring_to_contract(workspace, latest, contract, batch)
    operation = Operation("ingest", params=params, counts={"quarantined": batch.quarantined})
    change = append_table if source.write == "append" else upsert_table
    return change(workspace, source.dataset, rows, operation=operation, run_id=batch.id, card=source.card)


def _latest(workspace: Workspace, dataset: str) -> Version | None:
    try:
        return load_version(workspace, dataset)
    except NotFound:
        return None


def _bring_to_contract(workspace: Workspace, latest: Version, contract: Contract, batch: Batch) -> None:
    """Publish the dataset's rows under a newer contract, before rows of it are added.

    That is done where the change is compatible for rows that are stored (how a source's values arrive does not touch them), or a person released the
    batch; and only if each row that is there keeps the newer contract. Stored values are never converted.
    """
    before = contract_of_version(latest)
    stored = contract.as_stored()
    change = compare_contracts(before.as_stored(), stored)
    if change.verdict != "compatible" and "released" not in batch.origin:
        raise Refused(
            f"The rows of '{latest.dataset}' keep the contract {before.ref}, and {contract.ref} is no compatible change of it ({change.verdict}).",
            where=f"batch {batch.id}",
            mend="release the batch if the rows that are there mean the same under it; else migrate the dataset, or use another name",
        )

    def rows() -> Iterator[pa.RecordBatch]:
        for each in table_batches(workspace, latest.id):
            done = conform(pa.Table.from_batches([each]), stored.model_copy(update={"unique": False}))
            if done.bad:
                raise Refused(f"A row of '{latest.dataset}' does not keep the contract {contract.ref}: {done.bad[0].reason}.", mend="migrate it")
            yield from done.table.to_batches()

    operation = Operation("contract", params={"before": before.id, "after": contract.id}, counts={"in": latest.rows, "kept": latest.rows})
    publish_table(
        workspace,
        rows(),
        dataset=latest.dataset,
        contract=contract,
        card=latest.card,
        operation=operation,
        parents=(latest.id,),
        run_id=f"{batch.id}:contract",
    )
