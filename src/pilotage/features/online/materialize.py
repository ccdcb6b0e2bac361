"""Filling the online store by the batch path, and copying it to another store."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from pilotage.core import Refused
from pilotage.features.definition import FeatureView
from pilotage.features.online.database import DatabaseStore
from pilotage.features.online.store import OnlineRow, OnlineStore
from pilotage.features.online.tables import feature_online
from pilotage.ledger import record
from pilotage.store import Workspace

if TYPE_CHECKING:
    import polars as pl

_ROWS_A_WRITE = 20_000


@dataclass(frozen=True)
class Materialized:
    """What filling the online store did: of ``entities``, ``written`` now stand and ``older`` gave way to newer ones.

    ``dropped`` rows of another definition were taken away first.
    """

    view: str
    definition: str
    as_of_us: int
    entities: int
    written: int
    older: int
    dropped: int

    def to_dict(self) -> dict[str, Any]:
        """The record as plain data."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def __str__(self) -> str:
        more = f", {self.older} gave way to newer ones" if self.older else ""
        gone = f", {self.dropped} of another definition taken away" if self.dropped else ""
        return f"{self.view}: {self.written:,} of {self.entities:,} entities written{more}{gone}"


def materialize(
    workspace: Workspace,
    view: FeatureView,
    source: pl.LazyFrame | str | None = None,
    *,
    as_of_us: int | None = None,
    store: OnlineStore | None = None,
) -> Materialized:
    """Compute ``view`` for every entity of ``source`` and write it to the online store.

    A row that is already newer there (a stream wrote it meanwhile) stays. Rows of another definition under the view's name and version go first. The
    work may be stopped and done again: what stands is never older than before. After rows were withdrawn from the source, drop the view's online rows
    first (``store.drop(view.ref)``): a state without a person's rows may be older than the one with them.

    Parameters
    ----------
    source
        The rows of the view's source, or the ref of a version of it. Default: the latest version.
    as_of_us
        The moment the states are made for (default: now). They may be read at that moment or later.
    store
        Default: the workspace's own database.

    Cost: memory for the columns the view reads; above 50,000 entities a second for row features on SQLite.
    """
    from pilotage.features.engines import engine
    from pilotage.features.online.states import online_rows

    at = workspace.clock.now_us() if as_of_us is None else as_of_us
    if at > workspace.clock.now_us():
        raise Refused(
            "The online store cannot be filled as of a moment to come.", why="what will be known by then is not known", mend="leave as_of out"
        )
    target = store or DatabaseStore(workspace)
    if source is None or isinstance(source, str):
        from pilotage.data.tabular import scan

        source = scan(workspace, source or view.source, columns=view.source_columns())
    rows = engine().rows(view, source)
    dropped = target.drop(view.ref, keep=view.hash)
    entities = written = older = 0
    made = online_rows(view, rows, as_of_us=at)
    while part := list(islice(made, _ROWS_A_WRITE)):
        put = target.put(view.ref, view.hash, part)
        entities, written, older = entities + len(part), written + put.written, older + put.older
    done = Materialized(view.ref, view.hash, at, entities, written, older, dropped)
    workspace.write(lambda tx: record(tx, type="features.materialized", subject=view.ref, body=done.to_dict()))
    return done


def copy_online(workspace: Workspace, view: FeatureView, *, to: OnlineStore, since_us: int = 0) -> int:
    """Copy the rows of ``view`` written to the workspace's database at or after ``since_us`` to another store; return how many stand there.

    For a stream that writes its online rows in the transaction of its offset, and readers that use Redis: copying again is harmless.
    """
    held = feature_online.c
    with workspace.read() as conn:
        found = conn.execute(
            select(held.entity, held.event_us, held.available_us, held.blob).where(
                held.workspace_id == workspace.id, held.view == view.ref, held.definition == view.hash, held.created_at >= since_us
            )
        ).all()
    return to.put(view.ref, view.hash, [OnlineRow(row.entity, row.event_us, row.available_us, row.blob) for row in found]).written
