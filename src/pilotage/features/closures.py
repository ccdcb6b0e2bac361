"""From tree to a Python function of one row: the path of a request, without a frame and with the bits of the frame's path."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping
from typing import Any

from pilotage.core import InputError
from pilotage.features import elementary
from pilotage.features.expression import COMPARISONS, Call, Column, Expression, Literal, as_call, timestamp_us
from pilotage.features.kinds import known_kind

Row = Mapping[str, Any]
Compiled = Callable[[Row], Any]

_INTEGRAL = 4503599627370496.0
_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000
_EPOCH_DAY = dt.date(1970, 1, 1).toordinal()


def to_python(expression: Expression, kinds: Mapping[str, str] | None) -> Compiled:
    """As :meth:`pilotage.features.expression.Expression.to_python`."""
    if isinstance(expression, Column):
        return _column(expression.name, (kinds or {}).get(expression.name))
    if isinstance(expression, Literal):
        value = expression.value
        return lambda row: value
    node = as_call(expression)
    return _call(node, [to_python(argument, kinds) for argument in node.arguments], kinds)


def _column(name: str, kind: str | None) -> Compiled:
    def read(row: Row) -> Any:
        try:
            value = row[name]
        except KeyError:
            raise InputError(f"The value '{name}' is missing.", mend="give it, or null where it is not known") from None
        if isinstance(value, float) and not math.isfinite(value):
            return None
        if value is not None and kind == "timestamp":
            return timestamp_us(value)
        if kind == "float" and value is not None:
            return float(value)
        if isinstance(value, dt.datetime):
            return timestamp_us(value)
        return value

    return read


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _floor(x: float) -> float:
    whole = float(math.floor(x))
    return whole if whole != 0.0 else math.copysign(0.0, x)


def _modulo(a: float, b: float) -> float | None:
    quotient = a / b
    return a - b * _floor(quotient) if math.isfinite(quotient) else None


def _floor_divide(a: float, b: float) -> float | None:
    quotient = a / b
    return _floor(quotient) if math.isfinite(quotient) else None


_TWO: Mapping[str, Callable[[float, float], float | None]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": lambda a, b: a / b,
    "floor_divide": _floor_divide,
    "modulo": _modulo,
}
_ONE: Mapping[str, Callable[[float], float | None]] = {
    "negative": lambda a: a * -1.0,
    "sqrt": lambda a: math.sqrt(a) if a >= 0.0 else None,
    "abs": abs,
    "floor": _floor,
    "log1p": elementary.log1p_one,
    "exp": elementary.exp_one,
}
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "equal": lambda a, b: a == b,
    "differ": lambda a, b: a != b,
    "less": lambda a, b: a < b,
    "at_most": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "at_least": lambda a, b: a >= b,
}


def _number(value: Any) -> float:
    """A whole number beyond 2**53 rounds here as it does in a frame; what is no number is refused, not guessed at."""
    if isinstance(value, int | float):
        return float(value)
    raise InputError(f"Not a number: {type(value).__name__}.", mend="give a number, or null where it is not known")


def _arithmetic_two(operation: Callable[[float, float], float | None], left: Compiled, right: Compiled) -> Compiled:
    def run(row: Row) -> Any:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        try:
            value = operation(_number(a), _number(b))
        except ZeroDivisionError:
            return None
        return value if value is not None and math.isfinite(value) else None

    return run


def _arithmetic_one(operation: Callable[[float], float | None], inner: Compiled) -> Compiled:
    def run(row: Row) -> Any:
        a = inner(row)
        if a is None:
            return None
        value = operation(_number(a))
        return value if value is not None and math.isfinite(value) else None

    return run


def _comparison(compare: Callable[[Any, Any], bool], left: Compiled, right: Compiled) -> Compiled:
    def run(row: Row) -> Any:
        a, b = left(row), right(row)
        if a is None or b is None:
            return None
        if type(a) is not type(b):
            if not (isinstance(a, int | float) and isinstance(b, int | float)):
                raise InputError(f"A {type(a).__name__} cannot be compared with a {type(b).__name__}.", mend="give values of the declared kinds")
            a, b = float(a), float(b)
        return compare(a, b)

    return run


def _power(power: int, inner: Compiled) -> Compiled:
    def run(base: float) -> float | None:
        result = base if power else 1.0
        for _ in range(abs(power) - 1):
            result *= base
        if power >= 0:
            return result
        return 1.0 / result if result != 0.0 and math.isfinite(result) else None

    return _arithmetic_one(run, inner)


def _round(digits: int, inner: Compiled) -> Compiled:
    scale = 10.0**digits

    def run(x: float) -> float | None:
        scaled = x * scale if digits else x
        if not math.isfinite(scaled):
            return x
        if abs(scaled) < _INTEGRAL:
            scaled = (scaled + _INTEGRAL) - _INTEGRAL if scaled >= 0.0 else (scaled - _INTEGRAL) + _INTEGRAL
        return scaled / scale if digits else scaled

    return _arithmetic_one(run, inner)


def _call(node: Call, parts: list[Compiled], kinds: Mapping[str, str] | None) -> Compiled:
    function = node.function
    if function in _TWO:
        return _arithmetic_two(_TWO[function], parts[0], parts[1])
    if function in _ONE:
        return _arithmetic_one(_ONE[function], parts[0])
    if function in COMPARISONS:
        return _comparison(_COMPARE[function], parts[0], parts[1])
    match function:
        case "power":
            return _power(int(node.arguments[1].value), parts[0])  # type: ignore[attr-defined]
        case "round":
            return _round(int(node.arguments[1].value) if len(parts) == 2 else 0, parts[0])  # type: ignore[attr-defined]
        case "and":
            return lambda row: _and(parts[0](row), parts[1](row))
        case "or":
            return lambda row: _or(parts[0](row), parts[1](row))
        case "not":
            return lambda row: None if (value := parts[0](row)) is None else not value
        case "is_null":
            return lambda row: parts[0](row) is None
        case "is_in":
            equals = [_comparison(_COMPARE["equal"], parts[0], each) for each in parts[1:]]
            return lambda row: None if parts[0](row) is None else any(equal(row) for equal in equals)
        case "when" | "coalesce":
            return _choice(function, parts, as_float=known_kind(node, kinds) == "float")
        case "clip":
            return lambda row: _clip(parts[0](row), parts[1](row), parts[2](row))
        case "lower":
            return lambda row: None if (value := parts[0](row)) is None else str(value).lower()
        case "length":
            return lambda row: None if (value := parts[0](row)) is None else len(value)
        case "concat":
            return lambda row: None if None in (values := [part(row) for part in parts]) else "".join(values)
    return _part_of_time(function, parts[0])


def _and(a: bool | None, b: bool | None) -> bool | None:
    if a is False or b is False:
        return False
    return None if a is None or b is None else True


def _or(a: bool | None, b: bool | None) -> bool | None:
    if a is True or b is True:
        return True
    return None if a is None or b is None else False


def _choice(function: str, parts: list[Compiled], *, as_float: bool) -> Compiled:
    def run(row: Row) -> Any:
        if function == "when":
            value = parts[1](row) if parts[0](row) is True else parts[2](row)
        else:
            value = next((found for part in parts if (found := part(row)) is not None), None)
        return float(value) if as_float and value is not None else value

    return run


def _clip(x: Any, low: Any, high: Any) -> float | None:
    if x is None or low is None or high is None:
        return None
    value, least, most = _number(x), _number(low), _number(high)
    return least if value < least else most if value > most else value


def _part_of_time(function: str, inner: Compiled) -> Compiled:
    def run(row: Row) -> Any:
        value = inner(row)
        if value is None:
            return None
        us = timestamp_us(value)
        if function == "hour":
            return us % _DAY_US // _HOUR_US
        day = us // _DAY_US
        if function == "weekday":
            return (day + 3) % 7 + 1
        date = dt.date.fromordinal(_EPOCH_DAY + day)
        return date.day if function == "day" else date.month

    return run
