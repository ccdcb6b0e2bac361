"""Which events are late.

The watermark is the highest event time that the log holds so far, less the allowed lateness; an event before it is late. Position in the log decides,
so the same events are late however the log is cut into batches. An event from the future (its time after it became available) moves the watermark
only to when it became available: one producer's wrong clock does not make all others late.
"""

from __future__ import annotations

import polars as pl

from pilotage.features.algebra.aggregator import AVAILABLE, EVENT

WATERMARK, BEHIND = "__watermark", "__behind"
_NEVER = -(2**62)


def with_lateness(rows: pl.DataFrame, *, watermark_us: int | None, lateness_us: int) -> pl.DataFrame:
    """``rows``, in the order of the log, with how far each is behind the watermark before it (µs; 0 or less: in time).

    ``watermark_us`` is the highest mark of all rows before, without the lateness taken off; None where there were none.
    """
    mark = pl.min_horizontal(EVENT, AVAILABLE).cum_max()
    before = pl.max_horizontal(mark.shift(1), pl.lit(_NEVER if watermark_us is None else watermark_us, dtype=pl.Int64))
    return rows.with_columns(mark.alias(WATERMARK)).with_columns((before - lateness_us - pl.col(EVENT)).alias(BEHIND))
