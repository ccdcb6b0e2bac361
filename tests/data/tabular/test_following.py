"""Time travel, tags, differences, and what became of a row."""

from __future__ import annotations

import pyarrow as pa
import pytest

from pilotage.core import InputError, NotFound
from pilotage.data import Operation, diff, load_version
from pilotage.data.contracts import Column, Contract
from pilotage.data.tabular import (
    Removed,
    append_table,
    as_of,
    delete_rows,
    diff_tables,
    note_set_aside,
    read_table,
    tag,
    tags,
    upsert_table,
    why_not_here,
)
from pilotage.data.tabular.lance_files import LanceVersion
from pilotage.ledger import entries
from pilotage.store import Workspace

from .tables_for_tests import CONTRACT, ids, payments, publish


@pytest.fixture
def line(workspace: Workspace) -> Workspace:
    """Five versions: a, b, c; + d; b changed; - c (duplicate of a); whole without d, with e."""
    publish(workspace, payments("a", "b", "c"))
    append_table(workspace, "payments", payments("d"), operation=Operation("more"))
    upsert_table(workspace, "payments", payments("b", count=9, amount=None), operation=Operation("correct"))
    removed = [Removed("c", "duplicate", "same payment", {"other": "a", "score": 0.99})]
    delete_rows(workspace, "payments", removed=removed, operation=Operation("dedup"))
    rows = pa.concat_tables([payments("a", "e"), payments("b", count=9, amount=None)])
    publish(workspace, rows, operation=Operation("reload", counts={"in": 3, "kept": 3}))
    return workspace


def test_every_version_stays_as_it_was(line: Workspace) -> None:
    there = {number: ids(read_table(line, f"payments@{number}")) for number in range(1, 6)}
    assert there == {1: ["a", "b", "c"], 2: ["a", "b", "c", "d"], 3: ["a", "b", "c", "d"], 4: ["a", "b", "d"], 5: ["a", "b", "e"]}
    for number in range(1, 6):
        version = load_version(line, f"payments@{number}")
        assert as_of(line, "payments", version.created_at).number == number
    with pytest.raises(NotFound, match="no version yet"):
        as_of(line, "payments", load_version(line, "payments@1").created_at - 1)


def test_a_tag_names_a_version_and_moving_it_is_an_act(line: Workspace) -> None:
    tag(line, "payments@2", "production")
    assert ids(read_table(line, "payments@production")) == ["a", "b", "c", "d"]
    tag(line, "payments@2", "production")
    tag(line, "payments@3", "production")
    assert [(each.name, each.number) for each in tags(line, "payments")] == [("production", 3)]
    (first,) = entries(line, type="dataset.tagged")
    (moved,) = entries(line, type="dataset.tag-moved")
    assert (first.body["number"], moved.body["number"], moved.body["before"]) == (2, 3, load_version(line, "payments@2").id)
    for bad in ("3", "", "1a", "a/b", "a b", "x" * 65):
        with pytest.raises(InputError):
            tag(line, "payments", bad)
    with pytest.raises(NotFound, match="no version nowhere"):
        load_version(line, "payments@nowhere")


def test_a_diff_says_what_was_added_removed_and_changed_and_why(line: Workspace) -> None:
    found = diff_tables(line, "payments@1", "payments@5")
    assert (found.added, found.removed, found.changed, found.unchanged) == (1, 1, 1, 1)
    assert [each["id"] for each in found.added_rows()] == ["e"]
    (gone,) = found.removed_rows()
    assert (gone.key, gone.removed_in, gone.rule, gone.reason) == ("c", 4, "duplicate", "same payment")
    (changed,) = found.changed_rows()
    assert (changed.key, {cell.column: (cell.before, cell.after) for cell in changed.cells}) == ("b", {"count": (1, 9), "amount": (1.5, None)})
    assert {name: count for name, count in found.columns.items() if count} == {"count": 1, "amount": 1}
    assert str(diff(line, "payments@1", "payments@5")) == "1 added, 1 removed, 1 changed, 1 unchanged"
    assert diff(line, "payments@1", "payments@5").removed == ("c",)
    back = diff_tables(line, "payments@5", "payments@1")
    assert (back.keys(), back.removed_rows()[0].rule) == ((("c",), ("e",), ("b",)), None)
    same = diff_tables(line, "payments", "payments")
    assert (same.added, same.removed, same.changed, same.unchanged, same.changed_rows()) == (0, 0, 0, 3, ())


def test_a_diff_is_paged(folder_workspace: Workspace) -> None:
    keys = [f"r{number:03}" for number in range(300)]
    publish(folder_workspace, payments(*keys))
    upsert_table(folder_workspace, "payments", payments(*keys[:120], count=2), operation=Operation("up"))
    found = diff_tables(folder_workspace, "payments@1", "payments")
    pages = [found.changed_rows(offset=offset, limit=50) for offset in (0, 50, 100, 150)]
    assert [len(page) for page in pages] == [50, 50, 20, 0]
    assert sorted(each.key for page in pages for each in page) == keys[:120]
    with pytest.raises(InputError):
        found.changed_rows(limit=0)


def test_a_diff_does_not_read_what_both_share(folder_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(folder_workspace, payments(*(f"r{number}" for number in range(500))))
    append_table(folder_workspace, "payments", payments("new"), operation=Operation("more"))
    read_table(folder_workspace, "payments@1")
    read_table(folder_workspace, "payments")
    read: list[int] = []
    true_batches = LanceVersion.batches

    def counted(self: LanceVersion, **options: object) -> object:
        for batch in true_batches(self, **options):  # type: ignore[arg-type]
            read.append(batch.num_rows)
            yield batch

    monkeypatch.setattr(LanceVersion, "batches", counted)
    assert diff_tables(folder_workspace, "payments@1", "payments").added == 1
    assert sum(read) == 1


def test_a_diff_over_a_changed_contract_compares_the_columns_both_have(folder_workspace: Workspace) -> None:
    publish(folder_workspace, payments("a", "b"))
    columns = {name: column for name, column in CONTRACT.columns.items() if name != "good"} | {"extra": Column(type="int")}
    wider = CONTRACT.model_copy(update={"version": 2, "columns": columns})
    table = payments("a", "b").drop_columns(["good"]).append_column("extra", pa.array([1, 2]))
    publish(folder_workspace, table, contract=wider, operation=Operation("widen", counts={"in": 2, "kept": 2}))
    found = diff_tables(folder_workspace, "payments@1", "payments")
    assert (found.unchanged, found.changed, found.columns_added, found.columns_removed) == (2, 0, ("extra",), ("good",))


def test_rows_without_a_unique_key_are_added_and_removed_never_changed(folder_workspace: Workspace) -> None:
    log = Contract(name="log", owner="t", columns={"who": Column(type="text"), "n": Column(type="int")})
    publish(folder_workspace, pa.table({"who": ["a", "a", "b"], "n": [1, 1, 2]}), contract=log, dataset="log")
    publish(
        folder_workspace,
        pa.table({"who": ["a", "b", "b"], "n": [1, 2, 2]}),
        contract=log,
        dataset="log",
        operation=Operation("r", counts={"added": 3}),
    )
    found = diff_tables(folder_workspace, "log@1", "log")
    assert (found.added, found.removed, found.changed, found.unchanged) == (1, 1, 0, 2)
    assert [each.row for each in found.removed_rows()] == [{"who": "a", "n": 1}]


def test_why_a_row_is_not_here_is_told_from_the_ledger(line: Workspace) -> None:
    line.write(lambda tx: note_set_aside(tx, dataset="payments", batch="b_7", rows=[("bad", "amount is below 0")]))
    told = {key: str(why_not_here(line, "payments", key)) for key in ("a", "b", "c", "d", "e", "bad", "nobody")}
    assert told == {
        "a": "present since version 1",
        "b": "present since version 1",
        "c": 'removed in version 4 by duplicate because of {"other": "a", "score": 0.99}: same payment',
        "d": "removed in version 5 by reload: not among the rows of the whole new version",
        "e": "present since version 5",
        "bad": "quarantined in batch b_7: amount is below 0",
        "nobody": "never seen",
    }


def test_a_row_that_came_back_is_present_and_its_history_is_kept(line: Workspace) -> None:
    append_table(line, "payments", payments("c", "x"), operation=Operation("more"))
    append_table(line, "payments", payments("y"), operation=Operation("more"))
    found = why_not_here(line, "payments", "c")
    assert (found.state, found.since, [each.removed_in for each in found.history]) == ("present", 6, [4])
    assert found.to_dict()["text"] == "present since version 6"
    delete_rows(line, "payments", where="id = 'c'", rule="again", operation=Operation("dedup"))
    assert [each.rule for each in why_not_here(line, "payments", "c").history] == ["again", "duplicate"]


def test_keys_with_strange_characters_are_found_again(workspace: Workspace) -> None:
    strange = ["a'b", 'say "hi"', "käse\n", "nul\0nul", "x" * 500, "%_\\"]
    publish(workspace, payments("kept", *strange))
    delete_rows(workspace, "payments", removed=[Removed(key, "r", evidence={"other": key}) for key in strange], operation=Operation("clean"))
    for key in strange:
        assert why_not_here(workspace, "payments", key).state == "removed"
    assert why_not_here(workspace, "payments", "kept").state == "present"


def test_a_removal_without_a_rule_and_the_same_row_twice_are_refused(folder_workspace: Workspace) -> None:
    publish(folder_workspace, payments("a", "b"))
    for removed in ([Removed("a", " ")], [Removed("a", "r"), Removed("a", "s")]):
        with pytest.raises(InputError):
            delete_rows(folder_workspace, "payments", removed=removed, operation=Operation("clean"))
