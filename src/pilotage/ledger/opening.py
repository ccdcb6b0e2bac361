"""Opening a workspace so that nothing is written on top of a broken ledger."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import bindparam, select, update

from pilotage.core import Clock
from pilotage.ledger.append import append
from pilotage.ledger.checking import WHOLE_UP_TO, broken, examine, refusal, verify
from pilotage.ledger.entry import HEAD
from pilotage.ledger.keys import held_keys
from pilotage.ledger.tables import ledger_entry, ledger_head
from pilotage.store import Ready, Workspace, WriteTransaction
from pilotage.store.schema import workspace as workspace_table


def create_workspace(location: str | Path, *, actor: str = "local", clock: Clock | None = None, key_dir: Path | str | None = None) -> Workspace:
    """Make the workspace if it is not there yet, bring its schema up to date, and open it. See :func:`open_workspace`."""
    return Workspace.create(location, actor=actor, clock=clock, guard=Guard(key_dir=key_dir))


def open_workspace(location: str | Path, *, actor: str = "local", clock: Clock | None = None, key_dir: Path | str | None = None) -> Workspace:
    """Open a workspace that exists. Its ledger is verified at the first write of this process.

    The whole ledger is verified up to 50,000 entries; a larger one from the newest checkpoint that a key in ``key_dir`` (a setting) signed. If it
    does not verify, every write raises ``IntegrityError`` with the first bad entry; reading goes on. The same if the workspace was sealed by a failed
    ``verify``, or if the ledger that this process saw is no longer there (a backup put back, or another history) when it next writes.

    Raises
    ------
    NotFound
        If there is no workspace.
    Refused
        If its schema is newer than this version of Pilotage, or older and not yet upgraded.
    """
    return Workspace.open(location, actor=actor, clock=clock, guard=Guard(key_dir=key_dir))


_HEAD_OF = (ledger_head.c.workspace_id == workspace_table.c.id) & (ledger_head.c.name == HEAD)
_SEEN_CHAIN = select(ledger_entry.c.chain_hash).where(ledger_entry.c.workspace_id == bindparam("workspace"), ledger_entry.c.seq == bindparam("seen"))
_STATE = Ready(
    select(workspace_table.c.sealed_reason, ledger_head.c.size, ledger_head.c.chain_hash, _SEEN_CHAIN.scalar_subquery().label("seen_chain"))
    .select_from(workspace_table.outerjoin(ledger_head, _HEAD_OF))
    .where(workspace_table.c.id == bindparam("workspace"))
)


class Guard:
    """Called by the writer at the start of every transaction; raises ``IntegrityError`` where nothing may be written."""

    def __init__(self, *, key_dir: Path | str | None = None) -> None:
        self._key_dir = key_dir
        self._verified = False
        self._refusal: str | None = None
        self._seen: tuple[int, bytes] | None = None

    def __call__(self, tx: WriteTransaction) -> None:
        state = _STATE.rows(tx.conn, {"workspace": tx.workspace_id, "seen": self._seen[0] if self._seen else 0})[0]
        sealed, size, chain = state["sealed_reason"], state["size"] or 0, state["chain_hash"] or b""
        if sealed is not None:
            raise refusal(sealed)
        if self._refusal is not None:
            raise refusal(self._refusal)
        if not self._verified:
            self._verify(tx, size=size)
        # What this process saw last must still be there, as it was.
        if self._seen is not None and (size < self._seen[0] or state["seen_chain"] != self._seen[1]):
            self._refusal = f"the first {self._seen[0]} entries that this process saw are no longer there: the ledger was put back or exchanged"
            raise refusal(self._refusal)
        # A head seen here is committed: the write lock is held, and our own entries of this transaction come later.
        self._seen = (size, chain) if size else None

    def _verify(self, tx: WriteTransaction, *, size: int) -> None:
        held = held_keys(tx.workspace_id, key_dir=self._key_dir)
        result = examine(tx.conn, tx.workspace_id, held=held, from_last_checkpoint=size > WHOLE_UP_TO).result
        if not result.ok:
            self._refusal = f"the ledger is broken from entry {result.first_bad_seq} on: {result.why}"
            raise refusal(self._refusal)
        self._verified = True


def reopen(workspace: Workspace, *, reason: str, actor: str | None = None, key_dir: Path | str | None = None) -> int:
    """Lift the seal that a failed ``verify`` put on the workspace, now that the ledger verifies again (a backup was put back, say).

    Why, and who says so, is the next entry. A process that met the broken ledger goes on refusing until it opens the workspace anew.

    Raises
    ------
    IntegrityError
        If the ledger still does not verify.
    """
    result = verify(workspace, key_dir=key_dir)
    if not result.ok:
        raise broken(result)
    table = workspace_table.c
    with workspace.engine.connect().execution_options(pilotage_write=True) as conn, conn.begin():
        sealed = conn.execute(select(table.sealed_reason).where(table.id == workspace.id)).scalar()
        conn.execute(update(workspace_table).where(table.id == workspace.id).values(sealed_reason=None))

    def say_so(tx: WriteTransaction) -> int:
        return append(tx, type="ledger.reopened", subject=tx.workspace_id, body={"reason": reason, "sealed": sealed}, actor=actor)

    return workspace.write(say_so)
