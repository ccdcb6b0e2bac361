"""How many events a second the stream loop takes on SQLite, with everything that makes it exactly-once.

Usage: python benchmarks/stream.py [events]. One million payments of 5000 cards in order of time, 1 h tiles, sum, count and maximum: each event goes
into the durable log (once, by its id), then through the worker into tiles, raw rows and position, one transaction a batch, each synced to disk.
``events_per_s`` is over both; ``cpu_us_per_event`` is the process's own, with the comparison at the end.
The tiles are compared with one batch over all events. No peer: engines with a broker or a cluster do other work.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from pilotage.features import Aggregate, FeatureView, col
from pilotage.features.algebra import partials, states
from pilotage.features.streams import EventSource, StreamWorker, append, declare_source, stored_tiles
from pilotage.ledger import create_workspace

START = 1_700_000_000_000_000 // 3_600_000_000 * 3_600_000_000
CARDS, HOURS, RUNS = 5_000, 6, 3
PRODUCED, BATCH = 10_000, 20_000

SOURCE = EventSource(
    "payments",
    {"id": "text", "at": "timestamp", "known_at": "timestamp", "card": "text", "amount": "float"},
    event_id="id",
    event_time="at",
    available_time="known_at",
    backlog=10 * BATCH,
    remember="7d",
)
VIEW = FeatureView(
    "card",
    1,
    source="payments",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    aggregates=(
        Aggregate("n", "count", window="1h"),
        Aggregate("total", "sum", of=col("amount"), window="1h"),
        Aggregate("highest", "max", of=col("amount"), window="1h"),
    ),
    tile="1h",
)


def payments(n: int) -> pl.DataFrame:
    """``n`` payments over some hours, in order of time."""
    chance = np.random.default_rng(7)
    at = np.sort(chance.integers(0, HOURS * 3_600_000_000, n)) + START
    return pl.DataFrame(
        {
            "id": [f"p{index:09d}" for index in range(n)],
            "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
            "card": [f"card-{card}" for card in chance.integers(0, CARDS, n)],
            "amount": np.round(chance.lognormal(3, 1, n), 2),
        }
    )


def one_run(events: pl.DataFrame) -> tuple[float, float, list[float], list[float]]:
    """Seconds in the log, seconds in the worker, seconds of each batch, microseconds of steps with one event."""
    with tempfile.TemporaryDirectory() as folder, create_workspace(str(Path(folder) / "ws"), actor="bench") as workspace:
        declare_source(workspace, SOURCE)
        worker = StreamWorker(workspace, VIEW, source="payments", batch=BATCH)
        appending, working, batches = 0.0, 0.0, []
        for start in range(0, events.height, BATCH):
            began = time.perf_counter()
            for part in range(start, min(start + BATCH, events.height), PRODUCED):
                append(workspace, "payments", events.slice(part, PRODUCED))
            between = time.perf_counter()
            worker.step()
            ended = time.perf_counter()
            appending += between - began
            working += ended - between
            batches.append(ended - between)
        with workspace.read() as conn:
            kept = stored_tiles(conn, workspace.id, VIEW.ref)
        check(events, kept, worker)
        single = []
        for index in range(20):
            last = events.tail(1).with_columns(id=pl.lit(f"single-{index}"))
            began = time.perf_counter()
            append(workspace, "payments", last)
            worker.step()
            single.append(time.perf_counter() - began)
        worker.close()
        return appending, working, batches, single


def check(events: pl.DataFrame, kept: dict[tuple[str, int], tuple[object, ...]], worker: StreamWorker) -> None:
    """The tiles are those of one batch, bit for bit."""
    whole = events.with_columns(
        pl.int_range(pl.len(), dtype=pl.Int64).alias("__position"),
        pl.col("at").to_physical().alias("__event"),
        pl.col("at").to_physical().alias("__available"),
        pl.col("at").alias("known_at"),
    )
    rows = worker.plan.inputs(whole).rows
    summed = partials(rows, ["__entity", "__tile"], worker.plan.aggregators)
    keys = zip(summed["__entity"].to_list(), summed["__tile"].to_list(), strict=True)
    assert dict(zip(keys, states(summed, worker.plan.aggregators), strict=True)) == kept


def main() -> None:
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    events = payments(n)
    rates, worked, p50, one, spent = [], [], [], [], []
    for _ in range(RUNS):
        cpu = time.process_time()
        appending, working, batches, single = one_run(events)
        spent.append((time.process_time() - cpu) / n * 1e6)
        rates.append(n / (appending + working))
        worked.append(n / working)
        p50.append(statistics.median(batches) * 1e3)
        one.append(statistics.median(single) * 1e3)
        sys.stdout.write(
            f"log {n / appending:,.0f}/s, worker {n / working:,.0f}/s, both {rates[-1]:,.0f}/s, batch p50 {p50[-1]:.0f} ms, one {one[-1]:.1f} ms\n"
        )
    figures = {
        "events_per_s": round(statistics.median(rates)),
        "worker_events_per_s": round(statistics.median(worked)),
        "batch_p50_ms": round(statistics.median(p50), 1),
        "cpu_us_per_event": round(statistics.median(spent), 1),
        "one_event_p50_ms": round(statistics.median(one), 2),
    }
    sys.stdout.write(json.dumps({"name": "stream", "ratios": {}, "figures": figures, "n": RUNS}) + "\n")


if __name__ == "__main__":
    main()
