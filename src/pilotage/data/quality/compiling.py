"""All checks of a contract, compiled into one Polars select.

Every rule of every column, the key's uniqueness, the declared checks and the profile become aggregations over the same frame, so the data is read
once, common parts are computed once, and nothing row-sized comes back. Figures are counts, exact integer sums or order statistics: the order of
the rows and the number of threads change nothing.

Cost: one scan. A range, null or pattern check is a pass over one column; distinct counts hash their columns, and so does uniqueness where the key is
no whole number or time; a number's profile counts its column in buckets (11 ms a million values). Memory is that of the columns at work at once,
not of the table.
"""

from __future__ import annotations

import functools
import json
import math
import operator
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import polars as pl

from pilotage.core import MICROSECONDS, InputError, parse_duration
from pilotage.data.contracts.contract import Check, Column, Contract
from pilotage.data.quality.condition import parse_condition
from pilotage.data.quality.distribution import DESCRIBED, describe
from pilotage.data.quality.policy import Limits
from pilotage.data.quality.profile import LEVELS_KEPT, ColumnProfile, Profile
from pilotage.data.quality.repeats import REPEATS, repeats

Row = Mapping[str, Any]
_BITS = 62
_LARGEST = sys.float_info.max  # Polars orders NaN above infinity, so what lies between -this and this is finite
_FEW_LEVELS = 6
_SCALES = (-1_000, 1_023)  # powers of two that are ordinary floats; the largest floats then reach 2 on the grid, which 128 bits hold with ease


@dataclass(frozen=True)
class Measured:
    """What a check's part of the select gave. ``figure`` None means undefined, and ``reason`` says why."""

    figure: float | None
    n: int
    reason: str = ""


@dataclass(frozen=True)
class CompiledCheck:
    """One check: the aggregations it needs (by alias), how to read them, its limits, and the predicate of a failing row where there is one."""

    name: str
    kind: str
    column: str | None
    severity: Literal["error", "warning"]
    parts: Mapping[str, pl.Expr]
    measure: Callable[[Row], Measured]
    at_least: float | None = None
    at_most: float | None = None
    failing: pl.Expr | None = None
    shown: str | None = None
    reason: str = ""
    found: Callable[[Row], list[int] | None] = lambda row: None
    """The first failing rows, from the select's one row; None where the select did not find them."""


@dataclass(frozen=True)
class CompiledChecks:
    """Everything a gate computes, as one select (:attr:`expressions`)."""

    contract: Contract
    checks: tuple[CompiledCheck, ...]
    profiled: Mapping[str, tuple[Mapping[str, pl.Expr], Callable[[Row], ColumnProfile]]] = field(default_factory=dict)

    @property
    def expressions(self) -> list[pl.Expr]:
        """The aggregations, each under its own alias."""
        parts: dict[str, pl.Expr] = {"rows": pl.len()}
        for check in self.checks:
            parts.update(check.parts)
        for given, _ in self.profiled.values():
            parts.update(given)
        return [expression.alias(alias) for alias, expression in parts.items()]

    def read_profile(self, row: Row) -> Profile:
        """The profile from the select's one row."""
        columns = {name: read(row) for name, (_, read) in self.profiled.items()}
        times = columns.get(self.contract.event_time or "")
        span = (int(times.grid[5]), int(times.grid[95])) if times is not None and times.grid else (None, None)
        return Profile(rows=int(row["rows"]), columns=columns, event_from=span[0], event_to=span[1])


def compile_checks(
    contract: Contract, *, limits: Limits | None = None, profile: bool | None = None, now_us: int | None = None, examples: int = 0
) -> CompiledChecks:
    """Compile what the contract promises.

    Parameters
    ----------
    limits
        The policy of learned limits; where given, the profile they compare is part of the select.
    profile
        Whether to profile. Default: where ``limits`` is given.
    now_us
        What time it is, for freshness and "not from the future". Without it those checks are left out, or not assessable where declared.
    examples
        How many failing rows of each check the select finds while it has them at hand, so that no predicate is computed twice.

    Raises
    ------
    InputError
        If a declared expression or pattern cannot be compiled, or a check does not fit its column's type.
    """
    compiler = _Compiler(contract, now_us, examples)
    compiler.compile()
    wanted = limits is not None if profile is None else profile
    profiled = {name: _profile(name, column, contract) for name, column in contract.columns.items()} if wanted else {}
    return CompiledChecks(contract=contract, checks=tuple(compiler.checks), profiled=profiled)


class _Compiler:
    def __init__(self, contract: Contract, now_us: int | None, examples: int) -> None:
        self._contract = contract
        self._now = now_us
        self._examples = examples
        self.checks: list[CompiledCheck] = []

    def compile(self) -> None:
        for name, column in self._contract.columns.items():
            self._column(name, column)
        self._times()
        if self._contract.key and self._contract.unique:
            self._unique("key is unique", "key", self._contract.key, severity="error")
        for check in self._contract.checks:
            self._declared(check)

    # -- what columns imply ---------------------------------------------------------------------------------------------------------

    def _column(self, name: str, column: Column) -> None:
        value = pl.col(name)
        if not column.nullable:
            self._count(name, "nulls", value.is_null(), f"{name} is never null", pl.len(), "no value")
        if column.type == "float":
            self._count(name, "finite", ~value.is_between(-_LARGEST, _LARGEST), f"{name} is a finite number", value.count(), "NaN or infinite")
        for kind, bound in (("minimum", column.minimum), ("maximum", column.maximum)):
            if bound is not None:
                outside = _below(value, bound, column) if kind == "minimum" else _above(value, bound, column)
                sign, word = (">=", "below") if kind == "minimum" else ("<=", "above")
                self._count(name, kind, outside, f"{name} {sign} {bound:g}", value.count(), f"{word} {bound:g}")
        if column.min_length is not None or column.max_length is not None:
            length = _length(value, column)
            for kind, bound in (("min_length", column.min_length), ("max_length", column.max_length)):
                if bound is not None:
                    outside, sign, word = (length < bound, ">=", "shorter") if kind == "min_length" else (length > bound, "<=", "longer")
                    self._count(name, kind, outside, f"length of {name} {sign} {bound}", value.count(), f"{word} than {bound}")
        if column.pattern is not None:
            self._count(name, "pattern", ~value.str.contains(_anchored(name, column.pattern)), f"{name} has the form {column.pattern}", value.count(),
                        f"does not have the form {column.pattern}")  # fmt: skip
        if column.levels is not None:
            self._levels(name, column)

    def _levels(self, name: str, column: Column) -> None:
        value = pl.col(name)
        new = ~_among(value, column.levels or (), column)
        if column.level_policy != "allow":
            severity: Literal["error", "warning"] = "warning" if column.level_policy == "review" else "error"
            self._count(name, "levels", new, f"{name} has a known level", value.count(), "not a known level", severity=severity)
        if column.max_new_level_share is not None:
            count, n = f"{name}.new", f"{name}.there"
            self.checks.append(
                CompiledCheck(
                    name=f"share of new levels of {name}",
                    kind="new_level_share",
                    column=name,
                    severity="error",
                    parts={count: new.fill_null(False).sum(), n: value.count(), **self._rows(count, new.fill_null(False))},
                    measure=lambda row: _share(row[count], row[n]),
                    at_most=column.max_new_level_share,
                    failing=new.fill_null(False),
                    found=lambda row: row.get(f"{count}.rows"),
                    shown=name,
                    reason="not a known level",
                )
            )

    def _times(self) -> None:
        event, available = self._contract.event_time, self._contract.available_time
        if event is not None and available is not None and not self._contract.forecasts:
            self._count(available, "order", pl.col(available) < pl.col(event), f"{available} is not before {event}", pl.col(available).count(),
                        f"available before it happened ({event})")  # fmt: skip
        if self._now is not None:
            latest = available or (None if self._contract.forecasts else event)
            if latest is not None:
                late = pl.col(latest).to_physical() > self._now
                self._count(latest, "future", late, f"{latest} is not in the future", pl.col(latest).count(), "later than now")

    # -- declared checks ------------------------------------------------------------------------------------------------------------

    def _declared(self, check: Check) -> None:
        if check.kind == "unique":
            columns = check.columns or ((check.column,) if check.column else ())
            self._unique(check.name, "unique", columns, severity=check.severity)
        elif check.kind == "expression":
            self._expression(check)
        elif check.kind == "row_count":
            self._figure(check, {}, lambda row: Measured(float(row["rows"]), int(row["rows"])))
        elif check.kind == "freshness":
            self._freshness(check)
        else:
            self._of_column(check)

    def _of_column(self, check: Check) -> None:
        name = str(check.column)
        column, value = self._contract.columns[name], pl.col(name)
        at = f"check.{check.name}"
        if check.kind == "null_share":
            self._figure(check, {at: value.null_count()}, lambda row: _share(row[at], row["rows"]))
        elif check.kind == "distinct":
            self._figure(check, {at: value.drop_nulls().n_unique()}, lambda row: Measured(float(row[at]), int(row["rows"])))
        elif column.type == "int":
            parts = {at: value.cast(pl.Int128).sum(), f"{at}.n": value.count()}
            self._figure(check, parts, lambda row: Measured(row[at], int(row[f"{at}.n"])))
        elif column.type == "float":
            parts = {**_exact_parts(at, _finite(value)), f"{at}.n": _finite(value).count()}
            self._figure(check, parts, lambda row: _as_float(_exact_sum(row, at), int(row[f"{at}.n"])))
        else:
            raise InputError(f"The check '{check.name}' sums '{name}', which is {column.type}.", where=self._contract.ref, mend="sum a number")

    def _freshness(self, check: Check) -> None:
        name = check.column or self._contract.available_time or self._contract.event_time
        if name is None or self._contract.columns[name].type != "timestamp":
            raise InputError(
                f"The check '{check.name}' asks how fresh the table is, but there is no time to tell it by.",
                where=self._contract.ref,
                mend="name a timestamp column, or declare 'event_time'",
            )
        at, now = f"check.{check.name}", self._now

        def measure(row: Row) -> Measured:
            if now is None or row[at] is None:
                return Measured(None, 0, "nobody said what time it is" if now is None else f"no row has a {name}")
            return Measured((now - int(row[at])) / MICROSECONDS, int(row["rows"]))

        limit = parse_duration(str(check.max_age)) / MICROSECONDS
        self._figure(check, {at: pl.col(name).max().to_physical()}, measure, at_most=limit)

    def _expression(self, check: Check) -> None:
        types = {name: column.type for name, column in self._contract.columns.items()}
        condition = parse_condition(str(check.expression), types=types, where=f"{self._contract.ref} check '{check.name}'")
        broken, at = (~condition.expression).fill_null(False), f"check.{check.name}"
        parts = {at: broken.sum(), f"{at}.n": condition.expression.count(), **self._rows(at, broken)}
        shown = next((name for name in condition.columns), None)
        bounded = check.at_least is not None or check.at_most is not None

        def kept(row: Row) -> Measured:
            broken_share = _share(row[at], row[f"{at}.n"])
            return broken_share if broken_share.figure is None else Measured(1.0 - broken_share.figure, broken_share.n)

        self.checks.append(
            CompiledCheck(
                name=check.name,
                kind="expression",
                column=None,
                severity=check.severity,
                parts=parts,
                measure=kept if bounded else (lambda row: Measured(float(row[at]), int(row[f"{at}.n"]))),
                at_least=check.at_least,
                at_most=check.at_most if bounded else 0.0,
                failing=broken,
                found=lambda row: row.get(f"{at}.rows"),
                shown=shown,
                reason=f"breaks {condition.text}",
            )
        )

    def _figure(self, check: Check, parts: Mapping[str, pl.Expr], measure: Callable[[Row], Measured], *, at_most: float | None = None) -> None:
        self.checks.append(
            CompiledCheck(
                name=check.name,
                kind=check.kind,
                column=check.column,
                severity=check.severity,
                parts=parts,
                measure=measure,
                at_least=check.at_least,
                at_most=check.at_most if at_most is None else at_most,
            )
        )

    def _unique(self, name: str, kind: str, columns: tuple[str, ...], *, severity: Literal["error", "warning"]) -> None:
        whole = pl.col(columns[0]) if len(columns) == 1 else pl.struct(*columns)
        at = f"unique.{name}"
        one = self._contract.columns[columns[0]].type if len(columns) == 1 else None
        counted = one in ("int", "timestamp", "date")
        if counted:
            k = self._examples
            parts = {at: whole.to_physical().map_batches(lambda values: repeats(values, rows=k), return_dtype=REPEATS, returns_scalar=True)}
        else:
            parts = {at: pl.len() - whole.n_unique()}
        self.checks.append(
            CompiledCheck(
                name=name,
                kind=kind,
                column=columns[0] if len(columns) == 1 else None,
                severity=severity,
                parts=parts,
                measure=lambda row: Measured(float(row[at]["n"] if counted else row[at]), int(row["rows"])),
                at_most=0.0,
                failing=~whole.is_first_distinct(),
                found=lambda row: row[at]["rows"] if counted else None,
                shown=columns[0] if len(columns) == 1 else None,
                reason=f"another row has the same {', '.join(columns)}",
            )
        )

    def _count(
        self, column: str, kind: str, bad: pl.Expr, name: str, n: pl.Expr, reason: str, *, severity: Literal["error", "warning"] = "error"
    ) -> None:
        """A rule every value keeps: the figure is how many break it, and none may."""
        failing = bad.fill_null(False)
        at = f"{column}.{kind}"
        self.checks.append(
            CompiledCheck(
                name=name,
                kind=kind,
                column=column,
                severity=severity,
                parts={at: failing.sum(), f"{at}.n": n, **self._rows(at, failing)},
                measure=lambda row: Measured(float(row[at]), int(row[f"{at}.n"])),
                at_most=0.0,
                failing=failing,
                found=lambda row: row.get(f"{at}.rows"),
                shown=column,
                reason=reason,
            )
        )

    def _rows(self, at: str, failing: pl.Expr) -> dict[str, pl.Expr]:
        """The first failing rows: the predicate is there already, so this costs next to nothing."""
        return {f"{at}.rows": failing.arg_true().head(self._examples).implode()} if self._examples > 0 else {}


_DTYPES = {"text": pl.String(), "int": pl.Int64(), "bool": pl.Boolean()}


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_between(-_LARGEST, _LARGEST)).then(value)


def _below(value: pl.Expr, bound: float, column: Column) -> pl.Expr:
    # A fractional bound of whole numbers becomes the whole number it means: comparing as floats would blur numbers above 2**53.
    return value < math.ceil(bound) if column.type == "int" else value.is_between(-_LARGEST, float(bound), closed="left")


def _above(value: pl.Expr, bound: float, column: Column) -> pl.Expr:
    return value > math.floor(bound) if column.type == "int" else value.is_between(float(bound), _LARGEST, closed="right")


def _among(value: pl.Expr, levels: Sequence[Any], column: Column) -> pl.Expr:
    """Whether a value is one of the levels; null where there is none. A few texts are compared one by one, which is faster than hashing each row."""
    if column.type == "text" and 0 < len(levels) <= _FEW_LEVELS:
        return functools.reduce(operator.or_, (value == pl.lit(level, dtype=pl.String()) for level in levels))
    return value.is_in(pl.lit(pl.Series([list(levels)]), dtype=pl.List(_DTYPES[column.type])), nulls_equal=False)


def _length(value: pl.Expr, column: Column) -> pl.Expr:
    if column.type == "text":
        return value.str.len_chars()
    if column.type == "binary":
        return value.bin.size()
    # A list is kept as JSON text, and its entries can only be counted by reading it.
    return value.map_batches(_entries, return_dtype=pl.Int64())


def _entries(texts: pl.Series) -> pl.Series:
    return pl.Series([None if text is None else len(json.loads(text)) for text in texts], dtype=pl.Int64())


def _anchored(name: str, pattern: str) -> str:
    whole = rf"\A(?:{pattern})\z"
    try:
        pl.Series([""]).str.contains(whole)
    except pl.exceptions.ComputeError as error:
        raise InputError(f"The pattern of '{name}' cannot be compiled: {pattern!r}.", mend="use RE2's syntax") from error
    return whole


def _share(count: Any, n: Any) -> Measured:
    return Measured(float(count) / float(n), int(n)) if n else Measured(None, 0, "there are no values to take a share of")


# -- exact sums ---------------------------------------------------------------------------------------------------------------------------------


def _exact_parts(at: str, value: pl.Expr) -> dict[str, pl.Expr]:
    """A sum that no order of work changes: values as integers on the grid of 2**-62 times the power of two above the largest."""
    scale = _scale(value)
    return {f"{at}.scale": scale, f"{at}.sum": (value / pl.lit(2.0).pow(scale) * 2.0**_BITS).round().cast(pl.Int128).sum()}


def _exact_sum(row: Row, at: str) -> Fraction:
    scale = row[f"{at}.scale"]
    if scale is None or not math.isfinite(scale):  # no values, or nothing but zeros
        return Fraction(0)
    return int(row[f"{at}.sum"]) * Fraction(2) ** (int(scale) - _BITS)


def _scale(value: pl.Expr) -> pl.Expr:
    """The exponent of the power of two above the largest magnitude."""
    return (pl.max_horizontal(value.max(), -value.min()).log(2).floor() + 1).clip(*_SCALES)


def _as_float(total: Fraction, n: int) -> Measured:
    try:
        return Measured(float(total), n)
    except OverflowError:
        return Measured(None, n, "the sum is beyond the range of floating point numbers")


# -- profiles -----------------------------------------------------------------------------------------------------------------------------------


def _profile(name: str, column: Column, contract: Contract) -> tuple[dict[str, pl.Expr], Callable[[Row], ColumnProfile]]:
    """The aggregations of a column's profile, and how to read them."""
    value, at = pl.col(name), f"profile.{name}"
    parts: dict[str, pl.Expr] = {f"{at}.nulls": value.null_count()}
    kind = _kind(name, column, contract)
    if kind == "levels":
        fields = {"level": _DTYPES[column.type], "n": pl.UInt32(), "distinct": pl.UInt32()}
        counted = value.drop_nulls().value_counts(name="n").map_batches(_most_frequent, return_dtype=pl.Struct(fields))
        parts[f"{at}.levels"] = counted.implode()
        return parts, lambda row: _read_levels(row, at)
    if kind == "hidden":
        return parts, lambda row: ColumnProfile(kind="hidden", n=int(row["rows"]), nulls=int(row[f"{at}.nulls"]))
    if kind == "number":
        number = _finite(value) if column.type == "float" else value
    elif kind == "time":
        number = value.to_physical() * (86_400 * MICROSECONDS if column.type == "date" else 1)
    else:
        number = value.str.len_chars()
    moments = kind == "number"
    parts[f"{at}.numbers"] = number.map_batches(lambda numbers: describe(numbers, moments=moments), return_dtype=DESCRIBED, returns_scalar=True)
    if moments:
        parts[f"{at}.odd"] = value.count() - number.count() if column.type == "float" else pl.lit(0)
    return parts, lambda row: _read_number(row, kind, at)


def _kind(name: str, column: Column, contract: Contract) -> Literal["number", "levels", "length", "time", "hidden"]:
    if column.personal or name == contract.subject or column.type in ("binary", "list", "object"):
        return "hidden"
    if name in contract.key and column.type in ("int", "float"):
        return "hidden"  # numbers that name rows have no distribution that means anything
    if column.levels is not None or column.type == "bool":
        return "levels"
    if column.type in ("timestamp", "date"):
        return "time"
    if column.type == "text":
        return "length" if name in contract.key or column.pattern is not None else "levels"
    return "number"


def _most_frequent(counted: pl.Series) -> pl.Series:
    """The most frequent levels, ties by the level itself, so that what is cut off is the same every time; each with the number of all levels."""
    frame = counted.struct.unnest()
    frame.columns = ["level", "n"]
    top = frame.sort("n", "level", descending=[True, False]).head(LEVELS_KEPT)
    return top.with_columns(pl.lit(frame.height, dtype=pl.UInt32()).alias("distinct")).to_struct(counted.name)


def _read_levels(row: Row, at: str) -> ColumnProfile:
    entries = row[f"{at}.levels"] or ()
    counts = {_level(entry["level"]): int(entry["n"]) for entry in entries}
    rows, nulls = int(row["rows"]), int(row[f"{at}.nulls"])
    rest = rows - nulls - sum(counts.values())
    return ColumnProfile(kind="levels", n=rows, nulls=nulls, levels=counts, rest=rest, distinct=int(entries[0]["distinct"]) if entries else 0)


def _level(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def _read_number(row: Row, kind: Literal["number", "length", "time"], at: str) -> ColumnProfile:
    rows, nulls, odd = int(row["rows"]), int(row[f"{at}.nulls"]), int(row.get(f"{at}.odd") or 0)
    n = rows - nulls - odd
    if n == 0:
        return ColumnProfile(kind=kind, n=rows, nulls=nulls, odd=odd)
    found = row[f"{at}.numbers"]
    return ColumnProfile(kind=kind, n=rows, nulls=nulls, odd=odd, grid=tuple(found["grid"]), mean=found["mean"], sd=found["sd"])
