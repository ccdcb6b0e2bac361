"""Killing the process that ingests, at any moment: the same command again makes one version with every row once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.data.ingest.conftest import CARD, CONTRACT

from pilotage.core import PilotageError
from pilotage.data import versions
from pilotage.data.ingest import batches, ingest, load_source, reading_text
from pilotage.data.ingest.staging import parts_of
from pilotage.data.tabular import read_table
from pilotage.ledger import create_workspace, open_workspace, verify

# The child says when it has begun, ingests, and says when it is done.
_CHILD = """
import sys
from pilotage.data.ingest import ingest, load_source, reading_text
from pilotage.ledger import open_workspace
reading_text.BLOCK = 4000
with open_workspace(sys.argv[1], actor="ada") as workspace:
    print("begun", flush=True)
    ingest(workspace, load_source(sys.argv[2]))
    print("done", flush=True)
"""
ROWS = 2500
KILLS = 8


@pytest.mark.crash
def test_kill_9_at_any_step_and_the_same_command_again_make_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_text, "BLOCK", 4000)
    location, source = tmp_path / "workspace", tmp_path / "s.yaml"
    create_workspace(location, actor="ada").close()
    (tmp_path / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    source.write_text(
        f"name: s\nkind: csv\npath: in.csv\ncontract: contract.yaml\ndataset: payments\ncard: {CARD}\nlimits: {{bad_share: 1}}\n", encoding="utf-8"
    )
    lines = [f"p{n},2025-01-01T00:00:00Z,{n},,ann" if n % 50 else f"p{n},never" for n in range(ROWS)]
    (tmp_path / "in.csv").write_text("\n".join(["id,at,amount,note,person", *lines]) + "\n", encoding="utf-8")
    moments = random.Random(7)
    killed = 0
    for _ in range(KILLS):
        killed += not _run(location, source, kill_after_s=moments.uniform(0.0, 0.7))
    assert killed > 0
    with open_workspace(location, actor="ada") as workspace:
        batch = ingest(workspace, load_source(source))
        bad = ROWS // 50
        assert (batch.state, batch.rows_in, batch.kept, batch.quarantined) == ("published", ROWS, ROWS - bad, bad)
        assert [each.id for each in batches(workspace)] == [batch.id]
        assert [each.id for each in versions(workspace, "payments")] == [batch.version]
        ids = read_table(workspace, "payments").column("id").to_pylist()
        assert sorted(ids) == sorted(f"p{n}" for n in range(ROWS) if n % 50)
        assert parts_of(workspace, batch.id) == []
        assert not [path for path in (location / "blobs").rglob("*") if path.is_file() and not path.name.startswith(".new-")]
        assert verify(workspace).ok


def _run(location: Path, source: Path, *, kill_after_s: float) -> bool:
    """Start the child and kill it so long after it began. True if it was done by then."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    process = subprocess.Popen([sys.executable, "-c", _CHILD, str(location), str(source)], env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        time.sleep(kill_after_s)
    finally:
        process.send_signal(signal.SIGKILL)
        said = process.stdout.read()
        process.wait()
    return "done" in said


STEPS = ("keep_part", "judge", "publish", "append_or_publish", "delete_staged")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("moment", ["before", "after"])
def test_dying_before_or_after_each_step_makes_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, moment: str) -> None:
    """The same, at each very step: the step's function raises instead of the process dying, which leaves the same rows and files."""
    from pilotage.data.ingest import ingesting, publishing

    class Died(BaseException):
        pass

    place, name = {
        "keep_part": (ingesting, "keep_part"),
        "judge": (ingesting, "judge"),
        "publish": (ingesting, "publish"),
        "append_or_publish": (publishing, "publish_table"),
        "delete_staged": (ingesting, "delete_staged"),
    }[step]
    usual = getattr(place, name)

    def dies(*args: object, **options: object) -> object:
        if moment == "after":
            usual(*args, **options)
        raise Died

    (tmp_path / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    source = tmp_path / "s.yaml"
    source.write_text(f"name: s\nkind: csv\npath: in.csv\ncontract: contract.yaml\ndataset: payments\ncard: {CARD}\n", encoding="utf-8")
    rows = "".join(f"p{n},2025-01-01T00:00:00Z,1,,ann\n" for n in range(40))
    (tmp_path / "in.csv").write_text("id,at,amount,note,person\n" + rows, encoding="utf-8")
    with create_workspace(tmp_path / "workspace", actor="ada") as workspace:
        with monkeypatch.context() as patch:
            patch.setattr(place, name, dies)
            with pytest.raises((Died, PilotageError)):
                ingest(workspace, source)
        batch = ingest(workspace, source)
        assert (batch.state, batch.kept) == ("published", 40)
        assert [each.id for each in versions(workspace, "payments")] == [batch.version]
        assert read_table(workspace, "payments").num_rows == 40
        assert parts_of(workspace, batch.id) == []
