from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import InputError, IntegrityError, ManualClock, NotFound, Refused
from pilotage.ledger import (
    checkpoint,
    checkpoint_due,
    checkpoint_if_due,
    create_workspace,
    entries,
    head,
    last_checkpoint,
    open_workspace,
    rotate_key,
    verify,
)
from pilotage.ledger.keys import keep_key, make_key
from pilotage.ledger.verify import read_head
from pilotage.store import Workspace

Add = Callable[..., list[int]]


def test_a_checkpoint_signs_size_root_and_chain(workspace: Workspace, add: Add, key_dir: Path) -> None:
    add(workspace, 5)
    signed = checkpoint(workspace)
    now = head(workspace)
    read = read_head(signed.note)
    assert (read.size, read.root.hex(), read.chain.hex()) == (now.size, now.root, now.chain_hash)
    assert read.origin == f"pilotage/{workspace.id}"
    [public] = (key_dir / f"{workspace.id}.pub").read_text().split()
    assert read.note.signed_by(public)
    assert now.signed_until == signed.size == 6  # the first checkpoint records its key as an entry
    assert last_checkpoint(workspace) == signed
    assert verify(workspace).signer == "known"


def test_a_checkpoint_of_an_unchanged_ledger_is_the_last_one(workspace: Workspace, add: Add) -> None:
    add(workspace, 1)
    assert checkpoint(workspace) == checkpoint(workspace)


def test_an_empty_ledger_can_be_signed(workspace: Workspace) -> None:
    assert last_checkpoint(workspace) is None
    assert checkpoint(workspace).size == 1
    assert verify(workspace).ok


def test_the_key_is_readable_by_its_owner_only(workspace: Workspace, key_dir: Path) -> None:
    checkpoint(workspace)
    [key] = key_dir.glob("*.key")
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert b"PRIVATE KEY" in key.read_bytes()


def test_a_key_that_others_can_read_is_refused(workspace: Workspace, key_dir: Path) -> None:
    checkpoint(workspace)
    [key] = key_dir.glob("*.key")
    key.chmod(0o640)
    with pytest.raises(Refused, match="read by others"):
        checkpoint(workspace)


def test_a_key_folder_inside_the_workspace_is_refused(tmp_path: Path) -> None:
    with create_workspace(tmp_path / "here") as workspace:
        for inside in (tmp_path / "here", tmp_path / "here" / "keys", tmp_path / "there" / ".." / "here" / "keys"):
            with pytest.raises(Refused, match="inside the workspace"):
                checkpoint(workspace, key_dir=inside)
        assert not (tmp_path / "here" / "keys").exists()
        assert head(workspace).size == 0


def test_a_damaged_key_is_refused(workspace: Workspace, key_dir: Path) -> None:
    checkpoint(workspace)
    [key] = key_dir.glob("*.key")
    key.write_text("no key")
    with pytest.raises(InputError, match="cannot be read"):
        checkpoint(workspace)
    [public] = key_dir.glob("*.pub")
    public.write_text("no key")
    with pytest.raises(InputError, match="cannot be read"):
        verify(workspace)


def test_a_machine_without_the_key_in_force_does_not_sign(workspace: Workspace, tmp_path: Path) -> None:
    checkpoint(workspace)
    with pytest.raises(Refused, match="not on this machine"):
        checkpoint(workspace, key_dir=tmp_path / "elsewhere")
    assert not list((tmp_path / "elsewhere").glob("*.key"))


def test_a_broken_ledger_is_not_signed_and_is_sealed(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 5)
    first = checkpoint(workspace)
    add(workspace, 5)
    forger.edit(8, "actor", "forger")
    with pytest.raises(IntegrityError, match="entry 8"):
        checkpoint(workspace)
    assert last_checkpoint(workspace) == first
    assert head(workspace).sealed_reason is not None


def test_a_new_key_is_signed_by_both_and_known_to_whoever_knew_the_old(workspace: Workspace, add: Add, key_dir: Path, tmp_path: Path) -> None:
    add(workspace, 3)
    checkpoint(workspace)
    add(workspace, 3)
    (tmp_path / "auditor").mkdir()
    (tmp_path / "auditor" / f"{workspace.id}.pub").write_text((key_dir / f"{workspace.id}.pub").read_text())
    old_key = (key_dir / f"{workspace.id}.key").read_bytes()
    signed = rotate_key(workspace, reason="yearly")
    add(workspace, 3)
    last = checkpoint(workspace)
    assert last.key_id == signed.key_id
    assert (key_dir / f"{workspace.id}.key").read_bytes() != old_key
    assert sorted(file.suffix for file in key_dir.iterdir()) == [".key", ".pub"]
    for holder in (key_dir, tmp_path / "auditor"):
        result = verify(workspace, key_dir=holder)
        assert (result.signer, result.signed_until) == ("known", last.size)
    change = entries(workspace, type="ledger.key")[-1].body
    assert (change["note"].count("\u2014 pilotage/"), change["reason"]) == (2, "yearly")


def test_a_retired_key_signs_no_more(workspace: Workspace, add: Add, key_dir: Path) -> None:
    checkpoint(workspace)
    old_key = (key_dir / f"{workspace.id}.key").read_bytes()
    rotate_key(workspace, reason="it may have been read")
    (key_dir / f"{workspace.id}.key").write_bytes(old_key)
    with pytest.raises(Refused, match="not on this machine"):
        checkpoint(workspace)


def test_a_lost_key_can_be_replaced_and_the_break_is_seen(workspace: Workspace, add: Add, key_dir: Path, tmp_path: Path) -> None:
    checkpoint(workspace)
    (tmp_path / "auditor").mkdir()
    (tmp_path / "auditor" / f"{workspace.id}.pub").write_text((key_dir / f"{workspace.id}.pub").read_text())
    (key_dir / f"{workspace.id}.key").unlink()
    with pytest.raises(Refused, match="not on this machine"):
        rotate_key(workspace, reason="yearly")
    rotate_key(workspace, reason="the disk died", old_key_lost=True)
    assert verify(workspace).signer == "known"  # this machine holds both public keys
    with open_workspace(workspace.location) as again:
        assert add(again, 1)
    assert verify(workspace, key_dir=tmp_path / "auditor").signer == "foreign"


def test_a_rotation_cut_short_is_finished_at_the_next_use(workspace: Workspace, key_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pilotage.ledger import checkpoints

    checkpoint(workspace)

    def dies(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "trust_key", dies)
        patch.setattr(checkpoints, "_checkpoint", lambda *_, **__: None)
        patch.setattr(checkpoints, "_signing_key", lambda workspace, folder: checkpoints.load_key(workspace.id, folder=folder))
        with pytest.raises(KeyboardInterrupt):
            rotate_key(workspace, reason="yearly")
    signed = checkpoint(workspace)
    assert signed.key_id == entries(workspace, type="ledger.key")[-1].subject
    assert verify(workspace).signer == "known"
    assert not list(key_dir.glob("*.new.key"))


def test_rotating_before_there_is_a_key_is_refused(workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        rotate_key(workspace, reason="yearly")


def test_a_key_entry_that_its_key_did_not_sign_is_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    import json

    checkpoint(workspace)
    rotate_key(workspace, reason="yearly")
    [_, change] = entries(workspace, type="ledger.key")
    body = {**change.body, "key": make_key(workspace.id).public}
    forger.edit(change.seq, "body", json.dumps(body))
    forger.sql("DELETE FROM ledger_checkpoint WHERE workspace_id = :ws AND size >= :seq", seq=change.seq)
    forger.rechain()
    result = verify(workspace)
    assert (result.ok, result.first_bad_seq) == (False, change.seq)


def test_of_two_processes_that_make_the_first_key_one_wins(workspace: Workspace, key_dir: Path) -> None:
    key_dir.mkdir()
    one, two = make_key(workspace.id), make_key(workspace.id)
    keep_key(workspace.id, one, folder=key_dir)
    keep_key(workspace.id, two, folder=key_dir)
    assert checkpoint(workspace).key_id == one.key_id


def test_a_checkpoint_is_due_after_so_many_entries_or_so_long(tmp_path: Path, add: Add) -> None:
    clock = ManualClock()
    with create_workspace(tmp_path / "here", clock=clock) as workspace:
        assert not checkpoint_due(workspace, every_entries=1, every_s=0)
        add(workspace, 9)
        assert checkpoint_if_due(workspace, every_entries=10, every_s=60) is None
        clock.advance(59)
        add(workspace, 1)
        assert checkpoint_due(workspace, every_entries=10, every_s=60)
        assert not checkpoint_due(workspace, every_entries=11, every_s=60)
        clock.advance(1)
        signed = checkpoint_if_due(workspace, every_entries=11, every_s=60)
        assert signed is not None
        assert signed.size == head(workspace).signed_until == 11
        clock.advance(3600)
        assert not checkpoint_due(workspace, every_entries=10, every_s=60)
        add(workspace, 1)
        assert not checkpoint_due(workspace, every_entries=10, every_s=60)
