"""From workers to the database: one task that writes outputs in batches.

What arrives within 200 ms, or 512 outputs, goes into one transaction: the outputs, the cache's rows, the run's counts and spending, and one ledger
record with the digest of the batch. When that transaction is durable the outputs are *acknowledged*, and not before.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import bindparam, func, select, update

from pilotage.core import new_id
from pilotage.ledger import record
from pilotage.models import Spent, insert_cache_rows
from pilotage.runs import tables
from pilotage.runs.output import Output, output_row
from pilotage.store import Prepared, Workspace, WriteTransaction, insert_missing

BATCH = 512
LINGER_S = 0.2
_MOST_WAITING = 4 * BATCH


def _link(dialect: str) -> Any:
    table = tables.run_sample
    return (
        update(table)
        .where(
            table.c.workspace_id == bindparam("workspace_id"),
            table.c.run_id == bindparam("run_id"),
            table.c.sample_id == bindparam("sample_id"),
        )
        .values(output_id=bindparam("id"))
    )


_write_output = insert_missing(tables.output)
_link_output = Prepared(_link, columns=["output_id"])


@dataclass(frozen=True, slots=True)
class Made:
    """An output on its way to the database. ``replaces``: the outcome of the output it takes the place of, and that one's attempt."""

    output: Output
    replaces: tuple[str, int] | None = None


class Outbox:
    """Collects what workers make and writes it."""

    def __init__(
        self,
        workspace: Workspace,
        run_id: str,
        *,
        drain_spent: Callable[[], Spent],
        on_durable: Callable[[Sequence[Made]], None],
    ) -> None:
        self._workspace = workspace
        self._run_id = run_id
        self._drain_spent = drain_spent
        self._on_durable = on_durable
        self._made: list[Made] = []
        self._cache_rows: list[dict[str, Any]] = []
        self._arrived = asyncio.Event()
        self._full = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._closing = False
        self.task = asyncio.create_task(self._work())

    async def put(self, made: Made) -> None:
        """Queue an output. Waits while the database is far behind, so that memory stays flat."""
        if self.task.done():
            await self.task  # raises what ended it
        self._made.append(made)
        self._arrived.set()
        if len(self._made) >= BATCH:
            self._full.set()
        if len(self._made) >= _MOST_WAITING:
            self._room.clear()
            await self._room.wait()

    def keep(self, row: dict[str, Any]) -> None:
        """Queue a row of the response cache."""
        self._cache_rows.append(row)
        self._arrived.set()

    async def close(self) -> None:
        """Write what is queued, then stop. Raises what the writing raised."""
        self._closing = True
        self._arrived.set()
        self._full.set()
        await self.task

    async def _work(self) -> None:
        try:
            while True:
                await self._arrived.wait()
                if not self._closing and len(self._made) < BATCH:
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._full.wait(), LINGER_S)
                made, self._made = self._made[:BATCH], self._made[BATCH:]
                cache_rows, self._cache_rows = self._cache_rows, []
                if not self._made:
                    self._arrived.clear()
                if len(self._made) < BATCH:
                    self._full.clear()
                if self._closing:
                    self._arrived.set()
                    self._full.set()
                self._room.set()
                spent = self._drain_spent()
                if made or cache_rows or spent != Spent():
                    batch = new_id("bat", clock=self._workspace.clock)
                    rows = [output_row(each.output, run_id=self._run_id) for each in made]
                    replaced = [each.replaces for each in made if each.replaces is not None]
                    await self._workspace.write_async(
                        lambda tx, batch=batch, rows=rows, replaced=replaced, cache_rows=cache_rows, spent=spent: write_batch(  # type: ignore[misc]
                            tx, run_id=self._run_id, batch=batch, rows=rows, replaced=replaced, cache_rows=cache_rows, spent=spent
                        )
                    )
                    self._on_durable(made)
                elif self._closing:
                    return
        finally:
            self._room.set()  # nobody may wait for a writer that is gone


def write_batch(
    tx: WriteTransaction,
    *,
    run_id: str,
    batch: str,
    rows: list[dict[str, Any]],
    replaced: list[tuple[str, int]],
    cache_rows: list[dict[str, Any]],
    spent: Spent,
) -> None:
    """Write one batch: all of it or nothing."""
    insert_cache_rows(tx, cache_rows)
    rows = sorted(rows, key=_by_id)
    if rows:
        stamp = {**tx.stamp(), "batch": batch}
        stamped = [{**stamp, **row} for row in rows]
        _write_output.run(tx.conn, stamped)
        _link_output.run(tx.conn, stamped)
        rows = _really_written(tx, run_id, batch, rows)
    outcomes: dict[str, int] = {}
    rerolled: dict[str, int] = {}
    for row in rows:
        outcomes[row["outcome"]] = outcomes.get(row["outcome"], 0) + 1
        if row["attempt"] > 1:
            rerolled[row["outcome"]] = rerolled.get(row["outcome"], 0) + 1
    if rows:
        record(
            tx,
            type="run.outputs",
            subject=run_id,
            body={"run": run_id, "batch": batch, "n": len(rows), "digest": batch_digest([row["digest"] for row in rows]), "outcomes": outcomes},
        )
    _add_to_run(tx, run_id, outcomes=outcomes, rerolled=rerolled, replaced=replaced, cached=sum(row["cached"] for row in rows), spent=spent)


def batch_digest(digests: Sequence[str]) -> str:
    """SHA-256 (hex) of the outputs' digests, one a line, in the order of the outputs' ids."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _by_id(row: dict[str, Any]) -> str:
    return str(row["id"])


def _really_written(tx: WriteTransaction, run_id: str, batch: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of ``rows`` that another process doing the same plan had not written first."""
    output = tables.output
    mine = (output.c.workspace_id == tx.workspace_id, output.c.run_id == run_id, output.c.batch == batch)
    if tx.conn.execute(select(func.count()).where(*mine)).scalar_one() == len(rows):
        return rows
    written = set(tx.conn.execute(select(output.c.id).where(*mine)).scalars())
    return [row for row in rows if row["id"] in written]


def _add_to_run(
    tx: WriteTransaction,
    run_id: str,
    *,
    outcomes: dict[str, int],
    rerolled: dict[str, int],
    replaced: list[tuple[str, int]],
    cached: int,
    spent: Spent,
) -> None:
    run = tables.run
    mine = (run.c.workspace_id == tx.workspace_id, run.c.id == run_id)
    row = tx.conn.execute(select(run.c.counts, run.c.rerolled, run.c.usage).where(*mine)).one()
    counts, again = dict(row.counts), dict(row.rerolled)
    for outcome, n in outcomes.items():
        counts[outcome] = counts.get(outcome, 0) + n
    for outcome, n in rerolled.items():
        again[outcome] = again.get(outcome, 0) + n
    for outcome, attempt in replaced:
        counts[outcome] = counts.get(outcome, 0) - 1
        if attempt > 1:
            again[outcome] = again.get(outcome, 0) - 1
    usage = dict(row.usage)
    for name, value in (*asdict(spent).items(), ("cached", cached)):
        usage[name] = usage.get(name, 0) + value
    tx.conn.execute(
        update(run)
        .where(*mine)
        .values(
            counts={outcome: n for outcome, n in counts.items() if n},
            rerolled={outcome: n for outcome, n in again.items() if n},
            usage=usage,
            updated_at=tx.clock.now_us(),
        )
    )
