"""The stream loop: micro-batches from the log into tiles, exactly once.

A step reads the next events of the log, evaluates the view's expressions, makes partial states per entity and tile, and in **one transaction** merges
them into the stored tiles, keeps raw rows and latest rows, writes down late and refused events, hands touched entities to the online store and moves
the stream's position. Killed at any moment, all of it happened or none of it: the next worker starts at the same position.

Late events are counted, kept in ``feature_late`` and merged into their tiles like all others, however late; touched entities are written to the
online store again. A revision of an event makes its tiles (the old and the new) anew from the log. Training is not touched by any of it: a training
set goes by when an event was available, so history stays as it was known.

Delivered twice does not matter either: the log holds an event once (:mod:`.log`), and the log and the position are the only input.

Cost: some 5 µs of processor an event in batches of thousands; one disk sync a step. States of tiles stay in memory from one batch to the next.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
from sqlalchemy import select, update

from pilotage.core import InputError, new_id, parse_duration
from pilotage.features.algebra import State, merge_many, partials, states
from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE
from pilotage.features.definition import FeatureView
from pilotage.features.streams import tiles
from pilotage.features.streams.inputs import ENTITY, TILE
from pilotage.features.streams.late import BEHIND, WATERMARK, with_lateness
from pilotage.features.streams.lease import LeaseLost, acquire, let_go, renew, require, stream_row
from pilotage.features.streams.log import Appended, admit, events_at, events_between, forget_ids_if_due, read_log, source_of
from pilotage.features.streams.outputs import OnlineWriter, entity_states, latest_rows
from pilotage.features.streams.source import POSITION, REPLACES
from pilotage.features.streams.stream import open_stream
from pilotage.features.streams.tiles import StoredRow
from pilotage.features.tables import event_source, feature_late, feature_refused, feature_stream
from pilotage.store import Workspace, WriteTransaction

_STEPS_BETWEEN_SWEEPS = 64
_TILES_KEPT = 65_536  # in memory, so that a tile that the next batch touches again is not read: some hundred bytes each without sketches


@dataclass(frozen=True)
class Step:
    """What one step did. ``events`` were read; ``tiles`` written; ``entities`` handed to the online store; ``waiting`` events are left in the log."""

    events: int = 0
    tiles: int = 0
    entities: int = 0
    late: int = 0
    corrected: int = 0
    refused: int = 0
    position: int = 0
    waiting: int = 0


@dataclass
class _Batch:
    """What a step computes before its transaction; the transaction only merges and writes it."""

    end: int
    clock_us: int
    watermark_us: int
    events: int
    merges: dict[tuple[str, int], tuple[State, ...]] = field(default_factory=dict)
    rebuilt: dict[tuple[str, int], tuple[State, ...] | None] = field(default_factory=dict)
    tail: list[tuple[int, str, int, list[StoredRow]]] = field(default_factory=list)
    latest: dict[str, list[StoredRow]] = field(default_factory=dict)
    restarted: dict[str, list[StoredRow]] = field(default_factory=dict)
    late: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    corrected: int = 0

    @property
    def entities(self) -> list[str]:
        return sorted({entity for entity, _ in (*self.merges, *self.rebuilt)} | set(self.latest) | set(self.restarted))


@dataclass(frozen=True)
class Processed:
    """What one :meth:`StreamWorker.ingest_and_process` did to the log, and to the stream."""

    appended: Appended
    step: Step


@dataclass(frozen=True)
class _Done:
    """A step inside its transaction: what it did from position ``start``, the states it wrote, and the tiles it made anew."""

    step: Step
    start: int
    merged: Mapping[tuple[str, int], tuple[State, ...]]
    rebuilt: tuple[tuple[str, int], ...]


class StreamWorker:
    """Works one view's stream. One at a time holds it (:mod:`.lease`); :meth:`step` does one batch, :meth:`run` goes on until told to stop.

    Parameters
    ----------
    online
        Where outputs go; None: tiles only.
    lateness
        How far behind the highest event time an event may be before it counts as late. Late events are counted the same; only told apart.
    batch
        How many events a step takes at most, give or take one append.
    lease
        How long the stream stays ours without a sign of life.
    """

    def __init__(
        self,
        workspace: Workspace,
        view: FeatureView,
        *,
        source: str,
        online: OnlineWriter | None = None,
        lateness: str = "1h",
        batch: int = 20_000,
        lease: str = "30s",
        holder: str | None = None,
    ) -> None:
        self.workspace = workspace
        self.view = view
        self.plan = open_stream(workspace, view, source=source)
        self.holder = holder or new_id("worker", clock=workspace.clock)
        self._online = online
        self._lateness_us = parse_duration(lateness)
        self._limit = batch
        self._lease_us = parse_duration(lease)
        self._fence: int | None = None
        self._renewed_us = 0
        self._steps = 0
        # States of tiles as the last step left them. Nobody else may write them while fence and position are as we left them.
        self._kept: dict[tuple[str, int], tuple[State, ...]] = {}
        self._kept_for: tuple[int, int] | None = None

    def acquire(self) -> bool:
        """Take the stream; False while another worker has it."""
        self._fence = acquire(self.workspace, self.view.ref, holder=self.holder, lease_us=self._lease_us)
        self._renewed_us = self.workspace.clock.now_us()
        return self._fence is not None

    def close(self) -> None:
        """Give the stream back."""
        if self._fence is not None:
            let_go(self.workspace, self.view.ref, fence=self._fence)
            self._fence = None

    def step(self) -> Step:
        """Work off the next events, durably. With none waiting it only keeps the lease.

        Raises
        ------
        LeaseLost
            If another worker has the stream; nothing was written.
        """
        fence = self._require_held()
        with self.workspace.read() as conn:
            held = stream_row(conn, self.workspace.id, self.view.ref)
            batch = self._next(conn, held)
        if batch is None:
            if self.workspace.clock.now_us() - self._renewed_us > self._lease_us // 3:
                renew(self.workspace, self.view.ref, fence=fence, lease_us=self._lease_us)
                self._renewed_us = self.workspace.clock.now_us()
            return Step(position=held.next_position)
        done = self.workspace.write(lambda tx: self._commit(tx, batch, fence=fence, start=held.next_position))
        self._keep(done, fence=fence)
        return done.step

    def ingest_and_process(
        self, rows: Sequence[Mapping[str, Any]] | pl.DataFrame, *, producer: str | None = None, sequence: int | None = None
    ) -> Processed:
        """:func:`.log.append` and :meth:`step` in one transaction: for a producer in the worker's own process.

        Log, ids, position, tiles and outputs change together, with one disk sync. Events that waited before are worked off first; beyond the
        worker's ``batch``, later ones wait for the next call or step. Other streams over the source find the events in the log as ever.

        Raises
        ------
        LeaseLost
            If another worker has the stream.
        InputError, Conflict, Busy
            As :func:`.log.append`. In every case nothing was written, neither to the log nor to the stream.
        """
        if (producer is None) != (sequence is None):
            raise InputError("A producer and its sequence number go together.")
        fence = self._require_held()
        frame = self.plan.source.frame(rows)

        def job(tx: WriteTransaction) -> tuple[Appended, _Done | None, int]:
            held = require(tx, self.view.ref, fence=fence)
            declared = source_of(tx.conn, tx.workspace_id, self.plan.source.name)
            appended = admit(tx, declared, frame, producer=producer, sequence=sequence)
            batch = self._next(tx.conn, held)
            return appended, None if batch is None else self._commit(tx, batch, fence=fence, start=held.next_position), held.next_position

        appended, done, position = self.workspace.write(job)
        if done is None:
            return Processed(appended, Step(position=position))
        self._keep(done, fence=fence)
        return Processed(appended, done.step)

    def catch_up(self) -> Step:
        """Steps until nothing waits; returns their sum."""
        total = Step()
        while True:
            done = self.step()
            if not done.events:
                return Step(**{**vars(total), "position": done.position, "waiting": 0})
            total = Step(
                **{name: getattr(total, name) + getattr(done, name) for name in ("events", "tiles", "entities", "late", "corrected", "refused")}
            )

    def run(self, stop: threading.Event, *, poll_s: float = 0.2, told: Callable[[Step], None] | None = None) -> None:
        """Go on until ``stop`` is set. Waits its turn while another worker has the stream, and takes over when that one's lease runs out."""
        while not stop.is_set():
            try:
                if self._fence is None and not self.acquire():
                    stop.wait(poll_s)
                    continue
                done = self.step()
            except LeaseLost:
                self._fence = None
                continue
            if told is not None and done.events:
                told(done)
            if not done.events:
                stop.wait(poll_s)
        self.close()

    def _require_held(self) -> int:
        if self._fence is None and not self.acquire():
            raise LeaseLost(f"The stream of '{self.view.ref}' is held by another worker.", mend="wait until its lease has run out")
        return self._fence or 0

    # Before the transaction: the log before a position never changes, so what is computed from it may be computed without a lock.

    def _next(self, conn: Any, held: Any) -> _Batch | None:
        """The next events of the log, worked out; None where none wait."""
        events = read_log(conn, self.workspace.id, self.plan.source, from_position=held.next_position, limit=self._limit)
        return None if events is None else self._compute(conn, events, held)

    def _compute(self, conn: Any, events: pl.DataFrame, held: Any) -> _Batch:
        plan, view = self.plan, self.view
        end = int(events[POSITION][-1]) + 1
        marked = with_lateness(events, watermark_us=held.watermark_us, lateness_us=self._lateness_us)
        clock = max(int(events[AVAILABLE].max()), held.clock_us)  # type: ignore[arg-type]
        mark = int(marked[WATERMARK][-1])
        batch = _Batch(end, clock, mark if held.watermark_us is None else max(mark, held.watermark_us), events.height)
        found = plan.inputs(marked)
        rows = found.rows
        names = dict(zip(events[POSITION].to_list(), events[plan.source.event_id].to_list(), strict=True)) if found.refused else {}
        batch.refused = [{"view": view.ref, "position": at, "event": names[at], "reason": why} for at, why in found.refused.items()]
        behind = marked.filter(pl.col(BEHIND) > 0).select(POSITION, BEHIND)
        if behind.height:
            late = rows.join(behind, on=POSITION).select(POSITION, ENTITY, EVENT, AVAILABLE, BEHIND)
            fields = ("position", "entity", "event_us", "available_us", "behind_us")
            batch.late = [{"view": view.ref, **dict(zip(fields, row, strict=True))} for row in late.rows()]
        rows = self._rebuild(conn, events, rows, batch)
        if plan.aggregators and rows.height:
            summed = partials(rows, [ENTITY, TILE], plan.aggregators)
            keys = zip(summed[ENTITY].to_list(), summed[TILE].to_list(), strict=True)
            batch.merges = dict(zip(keys, states(summed, plan.aggregators), strict=True))
            self._add_tail(rows, batch)
        if view.columns and rows.height:
            batch.latest = self._grouped(rows, list(view.columns))
        return batch

    def _rebuild(self, conn: Any, events: pl.DataFrame, rows: pl.DataFrame, batch: _Batch) -> pl.DataFrame:
        """Make the tiles that a revision touches anew from the log; return the rows that are not in them."""
        if REPLACES not in events.columns or not (replaced := events[REPLACES].drop_nulls().to_list()):
            return rows
        plan, workspace_id = self.plan, self.workspace.id
        before = plan.inputs(events_at(conn, workspace_id, plan.source, replaced)).rows
        now = rows.filter(pl.col(POSITION).is_in(events.filter(pl.col(REPLACES).is_not_null())[POSITION].to_list()))
        batch.corrected = len(replaced)
        touched = pl.concat([before.select(ENTITY, TILE), now.select(ENTITY, TILE)]).unique(maintain_order=True)
        batch.rebuilt = dict.fromkeys(touched.rows())
        entities = touched[ENTITY].unique().to_list()
        if plan.aggregators:
            for tile in touched[TILE].unique().to_list():
                there = events_between(conn, workspace_id, plan.source, from_us=tile, to_us=tile + self.view.tile_us, before_position=batch.end)
                if there is None:
                    continue
                part = plan.inputs(there).rows.join(touched.filter(pl.col(TILE) == tile), on=[ENTITY, TILE], how="semi", maintain_order="left")
                if part.height:
                    summed = partials(part, [ENTITY, TILE], plan.aggregators)
                    keys = zip(summed[ENTITY].to_list(), summed[TILE].to_list(), strict=True)
                    batch.rebuilt.update(zip(keys, states(summed, plan.aggregators), strict=True))
                    self._add_tail(part, batch)
        if self.view.columns:
            # The latest row may be the one that was replaced: look through the whole log. Corrections are rare; this is their price.
            everything = events_between(conn, workspace_id, plan.source, from_us=-(2**62), to_us=2**62, before_position=batch.end)
            found = (
                {}
                if everything is None
                else self._grouped(plan.inputs(everything).rows.filter(pl.col(ENTITY).is_in(entities)), list(self.view.columns))
            )
            batch.restarted = {entity: found.get(entity, []) for entity in entities}
        return rows.join(touched, on=[ENTITY, TILE], how="anti", maintain_order="left")

    def _add_tail(self, rows: pl.DataFrame, batch: _Batch) -> None:
        # Raw rows stay while their tile is not complete: a window ends inside it.
        open_rows = rows.filter(pl.col(TILE) > batch.clock_us - self.view.tile_us)
        for (tile, entity), kept in self._by(open_rows, [TILE, ENTITY], list(self.plan.aggregators)).items():
            batch.tail.append((tile, entity, kept[0].position, kept))

    def _grouped(self, rows: pl.DataFrame, values: list[str]) -> dict[str, list[StoredRow]]:
        return {key[0]: kept for key, kept in self._by(rows, [ENTITY], values).items()}

    @staticmethod
    def _by(rows: pl.DataFrame, keys: list[str], values: list[str]) -> dict[tuple[Any, ...], list[StoredRow]]:
        found: dict[tuple[Any, ...], list[StoredRow]] = {}
        count = len(keys)
        for row in rows.select(*keys, EVENT, AVAILABLE, SEQUENCE, POSITION, *(pl.col(value).to_physical() for value in values)).iter_rows():
            made = StoredRow(row[count], row[count + 1], row[count + 2], row[count + 3], row[count + 4 :])
            found.setdefault(row[:count], []).append(made)
        return found

    # The transaction.

    def _commit(self, tx: WriteTransaction, batch: _Batch, *, fence: int, start: int) -> _Done:
        view = self.view.ref
        held = require(tx, view, fence=fence)
        if held.next_position != start:
            raise LeaseLost(f"The stream of '{view}' has moved on.", why="another worker counted these events")
        merged = self._merged(tx, batch, fence=fence, start=start)
        written = tiles.put_tiles(tx, view, [(*key, new) for key, new in merged.items()])
        if batch.rebuilt:
            tiles.drop_tiles(tx, view, batch.rebuilt)
            written += tiles.put_tiles(tx, view, [(*key, new) for key, new in batch.rebuilt.items() if new is not None])
        tiles.put_tail(tx, view, batch.tail)
        tiles.sweep_tail(tx, view, up_to_us=batch.clock_us - self.view.tile_us)
        self._keep_latest(tx, batch)
        tx.insert(feature_late, *batch.late)
        tx.insert(feature_refused, *batch.refused)
        if self._online is not None and batch.entities:
            found = entity_states(tx.conn, tx.workspace_id, self.view, batch.entities, clock_us=batch.clock_us)
            self._online.write(tx, self.view, found, as_of_us=batch.clock_us)
        c = feature_stream.c
        tx.conn.execute(
            update(feature_stream)
            .where(c.workspace_id == tx.workspace_id, c.view == view)
            .values(
                next_position=batch.end,
                clock_us=batch.clock_us,
                watermark_us=batch.watermark_us,
                events=held.events + batch.events,
                late=held.late + len(batch.late),
                corrected=held.corrected + batch.corrected,
                refused=held.refused + len(batch.refused),
                lease_until_us=tx.clock.now_us() + self._lease_us,
            )
        )
        s = event_source.c
        ahead = tx.conn.execute(select(s.next_position).where(s.workspace_id == tx.workspace_id, s.name == self.plan.source.name)).scalar_one()
        step = Step(
            events=batch.events,
            tiles=written,
            entities=len(batch.entities),
            late=len(batch.late),
            corrected=batch.corrected,
            refused=len(batch.refused),
            position=batch.end,
            waiting=ahead - batch.end,
        )
        return _Done(step, start, merged, tuple(batch.rebuilt))

    def _merged(self, tx: WriteTransaction, batch: _Batch, *, fence: int, start: int) -> dict[tuple[str, int], tuple[State, ...]]:
        """The states of the batch's tiles together with what was there before."""
        known = self._kept if self._kept_for == (fence, start) else {}
        there = tiles.load_tiles(tx.conn, tx.workspace_id, self.view.ref, [key for key in batch.merges if key not in known])
        before = {key: found for key in batch.merges if (found := known.get(key) or there.get(key)) is not None}
        new = [batch.merges[key] for key in before]
        both = merge_many(list(self.plan.aggregators.values()), list(before.values()), new)
        return {**batch.merges, **dict(zip(before, both, strict=True))}

    def _keep(self, done: _Done, *, fence: int) -> None:
        """After the commit: remember the states that were written; now and then, let old ids go."""
        if self._kept_for != (fence, done.start) or len(self._kept) + len(done.merged) > _TILES_KEPT:
            self._kept = {}
        self._kept.update(done.merged)
        for key in done.rebuilt:
            self._kept.pop(key, None)
        self._kept_for = (fence, done.step.position)
        self._renewed_us = self.workspace.clock.now_us()
        self._steps += 1
        if self._steps % _STEPS_BETWEEN_SWEEPS == 0:
            forget_ids_if_due(self.workspace, self.plan.source.name)

    def _keep_latest(self, tx: WriteTransaction, batch: _Batch) -> None:
        if not self.view.columns:
            return
        fresh = {entity: rows for entity, rows in batch.latest.items() if entity not in batch.restarted}
        before = tiles.load_latest(tx.conn, tx.workspace_id, self.view.ref, list(fresh)) if fresh else {}
        every = {**{entity: before[entity] + rows for entity, rows in fresh.items()}, **batch.restarted}
        kept = [(entity, latest_rows(rows, at_us=batch.clock_us, closed=self.view.closed)) for entity, rows in every.items()]
        tiles.put_latest(tx, self.view.ref, kept)
