from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pilotage.core import Conflict, NotFound
from pilotage.ledger import checkpoint, create_workspace, entries, erase_payload, payload, verify
from pilotage.store import Workspace

Add = Callable[..., list[int]]


def commitments(workspace: Workspace) -> list[str]:
    return [entry.commitment for entry in entries(workspace) if entry.commitment is not None]


def test_erasing_removes_data_and_salt_and_the_chain_still_verifies(workspace: Workspace, add: Add) -> None:
    add(workspace, 3, personal={"name": "Ada Lovelace"})
    checkpoint(workspace)
    before = [entry.chain_hash for entry in entries(workspace)]
    one, two, three = commitments(workspace)
    erased = erase_payload(workspace, two, reason="asked by the person", actor="officer")
    assert payload(workspace, one) == payload(workspace, three) == {"name": "Ada Lovelace"}
    assert payload(workspace, two) is None
    assert [entry.chain_hash for entry in entries(workspace)][: len(before)] == before
    [said] = entries(workspace, type="ledger.payload_erased")
    assert (said.seq, said.subject, said.actor, said.body) == (erased.seq, two, "officer", {"reason": "asked by the person"})
    assert verify(workspace).ok


def test_after_erasing_the_database_files_do_not_hold_the_data(tmp_path: Path, add: Add) -> None:
    with create_workspace(tmp_path / "here") as workspace:
        for n in range(30):
            add(workspace, 1, personal={"name": "Ada Lovelace" if n % 2 else "Grace Hopper", "n": n})
        for commitment in commitments(workspace):
            data = payload(workspace, commitment)
            if data is not None and data["name"] == "Ada Lovelace":
                assert erase_payload(workspace, commitment, reason="asked").left is None
        held = b"".join(file.read_bytes() for file in (tmp_path / "here").iterdir() if file.is_file())
        assert b"Grace Hopper" in held
        assert b"Ada Lovelace" not in held


def test_erasing_twice_or_what_never_was_is_refused(workspace: Workspace, add: Add) -> None:
    add(workspace, 1, personal={"name": "Ada"})
    [commitment] = commitments(workspace)
    erase_payload(workspace, commitment, reason="asked")
    with pytest.raises(Conflict):
        erase_payload(workspace, commitment, reason="asked")
    with pytest.raises(NotFound):
        erase_payload(workspace, "00" * 32, reason="asked")
    with pytest.raises(NotFound):
        payload(workspace, "00" * 32)
    assert len(entries(workspace)) == 2
