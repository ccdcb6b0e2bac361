"""A join of some size, for a process of its own."""

from __future__ import annotations

import numpy as np
import polars as pl

from pilotage.features import Aggregate, FeatureView, parse_expression, point_in_time


def made() -> pl.DataFrame:
    """Features of 20,000 rows from 50,000, with ties and late rows."""
    rng = np.random.default_rng(3)
    at = rng.integers(0, 30 * 86_400, 50_000) * 1_000_000
    source = pl.DataFrame(
        {
            "card": rng.integers(0, 300, 50_000),
            "at": at,
            "known_at": at + rng.integers(0, 7_200, 50_000) * 1_000_000,
            "amount": rng.gamma(2.0, 30.0, 50_000),
        }
    ).with_columns(pl.col("at", "known_at").cast(pl.Datetime("us", "UTC")))
    spine = source.select("card", "at").sample(20_000, seed=1)
    amount = parse_expression("amount")
    view = FeatureView(
        name="digest",
        version=1,
        source="transactions",
        entity=("card",),
        event_time="at",
        available_time="known_at",
        columns={"scaled": parse_expression("log1p(amount) / (1 + amount % 7)")},
        aggregates=tuple(
            Aggregate(function, function, amount, "3d") for function in ("sum", "mean", "var", "min", "max", "first", "last", "distinct")
        ),
    )
    return point_in_time(spine, source, view)
