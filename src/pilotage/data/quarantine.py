"""Rows that were not taken in: where they stood, what was wrong, and the beginning of what was there."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from pilotage.data.catalogue import load_version
from pilotage.data.tables import dataset_quarantine
from pilotage.store import Workspace

RAW_CHARACTERS = 500


@dataclass(frozen=True)
class QuarantinedRow:
    """One row that was set aside.

    ``line`` counts from 1 (of a Parquet file: the row). ``field`` is None where the whole row is at fault. ``raw`` is its first 500 characters, with
    bytes that are not UTF-8 written ``\\xNN``.
    """

    source: str
    line: int
    field: str | None
    reason: str
    raw: str

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" + (f" field '{self.field}'" if self.field else "") + f": {self.reason}"


def quarantine(workspace: Workspace, ref: str, *, offset: int = 0, limit: int = 100) -> list[QuarantinedRow]:
    """The rows set aside when the version was imported, in the order of the file."""
    version = load_version(workspace, ref)
    table = dataset_quarantine
    query = (
        select(table)
        .where(table.c.workspace_id == workspace.id, table.c.version_id == version.id)
        .order_by(table.c.position)
        .offset(offset)
        .limit(limit)
    )
    with workspace.read() as conn:
        found = conn.execute(query).all()
    return [QuarantinedRow(source=row.source, line=row.line, field=row.field, reason=row.reason, raw=row.raw or "") for row in found]


def shorten(raw: bytes | str) -> str:
    """The beginning of ``raw`` as text that can be stored and shown: no NUL (PostgreSQL has none), no lone surrogates."""
    if isinstance(raw, bytes):
        text = raw[: 4 * RAW_CHARACTERS].decode("utf-8", errors="backslashreplace")
    else:
        text = raw[:RAW_CHARACTERS].encode("utf-8", errors="backslashreplace").decode()
    return text.replace("\0", "\\x00")[:RAW_CHARACTERS]
