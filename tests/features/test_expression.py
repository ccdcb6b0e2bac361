"""Expressions are data, and one expression has the same bits on every path."""

from __future__ import annotations

import datetime as dt
import decimal
import math
import struct
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pilotage.core import InputError
from pilotage.features import (
    KERNELS,
    Call,
    Column,
    Expression,
    Literal,
    call,
    col,
    elementary,
    expression_from_json,
    lit,
    parse_expression,
    when,
    without_nan,
)

KINDS = {"a": "float", "b": "float", "i": "int", "j": "int", "s": "text", "t": "timestamp", "p": "bool", "q": "bool"}
SCHEMA = {
    "a": pl.Float64,
    "b": pl.Float64,
    "i": pl.Int64,
    "j": pl.Int64,
    "s": pl.String,
    "t": pl.Datetime("us", "UTC"),
    "p": pl.Boolean,
    "q": pl.Boolean,
}
FLOATS = st.one_of(st.none(), st.floats(), st.sampled_from([0.0, -0.0, 0.5, 1.5, 2.5, 1e308, -1e308, 5e-324, 0.1]), st.floats(-1e3, 1e3))
WHOLE = st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1), st.integers(-5, 5))
TEXT = st.one_of(st.none(), st.text(max_size=6), st.sampled_from(["DE", "de", "ß", "İ", "ΑΣ"]))
TIMES = st.one_of(st.none(), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1), timezones=st.just(dt.UTC)))  # noqa: DTZ001
TRUTH = st.one_of(st.none(), st.booleans())
ROWS = st.lists(
    st.fixed_dictionaries({"a": FLOATS, "b": FLOATS, "i": WHOLE, "j": WHOLE, "s": TEXT, "t": TIMES, "p": TRUTH, "q": TRUTH}), min_size=1, max_size=8
)


def _numbers(inner: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    two = st.builds(call, st.sampled_from(["add", "subtract", "multiply", "divide", "floor_divide", "modulo"]), inner, inner)
    one = st.builds(call, st.sampled_from(["negative", "sqrt", "abs", "floor", "log1p", "exp"]), inner)
    rounded = st.builds(lambda x, digits: call("round", x, lit(digits)), inner, st.integers(0, 6))
    power = st.builds(lambda x, n: x**n, inner, st.integers(-4, 4))
    clipped = st.builds(lambda x, low, high: call("clip", x, low, high), inner, inner, inner)
    chosen = st.builds(when, truths(inner), inner, inner)
    filled = st.builds(lambda x, y: call("coalesce", x, y), inner, inner)
    return st.one_of(two, one, rounded, power, clipped, chosen, filled)


def truths(numbers: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    compared = st.builds(call, st.sampled_from(["equal", "differ", "less", "at_most", "greater", "at_least"]), numbers, numbers)
    among = st.builds(lambda x: x.is_in(0, 1, 2.5), numbers)
    base = st.one_of(compared, among, st.sampled_from([col("p"), col("q")]), st.builds(lambda x: x.is_null(), numbers))
    return st.one_of(base, st.builds(lambda x, y: x & y, base, base), st.builds(lambda x, y: x | y, base, base), st.builds(lambda x: ~x, base))


NUMBERS = st.recursive(
    st.one_of(st.sampled_from([col("a"), col("b"), col("i"), col("j")]), st.builds(lit, st.one_of(st.integers(-9, 9), st.floats(-1e6, 1e6)))),
    _numbers,
    max_leaves=5,
)
TEXTS = st.sampled_from([col("s"), call("lower", col("s")), call("concat", col("s"), "-", call("lower", col("s")))])
OTHERS = st.one_of(
    TEXTS,
    st.builds(lambda x: call("length", x), TEXTS),
    st.builds(lambda part: call(part, col("t")), st.sampled_from(["hour", "weekday", "day", "month"])),
    st.builds(lambda x: x.is_in("DE", "de"), TEXTS),
    truths(NUMBERS),
)


def bits(value: Any) -> Any:
    """A value that compares by type and bits."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    return (type(value).__name__, value)


@settings(max_examples=120, deadline=None)
@given(expression=st.one_of(NUMBERS, OTHERS), rows=ROWS)
def test_polars_python_and_narwhals_give_the_same_bits(expression: Expression, rows: list[dict[str, Any]]) -> None:
    try:
        expression.kind(KINDS)
    except InputError:
        return
    frame = without_nan(pl.DataFrame(rows, schema=SCHEMA).lazy()).collect()
    one = expression.to_python(KINDS)
    expected = [bits(one(row)) for row in rows]
    found = frame.select("a", made=expression.to_polars(KINDS))["made"].to_list()
    assert [bits(value) for value in found] == expected
    assert not any(isinstance(value, float) and not math.isfinite(value) for value in found)
    if not expression.functions() & KERNELS:
        native = nw.from_native(frame).with_columns(made=expression.to_narwhals(KINDS))
        assert [bits(value) for value in native["made"].to_list()] == expected


@pytest.mark.parametrize(
    "text", [f"{left} {sign} {right}" for sign in ("==", "!=", "<", "<=", ">", ">=") for left, right in (("2", "a"), ("1 + 1", "a"))]
)
@pytest.mark.parametrize("value", [1.0, 2.0, 3.0, None])
def test_a_constant_is_compared_with_every_row_though_all_are_alike(text: str, value: float | None) -> None:
    rows = [dict.fromkeys(SCHEMA) | {"a": value}] * 3
    frame = without_nan(pl.DataFrame(rows, schema=SCHEMA).lazy()).collect()
    expression = parse_expression(text)
    assert frame.select("a", made=expression.to_polars(KINDS))["made"].to_list() == [expression.to_python(KINDS)(row) for row in rows]


@settings(max_examples=80, deadline=None)
@given(expression=st.one_of(NUMBERS, OTHERS))
def test_text_and_json_give_the_tree_back(expression: Expression) -> None:
    assert expression_from_json(expression.to_json()) == expression
    again = parse_expression(str(expression))
    rows = {"a": 1.5, "b": -2.0, "i": 3, "j": None, "s": "De", "t": dt.datetime(2026, 3, 1, 7, tzinfo=dt.UTC), "p": True, "q": None}
    assert bits(again.to_python(KINDS)(rows)) == bits(expression.to_python(KINDS)(rows))
    assert again.columns() == expression.columns()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "amount.real", "x[0]", "lambda: 1", "[x for x in y]", "f'{x}'", "x := 1", "print(x)", "x if y", "", "1 +", "x ** y", "x ** 9",  # noqa: E501
        "x is y", "x in y", "round(x, y)", "1e999", "9" * 30, "log1p(x=1)", "x @ y", "x & y", "when(a, b)", "is_in(x, 'a', 1)", "b'x'", "None", "...", "(1, 2)", "*x", "await x",  # noqa: E501
    ],
)  # fmt: skip
def test_what_is_not_an_expression_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_expression(text, where="views.yaml:3")


def test_a_refusal_says_where_and_what_was_meant() -> None:
    with pytest.raises(InputError) as refused:
        parse_expression("amount + sqroot(x)", where="views.yaml:3")
    assert "views.yaml:3, column 10" in str(refused.value) and "did you mean 'sqrt'" in str(refused.value)


def test_deep_and_wide_expressions_are_refused_before_they_cost_anything() -> None:
    with pytest.raises(InputError, match="too large"):
        parse_expression("-" * 200 + "x")
    with pytest.raises(InputError, match="too large"):
        parse_expression("x" + " / y" * 23)
    with pytest.raises(InputError, match="longer than"):
        parse_expression("x + " * 5_000 + "x")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("s + 1", "takes numbers, not text"), ("hour(a)", "takes a timestamp"), ("a == s", "compares float with text"), ("a and p", "takes true or false"), ("missing", "no column"), ("when(p, a, s)", "mixes")],  # noqa: E501
)  # fmt: skip
def test_an_expression_that_does_not_fit_its_columns_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint):
        parse_expression(text).kind(KINDS)


def test_division_by_zero_overflow_and_roots_of_negatives_are_null() -> None:
    one = {"x": 0.0, "y": 1e308}
    for text in ("1 / x", "1 // x", "1 % x", "y * y", "sqrt(x - 1)", "log1p(x - 1)", "exp(y)", "x ** -1", "1 / (y * y)"):
        assert parse_expression(text).to_python()(one) is None
        assert pl.DataFrame([one]).select(parse_expression(text).to_polars()).item() is None


def test_values_that_mean_nothing_are_refused_in_a_request() -> None:
    with pytest.raises(InputError, match="is missing"):
        parse_expression("x + 1").to_python()({})
    with pytest.raises(InputError, match="Not a number"):
        parse_expression("x + 1").to_python()({"x": "1"})
    with pytest.raises(InputError, match="no zone"):
        parse_expression("hour(t)").to_python({"t": "timestamp"})({"t": dt.datetime(2026, 1, 1)})  # noqa: DTZ001


def test_one_and_one_point_nought_and_true_are_three_values() -> None:
    assert len({Literal(1), Literal(1.0), Literal(True)}) == 3
    assert len({Literal(value).to_json()["kind"] for value in (1, 1.0, True)}) == 3
    assert Call("add", (Column("x"), Literal(1))).id != Call("add", (Column("x"), Literal(1.0))).id


@settings(max_examples=300, deadline=None)
@given(x=st.one_of(st.floats(-1 + 1e-12, 1e300), st.floats(-1e-3, 1e-3), st.floats(-0.999, 10)))
def test_log1p_is_within_two_units_of_the_last_place_and_alike_for_one_and_many(x: float) -> None:
    found = elementary.log1p_one(x)
    assert found is not None and bits(found) == bits(float(elementary.log1p(np.array([x, x]))[1]))
    with decimal.localcontext(prec=60):
        tiny = decimal.Decimal(x)
        exact = (tiny + 1).ln() if abs(x) > 1e-12 else tiny - tiny**2 / 2 + tiny**3 / 3
        assert abs(decimal.Decimal(found) - exact) <= 2 * decimal.Decimal(math.ulp(float(exact)))


@settings(max_examples=300, deadline=None)
@given(x=st.one_of(st.floats(-745, 709.7), st.floats(-1, 1)))
def test_exp_is_within_two_units_of_the_last_place_and_alike_for_one_and_many(x: float) -> None:
    found = elementary.exp_one(x)
    assert found is not None and bits(found) == bits(float(elementary.exp(np.array([x, x]))[1]))
    with decimal.localcontext(prec=60):
        exact = decimal.Decimal(x).exp()
        assert abs(decimal.Decimal(found) - exact) <= 2 * decimal.Decimal(math.ulp(float(exact)))
