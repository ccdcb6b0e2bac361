"""Killing the process that ingests, at any moment: the same command again makes one version with every row once."""

from __future__ import annotations

import contextlib
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

# Loads everything once; then, for each line it is told, forks a process that ingests and says which, and how it ended.
_NURSERY = """
import os, sys
import lance, polars
from pilotage.data import quality, tabular
from pilotage.data.ingest import ingest, load_source, reading_text
from pilotage.ledger import open_workspace
reading_text.BLOCK = 8000
for _ in sys.stdin:
    child = os.fork()
    if child == 0:
        with open_workspace(sys.argv[1], actor="ada") as workspace:
            ingest(workspace, load_source(sys.argv[2]))
        os._exit(0)
    print(child, flush=True)
    print(os.waitpid(child, 0)[1], flush=True)
"""
ROWS = 2500
KILLS = 8


@pytest.mark.crash
def test_kill_9_at_any_step_and_the_same_command_again_make_one_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_text, "BLOCK", 8000)
    location, source = tmp_path / "workspace", tmp_path / "s.yaml"
    create_workspace(location, actor="ada").close()
    (tmp_path / "contract.yaml").write_text(CONTRACT, encoding="utf-8")
    source.write_text(
        f"name: s\nkind: csv\npath: in.csv\ncontract: contract.yaml\ndataset: payments\ncard: {CARD}\nlimits: {{bad_share: 1}}\n", encoding="utf-8"
    )
    lines = [f"p{n},2025-01-01T00:00:00Z,{n},,ann" if n % 50 else f"p{n},never" for n in range(ROWS)]
    (tmp_path / "in.csv").write_text("\n".join(["id,at,amount,note,person", *lines]) + "\n", encoding="utf-8")
    moments = random.Random(7)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3] / "src")}
    nursery = subprocess.Popen(
        [sys.executable, "-c", _NURSERY, str(location), str(source)], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with nursery:
        statuses = [_kill_one(nursery, after_s=moments.uniform(0.0, 0.6)) for _ in range(KILLS)]
    assert signal.SIGKILL in statuses
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


def _kill_one(nursery: subprocess.Popen[str], *, after_s: float) -> int:
    """Have a process begin, and kill it so long after. How it ended: 0 if it was done by then."""
    assert nursery.stdin is not None
    assert nursery.stdout is not None
    nursery.stdin.write("begin\n")
    nursery.stdin.flush()
    child = int(nursery.stdout.readline())
    time.sleep(after_s)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    return int(nursery.stdout.readline())


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
