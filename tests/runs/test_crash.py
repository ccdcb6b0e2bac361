"""Killing a run with SIGKILL: nothing acknowledged is lost, nothing is doubled, and the same command finishes the work."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from pilotage.ledger import create_workspace, open_workspace, verify
from pilotage.runs import check_outputs, outputs, runs, tables
from pilotage.store import Workspace

SCRIPT = Path(__file__).with_name("run_until_killed.py")
SOURCE = Path(__file__).resolve().parents[2] / "src"
SAMPLES = 1500
REPLY_MS = 20
KILLS = 20


def start(location: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONPYCACHEPREFIX": str(location.parent / "pycache")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # twenty-one starts: compile once
    command = [sys.executable, str(SCRIPT), str(location), str(SAMPLES), str(REPLY_MS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)


def acknowledged(said: str) -> list[str]:
    """The samples said to be durable, whole lines only: the last may be cut."""
    return [line.split(" ", 1)[1] for line in said.split("\n")[:-1] if line.startswith("durable ")]


def written(workspace: Workspace) -> list[str]:
    """The sample of every output in the database."""
    with workspace.read() as conn:
        return list(conn.execute(select(tables.output.c.sample_id).where(tables.output.c.workspace_id == workspace.id)).scalars())


@pytest.mark.crash
def test_killed_at_twenty_moments_a_run_loses_and_doubles_nothing(tmp_path: Path) -> None:
    location = tmp_path / "workspace"
    create_workspace(location).close()
    moments = random.Random(20260101)
    durable: list[str] = []
    for _ in range(KILLS):
        process = start(location)
        assert process.stdout is not None
        assert process.stdout.readline() == "started\n"
        time.sleep(moments.uniform(0.0, 0.4))
        os.killpg(process.pid, signal.SIGKILL)
        durable += acknowledged(process.stdout.read())
        process.wait()
        with open_workspace(location) as workspace:
            assert str(verify(workspace).integrity) == "ok"
            there = written(workspace)
            assert set(durable) <= set(there), "an acknowledged output is lost"
            assert len(there) == len(set(there)), "a sample is doubled"
            assert all(check_outputs(workspace, summary.id).ok for summary in runs(workspace))
    assert 0 < len(durable) < SAMPLES, "the kills must fall into the run"
    assert len(durable) == len(set(durable)), "a sample was acknowledged twice"

    said, _ = start(location).communicate(timeout=120)
    last = acknowledged(said)
    assert said.endswith(f"end done {len(last)} {SAMPLES - len(last)}\n")
    assert not set(last) & set(durable), "what was done was done again"
    with open_workspace(location) as workspace:
        (summary,) = runs(workspace)
        assert (summary.state, summary.counts) == ("done", {"answered": SAMPLES})
        assert len({output.sample_id for output in outputs(workspace, summary.id)}) == SAMPLES
        assert len(written(workspace)) == SAMPLES
        assert check_outputs(workspace, summary.id).ok
        assert str(verify(workspace).integrity) == "ok"
