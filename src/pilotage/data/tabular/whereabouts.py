"""Why is this row not here? Answered from the removal ledger, by an index, however many rows were ever removed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import select

from pilotage.data.catalogue import load_version, versions
from pilotage.data.contracts import Contract
from pilotage.data.publishing import dataset_id_of
from pilotage.data.tables import dataset_removal, dataset_set_aside, dataset_tombstone, dataset_withdrawal
from pilotage.data.tabular.filters import equals
from pilotage.data.tabular.keys import key_text, key_values
from pilotage.data.tabular.places import contract_of_version, files_of
from pilotage.data.tabular.tombstones import hash_of
from pilotage.data.version import TABLE, Version
from pilotage.store import Workspace, WriteTransaction, insert_missing

State = Literal["present", "removed", "erased", "quarantined", "never seen"]


@dataclass(frozen=True)
class RemovalRecord:
    """One time a row was taken out: by the version ``removed_in`` (its number), by which rule, on what evidence, and why."""

    removed_in: int
    rule: str
    reason: str
    evidence: Mapping[str, Any] | None
    removed_at: int
    removed_by: str

    def __str__(self) -> str:
        why = f" because of {json.dumps(self.evidence, ensure_ascii=False, sort_keys=True)}" if self.evidence else ""
        return f"removed in version {self.removed_in} by {self.rule}{why}" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class Whereabouts:
    """What became of a row.

    ``since`` is the number of the version the row is in without a break since (of those that can still be read); only of a row that is present.
    ``history`` are its removals, newest first: a row may have been removed and have come back. ``batch`` and ``reason`` tell of a row that was set
    aside on its way in.
    """

    dataset: str
    key: str
    state: State
    since: int | None = None
    history: tuple[RemovalRecord, ...] = ()
    batch: str | None = None
    reason: str | None = None

    def __str__(self) -> str:
        if self.state == "present":
            return f"present since version {self.since}"
        if self.state == "removed":
            return str(self.history[0])
        if self.state == "quarantined":
            return f"quarantined in batch {self.batch}: {self.reason}"
        return "erased on request" + (f": {self.reason}" if self.reason else "") if self.state == "erased" else "never seen"

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "dataset": self.dataset,
            "key": self.key,
            "state": self.state,
            "since": self.since,
            "text": str(self),
            "batch": self.batch,
            "reason": self.reason,
            "history": [{**vars(each), "evidence": None if each.evidence is None else dict(each.evidence)} for each in self.history],
        }


def why_not_here(workspace: Workspace, dataset: str, key: Any) -> Whereabouts:
    """What became of the row with this key (a value, one value a key column, or the key's text).

    Cost: three look-ups by index, and one scan of the key column of the latest version (50 ms a million rows). Whether the row is present is read
    from the files without checking their digest first; reading the row checks it.

    Raises ``NotFound`` if there is no such dataset, ``InputError`` if it has no key or this is none.
    """
    latest = load_version(workspace, dataset)
    contract = contract_of_version(latest)
    values = key_values(key, contract)
    text = key_text(values)
    dataset_id = dataset_id_of(workspace.id, latest.dataset)
    history = _history(workspace, dataset_id, text)
    newest = history[0].removed_in if history else 0
    readable = [
        version
        for version in reversed(versions(workspace, latest.dataset))
        if version.kind == TABLE and version.withdrawn is None and version.number > newest - 1 and _has_key(version, contract)
    ]
    if readable and readable[-1].id == latest.id and latest.number >= newest and _holds(workspace, latest, contract, values):
        since = _first_with(workspace, [version for version in readable if version.number >= newest], contract, values)
        return Whereabouts(latest.dataset, text, "present", since=since, history=history)
    if history:
        return Whereabouts(latest.dataset, text, "removed", history=history)
    erased = _erased(workspace, dataset_id, text)
    if erased is not None:
        return Whereabouts(latest.dataset, text, "erased", reason=erased)
    aside = _set_aside(workspace, dataset_id, text)
    if aside is not None:
        return Whereabouts(latest.dataset, text, "quarantined", batch=aside[0], reason=aside[1])
    return Whereabouts(latest.dataset, text, "never seen")


def note_set_aside(tx: WriteTransaction, *, dataset: str, batch: str, rows: Iterable[tuple[str, str]]) -> None:
    """Note rows (key's text, reason) that an import set aside, so that :func:`why_not_here` knows of them. The reason echoes no personal value."""
    stamp = tx.stamp() | {"dataset_id": dataset_id_of(tx.workspace_id, dataset), "batch": batch}
    unique = dict(rows)
    if unique:
        _NOTE.run(tx.conn, [{**stamp, "row_key": key.replace("\0", "\\x00"), "reason": reason} for key, reason in unique.items()])


_NOTE = insert_missing(dataset_set_aside)


def _history(workspace: Workspace, dataset_id: str, text: str) -> tuple[RemovalRecord, ...]:
    table = dataset_removal
    query = (
        select(table)
        .where(table.c.workspace_id == workspace.id, table.c.dataset_id == dataset_id, table.c.row_key == text.replace("\0", "\\x00"))
        .order_by(table.c.removed_in.desc())
    )
    with workspace.read() as conn:
        return tuple(
            RemovalRecord(
                removed_in=row.removed_in,
                rule=row.rule,
                reason=row.reason,
                evidence=None if row.evidence is None else json.loads(row.evidence),
                removed_at=row.created_at,
                removed_by=row.created_by,
            )
            for row in conn.execute(query)
        )


def _erased(workspace: Workspace, dataset_id: str, text: str) -> str | None:
    tomb, act = dataset_tombstone, dataset_withdrawal
    with workspace.read() as conn:
        for row in conn.execute(select(act.c.id, act.c.salt, act.c.reason).where(act.c.workspace_id == workspace.id)):
            mine = (tomb.c.workspace_id == workspace.id, tomb.c.dataset_id == dataset_id, tomb.c.key_hash == hash_of(text, salt=row.salt))
            if conn.execute(select(tomb.c.withdrawal_id).where(*mine)).first() is not None:
                return str(row.reason)
    return None


def _set_aside(workspace: Workspace, dataset_id: str, text: str) -> tuple[str, str] | None:
    table = dataset_set_aside
    mine = (table.c.workspace_id == workspace.id, table.c.dataset_id == dataset_id, table.c.row_key == text.replace("\0", "\\x00"))
    with workspace.read() as conn:
        found = conn.execute(select(table.c.batch, table.c.reason).where(*mine).order_by(table.c.created_at.desc()).limit(1)).first()
    return None if found is None else (found.batch, found.reason)


def _has_key(version: Version, contract: Contract) -> bool:
    """Whether the version's rows have the same key columns, of the same types: contracts change."""
    other = contract_of_version(version)
    return other.key == contract.key and all(other.columns[name].type == contract.columns[name].type for name in contract.key)


def _holds(workspace: Workspace, version: Version, contract: Contract, values: tuple[Any, ...]) -> bool:
    place = version.place
    assert place is not None  # noqa: S101  only tables come here
    view = files_of(workspace, place.dataset_id).open(place.lance_version)
    where = equals(contract.key, values)
    return any(batch.num_rows for batch in view.batches(columns=[contract.key[0]], where=where, limit=1))


def _first_with(workspace: Workspace, line: list[Version], contract: Contract, values: tuple[Any, ...]) -> int:
    """The first of ``line`` with the row, which the last has. After its last removal a row comes once and stays, so halving finds it."""
    low, high = 0, len(line) - 1
    while low < high:
        middle = (low + high) // 2
        if _holds(workspace, line[middle], contract, values):
            high = middle
        else:
            low = middle + 1
    return line[low].number
