"""How a column looked in both windows, small enough to keep with a report: shares in at most 24 bins or levels, and five quantiles.

No row can be read from it: of levels only those are named that at least ``NAMED_FROM`` rows have, the rest is one share; quantiles are those of the
middle 98 %. Columns that the contract marks as personal have no shape at all.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from pilotage.monitoring.columns import Floats, LevelPair, NumberPair, pair_columns

BINS = 24
LEVELS = 12
NAMED_FROM = 10
COLUMNS = 12
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class Shape:
    """One column before (reference) and after (production).

    at
        Of a number the bins' bounds, (k + 1,), ascending; what lies beyond is counted in the outermost bins. Of levels their names, (k,); the last
        may be None: all others together.
    before, after
        Shares of the values that are there, (k,), each summing to 1; empty where no value is there.
    missing
        Share of missing values before and after.
    n
        Rows before and after.
    quantiles_before, quantiles_after
        At 0.05, 0.25, 0.5, 0.75 and 0.95; empty for levels.
    """

    column: str
    kind: Literal["number", "level"]
    at: tuple[float | str | None, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    missing: tuple[float, float]
    n: tuple[int, int]
    quantiles_before: tuple[float, ...] = ()
    quantiles_after: tuple[float, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def column_shapes(reference: pa.Table, production: pa.Table, *, first: Iterable[str] = (), leave_out: Iterable[str] = ()) -> tuple[Shape, ...]:
    """The shapes of at most ``COLUMNS`` columns that both tables have: those of ``first`` in this order, then the others as they stand.

    ``leave_out``: personal columns. Cost: one sort a column.
    """
    hidden = set(leave_out)
    pairs = {pair.name: pair for pair in pair_columns(reference, production).columns if pair.name not in hidden}
    order = [name for name in dict.fromkeys([*first, *pairs]) if name in pairs][:COLUMNS]
    return tuple(_number(pair) if isinstance(pair, NumberPair) else _level(pair) for pair in (pairs[name] for name in order))


def _number(pair: NumberPair) -> Shape:
    before, after = pair.there
    both = np.concatenate((before, after))
    if not len(both):
        return Shape(pair.name, "number", (), (), (), _missing(pair), _rows(pair))
    low, high = (float(value) for value in np.quantile(both, (0.01, 0.99)))
    if low == high:
        low, high = float(both.min()), float(both.max())
    if low == high:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, BINS + 1)
    return Shape(
        pair.name,
        "number",
        tuple(edges.tolist()),
        _histogram(before, edges),
        _histogram(after, edges),
        _missing(pair),
        _rows(pair),
        _quantiles(before),
        _quantiles(after),
    )


def _histogram(values: Floats, edges: Floats) -> tuple[float, ...]:
    if not len(values):
        return ()
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    return tuple((counts / len(values)).tolist())


def _quantiles(values: Floats) -> tuple[float, ...]:
    return tuple(np.quantile(values, QUANTILES).tolist()) if len(values) else ()


def _level(pair: LevelPair) -> Shape:
    before, after = pair.counts
    total = before + after
    named = [int(code) for code in np.argsort(-total, kind="stable")[:LEVELS] if total[code] >= NAMED_FROM]
    rest = [int(counts.sum() - counts[named].sum()) for counts in (before, after)]
    names: list[float | str | None] = [pair.levels[code] for code in named]
    shares = [[int(counts[code]) for code in named] for counts in (before, after)]
    if any(rest):
        names.append(None)
        shares = [[*share, other] for share, other in zip(shares, rest, strict=True)]
    made = [tuple(count / sum(share) for count in share) if sum(share) else () for share in shares]
    return Shape(pair.name, "level", tuple(names), made[0], made[1], _missing(pair), _rows(pair))


def _missing(pair: NumberPair | LevelPair) -> tuple[float, float]:
    n = _rows(pair)
    return tuple(count / rows if rows else 0.0 for count, rows in zip(pair.missing, n, strict=True))  # type: ignore[return-value]


def _rows(pair: NumberPair | LevelPair) -> tuple[int, int]:
    return len(pair.reference), len(pair.production)
