"""Small tables and a contract that the tests of typed tables share."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pyarrow as pa

from pilotage.data import Card, Operation, Version
from pilotage.data.contracts import Column, Contract
from pilotage.data.tabular import publish_table
from pilotage.store import Workspace

CARD = Card(licence="CC-BY-4.0", purposes=("training",), source="tests")
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
CONTRACT = Contract(
    name="payments",
    owner="tests",
    columns={
        "id": Column(type="text"),
        "person": Column(type="text", personal=True),
        "amount": Column(type="float", nullable=True),
        "count": Column(type="int"),
        "good": Column(type="bool", nullable=True),
        "at": Column(type="timestamp"),
        "day": Column(type="date", nullable=True),
        "audio": Column(type="binary", nullable=True),
        "notes": Column(type="list", nullable=True),
    },
    key=("id",),
    subject="person",
)


def row(row_id: str, **values: Any) -> dict[str, Any]:
    return {
        "id": row_id,
        "person": f"person-of-{row_id}",
        "amount": 1.5,
        "count": 1,
        "good": True,
        "at": NOON,
        "day": NOON.date(),
        "audio": b"RIFF" + row_id.encode(),
        "notes": '["a"]',
        **values,
    }


def payments(*ids: str, **values: Any) -> pa.Table:
    return pa.Table.from_pylist([row(each, **values) for each in ids], schema=CONTRACT.arrow_schema())


def publish(workspace: Workspace, table: pa.Table, *, dataset: str = "payments", contract: Contract = CONTRACT, **options: Any) -> Version:
    operation = options.pop("operation", None) or Operation("load", counts={"added": table.num_rows})
    return publish_table(workspace, table, dataset=dataset, contract=contract, card=CARD, operation=operation, **options)


def ids(table: pa.Table) -> list[str]:
    return sorted(table["id"].to_pylist())
