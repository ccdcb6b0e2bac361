"""What a person decides about a held batch: release it, or discard it. Both say why, and both are in the ledger."""

from __future__ import annotations

from sqlalchemy import select

from pilotage.core import Conflict, InputError, Refused
from pilotage.data.ingest.batch import Batch, load_batch, move
from pilotage.data.ingest.ingesting import finish
from pilotage.data.ingest.staging import delete_staged
from pilotage.data.ingest.state import find
from pilotage.data.ingest.tables import ingest_batch
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

_NOBODY = ("", "local", "system", "schedule")


def release(workspace: Workspace, batch_id: str, *, reason: str, by: str | None = None) -> Batch:
    """Publish a held batch on a person's word. Its version still has to pass (or be accepted at) the gate before anything trains on it.

    Parameters
    ----------
    by
        Who decides. Default: the workspace's actor. It has to be somebody's name.

    Raises
    ------
    Conflict
        If the batch is not held, or a later batch of the source has been written over what it would write.
    InputError
        If there is no reason.
    Refused
        If nobody in particular decides.
    """
    who = _person(workspace, by, reason)
    batch = load_batch(workspace, batch_id)
    if batch.state == "gated" and "released" in batch.origin:  # released before, and killed on the way
        return finish(workspace, batch_id)

    def job(tx: WriteTransaction) -> None:
        found = find(tx, batch_id)
        assert found is not None  # noqa: S101 - loaded above; batches are never removed
        _require_held(found.state, batch_id)
        if found.config["write"] != "append":
            _require_last(tx, found)
        origin = {**found.origin, "released": {"by": who, "reason": reason}}
        move(tx, batch_id, out_of=("held",), to="gated", origin=origin)
        record(tx, type="ingest.released", subject=batch_id, body={"reason": reason, "held_because": found.reason}, actor=who)

    workspace.write(job)
    return finish(workspace, batch_id)


def discard(workspace: Workspace, batch_id: str, *, reason: str, by: str | None = None) -> Batch:
    """Give up a held batch: its staged rows are deleted, its record and quarantine stay. Raises as :func:`release`."""
    who = _person(workspace, by, reason)
    load_batch(workspace, batch_id)

    def job(tx: WriteTransaction) -> None:
        found = find(tx, batch_id)
        assert found is not None  # noqa: S101 - loaded above; batches are never removed
        _require_held(found.state, batch_id)
        move(tx, batch_id, out_of=("held",), to="discarded", reason=reason)
        record(tx, type="ingest.discarded", subject=batch_id, body={"reason": reason, "held_because": found.reason}, actor=who)

    workspace.write(job)
    delete_staged(workspace, batch_id)
    return load_batch(workspace, batch_id)


def _person(workspace: Workspace, by: str | None, reason: str) -> str:
    if not reason.strip():
        raise InputError("A decision about a held batch needs a reason.", why="whoever reads the ledger must understand it", mend="say why")
    who = workspace.actor if by is None else by
    if who.strip().lower() in _NOBODY or who.startswith(("run:", "job:", "model:", "rule:")):
        raise Refused(
            f"A held batch is decided on by a person, not by '{who}'.", why="a machine never counts as a person", mend="say who: pilotage --as NAME"
        )
    return who


def _require_held(state: str, batch_id: str) -> None:
    if state != "held":
        raise Conflict(f"The batch {batch_id} is not held, it is {state}.", mend="see 'pilotage data batches'")


def _require_last(tx: WriteTransaction, held: object) -> None:
    table = ingest_batch.c
    row = held._mapping  # type: ignore[attr-defined]
    later = tx.conn.execute(
        select(table.id)
        .where(
            table.workspace_id == tx.workspace_id,
            table.dataset == row["dataset"],
            table.state == "published",
            table.created_at > row["created_at"],
            table.id != row["id"],
        )
        .limit(1)
    ).scalar()
    if later is not None:
        raise Conflict(
            f"A later batch of '{row['dataset']}' has been published since: {later}.",
            where=f"batch {row['id']}",
            why="releasing this one would put older rows over newer ones",
            mend="discard it, and have the rows sent again if they are still right",
        )
