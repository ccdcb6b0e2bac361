"""The event log: durable, append-only, each event once.

:func:`append` returns when the events are durable. An event's id makes it idempotent: delivered again, by any producer, it is counted as a duplicate
and left out, unless its revision is higher, when it replaces the earlier one from then on. A producer may number its batches: a batch that is sent
again is recognised whole. When streams fall behind by more than the source's ``backlog``, producers get :class:`Busy`: the queue is bounded.

Promised when ``append`` returns: the events survive a power cut, and no stream will see one twice. Not promised: that a stream has seen them.

Cost: one row of the log a call, so append by the hundred or thousand; some 3 µs an event, nearly all for its id, and more where ids are random.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlalchemy import Connection, delete, func, select, update

from pilotage.core import Conflict, InputError, IntegrityError, NotFound, Unavailable
from pilotage.features.streams import many
from pilotage.features.streams.source import AVAILABLE_US, EVENT_US, POSITION, REPLACES, EventSource
from pilotage.features.tables import event_id, event_log, event_producer, event_replaced, event_source, feature_stream
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction


class Busy(Unavailable):
    """The streams are behind; nothing was taken. HTTP answers 429 with ``Retry-After``."""

    http_status = 429

    def __init__(self, what: str, *, retry_after_s: int, where: str | None = None) -> None:
        super().__init__(
            what, where=where, why="the queue of events is bounded, so that memory and delay are", mend=f"send it again in {retry_after_s} s"
        )
        self.retry_after_s = retry_after_s


@dataclass(frozen=True)
class Appended:
    """What became of a batch: ``taken + duplicates`` events were offered; ``corrections`` of the taken ones replaced an earlier revision."""

    source: str
    taken: int
    duplicates: int
    corrections: int
    next_position: int
    repeated: bool = False
    """The whole batch was known by its producer's sequence number."""


def declare_source(workspace: Workspace, source: EventSource) -> EventSource:
    """Make the source known. Declaring it again is a no-op; ``remember`` and ``backlog`` may change, and for all else ``Conflict`` is raised."""

    def job(tx: WriteTransaction) -> None:
        held = _row(tx.conn, tx.workspace_id, source.name)
        declared = source.to_dict()
        if held is None:
            tx.insert(event_source, {"name": source.name, "declared": declared, "next_position": 0, "available_us": -(2**62), "duplicates": 0})
        elif held.declared == declared:
            return
        else:
            changing = {"remember", "backlog"}
            if {k: v for k, v in held.declared.items() if k not in changing} != {k: v for k, v in declared.items() if k not in changing}:
                raise Conflict(
                    f"The source '{source.name}' is declared with other columns.",
                    why="its log could no longer be read",
                    mend="declare a source of another name",
                )
            tx.conn.execute(
                update(event_source)
                .where(event_source.c.workspace_id == tx.workspace_id, event_source.c.name == source.name)
                .values(declared=declared)
            )
        record(tx, type="events.source.declared", subject=source.name, body={"columns": dict(source.columns), "backlog": source.backlog})

    workspace.write(job)
    return source


def source_of(conn: Connection, workspace_id: str, name: str) -> EventSource:
    """The declared source. Raises ``NotFound``."""
    held = _row(conn, workspace_id, name)
    if held is None:
        raise NotFound(f"There is no source of events '{name}'.", mend="declare it first")
    return EventSource(**held.declared)


def append(
    workspace: Workspace,
    source: str,
    rows: Sequence[Mapping[str, Any]] | pl.DataFrame,
    *,
    producer: str | None = None,
    sequence: int | None = None,
) -> Appended:
    """Add events to the log of ``source``. All or nothing; durable on return.

    Parameters
    ----------
    producer, sequence
        Who sends, and the number of this batch: 0, 1, 2, … without gaps. A number that was taken is a no-op, so a producer that lost the answer sends
        again without fear.

    Raises
    ------
    InputError
        If an event does not fit the source, or says it was available in the future.
    Conflict
        If a number was left out: a batch is missing.
    Busy
        If streams are more than the source's backlog behind.
    """
    if (producer is None) != (sequence is None):
        raise InputError("A producer and its sequence number go together.")
    with workspace.read() as conn:
        declared = source_of(conn, workspace.id, source)
    frame = declared.frame(rows)
    return workspace.write(lambda tx: admit(tx, declared, frame, producer=producer, sequence=sequence))


def admit(tx: WriteTransaction, source: EventSource, frame: pl.DataFrame, *, producer: str | None = None, sequence: int | None = None) -> Appended:
    """As :func:`append`, inside a transaction; ``frame`` as :meth:`EventSource.frame` made it."""
    held = _row(tx.conn, tx.workspace_id, source.name)
    if held is None:
        raise NotFound(f"There is no source of events '{source.name}'.", mend="declare it first")
    if producer is not None and sequence is not None and not _next(tx, source.name, producer, sequence):
        return Appended(source.name, 0, frame.height, 0, held.next_position, repeated=True)
    if not frame.height:
        return Appended(source.name, 0, 0, 0, held.next_position)
    _leave_room(tx, source, held.next_position)

    rows = _stamped(tx, source, frame, held)
    kept = _once(tx, source, rows, held)
    corrections = kept[REPLACES].is_not_null().sum() if REPLACES in kept.columns else 0
    # Duplicates at the end take no position: a stream could never get past them, and they would count as a backlog.
    next_position = int(kept[POSITION][-1]) + 1 if kept.height else held.next_position
    if kept.height:
        tx.insert(
            event_log,
            {
                "source": source.name,
                "position": kept[POSITION][0],
                "last_position": kept[POSITION][-1],
                "events": kept.height,
                "min_event_us": kept[EVENT_US].min(),
                "max_event_us": kept[EVENT_US].max(),
                "available_us": kept[AVAILABLE_US].max(),
                "data": source.pack(kept),
            },
        )
    highest = kept[EVENT_US].max() if kept.height else None
    marks = [mark for mark in (held.watermark_us, highest) if mark is not None]
    tx.conn.execute(
        update(event_source)
        .where(event_source.c.workspace_id == tx.workspace_id, event_source.c.name == source.name)
        .values(
            next_position=next_position,
            available_us=max(held.available_us, kept[AVAILABLE_US].max() if kept.height else held.available_us),
            watermark_us=max(marks) if marks else None,
            duplicates=held.duplicates + frame.height - kept.height,
        )
    )
    return Appended(source.name, kept.height, frame.height - kept.height, int(corrections), next_position)


def read_log(conn: Connection, workspace_id: str, source: EventSource, *, from_position: int, limit: int) -> pl.DataFrame | None:
    """The events from ``from_position`` on, whole appends until there are at least ``limit``; None where there are none."""
    c = event_log.c
    found: list[pl.DataFrame] = []
    count = 0
    rows = conn.execute(
        select(c.data)
        .where(c.workspace_id == workspace_id, c.source == source.name, c.position >= from_position)
        .order_by(c.position)
        .execution_options(yield_per=64)
    )
    for (data,) in rows:
        frame = source.unpack(data)
        found.append(frame)
        count += frame.height
        if count >= limit:
            break
    rows.close()
    return pl.concat(found, how="diagonal") if found else None


def events_between(
    conn: Connection, workspace_id: str, source: EventSource, *, from_us: int, to_us: int, before_position: int
) -> pl.DataFrame | None:
    """The events of the log with ``from_us <= event time < to_us`` as they stand before ``before_position``: replaced ones left out.

    Cost: reads every append whose span of event times touches the range.
    """
    c = event_log.c
    where = (c.workspace_id == workspace_id, c.source == source.name, c.max_event_us >= from_us, c.min_event_us < to_us, c.position < before_position)
    found = [
        source.unpack(data).filter((pl.col(EVENT_US) >= from_us) & (pl.col(EVENT_US) < to_us) & (pl.col(POSITION) < before_position))
        for (data,) in conn.execute(select(c.data).where(*where).order_by(c.position))
    ]
    if not found:
        return None
    frame = pl.concat(found, how="diagonal")
    r = event_replaced.c
    gone = (
        conn.execute(select(r.position).where(r.workspace_id == workspace_id, r.source == source.name, r.by_position < before_position))
        .scalars()
        .all()
    )
    return frame.filter(~pl.col(POSITION).is_in(list(gone))) if gone else frame


def events_at(conn: Connection, workspace_id: str, source: EventSource, positions: Sequence[int]) -> pl.DataFrame:
    """The events at ``positions``. Raises ``IntegrityError`` if one of them is not in the log."""
    c = event_log.c
    found = []
    left = sorted(set(positions))
    while left:
        row = conn.execute(
            select(c.data, c.last_position)
            .where(c.workspace_id == workspace_id, c.source == source.name, c.position <= left[0], c.last_position >= left[0])
            .order_by(c.position.desc())
            .limit(1)
        ).first()
        if row is None:
            raise IntegrityError(
                f"The log of '{source.name}' has no event at position {left[0]}.",
                why="a later event says that it replaces it",
                mend="restore the workspace from a backup",
            )
        here = [position for position in left if position <= row.last_position]
        found.append(source.unpack(row.data).filter(pl.col(POSITION).is_in(here)))
        left = left[len(here) :]
    return pl.concat(found, how="diagonal")


def forget_ids(workspace: Workspace, source: str) -> int:
    """Take ids older than the source's ``remember`` before its watermark out of their index; return how many went.

    The index then holds at most the events of ``remember`` in event time, and those later. Nothing is lost: an older event that is delivered again is
    found in the log. Cost: one pass over the index; run it now and then.
    """

    def job(tx: WriteTransaction) -> int:
        held = _row(tx.conn, tx.workspace_id, source)
        if held is None or held.watermark_us is None:
            return 0
        before = held.watermark_us - EventSource(**held.declared).remember_us
        c = event_id.c
        gone = tx.conn.execute(delete(event_id).where(c.workspace_id == tx.workspace_id, c.source == source, c.event_us < before)).rowcount
        s = event_source.c
        tx.conn.execute(
            update(event_source)
            .where(s.workspace_id == tx.workspace_id, s.name == source)
            .values(ids_from_us=before if held.ids_from_us is None else max(before, held.ids_from_us))
        )
        return int(gone)

    return workspace.write(job)


def forget_ids_if_due(workspace: Workspace, source: str) -> int:
    """:func:`forget_ids`, when the watermark has moved on by a quarter of ``remember`` since the last time; so the index holds at most 5/4 of it."""
    with workspace.read() as conn:
        held = _row(conn, workspace.id, source)
    if held is None or held.watermark_us is None:
        return 0
    remember = EventSource(**held.declared).remember_us
    if held.ids_from_us is not None and held.watermark_us - remember < held.ids_from_us + remember // 4:
        return 0
    return forget_ids(workspace, source)


def _row(conn: Connection, workspace_id: str, name: str) -> Any:
    return conn.execute(select(event_source).where(event_source.c.workspace_id == workspace_id, event_source.c.name == name)).first()


def _next(tx: WriteTransaction, source: str, producer: str, sequence: int) -> bool:
    c = event_producer.c
    here = (c.workspace_id == tx.workspace_id, c.source == source, c.producer == producer)
    last = tx.conn.execute(select(c.sequence).where(*here)).scalar()
    if last is not None and sequence <= last:
        return False
    expected = 0 if last is None else last + 1
    if sequence != expected:
        raise Conflict(
            f"The producer '{producer}' sent batch {sequence}; batch {expected} has not arrived.",
            where=f"source '{source}'",
            why="taking it would leave a hole that nobody sees",
            mend=f"send batch {expected} first",
        )
    if last is None:
        tx.insert(event_producer, {"source": source, "producer": producer, "sequence": sequence})
    else:
        tx.conn.execute(update(event_producer).where(*here).values(sequence=sequence))
    return True


def _leave_room(tx: WriteTransaction, source: EventSource, next_position: int) -> None:
    c = feature_stream.c
    slowest = tx.conn.execute(select(func.min(c.next_position)).where(c.workspace_id == tx.workspace_id, c.source == source.name)).scalar()
    if slowest is not None and next_position - slowest > source.backlog:
        raise Busy(f"{next_position - slowest} events wait to be processed; {source.backlog} may.", retry_after_s=1, where=f"source '{source.name}'")


def _stamped(tx: WriteTransaction, source: EventSource, frame: pl.DataFrame, held: Any) -> pl.DataFrame:
    now = tx.clock.now_us()
    given = pl.lit(None, dtype=pl.Int64) if source.available_time is None else pl.col(source.available_time).to_physical()
    rows = frame.with_columns(
        (pl.int_range(pl.len(), dtype=pl.Int64) + held.next_position).alias(POSITION),
        pl.col(source.event_time).to_physical().cast(pl.Int64).alias(EVENT_US),
        given.fill_null(now).alias(AVAILABLE_US),
    )
    source.require_known(frame, now_us=now)
    # What was known never shrinks: availability follows the order of the log.
    rows = rows.with_columns(pl.max_horizontal(pl.col(AVAILABLE_US).cum_max(), pl.lit(held.available_us, dtype=pl.Int64)).alias(AVAILABLE_US))
    if source.available_time is None:
        return rows
    return rows.with_columns(pl.col(AVAILABLE_US).cast(pl.Datetime("us", "UTC")).alias(source.available_time))


_ID = {"event": "text", "revision": "int", "position": "int", "event_us": "int"}
_ONLY_NEWER = """
ON CONFLICT (workspace_id, source, event) DO UPDATE SET revision = excluded.revision, position = excluded.position, event_us = excluded.event_us
WHERE excluded.revision > event_id.revision
"""
_WHICH = """
SELECT position FROM event_id WHERE workspace_id = {w} AND source = {s} AND position >= {p} AND event IN (SELECT a FROM {given})
"""
_KNOWN = """
SELECT event, revision, position FROM event_id WHERE workspace_id = {w} AND source = {s} AND event IN (SELECT a FROM {given})
"""


def _once(tx: WriteTransaction, source: EventSource, rows: pl.DataFrame, held: Any) -> pl.DataFrame:
    """The rows that are new, or new revisions, with what they replace; and the index of ids brought up to date."""
    revision = pl.lit(0, dtype=pl.Int64) if source.revision is None else pl.col(source.revision).fill_null(0)
    rows = rows.with_columns(revision.alias("__revision"))
    revised = bool((rows["__revision"] > 0).any())
    # Several revisions in one batch go in one after the other, so that each replaces the one before.
    rounds = [group for _, group in sorted(rows.group_by("__revision"), key=lambda pair: pair[0])] if revised else [rows]
    kept: list[pl.DataFrame] = []
    for part in rounds:
        first = part.unique(source.event_id, keep="first", maintain_order=True)
        if held.ids_from_us is not None:
            _recall(tx, source, first, held)
        ids = first[source.event_id].to_list()
        before = _known(tx, source, ids) if revised else {}
        given = first.select(source.event_id, "__revision", POSITION, EVENT_US).sort(source.event_id).rows()  # sorted: neighbours lie on one page
        new = many.put(tx.conn, "event_id", fixed={**tx.stamp(), "source": source.name}, columns=_ID, rows=given, conflict=_ONLY_NEWER)
        taken = first
        if new < first.height:
            fixed = {"w": tx.workspace_id, "s": source.name, "p": held.next_position}
            here = {row[0] for row in many.run(tx.conn, _WHICH, fixed=fixed, kinds=("text",), rows=[(event,) for event in ids])}
            taken = first.filter(pl.col(POSITION).is_in(list(here)))
        if revised:
            replaced = [before.get(event) for event in taken[source.event_id].to_list()]
            taken = taken.with_columns(pl.Series(REPLACES, replaced, dtype=pl.Int64))
            gone = [
                {"source": source.name, "position": old, "by_position": new}
                for old, new in zip(replaced, taken[POSITION].to_list(), strict=True)
                if old is not None
            ]
            tx.insert(event_replaced, *gone)
        kept.append(taken)
    if not kept:
        return rows.clear().drop("__revision")
    return pl.concat(kept, how="diagonal").sort(POSITION).drop("__revision")


def _known(tx: WriteTransaction, source: EventSource, ids: list[str]) -> dict[str, int]:
    found = many.run(tx.conn, _KNOWN, fixed={"w": tx.workspace_id, "s": source.name}, kinds=("text",), rows=[(event,) for event in ids])
    return {event: position for event, _, position in found}


def _recall(tx: WriteTransaction, source: EventSource, rows: pl.DataFrame, held: Any) -> None:
    """Put ids that left the index back into it, where the log holds an event of that id: then the ordinary path sees the duplicate."""
    old = rows.filter((pl.col(EVENT_US) < held.ids_from_us) | (pl.col("__revision") > 0))
    if old.height:
        old = old.filter(~pl.col(source.event_id).is_in(list(_known(tx, source, old[source.event_id].to_list()))))
    if not old.height:
        return
    # A revision may have moved the event in time, so its predecessor is looked for everywhere.
    everything = bool((old["__revision"] > 0).any())
    times = old[EVENT_US].to_list()
    low, high = (-(2**62), held.ids_from_us) if everything else (min(times), max(times) + 1)
    past = events_between(tx.conn, tx.workspace_id, source, from_us=low, to_us=high, before_position=held.next_position)
    if past is None:
        return
    past = past.filter(pl.col(source.event_id).is_in(old[source.event_id].to_list()))
    ids = past[source.event_id].to_list()
    known = _known(tx, source, ids)
    revisions = past[source.revision].fill_null(0).to_list() if source.revision is not None else [0] * past.height
    back = [
        {"source": source.name, "event": event, "revision": revision, "position": position, "event_us": event_us}
        for event, revision, position, event_us in zip(ids, revisions, past[POSITION].to_list(), past[EVENT_US].to_list(), strict=True)
        if event not in known
    ]
    tx.insert(event_id, *back)
