"""The same definition on Spark and on Polars: the same bits."""

from __future__ import annotations

import hashlib
import random
from typing import Any

import polars as pl
import pytest

from pilotage.core import InputError, Refused
from pilotage.features.algebra import aggregator_for, merge_many, partials, states
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.engines import engine
from pilotage.features.expression import col, parse_expression

pytestmark = pytest.mark.spark
NOON = 1_767_268_800_000_000
MINUTE = 60_000_000

EXPRESSIONS = {
    "scaled": "amount / 100",
    "ratio": "amount / count_of",
    "mixed": "(amount + 0.1) * count_of - amount ** 3 / 7",
    "root": "sqrt(amount)",
    "logged": "log1p(abs(amount))",
    "grown": "exp(amount / 1000)",
    "floored": "amount // 7",
    "left_over": "amount % 7",
    "rounded": "round(amount, 1)",
    "clipped": "clip(amount, -50, 50)",
    "chosen": "amount if country == 'DE' else count_of",
    "filled": "coalesce(amount, count_of, 0)",
    "known": "country is not None",
    "either": "amount > 0 or country == 'FR'",
    "one_of": "country in ('DE', 'FR')",
    "small": "lower(country)",
    "long": "length(country)",
    "hour_of": "hour(at)",
    "weekday_of": "weekday(at)",
    "month_of": "month(at)",
}


def view(**changes: Any) -> FeatureView:
    given = {
        "name": "card_activity",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "columns": {name: parse_expression(text) for name, text in EXPRESSIONS.items()},
        "aggregates": (
            Aggregate("n_1h", "count", window="1h"),
            Aggregate("refunds_1d", "count", window="1d", where=parse_expression("amount < 0")),
            Aggregate("spent_1h", "sum", of=col("amount"), window="1h"),
            Aggregate("log_mean_1d", "mean", of=parse_expression("log1p(abs(amount))"), window="1d"),
            Aggregate("spread_1d", "var", of=col("amount"), window="1d", where=parse_expression("country is not None")),
            Aggregate("least_1h", "min", of=col("amount"), window="1h"),
            Aggregate("latest_1d", "last", of=col("country"), window="1d"),
            Aggregate("lately_1d", "last_k", of=col("count_of"), window="1d", k=3),
            Aggregate("countries_1d", "distinct", of=col("country"), window="1d"),
            Aggregate("middle_1d", "quantile", of=col("amount"), window="1d", q=0.5),
        ),
        "ttl": "3h",
        "request": {"against_mean": parse_expression("asked / log_mean_1d")},
        "request_inputs": {"asked": "float"},
    }
    return FeatureView(**{**given, **changes})


def transactions(n: int, *, seed: int) -> pl.DataFrame:
    chance = random.Random(seed)
    amounts = [None, float("nan"), float("inf"), 0.0, -0.0, 1e300, 5e-324, -7.0, 7.0, 2.5, 3.5]
    rows = []
    for _ in range(n):
        at = NOON - chance.randrange(40 * 60) * MINUTE + chance.randrange(3) * 17
        rows.append(
            {
                "card": f"c{chance.randrange(n // 20 + 1)}",
                "at": at,
                "known_at": at + chance.choice([0, 0, 1, 90]) * MINUTE,
                "amount": chance.choice(amounts) if chance.random() < 0.1 else chance.gauss(20, 60),
                "count_of": chance.choice([None, 0, 1, 3, 2**53 + 1]),
                "country": chance.choice([None, "DE", "FR", "ÅÉ", "İ"]),
            }
        )
    schema = {"card": pl.String, "at": pl.Int64, "known_at": pl.Int64, "amount": pl.Float64, "count_of": pl.Int64, "country": pl.String}
    return pl.DataFrame(rows, schema=schema).with_columns(pl.col("at", "known_at").cast(pl.Datetime("us", "UTC")))


def spine(n: int, *, seed: int, cards: int) -> pl.DataFrame:
    chance = random.Random(seed)
    return pl.DataFrame(
        {
            "card": [f"c{chance.randrange(cards + 2)}" for _ in range(n)],
            "at": [NOON - chance.randrange(30 * 60) * MINUTE for _ in range(n)],
            "asked": [chance.choice([None, 1.0, 250.0]) for _ in range(n)],
        }
    ).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))


# 1e300 and the like are refused by sums; windows are tested on amounts that a grid holds.
def on_the_grid(frame: pl.DataFrame) -> pl.DataFrame:
    return frame.with_columns(pl.when(pl.col("amount").abs() < 1e9).then("amount").alias("amount"))


def bits(frame: pl.DataFrame) -> list[str]:
    """Every value to the last bit: -0.0 and 0.0 differ."""
    return [repr(row) for row in frame.rows()]


def batch_digest(name: str) -> str:
    """The digest of a batch's answer on the engine ``name``."""
    answer = engine(name).point_in_time(spine(400, seed=5, cards=51), on_the_grid(transactions(1000, seed=4)), view())
    return hashlib.sha256("\n".join(bits(answer)).encode()).hexdigest()


def test_row_features_have_the_same_bits(spark):
    of, source = view(aggregates=(), request={}, request_inputs={}), transactions(400, seed=1)
    here, there = engine("polars").rows(of, source), spark.rows(of, source)
    assert here.schema == there.schema
    for name in here.columns:
        assert bits(here.select(name)) == bits(there.select(name)), name


def test_the_join_and_the_windows_have_the_same_bits(spark):
    of, source, asked = view(), on_the_grid(transactions(600, seed=2)), spine(150, seed=3, cards=31)
    here, there = (each.point_in_time(asked, source, of) for each in (engine("polars"), spark))
    assert here.schema == there.schema and here.height == asked.height
    for name in here.columns:
        assert bits(here.select(name)) == bits(there.select(name)), name
    assert here["n_1h"].sum() > 0 and here["scaled"].null_count() not in (0, asked.height)


def test_the_digest_of_a_batch_is_that_of_polars(spark):
    assert batch_digest(spark.name) == batch_digest("polars")


def test_rows_of_a_spark_frame_need_an_order(spark):
    frame = spark.session.createDataFrame(transactions(5, seed=1).with_columns(place=pl.lit(1)).to_arrow())
    with pytest.raises(Refused, match="no order of their own"):
        spark.rows(view(aggregates=(), request={}, request_inputs={}), frame)
    ordered = view(sequence="place", columns={"amount_of": col("amount")}, aggregates=(), request={}, request_inputs={})
    assert spark.rows(ordered, frame).height == 5


def test_what_polars_refuses_spark_refuses_too(spark):
    of, source = view(aggregates=(), request={}, request_inputs={}), transactions(5, seed=1)
    for bad in (
        source.with_columns(card=pl.lit(None, dtype=pl.String)),
        source.drop("country"),
        source.with_columns(pl.col("at").dt.replace_time_zone(None)),
    ):
        for each in (engine("polars"), spark):
            with pytest.raises(InputError):
                each.rows(of, bad)


def test_a_structured_stream_makes_the_states_of_one_batch(spark, tmp_path):
    of = view(sequence="place", request={}, request_inputs={})
    source = on_the_grid(transactions(300, seed=9)).with_row_index("place").with_columns(pl.col("place").cast(pl.Int64))
    aggregators = {each.name: aggregator_for(each) for each in of.aggregates}
    folder = tmp_path / "events"
    folder.mkdir()
    for number, part in enumerate(source.iter_slices(100)):
        part.write_parquet(folder / f"{number}.parquet")
    read = spark.session.createDataFrame(source.to_arrow()).schema
    batches: dict[int, dict[str, tuple[Any, ...]]] = {}

    def sink(rows: pl.DataFrame, number: int) -> None:
        made = partials(rows, ["card"], aggregators)
        batches[number] = dict(zip(made["card"], states(made, aggregators), strict=True))

    stream = spark.session.readStream.schema(read).option("maxFilesPerTrigger", 1).parquet(str(folder))
    query = spark.stream(of, stream, sink=sink, checkpoint=str(tmp_path / "checkpoint"))
    query.awaitTermination(120)
    assert query.exception() is None and len(batches) == 3
    merged: dict[str, tuple[Any, ...]] = {}
    for found in batches.values():
        for card, state in found.items():
            merged[card] = merge_many(list(aggregators.values()), [merged[card]], [state])[0] if card in merged else state
    whole = partials(engine("polars").rows(of, source), ["card"], aggregators)
    assert merged == dict(zip(whole["card"], states(whole, aggregators), strict=True))
