"""How the numbers of a column are distributed: exact quantiles without sorting the column, and an exact mean and deviation.

A quantile is the value of one rank. The values are counted in buckets that grow with the value; the counts say in which bucket each wanted rank lies,
and only the values of those few buckets are sorted. What a bucket holds depends on a sample, what comes out does not: every figure is a value of the
data, or made of exact integer sums. About 7 ms of processor time a million values, where sorting takes 30 to 35, and 4 more for mean and deviation.
Where most values share a few buckets (very heavy tails, one value nearly everywhere) the column is sorted after all, and 4 ms are lost.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pilotage.data.quality.profile import GRID

DESCRIBED = pl.Struct({"grid": pl.List(pl.Float64()), "mean": pl.Float64(), "sd": pl.Float64()})

_BUCKETS = 1 << 16  # so that a bucket's number has 16 bits
_PIECE = 1 << 16
_SAMPLE = 2_000
_FEW = 4_096
_BITS = 59

_Numbers = npt.NDArray[Any]


def describe(values: pl.Series, *, moments: bool) -> pl.Series:
    """The quantile grid of ``values`` (finite or null) and, if asked for, mean and population standard deviation; all null without values."""
    there = values.drop_nulls().to_numpy()
    mean, sd = _moments(there, rows=len(values)) if moments and len(there) else (None, None)
    grid = [float(point) + 0.0 for point in quantiles(there)] if len(there) else None  # + 0.0: the two zeros are one value
    return pl.Series(values.name, [{"grid": grid, "mean": mean, "sd": sd}], dtype=DESCRIBED)


def quantiles(values: _Numbers) -> _Numbers:
    """The values of ranks ⌊(n − 1) · step / (GRID − 1)⌋: the least first, the largest last, each a value of the data."""
    ranks = np.array([(len(values) - 1) * step // (GRID - 1) for step in range(GRID)])
    if len(values) > _FEW:
        whole = np.issubdtype(values.dtype, np.integer)
        low, high = (int(values.min()), int(values.max())) if whole else (0, _BUCKETS)
        if high - low < _BUCKETS:
            return low + _homes(_counted(values, _whole_place(low))[1], ranks)
        place = _places(values)
        found = None if place is None else _select(values, ranks, place)
        if found is not None:
            return found
    found_by_sorting: _Numbers = pl.Series(values).sort().to_numpy()[ranks]
    return found_by_sorting


_Place = Callable[[_Numbers], _Numbers]


def _whole_place(low: int) -> _Place:
    """Whole numbers close together: each has a bucket of its own."""
    return lambda piece: (piece.astype(np.int64) - low).astype(np.uint16)


def _places(values: _Numbers) -> _Place | None:
    """Buckets of equal width between the ends of a sample; what lies beyond goes to the first and the last."""
    sample = np.sort(values[:: max(len(values) // _SAMPLE, 1)]).astype(np.float64)
    low, high = float(sample[len(sample) // 200]), float(sample[-1 - len(sample) // 200])
    with np.errstate(over="ignore", divide="ignore"):
        scale = float(np.float64(_BUCKETS - 2) / (np.float64(high) - low))
    if not 0 < scale < math.inf:
        return None

    def place(piece: _Numbers) -> _Numbers:
        # Each step is monotonic in floating point, so a larger value is never in a lower bucket.
        with np.errstate(over="ignore"):
            return ((np.clip(piece.astype(np.float64), low, high) - low) * scale).astype(np.uint16)

    return place


def _counted(values: _Numbers, place: _Place) -> tuple[_Numbers, _Numbers]:
    """The bucket of each value, and how many values each bucket holds."""
    buckets = np.empty(len(values), dtype=np.uint16)
    counts = np.zeros(_BUCKETS, dtype=np.int64)
    for start, piece in _pieces(values):
        buckets[start : start + len(piece)] = here = place(piece)
        counts += np.bincount(here, minlength=_BUCKETS)
    return buckets, counts


def _homes(counts: _Numbers, ranks: _Numbers) -> _Numbers:
    """The bucket in which each rank lies."""
    return np.searchsorted(np.cumsum(counts), ranks, side="right")


def _select(values: _Numbers, ranks: _Numbers, place: _Place) -> _Numbers | None:
    buckets, counts = _counted(values, place)
    homes = _homes(counts, ranks)
    wanted = np.zeros(_BUCKETS, dtype=np.bool_)
    wanted[homes] = True
    if int(counts[wanted].sum()) > len(values) // 2:
        return None
    chosen = np.sort(np.concatenate([piece[wanted[buckets[start : start + len(piece)]]] for start, piece in _pieces(values)]))
    before = np.cumsum(np.where(wanted, 0, counts))
    found: _Numbers = chosen[ranks - before[homes]]
    return found


def _moments(values: _Numbers, *, rows: int) -> tuple[float, float]:
    """Mean and deviation from sums on a grid so coarse that 64 bits hold those of all rows: 2**-39 of the largest value for a million."""
    largest = max(abs(float(values.max())), abs(float(values.min())))
    if largest == 0.0:
        return 0.0, 0.0
    scale = max(math.frexp(largest)[1], -1_000)
    bits = _BITS - (rows - 1).bit_length()
    down, step = 2.0**-scale, 2.0**bits
    total, squares = 0, 0
    for _, piece in _pieces(values):
        scaled = piece * down
        total += int((scaled * step).astype(np.int64).sum())
        squares += int((scaled * scaled * step).astype(np.int64).sum())
    n, grid = len(values), Fraction(2) ** -bits
    mean, square = total * grid / n, squares * grid / n
    power = Fraction(2) ** scale
    return float(mean * power), float(Fraction(math.sqrt(max(square - mean * mean, Fraction(0)))) * power)


def _pieces(values: _Numbers) -> Iterator[tuple[int, _Numbers]]:
    return ((start, values[start : start + _PIECE]) for start in range(0, len(values), _PIECE))
