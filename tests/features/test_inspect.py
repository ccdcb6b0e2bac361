"""Why this value at that moment: every candidate row has its state, and the value is the join's."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.data import Version
from pilotage.features import Aggregate, FeatureView, explain_value, parse_expression, register_view
from pilotage.features.inspect import EXPIRED, NOT_YET_HAPPENED, NOT_YET_KNOWN, SUPERSEDED, WON, explain
from pilotage.store import Workspace

from .brute import MINUTE, ROWS, brute_latest, brute_windows, source_frame, spine_frame
from .conftest import DAY, START, transactions


def view(**changes: Any) -> FeatureView:
    plain: dict[str, Any] = {
        "name": "activity",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "columns": {"last_value": parse_expression("value")},
        "aggregates": (Aggregate("rows", "count", window="10m"),),
    }
    return FeatureView(**{**plain, **changes})


def row(at: int, known: int, value: float) -> dict[str, Any]:
    return {"card": "a", "at": at, "known": known, "value": value, "seq": 0, "kind": "sale"}


def test_each_candidate_has_its_state_and_its_reason() -> None:
    source = source_frame([row(1, 1, 1.0), row(8, 8, 2.0), row(8, 9, 2.5), row(9, 40, 3.0), row(10, 10, 4.0), row(30, 30, 5.0)])
    found = explain(source, view(), {"card": "a"}, 10 * MINUTE)
    states = {each.position: each.state for each in found.candidates}
    assert states == {0: SUPERSEDED, 1: SUPERSEDED, 2: WON, 3: NOT_YET_KNOWN, 4: NOT_YET_HAPPENED, 5: NOT_YET_HAPPENED}
    assert found.features == {"last_value": 2.5, "rows": 3}
    reasons = {each.position: each.why for each in found.candidates}
    assert reasons[1] == "a correction of the same event was known" and reasons[3] == "it became available 30.0 min after the moment"
    assert "moment itself" in reasons[4]
    assert {each.position for each in found.candidates if "rows" in each.windows} == {0, 1, 2}


def test_a_row_past_its_ttl_is_expired_and_the_value_null() -> None:
    found = explain(source_frame([row(1, 1, 1.0)]), view(ttl="5m"), {"card": "a"}, 10 * MINUTE)
    assert [each.state for each in found.candidates] == [EXPIRED]
    assert found.features["last_value"] is None and "ttl is 5m" in found.candidates[0].why


@settings(max_examples=40, deadline=None)
@given(source=ROWS, minute=st.integers(-5, 60), closed=st.sampled_from(["left", "right"]), ttl=st.sampled_from([None, "10m"]))
def test_what_won_is_what_the_join_took_and_what_counts_is_what_the_window_counted(
    source: pl.DataFrame, minute: int, closed: Any, ttl: str | None
) -> None:
    declared = view(closed=closed, ttl=ttl, tile="5m")
    rows = source.with_row_index("__position").filter(pl.col("card") == "a")
    found = explain(rows, declared, {"card": "a"}, minute * MINUTE)
    spine = spine_frame([("a", minute)])
    winners = [each.position for each in found.candidates if each.state == WON]
    assert winners == [place for place in brute_latest(spine, source, declared) if place is not None]
    counted = sum("rows" in each.windows for each in found.candidates)
    assert counted == found.features["rows"] == brute_windows(spine, source, declared)["rows"][0]


def test_a_value_of_a_registered_view_is_explained_from_its_source(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    register_view(workspace, view(columns={"last_amount": parse_expression("amount")}))
    at = START + 30 * DAY
    found = explain_value(workspace, "activity@1", {"card": "c3"}, at, limit=5)
    moment = dt.datetime.fromtimestamp(at / 1e6, dt.UTC)
    mine = transactions().filter(pl.col("card") == "c3")
    known = mine.filter((pl.col("at") < moment) & (pl.col("known_at") <= moment)).sort("at")
    assert found.features["last_amount"] == known["amount"][-1]
    assert len(found.candidates) == 5 and found.left_out == mine.height - 5
    assert explain_value(workspace, "activity@1", {"card": "c3"}, moment, limit=5) == found
    assert "not yet happened" in str(found) and found.to_dict()["view"] == "activity@1"


def test_an_entity_is_named_by_all_its_keys(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    register_view(workspace, view(columns={"last_amount": parse_expression("amount")}))
    with pytest.raises(InputError, match="is named by: card"):
        explain_value(workspace, "activity", {"shop": "food"}, START)
    with pytest.raises(InputError, match="no zone"):
        explain_value(workspace, "activity", {"card": "c3"}, dt.datetime(2026, 1, 1))  # noqa: DTZ001
