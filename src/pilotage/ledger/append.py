"""Recording an act, in the transaction that does it.

Entries wait in the transaction and are hashed and inserted together just before the commit, so that a group of callers costs one read of the head and
one insert. A job that fails takes its entries with it: no number is left out.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import Any

from sqlalchemy import bindparam, select, update

from pilotage.core import InputError, IntegrityError, canonical_json
from pilotage.ledger.entry import HEAD, leaf_bytes
from pilotage.ledger.tables import ledger_entry, ledger_head, ledger_payload
from pilotage.ledger.verify import GENESIS, CompactRange
from pilotage.ledger.verify import chain_hash as chained
from pilotage.ledger.verify import leaf_hash as hashed
from pilotage.store import Ready, WriteTransaction

OWN_PREFIX = "ledger."
_SALT_BYTES = 32
_LONGEST_NAME = 500
_H = ledger_head.c
_IS_HEAD = (_H.workspace_id == bindparam("workspace"), _H.name == HEAD)
_HEAD_NOW = Ready(select(_H.size, _H.chain_hash, _H.frontier).where(*_IS_HEAD))
_MOVED = Ready(
    update(ledger_head)
    .where(*_IS_HEAD, _H.size == bindparam("old_size"), _H.chain_hash == bindparam("old_chain"))
    .values(size=bindparam("new_size"), chain_hash=bindparam("new_chain"), frontier=bindparam("new_frontier"))
)


def record(
    tx: WriteTransaction,
    *,
    type: str,
    subject: str,
    body: dict[str, Any],
    actor: str | None = None,
    personal: dict[str, Any] | None = None,
) -> int:
    """Record one act in the ledger, in the transaction of ``tx``; durable when ``Workspace.write`` returns.

    Parameters
    ----------
    type
        What happened, ``<noun>.<past participle>``: ``judgement.made``. Types that begin with ``ledger.`` are the ledger's own.
    subject
        The id of what it happened to.
    body
        The facts, as JSON with finite numbers. It can never be taken out again, so nothing about a person's private data belongs in it.
    actor
        Who did it; the transaction's actor unless given.
    personal
        Data that must stay erasable. Only a salted SHA-256 commitment to it enters the hashes; ``erase_payload`` removes data and salt, after which
        the commitment says nothing about the data and the chain still verifies.

    Returns
    -------
    int
        The entry's number, from 1, without gaps.

    Raises
    ------
    InputError
        If a name is empty, longer than 500 characters or holds control characters, or a value has no canonical JSON form.
    """
    if type.startswith(OWN_PREFIX):
        raise InputError(f"The type {type!r} is the ledger's own.", mend=f"use a type that does not begin with '{OWN_PREFIX}'")
    return append(tx, type=type, subject=subject, body=body, actor=actor, personal=personal)


def append(
    tx: WriteTransaction, *, type: str, subject: str, body: dict[str, Any], actor: str | None = None, personal: dict[str, Any] | None = None
) -> int:
    """As :func:`record`, for every type."""
    actor = actor or tx.actor
    for name, value in (("type", type), ("subject", subject), ("actor", actor)):
        _check_name(name, value)
    if not isinstance(body, dict):
        raise InputError(f"An entry's body must be an object, not {body.__class__.__name__}.")
    text = canonical_json(body).decode()
    commitment = None if personal is None else _commit(tx, personal, actor=actor)
    pending = tx.participant(Pending, lambda: Pending.begin(tx))
    pending.acts.append(_Act(type, subject, text, actor, commitment, tx.clock.now_us()))
    return pending.size + len(pending.acts)


def commitment_of(salt: bytes, payload: bytes) -> str:
    """The salted commitment to a payload's canonical JSON. The random salt keeps short data from being found by trying."""
    return hashlib.sha256(salt + payload).hexdigest()


def _commit(tx: WriteTransaction, personal: dict[str, Any], *, actor: str) -> str:
    payload, salt = canonical_json(personal), os.urandom(_SALT_BYTES)
    commitment = commitment_of(salt, payload)
    tx.insert(ledger_payload, {"commitment": commitment, "salt": salt, "payload": payload.decode(), "erased_at": None}, actor=actor)
    return commitment


def _check_name(name: str, value: object) -> None:
    if not isinstance(value, str) or not value or len(value) > _LONGEST_NAME or not value.isprintable():
        raise InputError(
            f"An entry's {name} must be 1 to {_LONGEST_NAME} printable characters, not {str(value)[:60]!r}.",
            why="it is shown, searched and hashed as it is",
        )


@dataclass(frozen=True)
class _Act:
    type: str
    subject: str
    body: str
    actor: str
    commitment: str | None
    time: int


class Pending:
    """The acts recorded in one transaction, and the head they will be added to (a ``store.Participant``)."""

    def __init__(self, *, size: int, chain: bytes, tree: CompactRange) -> None:
        self.size = size
        self.acts: list[_Act] = []
        self._chain = chain
        self._tree = tree

    @classmethod
    def begin(cls, tx: WriteTransaction) -> Pending:
        """Read the head. The writer holds the database's write lock by now, so nobody else can add to it before the commit."""
        row = _HEAD_NOW.first(tx.conn, {"workspace": tx.workspace_id})
        if row is None:
            return cls(size=0, chain=GENESIS, tree=CompactRange())
        try:
            tree = CompactRange.from_bytes(row["frontier"], size=row["size"])
        except ValueError as error:
            raise IntegrityError(f"The ledger's head is damaged: {error}.", mend="run 'pilotage verify'") from error
        return cls(size=row["size"], chain=row["chain_hash"], tree=tree)

    def mark(self) -> int:
        return len(self.acts)

    def rollback(self, mark: object) -> None:
        assert isinstance(mark, int)  # noqa: S101 - our own token
        del self.acts[mark:]

    def flush(self, tx: WriteTransaction) -> None:
        if not self.acts:
            return
        chain, tree = self._chain, self._tree
        rows = []
        for seq, act in enumerate(self.acts, start=self.size + 1):
            leaf = hashed(
                leaf_bytes(
                    workspace=tx.workspace_id,
                    seq=seq,
                    time=act.time,
                    type=act.type,
                    actor=act.actor,
                    subject=act.subject,
                    body=act.body,
                    commitment=act.commitment,
                    prev_hash=chain,
                )
            )
            before, chain = chain, chained(chain, leaf)
            tree.append(leaf)
            rows.append(
                {
                    "seq": seq,
                    "type": act.type,
                    "actor": act.actor,
                    "subject": act.subject,
                    "body": act.body,
                    "commitment": act.commitment,
                    "prev_hash": before,
                    "leaf_hash": leaf,
                    "chain_hash": chain,
                    "created_by": act.actor,
                    "created_at": act.time,
                }
            )
        tx.insert(ledger_entry, *rows)
        self._move_head(tx, size=tree.size, chain=chain, frontier=tree.to_bytes())

    def _move_head(self, tx: WriteTransaction, *, size: int, chain: bytes, frontier: bytes) -> None:
        if self.size == 0:
            tx.insert(ledger_head, {"name": HEAD, "size": size, "chain_hash": chain, "frontier": frontier})
            return
        moved_to = {"new_size": size, "new_chain": chain, "new_frontier": frontier}
        moved = _MOVED.run(tx.conn, {"workspace": tx.workspace_id, "old_size": self.size, "old_chain": self._chain, **moved_to})
        if moved != 1:
            raise IntegrityError("The ledger's head moved while an entry was being added.", mend="run 'pilotage verify'")
