from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import IntegrityError, Refused, Unavailable
from pilotage.ledger import anchor, create_workspace, entries, head, verify
from pilotage.store import Workspace

Add = Callable[..., list[int]]


def test_an_anchor_appends_the_signed_head_and_is_recorded(workspace: Workspace, add: Add, tmp_path: Path) -> None:
    far = tmp_path / "another" / "disk" / "heads.jsonl"
    add(workspace, 3)
    first = anchor(workspace, path=far)
    add(workspace, 2)
    second = anchor(workspace, path=far)
    lines = [json.loads(line) for line in far.read_text().splitlines()]
    assert [(line["size"], line["note"]) for line in lines] == [(first.size, first.note), (second.size, second.note)]
    assert (first.size, second.size) == (4, 7)
    assert [entry.body["size"] for entry in entries(workspace, type="ledger.anchored")] == [4, 7]
    assert head(workspace).anchored_until == 7
    assert verify(workspace).anchored_until == 7


def test_one_file_may_serve_many_workspaces(tmp_path: Path, add: Add) -> None:
    far = tmp_path / "heads.jsonl"
    with create_workspace(tmp_path / "one") as one, create_workspace(tmp_path / "two") as two:
        for n, workspace in enumerate((one, two, one)):
            add(workspace, n + 1)
            anchor(workspace, path=far)
        assert (verify(one).anchored_until, verify(two).anchored_until) == (6, 3)
        assert verify(one).ok
        assert verify(two).ok


def test_an_anchor_inside_the_workspace_is_refused(tmp_path: Path) -> None:
    with create_workspace(tmp_path / "here") as workspace:
        with pytest.raises(Refused, match="inside the workspace"):
            anchor(workspace, path=tmp_path / "here" / "heads.jsonl")
        assert head(workspace).size == 0


def test_a_ledger_that_its_anchors_contradict_is_not_anchored_again(workspace: Workspace, add: Add, forger: Any, tmp_path: Path) -> None:
    far = tmp_path / "heads.jsonl"
    add(workspace, 3)
    anchor(workspace, path=far)
    before = far.read_text()
    forger.sql("DELETE FROM ledger_anchor WHERE workspace_id = :ws")
    forger.sql("DELETE FROM ledger_checkpoint WHERE workspace_id = :ws")
    forger.edit(2, "actor", "forger")
    forger.sql("UPDATE ledger_entry SET created_by = 'forger' WHERE workspace_id = :ws AND seq = 2")
    forger.rechain()
    with pytest.raises(IntegrityError):
        anchor(workspace, path=far)
    assert far.read_text() == before


def test_a_line_torn_by_a_crash_spoils_neither_the_file_nor_the_next_line(workspace: Workspace, add: Add, tmp_path: Path) -> None:
    far = tmp_path / "heads.jsonl"
    add(workspace, 3)
    anchor(workspace, path=far)
    with far.open("a") as file:
        file.write('{"origin": "pilotage/ws_')
    kept = anchor(workspace, path=far)
    result = verify(workspace)
    assert (result.ok, result.anchored_until) == (True, kept.size)
    assert any("are no anchors" in note for note in result.notes)


def test_a_file_that_cannot_be_written_leaves_no_record(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("")
    with pytest.raises(Unavailable):
        anchor(workspace, path=tmp_path / "a-file" / "heads.jsonl")
    assert entries(workspace, type="ledger.anchored") == []
