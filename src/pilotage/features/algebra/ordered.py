"""The first, the last and the last k values by (event, available, sequence, value).

The value itself closes the tie rule, so that even two rows that agree in all three times have one order everywhere. Values keep their type: whole
number, float, text or truth value. Null values are skipped: ``last`` is the last value that is known.
"""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import AVAILABLE, EVENT, SEQUENCE, Aggregator, Order, Properties, State

_LARGEST_K = 1_000


class LastK(Aggregator):
    """The last ``k`` values, oldest first. State: a tuple of ``(event, available, sequence, value)``, at most ``k``, in order."""

    function = "last_k"
    properties = Properties(mergeable=True, reversible=False, bounded=True, exact=True, note="values that fell out are not kept")

    def __init__(self, *, k: int) -> None:
        if not 1 <= k <= _LARGEST_K:
            raise InputError(f"k is between 1 and {_LARGEST_K}: {k}.", mend="use a window and another aggregate for more values")
        self.k = k

    def init(self) -> State:
        return ()

    def update(self, state: State, value: Any, order: Order) -> State:
        return state if value is None else self.merge(state, ((*order, plain_value(value)),))

    def merge(self, left: State, right: State) -> State:
        return tuple(self._keep(sorted((*left, *right)))) if left and right else left or right

    def finalize(self, state: State) -> Any:
        return [entry[3] for entry in state] or None

    def bad(self, name: str, dtype: pl.DataType) -> pl.Expr | None:
        return not_plain(name, dtype)

    @property
    def ordered(self) -> bool:
        return True

    def prepared(self, name: str) -> list[pl.Expr]:
        value = pl.col(name)
        entry = pl.struct(pl.col(EVENT).alias("e"), pl.col(AVAILABLE).alias("a"), pl.col(SEQUENCE).alias("s"), value.alias("v"))
        return [pl.when(value.is_not_null()).then(entry).alias(f"{name}:k")]

    def partial(self, name: str) -> list[pl.Expr]:
        # Rows stand in order but for the value, which only decides where all three times are equal: sorting what is left is cheap.
        return [self._kept(pl.col(f"{name}:k").drop_nulls())]

    def merged(self, name: str) -> list[pl.Expr]:
        return [self._kept(pl.col(f"{name}:k").list.explode(empty_as_null=False, keep_nulls=False))]

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        return [tuple((e["e"], e["a"], e["s"], e["v"]) for e in entries) if entries else () for entries in frame[f"{name}:k"].to_list()]

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return pl.List(self._value_type(frame, name))

    def _value_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        entries: Any = frame.schema[f"{name}:k"]
        found: pl.DataType = entries.inner.fields[3].dtype
        return found

    def _keep(self, entries: list[Any]) -> list[Any]:
        return entries[-self.k :]

    def _kept(self, entries: pl.Expr) -> pl.Expr:
        return entries.sort().tail(self.k)


class Last(LastK):
    """The last value. State: as ``last_k`` with k = 1."""

    function = "last"

    def __init__(self) -> None:
        super().__init__(k=1)

    def finalize(self, state: State) -> Any:
        return state[0][3] if state else None

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return self._value_type(frame, name)


class First(Last):
    """The first value. State: as ``last``."""

    function = "first"

    def _keep(self, entries: list[Any]) -> list[Any]:
        return entries[:1]

    def _kept(self, entries: pl.Expr) -> pl.Expr:
        return entries.sort().head(1)


def plain_value(value: Any) -> Any:
    """``value`` if it is a whole number of 64 bits, a finite float, text or a truth value; -0.0 becomes 0.0. Raises ``InputError`` otherwise."""
    if isinstance(value, (bool, str)):
        return value
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value + 0.0
    raise InputError(
        f"An aggregate cannot keep {value!r}.",
        why="kept values are whole numbers of 64 bits, finite floats, text or truth values",
        mend="convert it in the feature's expression, or make it null",
    )


def not_plain(name: str, dtype: pl.DataType) -> pl.Expr | None:
    """The same refusal as :func:`plain_value`, row by row."""
    if dtype.is_float():
        return pl.col(name).is_not_null() & ~pl.col(name).is_finite()
    if dtype in (pl.Boolean, pl.String, pl.Null) or (dtype.is_integer() and dtype not in (pl.UInt64, pl.Int128, pl.UInt128)):
        return None
    return pl.col(name).is_not_null()
