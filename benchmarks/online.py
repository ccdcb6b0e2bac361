"""The online store beside Feast's: 20,000 entities x 10 features, one key and 100 keys at a time, on SQLite, and on Redis where there is one.

Both hold the same rows and are asked for the same random keys; answers are compared. Each measurement is a process of its own, run in turn (ours,
Feast, ours, …), so that a busy moment of the machine falls on both; figures are medians of n. What is timed is the library's own call for a
lookup, from the keys to the values: ours is ``OnlineReader.get(...).values``, Feast's is ``get_online_features(...).to_dict()``. Filling is by the
batch path of each: ``materialize``.

    python benchmarks/online.py [--n 3] [--keys 20000] [--lookups 300]
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FEATURES = [f"f{i}" for i in range(10)]
AT = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


def values(keys: int) -> dict[str, list[Any]]:
    """The rows: a key and ten numbers each."""
    chance = random.Random(7)
    return {"k": [f"customer-{i}" for i in range(keys)], **{name: [chance.random() for _ in range(keys)] for name in FEATURES}}


def asked(keys: int, lookups: int, size: int) -> list[list[str]]:
    """The keys of each lookup."""
    chance = random.Random(size)
    return [[f"customer-{chance.randrange(keys)}" for _ in range(size)] for _ in range(lookups)]


def timed(look_up: Any, keys: int, lookups: int) -> dict[str, Any]:
    """p50 and p99 in ms for one key and for a hundred, and the sum of what was read, so that both read the same."""
    found: dict[str, Any] = {}
    for size in (1, 100):
        times, total = [], 0.0
        for wanted in asked(keys, lookups, size):
            begin = time.perf_counter()
            rows = look_up(wanted)
            times.append(1000 * (time.perf_counter() - begin))
            total += sum(map(sum, rows))
        times.sort()
        found |= {f"p50_ms_{size}": times[len(times) // 2], f"p99_ms_{size}": times[int(len(times) * 0.99)], f"sum_{size}": round(total, 6)}
    return found


def ours(keys: int, lookups: int, redis_url: str) -> dict[str, Any]:
    """The workspace's SQLite, or Redis."""
    import polars as pl

    from pilotage.features import FeatureView, col
    from pilotage.features.online import OnlineReader, materialize, open_store
    from pilotage.ledger import create_workspace

    view = FeatureView("bench", 1, "rows", ("k",), "at", available_lag="0s", columns={name: col(name) for name in FEATURES})
    source = pl.DataFrame(values(keys)).with_columns(pl.lit(AT).dt.cast_time_unit("us").alias("at"))
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder, create_workspace(Path(folder) / "workspace") as workspace:
        store = open_store(workspace, where=redis_url or "workspace")
        materialize(workspace, view, source.head(100).lazy(), store=store)  # loads what is loaded once
        begin = time.perf_counter()
        done = materialize(workspace, view, source.lazy(), store=store)
        wall = time.perf_counter() - begin
        assert done.written == keys, done
        reader = OnlineReader(workspace, [view], store=store)
        return {"rows_per_s": keys / wall, **timed(lambda wanted: reader.get([{"k": key} for key in wanted]).values, keys, lookups)}


def feast(keys: int, lookups: int, redis_url: str) -> dict[str, Any]:
    """Feast's local provider with its SQLite or Redis online store."""
    import warnings

    warnings.filterwarnings("ignore")
    import pandas as pd
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64

    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        base = Path(folder)
        pd.DataFrame({**values(keys), "at": pd.Timestamp(AT)}).to_parquet(base / "rows.parquet")
        online: dict[str, Any] = {"type": "sqlite", "path": str(base / "online.db")}
        if redis_url:
            online = {"type": "redis", "connection_string": redis_url.removeprefix("redis://").partition("/")[0]}
        config = RepoConfig(
            project="bench", provider="local", registry=str(base / "registry.db"), online_store=online, entity_key_serialization_version=3
        )
        store = FeatureStore(config=config)
        entity = Entity(name="k", join_keys=["k"], value_type=ValueType.STRING)
        source = FileSource(path=str(base / "rows.parquet"), timestamp_field="at")
        view = FeatureView(name="bench", entities=[entity], ttl=None, schema=[Field(name=name, dtype=Float64) for name in FEATURES], source=source)
        store.apply([entity, view])
        begin = time.perf_counter()
        store.materialize(start_date=AT - dt.timedelta(days=1), end_date=AT + dt.timedelta(days=1))
        wall = time.perf_counter() - begin
        names = [f"bench:{name}" for name in FEATURES]

        def look_up(wanted: list[str]) -> list[list[float]]:
            answer = store.get_online_features(features=names, entity_rows=[{"k": key} for key in wanted]).to_dict()
            return [answer[name] for name in FEATURES]

        look_up(["customer-0"])
        return {"rows_per_s": keys / wall, **timed(look_up, keys, lookups)}


def measure(who: str, keys: int, lookups: int, redis_url: str) -> dict[str, Any]:
    """One measurement in a process of its own."""
    command = [sys.executable, str(HERE / "online.py"), "--only", who, "--keys", str(keys), "--lookups", str(lookups), "--redis", redis_url]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "FEAST_USAGE": "False"})
    if done.returncode != 0:
        raise SystemExit(f"{who} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def start_redis(folder: str) -> tuple[subprocess.Popen[bytes] | None, str]:
    """A redis-server of our own, if the program is there."""
    program = shutil.which("redis-server")
    if program is None:
        return None, ""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen([program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder], stdout=subprocess.DEVNULL)
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return server, f"redis://127.0.0.1:{port}/0"
        time.sleep(0.05)
    server.terminate()
    return None, ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3, help="alternating runs of each")
    parser.add_argument("--keys", type=int, default=20_000)
    parser.add_argument("--lookups", type=int, default=300)
    parser.add_argument("--only", choices=["ours", "feast"], help=argparse.SUPPRESS)
    parser.add_argument("--redis", default="", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps((ours if options.only == "ours" else feast)(options.keys, options.lookups, options.redis)))
        return
    with tempfile.TemporaryDirectory() as folder:
        server, redis_url = start_redis(folder)
        places = {"sqlite": "", **({"redis": redis_url} if redis_url else {})}
        results: dict[tuple[str, str], list[dict[str, Any]]] = {(who, place): [] for place in places for who in ("ours", "feast")}
        try:
            for _ in range(options.n):
                for (who, place), got in results.items():
                    got.append(measure(who, options.keys, options.lookups, places[place]))
                    last = got[-1]
                    shown = f"{last['p50_ms_100']:8.3f} ms p50  {last['p99_ms_100']:8.3f} ms p99  {last['rows_per_s']:9.0f} rows/s"
                    print(f"{who:6} {place:7} {shown}", file=sys.stderr, flush=True)
        finally:
            if server is not None:
                server.terminate()
                server.wait()
    sums = {json.dumps([run["sum_1"], run["sum_100"]]) for got in results.values() for run in got}
    assert len(sums) == 1, f"the answers differ: {sums}"

    def median(who: str, place: str, figure: str) -> float:
        return statistics.median(run[figure] for run in results[who, place])

    print(f"{options.keys} keys x {len(FEATURES)} features, medians of {options.n}; lookups in ms, filling in rows/s")
    print(f"{'':16}{'1 key p50':>11}{'p99':>9}{'100 keys p50':>14}{'p99':>9}{'rows/s':>11}")
    for who, place in results:
        numbers = [median(who, place, figure) for figure in ("p50_ms_1", "p99_ms_1", "p50_ms_100", "p99_ms_100")]
        print(f"{who + ' ' + place:16}{numbers[0]:11.3f}{numbers[1]:9.3f}{numbers[2]:14.3f}{numbers[3]:9.3f}{median(who, place, 'rows_per_s'):11.0f}")
    ratios, figures = {}, {}
    for place in places:
        ratios[f"feast_{place}"] = round(median("feast", place, "p50_ms_100") / median("ours", place, "p50_ms_100"), 1)
        ratios[f"feast_{place}_1_key"] = round(median("feast", place, "p50_ms_1") / median("ours", place, "p50_ms_1"), 1)
        ratios[f"feast_{place}_writes"] = round(median("ours", place, "rows_per_s") / median("feast", place, "rows_per_s"), 1)
        after = "" if place == "sqlite" else f"_{place}"
        for size, word in ((1, "1_key"), (100, "100_keys")):
            figures |= {f"p50_ms_{word}{after}": round(median("ours", place, f"p50_ms_{size}"), 4)}
            figures |= {f"p99_ms_{word}{after}": round(median("ours", place, f"p99_ms_{size}"), 4)}
        figures[f"rows_per_s{after}"] = round(median("ours", place, "rows_per_s"))
        figures[f"feast_p50_ms_100_keys{after}"] = round(median("feast", place, "p50_ms_100"), 3)
        figures[f"feast_rows_per_s{after}"] = round(median("feast", place, "rows_per_s"))
    print(json.dumps({"name": "online", "ratios": ratios, "figures": figures, "n": options.n}))


if __name__ == "__main__":
    main()
