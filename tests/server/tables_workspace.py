"""A workspace with a table of payments in five versions, its contract in two, and what the data propose to it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pyarrow as pa

from pilotage.core import ManualClock
from pilotage.data import Card, Operation
from pilotage.data.contracts import Check, Column, Contract, Proposal, put_contract, put_proposal
from pilotage.data.quality import gate_version
from pilotage.data.tabular import Removed, append_table, delete_rows, publish_table, tag, upsert_table
from pilotage.pipelines.explaining import RUBRIC, _item
from pilotage.review import put_task
from pilotage.store import Workspace

CANARY = '<script>alert("canary")</script>'
DAY_US = 86_400_000_000
CARD = Card(licence="CC0-1.0", source="made up")
START = datetime(2026, 1, 5, 8, tzinfo=UTC)
ROWS = 130

PAYMENTS = Contract(
    name="payments",
    owner="payments platform",
    description=f"What was paid. {CANARY}",
    columns={
        "id": Column(type="text"),
        "holder": Column(type="text", personal=True),
        "at": Column(type="timestamp"),
        "amount": Column(type="float", unit="EUR", minimum=0, nullable=True),
        "channel": Column(type="text", levels=("web", "pos"), level_policy="review"),
        "note": Column(type="text", nullable=True, description=CANARY),
        "receipt": Column(type="binary", nullable=True),
    },
    key=("id",),
    event_time="at",
    available_lag="1h",
    subject="holder",
    checks=(Check(name="enough", kind="row_count", at_least=20),),
)


@dataclass(frozen=True)
class Tables:
    """What is where. ``open_proposal`` waits for somebody; ``from_queue`` waits in a review queue too."""

    open_proposal: str
    from_queue: str
    times: tuple[int, ...]


def payments(first: int, n: int, *, factor: float = 1.0, with_receipts: bool = True) -> pa.Table:
    numbers = range(first, first + n)
    return pa.table(
        {
            "id": [f"p{number:04d}" for number in numbers],
            "holder": [f"holder-{number % 7}" for number in numbers],
            "at": pa.array([START + timedelta(hours=number) for number in numbers], pa.timestamp("us", tz="UTC")),
            "amount": [None if number == 3 else factor * (10 + number % 40) for number in numbers],
            "channel": ["web" if number % 3 else "pos" for number in numbers],
            "note": [CANARY if number == 1 else None for number in numbers],
            "receipt": pa.array(
                [b"%PDF receipt " + str(number).encode() if with_receipts and number % 2 else None for number in numbers], pa.large_binary()
            ),
        },
        schema=PAYMENTS.arrow_schema(),
    )


def operation(name: str) -> Operation:
    return Operation(name=name)


def fill(workspace: Workspace, clock: ManualClock) -> Tables:
    """Publish, change, remove, add, tag; then a second version of the contract."""
    times = []

    def later() -> None:
        clock.advance(24 * 3600)
        times.append(workspace.clock.now_us())

    put_contract(workspace, PAYMENTS)
    later()
    publish_table(
        workspace,
        payments(0, ROWS),
        dataset="payments",
        contract=PAYMENTS,
        card=CARD,
        operation=Operation(name="import", counts={"in": ROWS, "kept": ROWS}),
    )
    tag(workspace, "payments@1", "golden")
    gate_version(workspace, "payments@1")
    later()
    changed = payments(10, 5, factor=2.0)
    upsert_table(workspace, "payments", changed, operation=operation("correction"))
    later()
    taken = [Removed(key=f"p{number:04d}", rule="duplicate", reason=f"the same as p0000 {CANARY}", evidence={"of": "p0000"}) for number in (20, 21)]
    delete_rows(workspace, "payments", operation=operation("dedupe"), removed=taken)
    later()
    append_table(workspace, "payments", payments(ROWS, 4), operation=operation("append"))
    content = PAYMENTS.to_dict()
    content["version"] = 2
    content["columns"]["amount"] |= {"unit": "EUR_minor", "dimension": None}
    second = put_contract(workspace, Contract.from_dict(content))
    later()
    new = payments(0, 60, factor=100.0)
    publish_table(
        workspace,
        new,
        dataset="payments-minor",
        contract=second,
        card=CARD,
        operation=Operation(name="import", counts={"in": 60, "kept": 60}),
    )
    gate_version(workspace, "payments-minor@1")
    put_proposal(
        workspace, Proposal(second.id, "rename", "note", "note", "remark", 0.91, {"likeness": {"levels": 0.9, "name": 0.4}, "rivals": {}, "n": 60})
    )
    evidence = {"deciles_old": [float(n) for n in range(10, 21)], "deciles_new": [100.0 * n for n in range(10, 21)], "n_old": 130, "n_new": 60}
    unit = put_proposal(workspace, Proposal(second.id, "unit", "amount", "EUR_minor", "EUR", 0.95, {**evidence, "ks_before": 0.99}))
    level = put_proposal(workspace, Proposal(second.id, "level", "channel", CANARY, None, 0.2, {"count": 3, "share": 0.02, "n": 130}))
    workspace.write(lambda tx: put_task(tx, "card-fraud", _item(level, delivery="payments/monday.csv"), RUBRIC, ["contract_change"]) and None)
    return Tables(open_proposal=unit.id, from_queue=level.id, times=tuple(times))
