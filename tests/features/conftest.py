"""A small bank: transactions with late arrival, and disputes that become known days later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest

from pilotage.data import Card, Operation, Version
from pilotage.data.contracts import Contract, put_contract
from pilotage.data.quality import gate_version
from pilotage.data.tabular import publish_table
from pilotage.store import Workspace

DAY = 86_400_000_000
START = 1_690_000_000_000_000
CARD = Card(licence="CC0-1.0", consent="generated", purposes=("training",), source="generated", contains_personal_data=False)


def transactions(*, rows: int = 400, cards: int = 12, seed: int = 0) -> pl.DataFrame:
    """id, card, at, known_at (up to 6 h later), amount, shop, fraud, fraud_known_at (1 to 9 d later)."""
    rng = np.random.default_rng(seed)
    at = START + np.sort(rng.integers(0, 60 * DAY, rows))
    return pl.DataFrame(
        {
            "id": np.arange(rows),
            "card": [f"c{number}" for number in rng.integers(0, cards, rows)],
            "at": at,
            "known_at": at + rng.integers(0, DAY // 4, rows),
            "amount": np.round(rng.gamma(2.0, 30.0, rows), 2),
            "shop": rng.choice(["food", "travel", "games"], rows),
            "fraud": rng.random(rows) < 0.1,
            "fraud_known_at": at + rng.integers(DAY, 9 * DAY, rows),
        }
    ).with_columns(pl.col("at", "known_at", "fraud_known_at").cast(pl.Datetime("us", "UTC")))


TRANSACTIONS = Contract.model_validate(
    {
        "name": "transactions",
        "version": 1,
        "owner": "payments",
        "columns": {
            "id": {"type": "int"},
            "card": {"type": "text"},
            "at": {"type": "timestamp"},
            "known_at": {"type": "timestamp"},
            "amount": {"type": "float"},
            "shop": {"type": "text"},
            "fraud": {"type": "bool"},
            "fraud_known_at": {"type": "timestamp"},
        },
        "key": ["id"],
        "event_time": "at",
        "available_time": "known_at",
    }
)


def put(workspace: Workspace, frame: pl.DataFrame, *, dataset: str = "transactions", contract: Contract = TRANSACTIONS, gate: bool = True) -> Version:
    put_contract(workspace, contract)
    version = publish_table(
        workspace,
        frame.to_arrow(),
        dataset=dataset,
        contract=contract,
        card=CARD,
        operation=Operation(name="generate", counts={"added": frame.height}),
    )
    if gate:
        gate_version(workspace, version.id)
    return version


@pytest.fixture
def bank(workspace: Workspace) -> Callable[..., Version]:
    """Puts transactions into the workspace, gated."""

    def publish(**changes: Any) -> Version:
        gate = changes.pop("gate", True)
        return put(workspace, transactions(**changes), gate=gate)

    return publish
