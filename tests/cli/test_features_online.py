"""The verbs of the online store: fill, look up, compare."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pilotage.cli.main import app
from pilotage.core import InputError
from pilotage.data import Card, Operation
from pilotage.data.contracts import Contract, put_contract
from pilotage.data.tabular import publish_table
from pilotage.features import load_views, register_view
from pilotage.features.serving import FeatureServer
from pilotage.features.serving_log import ServingLog
from pilotage.ledger import create_workspace, open_workspace

HOUR = 3_600_000_000
VIEWS = """
name: activity
version: 1
source: transactions
entity: card
event_time: at
available_lag: 1h
columns: {last_amount: amount}
aggregates:
  - {name: spent_7d, function: sum, of: amount, window: 7d}
request: {ratio: asked / spent_7d}
request_inputs: {asked: float}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    with create_workspace(tmp_path / "ws", actor="tester") as workspace:
        now = workspace.clock.now_us()
        frame = pl.DataFrame({"id": range(40)}).select(
            "id",
            card=pl.format("c{}", pl.col("id") % 4),
            at=(now - 3 * HOUR - pl.col("id") * HOUR).cast(pl.Datetime("us", "UTC")),
            amount=(pl.col("id") % 13 + 1).cast(pl.Float64),
        )
        contract = Contract.model_validate(
            {
                "name": "transactions",
                "owner": "payments",
                "columns": {name: {"type": kind} for name, kind in {"id": "int", "card": "text", "at": "timestamp", "amount": "float"}.items()},
                "key": ["id"],
                "event_time": "at",
                "available_lag": "1h",
            }
        )
        put_contract(workspace, contract)
        operation = Operation(name="generate", counts={"added": frame.height})
        card = Card(licence="CC0-1.0", source="generated")
        publish_table(workspace, frame.to_arrow(), dataset="transactions", contract=contract, card=card, operation=operation)
        (tmp_path / "views.yaml").write_text(VIEWS)
        for view in load_views(tmp_path / "views.yaml"):
            register_view(workspace, view)
    return tmp_path


def run(folder: Path, *words: str):
    return CliRunner().invoke(app, ["--workspace", str(folder / "ws"), "features", *words])


def test_a_view_is_filled_and_looked_up(folder):
    filled = run(folder, "materialize", "activity")
    assert filled.exit_code == 0 and "4 of 4 entities written" in filled.output
    got = run(folder, "get", "activity@1", "--entity", "card=c1", "--entity", "card=nobody", "--request", "asked=2")
    assert got.exit_code == 0, got.output
    decoder, text, found = json.JSONDecoder(), got.output.strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    assert found[0]["features"]["activity__last_amount"] == 2.0 and found[0]["flags"] == {"activity@1": "ok"}
    assert found[0]["features"]["activity__ratio"] == 2.0 / found[0]["features"]["activity__spent_7d"]
    assert found[1]["features"]["activity__last_amount"] is None and found[1]["flags"] == {"activity@1": "missing"}


def test_skew_says_its_verdict_with_its_exit_code(folder):
    assert run(folder, "skew", "activity", "--max-rate", "0.1").exit_code == 3
    run(folder, "materialize", "activity")
    with open_workspace(folder / "ws", actor="tester") as workspace, ServingLog(workspace, rate=1.0) as log:
        server = FeatureServer(workspace, load_views(folder / "views.yaml"), log=log)
        for _ in range(20):
            server.serve([{"card": f"c{i}"} for i in range(4)], {"asked": 1.0})
    passed = run(folder, "skew", "activity", "--max-rate", "0.9")
    assert passed.exit_code == 0 and "80 served vectors" in passed.output, passed.output


@pytest.mark.parametrize(
    "words",
    [("get", "activity", "--entity", "c1"), ("get", "activity", "--entity", "card=c1", "--at", "2026-01-01"), ("materialize", "activity@x")],
)
def test_words_that_make_no_sense_are_refused(folder, words):
    assert isinstance(run(folder, *words).exception, InputError)
