"""One writer thread with group commit.

Jobs are functions of a :class:`WriteTransaction`. Those that wait while a commit is under way go into the next transaction together, each in its
own savepoint: a job that fails is undone alone. :meth:`Writer.submit` returns a future that is done when the job's rows are **durable** (SQLite:
WAL with ``synchronous=FULL``; PostgreSQL: ``synchronous_commit=on``), never before.

Cost: one disk sync per group, so throughput grows with the number of callers while each waits for about one or two syncs.

No write goes without its sync, small as it may be. Each may add to the ledger, whose head others read, copy and anchor at once: were an entry lost
in a power cut after that, the ledger that is left would contradict its own anchor.
"""

from __future__ import annotations

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from sqlalchemy import Connection, Engine, Table, insert
from sqlalchemy.exc import DBAPIError, OperationalError

from pilotage.core import Clock, PilotageError, Unavailable
from pilotage.store.journal import make_room
from pilotage.store.ready import inserting, run_text

T = TypeVar("T")
P = TypeVar("P", bound="Participant")

MAX_JOBS_IN_A_GROUP = 512
_RETRIES = 8
_GOES_ON = 512  # a process that wrote as often will go on writing


class Participant(Protocol):
    """State that lives as long as one transaction (the ledger's pending entries, say) and follows its savepoints."""

    def mark(self) -> object:
        """A token for the state as it is now."""
        ...

    def rollback(self, mark: object) -> None:
        """Go back to ``mark``: the job since then was undone."""
        ...

    def flush(self, tx: WriteTransaction) -> None:
        """Write what is pending; called once, just before the commit."""
        ...


@dataclass
class WriteTransaction:
    """What a job may use. ``conn`` is inside one open transaction; a job never commits or rolls back."""

    conn: Connection
    workspace_id: str
    actor: str
    clock: Clock
    participants: dict[type, Participant] = field(default_factory=dict)

    def stamp(self, *, actor: str | None = None) -> dict[str, Any]:
        """The columns every row has: workspace, who, when."""
        return {"workspace_id": self.workspace_id, "created_by": actor or self.actor, "created_at": self.clock.now_us()}

    def insert(self, table: Table, *rows: dict[str, Any], actor: str | None = None) -> None:
        """Insert ``rows``, stamped."""
        if not rows:
            return
        stamp = self.stamp(actor=actor)
        ready = inserting(table, tuple({**stamp, **rows[0]}))
        if ready is None:
            self.conn.execute(insert(table), [{**stamp, **row} for row in rows])
            return
        statement, defaults = ready
        statement.run_many(self.conn, [{**stamp, **defaults, **row} for row in rows])

    def participant(self, kind: type[P], make: Callable[[], P]) -> P:
        """The transaction's one participant of ``kind``, made at first use."""
        found = self.participants.get(kind)
        if found is None:
            found = self.participants[kind] = make()
        return cast(P, found)


Job = Callable[[WriteTransaction], T]


class _Stop:
    pass


class Writer:
    """The only way rows get into a workspace. One per process and workspace; other processes take turns through the database's own lock."""

    def __init__(self, engine: Engine, *, workspace_id: str, actor: str, clock: Clock, guard: Job[None] | None = None) -> None:
        self._engine = engine
        self._workspace_id = workspace_id
        self._actor = actor
        self._clock = clock
        self._guard = guard
        self._jobs: queue.SimpleQueue[tuple[Job[Any], Future[Any]] | _Stop] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    def submit(self, job: Job[T]) -> Future[T]:
        """Queue ``job``. The future holds its result once its rows are durable, or its error once they are undone."""
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise Unavailable("This workspace is closed.", mend="open it again")
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="pilotage-writer", daemon=True)
                self._thread.start()
            self._jobs.put((job, future))
        return future

    def write(self, job: Job[T]) -> T:
        """Run ``job`` and return its result when its rows are durable."""
        return self.submit(job).result()

    def close(self) -> None:
        """Finish what is queued, then stop. Later submissions are refused."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            thread = self._thread
            self._jobs.put(_Stop())
        if thread is not None:
            thread.join()

    def _work(self) -> None:
        for turn in itertools.count(1):
            group, stop = self._next_group()
            if group:
                self._write_group(group)
            if stop:
                return
            if turn == _GOES_ON:
                make_room(self._engine)

    def _next_group(self) -> tuple[list[tuple[Job[Any], Future[Any]]], bool]:
        group: list[tuple[Job[Any], Future[Any]]] = []
        entry = self._jobs.get()
        while True:
            if isinstance(entry, _Stop):
                return group, True
            group.append(entry)
            if len(group) >= MAX_JOBS_IN_A_GROUP:
                return group, False
            try:
                entry = self._jobs.get_nowait()
            except queue.Empty:
                return group, False

    def _write_group(self, group: list[tuple[Job[Any], Future[Any]]]) -> None:
        live = [(job, future) for job, future in group if future.set_running_or_notify_cancel()]
        for attempt in range(_RETRIES):
            try:
                outcomes = self._attempt([job for job, _ in live])
            except OperationalError as error:
                # Another process holds the database, or PostgreSQL broke a deadlock by cancelling us: nothing was written, so try again.
                if attempt == _RETRIES - 1:
                    self._fail(live, _unavailable(error))
            except BaseException as error:  # delivered to every waiting caller
                self._fail(live, error)
                return
            else:
                for (_, future), (result, failure) in zip(live, outcomes, strict=True):
                    if failure is None:
                        future.set_result(result)
                    else:
                        future.set_exception(failure)
                return

    @staticmethod
    def _fail(live: list[tuple[Job[Any], Future[Any]]], error: BaseException) -> None:
        for _, future in live:
            future.set_exception(error)

    def _attempt(self, jobs: list[Job[Any]]) -> list[tuple[Any, BaseException | None]]:
        with self._engine.connect().execution_options(pilotage_write=True) as conn, conn.begin():
            if conn.dialect.name == "postgresql":
                # One writer at a time per workspace, as SQLite has by nature: the ledger's order is the commit order.
                run_text(conn, "SELECT pg_advisory_xact_lock(hashtext(%s))", [self._workspace_id])
            tx = WriteTransaction(conn, self._workspace_id, self._actor, self._clock)
            if self._guard is not None:
                self._guard(tx)
            # A job alone needs no savepoint: if it fails, the transaction does.
            alone = len(jobs) == 1
            outcomes: list[tuple[Any, BaseException | None]] = [(jobs[0](tx), None)] if alone else [self._run(tx, job) for job in jobs]
            for participant in tx.participants.values():
                participant.flush(tx)
        return outcomes

    @staticmethod
    def _run(tx: WriteTransaction, job: Job[Any]) -> tuple[Any, BaseException | None]:
        marks = {kind: participant.mark() for kind, participant in tx.participants.items()}
        run_text(tx.conn, "SAVEPOINT job")
        try:
            result = job(tx)
        except OperationalError:
            raise
        except Exception as error:
            run_text(tx.conn, "ROLLBACK TO SAVEPOINT job")
            run_text(tx.conn, "RELEASE SAVEPOINT job")
            for kind, participant in list(tx.participants.items()):
                if kind in marks:
                    participant.rollback(marks[kind])
                else:
                    del tx.participants[kind]
            return None, error
        run_text(tx.conn, "RELEASE SAVEPOINT job")
        return result, None


def _unavailable(error: DBAPIError) -> PilotageError:
    return Unavailable(
        f"The workspace's database did not take the write: {error.orig}",
        why="another process may hold it, or the disk may be full",
        mend="see who else has the workspace open and how much disk is free, then run the same command again",
    )


@contextlib.contextmanager
def reading(engine: Engine) -> Any:
    """A connection with one consistent snapshot, for reading only."""
    with engine.connect() as conn, conn.begin():
        if conn.dialect.name == "postgresql":
            run_text(conn, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield conn
