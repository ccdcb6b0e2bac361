"""Every way to change a ledger behind its back, and how far each is seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import IntegrityError
from pilotage.ledger import anchor, checkpoint, create_workspace, entries, erase_payload, head, open_workspace, record, reopen, verify
from pilotage.ledger.tables import ledger_anchor, ledger_entry
from pilotage.ledger.verify import CompactRange, Verification, head_text, origin_of, read_note, write_note
from pilotage.store import Workspace

Add = Callable[..., list[int]]


def broken_at(result: Verification) -> int | None:
    assert (result.integrity == "broken") == (not result.ok)
    return result.first_bad_seq


def test_an_untouched_ledger_verifies(workspace: Workspace, add: Add) -> None:
    assert verify(workspace).entries == 0
    add(workspace, 70)
    result = verify(workspace)
    assert (result.integrity, result.first_bad_seq, result.signer, result.anchored_until, result.entries) == ("ok", None, "none", 0, 70)
    assert result.ok
    assert "immutable" not in str(result)
    assert head(workspace).sealed_reason is None


EDITS = {
    "body": ['{"text":"forged"}', '{"text": "naïve ✓\\n"}', "", '{"text":"naïve ✓\\n"},"commitment":null'],
    "actor": ["somebody-else"],
    "created_by": ["somebody-else"],
    "created_at": [1_700_000_000_000_000],
    "type": ["thing.undone"],
    "subject": ["another-thing"],
    "commitment": ["00" * 32],
    "prev_hash": [b"\x01" * 32],
    "leaf_hash": [b"\x01" * 32],
    "chain_hash": [b"\x01" * 32],
}


def test_an_edit_of_any_column_is_seen_at_its_entry(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 9)
    for column, values in EDITS.items():
        [(original,)] = forger.sql(f"SELECT {column} FROM ledger_entry WHERE seq = 5 AND workspace_id = :ws")
        for value in values:
            forger.edit(5, column, value)
            assert broken_at(verify(workspace)) == 5, (column, value)
        forger.edit(5, column, bytes(original) if isinstance(original, memoryview) else original)
        assert verify(workspace).ok


def test_the_edits_above_are_of_every_column_but_the_keys() -> None:
    assert set(EDITS) == {column.name for column in ledger_entry.columns} - {"workspace_id", "seq"}


def test_bytes_that_are_no_text_are_seen_at_their_entry(tmp_path: Path, add: Add, forger: Any, workspace: Workspace) -> None:
    if workspace.engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL does not take them")
    add(workspace, 4)
    forger.sql("UPDATE ledger_entry SET body = CAST(x'ff' AS TEXT) WHERE seq = 3")
    assert broken_at(verify(workspace)) == 3
    forger.sql("UPDATE ledger_entry SET body = x'ff' WHERE seq = 2")
    assert broken_at(verify(workspace)) == 2


def test_two_entries_exchanged_are_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    for old, new in ((3, 103), (4, 3), (103, 4)):
        forger.edit(old, "seq", new)
    assert broken_at(verify(workspace)) == 3


def test_an_entry_taken_out_of_the_middle_is_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    forger.sql("DELETE FROM ledger_entry WHERE workspace_id = :ws AND seq = 3")
    result = verify(workspace)
    assert broken_at(result) == 3
    assert "missing" in result.why


def test_an_entry_taken_out_and_the_rest_renumbered_is_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    forger.sql("DELETE FROM ledger_entry WHERE workspace_id = :ws AND seq = 3")
    for seq in (4, 5, 6):
        forger.edit(seq, "seq", seq - 1)
    assert broken_at(verify(workspace)) == 3


def test_a_cut_of_the_end_alone_is_seen_by_the_head(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 6)
    forger.cut(4)
    assert broken_at(verify(workspace)) == 5


def test_recomputing_the_chain_but_not_the_tree_is_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    """The forger leaves the old leaf hashes in the rows, or the old tree in the head."""
    add(workspace, 9)
    forger.edit(4, "body", '{"text":"forged"}')
    forger.rechain(leaves=False)
    assert broken_at(verify(workspace)) == 4


def test_recomputing_chain_and_leaves_but_not_the_head_s_tree_is_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 9)
    forger.edit(4, "body", '{"text":"forged"}')
    frontier = forger.sql("SELECT frontier FROM ledger_head WHERE workspace_id = :ws")[0][0]
    forger.rechain()
    forger.sql("UPDATE ledger_head SET frontier = :frontier WHERE workspace_id = :ws", frontier=bytes(frontier))
    result = verify(workspace)
    assert broken_at(result) == 1  # entries 1 to 8 are one subtree: no nearer can be said
    assert "Merkle" in result.why


def test_recomputing_the_tree_but_not_the_chain_is_seen(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 9)
    chains = forger.sql("SELECT seq, chain_hash FROM ledger_entry WHERE workspace_id = :ws")
    forger.edit(4, "body", '{"text":"forged"}')
    forger.rechain()
    for seq, chain in chains:
        forger.edit(seq, "chain_hash", bytes(chain))
    assert broken_at(verify(workspace)) == 4


def test_recomputing_everything_is_seen_by_a_signed_checkpoint(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 9)
    signed = checkpoint(workspace)
    add(workspace, 3)
    forger.edit(4, "body", '{"text":"forged"}')
    forger.rechain()
    result = verify(workspace)
    assert broken_at(result) == 1
    assert f"over {signed.size} entries" in result.why


def test_recomputing_everything_after_a_checkpoint_is_not_seen_until_the_next(workspace: Workspace, add: Add, forger: Any) -> None:
    """What is not promised: entries that no signed or anchored head covers yet."""
    add(workspace, 9)
    signed = checkpoint(workspace)
    add(workspace, 3)
    forger.edit(signed.size + 1, "body", '{"text":"forged"}')
    forger.rechain()
    result = verify(workspace)
    assert result.ok
    assert result.signed_until == signed.size < result.entries


def test_a_rewritten_checkpoint_has_no_valid_signature(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 9)
    signed = checkpoint(workspace)
    forger.edit(4, "body", '{"text":"forged"}')
    forger.rechain()
    leaves = [bytes(row[0]) for row in forger.sql("SELECT leaf_hash FROM ledger_entry WHERE workspace_id = :ws ORDER BY seq")]
    tree = CompactRange()
    for leaf in leaves:
        tree.append(leaf)
    text = head_text(origin_of(workspace.id), size=signed.size, root=tree.root(), chain=bytes.fromhex(head(workspace).chain_hash))
    note = write_note(text, read_note(signed.note).signatures)
    forger.sql("UPDATE ledger_checkpoint SET note = :note, root = :root WHERE workspace_id = :ws", note=note, root=tree.root())
    result = verify(workspace)
    assert result.signer == "invalid"
    assert not result.ok


def test_a_ledger_made_anew_with_a_forger_s_key_is_foreign_to_whoever_holds_the_key(
    workspace: Workspace, add: Add, forger: Any, key_dir: Path, tmp_path: Path
) -> None:
    add(workspace, 3)
    checkpoint(workspace)
    for table in ("ledger_entry", "ledger_head", "ledger_checkpoint"):
        forger.sql(f"DELETE FROM {table} WHERE workspace_id = :ws")
    with open_workspace(workspace.location, actor="forger", key_dir=tmp_path / "forger") as forged:
        add(forged, 3)
        checkpoint(forged, key_dir=tmp_path / "forger")
        assert verify(forged, key_dir=tmp_path / "forger").signer == "known"
        assert verify(forged, key_dir=tmp_path / "nobody").signer == "unknown"
        result = verify(forged)
    assert result.signer == "foreign"
    assert not result.ok


def test_a_ledger_without_the_key_that_was_made_for_it_is_foreign(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 3)
    checkpoint(workspace)
    forger.cut(2)
    forger.sql("DELETE FROM ledger_checkpoint WHERE workspace_id = :ws")
    forger.rechain()
    result = verify(workspace)
    assert (result.signer, result.ok) == ("foreign", False)


def test_a_tidy_cut_of_the_end_is_seen_by_a_checkpoint_that_covers_it(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 9)
    checkpoint(workspace)
    forger.cut(6)
    forger.rechain()
    result = verify(workspace)
    assert broken_at(result) == 7
    assert "cut off" in result.why


def test_a_cut_that_takes_the_checkpoints_along_is_seen_only_by_an_anchor(workspace: Workspace, add: Add, forger: Any, tmp_path: Path) -> None:
    far = tmp_path / "far.jsonl"
    add(workspace, 4)
    checkpoint(workspace)
    add(workspace, 5)
    kept = anchor(workspace, path=far)
    forger.cut(7)
    forger.sql("DELETE FROM ledger_checkpoint WHERE workspace_id = :ws AND size > 7")
    forger.sql("DELETE FROM ledger_anchor WHERE workspace_id = :ws")
    forger.rechain()
    unaware = verify(workspace)
    assert unaware.ok
    assert unaware.anchored_until == 0
    aware = verify(workspace, anchors=[far])
    assert broken_at(aware) == 8
    assert str(kept.size) in aware.why


def test_a_fork_that_its_own_writer_signed_is_seen_by_an_anchor(workspace: Workspace, add: Add, forger: Any, tmp_path: Path) -> None:
    """The writer holds the key: rolls back, writes another history, signs it. Only what was kept elsewhere contradicts."""
    far = tmp_path / "far.jsonl"
    add(workspace, 4)
    base = checkpoint(workspace)
    add(workspace, 5)
    anchor(workspace, path=far)
    forger.cut(base.size + 1)
    forger.sql("DELETE FROM ledger_checkpoint WHERE workspace_id = :ws AND size > :size", size=base.size)
    forger.sql("DELETE FROM ledger_anchor WHERE workspace_id = :ws")
    forger.rechain()
    with open_workspace(workspace.location) as forked:
        add(forked, 20)
        checkpoint(forked)
        assert verify(forked).signer == "known"
        result = verify(forked, anchors=[far])
    assert broken_at(result) == base.size + 1
    assert "says otherwise" in result.why


def test_an_anchor_that_agrees_says_how_far(workspace: Workspace, add: Add, tmp_path: Path) -> None:
    add(workspace, 4)
    first = anchor(workspace, path=tmp_path / "far.jsonl")
    add(workspace, 4)
    second = anchor(workspace, path=tmp_path / "far.jsonl")
    add(workspace, 4)
    result = verify(workspace)
    assert (result.anchored_until, result.signer, result.ok) == (second.size, "known", True)
    assert first.size < second.size < result.entries


def test_an_anchor_file_that_is_away_is_a_remark_and_not_a_verdict(workspace: Workspace, add: Add, tmp_path: Path) -> None:
    add(workspace, 4)
    anchor(workspace, path=tmp_path / "far.jsonl")
    (tmp_path / "far.jsonl").unlink()
    result = verify(workspace)
    assert (result.ok, result.anchored_until) == (True, 0)
    assert any("could not be read" in note for note in result.notes)


class TestPersonalData:
    def test_changed_data_is_seen_at_its_entry(self, workspace: Workspace, add: Add, forger: Any) -> None:
        add(workspace, 2)
        add(workspace, 1, personal={"name": "Ada"})
        forger.sql("UPDATE ledger_payload SET payload = :value WHERE workspace_id = :ws", value='{"name":"Bob"}')
        assert broken_at(verify(workspace)) == 3

    def test_data_that_vanished_is_seen(self, workspace: Workspace, add: Add, forger: Any) -> None:
        add(workspace, 1, personal={"name": "Ada"})
        forger.sql("DELETE FROM ledger_payload WHERE workspace_id = :ws")
        assert broken_at(verify(workspace)) == 1

    def test_data_erased_without_an_entry_that_says_so_is_seen(self, workspace: Workspace, add: Add, forger: Any) -> None:
        add(workspace, 1, personal={"name": "Ada"})
        forger.sql("UPDATE ledger_payload SET payload = NULL, salt = NULL WHERE workspace_id = :ws")
        assert broken_at(verify(workspace)) == 1

    def test_erased_data_that_came_back_is_seen(self, workspace: Workspace, add: Add, forger: Any) -> None:
        add(workspace, 1, personal={"name": "Ada"})
        [(salt, text)] = forger.sql("SELECT salt, payload FROM ledger_payload WHERE workspace_id = :ws")
        commitment = entries(workspace)[0].commitment
        assert commitment is not None
        erase_payload(workspace, commitment, reason="asked")
        forger.sql("UPDATE ledger_payload SET payload = :text, salt = :salt WHERE workspace_id = :ws", text=text, salt=bytes(salt))
        assert broken_at(verify(workspace)) == 1


def test_a_failed_verification_seals_the_workspace_for_every_process(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 5)
    forger.edit(3, "actor", "forger")
    verify(workspace)
    assert "entry 3" in (head(workspace).sealed_reason or "")
    with pytest.raises(IntegrityError, match="entry 3"):
        add(workspace, 1)
    with open_workspace(workspace.location) as other, pytest.raises(IntegrityError, match="entry 3"):
        add(other, 1)
    assert len(entries(workspace)) == 5


def test_a_sealed_workspace_reopens_only_once_its_ledger_verifies_again(workspace: Workspace, add: Add, forger: Any) -> None:
    add(workspace, 5)
    forger.edit(3, "actor", "forger")
    verify(workspace)
    with pytest.raises(IntegrityError):
        reopen(workspace, reason="it is fine")
    forger.edit(3, "actor", workspace.actor)
    assert verify(workspace).ok
    with pytest.raises(IntegrityError):
        add(workspace, 1)
    assert reopen(workspace, reason="the backup of Monday was put back", actor="ada") == 6
    assert add(workspace, 1) == [7]
    assert entries(workspace, type="ledger.reopened")[0].body["reason"] == "the backup of Monday was put back"
    assert verify(workspace).ok


def test_two_workspaces_of_one_database_have_ledgers_of_their_own(location: str, workspace: Workspace, add: Add) -> None:
    if "://" not in location:
        pytest.skip("a folder is one workspace")
    add(workspace, 3)
    with create_workspace(location.replace("workspace=test-", "workspace=other-")) as other:
        assert add(other, 2) == [1, 2]
        assert verify(other).entries == 2
    assert verify(workspace).entries == 3


def test_record_and_room_rows_are_committed_together_or_not_at_all(workspace: Workspace) -> None:
    def fails_late(tx: Any) -> None:
        tx.insert(ledger_anchor, {"id": "x", "size": 1, "kind": "file", "place": "nowhere"})
        record(tx, type="thing.done", subject="s", body={})
        raise RuntimeError("late")

    with pytest.raises(RuntimeError):
        workspace.write(fails_late)
    assert (head(workspace).size, head(workspace).anchored_until) == (0, 0)
