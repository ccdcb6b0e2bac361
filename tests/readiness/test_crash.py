"""Killing ``pilotage run`` with SIGKILL, again and again on one workspace: in the end it is as if nobody had."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from pilotage.data import load_version, rows, versions
from pilotage.judging.tables import judgement, rater
from pilotage.ledger import create_workspace, open_workspace, verify
from pilotage.practice import base_model, serve
from pilotage.readiness import PilotStatus, pilot_status
from pilotage.redteam.tables import finding, finding_attempt
from pilotage.review.tables import review_task
from pilotage.runs import check_outputs, outputs, runs
from pilotage.runs.tables import output
from pilotage.store import Workspace
from small_pilot import change, make_small_pilot, review

SOURCE = Path(__file__).resolve().parents[2] / "src"
NAME = "support-assistant"
KILLS_BEFORE_REVIEW = 5
KILLS_AFTER_REVIEW = 5


class Folder:
    """A workspace and a pilot of its own, and the command in processes of its own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.location = folder / "workspace"
        self.pilot = make_small_pilot(folder / "pilot")
        change(self.pilot, "http://127.0.0.1:8322/v1", url)
        change(self.pilot, "in_flight: 4", "in_flight: 2")
        create_workspace(self.location).close()
        self._environment = {
            **os.environ,
            "PYTHONPATH": str(SOURCE),
            "PILOTAGE_WORKSPACE": str(self.location),
            "PILOTAGE_KEY_DIR": str(folder / "keys"),
            "PYTHONPYCACHEPREFIX": str(folder.parent / "pycache"),
        }
        self._environment.pop("PYTHONDONTWRITEBYTECODE", None)  # many starts: compile once

    def start(self) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pilotage", "run", str(self.pilot)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self._environment, start_new_session=True)

    def run(self) -> None:
        """Run to the end."""
        process = self.start()
        said, _ = process.communicate(timeout=120)
        assert process.returncode == 0, said

    def killed_after(self, commits: int) -> bool:
        """Run, and kill it once it has committed so often; whether it was still running. What there is verifies.

        Commits are counted from outside, so that a slow machine is killed at the same places as a fast one.
        """
        process = self.start()
        with contextlib.closing(sqlite3.connect(self.location / "pilotage.db", isolation_level=None)) as watching:
            seen, version = 0, watching.execute("PRAGMA data_version").fetchone()
            while seen < commits and process.poll() is None:
                time.sleep(0.001)
                before, version = version, watching.execute("PRAGMA data_version").fetchone()
                seen += version != before
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        with open_workspace(self.location) as workspace:
            assert str(verify(workspace).integrity) == "ok"
            for table, key in ((output, output.c.sample_id), (review_task, review_task.c.item_id), (finding, finding.c.cluster_key)):
                there = _column(workspace, table, key)
                assert len(there) == len(set(there)), f"doubled in {table.name}"
        return process.returncode == -signal.SIGKILL

    def review(self) -> None:
        with open_workspace(self.location) as workspace:
            review(workspace)

    def result(self) -> dict[str, Any]:
        """All that came out, without what is random (ids of the pilot) or of the clock."""
        with open_workspace(self.location) as workspace:
            status = pilot_status(workspace, NAME)
            return {
                "steps": {name: (step.state, step.counts) for name, step in status.steps.items()},
                "cycle": status.cycle,
                "outputs": _outputs(workspace),
                "judgements": _judgements(workspace),
                "tasks": Counter(_column(workspace, review_task, review_task.c.item_id)),
                "findings": sorted(
                    zip(_column(workspace, finding, finding.c.cluster_key), _column(workspace, finding, finding.c.state), strict=True)
                ),
                "attempts": Counter(_column(workspace, finding_attempt, finding_attempt.c.attempt_id)),
                "figures": _figures(status),
                "training": _training(workspace),
                "exports": sorted(path.name for path in (self.pilot / "exports").iterdir()) if (self.pilot / "exports").exists() else [],
                "ledger": str(verify(workspace).integrity),
            }


def _column(workspace: Workspace, table: Any, column: Any) -> list[Any]:
    with workspace.read() as conn:
        return list(
            conn.execute(select(column).where(table.c.workspace_id == workspace.id).order_by(table.c.id if "id" in table.c else column)).scalars()
        )


def _outputs(workspace: Workspace) -> dict[str, Any]:
    made = {}
    for run in runs(workspace):
        assert run.state == "done"
        assert check_outputs(workspace, run.id).ok
        for each in outputs(workspace, run.id):
            made[each.sample_id] = (str(each.outcome), [message.to_dict() for message in each.messages])
    assert len(made) == len(_column(workspace, output, output.c.sample_id))
    return made


def _judgements(workspace: Workspace) -> Counter[Any]:
    query = select(judgement.c.item_id, judgement.c.question, rater.c.name, judgement.c.value).join(rater, rater.c.id == judgement.c.rater_id)
    with workspace.read() as conn:
        return Counter((row.item_id, row.question, row.name, str(row.value)) for row in conn.execute(query))


def _figures(status: PilotStatus) -> list[Any]:
    if status.decision is None:
        return []
    limits = [limit for gate in status.decision.gates for limit in gate.limits]
    return [
        (str(limit.limit), str(limit.verdict), limit.evidence.lower, limit.evidence.upper, limit.evidence.n) for limit in limits if limit.evidence
    ]


def _training(workspace: Workspace) -> list[Any]:
    made = versions(workspace, "support-safety")
    if not made:
        return []
    assert [version.number for version in made] == [1]
    return sorted((row["id"], row["lineage"]["sample"]) for row in rows(workspace, load_version(workspace, "support-safety").id))


@pytest.mark.crash
def test_a_pilot_killed_again_and_again_ends_as_one_that_was_left_alone(tmp_path: Path) -> None:
    moments = random.Random(20261122)
    with serve(base_model(tmp_path / "v0"), latency_s=0.03) as serving:
        alone, killed = Folder(tmp_path / "alone", serving.url), Folder(tmp_path / "killed", serving.url)
        alone.run()
        caught = [killed.killed_after(moments.randint(1, 18)) for _ in range(KILLS_BEFORE_REVIEW)]
        killed.run()
        assert killed.result() == alone.result()
        assert alone.result()["steps"]["review"][0] == "waiting"

        alone.review()
        killed.review()
        alone.run()
        caught += [killed.killed_after(moments.randint(1, 18)) for _ in range(KILLS_AFTER_REVIEW)]
        killed.run()
        expected = alone.result()
        assert expected["steps"]["decide"][0] == "done"
        assert expected["figures"]
        assert expected["training"]
        assert killed.result() == expected
    assert sum(caught) >= len(caught) // 2, "the kills must fall into the run"
    shutil.rmtree(tmp_path / "pycache", ignore_errors=True)
