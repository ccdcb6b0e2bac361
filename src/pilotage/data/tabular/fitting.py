"""Rows on their way into a table: they must have the contract's columns and types.

What needs judgement (casts, units, levels, zones) was decided before, by the contract's ``conform``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from pilotage.core import InputError
from pilotage.data.contracts import Contract

_MEND = "bring the rows into the contract's form first: pilotage.data.contracts.conform says which cells do not fit, and why"


def fit(data: pa.Table | pa.RecordBatch | Iterable[pa.RecordBatch], contract: Contract, *, where: str) -> Iterator[pa.RecordBatch]:
    """The rows as batches with exactly the contract's columns, in its order.

    Narrower numbers, other time units and other text layouts are widened where no value changes.

    Raises
    ------
    InputError
        If a column is unknown, missing or of another type, a null is where none may be, or a timestamp has no zone.
    """
    schema = contract.arrow_schema()
    if isinstance(data, pa.Table):
        data = data.to_batches(max_chunksize=65_536) or [pa.RecordBatch.from_pylist([], schema=data.schema)]
    elif isinstance(data, pa.RecordBatch):
        data = [data]
    elif not hasattr(data, "__iter__") or isinstance(data, str | bytes):
        raise InputError(f"Rows of a table come as Arrow, not as {type(data).__name__}.", where=where, mend="give a pyarrow.Table or record batches")
    for batch in data:
        if not isinstance(batch, pa.RecordBatch):
            raise InputError(
                f"Rows of a table come as Arrow record batches, not as {type(batch).__name__}.",
                where=where,
                why="Python objects would have to be pickled or guessed at",
                mend="give a pyarrow.Table or record batches",
            )
        _require_columns(batch.schema, schema, where)
        columns = [_fit_column(batch.column(field.name), field, where) for field in schema]
        yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _require_columns(given: pa.Schema, wanted: pa.Schema, where: str) -> None:
    doubled = sorted({name for name in given.names if given.names.count(name) > 1})
    unknown = [name for name in given.names if name not in wanted.names]
    missing = [name for name in wanted.names if name not in given.names]
    for names, what in ((doubled, "There twice"), (unknown, "Not in the contract"), (missing, "Missing")):
        if names:
            raise InputError(f"{what}: the column{'s' if len(names) > 1 else ''} {', '.join(names[:20])}.", where=where, mend=_MEND)


def _fit_column(column: pa.Array, field: pa.Field, where: str) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.type != field.type:
        if not _same_family(column.type, field.type):
            zone = " without a time zone" if pa.types.is_timestamp(column.type) and column.type.tz is None else ""
            raise InputError(f"The column '{field.name}' is {column.type}{zone}; the contract says {field.type}.", where=where, mend=_MEND)
        try:
            column = column.cast(field.type)
        except pa.ArrowInvalid as error:
            raise InputError(f"A value of '{field.name}' does not fit {field.type}: {str(error)[:200]}.", where=where, mend=_MEND) from error
    if not field.nullable and column.null_count:
        raise InputError(f"{column.null_count} values of '{field.name}' are null, which the contract does not allow.", where=where, mend=_MEND)
    return column


def _same_family(given: Any, wanted: Any) -> bool:
    kinds = pa.types
    if kinds.is_null(given):
        return True
    if kinds.is_string(wanted):
        return bool(kinds.is_string(given) or kinds.is_large_string(given) or kinds.is_string_view(given))
    if kinds.is_large_binary(wanted):
        return bool(kinds.is_binary(given) or kinds.is_binary_view(given) or kinds.is_fixed_size_binary(given))
    if kinds.is_int64(wanted):
        return bool(kinds.is_integer(given))
    if kinds.is_float64(wanted):
        return bool(kinds.is_floating(given))
    if kinds.is_timestamp(wanted):
        return bool(kinds.is_timestamp(given) and given.tz is not None)
    if kinds.is_date32(wanted):
        return bool(kinds.is_date64(given))
    return False
