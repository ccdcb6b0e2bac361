"""Anchors: the signed head written to another place, where whoever rewrites the database cannot reach it.

Up to an anchor, a cut, a rollback or a fork is seen even if the writer of the ledger, who holds the key, made it. An anchor file is appended to,
never rewritten; put it on another machine's disk, in a repository, or on write-once storage. One file may serve many workspaces.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from pilotage.core import Refused, Unavailable, iso, new_id
from pilotage.ledger.append import append
from pilotage.ledger.checking import broken, verify
from pilotage.ledger.checkpoints import checkpoint
from pilotage.ledger.tables import ledger_anchor
from pilotage.ledger.verify import origin_of
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class Anchor:
    """A head that was written elsewhere."""

    size: int
    """The entries it covers: 1 to ``size``."""
    place: str
    note: str

    def __str__(self) -> str:
        return f"anchored: {self.size} entries, in {self.place}"


def anchor(workspace: Workspace, *, path: Path | str, key_dir: Path | str | None = None) -> Anchor:
    """Sign the head and append it to the file ``path``; durable on return. The anchor is recorded in the ledger, as the next entry.

    Raises
    ------
    Refused
        If ``path`` lies inside the workspace, or ``checkpoint`` refuses.
    IntegrityError
        If the ledger does not verify, against the heads already in ``path`` too.
    Unavailable
        If the file cannot be written.
    """
    file = Path(path).expanduser().resolve()
    if "://" not in workspace.location and file.is_relative_to(Path(workspace.location).expanduser().resolve()):
        raise Refused(
            "An anchor must not lie inside the workspace.",
            where=str(file),
            why="whoever can rewrite the ledger could rewrite the anchor too",
            mend="name a file on another disk or machine",
        )
    signed = checkpoint(workspace, key_dir=key_dir)
    if file.exists():
        result = verify(workspace, anchors=[file], key_dir=key_dir)
        if not result.ok:
            raise broken(result)
    line = {"origin": origin_of(workspace.id), "size": signed.size, "time": iso(workspace.clock.now_us()), "note": signed.note}
    try:
        _append_line(file, json.dumps(line, ensure_ascii=False))
    except OSError as error:
        raise Unavailable(f"The anchor file cannot be written: {error.strerror}.", where=str(file)) from error

    def keep(tx: WriteTransaction) -> None:
        facts = {"size": signed.size, "kind": "file", "place": str(file)}
        tx.insert(ledger_anchor, {"id": new_id("anc", clock=tx.clock), **facts})
        append(tx, type="ledger.anchored", subject=signed.key_id, body={**facts, "root": signed.root})

    workspace.write(keep)
    return Anchor(size=signed.size, place=str(file), note=signed.note)


def _append_line(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a crash cut the last line short: leave it, and begin a new one
        os.write(handle, (("\n" if torn else "") + line + "\n").encode())
        os.fsync(handle)
    finally:
        os.close(handle)
