"""Drafting, with Polars: one column after the other, then keys and times."""

from __future__ import annotations

import itertools
import math
import re
from typing import Any

import polars as pl
import pyarrow as pa

from pilotage.core import InputError
from pilotage.data.contracts.casting import cast
from pilotage.data.contracts.contract import Column
from pilotage.data.contracts.inferring import TO_CONFIRM
from pilotage.data.contracts.units import units

_MOST_LEVELS = 50
_LEAST_REPEATS = 10
_LONGEST_LEVEL = 60
_MARGIN = 0.1
_LARGEST_BOUND = 2.0**50  # whole numbers and floats are still the same there

_PERSONAL = re.compile(
    r"e?mail|phone|mobile|first_?name|last_?name|full_?name|surname|address|street|birth|ssn|iban|passport|ip_addr|licen[cs]e_plate"
)
_SUBJECT = re.compile(r"(user|customer|client|patient|person|member|subject|account|employee|rider|passenger|student)(_?(id|key|no|number))?")
_KEY = re.compile(r"(^|_)(id|key|uuid|guid|no|number|code)$")
_AVAILABLE = re.compile(r"avail|ingest|load|receiv|arriv|insert|record|known|process|publish|updated|written")
_EVENT = re.compile(r"event|occur|happen|^at$|_at$|time|timestamp|date|created|start|pickup|_ts$|^ts$")

# The last word of a name -> unit; some only after a word that says what is measured.
_BY_NAME = {
    **dict.fromkeys(("km", "kms", "kilometers", "kilometres"), "km"),
    **dict.fromkeys(("miles", "mile"), "mi"),
    **dict.fromkeys(("meters", "metres", "meter", "metre"), "m"),
    **dict.fromkeys(("s", "sec", "secs", "seconds"), "s"),
    **dict.fromkeys(("mins", "minutes"), "min"),
    **dict.fromkeys(("hr", "hrs", "hours"), "h"),
    **dict.fromkeys(("pct", "percent", "percentage"), "percent"),
    **dict.fromkeys(("lb", "lbs", "pounds"), "lb"),
    **{
        word: word
        for word in ("cm", "mm", "ft", "yd", "kg", "g", "mg", "oz", "ms", "us", "hpa", "kpa", "psi", "bar", "kwh", "kw", "mw", "ha", "acre", "bp")
    },
    "hpa": "hPa",
    "kpa": "kPa",
    "kwh": "kWh",
    "kw": "kW",
    "mw": "MW",
    "days": "d",
    "kmh": "km/h",
    "kph": "km/h",
    "mph": "mi/h",
    "bps": "bp",
    "celsius": "degC",
    "fahrenheit": "degF",
    "kelvin": "K",
    "bytes": "B",
    "kb": "kB",
    "mb": "MB",
    "gb": "GB",
    "liters": "L",
    "litres": "L",
    "ml": "mL",
    "m2": "m2",
    "sqm": "m2",
    "sqft": "ft2",
    "count": "count",
    "cents": "",
    "deg": "deg",
}
_AFTER = (
    (re.compile(r"temp|dew|feels"), {"c": "degC", "f": "degF", "k": "K"}),
    (re.compile(r"dist|length|height|width|depth|alt|elev|radius|range"), {"m": "m", "mi": "mi", "in": "in"}),
    (re.compile(r"weight|mass"), {"t": "t"}),
    (re.compile(r"dur|wait|time|delay|age|latency"), {"m": "min", "min": "min", "h": "h", "d": "d"}),
    (re.compile(r"vol|capacity|tank"), {"l": "L"}),
    (re.compile(r"power|load"), {"w": "W"}),
)


def draft(table: pa.Table, *, name: str, owner: str) -> dict[str, Any]:
    """The content of the drafted contract."""
    if len(set(table.column_names)) != table.num_columns:
        raise InputError("Two columns have the same name.", where=name, mend="rename one")
    columns: dict[str, dict[str, Any]] = {}
    values: dict[str, pl.Series] = {}
    for column in table.column_names:
        columns[column], values[column] = _column(column, table.column(column))
    found: dict[str, Any] = {"name": name, "version": 1, "owner": owner}
    key = _key(columns, values)
    for column in key:
        # A key names; it has no range.
        columns[column] = {field: value for field, value in columns[column].items() if field not in ("minimum", "maximum", "levels", "level_policy")}
    found |= {"key": key} | _times(columns, values)
    subject = next((column for column in columns if _SUBJECT.fullmatch(_words(column)) and columns[column]["type"] in ("text", "int")), None)
    if subject is not None:
        found["subject"] = subject
        _confirm(columns[subject], "the person a row is about?")
    found["description"] = f"Drafted from {table.num_rows} rows. To be confirmed: owner, key, times, and every column tagged '{TO_CONFIRM}'."
    return {**found, "columns": columns}


def _column(name: str, data: pa.ChunkedArray) -> tuple[dict[str, Any], pl.Series]:
    rule, done, notes = _type(name, data)
    column: dict[str, Any] = {"type": rule.type, "nullable": done.null_count() > 0}
    if rule.zone is not None:
        column["zone"] = rule.zone
    words = _words(name)
    there = done.drop_nulls()
    if rule.type in ("int", "float"):
        if not (_KEY.search(words) or _SUBJECT.fullmatch(words)):
            column |= _range(there, whole=rule.type == "int")
        unit = _unit(words)
        if unit is not None:
            column["unit"] = unit
            notes.append(f"the unit {unit} is a guess from the name")
    if rule.type == "text" and _PERSONAL.search(words):
        column["personal"] = True
        notes.append("personal data?")
    elif rule.type == "text" and len(there) >= _LEAST_REPEATS:
        levels = there.unique().sort()
        if len(levels) <= min(_MOST_LEVELS, len(there) // _LEAST_REPEATS) and (levels.str.len_chars().max() or 0) <= _LONGEST_LEVEL:  # type: ignore[operator]
            column |= {"levels": levels.to_list(), "level_policy": "review"}
    for note in notes:
        _confirm(column, note)
    return column, done


def _type(name: str, data: pa.ChunkedArray) -> tuple[Column, pl.Series, list[str]]:
    """The narrowest type that every value has, the values, and what is guessed in it."""
    kind = data.type
    notes = ["decimals become floats; money is better kept as whole minor units"] if pa.types.is_decimal(kind) else []
    text = pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind) or pa.types.is_dictionary(kind)
    filled = len(data) - data.null_count
    if pa.types.is_null(kind) or not filled:
        return Column(type="text", nullable=True), pl.Series(values=[None] * len(data), dtype=pl.String), ["no value was there: the type is a guess"]
    for wanted in ("bool", "int", "float", "timestamp", "date", "binary", "list", "object", "text"):
        if text and wanted != "text" and not _looks_like(wanted, data):
            continue
        if not text and wanted == "bool" and not pa.types.is_boolean(kind):
            continue
        if not text and wanted == "int" and not pa.types.is_integer(kind):
            continue
        for zone in (None, "UTC") if wanted == "timestamp" else (None,):
            rule = Column(type=wanted, zone=zone, nullable=True)
            done = cast(data, rule)
            if done.faults:
                continue
            if zone is not None:
                notes.append("times arrive without a zone: taken as UTC")
            return rule, done.values, notes
    raise InputError(
        f"The column '{name}' is of a type no contract has: {kind}.", mend="cast it to text, a number, a time, a date, bytes, a list or an object"
    )


def _looks_like(wanted: str, data: pa.ChunkedArray) -> bool:
    """What text must look like beyond being castable, so that codes stay codes."""
    values = pl.Series(pl.from_arrow(data)).cast(pl.String).drop_nulls().str.strip_chars()
    values = values.filter(values != "")
    if not len(values):
        return False
    if wanted == "bool":
        return bool(values.str.to_lowercase().is_in(["true", "false", "t", "f", "yes", "no", "y", "n"]).all())
    if wanted in ("int", "float"):
        # 007 is a code, and so is +49…
        return not bool(values.str.contains(r"^[+-]?0[0-9]|^\+").any())
    if wanted == "binary":
        return False
    if wanted == "list":
        return bool(values.str.starts_with("[").all())
    if wanted == "object":
        return bool(values.str.starts_with("{").all())
    return True


def _range(values: pl.Series, *, whole: bool) -> dict[str, Any]:
    if not len(values):
        return {}
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    if max(abs(low), abs(high)) > _LARGEST_BOUND:
        return {}
    margin = _MARGIN * (high - low) or abs(high) or 1.0
    bottom = 0.0 if low >= 0 and low - margin < 0 else _outward(low - margin, down=True)
    top = 0.0 if high <= 0 and high + margin > 0 else _outward(high + margin, down=False)
    # A draft describes what it saw: no bound may cut that off.
    bottom, top = min(bottom, low), max(top, high)
    return {"minimum": math.floor(bottom), "maximum": math.ceil(top)} if whole else {"minimum": bottom, "maximum": top}


def _outward(value: float, *, down: bool) -> float:
    """``value`` moved outward to two significant digits."""
    if value == 0:
        return 0.0
    step = 10.0 ** (math.floor(math.log10(abs(value))) - 1)
    return float(f"{(math.floor(value / step) if down else math.ceil(value / step)) * step:.12g}")


def _unit(words: str) -> str | None:
    parts = words.split("_")
    last, before = parts[-1], "_".join(parts[:-1])
    if not before:
        return None
    for pattern, by_letter in _AFTER:
        if last in by_letter and pattern.search(before):
            return by_letter[last]
    if last == "cents":
        return next((f"{part.upper()}_minor" for part in parts if f"{part.upper()}_minor" in units()), None)
    if len(last) == 3 and last.upper() in units():
        return last.upper()
    return _BY_NAME.get(last)


def _words(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()).strip("_")


def _confirm(column: dict[str, Any], note: str) -> None:
    column["description"] = "; ".join(part for part in (column.get("description", ""), f"TO CONFIRM: {note}") if part)
    column["tags"] = [TO_CONFIRM]


def _key(columns: dict[str, dict[str, Any]], values: dict[str, pl.Series]) -> list[str]:
    """The first column that names rows: one that is called so before another, one column before a pair."""
    able = [name for name, column in columns.items() if column["type"] in ("text", "int", "timestamp", "date") and not column["nullable"]]
    named = [name for name in able if _KEY.search(_words(name))]
    for name in [*named, *(each for each in able if each not in named and columns[each]["type"] == "text")]:
        if values[name].n_unique() == len(values[name]):
            return [name]
    times = [name for name in able if columns[name]["type"] in ("timestamp", "date")]
    for pair in itertools.islice(itertools.product(named, times), 20):
        if pair[0] != pair[1] and pl.DataFrame([values[each].alias(each) for each in pair]).is_unique().all():
            return list(pair)
    return []


def _times(columns: dict[str, dict[str, Any]], values: dict[str, pl.Series]) -> dict[str, Any]:
    stamps = [name for name, column in columns.items() if column["type"] == "timestamp" and not column["nullable"]]
    if not stamps:
        return {}
    events = [name for name in stamps if not _AVAILABLE.search(_words(name))] or stamps
    # The time of the event: one called so, then one in whose order the rows are.
    event = max(events, key=lambda name: (bool(_EVENT.search(_words(name))), bool(values[name].is_sorted()), -stamps.index(name)))
    found: dict[str, Any] = {"event_time": event}
    _confirm(columns[event], "when it happened?")
    for name in stamps:
        if name != event and _AVAILABLE.search(_words(name)) and bool((values[name] >= values[event]).all()):
            _confirm(columns[name], "when it could be known?")
            return found | {"available_time": name}
    columns[event]["description"] += "; no column says when a row could be known: set available_lag"
    return found | {"available_lag": "0s"}
