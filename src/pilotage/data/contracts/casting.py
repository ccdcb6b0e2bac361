"""Casting one column to its type: values where it can be done, a named fault everywhere else. Vectorised but for JSON, which has no such kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from pilotage.core import InputError, canonical_json
from pilotage.data.contract import Problem
from pilotage.data.contracts.contract import Column
from pilotage.data.strict_json import parse_json

_INT_DTYPES = (pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Int128, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64)
_LARGEST_EXACT = 2.0**53
_SHORTEST_TIMESTAMP = len("2024-01-01T10")
_UNIT_IN_CELL = r"^\s*[+-]?[0-9][0-9.,]*\s*([\p{L}°%µ²³/€$£¥]{1,12})\s*$"
# date, hour, minute, second, fraction, zone
_TIMESTAMP = r"^([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2})(?::([0-9]{2})(?::([0-9]{2})(\.[0-9]{1,9})?)?)?(Z|[+-][0-9]{2}(?::?[0-9]{2})?)?$"
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_UTC = pl.Datetime("us", "UTC")
_JSON_KINDS: dict[str, Any] = {"list": list, "object": dict}


@dataclass
class Cast:
    """A column on its way: its values (null where it had none, or a fault) and which cells have which fault. The first fault of a cell stands."""

    values: pl.Series
    original: pl.Series
    faults: list[tuple[pl.Series, str]] = field(default_factory=list)
    lengths: pl.Series | None = None
    """Entries of lists, which are text by now."""

    @property
    def bad(self) -> pl.Series:
        """Where there is a fault."""
        mask = pl.Series(values=[False], dtype=pl.Boolean).new_from_index(0, len(self.values))
        for found, _ in self.faults:
            mask = mask | found
        return mask

    def fault(self, mask: pl.Series, reason: str) -> None:
        """The cells of ``mask`` have this fault, unless they have one already."""
        mask = mask.fill_null(False)
        if self.faults and mask.any():
            mask = mask & ~self.bad
        if mask.any():
            self.faults.append((mask, reason))


def cast(column: pa.ChunkedArray, rule: Column) -> Cast:
    """``column`` as what ``rule`` says."""
    source = _series(column)
    if source.dtype == pl.String and rule.type not in ("text", "binary"):
        # An empty cell of a CSV file is a missing value, and space around a number is nobody's intention.
        source = source.str.strip_chars()
        source = source.set(source == "", None) if (source == "").any() else source
    if source.dtype == pl.Null:
        return Cast(source.cast(_DTYPES[rule.type]), source)
    made: Cast = _CASTS[rule.type](source, rule)
    return made


def _series(column: pa.ChunkedArray) -> pl.Series:
    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array([chunk.storage for chunk in column.chunks], type=column.type.storage_type)
    made = pl.from_arrow(column)
    assert isinstance(made, pl.Series)  # noqa: S101 - a chunked array makes a series
    return made.cast(pl.String) if made.dtype in (pl.Categorical, pl.Enum) else made


def _all_bad(source: pl.Series, rule: Column) -> Cast:
    done = Cast(pl.Series(values=[None], dtype=_DTYPES[rule.type]).new_from_index(0, len(source)), source)
    done.fault(source.is_not_null(), f"expected {rule.type}, found {_type_name(source.dtype)}")
    return done


def _type_name(dtype: pl.DataType) -> str:
    names = {pl.String: "text", pl.Boolean: "bool", pl.Date: "date", pl.Binary: "binary", pl.Struct: "object", pl.List: "list", pl.Array: "list"}
    for kind, name in names.items():
        if dtype == kind:
            return name
    return "int" if dtype in _INT_DTYPES else "float" if dtype.is_float() else "timestamp" if dtype == pl.Datetime else str(dtype).lower()


def _to_text(source: pl.Series, rule: Column) -> Cast:
    return Cast(source, source) if source.dtype == pl.String else _all_bad(source, rule)


def _to_binary(source: pl.Series, rule: Column) -> Cast:
    return Cast(source, source) if source.dtype == pl.Binary else _all_bad(source, rule)


def _to_int(source: pl.Series, rule: Column) -> Cast:
    dtype = source.dtype
    if dtype in _INT_DTYPES:
        done = Cast(source.cast(pl.Int64, strict=False), source)
        done.fault(done.values.is_null() & source.is_not_null(), "beyond 64 bits")
        return done
    if dtype.is_float():
        wide = source.cast(pl.Float64)
        done = Cast(wide.cast(pl.Int64, strict=False), source)
        done.fault(~wide.is_finite(), "not a finite number")
        done.fault(wide != wide.round(0), "not a whole number")
        done.fault(wide.abs() > _LARGEST_EXACT, "a float this large stands for several whole numbers")
        return _drop_faulty(done)
    if dtype.is_decimal():
        done = Cast(source.cast(pl.Int64, strict=False), source)
        done.fault(done.values.is_null() & source.is_not_null(), "beyond 64 bits")
        done.fault(source != done.values.cast(dtype, strict=False), "not a whole number")
        return _drop_faulty(done)
    if dtype == pl.String:
        done = Cast(source.cast(pl.Int64, strict=False), source)
        failed = done.values.is_null() & source.is_not_null()
        if failed.any():
            _units_in_cells(done, failed, rule)
            rest = failed & ~done.bad
            done.fault(rest & source.str.contains(r"^[+-]?[0-9]+$"), "beyond 64 bits")
            done.fault(failed, "not a whole number")
        return done
    return _all_bad(source, rule)


def _to_float(source: pl.Series, rule: Column) -> Cast:
    dtype = source.dtype
    if dtype in _INT_DTYPES:
        done = Cast(source.cast(pl.Float64), source)
        if dtype not in (pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32):
            far = done.values.abs() >= _LARGEST_EXACT
            if far.any():
                done.fault(far & (done.values.cast(pl.Int128, strict=False) != source.cast(pl.Int128)), "a float cannot hold this whole number")
        return _drop_faulty(done)
    if dtype.is_float() or dtype.is_decimal():
        done = Cast(source.cast(pl.Float64), source)
        done.fault(~done.values.is_finite(), "not a finite number")
        return _drop_faulty(done)
    if dtype == pl.String:
        done = Cast(source.cast(pl.Float64, strict=False), source)
        failed = done.values.is_null() & source.is_not_null()
        if failed.any():
            _units_in_cells(done, failed, rule)
            done.fault(failed, "not a number")
        done.fault(~done.values.is_finite(), "not a finite number")
        return _drop_faulty(done)
    return _all_bad(source, rule)


def _units_in_cells(done: Cast, failed: pl.Series, rule: Column) -> None:
    """Numbers with their unit in the cell. Which unit a value has is for the contract to say, once, for all of them."""
    found = done.original.filter(failed).str.extract(_UNIT_IN_CELL, 1).drop_nulls().unique().sort().to_list()
    if not found:
        return
    # What stands behind the number in a personal column may be anything, a name too.
    listed = "" if rule.personal else f" ({', '.join(found[:5])}{', …' if len(found) > 5 else ''})"
    if len(found) > 1:
        reason = f"mixed units in the cells{listed}"
    else:
        reason = f"a unit in the cell{listed}; the contract says the unit, the cell only the number"
    done.fault(failed & done.original.str.contains(_UNIT_IN_CELL), reason)


def _to_bool(source: pl.Series, rule: Column) -> Cast:
    if source.dtype == pl.Boolean:
        return Cast(source, source)
    if source.dtype in _INT_DTYPES:
        done = Cast(source == 1, source)
        done.fault(~source.is_in([0, 1]), "neither 0 nor 1")
        return _drop_faulty(done)
    if source.dtype == pl.String:
        lower = source.str.to_lowercase()
        done = Cast(lower.is_in(list(_TRUE)), source)
        done.fault(~lower.is_in([*_TRUE, *_FALSE]), "neither true nor false")
        return _drop_faulty(done)
    return _all_bad(source, rule)


def _to_date(source: pl.Series, rule: Column) -> Cast:
    if source.dtype == pl.Date:
        return Cast(source, source)
    if isinstance(source.dtype, pl.Datetime) and source.dtype.time_zone is None:
        done = Cast(source.cast(pl.Date), source)
        done.fault(source != done.values.cast(source.dtype), "a time of day where a date is wanted")
        return _drop_faulty(done)
    if source.dtype == pl.String:
        done = Cast(source.str.to_date("%Y-%m-%d", strict=False), source)
        done.fault(done.values.is_null() & source.is_not_null() | ~source.str.contains(r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"), "not a date (YYYY-MM-DD)")
        return _drop_faulty(done)
    return _all_bad(source, rule)


def _to_timestamp(source: pl.Series, rule: Column) -> Cast:
    if isinstance(source.dtype, pl.Datetime):
        fine = source.dt.cast_time_unit("us")
        if source.dtype.time_zone is not None:
            return Cast(fine.dt.convert_time_zone("UTC"), source)
        done = Cast(pl.Series(values=[None], dtype=_UTC).new_from_index(0, len(source)), source)
        _localise(done, fine, rule)
        return done
    if source.dtype == pl.String:
        return _timestamps_of_text(source, rule)
    return _all_bad(source, rule)


def _timestamps_of_text(source: pl.Series, rule: Column) -> Cast:
    if bool((source.str.len_bytes() >= _SHORTEST_TIMESTAMP).all()):
        # Where all cells are well-formed, Arrow's own parser reads them ten times sooner than a pattern does.
        text = source.to_arrow(compat_level=pl.CompatLevel.oldest())
        try:
            return Cast(_series(pa.chunked_array([pc.cast(text, pa.timestamp("us", tz="UTC"))])), source)
        except pa.ArrowInvalid:
            pass
        try:
            naive = _series(pa.chunked_array([pc.cast(text, pa.timestamp("us"))]))
        except pa.ArrowInvalid:
            pass
        else:
            done = Cast(pl.Series(values=[None], dtype=_UTC).new_from_index(0, len(source)), source)
            _localise(done, naive, rule)
            return done
    parts = source.str.extract_groups(_TIMESTAMP).struct.unnest()
    date, hour, minute, second, fraction, zone = (parts[name] for name in parts.columns)
    frame = pl.DataFrame({"d": date, "h": hour, "m": minute.fill_null("00"), "s": second.fill_null("00"), "f": fraction.fill_null("")})
    plain = frame.select(pl.format("{} {}:{}:{}{}", "d", "h", "m", "s", pl.col("f").str.slice(0, 7)).alias("plain"))["plain"]
    local = plain.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
    # chrono takes second 60 for a leap second; nothing here can hold one.
    local = local.set((second == "60").fill_null(False), None)
    done = Cast(pl.Series(values=[None], dtype=_UTC).new_from_index(0, len(source)), source)
    done.fault(source.is_not_null() & local.is_null(), "not a timestamp (ISO 8601, say 2026-03-01T09:30:00Z)")
    offset = zone.fill_null("Z").str.replace("^Z$", "+00:00").str.replace(":", "")
    hours, minutes = offset.str.slice(1, 2).cast(pl.Int64, strict=False), offset.str.slice(3, 2).str.replace("^$", "0").cast(pl.Int64, strict=False)
    done.fault(zone.is_not_null() & ((hours > 23) | (minutes > 59)), "not a timestamp: its offset is no offset")
    sign = offset.str.starts_with("-").cast(pl.Int64) * -2 + 1
    shift = (sign * (hours * 60 + minutes) * 60_000_000).cast(pl.Duration("us"))
    zoned = zone.is_not_null() & ~done.bad
    _localise(done, local.set(~zone.is_null(), None), rule)
    done.values = done.values.zip_with(~zoned, (local - shift).dt.replace_time_zone("UTC"))
    return done


def _localise(done: Cast, local: pl.Series, rule: Column) -> None:
    """Give the times of ``local`` that are there the declared zone. What the clock skipped or showed twice has no one instant."""
    there = local.is_not_null()
    if not there.any():
        return
    if rule.zone is None:
        done.fault(there, "a timestamp without a zone, and the contract declares none")
        return
    exact = local.dt.replace_time_zone(rule.zone, ambiguous="null", non_existent="null")
    lost = exact.is_null() & there
    if lost.any():
        once = local.dt.replace_time_zone(rule.zone, ambiguous="earliest", non_existent="null")
        done.fault(lost & once.is_null(), f"a local time the clocks of {rule.zone} skipped")
        done.fault(lost & once.is_not_null(), f"a local time the clocks of {rule.zone} showed twice")
    done.values = done.values.zip_with(~there, exact.dt.convert_time_zone("UTC"))


def _to_json(source: pl.Series, rule: Column) -> Cast:
    kind = _JSON_KINDS[rule.type]
    nested = source.dtype in (pl.List, pl.Array) if kind is list else source.dtype == pl.Struct
    if not nested and source.dtype != pl.String:
        return _all_bad(source, rule)
    done = Cast(pl.Series(values=[None], dtype=pl.String).new_from_index(0, len(source)), source)
    values: list[str | None] = []
    lengths: list[int | None] = []
    faults: dict[str, list[int]] = {}
    for row, given in enumerate(source.to_list()):
        text, length = None, None
        if given is not None:
            text, length, reason = _canonical(given if nested else parse_json(given), kind, rule.type)
            if reason is not None:
                faults.setdefault(reason, []).append(row)
        values.append(text)
        lengths.append(length)
    done.values = pl.Series(values=values, dtype=pl.String)
    done.lengths = pl.Series(values=lengths, dtype=pl.Int64)
    for reason, rows in faults.items():
        done.fault(_mask(rows, len(source)), reason)
    return done


def _canonical(value: Any, kind: type[list[Any]] | type[dict[str, Any]], name: str) -> tuple[str | None, int | None, str | None]:
    if isinstance(value, Problem):
        return None, None, value.reason
    if not isinstance(value, kind):
        return None, None, f"expected {name}, found other JSON"
    try:
        return canonical_json(value).decode(), len(value), None
    except (InputError, msgspec.MsgspecError, TypeError) as error:
        return None, None, error.what if isinstance(error, InputError) else "a value inside has no form in JSON"


def _mask(rows: list[int], size: int) -> pl.Series:
    return pl.Series(values=[False], dtype=pl.Boolean).new_from_index(0, size).scatter(rows, True)


def _drop_faulty(done: Cast) -> Cast:
    if done.faults:
        done.values = done.values.set(done.bad, None)
    return done


_DTYPES: dict[str, Any] = {
    "text": pl.String,
    "int": pl.Int64,
    "float": pl.Float64,
    "bool": pl.Boolean,
    "timestamp": _UTC,
    "date": pl.Date,
    "binary": pl.Binary,
    "list": pl.String,
    "object": pl.String,
}
_CASTS: dict[str, Any] = {
    "text": _to_text,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "timestamp": _to_timestamp,
    "date": _to_date,
    "binary": _to_binary,
    "list": _to_json,
    "object": _to_json,
}
