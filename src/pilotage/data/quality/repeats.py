"""Repeated whole numbers, counted exactly and without a hash where a cheaper way is as good.

Keys are mostly numbers that were counted up. In growing order nothing can repeat, which one comparison per row shows; where the numbers lie close
together, a table of marks with one byte for each possible number counts them, in about two milliseconds a million. Only numbers that are neither go
through a hash table.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

_MARKS_PER_ROW = 8  # the table of marks is then never larger than the column of 64-bit numbers itself

REPEATS = pl.Struct({"n": pl.Int64(), "rows": pl.List(pl.Int64())})


def repeats(values: pl.Series, *, rows: int) -> pl.Series:
    """How many of ``values`` another one before them equals (``n``), and the first of those ``rows``; nulls equal each other.

    ``values`` are of 64 bits or fewer. The rows are null where finding them needs more than this; the caller then asks Polars.
    """
    nulls = values.null_count()
    there = values.drop_nulls().to_numpy()
    n, found = _count(there, rows=rows) if len(there) else (0, [])
    n += max(nulls - 1, 0)
    return pl.Series(values.name, [{"n": n, "rows": found if n == 0 or not nulls else None}], dtype=REPEATS)


def _count(values: npt.NDArray[np.integer], *, rows: int) -> tuple[int, list[int] | None]:
    if bool((values[1:] > values[:-1]).all()):
        return 0, []
    low, high = int(values.min()), int(values.max())
    if high - low >= _MARKS_PER_ROW * len(values):
        n = len(values) - pl.Series(values).n_unique()
        return n, None if n else []
    places = values - low
    marks = np.zeros(high - low + 1, dtype=np.bool_)
    marks[places] = True
    n = len(values) - int(np.count_nonzero(marks))
    return n, _first_repeats(places, size=len(marks), rows=rows) if n else []


def _first_repeats(places: npt.NDArray[np.integer], *, size: int, rows: int) -> list[int]:
    owner = np.empty(size, dtype=np.int64)
    every = np.arange(len(places))
    owner[places] = every  # which of several equal numbers stays does not matter: all the others see that it is not they
    repeated = np.zeros(size, dtype=np.bool_)
    repeated[places[owner[places] != every]] = True
    candidates = np.flatnonzero(repeated[places])
    first = np.unique(places[candidates], return_index=True)[1]
    return [int(row) for row in np.delete(candidates, first)[:rows]]
