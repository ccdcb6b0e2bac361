"""The one SQL schema: shared metadata, column types and the shape every table has.

A room declares its tables in its own ``tables.py`` with :func:`table`. Every table carries the workspace key first in its primary key, who made the
row and when, so that a query without a workspace is visibly wrong and a row's origin is never in doubt. Migrations (``store/migrations``) create
what these declare; a test compares the two.
"""

from __future__ import annotations

from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Integer, MetaData, Table, Text
from sqlalchemy.schema import SchemaItem
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


def json_text(value: Any) -> str:
    """``value`` as the text a JSON column holds."""
    return _encode(value).decode()


class JsonText(TypeDecorator[Any]):
    """A JSON value kept as text: the same bytes on SQLite and PostgreSQL, whatever the driver makes of JSON."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else json_text(value)

    def process_result_value(self, value: Any, dialect: Any) -> Any:
        return None if value is None else _decode(value)


# Time is int64 microseconds since the epoch, UTC.
TimeUs = BigInteger


def table(name: str, *items: SchemaItem, key: str | tuple[str, ...] = "id") -> Table:
    """Declare a table of this schema.

    ``key`` names the columns (text, unless declared in ``items``) that, with the workspace, are the primary key.
    """
    keys = (key,) if isinstance(key, str) else key
    declared = {item.name for item in items if isinstance(item, Column)}
    key_columns = [Column(part, Text, primary_key=True) for part in keys if part not in declared]
    for item in items:
        if isinstance(item, Column) and item.name in keys:
            item.primary_key = True
            item.nullable = False
    return Table(
        name,
        metadata,
        Column("workspace_id", Text, primary_key=True),
        *key_columns,
        *(item for item in items if isinstance(item, Column)),
        Column("created_by", Text, nullable=False),
        Column("created_at", TimeUs, nullable=False),
        *(item for item in items if not isinstance(item, Column)),
    )


workspace = Table(
    "workspace",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("created_by", Text, nullable=False),
    Column("created_at", TimeUs, nullable=False),
    # Why nothing may be written, where somebody or a failed verification has closed the workspace; null while it is open.
    Column("sealed_reason", Text),
    Column("lock_version", Integer, nullable=False, default=1),
)
