"""Card transactions as a bank sees them: label delay, late rows, a changed unit and a changed kind of fraud. All of it made up, from one seed.

Writes one CSV a day and source into a folder: ``transactions/<day>.csv`` (what the switch delivered that day, late rows among them) and
``chargebacks/<day>.csv`` (which earlier transactions turned out to be fraud or not). What happens:

* A chargeback, or the end of the dispute period, is known 5 to 9 days after the transaction.
* About 3 % of transactions reach the warehouse 6 to 60 hours late.
* From week 7 on the switch writes the amount in cents instead of euros, without a word.
* From week 11 on fraudsters stop buying one large thing at night and start testing stolen cards with many small payments.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

FIRST_DAY = datetime(2025, 1, 6, tzinfo=UTC)  # a Monday
WEEKS = 15
CENTS_FROM_WEEK = 7
NEW_FRAUD_FROM_WEEK = 11
CARDS = 600
CHANNELS = ("pos", "web", "atm")


@dataclass(frozen=True)
class Transaction:
    """One payment: when it happened, when the warehouse has it, and whether it was fraud (known at ``known_at``)."""

    id: str
    card: str
    at: datetime
    arrived_at: datetime
    amount: float
    channel: str
    country: str
    fraud: bool
    known_at: datetime


def transactions(*, seed: int = 7, weeks: int = WEEKS) -> list[Transaction]:
    """Every transaction of ``weeks`` weeks, by the time it happened."""
    random = np.random.default_rng(seed)
    habit = random.lognormal(3.0, 0.5, CARDS)  # what a card usually spends, in euros
    pace = random.gamma(2.0, 0.25, CARDS)  # payments a day
    found: list[Transaction] = []
    for day in range(weeks * 7):
        midnight = FIRST_DAY + timedelta(days=day)
        for card in range(CARDS):
            for _ in range(random.poisson(pace[card])):
                hour = float(np.clip(random.normal(14, 4), 0, 23.99))
                amount = float(habit[card] * random.lognormal(0, 0.5))
                found.append(_one(random, len(found), card, midnight + timedelta(hours=hour), amount, fraud=random.random() < 0.002))
        found += _frauds(random, len(found), midnight, habit, new_kind=day // 7 >= NEW_FRAUD_FROM_WEEK)
    return sorted(found, key=lambda each: (each.at, each.id))


def _frauds(random: np.random.Generator, start: int, midnight: datetime, habit: np.ndarray, *, new_kind: bool) -> list[Transaction]:
    found: list[Transaction] = []
    for _ in range(random.poisson(9)):
        card = int(random.integers(CARDS))
        if new_kind:  # many small payments within an hour, by day
            begin = midnight + timedelta(hours=float(random.uniform(8, 20)))
            for number in range(int(random.integers(3, 7))):
                moment = begin + timedelta(minutes=float(number * random.uniform(3, 12)))
                found.append(_one(random, start + len(found), card, moment, float(random.uniform(1, 6)), fraud=True, channel="web"))
        else:  # one large thing, by night
            moment = midnight + timedelta(hours=float(random.uniform(0, 5)))
            amount = float(habit[card] * random.uniform(4, 12))
            found.append(_one(random, start + len(found), card, moment, amount, fraud=True, channel="web"))
    return found


def _one(random: np.random.Generator, number: int, card: int, at: datetime, amount: float, *, fraud: bool, channel: str | None = None) -> Transaction:
    at = at.replace(microsecond=0)
    late = timedelta(hours=float(random.uniform(6, 60))) if random.random() < 0.03 else timedelta(minutes=float(random.uniform(0, 5)))
    return Transaction(
        id=f"t{number:07d}",
        card=f"card-{card:04d}",
        at=at,
        arrived_at=(at + late).replace(microsecond=0),
        amount=round(amount, 2),
        channel=channel or str(random.choice(CHANNELS, p=(0.6, 0.3, 0.1))),
        country="DE" if random.random() < (0.6 if fraud else 0.93) else "FR",
        fraud=fraud,
        known_at=(at + timedelta(days=float(random.uniform(5, 9)))).replace(microsecond=0),
    )


def write(folder: Path, *, seed: int = 7, weeks: int = WEEKS) -> int:
    """Write the deliveries of every day into ``folder``; returns how many transactions there are."""
    everything = transactions(seed=seed, weeks=weeks)
    last = FIRST_DAY + timedelta(weeks=weeks)
    arrived: dict[str, list[Transaction]] = {}
    known: dict[str, list[Transaction]] = {}
    for each in everything:
        arrived.setdefault(_day(each.arrived_at), []).append(each)
        known.setdefault(_day(each.known_at), []).append(each)
    for name, rows, header, cells in (
        ("transactions", arrived, ("id", "card", "at", "arrived_at", "amount", "channel", "hour", "country"), _transaction_cells),
        ("chargebacks", known, ("id", "card", "at", "amount", "channel", "hour", "country", "known_at", "fraud"), _chargeback_cells),
    ):
        (folder / name).mkdir(parents=True, exist_ok=True)
        for day, delivered in rows.items():
            if day >= _day(last):
                continue
            with (folder / name / f"{day}.csv").open("w", newline="", encoding="utf-8") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(cells(delivered))
    return len(everything)


def _transaction_cells(rows: list[Transaction]) -> Iterator[tuple[str, ...]]:
    for each in sorted(rows, key=lambda row: (row.arrived_at, row.id)):
        cents = (each.arrived_at - FIRST_DAY).days // 7 >= CENTS_FROM_WEEK
        amount = f"{each.amount * 100:.0f}" if cents else f"{each.amount:.2f}"
        yield each.id, each.card, _moment(each.at), _moment(each.arrived_at), amount, each.channel, str(each.at.hour), each.country


def _chargeback_cells(rows: list[Transaction]) -> Iterator[tuple[str, ...]]:
    for each in sorted(rows, key=lambda row: (row.known_at, row.id)):
        moment, known = _moment(each.at), _moment(each.known_at)
        yield each.id, each.card, moment, f"{each.amount:.2f}", each.channel, str(each.at.hour), each.country, known, "1" if each.fraud else "0"


def _moment(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(at: datetime) -> str:
    return at.strftime("%Y-%m-%d")
