"""Contracts in the workspace: versions that are never edited, found by name, ``name@version`` or id."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import Conflict, InputError, IntegrityError, NotFound
from pilotage.data.contracts.comparing import compare_contracts
from pilotage.data.contracts.contract import Contract
from pilotage.data.contracts.tables import data_contract
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction


def put_contract(workspace: Workspace, contract: Contract) -> Contract:
    """Keep ``contract`` as a version of its name, with a ledger entry, and return what is stored.

    The content of the latest version again changes nothing and returns that version, whatever its number in the file.

    Raises
    ------
    Conflict
        If that version is there with other content, or a later one is: a released version is never edited.
    """
    return workspace.write(lambda tx: put(tx, contract))


def put(tx: WriteTransaction, contract: Contract, *, actor: str | None = None) -> Contract:
    """As :func:`put_contract`, in a transaction that is open; ``actor`` acts instead of the transaction's."""
    latest = find_contract(tx.conn, contract.name, None, workspace_id=tx.workspace_id)
    if latest is not None:
        if _without_version(latest) == _without_version(contract):
            return latest
        same = latest if latest.version == contract.version else find_contract(tx.conn, contract.name, contract.version, workspace_id=tx.workspace_id)
        if same is not None and same.id == contract.id:
            return same
        if contract.version <= latest.version:
            raise Conflict(
                f"The contract {contract.ref} is released with other content."
                if same is not None
                else f"A later version of '{contract.name}' is released: {latest.ref}.",
                where=f"contract {contract.ref}",
                why="what was published under it must still mean the same",
                mend=f"make it version {latest.version + 1}; 'pilotage data contract compare' says what that means",
            )
    row = {"name": contract.name, "version": contract.version, "owner": contract.owner, "content": contract.to_dict()}
    tx.insert(data_contract, {"id": contract.id, **row}, actor=actor)
    body = {"name": contract.name, "version": contract.version, "owner": contract.owner, "columns": len(contract.columns)}
    if latest is not None:
        change = compare_contracts(latest, contract)
        body |= {"before": latest.id, "verdict": change.verdict, "backward": change.backward, "forward": change.forward}
    record(tx, type="contract.released", subject=contract.id, body=body, actor=actor)
    return contract


def contract_of(workspace: Workspace, name: str, version: int | None = None) -> Contract:
    """The contract named by its id (``ct_…``), by name (the latest), by ``name@version``, or by name and ``version``.

    Raises
    ------
    NotFound
        If there is none, saying what there is.
    IntegrityError
        If what is stored does not match its id.
    """
    if version is None and "@" in name:
        name, _, number = name.rpartition("@")
        if not (number.isascii() and number.isdecimal()):
            raise InputError(f"Not a version of a contract: {number!r}.", mend=f"write {name}@3, or {name} for the latest")
        version = int(number[:9])
    with workspace.read() as conn:
        found = find_contract(conn, name, version, workspace_id=workspace.id)
        if found is None:
            t = data_contract.c
            known = conn.execute(select(t.name, t.version).where(t.workspace_id == workspace.id).order_by(t.name, t.version)).all()
    if found is None:
        have = ", ".join(f"{row.name}@{row.version}" for row in known[-10:])
        raise NotFound(
            f"There is no contract '{name}{'' if version is None else f'@{version}'}'.",
            mend=f"there are: {have}" if have else "put one into the workspace: pilotage data contract put FILE",
        )
    return found


def contracts(workspace: Workspace, *, name: str | None = None) -> list[Contract]:
    """Every version of the contract ``name``, or of all, by name and then newest first."""
    t = data_contract.c
    query = select(t.id, t.content).where(t.workspace_id == workspace.id).order_by(t.name, t.version.desc())
    if name is not None:
        query = query.where(t.name == name)
    with workspace.read() as conn:
        return [_contract(row) for row in conn.execute(query)]


def find_contract(conn: Connection, name: str, version: int | None = None, *, workspace_id: str) -> Contract | None:
    """As :func:`contract_of`, on a connection that is already open (a job's, say); None if there is none."""
    t = data_contract.c
    query = select(t.id, t.content).where(t.workspace_id == workspace_id, (t.name == name) | (t.id == name)).order_by(t.version.desc()).limit(1)
    if version is not None:
        query = query.where(t.version == version)
    row = conn.execute(query).first()
    return None if row is None else _contract(row)


def _contract(row: Any) -> Contract:
    found = Contract.from_dict(row.content)
    if found.id != row.id:
        raise IntegrityError(
            f"The contract {row.id} does not match its id.", where=f"contract {found.ref}", mend="run 'pilotage verify' and restore a backup"
        )
    return found


def _without_version(contract: Contract) -> str:
    return contract.model_copy(update={"version": 1}).id
