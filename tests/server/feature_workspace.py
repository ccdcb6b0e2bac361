"""A workspace with features: a small bank whose texts are hostile, and a shop whose visitors are personal data."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pilotage.core import ManualClock
from pilotage.data import Card, Operation, Version
from pilotage.data.contracts import Contract, put_contract
from pilotage.data.quality import gate_version
from pilotage.data.tabular import publish_table
from pilotage.features import Aggregate, FeatureView, Label, Split, Transform, build_training_set, parse_expression, register_view
from pilotage.features.leaks import probe_training_set
from pilotage.features.online import OnlineOutput, materialize
from pilotage.features.replay import release_view, replay
from pilotage.features.serving import FeatureServer
from pilotage.features.serving_log import ServingLog
from pilotage.features.skew import measure_skew
from pilotage.features.streams import EventSource, StreamWorker, append, declare_source
from pilotage.store import Workspace

DAY = 86_400_000_000
MINUTE = 60_000_000
NOW = 1_780_000_000_000_000
CANARY = "<script>alert('boo')</script>"
CARD = Card(licence="CC0-1.0", consent="generated", purposes=("training",), source="generated", contains_personal_data=False)
CARDS = [*(f"c{number}" for number in range(9)), CANARY]

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
VISITS = Contract.model_validate(
    {
        "name": "visits",
        "version": 1,
        "owner": "shop",
        "columns": {
            "person": {"type": "text", "personal": True},
            "at": {"type": "timestamp"},
            "email": {"type": "text", "personal": True},
            "bought": {"type": "bool"},
        },
        "event_time": "at",
        "available_lag": "1h",
    }
)
ACTIVITY = FeatureView(
    name="activity",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    columns={"last_amount": parse_expression("amount"), "last_shop": parse_expression("shop")},
    aggregates=(
        Aggregate("spent_7d", "sum", parse_expression("amount"), "7d"),
        Aggregate("travel_7d", "count", None, "7d", where=parse_expression("shop == 'travel'")),
    ),
    request={"times_usual": parse_expression("amount / spent_7d")},
    request_inputs={"amount": "float"},
    ttl="30d",
    description=f"What a card does {CANARY}",
    owner="risk",
)
SECOND = replace(
    ACTIVITY,
    version=2,
    aggregates=(Aggregate("spent_7d", "sum", parse_expression("amount"), "14d"), ACTIVITY.aggregates[1]),
    columns={"last_amount": parse_expression("amount / 100")},
)
VISITOR = FeatureView(
    name="visitor",
    version=1,
    source="visits",
    entity=("person",),
    event_time="at",
    available_lag="1h",
    columns={"last_email": parse_expression("email")},
    aggregates=(Aggregate("visits_7d", "count", None, "7d"),),
)
PAYMENTS = EventSource(
    name="payments",
    columns={"id": "text", "card": "text", "at": "timestamp", "known_at": "timestamp", "amount": "float"},
    event_id="id",
    event_time="at",
    available_time="known_at",
)
STREAMED = FeatureView(
    name="streamed",
    version=1,
    source="payments",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    aggregates=(Aggregate("spent_1h", "sum", parse_expression("amount"), "1h"),),
)


@dataclass(frozen=True)
class Bank:
    """What is where."""

    transactions: Version
    fraud: Version
    buyers: Version
    reports: tuple[str, ...]


def _times(*names: str) -> list[pl.Expr]:
    return [pl.col(*names).cast(pl.Datetime("us", "UTC"))]


def transactions(rows: int = 300) -> pl.DataFrame:
    """Payments of the last 60 days, known up to 6 h later, with fraud known days later."""
    chance = random.Random(3)
    at = sorted(NOW - chance.randrange(DAY // 2, 60 * DAY) for _ in range(rows))
    made = {
        "id": list(range(rows)),
        "card": [CARDS[number % len(CARDS)] for number in range(rows)],
        "at": at,
        "known_at": [time + chance.randrange(DAY // 4) for time in at],
        "amount": [round(chance.uniform(1, 200), 2) for _ in at],
        "shop": [chance.choice(["food", "travel", CANARY]) for _ in at],
        "fraud": [chance.random() < 0.2 for _ in at],
        "fraud_known_at": [time + chance.randrange(DAY, 9 * DAY) for time in at],
    }
    return pl.DataFrame(made).with_columns(_times("at", "known_at", "fraud_known_at"))


def _put(workspace: Workspace, contract: Contract, frame: pl.DataFrame) -> Version:
    put_contract(workspace, contract)
    version = publish_table(
        workspace,
        frame.to_arrow(),
        dataset=contract.name,
        contract=contract,
        card=CARD,
        operation=Operation(name="generate", counts={"added": frame.height}),
    )
    gate_version(workspace, version.id)
    return version


def fill(workspace: Workspace, clock: ManualClock) -> Bank:
    """Everything the pages of features show, on a clock that stands at ``NOW``."""
    rows = transactions()
    source = _put(workspace, TRANSACTIONS, rows)
    visits = pl.DataFrame(
        {
            "person": [f"grace-{number % 5}" for number in range(60)],
            "at": [NOW - (number + 1) * DAY // 2 for number in range(60)],
            "email": [f"grace-{number % 5}@example.org" for number in range(60)],
            "bought": [number % 3 == 0 for number in range(60)],
        }
    ).with_columns(_times("at"))
    _put(workspace, VISITS, visits)
    for view in (ACTIVITY, SECOND, VISITOR):
        register_view(workspace, view)
    for view in (ACTIVITY, SECOND):
        assert replay(workspace, view, entities=2, moments=3).passed
    release_view(workspace, ACTIVITY)
    fraud = build_training_set(
        workspace,
        name="fraud",
        spine="transactions",
        time="at",
        label=Label("fraud", available_time="fraud_known_at"),
        views=["activity@1"],
        as_of=NOW - 5 * DAY,
        transforms=[Transform("impute", "activity__last_amount"), Transform("one_hot", "activity__last_shop")],
        split=Split(by="entity", test=0.3),
        seed=7,
    )
    buyers = build_training_set(
        workspace, name="buyers", spine="visits", time="at", label=Label("bought", available_lag="0s"), views=["visitor@1"], as_of=NOW
    )
    probe_training_set(workspace, buyers.version.id, keep=True)
    reports = [_serve(workspace, rows, lag) for lag in (0, 20 * DAY)]
    _stream(workspace, clock)
    return Bank(source, fraud.version, buyers.version, tuple(reports))


def _serve(workspace: Workspace, rows: pl.DataFrame, lag: int) -> str:
    """Serve every card from a store that was told of nothing for ``lag``, and compare."""
    from pilotage.features.online import DatabaseStore

    DatabaseStore(workspace).drop(ACTIVITY.ref)
    until = dt.datetime.fromtimestamp((NOW - lag) / 1e6, dt.UTC)
    materialize(workspace, ACTIVITY, rows.filter(pl.col("known_at") <= until).lazy(), as_of_us=NOW - lag)
    with ServingLog(workspace, rate=1.0) as log:
        server = FeatureServer(
            workspace, [ACTIVITY], kinds={ACTIVITY.ref: {name: column.type for name, column in TRANSACTIONS.columns.items()}}, log=log
        )
        server.serve([{"card": card} for card in CARDS], {"amount": 10.0}, now_us=NOW + lag // DAY)
    return measure_skew(workspace, ACTIVITY, from_us=NOW + lag // DAY, to_us=NOW + lag // DAY + 1, max_rate=0.4).id


def _stream(workspace: Workspace, clock: ManualClock) -> None:
    """Payments, one of them late, one that no view can count, and some that wait."""

    def payment(name: str, minute: int, amount: float = 5.0, card: Any = "c1") -> dict[str, Any]:
        return {"id": name, "card": card, "at": dt.datetime.fromtimestamp((NOW - minute * MINUTE) / 1e6, dt.UTC), "amount": amount}

    declare_source(workspace, PAYMENTS)
    worker = StreamWorker(workspace, STREAMED, source="payments", online=OnlineOutput(), lateness="10m", holder="worker-7")
    append(workspace, "payments", [payment("p1", 60), payment("p2", 5)])
    worker.step()
    append(workspace, "payments", [payment("p3", 200, card=CANARY), payment(CANARY, 4, card=None)])
    worker.step()
    append(workspace, "payments", [payment("p5", 1)])
    clock.advance(90.0)
    append(workspace, "payments", [payment("p6", 1)])
