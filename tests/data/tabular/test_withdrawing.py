from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pilotage.core import InputError, Refused
from pilotage.data import Operation, derive, load_version, rows, versions
from pilotage.data.contracts import Column, Contract
from pilotage.data.lineage import Edge, Node, record_edges
from pilotage.data.tabular import (
    Dependant,
    Removed,
    append_table,
    delete_rows,
    diff_tables,
    maintain,
    publish_table,
    read_table,
    table_digest,
    why_not_here,
    withdraw,
    withdrawing,
)
from pilotage.data.tabular.lance_files import LanceFiles
from pilotage.ledger import entries
from pilotage.store import Workspace

from .tables_for_tests import CARD, CONTRACT, ids, payments, publish

SECRET = "anna-4711@example.org"


def names_in_files(workspace: Workspace, text: str) -> list[Path]:
    """Every file of the workspace, database and all, whose bytes hold ``text``."""
    return [path for path in workspace.files.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def annas(*keys: str) -> pa.Table:
    return payments(*keys, person=SECRET, notes='["' + "x" * 200 + '"]')


@pytest.fixture
def line(workspace: Workspace) -> Workspace:
    """Version 1 with two rows of Anna, 2 without one of them, 3 with another row of somebody else, 4 without any of Anna's, 5 with one again."""
    publish(workspace, pa.concat_tables([payments(*(f"r{number}" for number in range(30))), annas(f"{SECRET}/1", f"{SECRET}/2")]))
    delete_rows(workspace, "payments", removed=[Removed(f"{SECRET}/1", "expired")], operation=Operation("expire"))
    delete_rows(workspace, "payments", removed=[Removed("r7", "duplicate", evidence={"other": f"{SECRET}/2"})], operation=Operation("dedup"))
    delete_rows(workspace, "payments", where=f"person = '{SECRET}'", operation=Operation("expire"))
    append_table(workspace, "payments", annas(f"{SECRET}/3"), operation=Operation("more"))
    return workspace


def test_after_a_withdrawal_no_file_holds_the_subject(line: Workspace) -> None:
    assert names_in_files(line, SECRET)
    done = withdraw(line, subject=SECRET, reason="asked on 1 March")
    left = names_in_files(line, SECRET)
    assert left == []
    assert (done.rows, done.withdrawn, done.new_versions, done.rewritten) == (
        3,
        ("payments@5", "payments@3", "payments@2", "payments@1"),
        ("payments@6",),
        ("payments@4",),
    )
    assert done.files_read >= 1 and done.bytes_freed > 0


def test_what_remains_is_whole_and_what_was_withdrawn_is_refused(line: Workspace) -> None:
    digest = load_version(line, "payments@4").digest
    withdraw(line, subject=SECRET, reason="asked on 1 March")
    others = sorted(f"r{number}" for number in range(30) if number != 7)
    for ref in ("payments", "payments@4"):
        there = read_table(line, ref)
        assert ids(there) == others
        assert load_version(line, ref).digest == table_digest(there, CONTRACT)
    assert load_version(line, "payments@4").digest == digest
    assert load_version(line, "payments").operation.counts["dropped"] == 1
    for number in (1, 2, 3, 5):
        with pytest.raises(Refused, match="withdrawn") as refused:
            read_table(line, f"payments@{number}")
        assert refused.value.why == "asked on 1 March"
        assert load_version(line, f"payments@{number}").withdrawn == "asked on 1 March"
    assert diff_tables(line, "payments@4", "payments").unchanged == 29
    append_table(line, "payments", payments("later"), operation=Operation("more"))
    maintain(line, grace="0s")
    assert "later" in ids(read_table(line, "payments"))


def test_the_tombstone_answers_who_asks_with_the_key_and_names_nobody(line: Workspace) -> None:
    withdraw(line, subject=SECRET, reason="asked on 1 March")
    for number in (1, 2, 3):
        assert str(why_not_here(line, "payments", f"{SECRET}/{number}")) == "erased on request: asked on 1 March"
    assert why_not_here(line, "payments", "r7").history[0].evidence is None
    assert why_not_here(line, "payments", "r1").since == 4
    (begun,) = entries(line, type="withdrawal.begun")
    (done,) = entries(line, type="withdrawal.done")
    assert (done.body["found_afterwards"], done.body["rows"], len(done.body["withdrawn"])) == (0, 3, 4)
    assert len(entries(line, type="dataset.withdrawn")) == 4
    assert SECRET not in str([begun.body, done.body])


def test_asking_again_changes_nothing_and_erases_what_came_in_since(line: Workspace) -> None:
    first = withdraw(line, subject=SECRET, reason="asked")
    again = withdraw(line, subject=SECRET, reason="asked")
    assert (again.id, again.ledger_seq, again.withdrawn) == (first.id, 0, first.withdrawn)
    assert len(versions(line, "payments")) == 6
    append_table(line, "payments", annas(f"{SECRET}/9"), operation=Operation("more"))
    third = withdraw(line, subject=SECRET, reason="asked")
    assert (third.rows, third.new_versions, third.ledger_seq > first.ledger_seq) == (4, ("payments@6", "payments@8"), True)
    assert names_in_files(line, SECRET) == []


@pytest.mark.parametrize("step", ["_publish_without", "_mark", "_rewrite", "_clean", "_prove", "_finish"])
def test_a_withdrawal_that_was_interrupted_goes_on_where_it_was(line: Workspace, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    class Killed(BaseException):
        pass

    def die(*args: object, **options: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(withdrawing, step, die)
        with pytest.raises(Killed):
            withdraw(line, subject=SECRET, reason="asked")
    done = withdraw(line, subject=SECRET, reason="asked")
    assert done.ledger_seq > 0
    assert names_in_files(line, SECRET) == []
    assert sorted(done.withdrawn) == ["payments@1", "payments@2", "payments@3", "payments@5"]
    assert len(entries(line, type="withdrawal.begun")) == len(entries(line, type="withdrawal.done")) == 1
    assert len(ids(read_table(line, "payments"))) == 29


def test_dependants_are_listed_and_tables_that_know_the_subject_are_erased_with_it(workspace: Workspace) -> None:
    source = publish(workspace, pa.concat_tables([payments("a", "b"), annas("c")]))
    by_number = Contract(name="n", owner="t", columns={"id": Column(type="int"), "x": Column(type="int")}, key=("id",), subject="id")
    publish(workspace, pa.table({"id": [1], "x": [1]}), contract=by_number, dataset="numbers")
    copy = publish(workspace, annas("c"), dataset="copy", parents=[source.id], operation=Operation("pick", counts={"in": 3, "kept": 1, "dropped": 2}))
    sums = Contract(name="s", owner="t", columns={"total": Column(type="float")})
    total = publish(workspace, pa.table({"total": [4.5]}), contract=sums, dataset="sums", parents=[source.id])
    told = derive(
        workspace,
        dataset="told",
        kind="evaluation",
        rows=[{"id": "x"}],
        card=CARD,
        operation=Operation("tell", counts={"added": 1}),
        parents=[copy.id],
    )
    free = publish(workspace, payments("z"), dataset="free", parents=[source.id])
    model = Edge(Node("version", total.id), Node("model", "m_2"))
    innocent = Edge(Node("version", free.id), Node("model", "m_3"))
    workspace.write(lambda tx: record_edges(tx, [model, innocent]))
    done = withdraw(
        workspace, subject=SECRET, reason="asked", more_dependants=lambda _, ids: [Dependant("model", "m_1", "scorer")] if source.id in ids else []
    )
    assert {(each.kind, each.id) for each in done.dependants} == {("version", total.id), ("version", told.id), ("model", "m_1"), ("model", "m_2")}
    assert set(done.new_versions) == {"payments@2", "copy@2"}
    assert read_table(workspace, "copy").num_rows == 0
    assert read_table(workspace, "numbers").num_rows == 1
    assert names_in_files(workspace, SECRET) == []


def test_a_source_is_withdrawn_with_its_files_wherever_it_came_in(workspace: Workspace) -> None:
    card = CARD.model_copy(update={"source": "vendor-x"})
    publish_table(workspace, payments("a"), dataset="payments", contract=CONTRACT, card=card, operation=Operation("load", counts={"added": 1}))
    publish(workspace, payments("b"), operation=Operation("load", counts={"added": 1}))
    derive(workspace, dataset="told", kind="evaluation", rows=[{"id": "x"}], card=card, operation=Operation("tell", counts={"added": 1}))
    blob = workspace.blobs.path(load_version(workspace, "told").blob)
    done = withdraw(workspace, source="vendor-x", reason="licence ended")
    assert set(done.withdrawn) == {"payments@1", "told@1"}
    assert ids(read_table(workspace, "payments")) == ["b"]
    assert not blob.exists()
    for read in (lambda: read_table(workspace, "payments@1"), lambda: list(rows(workspace, "told"))):
        with pytest.raises(Refused, match="withdrawn"):
            read()
    place = load_version(workspace, "payments").place
    assert place is not None
    files = LanceFiles(workspace.files / "tables" / f"{place.dataset_id}.lance")
    assert len(list((files.folder / "data").iterdir())) == 1
    assert withdraw(workspace, source="payments", reason="all of it").withdrawn == ("payments@2",)
    assert not files.folder.exists()


def test_what_cannot_be_withdrawn_is_refused(workspace: Workspace) -> None:
    publish(workspace, payments("a"))
    for options in (
        {"reason": "r"},
        {"subject": "a", "source": "b", "reason": "r"},
        {"subject": "a", "reason": " "},
        {"source": "nowhere", "reason": "r"},
    ):
        with pytest.raises(InputError):
            withdraw(workspace, **options)  # type: ignore[arg-type]
    assert entries(workspace, type="withdrawal.begun") == []


def test_many_small_fragments_are_joined_and_the_digest_stays(workspace: Workspace) -> None:
    publish(workspace, payments("first"))
    for number in range(17):
        append_table(workspace, "payments", payments(f"r{number}"), operation=Operation("more"))
    before = load_version(workspace, "payments")
    (done,) = maintain(workspace, grace="0s")
    assert (done.fragments_before, done.fragments_after) == (18, 1)
    after = load_version(workspace, "payments")
    assert (after.id, after.digest) == (before.id, before.digest)
    assert table_digest(read_table(workspace, "payments"), CONTRACT) == after.digest
    assert [read_table(workspace, f"payments@{number}").num_rows for number in range(1, 19)] == list(range(1, 19))
    (again,) = maintain(workspace, grace="0s")
    assert again.fragments_before == again.fragments_after == 1
