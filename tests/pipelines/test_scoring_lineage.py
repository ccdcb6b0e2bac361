"""Predictions know every version they were made from, and how far back their features looked."""

from __future__ import annotations

import polars as pl
import pytest

from pilotage.data.lineage import Node
from pilotage.features import Aggregate, FeatureView, parse_expression
from pilotage.pipelines.registry import TrainedModel
from pilotage.pipelines.scoring import _edges

DAY = 86_400_000_000
NOON = 1_700_000_000_000_000
MODEL = TrainedModel(id="mdl_1", pipeline="p", training_set="dv_t", kind="linear", params={}, blob="", rows=1, created_at=0)
SUM = Aggregate("spent", "sum", parse_expression("amount"), "7d")


def view(**more) -> FeatureView:
    return FeatureView(name="v", version=1, source="s", entity=("card",), event_time="at", available_lag="0s", tile="1h", **more)


@pytest.mark.parametrize(
    ("looked_at", "back"),
    [
        (view(aggregates=(SUM,)), 7 * DAY + DAY // 24),
        (view(columns={"last": parse_expression("amount")}, ttl="30d"), 30 * DAY),
        (view(columns={"last": parse_expression("amount")}, aggregates=(SUM,), ttl="1d"), 7 * DAY + DAY // 24),
        (view(columns={"last": parse_expression("amount")}, aggregates=(SUM,)), None),
    ],
)
def test_an_edge_reaches_back_as_far_as_the_view_looks(looked_at: FeatureView, back: int | None) -> None:
    made = pl.DataFrame({"at": [NOON, NOON + 5]}).with_columns(pl.col("at").cast(pl.Datetime("us", "UTC")))
    edges = {edge.parent: edge for edge in _edges(MODEL, made, "dv_rows", [(looked_at, "dv_history")], now_us=NOON + DAY)}
    assert {edge.child for edge in edges.values()} == {Node("predictions", "mdl_1/2023-11-15")}
    assert set(edges) == {Node("model", "mdl_1"), Node("version", "dv_rows"), Node("view", "v@1"), Node("version", "dv_history")}
    assert (edges[Node("version", "dv_rows")].from_us, edges[Node("version", "dv_rows")].until_us) == (NOON, NOON + 5)
    history = edges[Node("version", "dv_history")]
    assert (history.from_us, history.until_us) == ((None, None) if back is None else (NOON - back, NOON + 5))
