"""The workspace: where everything of a team lives.

A folder (SQLite in WAL mode, and files beside it) or a URL of a PostgreSQL database with ``?workspace=<name>&blobs=<folder>``. The same code and the
same tests run on both. Open one with :func:`pilotage.ledger.open_workspace`, which also refuses to write to a workspace whose ledger is broken.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, wait
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

from sqlalchemy import Connection, Engine, create_engine, event, insert, select
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from pilotage.core import Clock, InputError, NotFound, SystemClock, Unavailable, new_id
from pilotage.store.blobs import Blobs
from pilotage.store.journal import PAGES, make_room
from pilotage.store.migrate import check_schema, upgrade
from pilotage.store.page_cache import NORMAL, PageCache
from pilotage.store.ready import run_text
from pilotage.store.schema import workspace as workspace_table
from pilotage.store.writer import Job, Writer, WriteTransaction, reading

T = TypeVar("T")
DATABASE_FILE = "pilotage.db"


class Workspace:
    """An open workspace. Use it as a context manager, or call :meth:`close`."""

    def __init__(
        self,
        engine: Engine,
        *,
        location: str,
        workspace_id: str,
        name: str,
        blobs: Blobs,
        files: Path,
        clock: Clock,
        actor: str,
        guard: Job[None] | None,
    ) -> None:
        self.engine = engine
        self.location = location
        self.id = workspace_id
        self.name = name
        self.blobs = blobs
        self.files = files
        """The folder beside the blobs in which a room keeps files of another form, in a folder of its own."""
        self.clock = clock
        self.actor = actor
        self._cache = PageCache(engine)
        self._writer: Writer = Writer(engine, workspace_id=workspace_id, actor=actor, clock=clock, guard=guard)

    @classmethod
    def create(cls, location: str | Path, *, actor: str = "local", clock: Clock | None = None, guard: Job[None] | None = None) -> Workspace:
        """Make the workspace if it is not there yet, bring its schema up to date, and open it."""
        return cls._open(location, actor=actor, clock=clock or SystemClock(), guard=guard, create=True)

    @classmethod
    def open(cls, location: str | Path, *, actor: str = "local", clock: Clock | None = None, guard: Job[None] | None = None) -> Workspace:
        """Open a workspace that exists.

        Raises
        ------
        NotFound
            If there is none.
        Refused
            If its schema is newer than this version of Pilotage, or older and not yet upgraded.
        """
        return cls._open(location, actor=actor, clock=clock or SystemClock(), guard=guard, create=False)

    @classmethod
    def _open(cls, location: str | Path, *, actor: str, clock: Clock, guard: Job[None] | None, create: bool) -> Workspace:
        url, name, blob_folder = _locate(location)
        if url.get_backend_name() == "sqlite":
            file = Path(str(url.database))
            if create:
                file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                _make_private(file)
            elif not file.exists():
                raise NotFound(
                    "There is no workspace here.",
                    where=str(location),
                    mend="run 'pilotage init' to make one, or name another with --workspace",
                )
        engine = _engine(url)
        try:
            if create:
                upgrade(engine)
            else:
                check_schema(engine)
            workspace_id = _find_or_make(engine, name, actor=actor, clock=clock, create=create)
        except DBAPIError as error:
            engine.dispose()
            raise Unavailable(
                f"The workspace's database cannot be opened: {error.orig}",
                where=str(location),
                mend="check the location and that the database runs",
            ) from error
        except BaseException:
            engine.dispose()
            raise
        return cls(
            engine,
            location=str(location),
            workspace_id=workspace_id,
            name=name,
            blobs=Blobs(blob_folder),
            files=blob_folder if url.get_backend_name() == "postgresql" else blob_folder.parent,
            clock=clock,
            actor=actor,
            guard=guard,
        )

    def read(self) -> AbstractContextManager[Connection]:
        """A connection with one consistent snapshot, for reading only."""
        reader: AbstractContextManager[Connection] = reading(self.engine)
        return reader

    def write(self, job: Callable[[WriteTransaction], T]) -> T:
        """Run ``job`` in the single writer and return its result once its rows are durable. All or nothing."""
        return self._writer.write(job)

    def submit(self, job: Callable[[WriteTransaction], T]) -> Future[T]:
        """As :meth:`write`, without waiting."""
        return self._writer.submit(job)

    def expect_writing(self) -> None:
        """Prepare for many small writes, as a server does when it starts (:mod:`pilotage.store.journal`). Without it they are slower, and as safe."""
        make_room(self.engine)

    def write_each(self, jobs: Iterable[Callable[[WriteTransaction], T]]) -> Iterator[T]:
        """The results of ``jobs`` in order, each in a transaction of its own; the next job is made while one is being written.

        For many rows: SQLite's page cache may grow to 256 MB. Whatever making a job raises, those before it are on the disk when it arrives here.
        """

        def roomy(job: Callable[[WriteTransaction], T], tx: WriteTransaction) -> T:
            self._cache.grow(tx.conn)
            return job(tx)

        under_way: Future[T] | None = None
        with self._cache.importing():
            try:
                for job in jobs:
                    if under_way is not None:
                        earlier, under_way = under_way, None
                        yield earlier.result()
                    under_way = self.submit(partial(roomy, job))
            except BaseException:
                if under_way is not None:
                    wait([under_way])
                raise
            if under_way is not None:
                yield under_way.result()

    def acting_as(self, actor: str) -> Workspace:
        """The same workspace with everything written in the name of ``actor``: for a server, through which several people act. Do not close it."""
        made = copy.copy(self)
        made.actor = actor
        made._writer = cast(Writer, _InTheNameOf(self._writer, actor))
        return made

    async def write_async(self, job: Callable[[WriteTransaction], T]) -> T:
        """As :meth:`write`, for use inside an event loop."""
        return await asyncio.wrap_future(self._writer.submit(job))

    def close(self) -> None:
        """Finish queued writes and let go of the database."""
        self._writer.close()
        self.engine.dispose()

    def __enter__(self) -> Workspace:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


class _InTheNameOf:
    """The writer of a workspace, for one person: the same queue and groups, another actor in the transaction."""

    def __init__(self, writer: Writer, actor: str) -> None:
        self._writer, self._actor = writer, actor

    def write(self, job: Callable[[WriteTransaction], T]) -> T:
        return self.submit(job).result()

    def submit(self, job: Callable[[WriteTransaction], T]) -> Future[T]:
        return self._writer.submit(lambda tx: job(replace(tx, actor=self._actor)))

    def close(self) -> None:
        """The writer stays open: it is not this one's to close."""


def _locate(location: str | Path) -> tuple[URL, str, Path]:
    """The database URL, the workspace's name and the folder of its blobs."""
    text = str(location)
    if "://" not in text:
        folder = Path(text).expanduser().resolve()
        return URL.create("sqlite", database=str(folder / DATABASE_FILE)), "main", folder / "blobs"
    try:
        url = make_url(text)
    except ArgumentError as error:
        raise InputError("The workspace's location is neither a folder nor a database URL.", where=text) from error
    if url.get_backend_name() != "postgresql":
        raise InputError(
            "A workspace's URL must name a PostgreSQL database.",
            where=str(url),
            mend="use postgresql+psycopg://…, or a folder",
        )
    options: dict[str, Any] = dict(parse_qsl(text.partition("?")[2]))
    blobs = options.get("blobs")
    if not blobs:
        raise InputError(
            "A workspace URL must say where files go.",
            where=url.render_as_string(),
            mend="add ?workspace=<name>&blobs=<folder>",
        )
    url = url.difference_update_query(["workspace", "blobs"]).set(drivername="postgresql+psycopg")
    return url, options.get("workspace", "main"), Path(blobs)


def _make_private(file: Path) -> None:
    """Make the database's file, for its owner only, before SQLite would make it for everybody. Its journals get the mode of the file."""
    with contextlib.suppress(FileExistsError):
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))


def _engine(url: URL) -> Engine:
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": 30.0, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves; the driver's own transactions start too late
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            f"cache_size={NORMAL}",
            "temp_store=MEMORY",
            # Keys are hashes, so a batch touches pages all over an index: copied back every 32 MB they are written once, not once a batch.
            f"wal_autocheckpoint={PAGES}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(conn: Connection) -> None:
        run_text(conn, "BEGIN IMMEDIATE" if conn.get_execution_options().get("pilotage_write") else "BEGIN")

    return engine


def _find_or_make(engine: Engine, name: str, *, actor: str, clock: Clock, create: bool) -> str:
    with engine.connect().execution_options(pilotage_write=create) as conn, conn.begin():
        found = conn.execute(select(workspace_table.c.id).where(workspace_table.c.name == name)).scalar()
        if found is not None:
            return str(found)
        if not create:
            raise NotFound(f"This database holds no workspace named '{name}'.", mend="run 'pilotage init' to make it")
        made = new_id("ws", clock=clock)
        conn.execute(insert(workspace_table).values(id=made, name=name, created_by=actor, created_at=clock.now_us(), lock_version=1))
        return made
