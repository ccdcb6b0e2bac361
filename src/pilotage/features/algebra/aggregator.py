"""What every aggregate is: four functions over a state, and the same four as Polars expressions over columns of states."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, TypeAlias

import polars as pl

from pilotage.core import InputError, Refused

FUNCTIONS = ("count", "sum", "mean", "var", "min", "max", "first", "last", "last_k", "distinct", "quantile")

# A state is an immutable plain value: whole numbers, floats, text, bytes, None and tuples of them. Equal states have equal bytes.
State: TypeAlias = Any

# The columns of a frame of rows that say where a row stands in time; the values are µs, µs and the position in the source.
EVENT, AVAILABLE, SEQUENCE = "__event", "__available", "__sequence"

LARGEST_EXACT = 2**53


class Order(NamedTuple):
    """Where a value stands: the tie rule of ``first``, ``last`` and ``last_k`` is this tuple's order, then the value itself."""

    event_us: int
    available_us: int
    sequence: int


@dataclass(frozen=True)
class Properties:
    """What may be done with an aggregate's state."""

    mergeable: bool
    """Two states become one: needed for tiles, streams and more than one worker."""
    reversible: bool
    """A state can be taken out of another (:meth:`Aggregator.subtract`)."""
    bounded: bool
    """The state's size does not grow with the number of events."""
    exact: bool
    """The result is that of the values themselves, up to the declared grid; else the error is stated in :attr:`note`."""
    note: str


class Aggregator(ABC):
    """One aggregate with its parameters. Stateless: everything is in the states it is handed."""

    function: ClassVar[str]
    properties: ClassVar[Properties]

    @abstractmethod
    def init(self) -> State:
        """The state of nothing: the identity of :meth:`merge`."""

    @abstractmethod
    def update(self, state: State, value: Any, order: Order) -> State:
        """``state`` with one value more. A null changes nothing. Raises ``InputError`` for a value that cannot be counted exactly."""

    @abstractmethod
    def merge(self, left: State, right: State) -> State:
        """The state of the values of both. Associative and commutative."""

    @abstractmethod
    def finalize(self, state: State) -> Any:
        """The feature's value; null over nothing (``count``: 0)."""

    def subtract(self, state: State, part: State) -> State:
        """``state`` without the values of ``part``, which it must contain. Raises ``Refused`` if the aggregate is not reversible."""
        raise Refused(f"Values cannot be taken out of a {self.function}.", why=self.properties.note, mend="compute it again from the rows that stay")

    # The same in columns. A column of rows is named like the aggregate; the columns of its states are "<name>:<part>".

    @abstractmethod
    def prepared(self, name: str) -> list[pl.Expr]:
        """Row by row: the column of values ``name`` → the columns that :meth:`partial` sums up, named "<name>:<part>"."""

    @abstractmethod
    def partial(self, name: str) -> list[pl.Expr]:
        """Inside a ``group_by``: prepared columns → columns of states. Rows must stand in order where :attr:`ordered`."""

    @abstractmethod
    def merged(self, name: str) -> list[pl.Expr]:
        """Inside a ``group_by``: columns of states → columns of merged states."""

    @abstractmethod
    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        """Columns of states → states, one for each row of ``frame``."""

    def finalized(self, frame: pl.DataFrame, name: str) -> pl.Series:
        """Columns of states → the feature's values, equal to :meth:`finalize` of each."""
        values = [self.finalize(state) for state in self.states(frame, name)]
        return pl.Series(name, values, dtype=self.result_type(frame, name))

    @abstractmethod
    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        """The type of the feature's column, from its columns of states."""

    def bad(self, name: str, dtype: pl.DataType) -> pl.Expr | None:
        """Row by row: whether the value in column ``name`` would be refused; None where every value of that type is fine."""
        return None

    @property
    def ordered(self) -> bool:
        """Whether the state depends on event, available time and sequence."""
        return False


def exact_number(value: Any, *, what: str) -> float:
    """``value`` as a float, with -0.0 made 0.0. Refuses what is not a finite number that a double holds exactly."""
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, int):
        if -LARGEST_EXACT <= value <= LARGEST_EXACT:
            return float(value)
        raise InputError(
            f"A {what} cannot take {value}: it is beyond ±2**53.",
            why="a double would round it, and two paths could round differently",
            mend="divide it in the feature's expression, or use it as text with 'distinct' or 'last'",
        )
    if isinstance(value, float):
        if math.isfinite(value):
            return value + 0.0
        raise InputError(f"A {what} cannot take {value}.", why="NaN and infinities are no values", mend="make it null in the feature's expression")
    raise InputError(f"A {what} needs numbers, not {value!r}.", mend="use a numeric expression, or another aggregate")


def not_exact_number(name: str, dtype: pl.DataType) -> pl.Expr | None:
    """The same refusal as :func:`exact_number`, row by row."""
    column = pl.col(name)
    if dtype == pl.Boolean or dtype == pl.Null:
        return None
    if dtype.is_integer():
        return (column > LARGEST_EXACT) | (column < -LARGEST_EXACT)
    if dtype.is_float():
        return column.is_not_null() & ~column.is_finite()
    return column.is_not_null()


def as_float(name: str) -> pl.Expr:
    """The column as floats, with -0.0 made 0.0 (Polars takes an addition of 0.0 out of the plan, so it is said with a condition)."""
    value = pl.col(name).cast(pl.Float64)
    return pl.when(value == 0.0).then(0.0).otherwise(value).alias(name)


def fold(aggregator: Aggregator, values: Sequence[tuple[Any, Order]]) -> State:
    """The state of ``values``: what the request path computes."""
    state = aggregator.init()
    for value, order in values:
        state = aggregator.update(state, value, order)
    return state
