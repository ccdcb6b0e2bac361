"""From tree to Polars and to Narwhals: one compiler, since both have the same words for everything an expression needs.

Arithmetic runs on floats that may pass through infinity or NaN inside a chain; what leaves the chain (a result, a comparison, a denominator) is
checked once and is null unless finite. That is the same as checking every step, because a non-finite number never becomes finite again but as a
denominator.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import narwhals as nw
import polars as pl

from pilotage.core import InputError
from pilotage.features import elementary
from pilotage.features.expression import COMPARISONS, KERNELS, Call, Column, Expression, Literal, as_call, lit
from pilotage.features.kinds import known_kind

_INTEGRAL = 4503599627370496.0  # 2**52: from here on every float is whole


def to_polars(expression: Expression, kinds: Mapping[str, str] | None) -> pl.Expr:
    """As :meth:`pilotage.features.expression.Expression.to_polars`."""
    return _Compiler(_POLARS, kinds).value(expression)  # type: ignore[no-any-return]


def to_narwhals(expression: Expression, kinds: Mapping[str, str] | None) -> Any:
    """As :meth:`pilotage.features.expression.Expression.to_narwhals`."""
    return _Compiler(_NARWHALS, kinds).value(expression)


@dataclass(frozen=True)
class _Words:
    """What one of the two calls things."""

    col: Callable[[str], Any]
    lit: Callable[[Any, Any], Any]
    when: Callable[[Any], Any]
    coalesce: Callable[..., Any]
    concat: Callable[[list[Any]], Any]
    length: Callable[[Any], Any]
    part: Callable[[Any, str], Any]
    kernel: Callable[[Any, str], Any]
    floating: Any
    whole: Any
    text: Any
    truth: Any


def _polars_kernel(x: pl.Expr, name: str) -> pl.Expr:
    if name == "lower":
        return x.map_batches(elementary.lower, return_dtype=pl.String, is_elementwise=True)
    function = getattr(elementary, name)
    return x.map_batches(lambda series: _on_floats(series, function), return_dtype=pl.Float64, is_elementwise=True)


def _on_floats(series: pl.Series, function: Callable[[Any], Any]) -> pl.Series:
    # Nulls reach numpy as NaN and come back as NaN, which the check after every chain makes null.
    return pl.Series(series.name, function(series.to_numpy()), dtype=pl.Float64)


def _narwhals_kernel(_x: Any, name: str) -> Any:
    raise InputError(
        f"'{name}' has no Narwhals form that gives the same bits on every engine.",
        mend="take the kernels out with staged_kernels() and run each as a function of a column",
    )


_POLARS = _Words(
    col=pl.col,
    lit=lambda value, dtype: pl.lit(value, dtype=dtype),
    when=pl.when,
    coalesce=pl.coalesce,
    concat=lambda parts: pl.concat_str(parts),
    length=lambda x: x.str.len_chars().cast(pl.Int64),
    part=lambda x, name: getattr(x.dt, name)().cast(pl.Int64),
    kernel=_polars_kernel,
    floating=pl.Float64,
    whole=pl.Int64,
    text=pl.String,
    truth=pl.Boolean,
)
_NARWHALS = _Words(
    col=nw.col,
    lit=lambda value, dtype: nw.lit(value, dtype=dtype),
    when=nw.when,
    coalesce=nw.coalesce,
    concat=lambda parts: nw.concat_str(parts),
    length=lambda x: x.str.len_chars().cast(nw.Int64),
    part=lambda x, name: getattr(x.dt, name)().cast(nw.Int64),
    kernel=_narwhals_kernel,
    floating=nw.Float64,
    whole=nw.Int64,
    text=nw.String,
    truth=nw.Boolean,
)
_CHAIN = frozenset({"add", "subtract", "multiply", "divide", "floor_divide", "modulo", "negative", "power", "sqrt", "abs", "floor", "log1p", "exp"})


def _folded(node: Expression) -> Expression:
    """What has no columns as the constant it comes to, where it comes to one: Polars may take a row of it for all rows."""
    if node.columns() or isinstance(node, Literal):
        return node
    value = node.to_python({})({})
    return node if value is None else lit(value)


_MIRRORED = {"less": "greater", "at_most": "at_least", "greater": "less", "at_least": "at_most"}


class _Compiler:
    def __init__(self, words: _Words, kinds: Mapping[str, str] | None) -> None:
        self._words = words
        self._kinds = kinds

    def value(self, node: Expression) -> Any:
        """The node as it may leave a chain: finite or null."""
        if isinstance(node, Call) and node.function in _CHAIN:
            chain = self._chain(node)
            return self._words.when(chain.is_finite()).then(chain)
        if isinstance(node, Column):
            return self._words.col(node.name)
        if isinstance(node, Literal):
            dtype = {"int": self._words.whole, "float": self._words.floating, "bool": self._words.truth, "text": self._words.text}[node.literal_kind]
            return self._words.lit(node.value, dtype)
        return self._call(as_call(node))

    def _float(self, node: Expression) -> Any:
        """The node's value as a float, for a chain; not checked."""
        if isinstance(node, Call) and node.function in _CHAIN:
            return self._chain(node)
        if isinstance(node, Literal):
            return self._words.lit(float(node.value), self._words.floating)
        return self.value(node).cast(self._words.floating)

    def _chain(self, node: Call) -> Any:
        first = self._float(node.arguments[0])
        match node.function:
            case "add":
                return first + self._float(node.arguments[1])
            case "subtract":
                return first - self._float(node.arguments[1])
            case "multiply":
                return first * self._float(node.arguments[1])
            case "divide":
                return self._divided(first, self._denominator(node.arguments[1]))
            case "floor_divide":
                return self._divided(first, self._denominator(node.arguments[1])).floor()
            case "modulo":
                other = self._denominator(node.arguments[1])
                return first - other * self._divided(first, other).floor()
            case "negative":
                return first * self._words.lit(-1.0, self._words.floating)
            case "power":
                return self._power(first, int(node.arguments[1].value))  # type: ignore[attr-defined]
            case "sqrt" | "abs" | "floor":
                return getattr(first, node.function)()
        return self._words.kernel(self.value(node.arguments[0]).cast(self._words.floating), node.function)

    def _divided(self, first: Any, other: Any) -> Any:
        # By a constant, Polars multiplies with the reciprocal instead, which rounds otherwise than a division. A column keeps it dividing: this one
        # adds 0 to the denominator, or 1 where the result is null anyway.
        return first / (other + first.is_null().cast(self._words.floating))

    def _denominator(self, node: Expression) -> Any:
        return self.value(node).cast(self._words.floating)

    def _power(self, base: Any, power: int) -> Any:
        result = base if power else base * self._words.lit(0.0, self._words.floating) + self._words.lit(1.0, self._words.floating)
        for _ in range(abs(power) - 1):
            result = result * base
        if power < 0:
            one = self._words.lit(1.0, self._words.floating)
            return one / self._words.when(result.is_finite()).then(result)
        return result

    def _call(self, node: Call) -> Any:
        words = self._words
        arguments = node.arguments
        if node.function in COMPARISONS:
            if any(argument.columns() for argument in arguments):
                arguments = tuple(map(_folded, arguments))
            left, right = (self._comparable(argument, arguments) for argument in arguments)
            function = node.function
            if not arguments[0].columns() and arguments[1].columns():
                # Polars gives one row for a constant compared with a column whose values are all the same; the other way about it gives all of them.
                left, right, function = right, left, _MIRRORED.get(function, function)
            match function:
                case "equal":
                    return left == right
                case "differ":
                    return left != right
                case "less":
                    return left < right
                case "at_most":
                    return left <= right
                case "greater":
                    return left > right
                case _:
                    return left >= right
        match node.function:
            case "and":
                return self.value(arguments[0]) & self.value(arguments[1])
            case "or":
                return self.value(arguments[0]) | self.value(arguments[1])
            case "not":
                return ~self.value(arguments[0])
            case "when":
                then, otherwise = self._branches(node, arguments[1:])
                return words.when(self.value(arguments[0])).then(then).otherwise(otherwise)
            case "coalesce":
                return words.coalesce(*self._branches(node, arguments))
            case "is_null":
                return self.value(arguments[0]).is_null()
            case "is_in":
                return self._is_in(node)
            case "round":
                return self._round(node)
            case "clip":
                return self._clip(node)
            case "lower":
                return words.kernel(self.value(arguments[0]), "lower")
            case "length":
                return words.length(self.value(arguments[0]))
            case "concat":
                return words.concat([self.value(argument) for argument in arguments])
        return words.part(self.value(arguments[0]), node.function)

    def _comparable(self, node: Expression, among: tuple[Expression, ...]) -> Any:
        """A whole number beside a float is compared as a float, whatever the engine would do."""
        value = self.value(node)
        if any(known_kind(each, self._kinds) == "float" for each in among) and known_kind(node, self._kinds) != "float":
            return value.cast(self._words.floating)
        return value

    def _branches(self, node: Call, branches: tuple[Expression, ...]) -> list[Any]:
        floating = known_kind(node, self._kinds) == "float"
        return [self.value(each).cast(self._words.floating) if floating else self.value(each) for each in branches]

    def _is_in(self, node: Call) -> Any:
        subject, *values = node.arguments
        found: Any = None
        for each in values:
            equal = self._call(Call("equal", (subject, each)))
            found = equal if found is None else found | equal
        return found

    def _round(self, node: Call) -> Any:
        words = self._words
        digits = int(node.arguments[1].value) if len(node.arguments) == 2 else 0  # type: ignore[attr-defined]
        scale = words.lit(10.0**digits, words.floating)
        step = words.lit(_INTEGRAL, words.floating)
        zero = words.lit(0.0, words.floating)
        x = self.value(node.arguments[0]).cast(words.floating)
        scaled = x * scale if digits else x
        # Adding and taking away 2**52 leaves the nearest whole number, ties to even: the float has no room for a fraction in between.
        up = (scaled + step) - step
        down = (scaled - step) + step
        whole = words.when(scaled.abs() < step).then(words.when(scaled >= zero).then(up).otherwise(down)).otherwise(scaled)
        rounded = self._divided(whole, scale) if digits else whole
        # Where x times 10**digits overflows, x has no digits to round away.
        return words.when(scaled.is_finite()).then(rounded).otherwise(x) if digits else rounded

    def _clip(self, node: Call) -> Any:
        words = self._words
        x, low, high = (self.value(argument).cast(words.floating) for argument in node.arguments)
        clipped = words.when(x < low).then(low).otherwise(words.when(x > high).then(high).otherwise(x))
        return words.when(~(low.is_null() | high.is_null())).then(clipped)


@dataclass(frozen=True)
class KernelStep:
    """A call of a kernel to be made before the rest: the column ``name``, from ``of``, by ``kernel`` of :mod:`pilotage.features.elementary`."""

    name: str
    kernel: str
    of: Expression


@dataclass(frozen=True)
class Staged:
    """An expression without kernels, and the kernel columns it reads, in the order in which they must be made."""

    steps: tuple[KernelStep, ...]
    expression: Expression


def staged_kernels(expression: Expression) -> Staged:
    """``expression`` for an engine that runs Narwhals expressions and Python functions of columns, but not one inside the other."""
    steps: dict[str, KernelStep] = {}

    def without(node: Expression) -> Expression:
        if not isinstance(node, Call):
            return node
        inner = Call(node.function, tuple(without(argument) for argument in node.arguments))
        if node.function not in KERNELS:
            return inner
        name = f"kernel_{inner.id.removeprefix('fx_')}"
        steps.setdefault(name, KernelStep(name, node.function, inner.arguments[0]))
        return Column(name)

    rest = without(expression)
    return Staged(tuple(steps.values()), rest)
