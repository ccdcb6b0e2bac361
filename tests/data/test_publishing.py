from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.data import Operation, derive, load_version, rows, versions
from pilotage.data.rowfile import RowFileWriter
from pilotage.ledger import create_workspace, entries
from pilotage.store import Workspace

from .rows_for_tests import EVALUATION_CARD, TRAINING_CARD, instruction, making, preference


def publish(workspace: Workspace, given_rows: list[dict[str, Any]], **options: Any) -> Any:
    settled = {"dataset": "items", "kind": "evaluation", "card": EVALUATION_CARD, "operation": making(len(given_rows))} | options
    return derive(workspace, rows=given_rows, **settled)


def test_a_derived_version_knows_its_parents_operation_and_ledger_entry(workspace: Workspace) -> None:
    parent = publish(workspace, [{"id": "a"}, {"id": "b"}])
    operation = Operation("thin", params={"keep": 0.5}, counts={"in": 2, "kept": 1, "dropped": 1}, seed=7)
    child = publish(workspace, [{"id": "a"}], dataset="thinned", operation=operation, parents=["items"])
    assert child.parents == (parent.id,)
    assert load_version(workspace, child.id) == child
    assert child.operation.to_dict() == operation.to_dict()
    (_, entry) = entries(workspace, type="dataset.version")
    assert (entry.subject, entry.body["parents"], entry.actor) == (child.id, [parent.id], "tester")


@pytest.mark.parametrize(
    "counts",
    [
        {"in": 3, "kept": 2},
        {"in": 2, "kept": 2, "dropped": 1},
        {"in": 3, "kept": 1, "dropped": 2},
        {"in": 1, "kept": 1},
        {"added": 3},
        {},
    ],
)
def test_counts_that_do_not_add_up_publish_nothing(folder_workspace: Workspace, counts: dict[str, int]) -> None:
    with pytest.raises(InputError, match="do not add up"):
        publish(folder_workspace, [{"id": "a"}, {"id": "b"}], operation=Operation("thin", counts=counts))
    assert versions(folder_workspace) == []


def test_counts_that_are_no_counts_are_refused() -> None:
    for counts in ({"lost": 1}, {"in": -1}, {"in": True}, {"in": 1.0}):
        with pytest.raises(InputError):
            Operation("thin", counts=counts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("given_rows", "where"),
    [
        ([{"id": "a"}, {"id": "a"}], "row 2 field 'id'"),
        ([{"q": "x"}], "row 1 field 'id'"),
        ([{"id": "a", "x": float("nan")}], "row 1 field 'x'"),
        ([{"id": "a", "x": "\ud800"}], "row 1 field 'x'"),
        ([{"id": "a", "x": object()}], "row 1 field 'x'"),
        ([{"id": "a", 1: "x"}], "row 1"),
    ],
)
def test_one_malformed_row_publishes_nothing(folder_workspace: Workspace, given_rows: list[Any], where: str) -> None:
    with pytest.raises(InputError) as caught:
        publish(folder_workspace, given_rows)
    assert caught.value.where == where
    assert versions(folder_workspace) == []


def test_a_version_without_rows_is_refused(folder_workspace: Workspace) -> None:
    with pytest.raises(InputError, match="no rows"):
        publish(folder_workspace, [])


def test_a_parent_that_does_not_exist_is_refused(folder_workspace: Workspace) -> None:
    with pytest.raises(NotFound):
        publish(folder_workspace, [{"id": "a"}], parents=["dv_" + "0" * 32])


def test_the_same_again_is_the_same_version_and_the_ledger_says_it_once(workspace: Workspace) -> None:
    first = publish(workspace, [{"id": "a"}, {"id": "b"}])
    assert publish(workspace, [{"id": "b"}, {"id": "a"}]) == first
    assert len(entries(workspace, type="dataset.version")) == 1
    assert publish(workspace, [{"id": "a"}, {"id": "b"}], operation=making(2, "otherwise")).number == 2


def test_a_dataset_keeps_its_kind(folder_workspace: Workspace) -> None:
    publish(folder_workspace, [{"id": "a"}])
    with pytest.raises(Conflict, match="kind evaluation"):
        publish(folder_workspace, [instruction("a")], kind="training", card=TRAINING_CARD)


def test_whoever_worked_from_an_older_version_of_the_same_dataset_is_told(workspace: Workspace) -> None:
    base = publish(workspace, [{"id": "a"}])
    mine = Operation("add", counts={"in": 1, "kept": 1, "added": 1})
    publish(workspace, [{"id": "a"}, {"id": "b"}], operation=mine, parents=[base.id])
    with pytest.raises(Conflict, match="moved on to version 2"):
        publish(workspace, [{"id": "a"}, {"id": "c"}], operation=mine, parents=[base.id])
    back = publish(workspace, [{"id": "a"}], operation=Operation("back", counts={"in": 2, "kept": 1, "dropped": 1}), parents=[base.id, "items"])
    assert back.number == 3


def test_of_many_who_add_to_the_same_version_each_row_is_there_once_all_have_tried_again(workspace: Workspace) -> None:
    publish(workspace, [{"id": "seed"}])

    def add(name: str) -> None:
        for number in range(4):
            while True:
                latest = load_version(workspace, "items")
                now = [*rows(workspace, latest.id), {"id": f"{name}-{number}"}]
                operation = Operation("add", params={"row": f"{name}-{number}"}, counts={"in": latest.rows, "kept": latest.rows, "added": 1})
                try:
                    publish(workspace, now, operation=operation, parents=[latest.id])
                except Conflict:
                    continue
                break

    threads = [threading.Thread(target=add, args=(name,)) for name in "xyz"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = {"seed"} | {f"{name}-{number}" for name in "xyz" for number in range(4)}
    assert {row["id"] for row in rows(workspace, "items")} == expected
    assert [version.number for version in versions(workspace, "items")] == list(range(13, 0, -1))


def test_training_rows_are_stored_with_every_field_of_the_form(folder_workspace: Workspace) -> None:
    version = publish(folder_workspace, [instruction("a"), preference("b")], kind="training", card=TRAINING_CARD, dataset="t")
    first, second = rows(folder_workspace, version.id)
    assert set(first) == set(second) == {"id", "kind", "messages", "chosen", "rejected", "label", "lineage", "tags"}
    with pytest.raises(InputError, match="same answer"):
        same = preference("c") | {"rejected": preference("c")["chosen"]}
        publish(folder_workspace, [same], kind="training", card=TRAINING_CARD, dataset="t")
    with pytest.raises(Refused):
        publish(folder_workspace, [instruction("a")], kind="training", card=EVALUATION_CARD, dataset="t")


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), ids=st.lists(st.integers(0, 99), min_size=1, max_size=8, unique=True))
def test_the_digest_knows_the_rows_and_not_their_order(folder_workspace: Workspace, data: st.DataObject, ids: list[int]) -> None:
    given_rows = [{"id": str(number), "n": number} for number in ids]
    version = publish(folder_workspace, given_rows)
    assert publish(folder_workspace, data.draw(st.permutations(given_rows))).id == version.id
    changed = [*given_rows[:-1], given_rows[-1] | {"n": -1}]
    assert publish(folder_workspace, changed).digest != version.digest


def test_the_contract_is_part_of_the_digest(folder_workspace: Workspace) -> None:
    plain = publish(folder_workspace, [{"id": "a", "q": "x"}])
    assert publish(folder_workspace, [{"id": "a", "q": "x"}], fields={"q": {"type": "text"}}).digest != plain.digest


_KILLED = """
import os, signal, sys
from pilotage.data import publishing, derive, Card, Operation
from pilotage.ledger import open_workspace
workspace = open_workspace(sys.argv[1])
step = sys.argv[2]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
if step == "before the file":
    workspace.blobs.put = die
elif step == "after the file":
    workspace.write = die
elif step == "inside the transaction":
    publishing.record = die
card = Card(licence="CC-BY-4.0", purposes=("evaluation",), source="tests")
derive(workspace, dataset="items", kind="evaluation", rows=[{"id": "new"}], card=card, operation=Operation("make", counts={"added": 1}))
die()
"""


@pytest.mark.crash
@pytest.mark.parametrize("step", ["before the file", "after the file", "inside the transaction", "after the transaction"])
def test_a_kill_at_any_step_leaves_the_old_version_or_the_new_one(tmp_path: Path, step: str) -> None:
    with create_workspace(tmp_path / "ws") as workspace:
        publish(workspace, [{"id": "old"}])
    done = subprocess.run(
        [sys.executable, "-c", _KILLED, str(tmp_path / "ws"), step],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        timeout=60,
    )
    assert done.returncode == -signal.SIGKILL
    with create_workspace(tmp_path / "ws") as workspace:
        expected = "new" if step == "after the transaction" else "old"
        assert [row["id"] for row in rows(workspace, "items")] == [expected]
        assert len(entries(workspace, type="dataset.version")) == len(versions(workspace))
        again = publish(workspace, [{"id": "new"}])
        assert (again.number, [row["id"] for row in rows(workspace, "items")]) == (2, ["new"])


def test_row_groups_are_cut_by_rows_and_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    import pyarrow.parquet as pq

    monkeypatch.setattr("pilotage.data.rowfile.GROUP_ROWS", 3)
    monkeypatch.setattr("pilotage.data.rowfile.GROUP_BYTES", 100)
    with RowFileWriter() as writer:
        for index in range(4):
            writer.add(str(index), b"{}")
        writer.add("long", b"x" * 100)
        writer.add("last", b"{}")
        writer.finish()
        metadata = pq.ParquetFile(writer.path).metadata
        assert [metadata.row_group(index).num_rows for index in range(metadata.num_row_groups)] == [3, 2, 1]


@pytest.mark.parametrize("name", ["batches", "contracts", "gates"])
def test_a_name_that_is_a_page_of_the_workbench_names_no_dataset(workspace, name):
    with pytest.raises(InputError, match="cannot name a dataset"):
        derive(workspace, dataset=name, kind="documents", rows=[{"id": "1"}], card=EVALUATION_CARD, operation=Operation("x", counts={"added": 1}))
