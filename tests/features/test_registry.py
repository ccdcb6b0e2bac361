"""Registered views are checked, permanent and honest about time."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from pilotage.core import InputError, IntegrityError, NotFound, Refused
from pilotage.data import Version
from pilotage.features import Aggregate, FeatureView, load_views, parse_expression, register_view, registered_view, view_of, views
from pilotage.features.tables import feature_view
from pilotage.store import Workspace

VIEW = FeatureView(
    name="card_activity",
    version=1,
    source="transactions",
    entity=("card",),
    event_time="at",
    available_time="known_at",
    columns={"last_amount": parse_expression("log1p(amount)"), "last_hour": parse_expression("hour(at)")},
    aggregates=(Aggregate("spent_7d", "sum", parse_expression("amount"), "7d", where=parse_expression("shop != 'games'")),),
    request={"ratio": parse_expression("amount_now / spent_7d")},
    request_inputs={"amount_now": "float"},
    description="what a card did lately",
)


def test_a_registered_view_comes_back_as_it_was_with_kinds_and_lineage(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    made = register_view(workspace, VIEW)
    assert made.view.hash == view_of(workspace, "card_activity").hash == VIEW.hash
    assert made.kinds == {"last_amount": "float", "last_hour": "int", "spent_7d": "float", "ratio": "float"}
    assert made.to_dict()["lineage"] == {"last_amount": ["amount"], "last_hour": ["at"], "spent_7d": ["amount", "shop"], "ratio": ["amount", "shop"]}
    assert register_view(workspace, VIEW) == made
    assert [each.view.ref for each in views(workspace, source="transactions")] == ["card_activity@1"]
    assert registered_view(workspace, VIEW.hash).view.ref == VIEW.ref


def test_a_released_view_is_not_edited_in_place(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    register_view(workspace, VIEW)
    with pytest.raises(Refused, match="another definition"):
        register_view(workspace, dataclasses.replace(VIEW, ttl="1d"))
    second = register_view(workspace, dataclasses.replace(VIEW, ttl="1d", version=2))
    assert view_of(workspace, "card_activity").version == 2
    assert view_of(workspace, "card_activity", 1).hash == VIEW.hash != second.view.hash


def test_a_view_that_does_not_fit_its_source_is_refused(workspace: Workspace, bank: Callable[..., Version]) -> None:
    with pytest.raises(NotFound, match="no dataset"):
        register_view(workspace, VIEW)
    bank()
    with pytest.raises(InputError, match="takes numbers, not text"):
        register_view(workspace, dataclasses.replace(VIEW, columns={"x": parse_expression("shop + 1")}))
    with pytest.raises(NotFound, match="no feature view"):
        view_of(workspace, "card_activity")


def test_a_view_may_not_claim_rows_before_their_contract_does(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    with pytest.raises(Refused, match="does not read 'known_at'"):
        register_view(workspace, dataclasses.replace(VIEW, available_time=None, available_lag="0s"))
    with pytest.raises(Refused, match="event time"):
        register_view(workspace, dataclasses.replace(VIEW, event_time="known_at"))


def test_a_view_changed_in_the_database_is_noticed(workspace: Workspace, bank: Callable[..., Version]) -> None:
    bank()
    register_view(workspace, VIEW)
    forged = dataclasses.replace(VIEW, ttl="1d").to_dict()
    workspace.write(lambda tx: tx.conn.execute(feature_view.update().where(feature_view.c.workspace_id == tx.workspace_id).values(definition=forged)))
    with pytest.raises(IntegrityError, match="no longer has its hash"):
        view_of(workspace, "card_activity")


def test_views_are_read_from_yaml_and_complaints_name_the_line(tmp_path: Path) -> None:
    path = tmp_path / "views.yaml"
    path.write_text(
        "views:\n"
        "  - name: card_activity\n"
        "    version: 1\n"
        "    source: transactions\n"
        "    entity: card\n"
        "    event_time: at\n"
        "    available_time: known_at\n"
        "    columns: {last_amount: log1p(amount), last_hour: hour(at)}\n"
        "    aggregates:\n"
        "      - {name: spent_7d, function: sum, of: amount, window: 7d, where: shop != 'games'}\n"
        "    request: {ratio: amount_now / spent_7d}\n"
        "    request_inputs: {amount_now: float}\n"
    )
    (view,) = load_views(path)
    assert view.hash == VIEW.hash
    path.write_text(path.read_text().replace("log1p(amount)", "__import__('os')"))
    with pytest.raises(InputError, match="Unknown function '__import__'") as refused:
        load_views(path)
    assert "views.yaml:8" in str(refused.value)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"available_time": None}, "could be known"),
        ({"entity": ()}, "name its entity"),
        ({"columns": {"card": parse_expression("amount")}}, "used twice"),
        ({"tile": "8d"}, "at most 7d"),
        ({"ttl": "soon"}, "Not a duration"),
        ({"request": {"ratio": parse_expression("nothing / 2")}}, "neither a request input"),
        ({"columns": {}, "aggregates": (), "request": {}}, "at least one feature"),
        ({"name": "Card Activity"}, "Not a name"),
        ({"version": 0}, "whole number from 1"),
    ],
)
def test_a_malformed_view_is_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        dataclasses.replace(VIEW, **change)


@pytest.mark.parametrize(
    ("aggregate", "text"),
    [
        (lambda: Aggregate("x", "mode", parse_expression("a")), "Unknown aggregate"),  # type: ignore[arg-type]
        (lambda: Aggregate("x", "sum"), "needs 'of'"),
        (lambda: Aggregate("x", "last_k", parse_expression("a")), "belongs to last_k"),
        (lambda: Aggregate("x", "quantile", parse_expression("a"), q=1.0), "belongs to quantile"),
        (lambda: Aggregate("x", "sum", parse_expression("a"), resolution=0.0), "resolution"),
    ],
)
def test_a_malformed_aggregate_is_refused(aggregate: Callable[[], Aggregate], text: str) -> None:
    with pytest.raises(InputError, match=text):
        aggregate()


def test_a_definition_is_the_same_after_a_round_trip_and_order_of_features_counts() -> None:
    assert FeatureView.from_dict(VIEW.to_dict(), description=VIEW.description).to_dict() == VIEW.to_dict()
    turned = dataclasses.replace(VIEW, columns=dict(reversed(VIEW.columns.items())))
    assert turned.hash != VIEW.hash
    assert dataclasses.replace(VIEW, description="other words").hash == VIEW.hash
