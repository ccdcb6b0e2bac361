"""Entries: what one row of the ledger says, the bytes that are hashed for it, and reading them back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from json.encoder import encode_basestring
from typing import Any

from sqlalchemy import select

from pilotage.core import IntegrityError, NotFound, iso
from pilotage.ledger.tables import ledger_anchor, ledger_checkpoint, ledger_entry, ledger_head, ledger_payload
from pilotage.ledger.verify import EMPTY_ROOT, GENESIS, CompactRange
from pilotage.store import Workspace
from pilotage.store.schema import workspace as workspace_table

HEAD = "main"


@dataclass(frozen=True)
class Entry:
    """One act, as the ledger holds it."""

    seq: int
    type: str
    actor: str
    subject: str
    body: dict[str, Any]
    created_at: int
    """Microseconds since the epoch, UTC."""
    chain_hash: str
    """64 hexadecimal characters; covers this entry and all before it."""
    commitment: str | None
    """Where personal data belongs to the entry: what :func:`payload` and ``erase_payload`` take."""

    def __str__(self) -> str:
        return f"{self.seq} {iso(self.created_at)} {self.actor} {self.type} {self.subject}"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return dict(self.__dict__)


@dataclass(frozen=True)
class Head:
    """Where the ledger stands."""

    size: int
    chain_hash: str
    root: str
    """Root of the RFC 6962 tree over all entries, 64 hexadecimal characters."""
    signed_until: int
    """Size of the newest checkpoint in the workspace, not verified here; 0 if there is none."""
    anchored_until: int
    """Size of the newest head written elsewhere, not verified here; 0 if there is none."""
    sealed_reason: str | None
    """Why the workspace refuses to be written to, or None."""


def leaf_bytes(
    *, workspace: str, seq: int, time: int, type: str, actor: str, subject: str, body: str, commitment: str | None, prev_hash: bytes
) -> bytes:
    """The RFC 8785 JSON of an entry: what its leaf hash is made over. ``body`` is canonical JSON text already.

    Put together by hand, names in RFC 8785 order, because verifying does it for every row. ``encode_basestring`` escapes as RFC 8785 §3.2.2.2 does.
    No two different rows give the same bytes: every part but ``body`` is quoted or a number, so what follows ``body`` can be told from it.
    """
    quoted = encode_basestring
    commitment_json = "null" if commitment is None else quoted(commitment)
    return (
        f'{{"actor":{quoted(actor)},"body":{body},"commitment":{commitment_json},"prev":"{prev_hash.hex()}","seq":{seq},'
        f'"subject":{quoted(subject)},"time":{time},"type":{quoted(type)},"workspace":{quoted(workspace)}}}'
    ).encode()


def entries(workspace: Workspace, *, after: int = 0, limit: int = 100, subject: str | None = None, type: str | None = None) -> list[Entry]:
    """Entries with ``seq`` greater than ``after``, oldest first, at most ``limit``; only of ``subject`` and ``type`` where given.

    What is returned is what the rows say; whether they are what was written is what ``verify`` tells.
    """
    table = ledger_entry.c
    query = select(table.seq, table.type, table.actor, table.subject, table.body, table.created_at, table.chain_hash, table.commitment).where(
        table.workspace_id == workspace.id, table.seq > after
    )
    if subject is not None:
        query = query.where(table.subject == subject)
    if type is not None:
        query = query.where(table.type == type)
    with workspace.read() as conn:
        return [
            Entry(
                seq=row.seq,
                type=row.type,
                actor=row.actor,
                subject=row.subject,
                body=_read_object(row.body, what=f"the body of entry {row.seq}"),
                created_at=row.created_at,
                chain_hash=row.chain_hash.hex(),
                commitment=row.commitment,
            )
            for row in conn.execute(query.order_by(table.seq).limit(limit))
        ]


def head(workspace: Workspace) -> Head:
    """Where the ledger stands: a few look-ups, whatever its size."""
    with workspace.read() as conn:
        row = conn.execute(
            select(ledger_head.c.size, ledger_head.c.chain_hash, ledger_head.c.frontier).where(
                ledger_head.c.workspace_id == workspace.id, ledger_head.c.name == HEAD
            )
        ).first()
        checkpoint = select(ledger_checkpoint.c.size).where(ledger_checkpoint.c.workspace_id == workspace.id)
        anchor = select(ledger_anchor.c.size).where(ledger_anchor.c.workspace_id == workspace.id)
        signed = conn.execute(checkpoint.order_by(ledger_checkpoint.c.size.desc()).limit(1)).scalar()
        anchored = conn.execute(anchor.order_by(ledger_anchor.c.size.desc()).limit(1)).scalar()
        sealed = conn.execute(select(workspace_table.c.sealed_reason).where(workspace_table.c.id == workspace.id)).scalar()
    return Head(
        size=row.size if row else 0,
        chain_hash=(row.chain_hash if row else GENESIS).hex(),
        root=(CompactRange.from_bytes(row.frontier, size=row.size).root() if row else EMPTY_ROOT).hex(),
        signed_until=signed or 0,
        anchored_until=anchored or 0,
        sealed_reason=sealed,
    )


def payload(workspace: Workspace, commitment: str) -> dict[str, Any] | None:
    """The personal data behind an entry's ``commitment``, or None if it was erased. Raises ``NotFound`` if there never was any."""
    table = ledger_payload.c
    with workspace.read() as conn:
        row = conn.execute(select(table.payload).where(table.workspace_id == workspace.id, table.commitment == commitment)).first()
    if row is None:
        raise NotFound(f"No personal data was ever kept under {commitment!r}.", mend="take the commitment from the entry")
    if row.payload is None:
        return None
    return _read_object(row.payload, what="personal data")


def _read_object(text: str, *, what: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, TypeError):
        value = None
    if not isinstance(value, dict):
        raise IntegrityError(f"The ledger is damaged: {what} is not what was written.", mend="run 'pilotage verify'")
    return value
