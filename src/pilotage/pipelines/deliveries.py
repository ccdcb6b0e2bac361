"""Taking deliveries in: every new file of a feed, in the order of their names; what is held, poisoned or missing is said.

A delivery that fails is tried again by the next run, ``give_up_after`` times, and then set aside as poisoned: one broken file does not stop a feed
for ever. One that a gate holds is looked at again when its contract has changed, or when a person released or discarded it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select

from pilotage.core import PilotageError, iso, parse_duration
from pilotage.data.contracts import Contract
from pilotage.data.ingest import Batch, SourceConfig, ingest, load_batch, load_source
from pilotage.data.ingest.ingesting import contract_for
from pilotage.ledger import record
from pilotage.pipelines.pipeline import Feed, Pipeline
from pilotage.pipelines.tables import pipeline_delivery
from pilotage.store import Workspace, WriteTransaction


@dataclass
class Delivered:
    """What one run found in its feeds. ``missing``: feed -> since when (µs). The rest: ``feed/file`` -> reason, or batch id for ``taken``."""

    taken: dict[str, str] = field(default_factory=dict)
    held: dict[str, str] = field(default_factory=dict)
    failing: dict[str, str] = field(default_factory=dict)
    poisoned: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    must_wait: list[str] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: value for name, value in vars(self).items() if name != "must_wait"}


def take_deliveries(workspace: Workspace, pipeline: Pipeline, *, now_us: int) -> Delivered:
    """Bring in everything new of every feed. Idempotent: what was taken is not taken again."""
    found = Delivered()
    for feed in pipeline.config.feeds:
        source = load_source(pipeline.path(feed.source))
        if feed.deliveries is None:
            _take(workspace, pipeline, feed, source, None, found, now_us=now_us)
        else:
            folder = pipeline.path(feed.deliveries)
            names = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")) if folder.is_dir() else []
            known = _known(workspace, pipeline.name, source.name)
            contract = contract_for(workspace, source)
            for name in names:
                if _waits(workspace, known.get(name), contract):
                    _take(workspace, pipeline, feed, source, name, found, now_us=now_us, known=known.get(name))
        _look_for_missing(workspace, pipeline, feed, source, found, now_us=now_us)
    return found


def deliveries(workspace: Workspace, pipeline: str) -> list[dict[str, Any]]:
    """Every delivery of a pipeline and what became of it, newest first."""
    of = pipeline_delivery.c
    query = select(pipeline_delivery).where(of.workspace_id == workspace.id, of.pipeline == pipeline).order_by(of.taken_at.desc(), of.name.desc())
    with workspace.read() as conn:
        rows = conn.execute(query).all()
    return [{name: row._mapping[name] for name in ("source", "name", "state", "batch_id", "tries", "reason", "taken_at")} for row in rows]


def _known(workspace: Workspace, pipeline: str, source: str) -> dict[str, Any]:
    mine = (
        pipeline_delivery.c.workspace_id == workspace.id,
        pipeline_delivery.c.pipeline == pipeline,
        pipeline_delivery.c.source == source,
    )
    with workspace.read() as conn:
        return {row._mapping["name"]: row for row in conn.execute(select(pipeline_delivery).where(*mine))}


def _waits(workspace: Workspace, known: Any, contract: Contract) -> bool:
    """Whether the delivery is new, failed last time, or was held and something has happened since."""
    if known is None or known.state == "failing":
        return True
    if known.state != "held":
        return False
    return known.contract_id != contract.id or load_batch(workspace, known.batch_id).state != "held"


def _take(
    workspace: Workspace,
    pipeline: Pipeline,
    feed: Feed,
    source: SourceConfig,
    name: str | None,
    found: Delivered,
    *,
    now_us: int,
    known: Any = None,
) -> None:
    shown = source.name if name is None else f"{source.name}/{name}"
    tries = (known.tries if known is not None and known.state == "failing" else 0) + 1
    try:
        batch = ingest(workspace, source, file=None if name is None or feed.deliveries is None else pipeline.path(feed.deliveries) / name)
    except (PilotageError, OSError) as error:
        state = "poisoned" if tries >= feed.give_up_after else "failing"
        (found.poisoned if state == "poisoned" else found.failing)[shown] = str(error)
        _keep(workspace, pipeline, source, name or "-", state=state, tries=tries, reason=str(error), batch=None, now_us=now_us)
        return
    if batch.state == "held":
        found.held[shown] = batch.reason or "held"
        _keep(workspace, pipeline, source, name or "-", state="held", tries=tries, reason=batch.reason, batch=batch, now_us=now_us)
        return
    state = "discarded" if batch.state == "discarded" else "done"
    if batch.state == "published" and not (known is not None and known.batch_id == batch.id and known.state == "done"):
        found.taken[shown] = batch.id
    if batch.state != "empty" or name is not None:
        _keep(workspace, pipeline, source, name or "-", state=state, tries=tries, reason=batch.reason, batch=batch, now_us=now_us)


def _keep(
    workspace: Workspace,
    pipeline: Pipeline,
    source: SourceConfig,
    name: str,
    *,
    state: str,
    tries: int,
    reason: str | None,
    batch: Batch | None,
    now_us: int,
) -> None:
    def write(tx: WriteTransaction) -> None:
        there = {"pipeline": pipeline.name, "source": source.name, "name": name}
        tx.conn.execute(
            pipeline_delivery.delete().where(
                pipeline_delivery.c.workspace_id == tx.workspace_id, *(pipeline_delivery.c[column] == value for column, value in there.items())
            )
        )
        values = {"state": state, "tries": tries, "reason": reason, "taken_at": now_us}
        ids = {"batch_id": batch.id if batch else None, "contract_id": batch.contract_id if batch else None}
        tx.insert(pipeline_delivery, there | values | ids)
        if state in ("poisoned", "held"):
            record(tx, type=f"pipeline.delivery.{state}", subject=pipeline.name, body=there | {"reason": reason, "tries": tries})

    workspace.write(write)


def _look_for_missing(workspace: Workspace, pipeline: Pipeline, feed: Feed, source: SourceConfig, found: Delivered, *, now_us: int) -> None:
    if feed.due is None:
        return
    taken = [row.taken_at for row in _known(workspace, pipeline.name, source.name).values() if row.state in ("done", "held")]
    if not taken or now_us - max(taken) <= parse_duration(feed.due) + parse_duration(feed.deadline):
        return
    found.missing[source.name] = f"nothing since {iso(max(taken))}; due every {feed.due}, waited {feed.deadline} longer"
    if feed.when_missing == "hold":
        found.must_wait.append(source.name)
