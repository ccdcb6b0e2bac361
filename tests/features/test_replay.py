"""The release test: the same history through three paths, equal to the bit, and nothing released without it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pilotage.core import InputError, Refused
from pilotage.features import Aggregate, FeatureView, col, parse_expression
from pilotage.features import replay as replaying
from pilotage.features.replay import is_released, last_replay, release_view, replay
from pilotage.ledger import entries
from pilotage.store import Workspace

from .conftest import transactions


def card_view(**changed: Any) -> FeatureView:
    """Every aggregate, row features, and a request feature over both."""
    amount = col("amount")
    plain: dict[str, Any] = {
        "name": "card",
        "version": 1,
        "source": "transactions",
        "entity": ("card",),
        "event_time": "at",
        "available_time": "known_at",
        "columns": {
            "last_amount": amount / 100.0,
            "last_hour": parse_expression("hour(at)"),
            "last_at": col("at"),
            "last_log": parse_expression("log1p(amount)"),
        },
        "aggregates": (
            Aggregate("n", "count", window="3d"),
            Aggregate("n_food", "count", window="7d", where=col("shop").equals("food")),
            Aggregate("spent", "sum", of=amount, window="7d"),
            Aggregate("average", "mean", of=amount, window="30d", resolution=0.01),
            Aggregate("spread", "var", of=amount, window="30d"),
            Aggregate("lowest", "min", of=amount / 3.0, window="7d"),
            Aggregate("newest", "max", of=col("at"), window="7d"),
            Aggregate("first_shop", "first", of=col("shop"), window="7d"),
            Aggregate("last_shop", "last", of=col("shop"), window="7d"),
            Aggregate("last_three", "last_k", of=amount, window="30d", k=3),
            Aggregate("shops", "distinct", of=col("shop"), window="7d"),
            Aggregate("p90", "quantile", of=amount, window="30d", q=0.9),
        ),
        "request": {"ratio": parse_expression("asked / (average + 1)")},
        "request_inputs": {"asked": "float"},
        "ttl": "5d",
        "tile": "1h",
    }
    return FeatureView(**{**plain, **changed})


@pytest.fixture
def sqlite_workspace(empty_schema: Path, tmp_path: Path) -> Any:
    from pilotage.ledger import create_workspace

    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "pilotage.db").write_bytes(empty_schema.read_bytes())
    with create_workspace(str(tmp_path / "ws"), actor="tester") as workspace:
        yield workspace


@pytest.mark.parametrize("closed", ["left", "right"])
def test_three_paths_agree_to_the_bit(sqlite_workspace: Workspace, closed: str) -> None:
    view = card_view(closed=closed)
    report = replay(sqlite_workspace, view, transactions(), entities=8, moments=14, seed=3)
    assert report.verdict == "pass", str(report)
    assert [each.feature for each in report.features] == list(view.features)
    assert all(each.compared == 8 * 14 and each.valued for each in report.features)
    assert last_replay(sqlite_workspace, view) == report
    assert entries(sqlite_workspace)[-1].type == "features.replayed"


def test_a_declared_lag_is_the_same_in_all_paths(sqlite_workspace: Workspace) -> None:
    view = card_view(available_time=None, available_lag="90m")
    assert replay(sqlite_workspace, view, transactions(rows=150), entities=4, moments=8).verdict == "pass"


def test_a_path_that_differs_by_one_bit_fails_with_the_place(sqlite_workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    def nearly(*given: Any) -> dict[str, list[Any]]:
        found = honest(*given)
        at = next(index for index, value in enumerate(found["spent"]) if value)
        found["spent"][at] += 2.0**-40
        return found

    honest = replaying._request
    monkeypatch.setattr(replaying, "_request", nearly)
    view = card_view()
    report = replay(sqlite_workspace, view, transactions(rows=150), entities=4, moments=6)
    assert report.verdict == "fail"
    (spent,) = [each for each in report.features if each.mismatches]
    assert (spent.feature, spent.mismatches, len(spent.examples)) == ("spent", 1, 1)
    assert spent.examples[0].batch == spent.examples[0].stream != spent.examples[0].request
    with pytest.raises(Refused, match="its replay says fail"):
        release_view(sqlite_workspace, view)


def test_a_view_is_released_by_the_replay_of_its_own_definition_only(sqlite_workspace: Workspace) -> None:
    view = card_view()
    with pytest.raises(Refused, match="never replayed"):
        release_view(sqlite_workspace, view)
    replay(sqlite_workspace, view, transactions(), entities=5, moments=8)
    other = card_view(ttl="6d")
    with pytest.raises(Refused, match="never replayed"):
        release_view(sqlite_workspace, other)
    assert release_view(sqlite_workspace, view).passed
    release_view(sqlite_workspace, view)
    assert is_released(sqlite_workspace, view) and not is_released(sqlite_workspace, other)
    assert [entry.type for entry in entries(sqlite_workspace)].count("features.released") == 1


def test_a_feature_that_never_had_a_value_is_not_assessable(sqlite_workspace: Workspace) -> None:
    view = card_view(aggregates=(Aggregate("none", "sum", of=col("amount"), window="1h", where=col("amount") < 0.0),), request={}, request_inputs={})
    report = replay(sqlite_workspace, view, transactions(rows=60), entities=3, moments=4)
    assert (report.verdict, report.reason) == ("not_assessable", "never had a value: none")


def test_a_source_without_rows_is_refused(sqlite_workspace: Workspace) -> None:
    with pytest.raises(InputError, match="no rows"):
        replay(sqlite_workspace, card_view(), transactions().clear())


def test_bits_tell_types_and_signs_apart() -> None:
    assert replaying.bits(0.0) != replaying.bits(-0.0)
    assert replaying.bits(1) != replaying.bits(1.0) != replaying.bits(True)
    assert replaying.bits([1.5, None]) == replaying.bits([1.5, None])
    assert pl.Series([0.1 + 0.2]).to_list() == [0.1 + 0.2]
