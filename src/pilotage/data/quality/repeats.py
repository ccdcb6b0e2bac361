"""Repeated whole numbers, counted exactly and without a hash where a cheaper way is as good.

Keys are mostly numbers that were counted up. In growing order nothing can repeat, which one comparison per row shows; where the numbers lie close
together, a table of marks with one byte for each possible number counts them. Only numbers that are neither go through a hash table. The work is done
in pieces that stay in the processor's cache: asking the system for memory of a whole column costs more than the counting.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import polars as pl

_MARKS_PER_ROW = 8  # the table of marks is then never larger than the column of 64-bit numbers itself
_PIECE = 1 << 15  # rows; positions in a piece are numbers of 16 bits

REPEATS = pl.Struct({"n": pl.Int64(), "rows": pl.List(pl.Int64())})

_Whole = npt.NDArray[np.integer]


def repeats(values: pl.Series, *, rows: int) -> pl.Series:
    """How many of ``values`` another one before them equals (``n``), and the first of those ``rows``; nulls equal each other.

    ``values`` are of 64 bits or fewer. The rows are null where finding them needs more than this; the caller then asks Polars.
    """
    nulls = values.null_count()
    n, found = _count(values.drop_nulls().to_numpy(), rows=rows)
    n += max(nulls - 1, 0)
    return pl.Series(values.name, [{"n": n, "rows": found if n == 0 or not nulls else None}], dtype=REPEATS)


def _count(values: _Whole, *, rows: int) -> tuple[int, list[int] | None]:
    if all(_grows(values[max(start - 1, 0) : start + len(piece)]) for start, piece in _pieces(values)):
        return 0, []
    low, high = int(values.min()), int(values.max())
    if high - low < _MARKS_PER_ROW * len(values):
        return _count_by_marks(values, low=low, size=high - low + 1, rows=rows)
    n = len(values) - pl.Series(values).n_unique()
    return n, None if n else []


def _count_by_marks(values: _Whole, *, low: int, size: int, rows: int) -> tuple[int, list[int]]:
    seen = np.zeros(size, dtype=np.bool_)
    owner = np.empty(size, dtype=np.uint16)
    every = np.arange(_PIECE, dtype=np.uint16)
    n, found = 0, list[int]()
    for start, piece in _pieces(values):
        places = piece.astype(np.intp) - low
        repeated = seen[places]
        if not _grows(places):
            # Which of several equal numbers stays the owner does not matter for their count: all but one see that it is not they.
            mine = every[: len(places)]
            owner[places] = mine
            repeated |= owner[places] != mine
        here = int(np.count_nonzero(repeated))
        if here and len(found) < rows:
            later = np.ones(len(places), dtype=np.bool_)
            later[np.unique(places, return_index=True)[1]] = False
            found += (start + np.flatnonzero(seen[places] | later)).tolist()
        n += here
        seen[places] = True
    return n, found[:rows]


def _pieces(values: _Whole) -> Iterator[tuple[int, _Whole]]:
    return ((start, values[start : start + _PIECE]) for start in range(0, len(values), _PIECE))


def _grows(values: _Whole) -> bool:
    return bool((values[1:] > values[:-1]).all())
