"""Running a gate over a table: one select, the failing rows it found read again by their numbers, learned limits, the verdict."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Literal

import polars as pl

from pilotage.core import InputError
from pilotage.data.contracts.contract import Contract
from pilotage.data.quality.compiling import CompiledCheck, CompiledChecks, compile_checks
from pilotage.data.quality.learning import History, compare
from pilotage.data.quality.policy import Limits
from pilotage.data.quality.report import CheckResult, FailingRow, GateReport, Status, verdict_of

if TYPE_CHECKING:
    import pyarrow as pa

_LONGEST_SHOWN = 200


def run_gate(
    frame: pl.LazyFrame | pl.DataFrame | pa.Table,
    contract: Contract,
    *,
    history: History | None = None,
    limits: Limits | None = None,
    examples: int = 10,
    profile: bool = True,
    now_us: int | None = None,
    engine: Literal["auto", "in-memory", "streaming"] = "auto",
) -> GateReport:
    """Check a table against its contract and, where there is a history, against what was normal so far.

    Parameters
    ----------
    frame
        The table, its types already those of the contract (``data.contracts.conform``). A lazy scan is read by the streaming engine, once.
    history
        The accepted profiles before this table (:func:`pilotage.data.quality.history_of`). None: only what the contract declares is checked; the
        profile is taken all the same, so that a history can begin.
    limits
        How limits are learned from the history; default :class:`Limits`.
    examples
        How many failing rows each failed check names, at most: the first ones.
    profile
        False leaves the profile out where no history asks for it: half of the time or more, and no history can begin from such a report.
    now_us
        What time it is (microseconds, UTC), for freshness and times in the future; see :func:`compile_checks`.
    engine
        Polars' engine; ``auto`` streams scans and works in memory on tables that are there.

    Raises
    ------
    InputError
        If a column is missing, unknown to the contract or of another type, or the contract cannot be compiled.
    """
    lazy, in_memory = _lazy(frame)
    _require_schema(lazy, contract)
    limits = limits or (history.limits if history is not None else None) or Limits()
    compiled = compile_checks(contract, limits=limits, profile=profile or history is not None, now_us=now_us, examples=max(examples, 0))
    way: Literal["in-memory", "streaming"] = ("in-memory" if in_memory else "streaming") if engine == "auto" else engine
    row = lazy.select(compiled.expressions).collect(engine=way).row(0, named=True)
    rows = int(row["rows"])
    results = [_result(check, row, rows) for check in compiled.checks]
    results = _with_examples(lazy, compiled, results, row, k=examples, engine=way)
    results.insert(0, CheckResult("columns and types", "schema", None, "error", "pass", 0.0, None, 0.0, len(contract.columns)))
    measured = compiled.read_profile(row)
    if history is not None and rows:
        results += compare(measured, history, limits=limits)
    return GateReport(
        verdict=verdict_of(results, rows=rows),
        results=tuple(results),
        profile=measured,
        rows=rows,
        contract=contract.ref,
        contract_id=contract.id,
        limits=None if history is None else limits,
        history=() if history is None else history.ids,
    )


def _lazy(frame: pl.LazyFrame | pl.DataFrame | pa.Table) -> tuple[pl.LazyFrame, bool]:
    if isinstance(frame, pl.LazyFrame):
        return frame, False
    if isinstance(frame, pl.DataFrame):
        return frame.lazy(), True
    made = pl.from_arrow(frame)
    if not isinstance(made, pl.DataFrame):
        raise InputError("A gate reads a table, not a single array.")
    return made.lazy(), True


_ACCEPTED: dict[str, tuple[pl.DataType, ...]] = {
    "text": (pl.String(),),
    "int": (pl.Int64(),),
    "float": (pl.Float64(),),
    "bool": (pl.Boolean(),),
    "timestamp": (pl.Datetime("us", "UTC"),),
    "date": (pl.Date(),),
    "binary": (pl.Binary(),),
    "list": (pl.String(),),
    "object": (pl.String(),),
}


def _require_schema(frame: pl.LazyFrame, contract: Contract) -> None:
    schema = frame.collect_schema()
    for name, column in contract.columns.items():
        if name not in schema:
            raise InputError(
                f"The table has no column '{name}'.", where=contract.ref, mend="bring the table into the contract's form first (conform)"
            )
        if schema[name] not in _ACCEPTED[column.type]:
            raise InputError(
                f"The column '{name}' is {schema[name]}, not {column.type}.",
                where=contract.ref,
                mend="bring the table into the contract's form first",
            )
    extra = [name for name in schema if name not in contract.columns]
    if extra:
        raise InputError(
            f"The contract knows nothing of the column '{extra[0]}'.",
            where=contract.ref,
            why="what no contract describes would pass unseen",
            mend="add it to the contract, or leave it out",
        )


def _result(check: CompiledCheck, row: Any, rows: int) -> CheckResult:
    measured = check.measure(row)
    reason = measured.reason
    status: Status
    if rows == 0 and check.kind != "row_count":
        status, reason = "not_assessable", "the table has no rows"
    elif measured.figure is None:
        status = "not_assessable"
    else:
        low, high = check.at_least, check.at_most
        broken = (low is not None and measured.figure < low) or (high is not None and measured.figure > high)
        status, reason = ("fail", check.reason) if broken else ("pass", "")
    return CheckResult(
        check=check.name,
        kind=check.kind,
        column=check.column,
        severity=check.severity,
        status=status,
        figure=None if status == "not_assessable" or measured.figure is None else float(measured.figure),
        at_least=check.at_least,
        at_most=check.at_most,
        n=measured.n,
        reason=reason,
    )


def _with_examples(lazy: pl.LazyFrame, compiled: CompiledChecks, results: list[CheckResult], row: Any, *, k: int, engine: Any) -> list[CheckResult]:
    """The results, the failed ones with their first ``k`` failing rows: the select found most of them, and only those rows are read again."""
    failed = {
        number: check
        for number, (check, result) in enumerate(zip(compiled.checks, results, strict=True))
        if result.status == "fail" and check.failing is not None
    }
    if not failed or k < 1:
        return results
    found = {number: check.found(row) for number, check in failed.items()}
    missing = [
        check.failing.arg_true().head(k).implode().alias(str(number))
        for number, check in failed.items()
        if found[number] is None and check.failing is not None
    ]
    if missing:
        found |= {int(name): rows for name, rows in lazy.select(missing).collect(engine=engine).row(0, named=True).items()}
    contract = compiled.contract
    hidden = {name for name, column in contract.columns.items() if column.personal} | ({contract.subject} if contract.subject else set())
    key = [name for name in contract.key if name not in hidden]
    shown = {number: check.shown for number, check in failed.items() if check.shown is not None and check.shown not in hidden}
    cells = _cells(lazy, sorted({row for rows in found.values() for row in rows or ()}), sorted({*key, *shown.values()}), engine=engine)
    made = list(results)
    for number, check in failed.items():
        rows = tuple(
            FailingRow(
                row=int(each),
                key={name: _shown(cells[each][name]) for name in key} if key and len(key) == len(contract.key) else None,
                value=_shown(cells[each][shown[number]]) if number in shown else None,
                reason=check.reason,
            )
            for each in found[number] or ()
        )
        made[number] = replace(made[number], examples=rows)
    return made


def _cells(lazy: pl.LazyFrame, rows: list[int], columns: list[str], *, engine: Any) -> dict[int, dict[str, Any]]:
    """A few rows' values in some columns, by row number. A table in memory is looked up; a scan is filtered, so that no column is held."""
    if not columns:
        return {row: {} for row in rows}
    if engine == "in-memory":
        found = lazy.select(pl.col(columns).gather(rows)).collect(engine=engine).with_columns(pl.Series(_INDEX, rows))
    else:
        found = lazy.select(columns).with_row_index(_INDEX).filter(pl.col(_INDEX).is_in(rows)).collect(engine=engine)
    return {each[_INDEX]: each for each in found.iter_rows(named=True)}


_INDEX = "\x00row"  # a contract's column names are printable, so this is none of them


def _shown(value: Any) -> Any:
    """A value as it can stand in a report: JSON, short."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str) and len(value) > _LONGEST_SHOWN:
        return f"{value[:_LONGEST_SHOWN]}…"
    return value
