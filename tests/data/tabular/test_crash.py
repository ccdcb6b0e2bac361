"""Processes that are killed at each step of publishing, and several that publish at once."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pilotage.data import Operation, load_version, versions
from pilotage.data.tabular import append_table, maintain, read_table, table_digest, upsert_table
from pilotage.data.tabular.lance_files import LanceFiles
from pilotage.ledger import create_workspace, entries

from .tables_for_tests import CONTRACT, ids, payments, publish

TESTS = Path(__file__).resolve().parents[3]

_COMMON = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
from pilotage.data import Operation
from pilotage.data.contracts import Contract
from pilotage.data.tabular import publish_table, upsert_table
from pilotage.ledger import open_workspace
from tests.data.tabular.tables_for_tests import payments, CONTRACT, CARD
"""

_KILLED = (
    _COMMON
    + """
from pilotage.data.tabular import publishing
from pilotage.data.tabular.lance_files import LanceFiles
workspace = open_workspace(sys.argv[1])
step, verb = sys.argv[2:4]
def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)
def then_die(call):
    def called(*args, **kwargs):
        call(*args, **kwargs)
        die()
    return called
if step == "after the files":
    LanceFiles.write = then_die(LanceFiles.write)
elif step == "after the commit":
    LanceFiles.commit = then_die(LanceFiles.commit)
elif step == "inside the transaction":
    publishing.record = die
elif step == "after the transaction":
    LanceFiles.tag = die
elif step == "after the tag":
    LanceFiles.tag = then_die(LanceFiles.tag)
if verb == "upsert":
    upsert_table(workspace, "payments", payments("old", "new", count=2), operation=Operation("up"), run_id="r")
else:
    publish_table(workspace, payments("old", "new", count=2), dataset="payments", contract=CONTRACT, card=CARD,
                  operation=Operation("load", counts={"added": 2}), run_id="r")
die()
"""
)

_UPSERTING = (
    _COMMON
    + """
with open_workspace(sys.argv[1]) as workspace:
    for turn in range(25):
        keys = [f"shared-{number}" for number in range(turn % 5, turn % 5 + 3)] + [f"{sys.argv[2]}-{turn}"]
        upsert_table(workspace, "payments", payments(*keys, count=int(sys.argv[2]) * 100 + turn), operation=Operation("up"))
"""
)


def start(script: str, *arguments: str) -> subprocess.Popen[bytes]:
    path = os.pathsep.join([str(TESTS), *sys.path])
    return subprocess.Popen([sys.executable, "-c", script, *arguments], env={**os.environ, "PYTHONPATH": path})


@pytest.mark.crash
@pytest.mark.parametrize(
    ("step", "left", "verb"),
    [
        ("after the files", "old", "upsert"),
        ("after the commit", "old", "upsert"),
        ("after the commit", "old", "publish"),
        ("inside the transaction", "old", "upsert"),
        ("after the transaction", "new", "upsert"),
        ("after the transaction", "new", "publish"),
        ("after the tag", "new", "upsert"),
    ],
)
def test_a_kill_at_any_step_leaves_the_old_version_or_the_new_one_and_is_mended(folder: Path, step: str, left: str, verb: str) -> None:
    with create_workspace(folder) as workspace:
        publish(workspace, payments("old", "kept"))
    assert start(_KILLED, str(folder), step, verb).wait(60) == -signal.SIGKILL
    old, new = ["kept", "old"], ["kept", "new", "old"] if verb == "upsert" else ["new", "old"]
    with create_workspace(folder) as workspace:
        there = read_table(workspace, "payments")
        assert ids(there) == (new if left == "new" else old)
        version = load_version(workspace, "payments")
        assert version.digest == table_digest(there, CONTRACT)
        assert len(entries(workspace, type="dataset.version")) == len(versions(workspace)) == (2 if left == "new" else 1)
        assert version.place is not None
        files = LanceFiles(workspace.files / "tables" / f"{version.place.dataset_id}.lance")
        assert files.tags()[version.id] == version.place.lance_version  # made again when it was opened
        # What the dead left behind is in nothing that follows, and is cleaned up.
        append_table(workspace, "payments", payments("later"), operation=Operation("more"))
        expected = sorted([*(new if left == "new" else old), "later"])
        assert ids(read_table(workspace, "payments")) == expected
        maintain(workspace, grace="0s")
        assert set(files.numbers()) == set(files.tags().values())
        assert ids(read_table(workspace, "payments")) == expected
        assert ids(read_table(workspace, "payments@1")) == old
        if verb == "upsert":
            again = upsert_table(workspace, "payments", payments("old", "new", count=2), operation=Operation("up"), run_id="r")
            assert (again.number == 2) == (left == "new")
            assert ids(read_table(workspace, "payments")) == sorted({*expected, "new"})


@pytest.mark.crash
def test_four_processes_that_upsert_the_same_keys_leave_the_exact_set(folder: Path) -> None:
    with create_workspace(folder) as workspace:
        publish(workspace, payments("first"))
    writers = [start(_UPSERTING, str(folder), str(number)) for number in range(4)]
    assert [writer.wait(120) for writer in writers] == [0, 0, 0, 0]
    with create_workspace(folder) as workspace:
        there = read_table(workspace, "payments")
        assert ids(there) == sorted({"first", *(f"shared-{n}" for n in range(7)), *(f"{w}-{turn}" for w in range(4) for turn in range(25))})
        line = versions(workspace, "payments")
        assert [version.number for version in line] == list(range(101, 0, -1))
        assert all(version.parents == (before.id,) for version, before in itertools.pairwise(line))
        assert line[0].digest == table_digest(there, CONTRACT)
