from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import IntegrityError, NotFound
from pilotage.ledger import checkpoint, create_workspace, entries, head, open_workspace, opening, verify
from pilotage.store import Workspace

Add = Callable[..., list[int]]


def test_a_broken_ledger_can_be_read_but_not_written(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    forger.edit(4, "body", "{}")
    with open_workspace(workspace.location) as again:
        for _ in range(2):
            with pytest.raises(IntegrityError, match="entry 4") as refused:
                add(again, 1)
        assert refused.value.mend is not None
        with pytest.raises(IntegrityError):
            again.write(lambda tx: None)  # nothing at all is written, not even what the ledger would not see
        assert len(entries(again)) == 6


def test_a_rollback_under_a_running_process_is_refused(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    add(workspace, 1)
    forger.cut(4)
    forger.rechain()
    with pytest.raises(IntegrityError, match="no longer there"):
        add(workspace, 1)
    with open_workspace(workspace.location) as again:
        assert add(again, 1) == [5]  # a new process sees no contradiction: that is what anchors are for


def test_another_history_under_a_running_process_is_refused(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    add(workspace, 1)
    forger.edit(2, "subject", "another")
    forger.rechain()
    with pytest.raises(IntegrityError, match="no longer there"):
        add(workspace, 1)


def test_a_large_ledger_is_verified_from_its_last_signed_head(
    workspace: Workspace, add: Add, forger: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(opening, "WHOLE_UP_TO", 10)
    add(workspace, 20)
    signed = checkpoint(workspace)
    add(workspace, 5)
    forger.edit(3, "body", "{}")  # before the signed head: left to the full verification
    with open_workspace(workspace.location) as again:
        assert add(again, 1) == [27]
    with open_workspace(workspace.location, key_dir=tmp_path / "nobody") as untrusting, pytest.raises(IntegrityError, match="entry 3"):
        add(untrusting, 1)  # whoever does not hold the key takes nobody's word
    forger.edit(signed.size + 2, "body", "{}")
    with open_workspace(workspace.location) as again, pytest.raises(IntegrityError, match=f"entry {signed.size + 2}"):
        add(again, 1)


def test_a_signed_head_with_another_tree_is_not_built_upon(workspace: Workspace, add: Add, forger: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "WHOLE_UP_TO", 10)
    add(workspace, 20)
    checkpoint(workspace)
    add(workspace, 5)
    [(frontier,)] = forger.sql("SELECT frontier FROM ledger_checkpoint WHERE workspace_id = :ws")
    forger.edit(3, "body", "{}")
    forger.sql("UPDATE ledger_checkpoint SET frontier = :other WHERE workspace_id = :ws", other=bytes(len(bytes(frontier))))
    with open_workspace(workspace.location) as again, pytest.raises(IntegrityError, match="entry 3"):
        add(again, 1)


def test_opening_what_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        open_workspace(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_a_workspace_lives_on_after_it_was_copied_elsewhere(tmp_path: Path, add: Add) -> None:
    with create_workspace(tmp_path / "here") as workspace:
        add(workspace, 3)
        checkpoint(workspace)
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    with open_workspace(tmp_path / "there", actor="ada") as copy:
        add(copy, 1)
        assert verify(copy).ok
        assert (head(copy).size, entries(copy)[-1].actor) == (5, "ada")
