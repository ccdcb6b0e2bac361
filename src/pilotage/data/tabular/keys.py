"""Keys of rows: as text (what the removal ledger and people use), as a filter, and checked for doubles, nulls and NaN.

A key of one text column is that text; of one other column, its plain form (``42``, ``true``, ``2026-03-01``, ``2026-03-01T08:00:00+00:00``); of
several columns, the JSON array of those forms.
"""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pilotage.core import InputError

if TYPE_CHECKING:
    import polars as pl

    from pilotage.data.contracts import Contract

SHOWN = 3


def require_keys(keys: pa.Table, contract: Contract, *, where: str) -> None:
    """Raise ``InputError`` if a key is null or NaN, or is there twice where the contract says a key names one row."""
    for name in contract.key:
        column = keys.column(name)
        if column.null_count:
            raise InputError(f"{column.null_count} rows have no '{name}', which is part of the key.", where=where, mend="give every row its key")
        if pa.types.is_floating(column.type) and pc.any(pc.is_nan(column)).as_py():
            raise InputError(
                f"A key is NaN in the column '{name}'.",
                where=where,
                why="NaN is not equal to itself, so it names no row",
                mend="give every row its key",
            )
    if contract.key and contract.unique:
        doubled = frame_of(keys.select(list(contract.key))).is_duplicated()
        if doubled.any():
            some = key_texts(keys.filter(pa.array(doubled.to_numpy())).slice(0, 100), contract)
            personal = any(contract.columns[name].personal for name in contract.key)
            shown = "" if personal else f": {', '.join(list(dict.fromkeys(some))[:SHOWN])}"
            raise InputError(
                f"{int(doubled.sum())} rows share their key ({', '.join(contract.key)}) with another row{shown}.",
                where=where,
                why="the contract says that a key names one row",
                mend="leave the doubles out, or set 'unique: false' in the contract if several rows of a key are meant",
            )


def require_key(contract: Contract, *, what: str) -> None:
    """Raise ``InputError`` unless the contract has a unique key, which ``what`` needs."""
    if not contract.key or not contract.unique:
        raise InputError(f"{what} needs a unique key, and the contract '{contract.name}' has none.", mend="declare 'key' in the contract")


def frame_of(table: pa.Table) -> pl.DataFrame:
    """The table as a Polars frame, without copying."""
    import polars as pl

    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)  # noqa: S101  a table never becomes a series
    return frame


def key_texts(table: pa.Table, contract: Contract) -> list[str]:
    """The key of each row as text."""
    columns = [table.column(name).to_pylist() for name in contract.key]
    if len(columns) == 1:
        return [key_text((value,)) for value in columns[0]] if not _is_plain(table.column(contract.key[0])) else _plain(table.column(contract.key[0]))
    return [key_text(values) for values in zip(*columns, strict=True)]


def _is_plain(column: Any) -> bool:
    return bool(pa.types.is_string(column.type) or pa.types.is_integer(column.type))


def _plain(column: Any) -> list[str]:
    texts: list[str] = column.cast(pa.string()).to_pylist()
    return texts


def key_text(values: Sequence[Any]) -> str:
    """One key as text."""
    plain = [_plain_value(value) for value in values]
    return plain[0] if len(plain) == 1 else json.dumps(plain, ensure_ascii=False, separators=(",", ":"))


def _plain_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat()
    if isinstance(value, dt.date):
        return value.isoformat()
    return repr(value) if isinstance(value, float) else str(value)


def key_values(key: Any, contract: Contract) -> tuple[Any, ...]:
    """A key as somebody gave it (a value, a sequence, a mapping by column, or its text), as one value of the right type a column.

    Raises ``InputError`` if it does not fit.
    """
    if type(key) is str and len(contract.key) == 1 and contract.columns[contract.key[0]].type == "text":
        return (key,)
    if not contract.key:
        raise InputError(f"The contract '{contract.name}' has no key, so no row can be asked for by one.")
    if isinstance(key, Mapping):
        if set(key) != set(contract.key):
            raise InputError(f"A key here is {', '.join(contract.key)}, not {', '.join(map(str, key))}.")
        given = [key[name] for name in contract.key]
    elif isinstance(key, list | tuple):
        given = list(key)
    elif len(contract.key) > 1 and isinstance(key, str) and key.startswith("["):
        given = _from_json(key)
    else:
        given = [key]
    if len(given) != len(contract.key):
        raise InputError(f"A key here has {len(contract.key)} parts ({', '.join(contract.key)}), not {len(given)}.")
    return tuple(
        as_type(value, contract.columns[name].type, what=f"the key column '{name}'") for name, value in zip(contract.key, given, strict=True)
    )


def _from_json(text: str) -> list[Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise InputError(f"Not a key: {text[:100]!r}.", mend='write several columns as JSON: ["a","1"]') from error
    return list(found)


def as_type(value: Any, kind: str, *, what: str) -> Any:
    """``value`` as a Python value of the contract's type ``kind``; text is read where it is not text. Raises ``InputError`` if it does not fit."""
    try:
        if kind in ("text", "list", "object") and isinstance(value, str):
            return value
        if (
            kind == "int"
            and not isinstance(value, bool)
            and (isinstance(value, int) or (isinstance(value, str) and value.strip().lstrip("+-").isdecimal()))
        ):
            number = int(value)
            if -(2**63) <= number < 2**63:
                return number
        if kind == "float" and not isinstance(value, bool) and isinstance(value, int | float | str):
            real = float(value)
            if not math.isnan(real):
                return real
        if kind == "bool" and (isinstance(value, bool) or value in ("true", "false")):
            return value if isinstance(value, bool) else value == "true"
        if kind == "timestamp":
            moment = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
            if moment.tzinfo is not None:
                return moment.astimezone(dt.UTC)
        if kind == "date" and not isinstance(value, dt.datetime):
            return value if isinstance(value, dt.date) else dt.date.fromisoformat(value)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{str(value)[:100]!r} is not a value of {what}, which is {kind}.", mend="times need a zone: 2026-03-01T08:00:00Z")
