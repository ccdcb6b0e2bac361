"""The type check: the kind of value an expression has, given the kinds of the columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pilotage.core import InputError
from pilotage.features.expression import ARITHMETIC, COMPARISONS, LOGIC, NUMBERS, ORDERED, Call, Column, Expression, Literal, as_call

_FLOAT = frozenset({*ARITHMETIC, "negative", "power", "log1p", "exp", "sqrt", "abs", "round", "floor", "clip"})
_OF_TIMESTAMPS = frozenset({"hour", "weekday", "day", "month"})
_WHOLE = frozenset({*_OF_TIMESTAMPS, "length"})
_TRUTH = frozenset({*COMPARISONS, *LOGIC, "not", "is_null", "is_in"})
_TEXT = frozenset({"lower", "concat"})


def kind_of(expression: Expression, kinds: Mapping[str, str]) -> str:
    """The kind of ``expression``: int, float, bool, text, timestamp, date, binary, list or object. Raises ``InputError`` where it does not fit."""
    if isinstance(expression, Column):
        if expression.name not in kinds:
            raise InputError(f"There is no column '{expression.name}'.", mend=f"the columns are: {', '.join(kinds)}")
        return kinds[expression.name]
    if isinstance(expression, Literal):
        return expression.literal_kind
    node = as_call(expression)
    return _check(node, [kind_of(argument, kinds) for argument in node.arguments])


def _check(node: Call, given: list[str]) -> str:
    function = node.function
    if function in _FLOAT:
        _need(node, given, NUMBERS, "numbers")
        return "float"
    if function in LOGIC or function == "not":
        _need(node, given, {"bool"}, "true or false")
        return "bool"
    if function in COMPARISONS or function == "is_in":
        _need(node, given, ORDERED, "numbers, texts, timestamps, dates, true or false")
        if len({_group(kind) for kind in given}) > 1:
            _refuse(node, f"compares {given[0]} with {next(kind for kind in given if _group(kind) != _group(given[0]))}")
        return "bool"
    if function == "is_null":
        return "bool"
    if function in _OF_TIMESTAMPS:
        _need(node, given, {"timestamp"}, "a timestamp")
        return "int"
    if function in ("length", *_TEXT):
        _need(node, given, {"text"}, "text")
        return "int" if function == "length" else "text"
    if function == "when":
        _need(node, given[:1], {"bool"}, "a condition first")
        return _common(node, given[1:])
    return _common(node, given)


def _group(kind: str) -> str:
    return "number" if kind in ("int", "float") else kind


def _common(node: Call, given: list[str]) -> str:
    if len(set(given)) == 1:
        return given[0]
    if set(given) <= {"int", "float"}:
        return "float"
    return _refuse(node, f"mixes {', '.join(sorted(set(given)))}")


def _need(node: Call, given: list[str], wanted: Any, named: str) -> None:
    for kind in given:
        if kind not in wanted:
            _refuse(node, f"takes {named}, not {kind}")


def _refuse(node: Call, what: str) -> NoReturn:
    raise InputError(f"'{node.function}' {what}.", where=f"in {node}", mend="use columns of the right kind, or change the expression")


def known_kind(expression: Expression, kinds: Mapping[str, str] | None) -> str | None:
    """The kind where it can be told without knowing every column, else None. For compilers, which run after the check."""
    if isinstance(expression, Column):
        return (kinds or {}).get(expression.name)
    if isinstance(expression, Literal):
        return expression.literal_kind
    node = as_call(expression)
    for functions, kind in ((_FLOAT, "float"), (_WHOLE, "int"), (_TRUTH, "bool"), (_TEXT, "text")):
        if node.function in functions:
            return kind
    branches = [known_kind(argument, kinds) for argument in node.arguments[node.function == "when" :]]
    if "float" in branches:
        return "float"
    return branches[0] if len(set(branches)) == 1 else None
