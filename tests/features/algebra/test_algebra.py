"""The laws of the algebra: the same values give the same bits, in any order and grouping, by scalars and by columns."""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError, IntegrityError, Refused
from pilotage.features.algebra import (
    EXACT_UP_TO,
    FUNCTIONS,
    PROPERTIES,
    RELATIVE_ERROR,
    Aggregator,
    Order,
    aggregator,
    bad_values,
    finalized,
    merge_many,
    merged,
    pack,
    partials,
    stable_hash,
    state_from_json,
    state_to_json,
    states,
    unpack,
)
from pilotage.features.algebra.aggregator import fold
from pilotage.features.algebra.distinct import state_of

EVERY = {function: aggregator(function, k=3, q=0.9, resolution=0.01 if function == "mean" else 2.0**-20) for function in FUNCTIONS}

numbers = st.one_of(
    st.none(),
    st.floats(-8e9, 8e9),
    st.sampled_from([0.0, -0.0, 0.1, 0.2, 0.3, 1e-300, -1e-310, 5e-324, 2.0**33, -(2.0**33)]),
    st.integers(-1000, 1000).map(float),
)
orders = st.tuples(st.integers(-5, 5), st.integers(0, 3), st.integers(0, 50)).map(lambda parts: Order(*parts))
rows = st.lists(st.tuples(numbers, orders), max_size=40)


def frame(given: list[tuple[Any, Order]], groups: list[int], names: Any = EVERY) -> pl.DataFrame:
    """A frame of rows, each aggregate taking the same value."""
    values = pl.Series([value for value, _ in given], dtype=pl.Float64)
    times = {
        f"__{name}": [getattr(order, field) for _, order in given]
        for name, field in [("event", "event_us"), ("available", "available_us"), ("sequence", "sequence")]
    }
    return pl.DataFrame({"g": groups, **times, **dict.fromkeys(names, values)}, schema_overrides={"g": pl.Int64, **dict.fromkeys(times, pl.Int64)})


@pytest.mark.parametrize("function", FUNCTIONS)
@given(given=rows, data=st.data())
@settings(max_examples=40, deadline=None)
def test_any_partition_in_any_order_gives_the_same_bits(function: str, given: list[tuple[Any, Order]], data: st.DataObject) -> None:
    algebra = EVERY[function]
    whole = fold(algebra, given)
    shuffled = data.draw(st.permutations(given))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(given)), max_size=4)))
    parts = [fold(algebra, shuffled[a:b]) for a, b in zip([0, *cuts], [*cuts, len(given)], strict=True)]
    data.draw(st.randoms()).shuffle(parts)
    while len(parts) > 1:  # in any tree of merges
        at = data.draw(st.integers(0, len(parts) - 2))
        parts[at : at + 2] = [algebra.merge(parts[at], parts[at + 1])]
    assert pack(parts) == pack([whole])
    assert repr(algebra.finalize(parts[0])) == repr(algebra.finalize(whole))


@pytest.mark.parametrize("function", FUNCTIONS)
@given(left=rows, right=rows)
@settings(max_examples=30, deadline=None)
def test_merge_is_commutative_with_nothing_as_identity(function: str, left: list[tuple[Any, Order]], right: list[tuple[Any, Order]]) -> None:
    algebra = EVERY[function]
    a, b = fold(algebra, left), fold(algebra, right)
    assert algebra.merge(a, b) == algebra.merge(b, a)
    assert algebra.merge(a, algebra.init()) == a == algebra.merge(algebra.init(), a)


@given(given=rows, data=st.data())
@settings(max_examples=40, deadline=None)
def test_columns_make_the_states_that_scalars_make(given: list[tuple[Any, Order]], data: st.DataObject) -> None:
    groups = [data.draw(st.integers(0, 2)) for _ in given]
    fine = [data.draw(st.integers(0, 2)) for _ in given]
    table = frame(given, groups)
    once = partials(table, ["g"], EVERY)
    twice = merged(partials(table.with_columns(pl.Series("h", fine, dtype=pl.Int64)), ["g", "h"], EVERY), ["g"], EVERY)
    for summed in (once, twice):
        found = dict(zip(summed["g"].to_list(), states(summed, EVERY), strict=True))
        wanted = {
            g: tuple(fold(algebra, [row for row, group in zip(given, groups, strict=True) if group == g]) for algebra in EVERY.values())
            for g in set(groups)
        }
        assert {g: pack(each) for g, each in found.items()} == {g: pack(each) for g, each in wanted.items()}
        values = finalized(summed, ["g"], EVERY)
        for row in values.iter_rows(named=True):
            for (name, algebra), state in zip(EVERY.items(), wanted[row["g"]], strict=True):
                assert repr(row[name]) == repr(algebra.finalize(state)), name


@given(given=rows)
@settings(max_examples=60, deadline=None)
def test_states_survive_bytes_and_json(given: list[tuple[Any, Order]]) -> None:
    kept = tuple(fold(algebra, given) for algebra in EVERY.values())
    assert unpack(pack(kept)) == kept
    assert pack(unpack(pack(kept))) == pack(kept)
    assert tuple(state_from_json(json.loads(json.dumps(state_to_json(state)))) for state in kept) == kept


def test_very_wide_sums_survive_too() -> None:
    kept = ((3, 2**70), (2, -(2**200)), (1, 2**63, 2**64), (0, -(2**63) - 1))
    assert unpack(pack(kept)) == kept
    assert tuple(state_from_json(json.loads(json.dumps(state_to_json(state)))) for state in kept) == kept


def test_bytes_that_are_no_states_are_refused() -> None:
    with pytest.raises(IntegrityError):
        unpack(b"\xc1")


@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
@settings(max_examples=60, deadline=None)
def test_sums_are_those_of_the_rounded_values_exactly(values: list[float]) -> None:
    total = fold(EVERY["sum"], [(value, Order(0, 0, 0)) for value in values])
    steps = sum(round(Fraction(value) * 2**20) for value in values)
    assert total == (len(values), steps)
    assert abs(EVERY["sum"].finalize(total) - math.fsum(values)) <= len(values) * 2.0**-21 + abs(math.fsum(values)) * 2**-52


@given(values=st.lists(st.integers(-(10**6), 10**6).map(lambda n: n / 8), min_size=2, max_size=30))
@settings(max_examples=60, deadline=None)
def test_the_variance_of_values_on_the_grid_is_the_exact_one(values: list[float]) -> None:
    found = EVERY["var"].finalize(fold(EVERY["var"], [(value, Order(0, 0, 0)) for value in values]))
    assert found == pytest.approx(float(statistics.variance([Fraction(value) for value in values])), rel=1e-15)


def test_a_large_mean_does_not_cancel_the_variance() -> None:
    given = [(8e9 + offset, Order(0, 0, 0)) for offset in (0.0, 0.5, 1.0)]
    assert EVERY["var"].finalize(fold(EVERY["var"], given)) == 0.25


@pytest.mark.parametrize("function", [name for name, found in PROPERTIES.items() if found.reversible])
@given(left=rows, right=rows)
@settings(max_examples=25, deadline=None)
def test_what_is_reversible_can_be_taken_out_again(function: str, left: list[tuple[Any, Order]], right: list[tuple[Any, Order]]) -> None:
    algebra = EVERY[function]
    a, b = fold(algebra, left), fold(algebra, right)
    assert algebra.subtract(algebra.merge(a, b), b) == a


@pytest.mark.parametrize("function", [name for name, found in PROPERTIES.items() if not found.reversible])
def test_what_is_not_reversible_says_so(function: str) -> None:
    with pytest.raises(Refused, match="taken out"):
        EVERY[function].subtract(EVERY[function].init(), EVERY[function].init())


@pytest.mark.parametrize("function", FUNCTIONS)
def test_over_nothing_a_count_is_0_and_all_else_is_null(function: str) -> None:
    algebra = EVERY[function]
    only_nulls = fold(algebra, [(None, Order(0, 0, 0))] * 3)
    assert only_nulls == algebra.init()
    assert algebra.finalize(only_nulls) == (0 if function == "count" else None)


def test_one_value_has_no_variance() -> None:
    assert EVERY["var"].finalize(fold(EVERY["var"], [(5.0, Order(0, 0, 0))])) is None


@pytest.mark.parametrize("function", ["sum", "mean", "var"])
@pytest.mark.parametrize("value", [8.7e9, -1e300])
def test_beyond_the_grid_the_value_is_refused_with_a_resolution_that_would_do(function: str, value: float) -> None:
    algebra = aggregator(function)
    with pytest.raises(InputError, match=r"2\*\*53 steps") as by_scalar:
        algebra.update(algebra.init(), value, Order(0, 0, 0))
    assert repr(value) in by_scalar.value.what
    enough = float(str(by_scalar.value.mend).split("at least ")[1].split(")")[0])
    coarser = aggregator(function, resolution=enough * 1.001)
    coarser.update(coarser.init(), value, Order(0, 0, 0))
    with pytest.raises(InputError, match=r"2\*\*53 steps") as by_column:
        partials(frame([(1.0, Order(0, 0, 0)), (value, Order(0, 0, 1))], [0, 0], [function]), ["g"], {function: algebra})
    assert by_column.value.what == by_scalar.value.what


@pytest.mark.parametrize("function", [function for function in FUNCTIONS if function != "count"])
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nan_and_infinity_are_refused_by_scalars_and_columns(function: str, value: float) -> None:
    algebra = EVERY[function]
    with pytest.raises(InputError):
        algebra.update(algebra.init(), value, Order(0, 0, 0))
    table = frame([(1.0, Order(0, 0, 0)), (value, Order(0, 0, 1))], [0, 0], [function])
    with pytest.raises(InputError):
        partials(table, ["g"], {function: algebra})
    assert list(bad_values(table, {function: algebra})) == [1]


@pytest.mark.parametrize(
    ("function", "values"), [("last", ["a", "b"]), ("first", [True, False]), ("max", [2**60 + 1, 2**60]), ("min", ["ä", "z"]), ("last_k", [1, 2])]
)
def test_kept_values_keep_their_type(function: str, values: list[Any]) -> None:
    algebra = EVERY[function]
    given = [(value, Order(index, 0, 0)) for index, value in enumerate(values)]
    table = pl.DataFrame({"g": [0, 0], "__event": [0, 1], "__available": [0, 0], "__sequence": [0, 0], function: values})
    summed = partials(table, ["g"], {function: algebra})
    wanted = algebra.finalize(fold(algebra, given))
    assert repr(finalized(summed, ["g"], {function: algebra})[function].to_list()[0]) == repr(wanted)
    assert states(summed, {function: algebra}) == [(fold(algebra, given),)]


def test_ties_go_by_event_then_available_then_sequence_then_value() -> None:
    given = [("a", Order(1, 5, 9)), ("b", Order(2, 1, 1)), ("c", Order(2, 2, 0)), ("d", Order(2, 2, 0))]
    assert EVERY["last"].finalize(fold(EVERY["last"], given)) == "d"
    assert EVERY["first"].finalize(fold(EVERY["first"], given)) == "a"
    assert EVERY["last_k"].finalize(fold(EVERY["last_k"], given)) == ["b", "c", "d"]


def test_distinct_is_exact_while_small_and_within_its_error_beyond() -> None:
    algebra = EVERY["distinct"]
    for n in (1, 100, EXACT_UP_TO):
        assert algebra.finalize(state_of({stable_hash(index) for index in range(n)})) == n
    errors = []
    for n in (300, 2_000, 20_000):
        for salt in range(5):
            found = algebra.finalize(state_of({stable_hash(f"{salt}:{index}") for index in range(n)}))
            errors.append((found - n) / n)
    assert max(map(abs, errors)) < 4 * 1.04 / 64
    assert statistics.fmean(error * error for error in errors) ** 0.5 < 1.5 * 1.04 / 64


@pytest.mark.parametrize("cut", [1, 200, 256, 300])
def test_a_sketch_does_not_depend_on_where_it_became_one(cut: int) -> None:
    algebra = EVERY["distinct"]
    hashes = [stable_hash(index) for index in range(500)]
    assert algebra.merge(state_of(set(hashes[:cut])), state_of(set(hashes[cut:]))) == state_of(set(hashes))


def test_the_hash_is_stable_across_processes_and_types() -> None:
    assert stable_hash(5) == stable_hash(5.0)
    assert stable_hash(0.0) == stable_hash(-0.0)
    assert stable_hash("5") != stable_hash(5)
    assert stable_hash(2**53 + 1) != stable_hash(2**53)
    assert (stable_hash("zoë"), stable_hash(1.5), stable_hash(True)) == (STABLE_TEXT, STABLE_NUMBER, stable_hash(1))
    code = "from pilotage.features.algebra import stable_hash; print(stable_hash('zoë'), stable_hash(1.5))"
    other = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)}
    )
    assert other.stdout.split() == [str(STABLE_TEXT), str(STABLE_NUMBER)]


STABLE_TEXT, STABLE_NUMBER = 16315885614148236114, 15481881892811333770


@given(values=st.lists(st.floats(-1e12, 1e12).filter(lambda x: x == 0.0 or abs(x) > 1e-290), min_size=1, max_size=60), q=st.floats(0.0, 1.0))
@settings(max_examples=100, deadline=None)
def test_a_quantile_is_within_its_stated_error_of_the_value_of_its_rank(values: list[float], q: float) -> None:
    algebra = aggregator("quantile", q=q)
    found = algebra.finalize(fold(algebra, [(value, Order(0, 0, 0)) for value in values]))
    rank = min(max(math.ceil(q * len(values)), 1), len(values))
    wanted = sorted(values)[rank - 1]
    assert abs(found - wanted) <= RELATIVE_ERROR * abs(wanted)


def test_bounded_states_stay_small() -> None:
    chance = random.Random(3)
    given = [(chance.lognormvariate(3, 2), Order(index, 0, 0)) for index in range(5_000)]
    table = frame(given, [0] * len(given))
    for algebra, state in zip(EVERY.values(), states(partials(table, ["g"], EVERY), EVERY)[0], strict=True):
        assert not algebra.properties.bounded or len(pack([state])) < 12_000, algebra.function


def test_states_of_many_groups_merge_each_with_its_own() -> None:
    pair = [EVERY["count"], EVERY["max"]]
    assert merge_many(pair, [(1, 2.0), (0, None)], [(2, None), (5, 1.0)]) == [(3, 2.0), (5, 1.0)]
    assert merge_many(pair, [], []) == []


def test_every_function_says_what_may_be_done_with_it() -> None:
    assert tuple(PROPERTIES) == FUNCTIONS
    assert all(found.mergeable for found in PROPERTIES.values())
    assert {name for name, found in PROPERTIES.items() if not found.exact} == {"distinct", "quantile"}
    assert all(found.note for found in PROPERTIES.values() if not (found.exact and found.reversible))


@pytest.mark.parametrize(
    ("function", "parameters", "says"),
    [
        ("sun", {}, "did you mean 'sum'"),
        ("last_k", {}, "needs 'k'"),
        ("last_k", {"k": 0}, "between 1 and 1000"),
        ("quantile", {}, "needs 'q'"),
        ("quantile", {"q": 1.5}, "between 0 and 1"),
        ("sum", {"resolution": 0.0}, "positive"),
    ],
)
def test_a_declaration_that_cannot_be_is_refused(function: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as refusal:
        aggregator(function, **parameters)
    assert says in str(refusal.value)


def test_an_aggregator_is_one_of_the_closed_set() -> None:
    assert all(isinstance(algebra, Aggregator) and algebra.function == name for name, algebra in EVERY.items())
