from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import Conflict, InputError, NotFound
from pilotage.data import Operation, datasets, derive, family, load_version, versions
from pilotage.data.contracts import Column, Contract
from pilotage.data.tabular import (
    Removed,
    append_table,
    delete_rows,
    publish_table,
    read_table,
    table_digest,
    upsert_table,
    why_not_here,
)
from pilotage.data.tabular.lance_files import LanceFiles
from pilotage.ledger import entries
from pilotage.store import Workspace

from .tables_for_tests import CARD, CONTRACT, ids, payments, publish


def lance_of(workspace: Workspace, dataset: str = "payments") -> LanceFiles:
    place = load_version(workspace, dataset).place
    assert place is not None
    return LanceFiles(workspace.files / "tables" / f"{place.dataset_id}.lance")


def data_files(workspace: Workspace) -> set[Path]:
    return set((lance_of(workspace).folder / "data").iterdir())


def test_a_table_comes_back_as_it_went_in_with_every_type(workspace: Workspace) -> None:
    given_rows = payments("a", "b")
    given_rows = pa.concat_tables(
        [given_rows, payments("c", amount=None, good=None, day=None, audio=None, notes=None), payments("d", amount=float("nan"), audio=bytes(1000))]
    )
    version = publish(workspace, given_rows, parents=[])
    assert (version.kind, version.number, version.rows, version.contract_id) == ("table", 1, 4, CONTRACT.id)
    assert read_table(workspace, "payments").to_pylist()[:3] == given_rows.to_pylist()[:3]
    assert read_table(workspace, "payments").schema == CONTRACT.arrow_schema()
    assert version.digest == table_digest(given_rows, CONTRACT)
    assert [(each.name, each.kind, each.rows) for each in datasets(workspace)] == [("payments", "table", 4)]
    (entry,) = entries(workspace, type="dataset.version")
    assert (entry.subject, entry.body["digest"], entry.body["contract"]) == (version.id, version.digest, CONTRACT.id)


def test_a_stream_of_batches_makes_the_same_version_as_the_table(folder_workspace: Workspace) -> None:
    whole = payments(*(f"r{number}" for number in range(100)))
    version = publish(folder_workspace, whole)
    again = publish_table(
        folder_workspace,
        iter(whole.to_batches(max_chunksize=7)),
        dataset="payments",
        contract=CONTRACT,
        card=CARD,
        operation=Operation("load", counts={"added": 100}),
    )
    assert (again.id, len(versions(folder_workspace))) == (version.id, 1)


def test_an_append_leaves_the_files_of_earlier_rows_alone_and_counts_itself(workspace: Workspace) -> None:
    publish(workspace, payments("a", "b"))
    before = {path: path.stat().st_mtime_ns for path in data_files(workspace)}
    version = append_table(workspace, "payments", payments("c"), operation=Operation("more", counts={"quarantined": 2}))
    assert ids(read_table(workspace, "payments")) == ["a", "b", "c"]
    assert {name: count for name, count in version.operation.counts.items() if count} == {"in": 4, "kept": 2, "quarantined": 2, "added": 1}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert len(data_files(workspace)) == len(before) + 1
    assert version.digest == table_digest(read_table(workspace, "payments"), CONTRACT)
    assert ids(read_table(workspace, "payments@1")) == ["a", "b"]
    assert [each.number for each in family(workspace, "payments").ancestors] == [1]


def test_an_upsert_puts_new_values_in_place_and_leaves_equal_rows_alone(workspace: Workspace) -> None:
    publish(workspace, payments("a", "b", "c"))
    version = upsert_table(
        workspace, "payments", pa.concat_tables([payments("a"), payments("b", count=9), payments("z")]), operation=Operation("correct")
    )
    assert {name: count for name, count in version.operation.counts.items() if count} == {"in": 3, "kept": 2, "changed": 1, "added": 1}
    counts = {each["id"]: each["count"] for each in read_table(workspace, "payments").to_pylist()}
    assert counts == {"a": 1, "b": 9, "c": 1, "z": 1}
    assert version.digest == table_digest(read_table(workspace, "payments"), CONTRACT)
    assert upsert_table(workspace, "payments", payments("a"), operation=Operation("correct")).id == version.id


def test_a_delete_names_each_row_with_its_rule(workspace: Workspace) -> None:
    publish(workspace, payments("a", "b", "c", "d"))
    version = delete_rows(
        workspace,
        "payments",
        removed=[Removed("a", "duplicate", "same person and time", {"other": "b", "score": 0.97})],
        operation=Operation("clean", counts={"dropped": 1}),
    )
    assert (version.rows, ids(read_table(workspace, "payments"))) == (3, ["b", "c", "d"])
    assert str(why_not_here(workspace, "payments", "a")) == (
        'removed in version 2 by duplicate because of {"other": "b", "score": 0.97}: same person and time'
    )
    third = delete_rows(workspace, "payments", where="id in ('c', 'd')", rule="expired", reason="older than a year", operation=Operation("expire"))
    assert third.operation.counts["dropped"] == 2
    assert str(why_not_here(workspace, "payments", "d")) == "removed in version 3 by expired: older than a year"
    with pytest.raises(InputError, match="not there"):
        delete_rows(workspace, "payments", removed=[Removed("a", "again")], operation=Operation("clean"))
    with pytest.raises(InputError, match="all 1 rows"):
        delete_rows(workspace, "payments", where="count >= 0", operation=Operation("clean"))


def test_rows_that_a_whole_new_version_leaves_out_are_on_record(workspace: Workspace) -> None:
    publish(workspace, payments("a", "b", "c"))
    kept = Operation("filter", counts={"in": 3, "kept": 1, "dropped": 2})
    removed = [Removed("b", "too long", evidence={"length": 9}), Removed("never-in", "too short")]
    publish(workspace, payments("a"), operation=kept, removed=removed, parents=["payments@1"])
    assert why_not_here(workspace, "payments", "b").history[0].evidence == {"length": 9}
    assert str(why_not_here(workspace, "payments", "c")).startswith("removed in version 2 by filter")
    assert str(why_not_here(workspace, "payments", "never-in")) == "removed in version 2 by too short"
    with pytest.raises(InputError, match="said to be removed"):
        publish(
            workspace,
            payments("a", "z"),
            operation=Operation("f", counts={"in": 2, "kept": 1, "dropped": 1, "added": 1}),
            removed=[Removed("a", "r")],
        )
    with pytest.raises(InputError, match="reasons of 1"):
        publish(workspace, payments("z"), removed=[Removed("a", "r")])


def test_the_same_run_twice_is_one_version(workspace: Workspace) -> None:
    first = publish(workspace, payments("a"), run_id="run-1")
    assert publish(workspace, payments("b"), run_id="run-1").id == first.id
    second = append_table(workspace, "payments", payments("b"), operation=Operation("more"), run_id="run-2")
    upsert_table(workspace, "payments", payments("b", count=5), operation=Operation("correct"), run_id="run-3")
    assert append_table(workspace, "payments", payments("b"), operation=Operation("more"), run_id="run-2").id == second.id
    fourth = upsert_table(workspace, "payments", payments("b", count=5), operation=Operation("correct"), run_id="run-4")
    assert fourth.number == 4  # nothing changed, but the run is on record: done again later, it must not undo what came after
    assert upsert_table(workspace, "payments", payments("b", count=1), operation=Operation("correct"), run_id="run-3").number == 3
    assert [version.number for version in versions(workspace, "payments")] == [4, 3, 2, 1]
    assert lance_of(workspace).open(int(second.place.lance_version)).dataset.read_transaction(second.place.lance_version).transaction_properties == {  # type: ignore[union-attr]
        "run_id": "run-2"
    }


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (payments("a", "a"), "share their key"),
        (payments("a").drop_columns(["count"]), "Missing: the column count"),
        (payments("a").append_column("extra", pa.array([1])), "Not in the contract: the column extra"),
        (payments("a").set_column(3, "count", pa.array(["1"])), "The column 'count' is string"),
        (payments("a").set_column(3, "count", pa.array([1.5])), "The column 'count' is double"),
        (payments("a").set_column(5, "at", pa.array([0], pa.timestamp("us"))), "without a time zone"),
        (payments("a").set_column(3, "count", pa.array([None], pa.int64())), "1 values of 'count' are null"),
        (payments("a").set_column(0, "id", pa.array([None], pa.string())), "null"),
        (payments("a").set_column(7, "audio", pa.array([[1]])), "list<"),
        (payments(), "no rows"),
        ([{"id": "a"}], "as dict"),
        (b"pickle", "not as bytes"),
        (payments("a").set_column(5, "at", pa.array([1], pa.timestamp("ns", "UTC"))), "does not fit"),
    ],
)
def test_what_does_not_fit_is_refused_whole(folder_workspace: Workspace, table: object, says: str) -> None:
    with pytest.raises(InputError) as refused:
        publish_table(folder_workspace, table, dataset="t", contract=CONTRACT, card=CARD, operation=Operation("load", counts={"added": 1}))
    assert says in str(refused.value)
    assert versions(folder_workspace) == []


def test_a_key_that_is_nan_is_refused_and_keys_of_personal_columns_are_not_repeated(folder_workspace: Workspace) -> None:
    by_number = Contract(name="n", owner="t", columns={"k": Column(type="float")}, key=("k",))
    with pytest.raises(InputError, match="NaN"):
        publish(folder_workspace, pa.table({"k": [1.0, float("nan")]}), contract=by_number)
    secret = Contract(name="s", owner="t", columns={"k": Column(type="text", personal=True)}, key=("k",))
    with pytest.raises(InputError) as refused:
        publish(folder_workspace, pa.table({"k": ["anna@example.org"] * 2}), contract=secret)
    assert "anna" not in str(refused.value)


def test_narrower_types_are_widened(folder_workspace: Workspace) -> None:
    narrow = payments("a").set_column(3, "count", pa.array([7], pa.int16())).set_column(0, "id", pa.array(["a"]).dictionary_encode())
    narrow = narrow.set_column(7, "audio", pa.array([b"x"], pa.binary())).set_column(5, "at", pa.array([1], pa.timestamp("s", "Europe/Berlin")))
    publish(folder_workspace, narrow)
    (only,) = read_table(folder_workspace, "payments").to_pylist()
    assert (only["count"], only["audio"], only["at"].timestamp()) == (7, b"x", 1)


def test_counts_that_do_not_add_up_are_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="add up"):
        publish(workspace, payments("a"), operation=Operation("load", counts={"added": 2}))
    publish(workspace, payments("a"))
    with pytest.raises(InputError, match="expected 5 rows added; there are 1 added"):
        append_table(workspace, "payments", payments("b"), operation=Operation("more", counts={"added": 5}))
    assert len(versions(workspace)) == 1


def test_an_append_of_a_key_that_is_there_is_refused(workspace: Workspace) -> None:
    publish(workspace, payments("a"))
    with pytest.raises(InputError, match="there already: a"):
        append_table(workspace, "payments", payments("a", count=2), operation=Operation("more"))


def test_a_table_and_rows_do_not_share_a_name_and_a_missing_dataset_is_not_found(workspace: Workspace) -> None:
    derive(workspace, dataset="rows", kind="evaluation", rows=[{"id": "a"}], card=CARD, operation=Operation("make", counts={"added": 1}))
    with pytest.raises(Conflict, match="kind evaluation"):
        publish(workspace, payments("a"), dataset="rows")
    with pytest.raises(InputError, match="not a table"):
        append_table(workspace, "rows", payments("a"), operation=Operation("more"))
    with pytest.raises(NotFound):
        upsert_table(workspace, "nowhere", payments("a"), operation=Operation("more"))


def test_a_parent_that_is_no_longer_the_latest_is_a_conflict(workspace: Workspace) -> None:
    publish(workspace, payments("a"))
    append_table(workspace, "payments", payments("b"), operation=Operation("more"))
    with pytest.raises(Conflict, match="moved on"):
        publish(workspace, payments("a", "c"), parents=["payments@1"], operation=Operation("f", counts={"in": 1, "kept": 1, "added": 1}))


def test_somebody_who_publishes_in_between_is_not_left_out(folder_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loser of the race does its work again, on what the winner published."""
    publish(folder_workspace, payments("a"))
    true_commit, intrusions = LanceFiles.commit, iter([True])

    def commit(self: LanceFiles, *args: object, **options: object) -> int:
        made = true_commit(self, *args, **options)  # type: ignore[arg-type]
        if next(intrusions, False):
            other = publish(folder_workspace, payments("a", "other"), operation=Operation("r", counts={"in": 1, "kept": 1, "added": 1}))
            assert other.number == 2
        return made

    monkeypatch.setattr(LanceFiles, "commit", commit)
    version = upsert_table(folder_workspace, "payments", payments("mine"), operation=Operation("up"))
    assert (version.number, ids(read_table(folder_workspace, "payments"))) == (3, ["a", "mine", "other"])
    assert version.parents == (load_version(folder_workspace, "payments@2").id,)


def test_a_commit_that_nobody_published_never_gets_into_a_version(folder_workspace: Workspace) -> None:
    """What a writer that died between commit and catalogue leaves, and what a program beside us commits."""
    import lance

    publish(folder_workspace, payments("a"))
    files = lance_of(folder_workspace)
    lance.write_dataset(payments("orphan"), files.uri, mode="append")
    assert lance.dataset(files.uri).count_rows() == 2
    for made, there in (
        (lambda: append_table(folder_workspace, "payments", payments("b"), operation=Operation("more")), ["a", "b"]),
        (lambda: upsert_table(folder_workspace, "payments", payments("a", count=2), operation=Operation("up")), ["a", "b"]),
        (lambda: delete_rows(folder_workspace, "payments", where="id = 'b'", operation=Operation("less")), ["a"]),
    ):
        assert made().digest == table_digest(read_table(folder_workspace, "payments"), CONTRACT)
        assert ids(read_table(folder_workspace, "payments")) == there
        lance.write_dataset(payments("orphan"), files.uri, mode="append")


def test_a_commit_without_our_lock_in_the_middle_of_ours_is_left_behind(folder_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import lance

    publish(folder_workspace, payments("a"))
    files = lance_of(folder_workspace)
    true_restored, intrusions = LanceFiles._restored, iter([True])

    def restored(self: LanceFiles, base: int) -> int:
        read = true_restored(self, base)
        if next(intrusions, False):
            lance.write_dataset(payments("orphan"), files.uri, mode="append")
        return read

    monkeypatch.setattr(LanceFiles, "_restored", restored)
    append_table(folder_workspace, "payments", payments("b"), operation=Operation("more"))
    assert ids(read_table(folder_workspace, "payments")) == ["a", "b"]


def test_a_changed_contract_is_a_whole_new_version_and_old_ones_stay_readable(workspace: Workspace) -> None:
    publish(workspace, payments("a", "b"))
    wider = CONTRACT.model_copy(update={"version": 2, "columns": {**CONTRACT.columns, "extra": Column(type="int")}})
    table = payments("a").append_column("extra", pa.array([1]))
    version = publish(workspace, table, contract=wider, operation=Operation("widen", counts={"in": 1, "kept": 1}))
    assert version.contract_id == wider.id != CONTRACT.id
    assert ids(read_table(workspace, "payments@1")) == ["a", "b"]
    append_table(workspace, "payments", payments("c").append_column("extra", pa.array([2])), operation=Operation("more"))
    assert read_table(workspace, "payments", columns=["extra"])["extra"].to_pylist() == [1, 2]
    with pytest.raises(InputError, match="Missing: the column extra"):
        append_table(workspace, "payments", payments("d"), operation=Operation("more"))
    with pytest.raises(InputError, match="no column 'extra'"):
        read_table(workspace, "payments@1", columns=["extra"])


def test_without_a_unique_key_rows_may_be_equal(folder_workspace: Workspace) -> None:
    log = Contract(name="log", owner="t", columns={"who": Column(type="text"), "n": Column(type="int")}, key=("who",), unique=False)
    table = pa.table({"who": ["a", "a", "b"], "n": [1, 1, 2]})
    publish(folder_workspace, table, contract=log, dataset="log")
    version = append_table(folder_workspace, "log", table, operation=Operation("more"))
    assert version.rows == 6
    with pytest.raises(InputError, match="unique key"):
        delete_rows(folder_workspace, "log", where="n = 1", operation=Operation("less"))


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    steps=st.lists(
        st.tuples(st.sampled_from(["upsert", "delete"]), st.sets(st.integers(0, 15), min_size=1, max_size=6), st.integers(0, 3)), max_size=5
    )
)
def test_any_line_of_changes_leaves_what_a_dictionary_would_hold(folder_workspace: Workspace, steps: list[tuple[str, set[int], int]]) -> None:
    dataset = f"d{len(datasets(folder_workspace))}"
    held = {f"r{number}": 0 for number in range(8)}
    publish(folder_workspace, payments(*held, count=0), dataset=dataset)
    for verb, numbers, value in steps:
        keys = [f"r{number}" for number in sorted(numbers)]
        if verb == "upsert":
            version = upsert_table(folder_workspace, dataset, payments(*keys, count=value), operation=Operation("up"))
            held |= dict.fromkeys(keys, value)
        else:
            keys = [key for key in keys if key in held]
            if not keys or len(keys) == len(held):
                continue
            version = delete_rows(folder_workspace, dataset, removed=[Removed(key, "r") for key in keys], operation=Operation("less"))
            held = {key: count for key, count in held.items() if key not in keys}
        there = read_table(folder_workspace, version.id)
        assert {each["id"]: each["count"] for each in there.to_pylist()} == held
        assert version.digest == table_digest(there, CONTRACT)


def test_a_large_change_writes_the_fragment_anew(folder_workspace: Workspace) -> None:
    keys = [f"r{number}" for number in range(100)]
    publish(folder_workspace, payments(*keys))
    delete_rows(folder_workspace, "payments", removed=[Removed(key, "half") for key in keys[:50]], operation=Operation("less"))
    files = lance_of(folder_workspace)
    (part,) = files.open(load_version(folder_workspace, "payments").place.lance_version).parts()  # type: ignore[union-attr]
    assert (part.deletions, part.rows) == (None, 50)
    assert len(read_table(folder_workspace, "payments@1")) == 100


def test_the_stored_table_says_which_columns_are_its_key(folder_workspace: Workspace) -> None:
    import lance

    publish(folder_workspace, payments("a"))
    stored = lance.dataset(lance_of(folder_workspace).uri)
    assert stored.schema.field("id").metadata == {b"lance-schema:unenforced-primary-key": b"true"}
    assert (stored.schema.field("count").metadata, stored.data_storage_version) == (None, "2.1")
