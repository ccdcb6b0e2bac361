"""Twenty times SIGKILL, with events delivered again: the tiles are those of one batch."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from pilotage.features.algebra import partials, states
from pilotage.features.streams import Plan, declare_source, stored_tiles, stream_status
from pilotage.features.streams.log import read_log
from pilotage.ledger import create_workspace, open_workspace

from .card_events import CARDS, card_view
from .children_to_kill import EVENTS, tape


@pytest.mark.crash
@pytest.mark.parametrize("how_worked", ["apart", "together"])
def test_tiles_equal_a_batch_after_twenty_kills(empty_schema: Path, tmp_path: Path, how_worked: str) -> None:
    folder = tmp_path / "ws"
    folder.mkdir()
    (folder / "pilotage.db").write_bytes(empty_schema.read_bytes())
    with create_workspace(str(folder), actor="tester") as workspace:
        declare_source(workspace, CARDS)
    acknowledged = tmp_path / "acknowledged"
    acknowledged.write_text("0")
    chance = random.Random(1)
    script = str(Path(__file__).parent / "children_to_kill.py")
    killed, progress = 0, [0]
    with subprocess.Popen(
        [sys.executable, script, str(folder), str(acknowledged), how_worked], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as spawner:
        assert spawner.stdin is not None and spawner.stdout is not None
        while True:
            spawner.stdin.write("go\n")
            spawner.stdin.flush()
            child = int(spawner.stdout.readline())
            if killed < 20:
                # Wait until it has begun to work, then kill it wherever it is.
                until = time.monotonic() + 20
                while int(acknowledged.read_text()) == progress[-1] and time.monotonic() < until:
                    time.sleep(0.002)
                time.sleep(chance.random() * 0.05)
                os.kill(child, signal.SIGKILL)
                killed += 1
            how = int(spawner.stdout.readline())
            progress.append(int(acknowledged.read_text()))
            if how == 0:
                break
            assert how == signal.SIGKILL
        spawner.stdin.close()
    assert killed == 20
    assert 0 < progress[10] < EVENTS  # the kills fell into the work

    view = card_view()
    plan = Plan(view, CARDS)
    # By hand, not from the log: what was delivered, once each. Only when the log took each event, and where, is for the log to say.
    at = pl.Series("at", [event["at"] for event in tape()], dtype=pl.Int64)
    columns = {name: [event[name] for event in tape()] for name in ("id", "card", "amount", "shop")}
    events = pl.DataFrame(columns).with_columns(at.cast(pl.Datetime("us", "UTC")), at.alias("__event"), pl.lit(False).alias("gone"))
    with open_workspace(str(folder)) as workspace, workspace.read() as conn:
        kept = stored_tiles(conn, workspace.id, view.ref)
        status = stream_status(workspace, view.ref)
        log = read_log(conn, workspace.id, CARDS, from_position=0, limit=10 * EVENTS)
    assert (status.events, status.waiting) == (EVENTS, 0)
    assert log is not None and sorted(log["id"]) == sorted(events["id"])
    rows = plan.inputs(events.join(log.select("id", "__available", "__position"), on="id", maintain_order="left")).rows
    summed = partials(rows, ["__entity", "__tile"], plan.aggregators)
    keys = zip(summed["__entity"].to_list(), summed["__tile"].to_list(), strict=True)
    assert kept == dict(zip(keys, states(summed, plan.aggregators), strict=True))
