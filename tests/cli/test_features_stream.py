"""features replay and features stream: what they say, and how they exit."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
from terminal import Terminal

from pilotage.data import Card, Operation
from pilotage.data.contracts import Contract
from pilotage.data.tabular import publish_table
from pilotage.features import load_views, register_view
from pilotage.features.replay import is_released
from pilotage.features.streams import EventSource, append, declare_source
from pilotage.ledger import create_workspace

START = 1_700_000_000_000_000
HOUR = 3_600_000_000
CONTRACT = Contract.from_dict(
    {
        "name": "payments",
        "owner": "shop",
        "columns": {
            "id": {"type": "text"},
            "at": {"type": "timestamp"},
            "known_at": {"type": "timestamp"},
            "card": {"type": "text"},
            "amount": {"type": "float"},
        },
        "key": ["id"],
        "event_time": "at",
        "available_time": "known_at",
    }
)
VIEW = """
name: card
version: 1
source: payments
entity: [card]
event_time: at
available_time: known_at
aggregates:
  - {name: spent, function: sum, of: amount / 100, window: 1d}
  - {name: n, function: count, window: 7d}
"""


def prepare(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "views.yaml").write_text(VIEW)
    columns = {
        "id": [f"p{index}" for index in range(60)],
        "at": [START + index * HOUR for index in range(60)],
        "known_at": [START + index * HOUR + 5 for index in range(60)],
        "card": [f"c{index % 3}" for index in range(60)],
        "amount": [index * 1.1 for index in range(60)],
    }
    with create_workspace(terminal.workspace, actor="captain") as workspace:
        rows = pa.table(columns, schema=CONTRACT.arrow_schema())
        card = Card(licence="CC0-1.0", consent="none needed", purposes=("training",), source="tests")
        publish_table(workspace, rows, dataset="payments", contract=CONTRACT, card=card, operation=Operation("load", counts={"added": 60}))
        register_view(workspace, load_views(tmp_path / "views.yaml")[0])


def test_a_replay_says_what_was_compared_and_releases(terminal: Terminal, tmp_path: Path) -> None:
    prepare(terminal, tmp_path)
    said = terminal("features", "replay", "card@1", "--entities", "3", "--moments", "6", "--release").out
    assert "replay of card@1: pass" in said and "card@1 is released" in said
    assert "18 compared" in said
    with create_workspace(terminal.workspace, actor="captain") as workspace:
        assert is_released(workspace, load_views(tmp_path / "views.yaml")[0])


def test_a_stream_works_off_what_waits(terminal: Terminal, tmp_path: Path) -> None:
    prepare(terminal, tmp_path)
    source = EventSource(
        "payments",
        {"id": "text", "at": "timestamp", "known_at": "timestamp", "card": "text", "amount": "float"},
        event_id="id",
        event_time="at",
        available_time="known_at",
    )
    with create_workspace(terminal.workspace, actor="captain") as workspace:
        declare_source(workspace, source)
        append(workspace, "payments", json.loads('[{"id": "a", "at": "2026-01-01T00:00:00Z", "card": "c", "amount": 1.0}]'))
    said = terminal("features", "stream", "card", "--once").out
    assert "1 events, 1 tiles, 0 late, 0 refused, 0 waiting" in said
    assert "card@1: 1 events" in said
    terminal.refused("features", "stream", "nothing", "--once", code=2)
