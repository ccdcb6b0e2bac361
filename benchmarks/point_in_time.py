"""The point-in-time join beside Feast's DuckDB offline store, from the same Parquet files to the result in memory.

Both look up two features for every row of a spine, with late rows, ties and a ttl of 3 days. Ours reads two times (a row counts once it is
available); Feast is timed as it comes (event time only) and, for the answers, with its cut-off at the created timestamp. Each measurement is a
process of its own, run in turn (Feast, ours, Feast, …); the figure is processor seconds, of all threads and children, after the imports.

Then the checks: as many rows as the spine, in its order; equal to brute force on a sample; the same answer for the source in any order, ties and all.

    python benchmarks/point_in_time.py [--n 3] [--spine 1000000] [--rows 5000000] [--keys 50000]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

DAY = 86_400_000_000
TTL_DAYS = 3
SPAN_DAYS = 60


def make_data(folder: Path, *, spine: int, rows: int, keys: int) -> None:
    """Two Parquet files. One row in five is late by up to two days; times are whole seconds, and one row in 50 is a correction of another."""
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(0)
    start = int(dt.datetime(2026, 1, 1, tzinfo=dt.UTC).timestamp())
    event = start + rng.integers(0, SPAN_DAYS * 86_400, rows)
    key = rng.integers(0, keys, rows)
    corrected = rng.integers(0, rows, rows // 50)
    event[: corrected.size], key[: corrected.size] = event[corrected], key[corrected]
    late = np.where(rng.random(rows) < 0.2, rng.integers(0, 2 * 86_400, rows), rng.integers(0, 60, rows))
    times = pl.col("event_timestamp", "created").cast(pl.Int64) * 1_000_000
    source = pl.DataFrame(
        {
            "card": key,
            "event_timestamp": event,
            "created": event + late,
            "seq": np.arange(rows),
            "amount": rng.gamma(2.0, 30.0, rows),
            "items": rng.poisson(3, rows),
        }
    )
    source.with_columns(times.cast(pl.Datetime("us", "UTC"))).write_parquet(folder / "source.parquet")
    asked = pl.DataFrame({"card": rng.integers(0, keys, spine), "event_timestamp": (start + rng.integers(0, SPAN_DAYS * 86_400, spine)) * 1_000_000})
    asked = asked.with_columns(pl.col("event_timestamp").cast(pl.Datetime("us", "UTC")), spine_row=pl.int_range(spine))
    asked.write_parquet(folder / "spine.parquet")


def view() -> Any:
    """The features, as Pilotage declares them."""
    from pilotage.features import FeatureView, parse_expression

    return FeatureView(
        name="activity",
        version=1,
        source="transactions",
        entity=("card",),
        event_time="event_timestamp",
        available_time="created",
        sequence="seq",
        columns={"last_amount": parse_expression("amount"), "last_items": parse_expression("items")},
        ttl=f"{TTL_DAYS}d",
        closed="right",
    )


def processor_seconds() -> float:
    """Of this process, its threads and its children."""
    return sum(used.ru_utime + used.ru_stime for used in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)))


def ours(folder: Path) -> dict[str, Any]:
    """Files to result."""
    import polars as pl

    from pilotage.features import point_in_time

    declared = view()
    wall, cpu = time.perf_counter(), processor_seconds()
    spine, source = pl.read_parquet(folder / "spine.parquet"), pl.read_parquet(folder / "source.parquet")
    found = point_in_time(spine, source, declared)
    wall, cpu = time.perf_counter() - wall, processor_seconds() - cpu
    return {"wall_s": wall, "cpu_s": cpu, "rows": found.height, "found": found["last_amount"].count(), "sum": found["last_items"].sum()}


def feast(folder: Path, *, by_created: bool = False) -> dict[str, Any]:
    """Files to result. The registry is made before the clock starts."""
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
    from feast.types import Float64, Int64
    from feast.value_type import ValueType

    source = FileSource(
        name="transactions", path=str(folder / "source.parquet"), timestamp_field="event_timestamp", created_timestamp_column="created"
    )
    card = Entity(name="card", join_keys=["card"], value_type=ValueType.INT64)
    activity = FeatureView(
        name="activity",
        entities=[card],
        ttl=dt.timedelta(days=TTL_DAYS),
        schema=[Field(name="amount", dtype=Float64), Field(name="items", dtype=Int64)],
        source=source,
    )
    store = FeatureStore(
        config=RepoConfig(
            project="bench",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
        )
    )
    store.apply([card, activity])
    wall, cpu = time.perf_counter(), processor_seconds()
    spine = pd.read_parquet(folder / "spine.parquet")
    more = {"filter_by_created_timestamp": True} if by_created else {}
    found = store.get_historical_features(entity_df=spine, features=["activity:amount", "activity:items"], **more).to_df()
    wall, cpu = time.perf_counter() - wall, processor_seconds() - cpu
    return {"wall_s": wall, "cpu_s": cpu, "rows": len(found), "found": int(found["amount"].notna().sum()), "sum": int(found["items"].sum())}


def check(folder: Path) -> dict[str, Any]:
    """Our answer against brute force on a sample, and against itself for the source in another order."""
    import numpy as np
    import polars as pl

    from pilotage.features import point_in_time

    declared = view()
    spine, source = pl.read_parquet(folder / "spine.parquet"), pl.read_parquet(folder / "source.parquet")
    found = point_in_time(spine, source, declared)
    assert found.select(spine.columns).equals(spine), "rows were lost, added or moved"
    shuffled = point_in_time(spine, source.sample(fraction=1.0, shuffle=True, seed=1), declared)
    assert shuffled.equals(found), "the answer depends on the order of the source"
    sample = np.random.default_rng(1).choice(spine.height, min(2_000, spine.height), replace=False)
    asked = found[sample]
    pairs = (
        asked.lazy()
        .join(source.lazy(), on="card", suffix="_row")
        .filter((pl.col("event_timestamp_row") <= pl.col("event_timestamp")) & (pl.col("created") <= pl.col("event_timestamp")))
    )
    latest = pairs.sort("event_timestamp_row", "created", "seq").group_by("spine_row").last()
    fresh = latest.filter(pl.col("event_timestamp") - pl.col("event_timestamp_row") <= pl.duration(days=TTL_DAYS)).select(
        "spine_row", "amount", "items"
    )
    brute = asked.lazy().select("spine_row").join(fresh, on="spine_row", how="left", maintain_order="left").collect()
    assert brute["amount"].equals(asked["last_amount"], null_equal=True), "not equal to brute force"
    return {"sample": len(sample), "found": int(asked["last_amount"].count())}


def measure(who: str, folder: Path) -> dict[str, Any]:
    """One measurement in a process of its own."""
    done = subprocess.run([sys.executable, __file__, "--who", who, "--folder", str(folder)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{who} failed:\n{done.stdout[-1500:]}{done.stderr[-3000:]}")
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))


def main() -> None:
    """Make the data, measure in turn, check, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--spine", type=int, default=1_000_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--keys", type=int, default=50_000)
    parser.add_argument("--who", choices=["ours", "feast", "feast_created", "check", "data"])
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    if given.who:
        work = {"ours": ours, "feast": feast, "feast_created": lambda at: feast(at, by_created=True), "check": check}
        print(json.dumps(work[given.who](given.folder)))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_data(folder, spine=given.spine, rows=given.rows, keys=given.keys)
        runs: dict[str, list[dict[str, Any]]] = {"feast": [], "ours": []}
        for _ in range(given.n):
            for who, kept in runs.items():
                kept.append(measure(who, folder))
                print(who, kept[-1], flush=True)
        checked = measure("check", folder)
        created = measure("feast_created", folder)
    mine, theirs = runs["ours"][-1], runs["feast"][-1]
    assert mine["rows"] == given.spine
    cpu = {who: statistics.median(run["cpu_s"] for run in kept) for who, kept in runs.items()}
    wall = {who: statistics.median(run["wall_s"] for run in kept) for who, kept in runs.items()}
    print(f"{given.spine:,} x {given.rows:,} rows, {given.keys:,} keys: processor seconds ours {cpu['ours']:.2f}, Feast {cpu['feast']:.2f}")
    print(f"features found: ours {mine['found']:,}, Feast with its cut-off {created['found']:,}, Feast as it comes {theirs['found']:,}")
    print(
        json.dumps(
            {
                "name": "point_in_time",
                "ratios": {"feast_cpu": round(cpu["feast"] / cpu["ours"], 2), "feast_wall": round(wall["feast"] / wall["ours"], 2)},
                "figures": {
                    "cpu_s": round(cpu["ours"], 2),
                    "feast_cpu_s": round(cpu["feast"], 2),
                    "wall_s": round(wall["ours"], 2),
                    "feast_cut_off_cpu_s": round(created["cpu_s"], 2),
                    "rows_in": given.spine,
                    "rows_out": mine["rows"],
                    "feast_rows_out": theirs["rows"],
                    "found": mine["found"],
                    "feast_cut_off_found": created["found"],
                    "equal_to_brute_force": checked["sample"],
                    "values_seen_too_early_by_default_feast": theirs["found"] - mine["found"],
                },
                "n": given.n,
            }
        )
    )


if __name__ == "__main__":
    main()
