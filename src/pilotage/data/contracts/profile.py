"""A profile: what a column looks like, without its rows. What a renamed column keeps is its look, so columns are recognised by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from pilotage.data.contracts.casting import cast
from pilotage.data.contracts.contract import Column, Contract

QUANTILES = 1_001
_MOST_LEVELS = 200
_HOURS = 24


@dataclass(frozen=True)
class ColumnProfile:
    """The look of one column.

    n, nulls, distinct
        Values that are there, values that are not, different values among the first.
    quantiles
        Of numbers, of lengths of text and binary, of microseconds of times: 1,001 evenly spaced, sorted; empty where there are no values.
    levels
        Text and bool: the 200 most frequent values with their shares.
    hours
        Times: the shares of the 24 hours of the day.
    """

    type: str
    n: int
    nulls: int
    distinct: int
    quantiles: tuple[float, ...] = ()
    levels: Mapping[str, float] = field(default_factory=dict)
    hours: tuple[float, ...] = ()

    @property
    def null_share(self) -> float:
        """Between 0 and 1; 0 for an empty column."""
        return self.nulls / (self.n + self.nulls) if self.n + self.nulls else 0.0


@dataclass(frozen=True)
class Profile:
    """The look of a table: column -> its profile."""

    rows: int
    columns: Mapping[str, ColumnProfile]

    def to_dict(self) -> dict[str, Any]:
        """As plain data; :meth:`from_dict` is the inverse."""
        return {"rows": self.rows, "columns": {name: dict(column.__dict__) for name, column in self.columns.items()}}

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Profile:
        """The inverse of :meth:`to_dict`."""
        columns = {
            name: ColumnProfile(**{**column, "quantiles": tuple(column["quantiles"]), "hours": tuple(column["hours"])})
            for name, column in value["columns"].items()
        }
        return cls(rows=value["rows"], columns=columns)


def profile_table(table: pa.Table, contract: Contract) -> Profile:
    """The look of a table's columns as ``contract`` reads them; what cannot be cast counts as null. Cost: one sort per column."""
    known = [name for name in contract.columns if name in table.column_names]
    return Profile(rows=table.num_rows, columns={name: profile_column(table.column(name), contract.columns[name]) for name in known})


def profile_column(column: pa.ChunkedArray, rule: Column) -> ColumnProfile:
    """The look of one column, read as ``rule`` says (its type and zone; no limit is applied)."""
    return profile_series(cast(column, rule).values, rule.type)


def profile_series(values: pl.Series, kind: str) -> ColumnProfile:
    """The look of values that are cast already."""
    there = values.drop_nulls()
    made: dict[str, Any] = {"type": kind, "n": len(there), "nulls": values.null_count(), "distinct": there.n_unique()}
    if kind in ("int", "float"):
        made["quantiles"] = _quantiles(there.cast(pl.Float64))
    elif kind == "timestamp":
        made["quantiles"] = _quantiles(there.cast(pl.Int64).cast(pl.Float64))
        counts = np.bincount(there.dt.hour().to_numpy(), minlength=_HOURS)
        made["hours"] = tuple((counts / max(1, len(there))).tolist())
    elif kind == "date":
        made["quantiles"] = _quantiles(there.cast(pl.Int32).cast(pl.Float64))
    elif kind == "binary":
        made["quantiles"] = _quantiles(there.bin.size().cast(pl.Float64))
    else:
        text = there.cast(pl.String)
        made["quantiles"] = _quantiles(text.str.len_chars().cast(pl.Float64))
        top = text.value_counts(sort=True, name="n").head(_MOST_LEVELS)
        made["levels"] = {str(level): count / len(there) for level, count in top.iter_rows()}
    return ColumnProfile(**made)


def _quantiles(values: pl.Series) -> tuple[float, ...]:
    if not len(values):
        return ()
    ordered = np.sort(values.to_numpy())
    places = np.round(np.linspace(0, len(ordered) - 1, min(QUANTILES, len(ordered)))).astype(np.int64)
    return tuple(ordered[places].tolist())


def ks_distance(one: np.ndarray[Any, Any], other: np.ndarray[Any, Any]) -> float:
    """The two-sample Kolmogorov-Smirnov distance of two sorted samples, 0 to 1."""
    every = np.concatenate([one, other])
    below_one = np.searchsorted(one, every, side="right") / len(one)
    below_other = np.searchsorted(other, every, side="right") / len(other)
    return float(np.abs(below_one - below_other).max())
