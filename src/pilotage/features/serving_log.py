"""The serving log: what was served, kept so that it can be computed again and compared (:mod:`.skew`).

Serving never waits for it. :meth:`ServingLog.offer` decides by a hash of the entity's key whether this entity is in the sample, puts the vector into
a bounded buffer and returns; a thread of its own writes the buffer to the workspace, many vectors a commit. When the buffer is full, vectors are
dropped, counted, and the loss is written down beside the rows, so that a report knows what it has not seen. What is in the buffer when the process
is killed is lost: this log is a sample, not a record.

Personal features and request values are left out; an entity whose key is personal is kept as a keyed hash only.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

import msgspec
from sqlalchemy import func, select

from pilotage.core import InputError, PilotageError, new_id
from pilotage.features.online.tables import feature_served, feature_served_dropped
from pilotage.store import Prepared, Workspace, WriteTransaction, insert_missing, json_text

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_INSERT: Prepared = insert_missing(feature_served)


@dataclass(frozen=True, slots=True)
class ServedVector:
    """One view's features as served for one entity at ``at_us``; ``event_us`` and ``available_us`` are the stored row's, if there was one."""

    view: str
    definition: str
    entity: str
    at_us: int
    flag: str
    event_us: int | None
    available_us: int | None
    values: Mapping[str, Any]
    request_values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LogCounts:
    """What became of the vectors offered: ``sampled`` were in the sample; of those ``written`` stand in the workspace and ``dropped`` are lost."""

    offered: int
    sampled: int
    written: int
    dropped: int
    waiting: int
    last_error: str | None = None


@dataclass
class _Loss:
    rows: int
    from_us: int
    to_us: int


def entity_digest(workspace_id: str, entity: str) -> str:
    """A hash of the key under the workspace's id: decides the sample, and stands for a key that is personal. 128 bits, hex."""
    return hashlib.blake2b(entity.encode(), key=workspace_id.encode()[:64], digest_size=16).hexdigest()


def in_sample(digest: str, rate: float) -> bool:
    """Whether the entity of ``digest`` is in a sample of the share ``rate`` (0 to 1): always the same answer; a smaller sample lies in a larger."""
    return int(digest[:16], 16) < rate * 2.0**64


class ServingLog:
    """A bounded, sampled log of served vectors. Use it as a context manager, or call :meth:`close`.

    Parameters
    ----------
    rate
        The share of entities whose vectors are kept, 0 to 1.
    capacity
        How many vectors may wait to be written; more are dropped and counted.
    group
        How many vectors go into one commit at most.
    linger_s
        How long a vector may wait for others to share its commit.
    personal
        Names of features, request values and entity columns that are personal data, by view (``name@version``).
    """

    def __init__(
        self,
        workspace: Workspace,
        *,
        rate: float,
        capacity: int = 20_000,
        group: int = 2_000,
        linger_s: float = 0.2,
        personal: Mapping[str, frozenset[str]] | None = None,
        personal_keys: frozenset[str] = frozenset(),
    ) -> None:
        if not 0 <= rate <= 1:
            raise InputError(f"A sampling rate lies between 0 and 1, not {rate}.")
        if capacity < 1 or group < 1:
            raise InputError("The serving log's capacity and group must be at least 1.")
        self._workspace = workspace
        self._rate = rate
        self._capacity = capacity
        self._group = group
        self._linger_s = linger_s
        self._personal = dict(personal or {})
        self._personal_keys = personal_keys
        self._lock = threading.Lock()
        self._waiting: list[tuple[str, ServedVector]] = []
        self._losses: dict[str, _Loss] = {}
        self._offered = self._sampled = self._written = self._dropped = self._under_way = 0
        self._last_error: str | None = None
        self._closing = False
        self._wake = threading.Event()
        self._idle = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._work, name="pilotage-serving-log", daemon=True)
        self._thread.start()

    def offer(self, vectors: Sequence[ServedVector]) -> int:
        """Take the sampled ones of ``vectors``; return how many were taken. Never waits for the disk, never raises for want of room."""
        sampled = []
        for vector in vectors:
            digest = entity_digest(self._workspace.id, vector.entity)
            if in_sample(digest, self._rate):
                sampled.append((digest, vector))
        with self._lock:
            self._offered += len(vectors)
            self._sampled += len(sampled)
            room = 0 if self._closing else max(0, self._capacity - len(self._waiting) - self._under_way)
            self._waiting.extend(sampled[:room])
            for _, vector in sampled[room:]:
                self._lose(vector)
        if sampled:
            self._wake.set()
        return min(room, len(sampled))

    @property
    def counts(self) -> LogCounts:
        """What became of the vectors so far."""
        with self._lock:
            waiting = len(self._waiting) + self._under_way
            return LogCounts(self._offered, self._sampled, self._written, self._dropped, waiting, self._last_error)

    def flush(self) -> LogCounts:
        """Wait until everything taken so far is written or counted as dropped."""
        self._wake.set()
        with self._idle:
            self._idle.wait_for(lambda: not self._waiting and not self._under_way)
        return self.counts

    def close(self) -> LogCounts:
        """Write what waits, note what was dropped, and stop. Later vectors are dropped."""
        with self._lock:
            self._closing = True
        self._wake.set()
        self._thread.join()
        return self.counts

    def __enter__(self) -> ServingLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _lose(self, vector: ServedVector) -> None:
        self._dropped += 1
        loss = self._losses.setdefault(vector.view, _Loss(0, vector.at_us, vector.at_us))
        loss.rows += 1
        loss.from_us, loss.to_us = min(loss.from_us, vector.at_us), max(loss.to_us, vector.at_us)

    def _work(self) -> None:
        while True:
            self._wake.wait()
            with self._lock:
                self._wake.clear()
                closing = self._closing
                short = len(self._waiting) < self._group
            if short and not closing:
                self._linger()
            while self._write_group():
                pass
            if closing:
                return

    def _linger(self) -> None:
        """Let others join the commit; a call to flush or close ends the wait."""
        self._wake.wait(self._linger_s)

    def _write_group(self) -> bool:
        """Write one group; whether there was anything to write."""
        with self._lock:
            group, self._waiting = self._waiting[: self._group], self._waiting[self._group :]
            losses, self._losses = self._losses, {}
            self._under_way = len(group)
        if not group and not losses:
            with self._idle:
                self._idle.notify_all()
            return False
        error: PilotageError | None = None
        try:
            self._workspace.write(lambda tx: self._store(tx, group, losses))
        except PilotageError as failure:
            error = failure
        with self._idle:
            self._under_way = 0
            if error is None:
                self._written += len(group)
            else:
                self._last_error = error.what
                for _, vector in group:
                    self._lose(vector)
                for view, loss in losses.items():
                    held = self._losses.setdefault(view, _Loss(0, loss.from_us, loss.to_us))
                    held.rows += loss.rows
                    held.from_us, held.to_us = min(held.from_us, loss.from_us), max(held.to_us, loss.to_us)
            self._idle.notify_all()
        return error is None

    def _store(self, tx: WriteTransaction, group: list[tuple[str, ServedVector]], losses: Mapping[str, _Loss]) -> None:
        stamp = tx.stamp()
        _INSERT.run(tx.conn, [{**stamp, **self._row(digest, vector)} for digest, vector in group])
        tx.insert(
            feature_served_dropped,
            *(
                {"id": new_id("sd", clock=tx.clock), "view": view, "from_us": loss.from_us, "to_us": loss.to_us, "rows": loss.rows}
                for view, loss in losses.items()
            ),
        )

    def _row(self, digest: str, vector: ServedVector) -> dict[str, Any]:
        personal = self._personal.get(vector.view, frozenset())
        return {
            "id": new_id("sv", clock=self._workspace.clock),
            "view": vector.view,
            "definition": vector.definition,
            "at_us": vector.at_us,
            "entity": None if vector.view in self._personal_keys else vector.entity,
            "entity_digest": digest,
            "flag": vector.flag,
            "event_us": vector.event_us,
            "available_us": vector.available_us,
            "served_values": _encode({name: value for name, value in vector.values.items() if name not in personal}),
            "request_values": json_text({name: value for name, value in vector.request_values.items() if name not in personal}),
        }


@dataclass(frozen=True)
class ServedLog:
    """What the log holds of one view and stretch of time; ``dropped`` vectors were lost to backpressure in it."""

    vectors: tuple[ServedVector, ...]
    digests: tuple[str, ...]
    dropped: int


def served(workspace: Workspace, view: str, *, from_us: int, to_us: int) -> ServedLog:
    """The logged vectors of ``view`` (``name@version``) served in [from, to), oldest first. An entity whose key is personal reads as ``""``."""
    log, lost = feature_served.c, feature_served_dropped.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(feature_served)
            .where(log.workspace_id == workspace.id, log.view == view, log.at_us >= from_us, log.at_us < to_us)
            .order_by(log.at_us, log.id)
        ).all()
        dropped = conn.execute(
            select(func.sum(lost.rows)).where(lost.workspace_id == workspace.id, lost.view == view, lost.to_us >= from_us, lost.from_us < to_us)
        ).scalar()
    vectors = tuple(
        ServedVector(
            view=row.view,
            definition=row.definition,
            entity=row.entity or "",
            at_us=row.at_us,
            flag=row.flag,
            event_us=row.event_us,
            available_us=row.available_us,
            values=_decode(row.served_values),
            request_values=row.request_values,
        )
        for row in rows
    )
    return ServedLog(vectors, tuple(row.entity_digest for row in rows), int(dropped or 0))
