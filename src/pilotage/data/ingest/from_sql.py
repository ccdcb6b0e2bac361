"""Rows of a database: one SELECT, streamed in chunks, in a transaction that may only read.

With a watermark only what lies beyond the last row taken is read, in its order. The rows are kept in a temporary folder first, so that the digest of
the whole delivery is known before any of them is staged.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from sqlalchemy import Connection, Select, create_engine, func, literal_column, select, text
from sqlalchemy import table as any_table
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.sql import column, quoted_name

from pilotage.core import InputError, Unavailable
from pilotage.data.ingest.allowed import require_allowed
from pilotage.data.ingest.chunk import CHUNK_ROWS, BadRow, Chunk, Expected, RowsToChunk, json_row
from pilotage.data.ingest.delivery import Cursor, Delivery, Nothing, require_secret
from pilotage.data.ingest.source import SqlSource


@dataclass(frozen=True)
class _Piece:
    file: Path
    lines: np.ndarray
    bad: tuple[BadRow, ...]


def deliver_sql(source: SqlSource, *, expected: Expected, folder: Path, cursor: Cursor | None) -> Delivery | Nothing:
    """What the query finds now.

    Raises
    ------
    Unavailable
        If the database cannot be reached.
    InputError
        If the URL or the statement is wrong, a row has no watermark, or there are more rows than the limit.
    """
    label = source.table or "query"
    where = f"source '{source.name}' ({source.url_env})"
    try:
        engine = create_engine(_url(source, where))
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise InputError(
            "The database's URL cannot be used.", where=where, mend="set the variable to a SQLAlchemy URL whose driver is installed"
        ) from error
    spool: _Spool | None = None
    try:
        with engine.connect() as conn:
            _only_read(conn)
            since = None if cursor is None or cursor.get("column") != source.watermark else _unpacked(cursor)
            spool = _Spool(source, expected=expected, folder=folder, label=label, where=where)
            spool.take(conn, since)
    except DBAPIError as error:
        if spool is None or error.connection_invalidated or "locked" in str(error.orig):
            raise Unavailable(f"The database did not answer: {_first_line(error)}", where=where, mend="check that it runs, and try again") from error
        raise InputError(f"The database refused the query: {_first_line(error)}", where=where, mend="mend the query") from error
    except SQLAlchemyError as error:
        raise InputError(f"The query cannot be used: {str(error).splitlines()[0][:300]}", where=where, mend="mend the query") from error
    finally:
        engine.dispose()
    if spool.rows == 0:
        return Nothing("the query finds no new rows", cursor)
    after = cursor if source.watermark is None else _packed(source.watermark, spool.last)
    return Delivery(label=label, digest=spool.digest, size=spool.rows, read=spool.read, cursor=after)


class _Spool:
    def __init__(self, source: SqlSource, *, expected: Expected, folder: Path, label: str, where: str) -> None:
        self._source = source
        self._expected = expected
        self._folder = folder
        self._label = label
        self._where = where
        self._pieces: list[_Piece] = []
        self._sum = 0
        self.rows = 0
        self.last: Any = None

    @property
    def digest(self) -> str:
        """Of the rows in any order: a database owes us none."""
        return hashlib.sha256(f"sql {self.rows} {self._sum:032x}".encode()).hexdigest()

    def take(self, conn: Connection, since: Any) -> None:
        self._require_watermarks(conn)
        result = conn.execution_options(stream_results=True, yield_per=8192).execute(_statement(self._source, since))
        names = list(result.keys())
        doubled = [name for name in names if names.count(name) > 1]
        if doubled:
            raise InputError(f"The query gives the column '{doubled[0]}' twice.", where=self._where, mend="name it with AS")
        if self._source.watermark is not None and self._source.watermark not in names:
            raise InputError(f"The query gives no column '{self._source.watermark}'.", where=self._where, why="it is the watermark", mend="select it")
        wanted = set(self._expected.take(names, where=self._where))
        rows = RowsToChunk(self._expected, source=self._label)
        for found in result.mappings():
            self.rows += 1
            if self.rows > self._source.limits.rows:
                raise InputError(
                    f"The query gives more than {self._source.limits.rows} rows.", where=self._where, mend="narrow it, or raise the limit"
                )
            row = {name: _plain(value) for name, value in found.items() if name in wanted}
            self._sum = (self._sum + int.from_bytes(hashlib.blake2b(json_row(row).encode(), digest_size=16).digest(), "big")) % (1 << 128)
            if self._source.watermark is not None:
                self.last = found[self._source.watermark]
            rows.add(self.rows, row)
            if len(rows) >= CHUNK_ROWS:
                self._keep(rows)
        if len(rows):
            self._keep(rows)

    def _require_watermarks(self, conn: Connection) -> None:
        if self._source.watermark is None:
            return
        base = _base(self._source)
        count = conn.execute(select(func.count()).select_from(base).where(_watermark(self._source).is_(None))).scalar()
        if count:
            raise InputError(
                f"{count} rows have no '{self._source.watermark}'.",
                where=self._where,
                why="a row without a watermark would never be read",
                mend="leave such rows out in the query, or use a column that is always there",
            )

    def _keep(self, rows: RowsToChunk) -> None:
        chunk = rows.chunk(self.rows)
        file = self._folder / f"{len(self._pieces):06d}.parquet"
        pq.write_table(chunk.table, file)
        self._pieces.append(_Piece(file, chunk.lines, chunk.bad))

    def read(self) -> Iterator[Chunk]:
        done = 0
        for piece in self._pieces:
            done += len(piece.lines) + len(piece.bad)
            yield Chunk(self._label, pq.read_table(piece.file), piece.lines, piece.bad, done)


def _url(source: SqlSource, where: str) -> Any:
    url = make_url(require_secret(source.url_env))
    if url.get_backend_name() == "sqlite" and url.database and url.database != ":memory:":
        real = require_allowed(Path(url.database), within=source.within)
        url = url.set(database=f"file:{real}", query={"mode": "ro", "uri": "true"})
    return url


def _only_read(conn: Connection) -> None:
    name = conn.dialect.name
    if name == "sqlite":
        conn.exec_driver_sql("PRAGMA query_only=ON")
    elif name == "postgresql":
        conn.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    elif name in ("mysql", "mariadb"):
        conn.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")


def _base(source: SqlSource) -> Any:
    if source.table is not None:
        schema, _, name = source.table.rpartition(".")
        return any_table(quoted_name(name, True), schema=quoted_name(schema, True) if schema else None)
    return text(f"({_bare(source)}) AS delivered")


def _bare(source: SqlSource) -> str:
    """The statement, in which a colon begins no parameter."""
    return (source.query or "").strip().rstrip(";").replace(":", "\\:")


def _watermark(source: SqlSource) -> Any:
    return column(quoted_name(str(source.watermark), True))


def _statement(source: SqlSource, since: Any) -> Any:
    if source.watermark is None and source.query is not None:
        return text(_bare(source))
    statement: Select[Any] = select(literal_column("*")).select_from(_base(source))
    if source.watermark is not None:
        mark = _watermark(source)
        if since is not None:
            statement = statement.where(mark >= since if source.write == "upsert" else mark > since)
        statement = statement.order_by(mark)
    return statement


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else bytes(value) if isinstance(value, memoryview) else value


_KINDS: dict[str, Any] = {"datetime": datetime.fromisoformat, "date": date.fromisoformat, "Decimal": Decimal}


def _packed(name: str, value: Any) -> dict[str, Any]:
    """The watermark as JSON."""
    if isinstance(value, bool) or not isinstance(value, int | float | str | datetime | date | Decimal):
        raise InputError(f"The watermark '{name}' is {type(value).__name__}, which has no order.", mend="use a number, a text or a time")
    if isinstance(value, int | float | str):
        return {"column": name, "value": value}
    return {"column": name, "kind": type(value).__name__, "value": str(value)}


def _unpacked(cursor: Mapping[str, Any]) -> Any:
    kind = cursor.get("kind")
    return cursor["value"] if kind is None else _KINDS[kind](cursor["value"])


def _first_line(error: DBAPIError) -> str:
    return str(error.orig).splitlines()[0][:300] if str(error.orig) else type(error.orig).__name__
