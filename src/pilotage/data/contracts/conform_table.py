"""Conforming, with Polars: columns one by one, then what concerns rows as wholes (times, keys)."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from pilotage.core import InputError
from pilotage.data.contracts.casting import Cast, cast
from pilotage.data.contracts.conforming import PERSONAL, BadCell, Conformed
from pilotage.data.contracts.contract import Column, Contract
from pilotage.data.contracts.units import conversion

UNIT_KEY = b"pilotage:unit"
"""Field metadata that says a column was converted on arrival, so that it is not converted again."""

_ROWS_IN_A_CHUNK = 1 << 19
_LONGEST_SHOWN = 60
_MOST_LEVELS = 1_000


class _Work:
    """What is known so far of the table under work."""

    def __init__(self, table: pa.Table, contract: Contract) -> None:
        self.table = table
        self.contract = contract
        self.columns: dict[str, Cast] = {}
        self.renamed: dict[str, str] = {}
        self.converted: dict[str, str] = {}
        self.mapped: dict[str, dict[str, int]] = {}
        self.new_levels: dict[str, dict[str, int]] = {}
        self.missing: list[str] = []
        self.not_checked: list[str] = []

    @property
    def good(self) -> pl.Series:
        """Rows without a fault so far."""
        mask = _constant(False, self.table.num_rows)
        for done in self.columns.values():
            mask = mask | done.bad if done.faults else mask
        return ~mask


def conform_table(table: pa.Table, contract: Contract, *, now_us: int | None) -> Conformed:
    """See :func:`pilotage.data.contracts.conform`."""
    work = _Work(table, contract)
    arrivals = _match(work)
    for name, rule in contract.columns.items():
        arrival = arrivals.get(name)
        column = pa.chunked_array([pa.nulls(table.num_rows)]) if arrival is None else table.column(arrival)
        done = cast(column, rule)
        work.columns[name] = done
        if arrival is not None:
            _convert(work, name, rule, metadata=table.schema.field(arrival).metadata)
        # A value that could not be taken is bad, never null, whatever a reader above forgot.
        done.fault(done.values.is_null() & done.original.is_not_null(), f"cannot be read as {rule.type}")
        _check_levels(work, name, rule)
        _check_bounds(done, rule)
        if not rule.nullable:
            why = "a key that is missing" if name in contract.key else "missing"
            done.fault(done.original.is_null(), why)
    _check_times(work, now_us=now_us)
    _check_key(work)
    return _finish(work, extra=tuple(sorted(set(table.column_names) - set(arrivals.values()))))


def _match(work: _Work) -> dict[str, str]:
    """column of the contract -> the name it arrives under."""
    present = work.table.column_names
    arrivals: dict[str, str] = {}
    for name, rule in work.contract.columns.items():
        found = [each for each in present if each == name or each in rule.renamed_from]
        if len(found) > 1:
            raise InputError(
                f"The column '{name}' is there {len(found)} times: {', '.join(found)}.",
                where=f"contract {work.contract.ref}",
                why="nobody could say which of them is meant",
                mend="send it under one name",
            )
        if not found and not rule.nullable:
            near = ", ".join(sorted(set(present) - set(work.contract.columns))[:10])
            raise InputError(
                f"The column '{name}' is not there.",
                where=f"contract {work.contract.ref}",
                why="it may not be null",
                mend=f"send it; if it was renamed, see 'pilotage data contract proposals'. Not in the contract: {near}" if near else "send it",
            )
        if not found:
            work.missing.append(name)
            continue
        arrivals[name] = found[0]
        if found[0] != name:
            work.renamed[name] = found[0]
    return arrivals


def _convert(work: _Work, name: str, rule: Column, *, metadata: Mapping[bytes, bytes] | None) -> None:
    if rule.arrives_in is None or rule.unit is None or rule.arrives_in == rule.unit:
        return
    if (metadata or {}).get(UNIT_KEY) == rule.unit.encode():
        return
    done = work.columns[name]
    way = conversion(rule.arrives_in, rule.unit)
    if rule.type == "float":
        scaled = done.values * float(way.scale) + float(way.shift) if way.shift else done.values * float(way.scale)
        done.fault(~scaled.is_finite(), f"too large for {rule.unit}")
        done.values = scaled.set(done.bad, None)
    else:
        # Whole numbers stay exact: v * p / q + r / s over a common denominator, in 128 bits.
        bottom = way.scale.denominator * way.shift.denominator
        times, plus = way.scale.numerator * way.shift.denominator, way.shift.numerator * way.scale.denominator
        over = pl.col("v").cast(pl.Int128) * pl.lit(times, dtype=pl.Int128) + pl.lit(plus, dtype=pl.Int128)
        by = pl.lit(bottom, dtype=pl.Int128)
        parts = pl.DataFrame({"v": done.values}).select((over // by).cast(pl.Int64, strict=False).alias("whole"), (over % by != 0).alias("rest"))
        whole = parts["whole"]
        done.fault(done.values.is_not_null() & whole.is_null(), "beyond 64 bits")
        done.fault(parts["rest"], f"not a whole number of {rule.unit}")
        done.values = whole.set(done.bad, None)
    work.converted[name] = str(way)


def _check_levels(work: _Work, name: str, rule: Column) -> None:
    if rule.levels is None:
        return
    done = work.columns[name]
    if rule.level_map:
        hits = done.values.is_in(list(rule.level_map))
        if hits.any():
            work.mapped[name] = _counts(done.values.filter(hits), rule)
            done.values = done.values.replace(dict(rule.level_map))
    unknown = (~done.values.is_in(list(rule.levels))).fill_null(False)
    if not unknown.any():
        return
    share = unknown.sum() / max(1, len(done.values) - done.values.null_count())
    if rule.level_policy in ("refuse", "map"):
        done.fault(unknown, "a level the contract does not know")
    elif rule.max_new_level_share is not None and share > rule.max_new_level_share:
        done.fault(unknown, f"new levels are {share:.1%} of the batch, at most {rule.max_new_level_share:.1%} may be")
    else:
        work.new_levels[name] = _counts(done.values.filter(unknown), rule)


def _check_bounds(done: Cast, rule: Column) -> None:
    values = done.values
    if rule.minimum is not None:
        done.fault(values < rule.minimum, f"below {rule.minimum:g}")
    if rule.maximum is not None:
        done.fault(values > rule.maximum, f"above {rule.maximum:g}")
    if rule.min_length is not None or rule.max_length is not None:
        lengths = done.lengths
        if lengths is None:
            lengths = values.str.len_chars() if rule.type == "text" else values.bin.size()
        if rule.min_length is not None:
            done.fault(lengths < rule.min_length, f"shorter than {rule.min_length}")
        if rule.max_length is not None:
            done.fault(lengths > rule.max_length, f"longer than {rule.max_length}")
    if rule.pattern is not None:
        try:
            done.fault(~values.str.contains(f"^(?:{rule.pattern})$"), "does not match the pattern")
        except pl.exceptions.ComputeError as error:
            raise InputError(f"This pattern cannot be used: {error}", where=f"pattern {rule.pattern!r}", mend="write it as RE2 does") from error


def _check_times(work: _Work, *, now_us: int | None) -> None:
    contract = work.contract
    if contract.event_time is None:
        return
    event = work.columns[contract.event_time]
    now = None if now_us is None else pl.Series(values=[now_us], dtype=pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")[0]
    if contract.available_time is not None:
        available = work.columns[contract.available_time]
        if not contract.forecasts:
            available.fault(available.values < event.values, "available before it happened")
        if now is not None:
            available.fault(available.values > now, "available in the future")
    elif now is not None and not contract.forecasts:
        event.fault(event.values > now, "happened in the future")
    if now is None:
        work.not_checked.append("times in the future: no 'now_us' was given")


def _check_key(work: _Work) -> None:
    contract = work.contract
    if not contract.key or not contract.unique or work.table.num_rows < 2:
        return
    good = work.good
    frame = pl.DataFrame({name: done.values for name, done in work.columns.items()}).with_row_index("\0row").filter(good)
    doubled = frame.filter(frame.select(contract.key).is_duplicated())
    if doubled.is_empty():
        return
    first = work.columns[contract.key[0]]
    named = " + ".join(contract.key)
    # Where rows of one key differ nobody can say which is right: none is kept. Of equal rows the first is.
    rows_of_key = pl.len().over(contract.key)
    copies = pl.len().over(list(contract.columns))
    marked = doubled.with_columns((rows_of_key != copies).alias("\0differ"))
    marked = marked.with_columns(pl.struct(contract.key).is_first_distinct().alias("\0first"))
    size = work.table.num_rows
    differ = marked.filter(pl.col("\0differ"))["\0row"]
    again = marked.filter(~pl.col("\0differ") & ~pl.col("\0first"))["\0row"]
    first.fault(_rows(differ, size), f"the key ({named}) stands on several rows that differ")
    first.fault(_rows(again, size), f"the same row again (key {named})")


def _finish(work: _Work, *, extra: tuple[str, ...]) -> Conformed:
    good = work.good
    frame = pl.DataFrame({name: done.values for name, done in work.columns.items()})
    kept = frame if bool(good.all()) else frame.filter(good)
    schema = work.contract.arrow_schema()
    for place, name in enumerate(schema.names):
        rule = work.contract.columns[name]
        if rule.arrives_in is not None and rule.unit is not None:
            schema = schema.set(place, schema.field(place).with_metadata({UNIT_KEY: rule.unit.encode()}))
    chunks = [part.to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema) for part in kept.iter_slices(_ROWS_IN_A_CHUNK)]
    return Conformed(
        table=pa.concat_tables(chunks) if chunks else schema.empty_table(),
        bad=_bad_cells(work),
        rows_in=work.table.num_rows,
        kept=good.arg_true().cast(pl.Int64).to_arrow(),
        mapped=work.mapped,
        new_levels=work.new_levels,
        renamed=work.renamed,
        converted=work.converted,
        missing=tuple(work.missing),
        extra=extra,
        not_checked=tuple(work.not_checked),
    )


def _bad_cells(work: _Work) -> tuple[BadCell, ...]:
    places = {name: place for place, name in enumerate(work.contract.columns)}
    found: list[BadCell] = []
    for name, done in work.columns.items():
        personal = work.contract.columns[name].personal
        for mask, reason in done.faults:
            rows = mask.arg_true()
            shown = [PERSONAL] * len(rows) if personal else _shown(done.original.gather(rows))
            found.extend(map(BadCell, rows.to_list(), [name] * len(rows), [reason] * len(rows), shown))
    return tuple(sorted(found, key=lambda cell: (cell.row, places[cell.column])))


def _shown(values: pl.Series) -> list[str]:
    if values.dtype == pl.Null:
        return ["null"] * len(values)
    if values.dtype == pl.Binary:
        return [f"{size} bytes" for size in values.bin.size().to_list()]
    if values.dtype in (pl.List, pl.Array, pl.Struct):
        texts = [repr(value) for value in values.to_list()]
        return [text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…" for text in texts]
    text = values.cast(pl.String).fill_null("null")
    long = text.str.len_chars() > _LONGEST_SHOWN
    return text.zip_with(~long, text.str.slice(0, _LONGEST_SHOWN - 1) + "…").to_list()


def _counts(values: pl.Series, rule: Column) -> dict[str, int]:
    """How often each value is there: the most frequent by name, the rest together; nothing by name in a personal column."""
    if rule.personal:
        return {PERSONAL: len(values)}
    counted = values.value_counts(sort=True, name="n")
    named = {str(value): count for value, count in counted.head(_MOST_LEVELS).iter_rows()}
    rest = int(counted.slice(_MOST_LEVELS)["n"].sum())
    return named | ({"(others)": rest} if rest else {})


def _constant(value: bool, size: int) -> pl.Series:
    return pl.Series(values=[value], dtype=pl.Boolean).new_from_index(0, size)


def _rows(rows: pl.Series, size: int) -> pl.Series:
    return _constant(False, size).scatter(rows, True)
