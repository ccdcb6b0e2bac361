"""Counts and sums that do not depend on the order of adding.

Each value is rounded once to a whole number of grid steps (value × 1/``resolution``, half to even; 2**-20 unless declared), and steps are added as
wide integers. Integer addition is associative, so any order and grouping gives the same sum: floating-point addition does not. A value may be at most
2**53 steps from zero (8.6e9 at the default resolution, 9e15 at resolution 1): there the double still tells neighbouring steps apart.

Variance is the sample variance (n − 1) from the exact sums Σu and Σu²: n·Σu² − (Σu)² is a whole number, so nothing cancels.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import polars as pl

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import Aggregator, Order, Properties, State, as_float, exact_number, not_exact_number

DEFAULT_RESOLUTION = 2.0**-20
GRID_STEPS = 2**53


class Count(Aggregator):
    """How many values are not null. State: the count."""

    function = "count"
    properties = Properties(mergeable=True, reversible=True, bounded=True, exact=True, note="")

    def init(self) -> State:
        return 0

    def update(self, state: State, value: Any, order: Order) -> State:
        return state if value is None else state + 1

    def merge(self, left: State, right: State) -> State:
        return left + right

    def subtract(self, state: State, part: State) -> State:
        return state - part

    def finalize(self, state: State) -> int:
        return int(state)

    def prepared(self, name: str) -> list[pl.Expr]:
        return [pl.col(name).is_not_null().alias(f"{name}:n")]

    def partial(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:n").sum().cast(pl.Int64)]

    def merged(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:n").sum()]

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        return frame[f"{name}:n"].fill_null(0).to_list()

    def finalized(self, frame: pl.DataFrame, name: str) -> pl.Series:
        return frame[f"{name}:n"].fill_null(0).alias(name)

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return pl.Int64()


class Sum(Aggregator):
    """The sum on the grid. State: ``(n, Σu)``."""

    function: ClassVar[str] = "sum"
    properties = Properties(mergeable=True, reversible=True, bounded=True, exact=True, note="each value rounded once to the declared grid")

    def __init__(self, *, resolution: float = DEFAULT_RESOLUTION) -> None:
        if not (math.isfinite(resolution) and resolution > 0):
            raise InputError(f"A resolution is a positive number: {resolution}.", mend="say the smallest step that matters, such as 0.01 or 2**-20")
        self.resolution = float(resolution)
        # Multiplied, not divided: engines turn a division by a constant into this product, and would round differently from those that do not.
        self.inverse = 1.0 / self.resolution

    def init(self) -> State:
        return (0, 0)

    def steps(self, value: Any) -> int:
        """``value`` in whole grid steps. Raises ``InputError`` where it lies beyond the grid."""
        number = exact_number(value, what=self.function)
        steps = number * self.inverse
        if abs(steps) > GRID_STEPS:
            raise InputError(
                f"A {self.function} cannot take {value!r}: it is more than 2**53 steps of {self.resolution!r}.",
                why="the double no longer tells two steps apart there, so the sum would not be exact",
                mend=f"declare a coarser resolution (at least {abs(number) / GRID_STEPS!r}), or divide in the feature's expression",
            )
        return round(steps)

    def update(self, state: State, value: Any, order: Order) -> State:
        return state if value is None else (state[0] + 1, state[1] + self.steps(value))

    def merge(self, left: State, right: State) -> State:
        return (left[0] + right[0], left[1] + right[1])

    def subtract(self, state: State, part: State) -> State:
        return (state[0] - part[0], state[1] - part[1])

    def finalize(self, state: State) -> float | None:
        n, total = state
        return float(total) * self.resolution if n else None

    def bad(self, name: str, dtype: pl.DataType) -> pl.Expr | None:
        no_number = not_exact_number(name, dtype)
        if no_number is None or not dtype.is_numeric():
            return no_number
        return no_number | ((pl.col(name).cast(pl.Float64) * self.inverse).abs() > float(GRID_STEPS))

    def prepared(self, name: str) -> list[pl.Expr]:
        return [(as_float(name) * self.inverse).round(0, mode="half_to_even").cast(pl.Int64).alias(f"{name}:s")]

    def partial(self, name: str) -> list[pl.Expr]:
        steps = pl.col(f"{name}:s")
        return [steps.count().cast(pl.Int64).alias(f"{name}:n"), steps.cast(pl.Int128).sum()]

    def merged(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:n").sum(), pl.col(f"{name}:s").sum()]

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        return list(zip(frame[f"{name}:n"].fill_null(0).to_list(), frame[f"{name}:s"].fill_null(0).to_list(), strict=True))

    def finalized(self, frame: pl.DataFrame, name: str) -> pl.Series:
        n, total = pl.col(f"{name}:n"), pl.col(f"{name}:s")
        return frame.select(pl.when(n > 0).then(total.cast(pl.Float64) * self.resolution).alias(name)).to_series()

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return pl.Float64()


class Mean(Sum):
    """The mean on the grid. State: as the sum."""

    function = "mean"

    def finalize(self, state: State) -> float | None:
        n, total = state
        return float(total) * self.resolution / n if n else None

    def finalized(self, frame: pl.DataFrame, name: str) -> pl.Series:
        n, total = pl.col(f"{name}:n"), pl.col(f"{name}:s")
        return frame.select(pl.when(n > 0).then(total.cast(pl.Float64) * self.resolution / n.cast(pl.Float64)).alias(name)).to_series()


class Variance(Sum):
    """The sample variance on the grid; null below two values. State: ``(n, Σu, Σu²)``."""

    function = "var"

    def init(self) -> State:
        return (0, 0, 0)

    def update(self, state: State, value: Any, order: Order) -> State:
        if value is None:
            return state
        steps = self.steps(value)
        return (state[0] + 1, state[1] + steps, state[2] + steps * steps)

    def merge(self, left: State, right: State) -> State:
        return (left[0] + right[0], left[1] + right[1], left[2] + right[2])

    def subtract(self, state: State, part: State) -> State:
        return (state[0] - part[0], state[1] - part[1], state[2] - part[2])

    def finalize(self, state: State) -> float | None:
        n, total, squares = state
        if n < 2:
            return None
        return float(n * squares - total * total) / float(n * (n - 1)) * (self.resolution * self.resolution)

    # Σu² may need more than 128 bits' worth of headroom in one group, so u = high·2**27 + low and three sums are kept apart until they are states.

    def prepared(self, name: str) -> list[pl.Expr]:
        steps = (as_float(name) * self.inverse).round(0, mode="half_to_even").cast(pl.Int64)
        return [steps.alias(f"{name}:s")]

    def partial(self, name: str) -> list[pl.Expr]:
        steps = pl.col(f"{name}:s").cast(pl.Int128)
        low = steps % 2**27
        high = (steps - low) // 2**27
        return [
            steps.count().cast(pl.Int64).alias(f"{name}:n"),
            steps.sum(),
            (high * high).sum().alias(f"{name}:hh"),
            (high * low).sum().alias(f"{name}:hl"),
            (low * low).sum().alias(f"{name}:ll"),
        ]

    def merged(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:{part}").sum() for part in ("n", "s", "hh", "hl", "ll")]

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        parts = (frame[f"{name}:{part}"].fill_null(0).to_list() for part in ("n", "s", "hh", "hl", "ll"))
        return [(n, s, (hh << 54) + (hl << 28) + ll) for n, s, hh, hl, ll in zip(*parts, strict=True)]

    def finalized(self, frame: pl.DataFrame, name: str) -> pl.Series:
        return pl.Series(name, [self.finalize(state) for state in self.states(frame, name)], dtype=pl.Float64)
