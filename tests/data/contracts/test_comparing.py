"""Comparing contracts: the verdict of every kind of change, and the flags against what conforming really does."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.data.contracts import Column, Contract, compare_contracts, conform

from .contracts_for_tests import contracts, rides


def column(before: dict[str, Any], after: dict[str, Any]) -> tuple[str, bool, bool, list[str]]:
    """Verdict, backward, forward and kinds of the change of one column."""
    old, new = (Contract(name="one", owner="a", columns={"x": Column.model_validate(fields)}) for fields in (before, after))
    change = compare_contracts(old, new)
    return change.verdict, change.backward, change.forward, [each.kind for each in change.differences]


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"type": "int"}, {"type": "float"}, ("compatible", True, False, ["type"])),
        ({"type": "float"}, {"type": "int"}, ("needs_migration", False, True, ["type"])),
        ({"type": "text"}, {"type": "int"}, ("needs_migration", False, False, ["type"])),
        ({"type": "int"}, {"type": "int", "nullable": True}, ("compatible", True, False, ["nullable"])),
        ({"type": "int", "nullable": True}, {"type": "int"}, ("needs_migration", False, True, ["nullable"])),
        ({"type": "text", "levels": ["a", "b"]}, {"type": "text", "levels": ["a"]}, ("needs_migration", False, True, ["levels_removed"])),
        ({"type": "text", "levels": ["a"]}, {"type": "text", "levels": ["a", "b"]}, ("compatible", True, False, ["levels_added"])),
        ({"type": "text", "levels": ["a", "b"]}, {"type": "text", "levels": ["b", "a"]}, ("compatible", True, True, ["levels_reordered"])),
        ({"type": "text", "levels": ["a"]}, {"type": "text"}, ("compatible", True, False, ["levels"])),
        ({"type": "int", "minimum": 0}, {"type": "int", "minimum": -1}, ("compatible", True, False, ["minimum"])),
        ({"type": "int", "maximum": 9}, {"type": "int", "maximum": 8}, ("needs_migration", False, True, ["maximum"])),
        ({"type": "int"}, {"type": "int", "maximum": 8}, ("needs_migration", False, True, ["maximum"])),
        ({"type": "text", "pattern": "a"}, {"type": "text", "pattern": "b"}, ("needs_migration", False, False, ["pattern"])),
        ({"type": "float", "unit": "km"}, {"type": "float", "unit": "mi"}, ("semantic_suspect", False, False, ["unit"])),
        ({"type": "float", "unit": "km"}, {"type": "float", "unit": "kg"}, ("semantic_suspect", False, False, ["dimension", "unit"])),
        ({"type": "float", "unit": "EUR"}, {"type": "float", "unit": "USD"}, ("semantic_suspect", False, False, ["dimension", "unit"])),
        ({"type": "float"}, {"type": "float", "unit": "km"}, ("semantic_suspect", True, True, ["dimension", "unit"])),
        ({"type": "float", "unit": "km"}, {"type": "float", "unit": "km", "arrives_in": "mi"}, ("semantic_suspect", True, True, ["arrives_in"])),
        ({"type": "timestamp", "zone": "UTC"}, {"type": "timestamp", "zone": "Europe/Berlin"}, ("semantic_suspect", True, True, ["zone"])),
        ({"type": "text"}, {"type": "text", "description": "words"}, ("compatible", True, True, ["description"])),
        ({"type": "text"}, {"type": "text"}, ("compatible", True, True, [])),
    ],
)
def test_the_change_of_a_column_has_its_verdict(before: dict[str, Any], after: dict[str, Any], wanted: tuple[str, bool, bool, list[str]]) -> None:
    assert column(before, after) == wanted


def changed(**fields: Any) -> Contract:
    return Contract.model_validate(rides().to_dict(brief=True) | fields)


@pytest.mark.parametrize(
    ("new", "kind", "verdict"),
    [
        (changed(key=["ride", "at"]), "key", "semantic_suspect"),
        (changed(unique=False), "unique", "semantic_suspect"),
        (changed(event_time="known", available_time="at"), "event_time", "semantic_suspect"),
        (changed(available_time=None, available_lag="2h"), "available_time", "semantic_suspect"),
        (changed(available_lag="1h"), "available_lag", "semantic_suspect"),
        (changed(subject="ride"), "subject", "semantic_suspect"),
        (changed(forecasts=True), "forecasts", "semantic_suspect"),
        (changed(checks=[{"name": "enough", "kind": "row_count", "at_least": 9}]), "check", "needs_migration"),
        (changed(checks=[]), "check", "compatible"),
        (rides(more={"type": "text", "nullable": True}), "added", "compatible"),
        (rides(more={"type": "text"}), "added", "needs_migration"),
    ],
)
def test_the_change_of_key_times_and_checks_has_its_verdict(new: Contract, kind: str, verdict: str) -> None:
    change = compare_contracts(rides(), new)
    assert change.verdict == verdict
    assert kind in [each.kind for each in change.differences]


def test_a_removed_column_breaks_readers_and_a_rename_is_one_difference() -> None:
    content = rides().to_dict(brief=True)
    content["columns"].pop("dist")
    without = Contract.model_validate(content)
    assert [(each.kind, each.column) for each in compare_contracts(rides(), without).differences] == [("removed", "dist")]
    content["columns"]["km"] = {**rides().to_dict(brief=True)["columns"]["dist"], "renamed_from": ["dist"]}
    change = compare_contracts(rides(), Contract.model_validate(content))
    assert [(each.kind, each.column) for each in change.differences] == [("renamed", "km"), ("renamed_from", "km")]
    assert change.verdict == "needs_migration"


@given(contract=contracts())
@settings(max_examples=30, deadline=None)
def test_a_contract_does_not_differ_from_itself(contract: Contract) -> None:
    change = compare_contracts(contract, contract.model_copy(update={"version": contract.version + 1}))
    assert change.full
    assert change.differences == ()


_rules = st.builds(
    lambda low, high, nullable, kind: Column(
        type=kind, minimum=low, maximum=None if high is None else (-9 if low is None else low) + high, nullable=nullable
    ),
    st.one_of(st.none(), st.integers(-5, 5)),
    st.one_of(st.none(), st.integers(0, 5)),
    st.booleans(),
    st.sampled_from(["int", "float"]),
)


@given(old=_rules, new=_rules, values=st.lists(st.one_of(st.none(), st.integers(-12, 12)), min_size=1, max_size=8))
@settings(max_examples=80, deadline=None)
def test_backward_means_that_what_kept_the_old_contract_keeps_the_new_one(old: Column, new: Column, values: list[int | None]) -> None:
    before, after = (Contract(name="one", owner="a", columns={"x": rule}) for rule in (old, new))
    change = compare_contracts(before, after)
    table = pa.table({"x": pa.array(values, pa.int64())})
    if change.backward:
        assert conform(conform(table, before).table, after).bad == ()
    if change.forward:
        assert conform(conform(table, after).table, before).bad == ()
