"""A training set is honest about time and labels, and can be built again to the same bytes."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from pilotage.core import InputError, NotFound, Refused
from pilotage.data import Version
from pilotage.data.tabular import read_table
from pilotage.features import (
    Aggregate,
    FeatureView,
    Label,
    Split,
    Transform,
    build_training_set,
    load_training_set,
    parse_expression,
    rebuild_training_set,
    register_view,
)
from pilotage.store import Workspace

from .conftest import DAY, START, put, transactions

VIEW = FeatureView(
    name="activity",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    columns={"last_amount": parse_expression("amount"), "last_shop": parse_expression("shop")},
    aggregates=(
        Aggregate("spent_7d", "sum", parse_expression("amount"), "7d"),
        Aggregate("shops_7d", "distinct", parse_expression("shop"), "7d"),
        Aggregate("recent", "last_k", parse_expression("amount"), "7d", k=2),
    ),
    ttl="30d",
)
AS_OF = START + 50 * DAY


def build(workspace: Workspace, **changes: Any) -> Any:
    plain: dict[str, Any] = {
        "name": "fraud",
        "spine": "transactions",
        "time": "at",
        "label": Label("fraud", available_time="fraud_known_at"),
        "views": ["activity@1"],
        "as_of": AS_OF,
        "transforms": [
            Transform("impute", "activity__last_amount", strategy="median"),
            Transform("standardise", "activity__last_amount"),
            Transform("one_hot", "activity__last_shop"),
        ],
        "seed": 7,
    }
    return build_training_set(workspace, **{**plain, **changes})


@pytest.fixture
def ready(workspace: Workspace, bank: Callable[..., Version]) -> Workspace:
    bank()
    register_view(workspace, VIEW)
    return workspace


def test_rows_whose_label_was_not_known_are_left_out_and_counted(ready: Workspace) -> None:
    made = build(ready)
    source = transactions()
    known = source.filter(pl.col("fraud_known_at").to_physical() <= AS_OF)
    assert made.version.rows == known.height
    later = source.filter(pl.col("at").to_physical() > AS_OF).height
    assert made.left_out == {"after as_of": later, "label not yet known at as_of": source.height - known.height - later, "no label": 0}
    assert made.version.operation.counts["dropped"] == source.height - known.height
    table = pl.DataFrame(read_table(ready, made.version.id))
    assert table["spine_row"].to_list() == known["id"].to_list()
    assert table["fraud"].to_list() == known["fraud"].to_list()


def test_the_same_set_is_built_again_to_the_same_version(ready: Workspace) -> None:
    made = build(ready)
    assert build(ready).version.id == made.version.id
    again = rebuild_training_set(ready, "fraud")
    assert again.same and again.version.id == made.version.id
    assert load_training_set(ready, "fraud@1").fitted == made.fitted
    assert set(made.version.parents) == {made.record["spine"]["id"]}


def test_the_record_pins_the_sources_it_was_built_from(ready: Workspace) -> None:
    made = build(ready)
    put(ready, transactions(seed=1))
    again = rebuild_training_set(ready, "fraud@1")
    assert again.same and again.digest == made.version.digest
    assert build(ready, name="newer").version.digest != made.version.digest


def test_transforms_see_the_training_split_only(ready: Workspace) -> None:
    plain = pl.DataFrame(read_table(ready, build(ready, name="plain", transforms=[]).version.id))
    made = build(ready)
    train = plain.filter(pl.col("split") == "train")["activity__last_amount"].drop_nulls()
    median = sorted(train.to_list())[(len(train) + 1) // 2 - 1]
    assert made.fitted.steps[0].learned == {"value": median}
    assert median != sorted(plain["activity__last_amount"].drop_nulls().to_list())[(plain["activity__last_amount"].count() + 1) // 2 - 1]
    assert plain.filter(pl.col("split") == "train")["at"].max() < plain.filter(pl.col("split") == "test")["at"].min()


def test_a_request_transforms_as_the_batch_did(ready: Workspace) -> None:
    made = build(ready)
    plain = pl.DataFrame(read_table(ready, build(ready, name="plain", transforms=[]).version.id))
    table = pl.DataFrame(read_table(ready, made.version.id))
    for before, after in zip(plain.iter_rows(named=True), table.iter_rows(named=True), strict=True):
        served = made.fitted.apply_row({name: before[name] for name in plain.columns if name.startswith("activity__")})
        assert {name: repr(value) for name, value in served.items()} == {name: repr(after[name]) for name in made.features}


def test_a_split_by_entity_keeps_an_entity_together(ready: Workspace) -> None:
    table = pl.DataFrame(read_table(ready, build(ready, split=Split(by="entity", test=0.3), transforms=[]).version.id))
    assert table.group_by("card").agg(pl.col("split").n_unique())["split"].to_list() == [1] * table["card"].n_unique()
    assert set(table["split"]) == {"train", "test"}


def test_a_version_that_has_not_passed_its_gate_trains_nothing(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank(gate=False)
    register_view(workspace, VIEW)
    with pytest.raises(Refused, match="gate"):
        build(workspace)


def test_a_moment_in_the_future_is_refused(ready: Workspace) -> None:
    with pytest.raises(Refused, match="future"):
        build(ready, as_of=ready.clock.now_us() + DAY)


def test_a_view_that_is_not_registered_is_not_found(ready: Workspace) -> None:
    with pytest.raises(NotFound, match="no feature view"):
        build(ready, views=["unknown"])


def test_the_label_among_the_features_is_refused(ready: Workspace) -> None:
    register_view(ready, dataclasses.replace(VIEW, name="named", columns={"fraud": parse_expression("amount > 5")}))
    with pytest.raises(Refused, match="among the features"):
        build(ready, views=["named"], transforms=[])
    register_view(
        ready, dataclasses.replace(VIEW, name="reading", aggregates=(Aggregate("frauds", "count", window="7d", where=parse_expression("fraud")),))
    )
    with pytest.raises(Refused, match="as if it were known"):
        build(ready, views=["reading"], transforms=[])


def test_labels_read_when_they_are_known_are_features_like_others(ready: Workspace) -> None:
    past = FeatureView(
        name="past",
        version=1,
        source="transactions",
        entity=("card",),
        event_time="at",
        available_time="fraud_known_at",
        aggregates=(Aggregate("frauds_30d", "count", window="30d", where=parse_expression("fraud")),),
    )
    register_view(ready, past)
    table = pl.DataFrame(read_table(ready, build(ready, views=["past"], transforms=[]).version.id))
    source = transactions().to_dicts()
    for row in table.head(150).tail(20).iter_rows(named=True):
        moment = row["at"]
        start = (moment.timestamp() - 30 * 86400) // 300 * 300
        expected = sum(
            each["fraud"]
            and each["card"] == row["card"]
            and each["at"] < moment
            and each["at"].timestamp() >= start
            and each["fraud_known_at"] <= moment
            for each in source
        )
        assert row["past__frauds_30d"] == expected


def test_rows_claimed_before_their_contract_says_are_refused(ready: Workspace) -> None:
    early = dataclasses.replace(VIEW, name="early", available_time="at")
    register_view(ready, early)
    with pytest.raises(Refused, match="before they were available"):
        build(ready, views=["early"], transforms=[])


def test_a_label_without_a_delay_must_say_so() -> None:
    with pytest.raises(InputError, match="when it becomes known"):
        Label("fraud")


def test_no_row_left_is_said_with_the_counts(ready: Workspace) -> None:
    with pytest.raises(InputError, match="has a label that was known"):
        build(ready, as_of=START - DAY)


def test_one_and_four_workers_make_the_same_bytes() -> None:
    script = (
        "import sys; sys.path[:0] = [sys.argv[1], sys.argv[2]]\n"
        "import hashlib, polars as pl\n"
        "from features_for_digest import made\n"
        "print(pl.thread_pool_size(), hashlib.sha256(made().write_csv().encode()).hexdigest())\n"
    )
    here = os.path.dirname(__file__)  # noqa: PTH120
    source = os.path.join(here, "..", "..", "src")  # noqa: PTH118
    found = {}
    for workers in ("1", "4"):
        done = subprocess.run(
            [sys.executable, "-c", script, here, source],
            env={**os.environ, "POLARS_MAX_THREADS": workers},
            capture_output=True,
            text=True,
            check=True,
        )
        size, found[workers] = done.stdout.split()
        assert size == workers
    assert found["1"] == found["4"]


def test_a_spine_without_what_a_request_feature_takes_is_refused_with_its_name(ready: Workspace) -> None:
    asking = dataclasses.replace(VIEW, name="asking", request={"twice": parse_expression("asked * 2")}, request_inputs={"asked": "float"})
    register_view(ready, asking)
    with pytest.raises(InputError, match="'asked' of the spine"):
        build(ready, views=["asking@1"], transforms=[])
