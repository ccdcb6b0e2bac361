"""Publishing a version: the rows' file first, then dataset, version, quarantine and ledger entry in one transaction.

A crash before the transaction leaves a file that nothing refers to; after it, the whole version. Publishing the same content by the same operation
again finds the version that is there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from pilotage.core import Conflict, InputError, content_id
from pilotage.data.card import Card, require_training_card
from pilotage.data.catalogue import load_version
from pilotage.data.contract import FieldRule, Problem, make_contract
from pilotage.data.lineage import Edge, Node, record_edges
from pilotage.data.preparing import ReadyRow, ready_row
from pilotage.data.quarantine import QuarantinedRow
from pilotage.data.rowfile import RowFileWriter, version_digest
from pilotage.data.tables import dataset as dataset_table
from pilotage.data.tables import dataset_quarantine, dataset_version
from pilotage.data.version import Operation, Version, contract_json, require_dataset_name, require_kind, version_id
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction, update_if_unchanged


@dataclass(frozen=True)
class Draft:
    """What is about to be published under a dataset's name."""

    dataset: str
    kind: str
    card: Card
    fields: dict[str, FieldRule]
    operation: Operation
    parents: tuple[str, ...]
    quarantined: tuple[QuarantinedRow, ...] = ()


@dataclass(frozen=True)
class Published:
    """The version, and whether this call made it."""

    version: Version
    created: bool


def derive(
    workspace: Workspace,
    *,
    dataset: str,
    kind: str,
    rows: Iterable[Mapping[str, Any]],
    card: Card,
    operation: Operation,
    parents: Sequence[str] = (),
    fields: Mapping[str, FieldRule | Mapping[str, Any]] | None = None,
) -> Version:
    """Publish a version made by an operation from other versions (``parents``: ids or refs).

    Each row has a text ``id``. Rows of kind ``training`` keep the training form (:func:`check_training_row`) and are stored with all its fields.
    ``rows`` is read once, as a stream. Publishing the same again returns the version that is there.

    Raises
    ------
    InputError
        If a row is malformed or doubled (nothing is published: who derives rows can mend them), or the counts do not add up.
    Refused
        If training data has no licence, consent or purpose.
    Conflict
        If a parent is an older version of the same dataset (somebody published in between), or the dataset has another kind.
    """
    require_destination(dataset=dataset, kind=kind, card=card)
    contract = make_contract(fields)
    parent_ids = tuple(load_version(workspace, parent).id for parent in parents)
    draft = Draft(dataset=dataset, kind=kind, card=card, fields=contract, operation=operation, parents=parent_ids)
    seen: set[str] = set()
    with RowFileWriter() as writer:
        for position, given in enumerate(rows, start=1):
            row = ready_row(given, kind=kind, contract=contract)
            if isinstance(row, ReadyRow) and row.id in seen:
                row = Problem("id", f"the id {row.id!r} is used by an earlier row")
            if isinstance(row, Problem):
                raise InputError(
                    f"A row of the new version of '{dataset}' is malformed: {row.reason}.",
                    where=f"row {position}" + (f" field '{row.field}'" if row.field else ""),
                    why="a version is published whole or not at all",
                    mend="mend the operation that makes the rows, or leave the row out and count it as dropped",
                )
            seen.add(row.id)
            writer.add(row.id, row.canonical)
        return publish(workspace, writer, draft).version


def require_destination(*, dataset: str, kind: str, card: Card) -> None:
    """Raise unless a version of this kind, with this card, may be published under this name."""
    require_dataset_name(dataset)
    require_kind(kind)
    if kind == "training":
        require_training_card(card, where=f"dataset '{dataset}'")


def publish(workspace: Workspace, writer: RowFileWriter, draft: Draft) -> Published:
    """Publish the rows in ``writer``. All or nothing; the same draft again is found, not doubled."""
    draft.operation.require_sum(writer.digest.count)
    if writer.digest.count == 0:
        raise InputError(f"The new version of '{draft.dataset}' has no rows.", why="there is nothing to publish", mend="look at what dropped them")
    contract = contract_json(draft.fields)
    digest = version_digest(writer.digest, contract)
    new_version = version_id(dataset=draft.dataset, digest=digest, card=draft.card, operation=draft.operation, parents=draft.parents)
    blob = workspace.blobs.put(writer.finish())
    count = writer.digest.count

    def job(tx: WriteTransaction) -> bool:
        mine = dataset_version.c.workspace_id == tx.workspace_id
        if tx.conn.execute(select(dataset_version.c.id).where(mine, dataset_version.c.id == new_version)).first() is not None:
            return False
        dataset_id, number = take_number(tx, draft)
        tx.insert(
            dataset_version,
            {
                "id": new_version,
                "dataset_id": dataset_id,
                "number": number,
                "digest": digest,
                "rows": count,
                "blob": blob,
                "fields": contract,
                "card": draft.card.model_dump(mode="json"),
                "operation": draft.operation.to_dict(),
                "parents": list(draft.parents),
            },
        )
        tx.insert(
            dataset_quarantine,
            *(
                {
                    "version_id": new_version,
                    "position": position,
                    "source": bad.source,
                    "line": bad.line,
                    "field": bad.field,
                    "reason": bad.reason,
                    "raw": bad.raw,
                }
                for position, bad in enumerate(draft.quarantined)
            ),
        )
        record_edges(tx, (Edge(Node("version", parent), Node("version", new_version), via=draft.operation.name) for parent in draft.parents))
        record(
            tx,
            type="dataset.version",
            subject=new_version,
            body={
                "dataset": draft.dataset,
                "number": number,
                "kind": draft.kind,
                "digest": digest,
                "rows": count,
                "blob": blob,
                "operation": draft.operation.name,
                "counts": dict(draft.operation.counts),
                "parents": list(draft.parents),
                "licence": draft.card.licence,
            },
        )
        return True

    created = workspace.write(job)
    return Published(version=load_version(workspace, new_version), created=created)


def dataset_id_of(workspace_id: str, name: str) -> str:
    """The id of the dataset of this name, whether or not there is one yet."""
    return content_id("ds", {"workspace": workspace_id, "name": name})


def take_number(tx: WriteTransaction, draft: Draft) -> tuple[str, int]:
    """The dataset's id, made if need be, and the number of its next version.

    Raises ``Conflict`` if the dataset has another kind, or has moved on past every one of its versions among the parents.
    """
    dataset_id = dataset_id_of(tx.workspace_id, draft.dataset)
    found = tx.conn.execute(
        select(dataset_table.c.kind, dataset_table.c.lock_version).where(
            dataset_table.c.workspace_id == tx.workspace_id, dataset_table.c.id == dataset_id
        )
    ).first()
    if found is None:
        tx.insert(dataset_table, {"id": dataset_id, "name": draft.dataset, "kind": draft.kind, "lock_version": 1})
        return dataset_id, 1
    if found.kind != draft.kind:
        raise Conflict(
            f"The dataset '{draft.dataset}' holds rows of kind {found.kind}, not {draft.kind}.",
            mend="publish these rows under another name",
        )
    mine = (dataset_version.c.workspace_id == tx.workspace_id, dataset_version.c.dataset_id == dataset_id)
    siblings = set(tx.conn.execute(select(dataset_version.c.id).where(*mine, dataset_version.c.id.in_(draft.parents))).scalars())
    last = int(tx.conn.execute(select(func.max(dataset_version.c.number)).where(*mine)).scalar() or 0)
    latest = tx.conn.execute(select(dataset_version.c.id).where(*mine, dataset_version.c.number == last)).scalar()
    if siblings and latest not in siblings:
        raise Conflict(
            f"'{draft.dataset}' has moved on to version {last} since this work began.",
            why="publishing now would silently leave out what was added in between",
            mend="work from the latest version, or name it among the parents if leaving its rows out is meant",
        )
    update_if_unchanged(tx, dataset_table, dataset_id, lock_version=found.lock_version, values={})
    return dataset_id, last + 1
