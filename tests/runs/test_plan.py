"""A sample's id is its content."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError, content_id
from pilotage.runs import Plan, sample_spec

json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
    max_leaves=10,
)


def reordered(value: Any) -> Any:
    """``value`` with every dict built in the opposite order."""
    if isinstance(value, dict):
        return {name: reordered(value[name]) for name in reversed(list(value))}
    return [reordered(each) for each in value] if isinstance(value, list) else value


@given(spec=st.dictionaries(st.text(max_size=6), json, max_size=5), slices=st.dictionaries(st.text(max_size=4), st.text(max_size=4), max_size=4))
def test_an_id_does_not_depend_on_the_order_of_keys(spec: dict[str, Any], slices: dict[str, str]) -> None:
    first = sample_spec("item", fingerprint="f", spec=spec, slices=slices)
    second = sample_spec("item", fingerprint="f", spec=reordered(spec), slices=reordered(slices))
    assert first.id == second.id
    content = {"item": "item", "repeat": 0, "cluster": "item", "slices": slices, "spec": spec, "fingerprint": "f"}
    assert first.id == content_id("smp", content)


def test_an_id_depends_on_everything_that_decides_the_output() -> None:
    base: dict[str, Any] = {"fingerprint": "f", "spec": {"messages": []}, "repeat": 0, "cluster": "c", "slices": {"a": "b"}}
    changes: list[dict[str, Any]] = [
        {},
        {"fingerprint": "g"},
        {"spec": {"messages": [], "temperature": 1}},
        {"repeat": 1},
        {"cluster": "d"},
        {"slices": {"a": "c"}},
    ]
    ids = {sample_spec("item", **{**base, **change}).id for change in changes}
    assert len(ids | {sample_spec("other", **base).id}) == len(changes) + 1


def test_repeats_of_an_item_are_one_cluster_unless_said_otherwise() -> None:
    assert sample_spec("item", fingerprint="f", spec={}, repeat=3).cluster == "item"


def test_a_spec_with_nan_is_refused() -> None:
    with pytest.raises(InputError):
        sample_spec("item", fingerprint="f", spec={"temperature": float("nan")})


def test_the_plans_hash_is_over_what_is_to_be_done_and_not_by_whose_leave() -> None:
    one, two = (sample_spec(name, fingerprint="f", spec={}) for name in ("one", "two"))
    base: dict[str, Any] = {"kind": "k", "pilot_id": "p", "target_id": "t", "fingerprint": "f", "versions": ("v",), "samples": (one, two)}
    first = Plan(**base).hash
    assert Plan(**{**base, "target_id": "another"}).hash == first
    changes: list[dict[str, Any]] = [
        {"kind": "x"},
        {"pilot_id": "x"},
        {"fingerprint": "x"},
        {"versions": ()},
        {"samples": (one,)},
        {"samples": (two, one)},
    ]
    assert len({first, *(Plan(**{**base, **change}).hash for change in changes)}) == len(changes) + 1
