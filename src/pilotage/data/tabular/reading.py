"""Reading a table: as a lazy frame, whole, a page, a row, or one cell of audio or a document.

Every reader checks the version's digest first (:mod:`.checking`). Columns and filters are pushed down, so only what is asked for is read.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from pilotage.core import InputError, IntegrityError, NotFound
from pilotage.data.contracts import Contract
from pilotage.data.tabular.checking import open_checked
from pilotage.data.tabular.filters import compile_filter, equals
from pilotage.data.tabular.keys import frame_of, key_text, key_values
from pilotage.data.tabular.lance_files import ADDRESS, LanceVersion
from pilotage.data.tabular.places import contract_of_version, load_table
from pilotage.data.version import Version
from pilotage.store import Workspace

if TYPE_CHECKING:
    import polars as pl

MAX_PAGE = 1000
_BLOBS_AT_ONCE = 16


@dataclass(frozen=True)
class BlobInPage:
    """What a page shows of a binary cell: its size in bytes and the BLAKE2b-128 of its content (hex). :func:`read_blob` gives the bytes."""

    size: int
    blake2b: str


@dataclass(frozen=True)
class TablePage:
    """Rows ``offset`` to ``offset + len(rows)`` of the ``total`` that keep the filter. Binary cells are :class:`BlobInPage`."""

    version_id: str
    columns: tuple[str, ...]
    offset: int
    total: int
    rows: tuple[dict[str, Any], ...]

    @property
    def next_offset(self) -> int | None:
        """Where the next page starts, or None after the last one."""
        after = self.offset + len(self.rows)
        return after if self.rows and after < self.total else None

    def to_dict(self) -> dict[str, Any]:
        """The page as plain data; times and dates in ISO 8601."""
        return {
            "version_id": self.version_id,
            "columns": list(self.columns),
            "offset": self.offset,
            "total": self.total,
            "next_offset": self.next_offset,
            "rows": [plain_row(row) for row in self.rows],
        }


def plain_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as plain data that JSON can hold; times and dates in ISO 8601, NaN and infinities as text."""
    return {name: _plain(value) for name, value in row.items()}


def read_table(workspace: Workspace, ref: str, *, columns: Sequence[str] | None = None, where: str | None = None) -> pa.Table:
    """The version's rows in memory, or some columns of them, or those that keep the filter ``where`` (grammar: :mod:`.filters`).

    Raises ``NotFound``, ``Refused`` (withdrawn), ``IntegrityError`` (changed files), ``InputError`` (unknown column, bad filter).
    """
    _, contract, view = _open(workspace, ref, columns)
    return view.table(columns=columns, where=_compiled(where, contract))


def table_batches(workspace: Workspace, ref: str, *, columns: Sequence[str] | None = None, where: str | None = None) -> Iterator[pa.RecordBatch]:
    """As :func:`read_table`, as a stream. Memory: one batch."""
    _, contract, view = _open(workspace, ref, columns)
    return view.batches(columns=columns, where=_compiled(where, contract))


def scan(workspace: Workspace, ref: str, *, columns: Sequence[str] | None = None, where: str | None = None) -> pl.LazyFrame:
    """The version as a lazy Polars frame: what is selected and how many rows are taken is pushed down into the files, and it runs in streams.

    The version is opened and checked now; the rows are read when the frame is collected. Raises as :func:`read_table`.
    """
    from polars.io.plugins import register_io_source

    _, contract, view = _open(workspace, ref, columns)
    names = list(columns) if columns is not None else contract.arrow_schema().names
    condition = _compiled(where, contract)
    empty = frame_of(pa.schema([contract.arrow_schema().field(name) for name in names]).empty_table())

    def source(wanted: list[str] | None, predicate: pl.Expr | None, most: int | None, _batch: int | None) -> Iterator[pl.DataFrame]:
        limit = most if predicate is None else None
        left = most
        for batch in view.batches(columns=wanted if wanted is not None else names, where=condition, limit=limit):
            frame = frame_of(pa.Table.from_batches([batch]))
            if predicate is not None:
                frame = frame.filter(predicate)
            if left is not None:
                frame, left = frame.head(left), left - min(left, frame.height)
            yield frame
            if left == 0:
                return

    return register_io_source(source, schema=empty.schema, is_pure=True)


def table_page(
    workspace: Workspace,
    ref: str,
    *,
    offset: int = 0,
    limit: int = 50,
    order_by: str | None = None,
    descending: bool = False,
    where: str | None = None,
    columns: Sequence[str] | None = None,
) -> TablePage:
    """Some rows of a version, for people. A page beyond the end is empty.

    Without ``order_by`` the order is that of the files, the same every time, and the page costs milliseconds wherever it lies. Ordered by a column,
    that column is sorted (0.2 s a million rows; equal values stay in the files' order, nulls come last).

    Raises ``InputError`` for a limit outside 1 to 1000, an unknown or binary ``order_by``, or a filter that is not in the grammar; else as
    :func:`read_table`.
    """
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise InputError(f"No such page: offset {offset}, limit {limit}.", mend=f"offset from 0, limit from 1 to {MAX_PAGE}")
    version, contract, view = _open(workspace, ref, columns)
    names = tuple(columns) if columns is not None else tuple(contract.columns)
    condition = _compiled(where, contract)
    total = version.rows if condition is None else view.count(condition)
    if order_by is None:
        chosen = np.asarray(view.table(columns=[], where=condition, addresses=True, offset=offset, limit=limit)[ADDRESS])
    else:
        chosen = _ordered(view, contract, order_by, descending=descending, where=condition)[offset : offset + limit]
    rows = readable_rows(view, contract, chosen, columns=names)
    return TablePage(version_id=version.id, columns=names, offset=offset, total=total, rows=tuple(rows))


def row_by_key(workspace: Workspace, ref: str, *, key: Any, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """The row with this key: a value, one value a key column (sequence or mapping), or the key's text. Binary cells are :class:`BlobInPage`.

    Raises ``NotFound`` if the version has none, ``InputError`` if the key does not fit or names several rows.
    """
    version, contract, view = _open(workspace, ref, columns)
    found = _row(view, contract, version, key, list(contract.key))
    return readable_rows(view, contract, np.asarray(found[ADDRESS]), columns=columns)[0]


def read_blob(workspace: Workspace, ref: str, *, key: Any, column: str) -> bytes | None:
    """One binary cell: audio, a document. None where it is null. Reads that cell only. Raises as :func:`row_by_key`."""
    version, contract, view = _open(workspace, ref, [column])
    if contract.columns[column].type != "binary":
        raise InputError(f"The column '{column}' is {contract.columns[column].type}, not binary.", mend="row_by_key gives its value")
    value: bytes | None = _row(view, contract, version, key, [column])[column][0].as_py()
    return value


def _open(workspace: Workspace, ref: str, columns: Sequence[str] | None) -> tuple[Version, Contract, LanceVersion]:
    version = load_table(workspace, ref)
    contract = contract_of_version(version)
    require_columns(columns, contract, version)
    return version, contract, open_checked(workspace, version)


def readable_rows(
    view: LanceVersion, contract: Contract, addresses: np.ndarray[Any, Any], *, columns: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """The rows at these addresses, for people: binary cells as :class:`BlobInPage`."""
    names = list(columns) if columns is not None else list(contract.columns)
    light = [name for name in names if contract.columns[name].type != "binary"]
    rows = view.at(addresses, columns=light).to_pylist() if light else [{} for _ in addresses]
    for name in names:
        if name not in light:
            for row, cell in zip(rows, _shown_blobs(view, name, addresses), strict=True):
                row[name] = cell
    return [{name: row[name] for name in names} for row in rows]


def require_columns(columns: Sequence[str] | None, contract: Contract, version: Version) -> None:
    """Raise ``InputError`` if a column is not in the contract, is named twice, or none is named."""
    if columns is None:
        return
    unknown = [name for name in columns if name not in contract.columns]
    if unknown:
        raise InputError(f"{version.ref} has no column {', '.join(map(repr, unknown))}.", mend=f"it has: {', '.join(contract.columns)}")
    if not columns or len(set(columns)) != len(columns):
        raise InputError("Name at least one column, and each once.")


def _compiled(where: str | None, contract: Contract) -> str | None:
    return None if where is None or not where.strip() else compile_filter(where, contract.columns)


def _row(view: LanceVersion, contract: Contract, version: Version, key: Any, columns: Sequence[str]) -> pa.Table:
    values = key_values(key, contract)
    found = view.table(columns=list(columns), where=equals(contract.key, values), addresses=True, limit=2)
    if found.num_rows == 0:
        raise NotFound(f"There is no row {key_text(values)!r} in {version.ref}.", where=version.id, mend="ask why_not_here what became of it")
    if found.num_rows > 1:
        raise InputError(f"Several rows of {version.ref} have the key {key_text(values)!r}: its contract does not say that a key names one row.")
    return found


def _ordered(view: LanceVersion, contract: Contract, name: str, *, descending: bool, where: str | None) -> np.ndarray[Any, Any]:
    """The addresses of all rows in the order of a column."""
    if name not in contract.columns or contract.columns[name].type == "binary":
        raise InputError(f"Rows cannot be put in the order of {name!r}.", mend=f"use one of: {', '.join(contract.columns)}")
    frame = frame_of(view.table(columns=[name], where=where, addresses=True))
    addresses: np.ndarray[Any, Any] = frame.sort(name, descending=descending, nulls_last=True, maintain_order=True)[ADDRESS].to_numpy()
    return addresses


def _shown_blobs(view: LanceVersion, name: str, addresses: np.ndarray[Any, Any]) -> list[BlobInPage | None]:
    """Size and hash of binary cells, a few in memory at a time."""
    shown: list[BlobInPage | None] = []
    for start in range(0, len(addresses), _BLOBS_AT_ONCE):
        for value in view.at(addresses[start : start + _BLOBS_AT_ONCE], columns=[name])[name]:
            held = value.as_buffer()
            shown.append(None if held is None else BlobInPage(held.size, hashlib.blake2b(held, digest_size=16).hexdigest()))
    return shown


def _plain(value: Any) -> Any:
    if isinstance(value, BlobInPage):
        return {"size": value.size, "blake2b": value.blake2b}
    if isinstance(value, bytes):
        raise IntegrityError("A page holds bytes.", why="binary cells are shown by size and hash only")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value
