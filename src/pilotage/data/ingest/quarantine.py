"""The rows that batches set aside: listing, counting, trying again under a mended contract, and erasing.

What is listed is shortened and shows no personal column. The row in full is kept apart, for a retry, until it is erased.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, update

from pilotage.core import InputError
from pilotage.data.contracts import Contract, contract_of
from pilotage.data.ingest.batch import Batch, batch_id, load_batch
from pilotage.data.ingest.chunk import CHUNK_ROWS, Chunk, Expected, RowsToChunk
from pilotage.data.ingest.conforming import Conformer
from pilotage.data.ingest.delivery import Delivery
from pilotage.data.ingest.ingesting import take_rows
from pilotage.data.ingest.publishing import config_of
from pilotage.data.ingest.staging import staged_frame
from pilotage.data.ingest.tables import ingest_batch, ingest_quarantine
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

ERASED = "(erased)"


@dataclass(frozen=True)
class SetAside:
    """One row in quarantine. ``line`` counts from 1 in ``source``; ``code`` is the kind of reason; ``raw`` is shortened and masked."""

    batch_id: str
    position: int
    source: str
    line: int
    field: str | None
    code: str
    reason: str
    raw: str
    retried_as: str | None
    erased_at: int | None

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" + (f" field '{self.field}'" if self.field else "") + f": {self.reason}"


@dataclass(frozen=True)
class SetAsidePage:
    """Some rows of the quarantine, in order, and how many there are in all."""

    rows: tuple[SetAside, ...]
    total: int
    offset: int


@dataclass(frozen=True)
class ReasonCount:
    """How many rows were set aside for one kind of reason in one field; ``example`` is the first reason in words."""

    code: str
    field: str | None
    rows: int
    example: str


def quarantined(
    workspace: Workspace, *, batch_id: str | None = None, code: str | None = None, field: str | None = None, offset: int = 0, limit: int = 100
) -> SetAsidePage:
    """One page of the rows that were set aside, by a batch or by all (newest batch first). Cost: the page and one count."""
    wanted = _wanted(workspace, batch_id=batch_id, code=code, field=field)
    table = ingest_quarantine
    query = select(table).where(*wanted).order_by(table.c.created_at.desc(), table.c.batch_id, table.c.position).offset(offset).limit(limit)
    with workspace.read() as conn:
        total = int(conn.execute(select(func.count()).select_from(table).where(*wanted)).scalar_one())
        rows = tuple(_set_aside(row) for row in conn.execute(query).all())
    return SetAsidePage(rows, total, offset)


def reason_counts(workspace: Workspace, *, batch_id: str | None = None) -> list[ReasonCount]:
    """The kinds of reasons, most frequent first."""
    table = ingest_quarantine.c
    query = (
        select(table.code, table.field, func.count().label("rows"), func.min(table.reason).label("example"))
        .where(*_wanted(workspace, batch_id=batch_id))
        .group_by(table.code, table.field)
        .order_by(func.count().desc(), table.code, table.field)
    )
    with workspace.read() as conn:
        return [ReasonCount(row.code, row.field, row._mapping["rows"], row.example) for row in conn.execute(query).all()]


@dataclass(frozen=True)
class Retry:
    """What became of a batch's quarantined rows under the contract as it is now. ``batch`` took in those that keep it; None if none does."""

    tried: int
    kept: int
    batch: Batch | None

    def __str__(self) -> str:
        return f"{self.kept} of {self.tried} rows keep the contract now" + (f"\n{self.batch}" if self.batch else "")


def retry(workspace: Workspace, of: str, *, contract: Contract | None = None) -> Retry:
    """Conform the rows that a batch set aside once more; those that keep the contract now go in as a batch of their own, past the same gate.

    The others stay where they are. Rows that were never read as rows (broken JSON, a wrong number of cells), were erased or were taken in by an
    earlier retry are not tried.

    Parameters
    ----------
    contract
        Default: the latest version of the contract that the batch was conformed to.
    """
    batch = load_batch(workspace, of)
    rule = contract or contract_of(workspace, contract_of(workspace, batch.contract_id).name)
    config = config_of(workspace, of)
    expected = Expected(rule, extra=config.extra_columns)
    kept: list[_Kept] = []
    tried = 0
    for rows in _kept_rows(workspace, of):
        tried += len(rows)
        kept += _that_conform(workspace, rows, expected=expected, rule=rule)
    if not kept:
        return Retry(tried, 0, None)
    hasher = hashlib.sha256(f"retry of {of}".encode())
    for each in kept:
        hasher.update(f" {each.position}".encode())
    digest = hasher.hexdigest()
    name = batch_id(source=config.name, digest=digest, contract_id=rule.id)

    def read() -> Iterator[Chunk]:
        by_source: dict[str, RowsToChunk] = {}
        for each in kept:
            gathered = by_source.setdefault(each.source, RowsToChunk(expected, source=each.source))
            gathered.add(each.line, each.row)
        for gathered in by_source.values():
            yield gathered.chunk(len(kept))

    def mark(tx: WriteTransaction) -> None:
        for start in range(0, len(kept), 500):
            tx.conn.execute(
                update(ingest_quarantine)
                .where(
                    ingest_quarantine.c.workspace_id == tx.workspace_id,
                    ingest_quarantine.c.batch_id == of,
                    ingest_quarantine.c.position.in_([each.position for each in kept[start : start + 500]]),
                )
                .values(retried_as=name)
            )
        record(tx, type="ingest.retried", subject=of, body={"as": name, "rows": len(kept), "contract": rule.id})

    delivery = Delivery(label=f"retry of {of}", digest=digest, size=len(kept), read=read)
    made = take_rows(workspace, config, rule, expected, delivery)
    workspace.write(mark)
    return Retry(tried, len(kept), made)


@dataclass(frozen=True)
class _Kept:
    position: int
    source: str
    line: int
    row: dict[str, Any]


def _kept_rows(workspace: Workspace, of: str) -> Iterator[list[_Kept]]:
    """Rows of a batch that can be tried again, some thousands at a time."""
    table = ingest_quarantine.c
    last = -1
    while True:
        query = (
            select(table.position, table.source, table.line, table.content)
            .where(
                table.workspace_id == workspace.id,
                table.batch_id == of,
                table.position > last,
                table.content.is_not(None),
                table.retried_as.is_(None),
            )
            .order_by(table.position)
            .limit(CHUNK_ROWS)
        )
        with workspace.read() as conn:
            found = conn.execute(query).all()
        if not found:
            return
        last = found[-1].position
        rows = ((row, json.loads(row.content)) for row in found)
        yield [_Kept(row.position, row.source, row.line, content["row"]) for row, content in rows if "row" in content]


def _that_conform(workspace: Workspace, rows: list[_Kept], *, expected: Expected, rule: Contract) -> list[_Kept]:
    by_number = dict(enumerate(rows))
    gathered = RowsToChunk(expected, source="retry")
    for number, each in by_number.items():
        gathered.add(number, each.row)
    found = Conformer(rule, now_us=workspace.clock.now_us()).sort(gathered.chunk(0))
    return [by_number[number] for number in found.table.column("__line").to_pylist()]


@dataclass(frozen=True)
class ErasedRows:
    """How many quarantined rows were erased, the ledger's entry, and the held batches whose staged rows are about the same person."""

    rows: int
    seq: int
    held: tuple[str, ...]


def erase_quarantine(workspace: Workspace, *, reason: str, batch_id: str | None = None, subject: str | None = None) -> ErasedRows:
    """Erase what quarantined rows said: of a batch, or about a person (``subject``: the value of the contract's subject column).

    Place, field and kind of reason stay, so the counts still add up. A row that could never be read as a row is erased if the subject stands in its
    text. A held batch is not changed: it is named, for a person to discard or release and withdraw.

    Raises ``InputError`` if neither or both are given, or there is no reason.
    """
    if (batch_id is None) == (subject is None):
        raise InputError("Say what to erase: either a batch or a subject.")
    if not reason.strip():
        raise InputError("An erasure needs a reason.", mend="say why")
    if batch_id is not None:
        load_batch(workspace, batch_id)
        places = [(batch_id, position) for position in _positions(workspace, batch_id)]
    else:
        places = _places_about(workspace, str(subject))
    held = () if subject is None else tuple(_held_about(workspace, subject))

    def job(tx: WriteTransaction) -> int:
        if tx.conn.dialect.name == "sqlite":
            tx.conn.exec_driver_sql("PRAGMA secure_delete=ON")
        by_batch: dict[str, list[int]] = {}
        for name, position in places:
            by_batch.setdefault(name, []).append(position)
        table = ingest_quarantine.c
        for name, positions in by_batch.items():
            for start in range(0, len(positions), 500):
                tx.conn.execute(
                    update(ingest_quarantine)
                    .where(table.workspace_id == tx.workspace_id, table.batch_id == name, table.position.in_(positions[start : start + 500]))
                    .values(raw=None, content=None, reason=ERASED, erased_at=tx.clock.now_us())
                )
        body = {"rows": len(places), "batches": sorted(by_batch)[:100], "reason": reason}
        personal = None if subject is None else {"subject": subject}
        return record(tx, type="ingest.erased", subject=batch_id or "a person", body=body, personal=personal)

    return ErasedRows(rows=len(places), seq=workspace.write(job), held=held)


def _positions(workspace: Workspace, batch_id: str) -> list[int]:
    table = ingest_quarantine.c
    with workspace.read() as conn:
        return list(
            conn.execute(
                select(table.position).where(table.workspace_id == workspace.id, table.batch_id == batch_id, table.erased_at.is_(None))
            ).scalars()
        )


def _places_about(workspace: Workspace, subject: str) -> list[tuple[str, int]]:
    """Where rows about a person are. Reads the full text of every quarantined row whose contract names a subject, once."""
    found = []
    with workspace.read() as conn:
        batches = conn.execute(select(ingest_batch.c.id, ingest_batch.c.contract_id).where(ingest_batch.c.workspace_id == workspace.id)).all()
    table = ingest_quarantine.c
    for name, contract_id in batches:
        contract = contract_of(workspace, contract_id)
        names = () if contract.subject is None else (contract.subject, *contract.columns[contract.subject].renamed_from)
        query = select(table.position, table.content).where(table.workspace_id == workspace.id, table.batch_id == name, table.content.is_not(None))
        with workspace.read() as conn:
            for position, text in conn.execute(query):
                content = json.loads(text)
                row = content.get("row")
                about = any(str(row.get(column)) == subject for column in names) if row is not None else subject in content["text"]
                if about:
                    found.append((str(name), int(position)))
    return found


def _held_about(workspace: Workspace, subject: str) -> list[str]:
    import polars as pl

    with workspace.read() as conn:
        held = conn.execute(
            select(ingest_batch.c.id, ingest_batch.c.contract_id).where(ingest_batch.c.workspace_id == workspace.id, ingest_batch.c.state == "held")
        ).all()
    found = []
    for name, contract_id in held:
        column = contract_of(workspace, contract_id).subject
        frame = staged_frame(workspace, name)
        if column is not None and frame is not None and frame.filter(pl.col(column).cast(pl.String) == subject).limit(1).collect().height:
            found.append(str(name))
    return found


def _wanted(workspace: Workspace, *, batch_id: str | None = None, code: str | None = None, field: str | None = None) -> list[ColumnElement[bool]]:
    table = ingest_quarantine.c
    wanted = [table.workspace_id == workspace.id]
    wanted += [column == value for column, value in ((table.batch_id, batch_id), (table.code, code), (table.field, field)) if value is not None]
    return wanted


def _set_aside(row: Any) -> SetAside:
    return SetAside(
        batch_id=row.batch_id,
        position=row.position,
        source=row.source,
        line=row.line,
        field=row.field,
        code=row.code,
        reason=row.reason,
        raw=row.raw or "",
        retried_as=row.retried_as,
        erased_at=row.erased_at,
    )
