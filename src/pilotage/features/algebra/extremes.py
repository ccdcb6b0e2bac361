"""The smallest and the largest value, in the type it came in: whole number, float, text (by code points) or truth value.

Exact; a zero's sign is dropped, so that 0.0 and -0.0 are one value.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import polars as pl

from pilotage.features.algebra.aggregator import Aggregator, Order, Properties, State
from pilotage.features.algebra.ordered import not_plain, plain_value


class _Extreme(Aggregator):
    properties = Properties(mergeable=True, reversible=False, bounded=True, exact=True, note="what stood behind the extreme value is not kept")
    _choose: ClassVar[Callable[..., Any]]

    def init(self) -> State:
        return None

    def update(self, state: State, value: Any, order: Order) -> State:
        return state if value is None else self.merge(state, plain_value(value))

    def merge(self, left: State, right: State) -> State:
        if left is None or right is None:
            return right if left is None else left
        return type(self)._choose(left, right)

    def finalize(self, state: State) -> Any:
        return state

    def bad(self, name: str, dtype: pl.DataType) -> pl.Expr | None:
        return not_plain(name, dtype)

    def prepared(self, name: str) -> list[pl.Expr]:
        return [pl.col(name).alias(f"{name}:x")]

    def merged(self, name: str) -> list[pl.Expr]:
        return self.partial(name)

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        return frame[f"{name}:x"].to_list()

    def finalized(self, frame: pl.DataFrame, name: str) -> pl.Series:
        return frame[f"{name}:x"].alias(name)

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return frame.schema[f"{name}:x"]


class Minimum(_Extreme):
    """The smallest value. State: the value, or None."""

    function = "min"
    _choose = staticmethod(min)

    def partial(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:x").min()]


class Maximum(_Extreme):
    """The largest value. State: the value, or None."""

    function = "max"
    _choose = staticmethod(max)

    def partial(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:x").max()]
