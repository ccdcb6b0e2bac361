"""Served vectors held against the batch path: each way of going wrong is named."""

from __future__ import annotations

import random
from typing import Any

import polars as pl
import pytest

from pilotage.core import InputError
from pilotage.features.definition import Aggregate, FeatureView
from pilotage.features.expression import col, parse_expression
from pilotage.features.online import materialize
from pilotage.features.serving import FeatureServer
from pilotage.features.serving_log import ServingLog, served
from pilotage.features.skew import SkewReport, compare
from pilotage.features.skew_causes import same
from pilotage.ledger import create_workspace

NOON = 1_767_268_800_000_000
MINUTE = 60_000_000
HOUR = 60 * MINUTE
CARDS = [f"c{i}" for i in range(40)]


def view(**changes: Any) -> FeatureView:
    given = {
        "name": "card",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "columns": {"amount_eur": col("amount") / 100, "hour_of": parse_expression("hour(at)"), "fee_of": col("fee")},
        "aggregates": (Aggregate("spent_6h", "sum", of=col("amount"), window="6h"), Aggregate("n_6h", "count", window="6h")),
        "request": {"against": parse_expression("asked / spent_6h")},
        "request_inputs": {"asked": "float"},
    }
    return FeatureView(**{**given, **changes})


def transactions() -> pl.DataFrame:
    chance = random.Random(11)
    rows = []
    for card in CARDS:
        for i in range(6):
            at = NOON - i * 70 * MINUTE - chance.randrange(1, 60) * MINUTE
            rows.append((card, at, at + MINUTE, float(chance.randrange(1, 9999)), chance.choice([None, 1.5, 2.5])))
        at = NOON - 150 * MINUTE - chance.randrange(30) * MINUTE  # late: known an hour after newer rows
        rows.append((card, at, NOON - 5 * MINUTE, 5000.0, None))
    schema = {"card": pl.String, "at": pl.Int64, "known_at": pl.Int64, "amount": pl.Float64, "fee": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.col("at", "known_at").cast(pl.Datetime("us", "UTC")))


@pytest.fixture
def workspace(tmp_path):
    with create_workspace(str(tmp_path / "workspace"), actor="tester") as opened:
        yield opened


def serve(workspace, stored_from: pl.DataFrame, *, stored_view: FeatureView | None = None, as_of: int = NOON, **log: Any) -> None:
    """Fill the store from ``stored_from`` and serve every card at noon, logging all of it."""
    materialize(workspace, stored_view or view(), stored_from.lazy(), as_of_us=as_of)
    with ServingLog(workspace, rate=1.0, **log) as kept:
        server = FeatureServer(workspace, [view()], log=kept)
        server.serve([{"card": card} for card in CARDS], {"asked": 100.0}, now_us=NOON)


def report(workspace, *, max_rate: float = 0.1) -> SkewReport:
    logged = served(workspace, "card@1", from_us=NOON - HOUR, to_us=NOON + HOUR)
    return compare(workspace, view(), logged, transactions(), source_version="dv_1", from_us=NOON - HOUR, to_us=NOON + HOUR, max_rate=max_rate)


def of(found: SkewReport, name: str) -> Any:
    return next(each for each in found.features if each.name == name)


def test_what_is_served_right_passes_to_the_last_bit(workspace):
    serve(workspace, transactions())
    found = report(workspace)
    assert (found.verdict, found.compared, found.dropped) == ("pass", 40, 0)
    assert {each.mismatches for each in found.features} == {0} and {each.cause for each in found.features} == {None}
    assert of(found, "spent_6h").smape == 0.0 and of(found, "against").evidence.n == 40


def test_a_store_that_lagged_is_named_staleness(workspace):
    known = transactions().filter(pl.col("known_at").dt.epoch("us") <= NOON - 2 * HOUR)
    serve(workspace, known, as_of=NOON - 2 * HOUR)
    found = report(workspace)
    assert found.verdict == "fail"
    assert {name: of(found, name).cause for name in ("amount_eur", "spent_6h", "n_6h", "against")} == dict.fromkeys(
        ("amount_eur", "spent_6h", "n_6h", "against"), "staleness"
    )


def test_an_entity_that_was_never_written_is_missing_for_staleness(workspace):
    serve(workspace, transactions().filter(pl.col("card") != "c0"))
    found = of(report(workspace), "amount_eur")
    assert (found.mismatches, found.missing, found.cause) == (1, 1, "staleness")
    assert [(each.entity, each.served) for each in found.examples] == [('["c0"]', None)]


def test_nulls_filled_before_computing_are_named_null_policy(workspace):
    serve(workspace, transactions().with_columns(pl.col("fee").fill_null(0.0)))
    found = report(workspace)
    assert of(found, "fee_of").cause == "null policy" and of(found, "fee_of").extra == of(found, "fee_of").mismatches > 0
    assert of(found, "amount_eur").mismatches == 0


@pytest.mark.parametrize(("hours", "note"), [(-2, "-2:00"), (1, "+1:00")])
def test_timestamps_read_in_another_zone_are_named_with_the_offset(workspace, hours, note):
    serve(workspace, transactions().with_columns(pl.col("at") + pl.duration(hours=hours)))
    found = of(report(workspace), "hour_of")
    assert (found.cause, found.cause_note) == ("time zone", note)


def test_late_rows_left_out_are_named_late_data(workspace):
    serve(workspace, transactions().filter(pl.col("known_at") == pl.col("at") + pl.duration(minutes=1)))
    found = report(workspace)
    assert of(found, "spent_6h").cause == "late data" and of(found, "n_6h").mismatches == 40
    assert of(found, "amount_eur").mismatches == 0, "a late row is never the latest"


def test_another_definition_is_named_version(workspace):
    serve(
        workspace,
        transactions(),
        stored_view=view(columns={"amount_eur": col("amount") / 10, "hour_of": parse_expression("hour(at)"), "fee_of": col("fee")}),
    )
    found = report(workspace)
    assert of(found, "amount_eur").cause == "version" and of(found, "amount_eur").missing == 40


def test_what_no_hypothesis_explains_is_unknown_and_not_guessed(workspace):
    serve(workspace, transactions().with_columns(pl.col("amount") * 1.25))
    found = of(report(workspace), "amount_eur")
    assert found.cause == "unknown" and found.causes == {"unknown": 40}
    assert found.smape == pytest.approx(2 * 0.25 / 2.25)


def test_two_causes_are_told_apart_feature_by_feature(workspace):
    wrong = transactions().filter(pl.col("known_at") == pl.col("at") + pl.duration(minutes=1)).with_columns(pl.col("fee").fill_null(0.0))
    serve(workspace, wrong)
    found = report(workspace)
    assert (of(found, "spent_6h").cause, of(found, "fee_of").cause) == ("late data", "null policy")


def test_few_differences_in_few_vectors_are_inconclusive_and_say_what_would_decide(workspace):
    serve(workspace, transactions().filter(~pl.col("card").is_in(["c0", "c1", "c2"])))
    found = of(report(workspace, max_rate=0.05), "amount_eur")
    assert found.verdict == "inconclusive" and found.n_deciding > 40


def test_nothing_logged_is_not_assessable_and_no_pass(workspace):
    assert report(workspace).verdict == "not_assessable"
    with pytest.raises(InputError):
        report(workspace, max_rate=1.5)


def test_personal_features_and_keys_are_not_in_the_log_and_the_rest_is_still_compared(workspace):
    serve(workspace, transactions(), personal={"card@1": frozenset({"fee_of", "asked"})}, personal_keys=frozenset({"card@1"}))
    logged = served(workspace, "card@1", from_us=0, to_us=NOON + HOUR)
    assert {vector.entity for vector in logged.vectors} == {""} and "fee_of" not in logged.vectors[0].values
    assert logged.vectors[0].request_values == {}
    found = report(workspace)
    assert found.left_out == ("fee_of",) and of(found, "spent_6h").mismatches == 0 and of(found, "spent_6h").verdict == "pass"


@pytest.mark.parametrize(
    ("left", "right", "equal"),
    [
        (None, None, True),
        (None, 0, False),
        (1, 1.0, True),
        (True, 1, False),
        (0.1 + 0.2, 0.3, False),
        ([1, None], [1, None], True),
        ([1], [1, 2], False),
        ("1", 1, False),
    ],
)
def test_values_are_the_same_only_exactly(left, right, equal):
    assert same(left, right) is equal
