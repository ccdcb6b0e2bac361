"""Quantiles from counts in bins that are cut out of the float's own bits.

A bin is the sign, the exponent and the first 7 bits of the mantissa: 128 bins to each factor of two, found by shifting the bits of the double, with
no logarithm in it, so every machine agrees. The answer is the middle of the bin that holds the value of rank ⌈q·n⌉ (the smallest value that at least
a share q of the values does not exceed): off by at most 2**-8 = 0.4 % of that value. Values nearer to zero than 2**-1015 read as 0.

Merging adds counts. Memory: one entry for each bin in use; values between 0.01 and 1 000 000 can use 3 400.
Reference for the idea of relative-error bins: Masson, Rim, Lee (2019) "DDSketch".
"""

from __future__ import annotations

import math
import struct
from collections import Counter
from typing import Any

import polars as pl

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import Aggregator, Order, Properties, State, as_float, exact_number, not_exact_number

RELATIVE_ERROR = 2.0**-8
_SHIFT = 52 - 7
_SMALLEST = (1023 - 1015) << 7  # bins nearer to zero would be off by more: they are bin 0


class Quantile(Aggregator):
    """The value that a share ``q`` of the values does not exceed. State: a tuple of ``(bin, count)``, sorted by bin."""

    function = "quantile"
    properties = Properties(
        mergeable=True,
        reversible=True,
        bounded=True,
        exact=False,
        note="off by at most 0.4 % of the value of that rank; one entry for each bin in use, 128 to a factor of two",
    )

    def __init__(self, *, q: float) -> None:
        if not 0.0 <= q <= 1.0:
            raise InputError(f"q is a share between 0 and 1: {q}.", mend="write 0.95 for the 95th percentile")
        self.q = float(q)

    def init(self) -> State:
        return ()

    def update(self, state: State, value: Any, order: Order) -> State:
        return state if value is None else self.merge(state, ((bin_of(exact_number(value, what="quantile")), 1),))

    def merge(self, left: State, right: State) -> State:
        if not left or not right:
            return left or right
        counts = dict(left)
        for number, count in right:
            counts[number] = counts.get(number, 0) + count
        return tuple(sorted(counts.items()))

    def subtract(self, state: State, part: State) -> State:
        counts = dict(state)
        for number, count in part:
            counts[number] -= count
        return tuple((number, count) for number, count in sorted(counts.items()) if count)

    def finalize(self, state: State) -> float | None:
        n = sum(count for _, count in state)
        if not n:
            return None
        rank = min(max(math.ceil(self.q * n), 1), n)
        for number, count in state:
            rank -= count
            if rank <= 0:
                return middle_of(number)
        raise AssertionError("a rank is at most the count")

    def bad(self, name: str, dtype: pl.DataType) -> pl.Expr | None:
        return not_exact_number(name, dtype)

    def prepared(self, name: str) -> list[pl.Expr]:
        value = as_float(name)
        # A double's bits as a whole number; in Python's terms bits >> 45 of the absolute value.
        number = value.abs().reinterpret(dtype=pl.Int64) // 2**_SHIFT
        number = pl.when(number < _SMALLEST).then(0).otherwise(number)
        return [pl.when(value < 0.0).then(-number).otherwise(number).cast(pl.Int32).alias(f"{name}:b")]

    def partial(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:b").drop_nulls()]

    def merged(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:b").list.explode(empty_as_null=False, keep_nulls=False)]

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        return [tuple(sorted(Counter(bins).items())) if bins else () for bins in frame[f"{name}:b"].to_list()]

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return pl.Float64()


def bin_of(value: float) -> int:
    """The bin of a finite double: negative, 0 or positive, in the order of the values."""
    number: int = struct.unpack("<q", struct.pack("<d", abs(value)))[0] >> _SHIFT
    if number < _SMALLEST:
        return 0
    return -number if value < 0.0 else number


def middle_of(number: int) -> float:
    """The value that stands for a bin."""
    if number == 0:
        return 0.0
    middle: float = struct.unpack("<d", struct.pack("<q", (abs(number) << _SHIFT) | (1 << (_SHIFT - 1))))[0]
    return -middle if number < 0 else middle
