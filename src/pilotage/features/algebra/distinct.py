"""How many different values: exact while they are few, a HyperLogLog sketch when they are many.

A state holds the 64-bit hashes themselves, sorted, up to :data:`EXACT_UP_TO` different ones; beyond, 4096 registers of 6 used bits (4096 bytes). The
switch depends only on the set of hashes, so any order and grouping ends in the same state. Standard error of the sketch: 1.04/√4096 = 1.6 %.

The hash (:data:`HASH_NAME`) is stable across processes and releases: text is the first 8 bytes of its BLAKE2b over UTF-8, little-endian; a number
or truth value is splitmix64's finaliser over the bits of its double (of the whole number itself, marked, beyond ±2**53), so 5 and 5.0 are one value.

References: Flajolet et al. (2007) HyperLogLog; Ertl (2017) "New cardinality estimation algorithms for HyperLogLog sketches", §4, algorithm 6: the
estimator without tables or logarithms, only sums, products and square roots, which IEEE 754 rounds alike everywhere.
"""

from __future__ import annotations

import hashlib
import math
import struct
from typing import Any

import polars as pl

from pilotage.core import InputError
from pilotage.features.algebra.aggregator import LARGEST_EXACT, Aggregator, Order, Properties, State
from pilotage.features.algebra.ordered import not_plain

EXACT_UP_TO = 256
HASH_NAME = "blake2b-64/splitmix64, version 1"

_BITS = 12
_REGISTERS = 1 << _BITS
_TAIL = 64 - _BITS
_MASK = 2**64 - 1
_WHOLE = 0x9E3779B97F4A7C15  # marks whole numbers that no double holds, so that their bits are not taken for a double's
_ALPHA = 0.7213475204444817  # 1 / (2 ln 2)


def stable_hash(value: Any) -> int:
    """The 64-bit hash of a value. Raises ``InputError`` for what is not text, a finite number of at most 64 bits or a truth value."""
    if isinstance(value, str):
        return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "little")
    if isinstance(value, bool):
        value = float(value)
    if isinstance(value, int) and -LARGEST_EXACT <= value <= LARGEST_EXACT:
        value = float(value)
    if isinstance(value, float) and math.isfinite(value):
        return _mix(int.from_bytes(struct.pack("<d", value + 0.0), "little"))
    if isinstance(value, int) and -(2**63) <= value < 2**63:
        return _mix((value & _MASK) ^ _WHOLE)
    raise InputError(
        f"'distinct' cannot take {value!r}.",
        why="it counts text, finite numbers of at most 64 bits and truth values",
        mend="convert it in the feature's expression, or make it null",
    )


def _mix(bits: int) -> int:
    bits = (bits + 0x9E3779B97F4A7C15) & _MASK
    bits = ((bits ^ (bits >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    bits = ((bits ^ (bits >> 27)) * 0x94D049BB133111EB) & _MASK
    return bits ^ (bits >> 31)


def hashes(values: pl.Series) -> pl.Series:
    """:func:`stable_hash` of each value (null stays null), as UInt64. Cost: one Python call for each different value."""
    unique = values.drop_nulls().unique()
    table = {value: stable_hash(value) for value in unique.to_list()}
    return values.replace_strict(list(table), pl.Series(list(table.values()), dtype=pl.UInt64), default=None, return_dtype=pl.UInt64)


class Distinct(Aggregator):
    """How many different values there are. State: a sorted tuple of hashes, or the registers as bytes."""

    function = "distinct"
    properties = Properties(
        mergeable=True,
        reversible=False,
        bounded=True,
        exact=False,
        note=f"exact up to {EXACT_UP_TO} different values, then a standard error of 1.6 %; at most 4096 bytes",
    )

    def init(self) -> State:
        return ()

    def update(self, state: State, value: Any, order: Order) -> State:
        return state if value is None else self.merge(state, (stable_hash(value),))

    def merge(self, left: State, right: State) -> State:
        if isinstance(left, tuple) and isinstance(right, tuple):
            return state_of({*left, *right})
        registers = bytearray(_registers(left))
        for index, rank in enumerate(_registers(right)):
            if rank > registers[index]:
                registers[index] = rank
        return bytes(registers)

    def finalize(self, state: State) -> int | None:
        if isinstance(state, bytes):
            return _estimate(state)
        return len(state) or None

    def bad(self, name: str, dtype: pl.DataType) -> pl.Expr | None:
        return not_plain(name, dtype)

    def prepared(self, name: str) -> list[pl.Expr]:
        return [pl.col(name).map_batches(hashes, return_dtype=pl.UInt64, is_elementwise=True).alias(f"{name}:h")]

    def partial(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:h").drop_nulls().unique()]

    def merged(self, name: str) -> list[pl.Expr]:
        return [pl.col(f"{name}:h").list.explode(empty_as_null=False, keep_nulls=False).unique()]

    def states(self, frame: pl.DataFrame, name: str) -> list[State]:
        return [state_of(found or ()) for found in frame[f"{name}:h"].to_list()]

    def result_type(self, frame: pl.DataFrame, name: str) -> pl.DataType:
        return pl.Int64()


def state_of(found: Any) -> State:
    """The one state of a set of different hashes."""
    if len(found) <= EXACT_UP_TO:
        return tuple(sorted(found))
    return _registers(found)


def _registers(state: Any) -> bytes:
    if isinstance(state, bytes):
        return state
    registers = bytearray(_REGISTERS)
    for number in state:
        index = number >> _TAIL
        rank = _TAIL - (number & ((1 << _TAIL) - 1)).bit_length() + 1
        if rank > registers[index]:
            registers[index] = rank
    return bytes(registers)


def _estimate(registers: bytes) -> int:
    """Ertl's improved raw estimator, rounded to a whole number."""
    counts = [registers.count(rank) for rank in range(_TAIL + 2)]
    z = _REGISTERS * _tau(1.0 - counts[_TAIL + 1] / _REGISTERS)
    for rank in range(_TAIL, 0, -1):
        z = 0.5 * (z + counts[rank])
    z += _REGISTERS * _sigma(counts[0] / _REGISTERS)
    return round(_ALPHA * _REGISTERS * _REGISTERS / z)


def _sigma(x: float) -> float:
    if x == 1.0:
        return math.inf
    y, z = 1.0, x
    while True:
        x *= x
        before = z
        z += x * y
        y += y
        if z == before:
            return z


def _tau(x: float) -> float:
    if x in (0.0, 1.0):
        return 0.0
    y, z = 1.0, 1.0 - x
    while True:
        x = math.sqrt(x)
        before = z
        y *= 0.5
        z -= (1.0 - x) ** 2 * y
        if z == before:
            return z / 3.0
