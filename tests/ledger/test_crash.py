"""Killing the process that writes: nothing acknowledged is lost, nothing is doubled, and the chain verifies."""

from __future__ import annotations

import collections
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pilotage.ledger import checkpoint, create_workspace, entries, open_workspace, verify
from pilotage.store import Workspace

# Eight threads record and, once `write` has returned, note the number in a file; the main thread signs heads all the while.
_WRITER = """
import itertools, os, sys, threading
from pilotage.ledger import checkpoint, open_workspace, record

location, file, life = sys.argv[1:]
acknowledged = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
workspace = open_workspace(location)

def work(thread):
    for n in itertools.count():
        token = f"{life}-{thread}-{n}"
        seq = workspace.write(lambda tx: record(tx, type="thing.done", subject=token, body={}, personal={"n": n} if n % 5 == 0 else None))
        os.write(acknowledged, f"{seq} {token}\\n".encode())

for thread in range(8):
    threading.Thread(target=work, args=(thread,), daemon=True).start()
while True:
    checkpoint(workspace)
"""


def kill_a_writer(location: str, acknowledged: Path, *, life: int, after_s: float) -> None:
    """Start a writer, wait for its first acknowledgement, and kill it ``after_s`` seconds later."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    before = acknowledged.stat().st_size if acknowledged.exists() else 0
    process = subprocess.Popen([sys.executable, "-c", _WRITER, location, str(acknowledged), str(life)], env=environment)
    try:
        deadline = time.monotonic() + 60
        while not acknowledged.exists() or acknowledged.stat().st_size == before:
            assert process.poll() is None, "the writer ended by itself"
            assert time.monotonic() < deadline, "the writer never acknowledged anything"
            time.sleep(0.002)
        time.sleep(after_s)
        assert process.poll() is None, "the writer ended by itself"
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.mark.crash
def test_killing_eight_writers_at_any_moment_loses_and_doubles_nothing(location: str, tmp_path: Path) -> None:
    moments = random.Random(20)
    acknowledged = tmp_path / "acknowledged"
    create_workspace(location).close()
    lives = 20 if "://" not in location else 5
    for life in range(lives):
        kill_a_writer(location, acknowledged, life=life, after_s=moments.uniform(0, 0.15))

    noted = [line.split() for line in acknowledged.read_text().splitlines()]
    with open_workspace(location) as workspace:
        checkpoint(workspace)
        result = verify(workspace)
        found = {entry.seq: entry.subject for entry in entries(workspace, limit=1_000_000, type="thing.done")}
        everything = [entry.seq for entry in entries(workspace, limit=1_000_000)]
    assert result.ok, result
    assert result.signer == "known"
    assert everything == list(range(1, len(everything) + 1))
    lost = [(seq, token) for seq, token in noted if found.get(int(seq)) != token]
    assert lost == []
    doubled = [token for token, times in collections.Counter(found.values()).items() if times > 1]
    assert doubled == []
    assert len(noted) >= lives


def test_what_is_acknowledged_was_synced_to_the_disk(workspace: Workspace) -> None:
    """A killed process does not show it, a power cut would: the setting that makes each commit wait for the disk is on in the writer."""
    if workspace.engine.dialect.name == "sqlite":
        modes = workspace.write(lambda tx: [tx.conn.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")])
        assert modes == [2, "wal"]
    else:
        assert workspace.write(lambda tx: tx.conn.exec_driver_sql("SHOW synchronous_commit").scalar()) == "on"
