"""A ledger to work on, and somebody who can write to its database as they like."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from pilotage.ledger import record
from pilotage.ledger.entry import leaf_bytes
from pilotage.ledger.verify import CompactRange, chain_hash, leaf_hash
from pilotage.store import Workspace


@pytest.fixture(autouse=True)
def key_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keys made in a test stay in the test's folder."""
    folder = tmp_path / "keys"
    monkeypatch.setenv("PILOTAGE_KEY_DIR", str(folder))
    return folder


@pytest.fixture
def add() -> Callable[..., list[int]]:
    """Record ``n`` entries in one job."""

    def record_some(workspace: Workspace, n: int, **more: Any) -> list[int]:
        facts = {"type": "thing.done", "subject": "thing", "body": {"text": "naïve ✓\n"}, **more}
        return workspace.write(lambda tx: [record(tx, **facts) for _ in range(n)])

    return record_some


class Forger:
    """Writes to the database behind the ledger's back."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def sql(self, statement: str, **values: Any) -> list[Any]:
        with self.workspace.engine.connect().execution_options(pilotage_write=True) as conn, conn.begin():
            result = conn.execute(text(statement), {"ws": self.workspace.id, **values})
            return list(result) if result.returns_rows else []

    def edit(self, seq: int, column: str, value: Any) -> None:
        self.sql(f"UPDATE ledger_entry SET {column} = :value WHERE workspace_id = :ws AND seq = :seq", value=value, seq=seq)

    def cut(self, after: int) -> None:
        """Drop the entries after ``after``, without tidying up."""
        self.sql("DELETE FROM ledger_entry WHERE workspace_id = :ws AND seq > :after", after=after)

    def rechain(self, *, leaves: bool = True, head: bool = True) -> None:
        """Recompute the hashes of all entries, and the head, so that they agree again."""
        entries = self.sql(
            "SELECT seq, type, actor, subject, body, commitment, created_at, leaf_hash FROM ledger_entry WHERE workspace_id = :ws ORDER BY seq"
        )
        chain, tree, rows = bytes(32), CompactRange(), []
        for seq, type, actor, subject, body, commitment, time, old_leaf in entries:
            leaf = leaf_bytes(
                workspace=self.workspace.id,
                seq=seq,
                time=time,
                type=type,
                actor=actor,
                subject=subject,
                body=body,
                commitment=commitment,
                prev_hash=chain,
            )
            hashed = leaf_hash(leaf) if leaves else bytes(old_leaf)
            rows.append({"seq": seq, "prev": chain, "leaf": hashed, "chain": chain_hash(chain, hashed)})
            chain = rows[-1]["chain"]
            tree.append(hashed)
        # In two steps, as no two entries may have the same predecessor even for a moment.
        for row in rows:
            self.sql("UPDATE ledger_entry SET prev_hash = :prev WHERE workspace_id = :ws AND seq = :seq", seq=row["seq"], prev=b"x%d" % row["seq"])
        for row in rows:
            self.sql(
                "UPDATE ledger_entry SET prev_hash = :prev, leaf_hash = :leaf, chain_hash = :chain WHERE workspace_id = :ws AND seq = :seq", **row
            )
        if head:
            self.sql(
                "UPDATE ledger_head SET size = :size, chain_hash = :chain, frontier = :frontier WHERE workspace_id = :ws",
                size=tree.size,
                chain=chain,
                frontier=tree.to_bytes(),
            )


@pytest.fixture
def forger(workspace: Workspace) -> Forger:
    return Forger(workspace)
