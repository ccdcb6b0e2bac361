"""Who may work a stream: one holder at a time, by lease, and a fence that grows with each holder.

A lease runs out by the clock, and a clock can be wrong or a process stand still; so the lease only decides who *may try*. What keeps two workers from
both counting the same events is the fence: every transaction of a worker checks that the stream still carries its number, and its offset is where the
worker thought it was. A worker that was overtaken meets :class:`LeaseLost` and has written nothing.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from pilotage.core import Conflict, NotFound
from pilotage.features.tables import feature_stream
from pilotage.store import Workspace, WriteTransaction


class LeaseLost(Conflict):
    """Another worker has the stream now. What this one was about to write was not written."""


def acquire(workspace: Workspace, view: str, *, holder: str, lease_us: int) -> int | None:
    """Take the stream of ``view`` (``name@version``) if nobody holds it, the lease has run out, or ``holder`` has it already.

    Returns the fence of the new lease, or None while another holds it.
    """

    def job(tx: WriteTransaction) -> int | None:
        held = stream_row(tx.conn, tx.workspace_id, view)
        now = tx.clock.now_us()
        if held.holder not in (None, holder) and held.lease_until_us > now:
            return None
        _set(tx, view, holder=holder, lease_until_us=now + lease_us, fence=held.fence + 1)
        return int(held.fence) + 1

    return workspace.write(job)


def renew(workspace: Workspace, view: str, *, fence: int, lease_us: int) -> None:
    """The heartbeat: hold the stream for another ``lease_us`` from now. Raises :class:`LeaseLost`."""

    def job(tx: WriteTransaction) -> None:
        require(tx, view, fence=fence)
        _set(tx, view, lease_until_us=tx.clock.now_us() + lease_us)

    workspace.write(job)


def let_go(workspace: Workspace, view: str, *, fence: int) -> None:
    """Give the stream back, if it is still held under ``fence``."""

    def job(tx: WriteTransaction) -> None:
        if stream_row(tx.conn, tx.workspace_id, view).fence == fence:
            _set(tx, view, holder=None, lease_until_us=None)

    workspace.write(job)


def require(tx: WriteTransaction, view: str, *, fence: int) -> Any:
    """The stream's row, if it still carries ``fence``. Raises :class:`LeaseLost`."""
    held = stream_row(tx.conn, tx.workspace_id, view)
    if held.fence != fence:
        raise LeaseLost(
            f"The stream of '{view}' has another worker.",
            where=f"held by {held.holder}, fence {held.fence}; this worker had {fence}",
            why="two workers would count the same events",
            mend="nothing needs mending: the other worker goes on where this one stopped",
        )
    return held


def stream_row(conn: Connection, workspace_id: str, view: str) -> Any:
    """The stream's row. Raises ``NotFound``."""
    c = feature_stream.c
    held = conn.execute(select(feature_stream).where(c.workspace_id == workspace_id, c.view == view)).first()
    if held is None:
        raise NotFound(f"There is no stream of '{view}'.", mend="open it first: pilotage features stream")
    return held


def _set(tx: WriteTransaction, view: str, **values: Any) -> None:
    c = feature_stream.c
    tx.conn.execute(update(feature_stream).where(c.workspace_id == tx.workspace_id, c.view == view).values(**values))
