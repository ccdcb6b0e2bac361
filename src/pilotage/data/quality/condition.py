"""Conditions between columns, as people write them: ``ends >= starts``, ``net + tax == gross``, ``status in ['open', 'paid']``.

The text is parsed, never run: only the forms below exist, every column and type is checked before any row is read, and what comes out is one Polars
expression. Three-valued logic, as in SQL: where a null (or NaN) leaves the condition unknown, the row neither keeps nor breaks it.

===============================  =========================================================================================================
``+ - *``, ``/``, ``-x``         whole numbers exactly (128 bits); division gives a float, and nothing where the divisor is 0
``== != < <= > >=``              between numbers, texts, times, days or booleans; may be chained: ``0 <= a < b``
``and or not``, ``x in [...]``   Kleene's logic; lists hold literals of one type
``abs len lower coalesce``       of a number; of a text (characters); of a text; the first that is there
``is_null(x)``                   whether there is no value
``timestamp('2026-01-31T00:00:00Z')``, ``date('2026-01-31')``, ``duration('2h')``; a time minus a time is a duration
``col('any name')``              a column whose name is no plain word
===============================  =========================================================================================================
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import polars as pl

from pilotage.core import InputError, parse_duration

_MOST_NODES = 500
_DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDE = pl.Int128()
_COMPARED = {ast.Eq: "__eq__", ast.NotEq: "__ne__", ast.Lt: "__lt__", ast.LtE: "__le__", ast.Gt: "__gt__", ast.GtE: "__ge__"}
_READABLE = {"int", "float", "text", "bool", "timestamp", "date"}
_NUMBERS = {"int", "float"}


@dataclass(frozen=True)
class Condition:
    """A condition, ready to run. ``expression`` is true, false, or null where it is unknown; ``columns`` are those it reads, in order."""

    text: str
    expression: pl.Expr
    columns: tuple[str, ...]


@dataclass(frozen=True)
class _Typed:
    expr: pl.Expr
    type: str
    plain: pl.Expr | None = None
    """Of a column or a literal, the 64-bit form: enough to compare with, and no second column of 128 bits to make."""


def parse_condition(text: str, *, types: Mapping[str, str], where: str = "expression") -> Condition:
    """Read a condition over columns of the given types (those of a contract's columns).

    Raises
    ------
    InputError
        If it is not one of the forms above, names a column that is not there, mixes types, or is no condition.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
        size = sum(1 for _ in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise InputError(f"This is not a condition: {text[:200]!r}.", where=where, mend="write it as, say, 'ends >= starts'") from error
    if size > _MOST_NODES:
        raise InputError(f"This condition is too long: {size} parts, at most {_MOST_NODES}.", where=where, mend="make several checks of it")
    reader = _Reader(types, where)
    made = reader.read(tree.body)
    if made.type != "bool":
        raise reader.refused(tree.body, f"this is of type {made.type}; a condition is true or false")
    if not reader.columns:
        raise reader.refused(tree.body, "this reads no column")
    return Condition(text=text.strip(), expression=made.expr, columns=tuple(reader.columns))


def _whole(value: int, kind: str) -> _Typed:
    return _Typed(pl.lit(value, dtype=_WIDE), kind, pl.lit(value, dtype=pl.Int64()) if abs(value) < 1 << 63 else None)


def _sides(one: _Typed, two: _Typed) -> tuple[pl.Expr, pl.Expr]:
    """Both as they are compared: in 64 bits where both fit, so that nothing is widened first."""
    return (one.expr, two.expr) if one.plain is None or two.plain is None else (one.plain, two.plain)


def _negated(number: _Typed) -> pl.Expr:
    return pl.lit(0, dtype=pl.Float64() if number.type == "float" else _WIDE) - number.expr  # Polars has no negation of 128-bit numbers


class _Reader:
    def __init__(self, types: Mapping[str, str], where: str) -> None:
        self._types = types
        self._where = where
        self.columns: dict[str, None] = {}

    def refused(self, node: ast.AST, what: str) -> InputError:
        return InputError(f"A condition cannot be read: {what}.", where=f"{self._where}: {ast.unparse(node)[:120]}")

    def read(self, node: ast.AST) -> _Typed:
        match node:
            case ast.Name(id=name):
                return self._column(node, name)
            case ast.Constant(value=value):
                return self._literal(node, value)
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return _Typed(~self._of(inner, "bool").expr, "bool")
            case ast.UnaryOp(op=ast.USub(), operand=inner):
                number = self._of(inner, "int", "float", "duration")
                return _Typed(_negated(number), number.type)
            case ast.BoolOp(op=op, values=values):
                parts = [self._of(each, "bool").expr for each in values]
                joined = parts[0]
                for part in parts[1:]:
                    joined = joined & part if isinstance(op, ast.And) else joined | part
                return _Typed(joined, "bool")
            case ast.BinOp(left=left, op=op, right=right):
                return self._arithmetic(node, self.read(left), op, self.read(right))
            case ast.Compare(left=left, ops=ops, comparators=others):
                return self._comparison(left, ops, others)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(node, name, arguments)
        raise self.refused(node, "this form is not known")

    def _of(self, node: ast.AST, *types: str) -> _Typed:
        made = self.read(node)
        if made.type not in types:
            raise self.refused(node, f"this is of type {made.type}, and {' or '.join(types)} is needed")
        return made

    def _column(self, node: ast.AST, name: str) -> _Typed:
        kind = self._types.get(name)
        if kind is None:
            raise self.refused(node, f"there is no column '{name}'")
        if kind not in _READABLE:
            raise self.refused(node, f"the column '{name}' is of type {kind}, which conditions do not read")
        self.columns[name] = None
        column = pl.col(name)
        if kind == "float":
            return _Typed(column.fill_nan(None), kind)
        if kind in ("int", "timestamp", "date"):
            plain = column if kind == "int" else column.to_physical()
            return _Typed(plain.cast(_WIDE), kind, plain)
        return _Typed(column, kind)

    def _literal(self, node: ast.AST, value: object) -> _Typed:
        if isinstance(value, bool):
            return _Typed(pl.lit(value), "bool")
        if isinstance(value, int) and abs(value) < 1 << 63:
            return _whole(value, "int")
        if isinstance(value, float) and math.isfinite(value):
            return _Typed(pl.lit(value), "float")
        if isinstance(value, str):
            return _Typed(pl.lit(value), "text")
        raise self.refused(node, "this is no number, text, or boolean")

    def _arithmetic(self, node: ast.AST, left: _Typed, op: ast.operator, right: _Typed) -> _Typed:
        pair = (left.type, right.type)
        if isinstance(op, ast.Add | ast.Sub):
            sign = 1 if isinstance(op, ast.Add) else -1
            if pair == ("duration", "duration"):
                return _Typed(left.expr + sign * right.expr, "duration")
            if pair == ("timestamp", "duration"):
                return _Typed(left.expr + sign * right.expr, "timestamp")
            if pair in (("timestamp", "timestamp"), ("date", "date")) and sign < 0:
                return _Typed((left.expr - right.expr) * (_DAY_US if left.type == "date" else 1), "duration")
        if not (left.type in _NUMBERS and right.type in _NUMBERS) or not isinstance(op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            raise self.refused(node, f"there is no such operation between {left.type} and {right.type}")
        if isinstance(op, ast.Div):
            divisor = right.expr.cast(pl.Float64)
            return _Typed((left.expr.cast(pl.Float64) / pl.when(divisor != 0).then(divisor)).fill_nan(None), "float")
        one, two = (left.expr, right.expr) if pair == ("int", "int") else (left.expr.cast(pl.Float64), right.expr.cast(pl.Float64))
        made = one + two if isinstance(op, ast.Add) else one - two if isinstance(op, ast.Sub) else one * two
        return _Typed(made, "int") if pair == ("int", "int") else _Typed(made.fill_nan(None), "float")

    def _comparison(self, first: ast.AST, ops: list[ast.cmpop], others: list[ast.expr]) -> _Typed:
        joined: pl.Expr | None = None
        left = first
        for op, right in zip(ops, others, strict=True):
            part = self._member(left, op, right) if isinstance(op, ast.In | ast.NotIn) else self._compared(left, op, right)
            joined = part if joined is None else joined & part
            left = right
        assert joined is not None  # noqa: S101 - a comparison has at least one operator
        return _Typed(joined, "bool")

    def _compared(self, left: ast.AST, op: ast.cmpop, right: ast.AST) -> pl.Expr:
        name = _COMPARED.get(type(op))
        if name is None:
            raise self.refused(left, "only ==, !=, <, <=, > and >= compare (use is_null(x) for nulls)")
        one, two = self.read(left), self.read(right)
        if one.type != two.type and not {one.type, two.type} <= _NUMBERS:
            raise self.refused(right, f"{one.type} and {two.type} do not compare")
        if one.type == "bool" and not isinstance(op, ast.Eq | ast.NotEq):
            raise self.refused(left, "booleans have no order")
        if one.type != two.type:
            one, two = _Typed(one.expr.cast(pl.Float64), "float"), _Typed(two.expr.cast(pl.Float64), "float")
        left_side, right_side = _sides(one, two)
        compared: pl.Expr = getattr(left_side, name)(right_side)
        return compared

    def _member(self, left: ast.AST, op: ast.cmpop, right: ast.AST) -> pl.Expr:
        if not isinstance(right, ast.List | ast.Tuple) or not right.elts:
            raise self.refused(right, "'in' needs a list of literals")
        one = self.read(left)
        found: pl.Expr | None = None
        for entry in right.elts:
            if not isinstance(entry, ast.Constant | ast.UnaryOp):
                raise self.refused(entry, "'in' needs a list of literals")
            two = self.read(entry)
            if two.type != one.type and not (one.type == "float" and two.type == "int"):
                raise self.refused(entry, f"{one.type} and {two.type} do not compare")
            left_side, right_side = _sides(one, two)
            same = left_side == (right_side.cast(pl.Float64) if one.type == "float" else right_side)
            found = same if found is None else found | same
        assert found is not None  # noqa: S101 - the list is not empty
        return ~found if isinstance(op, ast.NotIn) else found

    def _call(self, node: ast.AST, name: str, arguments: list[ast.expr]) -> _Typed:
        match name, arguments:
            case "col", [ast.Constant(value=str(column))]:
                return self._column(node, column)
            case "abs", [inner]:
                value = self._of(inner, "int", "float", "duration")
                return _Typed(pl.when(value.expr < 0).then(_negated(value)).otherwise(value.expr), value.type)
            case "len", [inner]:
                return _Typed(self._of(inner, "text").expr.str.len_chars().cast(_WIDE), "int")
            case "lower", [inner]:
                return _Typed(self._of(inner, "text").expr.str.to_lowercase(), "text")
            case "is_null", [inner]:
                return _Typed(self.read(inner).expr.is_null(), "bool")
            case "coalesce", [_, _, *_]:
                values = [self.read(each) for each in arguments]
                if len({each.type for each in values}) > 1:
                    raise self.refused(node, "its values are of different types")
                return _Typed(pl.coalesce([each.expr for each in values]), values[0].type)
            case "timestamp" | "date" | "duration", [ast.Constant(value=str(text))]:
                return self._time(node, name, text)
        raise self.refused(node, f"there is no '{name}' with these arguments")

    def _time(self, node: ast.AST, name: str, text: str) -> _Typed:
        try:
            if name == "duration":
                number = parse_duration(text)
            elif name == "date":
                number = date.fromisoformat(text).toordinal() - _EPOCH.toordinal()
            else:
                moment = datetime.fromisoformat(text)
                if moment.tzinfo is None:
                    raise self.refused(node, "this time says no zone; end it with Z")
                number = (moment - _EPOCH) // timedelta(microseconds=1)
        except ValueError as error:
            raise InputError(f"This is no {name}: {text!r}.", where=self._where, mend="write it in ISO 8601") from error
        return _whole(number, name)
