"""How many events a second the stream loop takes on SQLite, with everything that makes it exactly-once.

Usage: python benchmarks/stream.py [events] [growing|random]. One million payments of 5000 cards in order of time, 1 h tiles, sum, count and maximum:
each event goes into the durable log (once, by its id), then through the worker into tiles and position, each transaction synced to disk.
``events_per_s`` has both in one transaction a batch (``ingest_and_process``); ``apart_events_per_s`` has the log and the worker in transactions of
their own, as with producers in other processes. ``cpu_us_per_event`` is the process's own, of those two calls and nothing else. ``random`` gives the
events random ids in place of growing ones: their index is then written all over.
The tiles are compared with one batch over all events. No peer: engines with a broker or a cluster do other work.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
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


@dataclass
class Run:
    """Seconds in the log and in the worker, µs of processor an event, seconds of each batch and of steps with one event."""

    appending: float = 0.0
    working: float = 0.0
    cpu_us: float = 0.0
    batches: list[float] = field(default_factory=list)
    single: list[float] = field(default_factory=list)


def payments(n: int, *, ids: str) -> pl.DataFrame:
    """``n`` payments over some hours, in order of time."""
    chance = np.random.default_rng(7)
    at = np.sort(chance.integers(0, HOURS * 3_600_000_000, n)) + START
    return pl.DataFrame(
        {
            "id": [f"p{index:09d}" for index in range(n)] if ids == "growing" else [chance.bytes(16).hex() for _ in range(n)],
            "at": pl.Series(at).cast(pl.Datetime("us", "UTC")),
            "card": [f"card-{card}" for card in chance.integers(0, CARDS, n)],
            "amount": np.round(chance.lognormal(3, 1, n), 2),
        }
    )


def one_run(events: pl.DataFrame, *, together: bool) -> Run:
    """All events through the loop, the result checked."""
    run = Run()
    with tempfile.TemporaryDirectory() as folder, create_workspace(str(Path(folder) / "ws"), actor="bench") as workspace:
        declare_source(workspace, SOURCE)
        worker = StreamWorker(workspace, VIEW, source="payments", batch=BATCH)
        for start in range(0, events.height, BATCH):
            cpu, began = time.process_time(), time.perf_counter()
            between = began
            if together:
                worker.ingest_and_process(events.slice(start, BATCH))
            else:
                for part in range(start, min(start + BATCH, events.height), PRODUCED):
                    append(workspace, "payments", events.slice(part, PRODUCED))
                between = time.perf_counter()
                worker.step()
            ended = time.perf_counter()
            run.cpu_us += (time.process_time() - cpu) / events.height * 1e6
            run.appending += between - began
            run.working += ended - between
            run.batches.append(ended - began)
        with workspace.read() as conn:
            kept = stored_tiles(conn, workspace.id, VIEW.ref)
        check(events, kept, worker)
        for index in range(20):
            last = events.tail(1).with_columns(id=pl.lit(f"single-{index}"))
            began = time.perf_counter()
            worker.ingest_and_process(last)
            run.single.append(time.perf_counter() - began)
        worker.close()
    return run


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
    events = payments(n, ids=sys.argv[2] if len(sys.argv) > 2 else "growing")
    together, apart = [], []
    for _ in range(RUNS):
        together.append(one_run(events, together=True))
        apart.append(one_run(events, together=False))
        one, two = together[-1], apart[-1]
        sys.stdout.write(
            f"one transaction {n / one.working:,.0f}/s, {one.cpu_us:.1f} us of processor an event; apart: log {n / two.appending:,.0f}/s, "
            f"worker {n / two.working:,.0f}/s, both {n / (two.appending + two.working):,.0f}/s, {two.cpu_us:.1f} us\n"
        )
    middle = statistics.median
    figures = {
        "events_per_s": round(middle(n / run.working for run in together)),
        "cpu_us_per_event": round(middle(run.cpu_us for run in together), 1),
        "batch_p50_ms": round(middle(middle(run.batches) * 1e3 for run in together), 1),
        "one_event_p50_ms": round(middle(middle(run.single) * 1e3 for run in together), 2),
        "apart_events_per_s": round(middle(n / (run.appending + run.working) for run in apart)),
        "apart_cpu_us_per_event": round(middle(run.cpu_us for run in apart), 1),
        "worker_events_per_s": round(middle(n / run.working for run in apart)),
    }
    sys.stdout.write(json.dumps({"name": "stream", "ratios": {}, "figures": figures, "n": RUNS}) + "\n")


if __name__ == "__main__":
    main()
