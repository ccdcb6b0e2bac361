"""The verbs of features, from a file to a training set, a reason and a verdict."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from pilotage.cli.main import app
from pilotage.data import Card, Operation
from pilotage.data.contracts import Contract, put_contract
from pilotage.data.quality import gate_version
from pilotage.data.tabular import publish_table
from pilotage.ledger import create_workspace

DAY = 86_400_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    frame = pl.DataFrame({"id": range(300)}).select(
        "id",
        card=pl.format("c{}", pl.col("id") % 7),
        at=(1_690_000_000_000_000 + pl.col("id") * (DAY // 6)).cast(pl.Datetime("us", "UTC")),
        amount=(pl.col("id") % 13).cast(pl.Float64),
        fraud=(pl.col("id") % 11 == 0),
    )
    kinds = {"id": "int", "card": "text", "at": "timestamp", "amount": "float", "fraud": "bool"}
    contract = Contract.model_validate(
        {
            "name": "transactions",
            "owner": "payments",
            "columns": {name: {"type": kind} for name, kind in kinds.items()},
            "key": ["id"],
            "event_time": "at",
            "available_lag": "1h",
        }
    )
    with create_workspace(tmp_path / "ws", actor="tester") as workspace:
        put_contract(workspace, contract)
        made = publish_table(
            workspace,
            frame.to_arrow(),
            dataset="transactions",
            contract=contract,
            card=Card(licence="CC0-1.0", source="generated"),
            operation=Operation(name="generate", counts={"added": frame.height}),
        )
        gate_version(workspace, made.id)
    (tmp_path / "views.yaml").write_text(
        "name: activity\nversion: 1\nsource: transactions\nentity: card\nevent_time: at\navailable_lag: 1h\n"
        "columns: {last_amount: amount}\naggregates:\n  - {name: spent_7d, function: sum, of: amount, window: 7d, where: amount > 2}\n"
    )
    (tmp_path / "training.yaml").write_text(
        "name: fraud\nspine: transactions@1\ntime: at\nlabel: {column: fraud, available_lag: 7d}\nviews: [activity@1]\nas_of: 2023-09-01T00:00:00Z\n"
        "transforms:\n  - {kind: impute, column: activity__last_amount, strategy: constant, value: 0}\nsplit: {by: time, test: 0.25}\n"
    )
    return tmp_path


def test_from_views_to_a_training_set_its_reasons_and_its_verdict(folder: Path) -> None:
    runner = CliRunner()

    def run(*words: str, code: int = 0) -> str:
        done = runner.invoke(app, ["--workspace", str(folder / "ws"), "features", *words])
        assert done.exit_code == code, (done.output, done.exception)
        return done.output

    assert "no feature view" in run("list").lower()
    assert "activity@1: 2 features of card from transactions" in run("register", str(folder / "views.yaml"))
    assert "activity@1" in run("list")
    assert "spent_7d: float, sum of amount over 1w where amount > 2  from amount" in run("show", "activity")
    built = run("train", str(folder / "training.yaml"))
    assert "fraud@1" in built and "label not yet known at as_of" in built
    assert "the same: fraud@1" in run("rebuild", "fraud@1")
    said = run("inspect", "activity", "--entity", "card=c3", "--at", "2023-08-01T00:30:00Z")
    assert "won: the latest row known at the moment" in said and "superseded" in said
    assert run("leaks", "fraud").startswith("pass: 0 leaks")
