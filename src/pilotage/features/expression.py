"""Row expressions: what a feature computes from one row, as data and never as code.

:func:`parse_expression` reads Python's syntax of an expression through a whitelist; the result is a tree of frozen records with one canonical JSON
form, so it can be hashed, compared, stored and shown, and its columns are the feature's lineage. One tree compiles to Polars, to Narwhals (other
engines) and to a Python function for one row, and the three give the same bits:

* Arithmetic is in 64-bit floats whatever the columns' types (whole numbers beyond 2**53 round), and uses only operations that IEEE 754 rounds in
  one way; ``log1p`` and ``exp`` are our own (:mod:`pilotage.features.elementary`), ``**`` takes a whole power from -8 to 8, written out as products.
* ``a // b`` is ``floor(a / b)`` and ``a % b`` is ``a - b * floor(a / b)``. ``round(x, d)`` takes the even neighbour on a tie of ``x * 10**d``.
* A result that is not a finite number is null: division by zero, overflow, the root of a negative number. NaN is never produced, and a NaN or
  infinite input is null (:func:`without_nan` sees to it in frames).
* Null in, null out, but for ``coalesce``, ``is_null``, ``when`` (a null condition takes the other branch), ``and`` and ``or`` (as in SQL).
* ``hour``, ``weekday`` (Monday is 1), ``day`` and ``month`` are those of UTC.
"""

from __future__ import annotations

import datetime as dt
import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pilotage.core import InputError, content_id

if TYPE_CHECKING:
    import polars as pl

KINDS: Final = ("int", "float", "bool", "text", "timestamp", "date", "binary", "list", "object")
NUMBERS: Final = frozenset({"int", "float", "bool"})
ORDERED: Final = frozenset({"int", "float", "text", "timestamp", "date", "bool"})

ARITHMETIC: Final = {"add": "+", "subtract": "-", "multiply": "*", "divide": "/", "floor_divide": "//", "modulo": "%"}
COMPARISONS: Final = {"equal": "==", "differ": "!=", "less": "<", "at_most": "<=", "greater": ">", "at_least": ">="}
LOGIC: Final = {"and": "and", "or": "or"}

# function -> (fewest arguments, most arguments); 99 is "any number"
CALLS: Final[Mapping[str, tuple[int, int]]] = {
    "when": (3, 3),
    "coalesce": (2, 99),
    "is_null": (1, 1),
    "is_in": (2, 1001),
    "log1p": (1, 1),
    "exp": (1, 1),
    "sqrt": (1, 1),
    "abs": (1, 1),
    "round": (1, 2),
    "floor": (1, 1),
    "clip": (3, 3),
    "hour": (1, 1),
    "weekday": (1, 1),
    "day": (1, 1),
    "month": (1, 1),
    "lower": (1, 1),
    "length": (1, 1),
    "concat": (2, 99),
}
_OPERATORS: Final = {**dict.fromkeys((*ARITHMETIC, *COMPARISONS, *LOGIC), (2, 2)), "negative": (1, 1), "not": (1, 1), "power": (2, 2)}
FUNCTIONS: Final[Mapping[str, tuple[int, int]]] = {**CALLS, **_OPERATORS}

# Functions that an engine without our kernels cannot run natively with the same bits. Engines that can call Python wrap pilotage.features.elementary.
KERNELS: Final = frozenset({"log1p", "exp", "lower"})

LARGEST_POWER: Final = 8
DEEPEST: Final = 24
MOST_NODES: Final = 500
_LARGEST_WHOLE: Final = 2**53 - 1

Scalar = int | float | bool | str


class Expression(ABC):
    """A row expression: a :class:`Column`, a :class:`Literal` or a :class:`Call`. Python's operators build calls; ``==`` compares trees."""

    __slots__ = ()

    def columns(self) -> tuple[str, ...]:
        """The columns it reads, in the order of their first appearance. The feature's column lineage."""
        found: dict[str, None] = {}
        for node in self.walk():
            if isinstance(node, Column):
                found[node.name] = None
        return tuple(found)

    def functions(self) -> frozenset[str]:
        """The functions and operators it uses."""
        return frozenset(node.function for node in self.walk() if isinstance(node, Call))

    def walk(self) -> list[Expression]:
        """Every node, parents first."""
        nodes: list[Expression] = []
        waiting: list[Expression] = [self]
        while waiting:
            node = waiting.pop()
            nodes.append(node)
            if isinstance(node, Call):
                waiting.extend(reversed(node.arguments))
        return nodes

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """The tree as plain data; :func:`expression_from_json` is the inverse."""

    @property
    def id(self) -> str:
        """The content id of the tree."""
        return content_id("fx", self.to_json())

    def kind(self, kinds: Mapping[str, str]) -> str:
        """The kind of its value where ``kinds`` gives the columns': the type check.

        Raises
        ------
        InputError
            If a column is unknown or a function is given what it does not take.
        """
        from pilotage.features.kinds import kind_of

        return kind_of(self, kinds)

    def to_polars(self, kinds: Mapping[str, str] | None = None) -> pl.Expr:
        """The expression for Polars. Float columns must hold no NaN (:func:`without_nan`).

        ``kinds`` are those of the columns; give them where whole numbers and floats meet in ``when`` or ``coalesce``, so that every path agrees
        on which the result is.
        """
        from pilotage.features.compiling import to_polars

        return to_polars(self, kinds)

    def to_narwhals(self, kinds: Mapping[str, str] | None = None) -> Any:
        """The expression for Narwhals, which runs it on other engines.

        :data:`KERNELS` are refused here: :func:`pilotage.features.compiling.staged_kernels` takes them out, to be run as functions of a column.
        """
        from pilotage.features.compiling import to_narwhals

        return to_narwhals(self, kinds)

    def to_python(self, kinds: Mapping[str, str] | None = None) -> Callable[[Mapping[str, Any]], Any]:
        """A function of one row, for requests. Timestamps are aware datetimes or int microseconds since the epoch; results are plain or None."""
        from pilotage.features.closures import to_python

        return to_python(self, kinds)

    def equals(self, other: Expression | Scalar) -> Call:
        """``self == other``, row by row."""
        return Call("equal", (self, _node(other)))

    def differs(self, other: Expression | Scalar) -> Call:
        """``self != other``, row by row."""
        return Call("differ", (self, _node(other)))

    def is_in(self, *values: Scalar) -> Call:
        """Whether the value is one of ``values``."""
        return Call("is_in", (self, *map(_node, values)))

    def is_null(self) -> Call:
        """Whether the value is null."""
        return Call("is_null", (self,))

    def __add__(self, other: Expression | Scalar) -> Call:
        return Call("add", (self, _node(other)))

    def __radd__(self, other: Scalar) -> Call:
        return Call("add", (_node(other), self))

    def __sub__(self, other: Expression | Scalar) -> Call:
        return Call("subtract", (self, _node(other)))

    def __rsub__(self, other: Scalar) -> Call:
        return Call("subtract", (_node(other), self))

    def __mul__(self, other: Expression | Scalar) -> Call:
        return Call("multiply", (self, _node(other)))

    def __rmul__(self, other: Scalar) -> Call:
        return Call("multiply", (_node(other), self))

    def __truediv__(self, other: Expression | Scalar) -> Call:
        return Call("divide", (self, _node(other)))

    def __rtruediv__(self, other: Scalar) -> Call:
        return Call("divide", (_node(other), self))

    def __floordiv__(self, other: Expression | Scalar) -> Call:
        return Call("floor_divide", (self, _node(other)))

    def __rfloordiv__(self, other: Scalar) -> Call:
        return Call("floor_divide", (_node(other), self))

    def __mod__(self, other: Expression | Scalar) -> Call:
        return Call("modulo", (self, _node(other)))

    def __rmod__(self, other: Scalar) -> Call:
        return Call("modulo", (_node(other), self))

    def __pow__(self, power: int) -> Call:
        return Call("power", (self, _node(power)))

    def __lt__(self, other: Expression | Scalar) -> Call:
        return Call("less", (self, _node(other)))

    def __le__(self, other: Expression | Scalar) -> Call:
        return Call("at_most", (self, _node(other)))

    def __gt__(self, other: Expression | Scalar) -> Call:
        return Call("greater", (self, _node(other)))

    def __ge__(self, other: Expression | Scalar) -> Call:
        return Call("at_least", (self, _node(other)))

    def __and__(self, other: Expression | Scalar) -> Call:
        return Call("and", (self, _node(other)))

    def __or__(self, other: Expression | Scalar) -> Call:
        return Call("or", (self, _node(other)))

    def __invert__(self) -> Call:
        return Call("not", (self,))

    def __neg__(self) -> Call:
        return Call("negative", (self,))

    def __abs__(self) -> Call:
        return Call("abs", (self,))

    def __bool__(self) -> bool:
        raise InputError(
            "An expression is neither true nor false: it has a value for each row.", mend="use & | ~, or 'and', 'or', 'not' inside parse_expression"
        )

    def __str__(self) -> str:
        from pilotage.features.writing import to_text

        return to_text(self)


@dataclass(frozen=True, slots=True)
class Column(Expression):
    """The value of a column."""

    name: str

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise InputError(f"Not a column's name: {self.name!r}.", mend="use letters, digits and underscore, not starting with a digit")

    def to_json(self) -> dict[str, Any]:
        return {"column": self.name}

    __str__ = Expression.__str__


@dataclass(frozen=True, slots=True)
class Literal(Expression):
    """A number, a text, true or false."""

    value: Scalar

    def __post_init__(self) -> None:
        value = self.value
        if isinstance(value, float) and value == 0.0:
            object.__setattr__(self, "value", 0.0)  # JSON has one zero
        if isinstance(value, bool | str):
            return
        if isinstance(value, int) and abs(value) <= _LARGEST_WHOLE:
            return
        if isinstance(value, float) and math.isfinite(value):
            return
        raise InputError(
            f"Not a value an expression can hold: {value!r}.", mend="use a finite number (whole ones within ±2**53), text, true or false"
        )

    @property
    def literal_kind(self) -> str:
        """bool, int, float or text."""
        return {bool: "bool", int: "int", float: "float", str: "text"}[type(self.value)]

    def to_json(self) -> dict[str, Any]:
        return {"literal": self.value, "kind": self.literal_kind}

    __str__ = Expression.__str__

    def __eq__(self, other: object) -> bool:
        # 1, 1.0 and True are three values here: each computes something else.
        return isinstance(other, Literal) and type(self.value) is type(other.value) and self.value == other.value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))


@dataclass(frozen=True, slots=True)
class Call(Expression):
    """A function or operator of :data:`FUNCTIONS` applied to its arguments."""

    function: str
    arguments: tuple[Expression, ...]

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise InputError(f"Unknown function '{self.function}'.", mend=f"use one of: {', '.join(sorted(FUNCTIONS))}")
        fewest, most = FUNCTIONS[self.function]
        count = len(self.arguments)
        if not fewest <= count <= most:
            wanted = str(fewest) if fewest == most else f"{fewest} or more" if most == 99 else f"{fewest} to {most}"
            raise InputError(f"'{self.function}' takes {wanted} arguments, not {count}.")
        _check_literal_arguments(self)
        _check_size(self)

    def to_json(self) -> dict[str, Any]:
        return {"call": self.function, "arguments": [argument.to_json() for argument in self.arguments]}

    __str__ = Expression.__str__


def _check_literal_arguments(call: Call) -> None:
    if call.function == "power":
        power = call.arguments[1]
        if not (isinstance(power, Literal) and power.literal_kind == "int" and abs(int(power.value)) <= LARGEST_POWER):
            raise InputError(
                f"A power must be a whole number from -{LARGEST_POWER} to {LARGEST_POWER}.",
                why="other powers differ in the last bit between machines",
                mend="write a whole number, sqrt(x), or exp(y * log1p(x - 1))",
            )
    elif call.function == "round" and len(call.arguments) == 2:
        digits = call.arguments[1]
        if not (isinstance(digits, Literal) and digits.literal_kind == "int" and 0 <= int(digits.value) <= 15):
            raise InputError("round takes 0 to 15 decimal places, as a plain whole number.")
    elif call.function == "is_in":
        values = call.arguments[1:]
        if not all(isinstance(value, Literal) for value in values):
            raise InputError("is_in compares with plain values.", mend="write the values out: is_in(country, 'DE', 'AT')")
        if (
            len({value.literal_kind for value in values if isinstance(value, Literal)} - {"int", "float"})
            + (any(isinstance(value, Literal) and value.literal_kind in ("int", "float") for value in values))
            > 1
        ):
            raise InputError("is_in compares with values of one kind.", mend="give only numbers, or only texts")


# Compiled, these stand for their arguments more than once, and nested they would grow without bound.
_REPEATS: Final = {"divide": 2, "floor_divide": 2, "modulo": 6, "round": 8, "power": 8, "clip": 3}
_MOST_COMPILED: Final = 100_000


def _check_size(call: Call) -> None:
    nodes, depth, compiled = _size(call)
    if depth > DEEPEST or compiled > _MOST_COMPILED or nodes > MOST_NODES + 1000 * (call.function == "is_in"):
        raise InputError(
            f"This expression is too large: at most {DEEPEST} levels, {MOST_NODES} parts, and few divisions and roundings inside one another.",
            mend="split it: compute a part in the source and name it",
        )


def _size(node: Expression) -> tuple[int, int, int]:
    """Parts, levels, and parts once compiled."""
    if not isinstance(node, Call):
        return 1, 1, 1
    inner = [_size(argument) for argument in node.arguments]
    compiled = 1 + _REPEATS.get(node.function, 1) * sum(size[2] for size in inner)
    return 1 + sum(size[0] for size in inner), 1 + max(size[1] for size in inner), compiled


def as_call(node: Expression) -> Call:
    """``node``, which is neither a column nor a literal. Raises ``InputError`` for a foreign kind of expression."""
    if isinstance(node, Call):
        return node
    raise InputError(f"Not an expression: {type(node).__name__}.", mend="build it with parse_expression, col and lit")


def _node(value: Expression | Scalar) -> Expression:
    return value if isinstance(value, Expression) else Literal(value)


def col(name: str) -> Column:
    """The column ``name``."""
    return Column(name)


def lit(value: Scalar) -> Literal:
    """A plain value."""
    return Literal(value)


def call(function: str, *arguments: Expression | Scalar) -> Call:
    """``function`` of :data:`FUNCTIONS` applied to ``arguments``: ``call("log1p", col("amount"))``."""
    return Call(function, tuple(map(_node, arguments)))


def when(condition: Expression, then: Expression | Scalar, otherwise: Expression | Scalar) -> Call:
    """``then`` where the condition is true, ``otherwise`` where it is false or null."""
    return call("when", condition, then, otherwise)


def coalesce(*values: Expression | Scalar) -> Call:
    """The first value that is not null."""
    return call("coalesce", *values)


def log1p(x: Expression | Scalar) -> Call:
    """The natural logarithm of 1 + x."""
    return call("log1p", x)


def hour(at: Expression) -> Call:
    """The hour of a timestamp, 0 to 23, UTC."""
    return call("hour", at)


def expression_from_json(value: Any) -> Expression:
    """The tree that :meth:`Expression.to_json` wrote. Raises ``InputError`` on anything else."""
    return _from_json(value, 0)


def _from_json(value: Any, depth: int) -> Expression:
    if isinstance(value, dict) and depth <= DEEPEST:
        if set(value) == {"column"}:
            return Column(value["column"])
        if set(value) == {"literal", "kind"}:
            literal = value["literal"]
            # JSON writes the float 1.0 as 1, so the kind says which it was.
            if value["kind"] == "float" and isinstance(literal, int) and not isinstance(literal, bool):
                literal = float(literal)
            node = Literal(literal)
            if node.literal_kind == value["kind"]:
                return node
        if set(value) == {"call", "arguments"} and isinstance(value["arguments"], list):
            return Call(value["call"], tuple(_from_json(argument, depth + 1) for argument in value["arguments"]))
    raise InputError(f"Not an expression: {str(value)[:80]!r}.", mend="write it as text and parse it with parse_expression")


def parse_expression(text: str, *, where: str | None = None) -> Expression:
    """Read ``amount / 100``, ``when(kind == "refund", -amount, amount)``, ``log1p(amount) if amount > 0 else 0.0`` and the like.

    Only names of columns, numbers, texts, true and false, the operators ``+ - * / // % **``, comparisons (also chained), ``and or not``, ``in``,
    ``is None``, ``… if … else …`` and the functions of :data:`CALLS` are read. Nothing is ever run.

    Raises
    ------
    InputError
        Naming the part that is not allowed and its column in the text.
    """
    from pilotage.features.parsing import parse

    return parse(text, where=where)


def timestamp_us(value: Any) -> int:
    """An aware datetime, or int microseconds since the epoch, as microseconds. Raises ``InputError`` for a naive datetime or anything else."""
    if isinstance(value, dt.datetime):
        if value.tzinfo is None:
            raise InputError(f"This timestamp has no zone: {value.isoformat()}.", why="nobody can say which moment it is", mend="give it a zone")
        since = value - _EPOCH
        return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise InputError(f"Not a timestamp: {value!r}.", mend="give an aware datetime or microseconds since the epoch")


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def without_nan(frame: pl.LazyFrame) -> pl.LazyFrame:
    """``frame`` with NaN and infinities of its float columns made null: what the expressions count on."""
    import polars as pl

    schema = frame.collect_schema()
    floats = [name for name, dtype in schema.items() if dtype.is_float()]
    return frame.with_columns(pl.when(pl.col(name).is_finite()).then(pl.col(name)).alias(name) for name in floats)
