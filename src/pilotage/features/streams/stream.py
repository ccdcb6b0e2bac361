"""A stream: one view over one source's log, and how far it has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import Refused
from pilotage.features.algebra.aggregator import AVAILABLE
from pilotage.features.definition import FeatureView
from pilotage.features.streams.inputs import Plan
from pilotage.features.streams.lease import stream_row
from pilotage.features.streams.log import read_log, source_of
from pilotage.features.tables import event_source, feature_stream
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

NEVER = -(2**62)


@dataclass(frozen=True)
class StreamStatus:
    """How a stream stands. ``lag_us``: how long the oldest waiting event has been available, 0 where none waits."""

    view: str
    source: str
    position: int
    waiting: int
    lag_us: int
    events: int
    late: int
    corrected: int
    refused: int
    watermark_us: int | None
    holder: str | None
    lease_until_us: int | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return dict(vars(self))


def open_stream(workspace: Workspace, view: FeatureView, *, source: str) -> Plan:
    """Set up the stream of ``view`` over the log of ``source``, from the log's beginning. Doing it again is a no-op.

    Raises
    ------
    InputError
        If the view does not fit the source.
    Refused
        If the view cannot run in a stream, or its definition is not the one the stream was opened with.
    """
    with workspace.read() as conn:
        plan = Plan(view, source_of(conn, workspace.id, source))

    def job(tx: WriteTransaction) -> None:
        c = feature_stream.c
        held = tx.conn.execute(select(c.view_hash, c.source).where(c.workspace_id == tx.workspace_id, c.view == view.ref)).first()
        if held is None:
            zero = dict.fromkeys(("next_position", "events", "late", "corrected", "refused", "fence"), 0)
            tx.insert(feature_stream, {"view": view.ref, "source": source, "view_hash": view.hash, "clock_us": NEVER, **zero})
            record(tx, type="features.stream.opened", subject=view.ref, body={"source": source, "view_hash": view.hash})
        elif (held.view_hash, held.source) != (view.hash, source):
            raise Refused(
                f"The stream of '{view.ref}' was opened with another definition or source.",
                why="its tiles hold what that definition counted",
                mend="give the view a new version and open a stream for it",
            )

    workspace.write(job)
    return plan


def stream_status(workspace: Workspace, view: str) -> StreamStatus:
    """How the stream of ``view`` (``name@version``) stands."""
    with workspace.read() as conn:
        held = stream_row(conn, workspace.id, view)
        s = event_source.c
        ahead = conn.execute(select(s.next_position).where(s.workspace_id == workspace.id, s.name == held.source)).scalar_one()
        first = read_log(conn, workspace.id, source_of(conn, workspace.id, held.source), from_position=held.next_position, limit=1)
    lag = 0 if first is None else max(0, workspace.clock.now_us() - int(first[AVAILABLE][0]))
    return StreamStatus(
        view=view,
        source=held.source,
        position=held.next_position,
        waiting=0 if first is None else ahead - held.next_position,
        lag_us=lag,
        events=held.events,
        late=held.late,
        corrected=held.corrected,
        refused=held.refused,
        watermark_us=held.watermark_us,
        holder=held.holder,
        lease_until_us=held.lease_until_us,
    )
