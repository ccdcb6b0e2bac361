"""A small pipeline: shops, sales with a label two days later, one delivery of each kind a week."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pilotage.data.contracts import load_contract, put_contract
from pilotage.pipelines import Pipeline, load_pipeline
from pilotage.store import Workspace

START = datetime(2025, 3, 3, tzinfo=UTC)
WEEK = timedelta(weeks=1)

SALES = """
name: sales
owner: shop systems
key: [id]
event_time: at
available_time: seen_at
subject: customer
columns:
  id: {type: text}
  customer: {type: text, personal: true}
  at: {type: timestamp}
  seen_at: {type: timestamp}
  amount: {type: float, unit: EUR, minimum: 0}
"""
RETURNS = """
name: returns
owner: shop systems
key: [id]
event_time: at
available_time: known_at
subject: customer
columns:
  id: {type: text}
  customer: {type: text, personal: true}
  at: {type: timestamp}
  amount: {type: float, unit: EUR, minimum: 0}
  known_at: {type: timestamp}
  returned: {type: int, levels: [0, 1]}
"""
SOURCE = """
name: {name}
kind: csv
contract: {name}
dataset: {name}
write: append
within: [..]
card: {{licence: CC0-1.0, consent: made up, purposes: [training, evaluation], source: a test}}
"""
VIEWS = """
name: buyer
version: 1
source: sales
entity: [customer]
event_time: at
available_time: seen_at
tile: 1h
aggregates:
  - {name: bought_7d, function: count, window: 7d}
  - {name: spent_7d, function: sum, of: amount, window: 7d}
request_inputs: {amount: float}
request: {asked: amount}
"""
PIPELINE = """
name: returns-risk
owner: shop models
every: 7d
feeds:
  - {source: sources/sales.yaml, deliveries: deliveries/sales, due: 7d, deadline: 1d, give_up_after: 2}
  - {source: sources/returns.yaml, deliveries: deliveries/returns, due: 7d, deadline: 7d, when_missing: go_on}
views: [views.yaml]
training:
  name: returns-training
  spine: returns
  time: at
  label: {column: returned, available_time: known_at}
  split: {by: entity, test: 0.5}
  transforms:
    - {kind: impute, column: buyer__spent_7d, strategy: constant, value: 0.0}
scoring: {dataset: sales}
retrain: {first_labels: 200, new_labels: 500}
challenge: {metric: brier, margin: 0.0}
watch: {metric: accuracy, window: 14d, min_rows: 200}
"""


def at_us(moment: datetime) -> int:
    """Microseconds since the epoch."""
    return int(moment.timestamp()) * 1_000_000


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The pipeline's folder, without deliveries."""
    folder = tmp_path / "shop"
    (folder / "sources").mkdir(parents=True)
    for name in ("sales", "returns"):
        (folder / "deliveries" / name).mkdir(parents=True)
        (folder / "sources" / f"{name}.yaml").write_text(SOURCE.format(name=name))
    (folder / "sales.yaml").write_text(SALES)
    (folder / "returns.yaml").write_text(RETURNS)
    (folder / "views.yaml").write_text(VIEWS)
    (folder / "pipeline.yaml").write_text(PIPELINE)
    return folder


@pytest.fixture
def load(shop: Path) -> Callable[[Workspace], Pipeline]:
    """Puts the contracts into a workspace and reads the pipeline."""

    def ready(workspace: Workspace) -> Pipeline:
        for name in ("sales", "returns"):
            put_contract(workspace, load_contract(shop / f"{name}.yaml"))
        return load_pipeline(shop / "pipeline.yaml")

    return ready


@pytest.fixture
def deliver(shop: Path) -> Callable[..., None]:
    """Writes the deliveries of one week (from 0): 400 sales, and what became of those of the week before its last two days."""

    def write(week: int, *, factor: float = 1.0, only: str | None = None) -> None:
        chance = random.Random(week)
        sales, returns = [], []
        for number in range(400):
            moment = START + week * WEEK + timedelta(seconds=number * 1500)
            amount = round(chance.lognormvariate(3, 0.8), 2)
            returned = int(chance.random() < (0.7 if amount > 25 else 0.1))
            row = {"id": f"w{week}-{number:03d}", "customer": f"c{chance.randrange(80):02d}", "at": text(moment)}
            sales.append(row | {"seen_at": text(moment + timedelta(minutes=2)), "amount": f"{amount * factor:.2f}"})
            if number < 270:  # of the last days nothing is known yet
                returns.append(row | {"amount": f"{amount:.2f}", "known_at": text(moment + timedelta(days=2)), "returned": returned})
        for name, rows in (("sales", sales), ("returns", returns)):
            if only in (None, name):
                with (shop / "deliveries" / name / f"week-{week:02d}.csv").open("w", newline="") as file:
                    writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
                    writer.writeheader()
                    writer.writerows(rows)

    return write


def text(moment: datetime) -> str:
    """A moment as the sources write it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
