"""Quality gates beside Great Expectations (pandas): one million rows, twenty checks, the same data, the same counts.

Both read the same Parquet file first; measured is the gate alone, the first call in a process of its own, in turn (ours, theirs, ours, …), so that a
busy moment of the machine falls on all. Measured as well is the same call once more in that process ("again"), since a first call also pays for what
a process does once. What is made once for many batches is outside: their context, suite, asset and batch definition, our contract. Inside are, for
them, fetching the batch and validating; for us, compiling the checks and running them.

Compared is the same work or more of ours: the checks, and some failing rows for each failed check. Theirs is the default result format (SUMMARY:
counts, the first twenty unexpected values and their index); ours are counts, and the first ten failing rows with number, key and value. Apart from
that, ours is measured with the profile of every column that the accepted history is made of, which the other side has no equal of. Figures are
medians.

    python benchmarks/gates.py [--n 3] [--rows 1000000]

pandera (polars) and pointblank are run along with it where they happen to be installed.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

COUNTRIES = ["AT", "BE", "CH", "DE", "DK", "ES", "FI", "FR", "IT", "NL", "NO", "PL", "PT", "SE"]
STATES = ["open", "paid", "sent", "returned"]
PATTERN = "[A-Z]{2}-[0-9]{4}"
NULLS, BAD_LEVELS = 1_000, 200


def make(path: Path, rows: int) -> None:
    """Orders with 1,000 nulls, 200 unknown levels and a few values out of each range."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(20)
    amount = rng.lognormal(3, 1, rows)
    amount[rng.choice(rows, 50, replace=False)] = -1.0
    missing = np.zeros(rows, dtype=bool)
    missing[rng.choice(rows, NULLS, replace=False)] = True
    country = np.array(COUNTRIES)[rng.integers(0, len(COUNTRIES), rows)]
    country[rng.choice(rows, BAD_LEVELS, replace=False)] = "XX"
    quantity = rng.integers(1, 100, rows)
    quantity[:7] = 1_000
    code = np.char.add(np.array(["AB-", "XY-"])[rng.integers(0, 2, rows)], np.char.zfill(rng.integers(0, 10_000, rows).astype(str), 4))
    code[5:16] = "none"
    name = np.array(["Ada", "Grace", "Alan", "Barbara", "Edsger", "Katherine"])[rng.integers(0, 6, rows)]
    name[100:103] = ""
    starts = rng.integers(1_700_000_000, 1_750_000_000, rows)
    identity = np.arange(rows)
    identity[-5:] = np.arange(5)
    table = pa.table(
        {
            "id": identity,
            "amount": pa.array(amount, mask=missing),
            "quantity": quantity,
            "discount": rng.uniform(0, 1, rows),
            "score": rng.normal(0, 1, rows),
            "country": country,
            "state": np.array(STATES)[rng.integers(0, len(STATES), rows)],
            "code": code,
            "name": name,
            "starts": starts,
            "ends": starts + rng.integers(0, 1_000, rows),
        }
    )
    pq.write_table(table, path)


def contract() -> Any:
    """The twenty checks (a range is one check of the other side and two of ours)."""
    from pilotage.data.contracts import Contract

    return Contract.from_dict(
        {
            "name": "orders",
            "owner": "benchmarks",
            "key": ["id"],
            "columns": {
                "id": {"type": "int"},
                "amount": {"type": "float", "minimum": 0, "maximum": 1_000_000},
                "quantity": {"type": "int", "minimum": 1, "maximum": 100},
                "discount": {"type": "float", "nullable": True, "minimum": 0, "maximum": 1},
                "score": {"type": "float", "nullable": True, "minimum": -4, "maximum": 4},
                "country": {"type": "text", "levels": COUNTRIES},
                "state": {"type": "text", "levels": STATES},
                "code": {"type": "text", "pattern": PATTERN},
                "name": {"type": "text", "nullable": True, "min_length": 1, "max_length": 20},
                "starts": {"type": "int", "nullable": True},
                "ends": {"type": "int", "nullable": True},
            },
            "checks": [
                {"name": "rows", "kind": "row_count", "at_least": 1, "at_most": 10_000_000},
                {"name": "order", "kind": "expression", "expression": "ends >= starts"},
                {"name": "total", "kind": "sum", "column": "amount", "at_least": 0, "at_most": 1e12},
                {"name": "states", "kind": "distinct", "column": "state", "at_least": 4, "at_most": 4},
                {"name": "amounts there", "kind": "null_share", "column": "amount", "at_most": 0.1},
            ],
        }
    )


def ours(path: Path) -> dict[str, Any]:
    """One gate; what each of the twenty checks found."""
    import polars as pl

    from pilotage.data.quality import run_gate

    frame, made = pl.read_parquet(path), contract()
    clock = Clock()
    report = run_gate(frame, made, profile=False)
    measured = clock.result()
    again = Clock()
    run_gate(frame, made, profile=False)
    measured |= {"again_s": again.result()["wall_s"], "again_cpu_s": again.result()["cpu_s"]}
    found = {f"{each.kind}:{each.column or each.check}": each.figure for each in report.results}
    between = {name: int(found[f"minimum:{name}"] + found[f"maximum:{name}"]) for name in ("amount", "quantity", "discount", "score")}
    whole = Clock()
    assert run_gate(frame, made).profile.columns
    profiled = whole.result()
    counts = {
        **{f"nulls {name}": int(found[f"nulls:{name}"]) for name in ("id", "amount", "quantity", "country", "state", "code")},
        **{f"between {name}": count for name, count in between.items()},
        **{f"levels {name}": int(found[f"levels:{name}"]) for name in ("country", "state")},
        "pattern code": int(found["pattern:code"]),
        "length name": int(found["min_length:name"] + found["max_length:name"]),
        "unique id": int(found["key:id"]),
        "rows": int(found["row_count:rows"]),
        "order": int(found["expression:order"]),
        "total": round(found["sum:amount"], 2),
        "distinct state": int(found["distinct:state"]),
        "null share amount": round(found["null_share:amount"], 9),
    }
    return {**measured, "profiled_s": profiled["wall_s"], "profiled_cpu_s": profiled["cpu_s"], "counts": counts}


def great_expectations(path: Path) -> dict[str, Any]:
    """The same by twenty expectations on a pandas data frame."""
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx
    import great_expectations.expectations as e
    import pandas as pd

    frame = pd.read_parquet(path)
    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asked = {
        **{f"nulls {name}": e.ExpectColumnValuesToNotBeNull(column=name) for name in ("id", "amount", "quantity", "country", "state", "code")},
        "between amount": e.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=1_000_000),
        "between quantity": e.ExpectColumnValuesToBeBetween(column="quantity", min_value=1, max_value=100),
        "between discount": e.ExpectColumnValuesToBeBetween(column="discount", min_value=0, max_value=1),
        "between score": e.ExpectColumnValuesToBeBetween(column="score", min_value=-4, max_value=4),
        "levels country": e.ExpectColumnValuesToBeInSet(column="country", value_set=COUNTRIES),
        "levels state": e.ExpectColumnValuesToBeInSet(column="state", value_set=STATES),
        "pattern code": e.ExpectColumnValuesToMatchRegex(column="code", regex=f"^(?:{PATTERN})$"),
        "length name": e.ExpectColumnValueLengthsToBeBetween(column="name", min_value=1, max_value=20),
        "unique id": e.ExpectColumnValuesToBeUnique(column="id"),
        "rows": e.ExpectTableRowCountToBeBetween(min_value=1, max_value=10_000_000),
        "order": e.ExpectColumnPairValuesAToBeGreaterThanB(column_A="ends", column_B="starts", or_equal=True),
        "total": e.ExpectColumnSumToBeBetween(column="amount", min_value=0, max_value=1e12),
        "distinct state": e.ExpectColumnUniqueValueCountToBeBetween(column="state", min_value=4, max_value=4),
        "null share amount": e.ExpectColumnProportionOfNonNullValuesToBeBetween(column="amount", min_value=0.9, max_value=1),
    }
    for name, expectation in asked.items():
        expectation.meta = {"name": name}
    suite = gx.ExpectationSuite(name="orders", expectations=list(asked.values()))
    definition = context.data_sources.add_pandas("frames").add_dataframe_asset("orders").add_batch_definition_whole_dataframe("whole")
    clock = Clock()
    validated = definition.get_batch(batch_parameters={"dataframe": frame}).validate(suite)
    measured = clock.result()
    again = Clock()
    definition.get_batch(batch_parameters={"dataframe": frame}).validate(suite)
    measured |= {"again_s": again.result()["wall_s"], "again_cpu_s": again.result()["cpu_s"]}
    counts = {}
    for result in validated.results:
        name = result.expectation_config.meta["name"]
        assert not result.exception_info.get("raised_exception"), (name, result.exception_info)
        said = result.result
        counts[name] = said["unexpected_count"] if "unexpected_count" in said else said["observed_value"]
    # It counts every row of a repeated key, ours those beyond the first: of five keys that are there twice, ten and five.
    counts["unique id"] //= 2
    counts["total"] = round(float(counts["total"]), 2)
    counts["null share amount"] = round(1 - counts["null share amount"], 9)
    return {**measured, "counts": counts}


def pandera(path: Path) -> dict[str, Any]:
    """Its column checks only (seventeen of the twenty), lazily, on a Polars frame."""
    import pandera.polars as pa
    import polars as pl

    frame = pl.read_parquet(path)
    schema = pa.DataFrameSchema(
        {
            "id": pa.Column(int, unique=True),
            "amount": pa.Column(float, pa.Check.in_range(0, 1_000_000)),
            "quantity": pa.Column(int, pa.Check.in_range(1, 100)),
            "discount": pa.Column(float, pa.Check.in_range(0, 1), nullable=True),
            "score": pa.Column(float, pa.Check.in_range(-4, 4), nullable=True),
            "country": pa.Column(str, pa.Check.isin(COUNTRIES)),
            "state": pa.Column(str, pa.Check.isin(STATES)),
            "code": pa.Column(str, pa.Check.str_matches(f"^(?:{PATTERN})$")),
            "name": pa.Column(str, pa.Check.str_length(1, 20), nullable=True),
        }
    )
    clock = Clock()
    with contextlib.suppress(pa.errors.SchemaErrors):
        schema.validate(frame, lazy=True)
    return {**clock.result(), "counts": {}}


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self) -> None:
        self.wall, self.cpu = time.perf_counter(), time.process_time()

    def result(self) -> dict[str, Any]:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return {"wall_s": time.perf_counter() - self.wall, "cpu_s": time.process_time() - self.cpu, "peak_mb": peak}


CONTENDERS: dict[str, Callable[[Path], dict[str, Any]]] = {"ours": ours, "great_expectations": great_expectations, "pandera": pandera}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--n", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--who", default="")
    parser.add_argument("--file", type=Path)
    options = parser.parse_args()
    if options.who:
        print(json.dumps(CONTENDERS[options.who](options.file)))
        return
    contenders = [who for who in CONTENDERS if who in ("ours", "great_expectations") or importlib.util.find_spec(who)]
    runs: dict[str, list[dict[str, Any]]] = {who: [] for who in contenders}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
        file = Path(folder) / "orders.parquet"
        make(file, options.rows)
        for _ in range(options.n):
            for who in contenders:
                command = [sys.executable, str(Path(__file__).resolve()), "--who", who, "--file", str(file)]
                done = subprocess.run(command, check=True, capture_output=True, text=True)
                runs[who].append(json.loads(done.stdout.strip().splitlines()[-1]))
    expected = runs["ours"][0]["counts"]
    for run in (*runs["ours"], *runs["great_expectations"]):
        differing = {name: (expected[name], run["counts"].get(name)) for name in expected if run["counts"].get(name) != expected[name]}
        assert not differing, f"the two do not count the same: {differing}"
    if options.rows == 1_000_000:
        assert expected["nulls amount"] == NULLS and expected["levels country"] == BAD_LEVELS

    def median(who: str, figure: str) -> float:
        return statistics.median(run[figure] for run in runs[who])

    print(f"{options.rows} rows, 20 checks, {len(expected)} equal figures; medians of {options.n} alternating runs")
    print(f"{'':20}{'wall s':>10}{'cpu s':>10}{'peak MB':>10}")
    for who in contenders:
        print(f"{who:20}{median(who, 'wall_s'):10.3f}{median(who, 'cpu_s'):10.3f}{median(who, 'peak_mb'):10.0f}")
    figures = {
        "seconds_1m_x20": round(median("ours", "wall_s"), 3),
        "seconds_1m_x20_with_profile": round(median("ours", "profiled_s"), 3),
        "seconds_1m_x20_again": round(median("ours", "again_s"), 3),
        "great_expectations_seconds_again": round(median("great_expectations", "again_s"), 3),
        "cpu_seconds_1m_x20": round(median("ours", "cpu_s"), 3),
        "great_expectations_seconds": round(median("great_expectations", "wall_s"), 3),
        "great_expectations_cpu_seconds": round(median("great_expectations", "cpu_s"), 3),
        "peak_mb": round(median("ours", "peak_mb")),
        "great_expectations_peak_mb": round(median("great_expectations", "peak_mb")),
    }
    ratios = {
        "great_expectations": round(median("great_expectations", "wall_s") / median("ours", "wall_s"), 2),
        "great_expectations_cpu": round(median("great_expectations", "cpu_s") / median("ours", "cpu_s"), 2),
        "great_expectations_again": round(median("great_expectations", "again_s") / median("ours", "again_s"), 2),
        "great_expectations_again_cpu": round(median("great_expectations", "again_cpu_s") / median("ours", "again_cpu_s"), 2),
        "great_expectations_with_profile": round(median("great_expectations", "wall_s") / median("ours", "profiled_s"), 2),
    }
    if "pandera" in contenders:
        ratios["pandera"] = round(median("pandera", "wall_s") / median("ours", "wall_s"), 2)
    print(json.dumps({"name": "gates", "ratios": ratios, "figures": figures, "n": options.n}))


if __name__ == "__main__":
    main()
