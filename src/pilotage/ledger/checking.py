"""Verifying the ledger where it lies, with the code of ``verify.py``.

Cost: one pass over the entries in the order they were written, about ten microseconds each, in constant memory.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import DBAPIError

from pilotage.core import IntegrityError
from pilotage.ledger.append import commitment_of
from pilotage.ledger.entry import HEAD, leaf_bytes
from pilotage.ledger.keys import held_keys
from pilotage.ledger.tables import ledger_anchor, ledger_checkpoint, ledger_entry, ledger_head, ledger_payload
from pilotage.ledger.verify import (
    ERASURE_ENTRY,
    KEY_ENTRY,
    CompactRange,
    Flaw,
    History,
    Link,
    Verification,
    conclude,
    origin_of,
    read_anchor_file,
    read_head,
    sizes_of,
)
from pilotage.store import Workspace
from pilotage.store.schema import workspace as workspace_table

WHOLE_UP_TO = 50_000
_BATCH = 2_000


def verify(workspace: Workspace, *, anchors: Sequence[Path | str] = (), key_dir: Path | str | None = None) -> Verification:
    """Verify the whole ledger: chain, tree, payloads, signed checkpoints, and the heads in every anchor file that can be read.

    A ledger found broken seals the workspace: nothing can be written to it, by any process, until a person has looked (``reopen``).

    Parameters
    ----------
    anchors
        Anchor files to hold the ledger against, beside those the workspace itself knows of. Name them: whoever rewrites the database can also make
        it forget its anchors.
    key_dir
        Where this machine keeps the keys it trusts; the setting ``key_dir`` unless given.
    """
    with workspace.read() as conn:
        result = examine(conn, workspace.id, anchors=anchors, held=held_keys(workspace.id, key_dir=key_dir)).result
    return result if result.ok else seal(workspace, result)


def broken(result: Verification) -> IntegrityError:
    """The refusal that follows from a verification that failed."""
    return refusal(f"the ledger is broken from entry {result.first_bad_seq} on: {result.why}")


def refusal(reason: str) -> IntegrityError:
    """The refusal to write or sign."""
    return IntegrityError(
        f"Nothing is written: {reason}.",
        where="the ledger",
        why="what is written on top of a broken ledger could not be trusted either",
        mend="run 'pilotage verify', find out who changed the database, and restore it from a backup",
    )


@dataclass(frozen=True)
class Examined:
    """A verification, and the history it recomputed."""

    result: Verification
    history: History


def examine(
    conn: Connection, workspace_id: str, *, held: frozenset[str], anchors: Sequence[Path | str] = (), from_last_checkpoint: bool = False
) -> Examined:
    """Verify on an open connection, changing nothing.

    ``from_last_checkpoint`` begins at the newest checkpoint that a held key signed (if there is one): what lies before it is then taken on the word
    of that signature, and payloads are not looked at.
    """
    origin = origin_of(workspace_id)
    checkpoints, frontiers = _checkpoints(conn, workspace_id)
    kept, notes = _anchored(conn, workspace_id, anchors, origin=origin)
    history = (_resume(checkpoints, frontiers, origin=origin, held=held) if from_last_checkpoint else None) or History()
    flaw = history.extend(links(conn, workspace_id, after=history.size), watch=sizes_of([*checkpoints, *kept]))
    flaws = [flaw] if flaw else _head_flaws(conn, workspace_id, history)
    if history.start == 0:
        flaws += _payload_flaws(conn, workspace_id)
    result = conclude(
        history,
        flaws,
        origin=origin,
        key_entries=bodies(conn, workspace_id, type=KEY_ENTRY),
        checkpoints=checkpoints,
        anchors=kept,
        held=held,
        notes=notes,
    )
    return Examined(result, history)


def links(conn: Connection, workspace_id: str, *, after: int = 0, batch: int = _BATCH) -> Iterator[Link]:
    """The stored entries after ``after`` as the verifier takes them, their bytes put together from the columns."""
    table = ledger_entry.c
    columns = (
        table.seq,
        table.type,
        table.actor,
        table.subject,
        table.body,
        table.commitment,
        table.prev_hash,
        table.leaf_hash,
        table.chain_hash,
        table.created_at,
        table.created_by,
    )
    query = select(*columns).where(table.workspace_id == workspace_id, table.seq > after).order_by(table.seq)
    result = conn.execute(query, execution_options={"stream_results": True, "yield_per": batch})
    last = after
    try:
        for seq, type, actor, subject, body, commitment, prev_hash, leaf_hash, chain_hash, time, created_by in result:
            try:
                leaf = leaf_bytes(
                    workspace=workspace_id,
                    seq=seq,
                    time=time,
                    type=type,
                    actor=actor,
                    subject=subject,
                    body=body,
                    commitment=commitment,
                    prev_hash=prev_hash,
                )
            except (TypeError, AttributeError, UnicodeEncodeError):
                leaf = b""  # a column holds what was never written to it: SQLite lets a forger put bytes into text; no entry has this hash
            yield seq, prev_hash, leaf if created_by == actor else b"", leaf_hash, chain_hash
            last = seq
    except DBAPIError as error:
        if "decode" not in str(error.orig):
            raise
        # Text that is no UTF-8: SQLite lets it in, its driver does not read it, nor what is fetched with it. Go on one by one, up to that entry.
        if batch > 1:
            yield from links(conn, workspace_id, after=last, batch=1)
        else:
            yield last + 1, b"", b"", b"", b""
    finally:
        result.close()


def _checkpoints(conn: Connection, workspace_id: str) -> tuple[list[str], dict[int, bytes]]:
    table = ledger_checkpoint.c
    rows = conn.execute(select(table.size, table.note, table.frontier).where(table.workspace_id == workspace_id).order_by(table.size)).all()
    return [row.note for row in rows], {row.size: row.frontier for row in rows}


def _resume(checkpoints: Sequence[str], frontiers: dict[int, bytes], *, origin: str, held: Iterable[str]) -> History | None:
    """The history up to the newest checkpoint that a held key signed, if its compact range gives the signed root."""
    held = list(held)
    for note in reversed(checkpoints):
        try:
            head = read_head(note)
            tree = CompactRange.from_bytes(frontiers.get(head.size, b""), size=head.size)
        except ValueError:
            return None
        if head.origin == origin and tree.root() == head.root and any(head.note.signed_by(key) for key in held):
            return History(chain=head.chain, tree=tree)
    return None


def _anchored(conn: Connection, workspace_id: str, files: Sequence[Path | str], *, origin: str) -> tuple[list[str], list[str]]:
    """The signed notes kept in anchor files, and remarks about files that could not be read."""
    table = ledger_anchor.c
    known = conn.execute(select(table.place).where(table.workspace_id == workspace_id, table.kind == "file").distinct()).scalars()
    given = [str(file) for file in files]
    kept: list[str] = []
    notes: list[str] = []
    for place in dict.fromkeys([*given, *sorted(known)]):
        try:
            found, torn = read_anchor_file(Path(place).read_text(encoding="utf-8"), origin=origin)
        except (OSError, UnicodeDecodeError) as error:
            notes.append(f"the anchors in {place} could not be read: {error}")
            continue
        if torn:
            notes.append(f"{torn} lines of {place} are no anchors: a crash while one was written, or somebody wrote into it")
        if not found:
            notes.append(f"the anchor file {place} holds no head of this ledger")
        kept += found
    return kept, notes


def _head_flaws(conn: Connection, workspace_id: str, history: History) -> list[Flaw]:
    """Where the stored head (what the next append builds on) is not the head of the stored entries."""
    table = ledger_head.c
    row = conn.execute(select(table.size, table.chain_hash, table.frontier).where(table.workspace_id == workspace_id, table.name == HEAD)).first()
    size = row.size if row else 0
    if size != history.size:
        cut = "the end was cut off" if size > history.size else "entries were put in beside the ledger"
        return [Flaw(min(size, history.size) + 1, f"the head covers {size} entries, {history.size} are here: {cut}")]
    if row is None:
        return []
    if row.chain_hash != history.chain:
        return [Flaw(history.size, "the last entry is not the one the head names")]
    if row.frontier != history.tree.to_bytes():
        first = history.tree.differs_from(row.frontier)
        return [Flaw((first or 0) + 1, "the Merkle tree kept in the head was made over other entries")]
    return []


def _payload_flaws(conn: Connection, workspace_id: str) -> list[Flaw]:
    """Personal data that is not what its entry committed to, or that vanished without an entry saying so."""
    entry, kept = ledger_entry.c, ledger_payload.c
    promised = select(entry.seq, entry.commitment, kept.commitment.label("kept"), kept.salt, kept.payload).select_from(
        ledger_entry.outerjoin(ledger_payload, (kept.workspace_id == entry.workspace_id) & (kept.commitment == entry.commitment))
    )
    erased = set(
        conn.execute(select(entry.subject).where(entry.workspace_id == workspace_id, entry.type == ERASURE_ENTRY)).scalars(),
    )
    flaws = []
    for row in conn.execute(promised.where(entry.workspace_id == workspace_id, entry.commitment.is_not(None)).order_by(entry.seq)):
        if row.kept is None:
            flaws.append(Flaw(row.seq, f"the personal data of entry {row.seq} is gone without a trace"))
        elif row.payload is None or row.salt is None:
            if row.commitment not in erased:
                flaws.append(Flaw(row.seq, f"the personal data of entry {row.seq} was erased without an entry that says so"))
        elif commitment_of(row.salt, row.payload.encode()) != row.commitment:
            flaws.append(Flaw(row.seq, f"the personal data of entry {row.seq} is not what was committed to"))
        elif row.commitment in erased:
            flaws.append(Flaw(row.seq, f"the personal data of entry {row.seq} is there although its erasure was recorded"))
    return flaws


def bodies(conn: Connection, workspace_id: str, *, type: str) -> list[tuple[int, dict[str, Any]]]:
    """Numbers and bodies of all entries of one type; a body that is no object reads as an empty one."""
    table = ledger_entry.c
    rows = conn.execute(select(table.seq, table.body).where(table.workspace_id == workspace_id, table.type == type).order_by(table.seq))
    found = []
    for row in rows:
        try:
            body = json.loads(row.body)
        except ValueError:
            body = None
        found.append((row.seq, body if isinstance(body, dict) else {}))
    return found


def seal(workspace: Workspace, result: Verification) -> Verification:
    """Close the workspace for writing. Not through the writer: that refuses already where the ledger is broken."""
    reason = f"the ledger is broken from entry {result.first_bad_seq} on: {result.why}"
    table = workspace_table.c
    try:
        with workspace.engine.connect().execution_options(pilotage_write=True) as conn, conn.begin():
            conn.execute(update(workspace_table).where(table.id == workspace.id, table.sealed_reason.is_(None)).values(sealed_reason=reason))
    except DBAPIError as error:
        # The finding must reach the reader even where the database is read-only or gone.
        return replace(result, notes=(*result.notes, f"the workspace could not be sealed: {error.orig}"))
    return result
