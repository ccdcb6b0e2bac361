"""Signed heads: a checkpoint says, under a key kept elsewhere, how many entries there are and what they hash to.

Whoever rewrites entries that a checkpoint covers cannot sign the new head. Nothing is signed that was not verified since the checkpoint before it.
The form is a C2SP tlog-checkpoint (origin, size, root) in a C2SP signed note, with the chain's hash as an extension line.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import select

from pilotage.core import MICROSECONDS, NotFound, Refused
from pilotage.ledger.append import append
from pilotage.ledger.checking import bodies, broken, examine, seal
from pilotage.ledger.entry import head
from pilotage.ledger.keys import SigningKey, change_note, held_keys, keep_key, key_folder, load_key, make_key, promote_key, trust_key
from pilotage.ledger.tables import ledger_checkpoint, ledger_entry
from pilotage.ledger.verify import KEY_ENTRY, head_text, origin_of, read_keys, write_note
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class Checkpoint:
    """A signed head."""

    size: int
    """The entries it covers: 1 to ``size``."""
    root: str
    """Root of the tree over them, 64 hexadecimal characters."""
    note: str
    """The signed note, as it may be published."""
    key_id: str
    created_at: int

    def __str__(self) -> str:
        return f"checkpoint: {self.size} entries, root {self.root[:16]}…, signed by key {self.key_id}"


def checkpoint(workspace: Workspace, *, key_dir: Path | str | None = None) -> Checkpoint:
    """Verify what was added since the last checkpoint and sign the head. If nothing was added, the last checkpoint is returned.

    The first checkpoint of a workspace makes its key, in ``key_dir`` (the setting of that name unless given), and records it.

    Raises
    ------
    Refused
        If ``key_dir`` lies inside the workspace, the key file can be read by others, or the key in force is not on this machine.
    IntegrityError
        If the ledger does not verify; the workspace is sealed.
    """
    return _checkpoint(workspace, folder=key_folder(workspace, key_dir=key_dir))


def checkpoint_due(workspace: Workspace, *, every_entries: int = 1_000, every_s: float = 3_600.0) -> bool:
    """Whether ``every_entries`` entries or more, or one older than ``every_s`` seconds, are covered by no checkpoint yet. Two look-ups."""
    now = head(workspace)
    if now.size - now.signed_until >= every_entries:
        return True
    table = ledger_entry.c
    with workspace.read() as conn:
        oldest = conn.execute(select(table.created_at).where(table.workspace_id == workspace.id, table.seq == now.signed_until + 1)).scalar()
    return oldest is not None and workspace.clock.now_us() - oldest >= every_s * MICROSECONDS


def checkpoint_if_due(
    workspace: Workspace, *, every_entries: int = 1_000, every_s: float = 3_600.0, key_dir: Path | str | None = None
) -> Checkpoint | None:
    """The automatic policy: call it now and then, and at the end of a command; signs only when due. None if it was not."""
    if not checkpoint_due(workspace, every_entries=every_entries, every_s=every_s):
        return None
    return checkpoint(workspace, key_dir=key_dir)


def rotate_key(workspace: Workspace, *, reason: str, old_key_lost: bool = False, key_dir: Path | str | None = None) -> Checkpoint:
    """Put a new signing key in force: an entry names it, signed by the new key and the old; then sign the head with it.

    ``old_key_lost`` allows it without the old key. The ledger then shows a break: whoever holds only the old public key will see a foreign signer.

    Raises
    ------
    NotFound
        If the workspace has no key yet.
    Refused
        If the old key is not on this machine and is not said to be lost.
    """
    folder = key_folder(workspace, key_dir=key_dir)
    before = _key_in_force(workspace)
    if before is None:
        raise NotFound("This workspace has no signing key to rotate yet.", mend="make its first checkpoint")
    old = None if old_key_lost else _signing_key(workspace, folder=folder)
    if old is not None:
        _checkpoint(workspace, folder=folder)
    new = make_key(workspace.id)
    keep_key(workspace.id, new, folder=folder, waiting=True)  # in place only once the ledger names it; a crash in between is mended at the next use
    note = change_note(old, new, before=before)

    def name_it(tx: WriteTransaction) -> None:
        append(tx, type=KEY_ENTRY, subject=new.key_id, body={"key": new.public, "note": note, "reason": reason})

    workspace.write(name_it)
    trust_key(workspace.id, new.public, folder=folder)
    promote_key(workspace.id, folder=folder)
    return _checkpoint(workspace, folder=folder)


def last_checkpoint(workspace: Workspace) -> Checkpoint | None:
    """The newest checkpoint in the workspace, as stored; None if there is none."""
    table = ledger_checkpoint.c
    query = select(ledger_checkpoint).where(table.workspace_id == workspace.id).order_by(table.size.desc()).limit(1)
    with workspace.read() as conn:
        row = conn.execute(query).first()
    return None if row is None else _from_row(row)


def _checkpoint(workspace: Workspace, *, folder: Path) -> Checkpoint:
    key = _signing_key(workspace, folder=folder)
    with workspace.read() as conn:
        seen = examine(conn, workspace.id, held=held_keys(workspace.id, key_dir=folder), from_last_checkpoint=True)
    if not seen.result.ok:
        seal(workspace, seen.result)
        raise broken(seen.result)
    tree = seen.history.tree
    origin = origin_of(workspace.id)
    text = head_text(origin, size=tree.size, root=tree.root(), chain=seen.history.chain)
    row = {
        "size": tree.size,
        "root": tree.root(),
        "frontier": tree.to_bytes(),
        "note": write_note(text, [key.sign(text)]),
        "key_id": key.key_id,
    }

    def keep(tx: WriteTransaction) -> Checkpoint:
        table = ledger_checkpoint.c
        query = select(ledger_checkpoint).where(table.workspace_id == tx.workspace_id, table.size == row["size"])
        found = tx.conn.execute(query).first()
        if found is None:
            tx.insert(ledger_checkpoint, row)
            found = tx.conn.execute(query).one()
        return _from_row(found)

    return workspace.write(keep)


def _from_row(row: Any) -> Checkpoint:
    return Checkpoint(size=row.size, root=row.root.hex(), note=row.note, key_id=row.key_id, created_at=row.created_at)


def _key_in_force(workspace: Workspace) -> str | None:
    with workspace.read() as conn:
        keys, _ = read_keys(origin_of(workspace.id), bodies(conn, workspace.id, type=KEY_ENTRY))
    return keys[-1].key if keys else None


def _signing_key(workspace: Workspace, *, folder: Path) -> SigningKey:
    """The private key in force; made and recorded if the workspace never had one."""
    in_force = _key_in_force(workspace)
    key = load_key(workspace.id, folder=folder)
    if in_force is None:
        if key is None:
            keep_key(workspace.id, make_key(workspace.id), folder=folder)
            key = load_key(workspace.id, folder=folder)
        assert key is not None  # noqa: S101 - just kept
        _record_first_key(workspace, key)
        in_force = _key_in_force(workspace)
    if key is None or key.public != in_force:
        waiting = load_key(workspace.id, folder=folder, waiting=True)
        if waiting is None or waiting.public != in_force:
            raise Refused(
                "The signing key of this workspace is not on this machine.",
                where=str(folder / f"{workspace.id}.key"),
                why="a head signed by another key would look like a forgery",
                mend="bring the key file here, sign where it is, or rotate the key and say that the old one is lost",
            )
        promote_key(workspace.id, folder=folder)  # a rotation was cut short after the ledger named the new key
        key = waiting
    trust_key(workspace.id, key.public, folder=folder)
    return key


def _record_first_key(workspace: Workspace, key: SigningKey) -> None:
    note = change_note(None, key, before=None)

    def name_it(tx: WriteTransaction) -> None:
        table = ledger_entry.c
        named = tx.conn.execute(select(table.seq).where(table.workspace_id == tx.workspace_id, table.type == KEY_ENTRY).limit(1)).scalar()
        if named is None:  # another process may have come first
            append(tx, type=KEY_ENTRY, subject=key.key_id, body={"key": key.public, "note": note})

    workspace.write(name_it)
