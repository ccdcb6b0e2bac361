import json
import math

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError, MultisetDigest, canonical_json, content_id, digest

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def as_double(digits):
    """JSON has one kind of number: digits beyond 2**53 are a double's, as in RFC 8785."""
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


@given(json_values)
def test_canonical_json_reads_back_as_the_same_value(value):
    assert json.loads(canonical_json(value), parse_int=as_double) == value


@given(json_values)
def test_the_quick_way_writes_the_same_bytes_as_the_standard_one(value):
    assert canonical_json(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(), st.integers(-1000, 1000), min_size=2))
def test_the_order_of_keys_does_not_change_the_digest(value):
    assert digest(value) == digest(dict(reversed(value.items())))


def test_the_example_of_rfc_8785_is_reproduced():
    value = {"numbers": [333333333.33333329, 1e30, 4.50, 2e-3, 0.000000000000000000000000001], "literals": [None, True, False]}
    assert canonical_json(value) == b'{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, {"a": [-math.inf]}, 2**53 + 1, "\ud800", {1: 2}, object()])
def test_what_has_no_canonical_form_is_refused(value):
    with pytest.raises(InputError, match="no canonical JSON form"):
        canonical_json(value)


@pytest.mark.parametrize("wrap", [lambda value: [value], lambda value: {"a": value}, lambda value: {"ä": value}])
def test_what_is_nested_too_deep_is_refused(wrap):
    value = 1
    for _ in range(5_000):
        value = wrap(value)
    with pytest.raises(InputError, match="nested too deep"):
        canonical_json(value)


def test_equal_content_has_one_id_and_other_content_another():
    assert content_id("x", {"a": 1, "b": 2}) == content_id("x", {"b": 2, "a": 1})
    assert content_id("x", {"a": 1}) != content_id("x", {"a": 2})
    assert content_id("x", {"a": 1}).startswith("x_")


@given(st.lists(st.binary(max_size=20)), st.randoms())
def test_the_multiset_digest_ignores_order_and_merges(rows, random):
    whole, left, right = MultisetDigest(), MultisetDigest(), MultisetDigest()
    whole.update(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    for row in shuffled:
        random.choice([left, right]).add(row)
    left.merge(right)
    assert (left.hexdigest(), left.count) == (whole.hexdigest(), whole.count)


@given(st.lists(st.binary(max_size=20), min_size=1))
def test_a_doubled_row_changes_the_multiset_digest(rows):
    once, twice = MultisetDigest(), MultisetDigest()
    once.update(rows)
    twice.update([*rows, rows[0]])
    assert once.hexdigest() != twice.hexdigest()
