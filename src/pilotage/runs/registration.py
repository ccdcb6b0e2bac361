"""Writing a plan down, so that any later process can go on from there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from sqlalchemy import func, select, update

from pilotage.data.lineage import Edge, Node, record_edges
from pilotage.ledger import record
from pilotage.runs import tables
from pilotage.runs.plan import Plan, SampleSpec
from pilotage.store import Workspace, WriteTransaction, insert_missing, json_text

_AT_ONCE = 1_000
_write_sample = insert_missing(tables.sample)
_link_sample = insert_missing(tables.run_sample)


async def register(workspace: Workspace, plan: Plan) -> str:
    """Make the run of ``plan`` if it is new, mark it running, write its samples and link outputs that earlier runs made; return the run's id.

    Killed half-way, it goes on where it stopped when called again. Cost: three rows' writes a sample, in transactions of a thousand.
    """
    run_id = plan.run_id
    written = await workspace.write_async(lambda tx: _start(tx, plan, run_id))
    if written < len(plan.samples):
        for start, chunk in _chunks(plan, written):
            await workspace.write_async(lambda tx, start=start, chunk=chunk: _write_samples(tx, run_id, start, chunk))  # type: ignore[misc]
    await workspace.write_async(lambda tx: settle_counts(tx, run_id))
    return run_id


def run_edges(run_id: str, kind: str, versions: Iterable[str]) -> list[Edge]:
    """What lineage knows of a run: the versions it reads."""
    return [Edge(Node("version", version), Node("run", run_id), via=kind) for version in versions]


def recorded_run_edges(workspace: Workspace) -> list[Edge]:
    """The edges of every run of the workspace, for runs that were made before edges were recorded."""
    run = tables.run
    with workspace.read() as conn:
        rows = conn.execute(select(run.c.id, run.c.kind, run.c.versions).where(run.c.workspace_id == workspace.id)).all()
    return [edge for row in rows for edge in run_edges(row.id, row.kind, row.versions)]


def _start(tx: WriteTransaction, plan: Plan, run_id: str) -> int:
    """Write or wake the run; how many of its samples are written already."""
    run = tables.run
    found = tx.conn.execute(select(run.c.state, run.c.target_id).where(run.c.workspace_id == tx.workspace_id, run.c.id == run_id)).one_or_none()
    if found is None:
        tx.insert(
            run,
            {
                "id": run_id,
                "kind": plan.kind,
                "pilot_id": plan.pilot_id,
                "plan_hash": plan.hash,
                "target_id": plan.target_id,
                "fingerprint": plan.fingerprint,
                "versions": list(plan.versions),
                "state": "running",
                "planned": len(plan.samples),
                "counts": {},
                "rerolled": {},
                "usage": {},
                "updated_at": tx.clock.now_us(),
            },
        )
        record_edges(tx, run_edges(run_id, plan.kind, plan.versions))
        kind = "run.started"
    else:
        tx.conn.execute(
            update(run)
            .where(run.c.workspace_id == tx.workspace_id, run.c.id == run_id)
            .values(state="running", stop_reason=None, target_id=plan.target_id, updated_at=tx.clock.now_us())
        )
        kind = "run.resumed"
    record(
        tx,
        type=kind,
        subject=run_id,
        body={
            "kind": plan.kind,
            "pilot": plan.pilot_id,
            "plan_hash": plan.hash,
            "target": plan.target_id,
            "fingerprint": plan.fingerprint,
            "versions": list(plan.versions),
            "planned": len(plan.samples),
        },
    )
    if found is None:
        return 0
    # Positions are written in order, so the count is also the first position that is missing.
    written = select(func.count()).where(tables.run_sample.c.workspace_id == tx.workspace_id, tables.run_sample.c.run_id == run_id)
    return int(tx.conn.execute(written).scalar_one())


def _chunks(plan: Plan, start: int) -> Iterator[tuple[int, list[SampleSpec]]]:
    samples = islice(iter(plan.samples), start, None)
    while chunk := list(islice(samples, _AT_ONCE)):
        yield start, chunk
        start += len(chunk)


def _write_samples(tx: WriteTransaction, run_id: str, start: int, samples: Sequence[SampleSpec]) -> None:
    stamp = tx.stamp()
    rows = [
        {
            **stamp,
            "id": each.id,
            "item_key": each.item_key,
            "repeat": each.repeat,
            "cluster": each.cluster,
            "slices": json_text(each.slices),
            "spec": json_text(each.spec),
        }
        for each in samples
    ]
    _write_sample.run(tx.conn, rows)
    links = [{**stamp, "run_id": run_id, "sample_id": each.id, "position": start + offset, "output_id": None} for offset, each in enumerate(samples)]
    _link_sample.run(tx.conn, links)  # another process may be registering the same plan just now


def settle_counts(tx: WriteTransaction, run_id: str) -> int:
    """Link the run's samples to outputs that exist, count them anew, and return how many samples still have none.

    The counts kept batch by batch are right while one process works; this makes them right after any crash or race.
    """
    link, output = tables.run_sample, tables.output
    mine = (link.c.workspace_id == tx.workspace_id, link.c.run_id == run_id)
    latest = (
        select(output.c.id)
        .where(output.c.workspace_id == tx.workspace_id, output.c.sample_id == link.c.sample_id)
        .order_by(output.c.attempt.desc())
        .limit(1)
        .scalar_subquery()
    )
    tx.conn.execute(update(link).where(*mine, link.c.output_id.is_(None)).values(output_id=latest))
    again = output.c.attempt > 1
    rows = tx.conn.execute(
        select(output.c.outcome, again.label("again"), func.count())
        .join(link, (link.c.workspace_id == output.c.workspace_id) & (link.c.output_id == output.c.id))
        .where(*mine)
        .group_by(output.c.outcome, again)
    ).all()
    counts: dict[str, int] = {}
    rerolled: dict[str, int] = {}
    for outcome, is_again, n in rows:
        counts[outcome] = counts.get(outcome, 0) + n
        if is_again:
            rerolled[outcome] = rerolled.get(outcome, 0) + n
    run = tables.run
    tx.conn.execute(
        update(run)
        .where(run.c.workspace_id == tx.workspace_id, run.c.id == run_id)
        .values(counts=counts, rerolled=rerolled, updated_at=tx.clock.now_us())
    )
    planned = tx.conn.execute(select(run.c.planned).where(run.c.workspace_id == tx.workspace_id, run.c.id == run_id)).scalar_one()
    return int(planned) - sum(counts.values())
