from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.ledger import Entry, entries, head, open_workspace, payload, record, verify
from pilotage.ledger.entry import leaf_bytes
from pilotage.store import Workspace, WriteTransaction

Add = Callable[..., list[int]]


def test_entries_are_numbered_from_one_without_gaps(workspace: Workspace, add: Add) -> None:
    assert add(workspace, 3) == [1, 2, 3]
    assert add(workspace, 2) == [4, 5]
    assert [entry.seq for entry in entries(workspace)] == [1, 2, 3, 4, 5]
    assert head(workspace).size == 5
    assert verify(workspace).ok


def test_an_entry_reads_back_as_it_was_recorded(workspace: Workspace) -> None:
    body = {"text": 'quote " backslash \\ line\n tab\t null\x00 é 漢 😀', "figure": 1.5, "none": None, "list": [True, -3]}
    before = workspace.clock.now_us()
    workspace.write(lambda tx: record(tx, type="judgement.made", subject="jdg_1", body=body, actor="åsa"))
    [entry] = entries(workspace)
    assert (entry.seq, entry.type, entry.actor, entry.subject, entry.body, entry.commitment) == (1, "judgement.made", "åsa", "jdg_1", body, None)
    assert before <= entry.created_at <= workspace.clock.now_us()
    assert entry.chain_hash == head(workspace).chain_hash
    assert "åsa judgement.made jdg_1" in str(entry)
    assert isinstance(entry.to_dict()["body"], dict)
    assert verify(workspace).ok


def test_the_actor_is_the_transaction_s_unless_given(workspace: Workspace, add: Add) -> None:
    add(workspace, 1)
    add(workspace, 1, actor="ada")
    assert [entry.actor for entry in entries(workspace)] == [workspace.actor, "ada"]


def test_entries_can_be_picked_by_subject_type_and_place(workspace: Workspace) -> None:
    def act(tx: WriteTransaction) -> None:
        for n in range(6):
            record(tx, type="even.done" if n % 2 == 0 else "odd.done", subject=f"s{n % 3}", body={"n": n})

    workspace.write(act)

    def numbers(found: list[Entry]) -> list[int]:
        return [entry.body["n"] for entry in found]

    assert numbers(entries(workspace, type="odd.done")) == [1, 3, 5]
    assert numbers(entries(workspace, subject="s2")) == [2, 5]
    assert numbers(entries(workspace, subject="s2", type="odd.done")) == [5]
    assert numbers(entries(workspace, after=2, limit=2)) == [2, 3]
    assert numbers(entries(workspace, after=6)) == []


def test_a_job_that_fails_leaves_no_hole_in_the_group_it_shared(workspace: Workspace) -> None:
    """The first job holds the writer until the other nine wait: those go into one group."""
    ready = threading.Event()

    def job(n: int) -> Callable[[WriteTransaction], int]:
        def act(tx: WriteTransaction) -> int:
            if n == 0:
                ready.wait(10)
            seq = record(tx, type="thing.done", subject=f"s{n}", body={"n": n}, personal={"n": n} if n in (3, 4) else None)
            if n % 3 == 0 and n:
                raise InputError("no")
            return seq

        return act

    futures = [workspace.submit(job(n)) for n in range(10)]
    ready.set()
    outcomes = [future.exception() or future.result() for future in futures]
    seqs = [outcome for outcome in outcomes if isinstance(outcome, int)]
    assert sorted(seqs) == list(range(1, 8))
    assert sum(isinstance(outcome, InputError) for outcome in outcomes) == 3
    assert [entry.body["n"] for entry in entries(workspace)] == [0, 1, 2, 4, 5, 7, 8]
    assert verify(workspace).ok


def test_when_the_first_job_to_record_fails_the_others_still_count_from_one(workspace: Workspace) -> None:
    def fails(tx: WriteTransaction) -> None:
        record(tx, type="thing.done", subject="s", body={})
        raise InputError("no")

    first = workspace.submit(fails)
    second = workspace.submit(lambda tx: record(tx, type="thing.done", subject="s", body={}))
    assert isinstance(first.exception(), InputError)
    assert second.result() == 1
    assert verify(workspace).entries == 1


def test_many_threads_may_record_at_once(workspace: Workspace, add: Add) -> None:
    with ThreadPoolExecutor(8) as pool:
        seqs = list(pool.map(lambda _: add(workspace, 1)[0], range(60)))
    assert sorted(seqs) == list(range(1, 61))
    assert verify(workspace).ok


_WRITES = """
import sys
from pilotage.ledger import open_workspace, record
with open_workspace(sys.argv[1], actor=sys.argv[2]) as workspace:
    for n in range(40):
        print(workspace.write(lambda tx: record(tx, type="thing.done", subject="s", body={"n": n})))
"""


def test_two_processes_writing_at_once_make_one_chain(workspace: Workspace) -> None:
    command = [sys.executable, "-c", _WRITES, workspace.location]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2] / "src"), "PATH": "/usr/bin:/bin", "HOME": str(Path.home())}
    processes = [subprocess.Popen([*command, name], stdout=subprocess.PIPE, text=True, env=environment) for name in ("one", "two")]
    seqs = [int(line) for process in processes for line in process.communicate(timeout=120)[0].split()]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(seqs) == list(range(1, 81))
    with open_workspace(workspace.location) as again:
        assert verify(again).ok
        assert verify(again).entries == 80


def test_a_name_that_cannot_be_shown_is_refused(workspace: Workspace, add: Add) -> None:
    names = ["x" * 501, "two\nlines", "nul\x00", "right-to-left \u202e override", "\ud800"]
    refused = [(field, name) for field in ("type", "subject", "actor") for name in names] + [("type", ""), ("subject", "")]
    for field, name in refused:
        with pytest.raises(InputError, match=f"entry's {field}"):
            add(workspace, 1, **{field: name})
    assert entries(workspace) == []


def test_a_body_without_a_canonical_form_is_refused_whole(workspace: Workspace, add: Add) -> None:
    for value in (float("nan"), float("inf"), 2**60, {1, 2}, "\ud800"):
        with pytest.raises(InputError):
            add(workspace, 1, body={"x": value})
        with pytest.raises(InputError):
            add(workspace, 1, personal={"x": value})
    assert head(workspace).size == 0


def test_a_body_that_is_no_object_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="must be an object"):
        workspace.write(lambda tx: record(tx, type="thing.done", subject="s", body=["x"]))  # type: ignore[arg-type]


def test_the_ledger_s_own_types_cannot_be_recorded_by_others(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="ledger's own"):
        workspace.write(lambda tx: record(tx, type="ledger.payload_erased", subject="s", body={}))


def test_what_is_changed_after_recording_does_not_change_the_entry(workspace: Workspace) -> None:
    body = {"n": 1}

    def act(tx: WriteTransaction) -> None:
        record(tx, type="thing.done", subject="s", body=body)
        body["n"] = 2

    workspace.write(act)
    assert entries(workspace)[0].body == {"n": 1}


def test_personal_data_stays_out_of_the_entry(workspace: Workspace, add: Add) -> None:
    add(workspace, 1, personal={"name": "Grace Hopper"})
    [entry] = entries(workspace)
    assert entry.commitment is not None
    assert "Grace" not in str(entry.to_dict())
    assert payload(workspace, entry.commitment) == {"name": "Grace Hopper"}


def test_equal_personal_data_has_different_commitments(workspace: Workspace, add: Add) -> None:
    add(workspace, 2, personal={"yes": True})
    one, two = entries(workspace)
    assert one.commitment != two.commitment


names = st.text(min_size=1, max_size=20).filter(lambda text: not any("\ud800" <= character <= "\udfff" for character in text))


@given(workspace_id=names, actor=names, subject=names, kind=names, commitment=st.none() | names, seq=st.integers(1, 2**50))
def test_what_is_hashed_is_the_canonical_json_of_the_entry(
    workspace_id: str, actor: str, subject: str, kind: str, commitment: str | None, seq: int
) -> None:
    made = leaf_bytes(
        workspace=workspace_id,
        seq=seq,
        time=seq + 1,
        type=kind,
        actor=actor,
        subject=subject,
        body='{"a":[1,2.5,"\\u0000"]}',
        commitment=commitment,
        prev_hash=bytes(32),
    )
    assert made == rfc8785.dumps(
        {
            "workspace": workspace_id,
            "seq": seq,
            "time": seq + 1,
            "type": kind,
            "actor": actor,
            "subject": subject,
            "body": {"a": [1, 2.5, "\x00"]},
            "commitment": commitment,
            "prev": "00" * 32,
        }
    )
