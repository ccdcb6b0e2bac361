"""A contract, tables that keep it, and a naive reading of a contract's checks, row by row in Python."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from pilotage.data.contracts import Column, Contract
from pilotage.data.quality import CheckResult, GateReport

NOW = 1_767_225_600_000_000  # 2026-01-01
DTYPES: dict[str, pl.DataType] = {
    "text": pl.String(),
    "int": pl.Int64(),
    "float": pl.Float64(),
    "bool": pl.Boolean(),
    "timestamp": pl.Datetime("us", "UTC"),
    "date": pl.Date(),
    "list": pl.String(),
}


def contract(columns: dict[str, Any], **more: Any) -> Contract:
    return Contract.from_dict({"name": "trips", "owner": "data team", "columns": columns, **more})


def frame(made: Contract, rows: Sequence[dict[str, Any]]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema={name: DTYPES[column.type] for name, column in made.columns.items()}, orient="row", strict=True)


def result(report: GateReport, check: str) -> CheckResult:
    (found,) = [each for each in report.results if each.check == check]
    return found


def naive_counts(made: Contract, rows: Sequence[dict[str, Any]]) -> dict[tuple[str, str | None], int]:
    """(kind, column) -> how many rows break what the columns and the key imply."""
    counts: dict[tuple[str, str | None], int] = {}
    for name, column in made.columns.items():
        values = [row[name] for row in rows]
        for kind, breaks in _rules(column).items():
            counts[kind, name] = sum(bool(breaks(value)) for value in values)
    if made.key and made.unique:
        keys = [tuple(row[name] for name in made.key) for row in rows]
        counts["key", made.key[0] if len(made.key) == 1 else None] = len(keys) - len(set(keys))
    return counts


def _rules(column: Column) -> dict[str, Any]:
    def there(value: Any) -> bool:
        return value is not None and not (isinstance(value, float) and not math.isfinite(value))

    rules: dict[str, Any] = {}
    if not column.nullable:
        rules["nulls"] = lambda value: value is None
    if column.type == "float":
        rules["finite"] = lambda value: value is not None and not math.isfinite(value)
    if column.minimum is not None:
        rules["minimum"] = lambda value: there(value) and value < column.minimum
    if column.maximum is not None:
        rules["maximum"] = lambda value: there(value) and value > column.maximum
    if column.min_length is not None:
        rules["min_length"] = lambda value: value is not None and len(value) < column.min_length
    if column.max_length is not None:
        rules["max_length"] = lambda value: value is not None and len(value) > column.max_length
    if column.pattern is not None:
        rules["pattern"] = lambda value: value is not None and not re.fullmatch(column.pattern, value)
    if column.levels is not None and column.level_policy != "allow":
        rules["levels"] = lambda value: value is not None and value not in column.levels
    return rules


TRIPS = contract(
    {
        "at": {"type": "timestamp"},
        "fare": {"type": "float", "nullable": True},
        "tolls": {"type": "float"},
        "payment": {"type": "text", "levels": ["card", "cash"], "level_policy": "allow"},
        "vendor": {"type": "text", "nullable": True},
    },
    event_time="at",
    available_lag="1h",
)


def month_of_trips(seed: int, month: int, *, rows: int = 2_000, **changes: Any) -> pl.DataFrame:
    """The trips of one month since 2020-01: fares follow the season, and nothing else does. ``changes`` break it on purpose."""
    rng = np.random.default_rng([seed, month])
    rows = int(rows * rng.uniform(0.95, 1.05))
    start = datetime(2020 + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    at = [start + timedelta(seconds=float(second)) for second in np.sort(rng.uniform(0, 28 * 86_400, rows))]
    fare = rng.lognormal(2.5 + 0.25 * math.sin(2 * math.pi * month / 12), 0.4, rows) * changes.get("unit", 1.0) + changes.get("surcharge", 0.0)
    payment = rng.choice(["card", "cash", "wallet"], rows, p=[0.7 - changes.get("wallet", 0.0), 0.3, changes.get("wallet", 0.0)])
    made = pl.DataFrame(
        {
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "fare": pl.Series(fare),
            "tolls": pl.Series(np.where(rng.uniform(size=rows) < 0.03, 6.12, 0.0)),
            "payment": pl.Series(payment),
            "vendor": pl.Series(rng.choice(["v1", "v2"], rows)),
        }
    )
    if changes.get("nulls"):
        made = made.with_columns(vendor=pl.when(pl.Series(rng.uniform(size=rows) >= changes["nulls"])).then(pl.col("vendor")))
    return made
