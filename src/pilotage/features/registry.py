"""Registered views: checked against their source's contract, permanent under name, version and hash, and in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import desc, select

from pilotage.core import IntegrityError, NotFound, Refused
from pilotage.data import load_version
from pilotage.data.contracts import Contract
from pilotage.features.definition import FeatureView
from pilotage.features.tables import feature_view as view_table
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class RegisteredView:
    """A view as it was registered.

    ``kinds`` says of each feature what it is (int, float, bool, text, list); ``source_kinds`` of each column of the source, by the contract
    ``contract_id`` that the view was checked against. ``created_at`` is in microseconds since the epoch.
    """

    view: FeatureView
    kinds: Mapping[str, str]
    source_kinds: Mapping[str, str]
    contract_id: str
    created_at: int
    created_by: str

    def __str__(self) -> str:
        return f"{self.view.ref}: {len(self.view.features)} features of {', '.join(self.view.entity)} from {self.view.source}, {self.view.hash}"

    def to_dict(self) -> dict[str, Any]:
        """The registered view as plain data, for the API and the pages."""
        return {
            "ref": self.view.ref,
            "hash": self.view.hash,
            "definition": self.view.to_dict(),
            "description": self.view.description,
            "owner": self.view.owner,
            "kinds": dict(self.kinds),
            "lineage": {name: list(columns) for name, columns in self.view.lineage().items()},
            "contract_id": self.contract_id,
            "created_at": self.created_at,
            "created_by": self.created_by,
        }


def register_view(workspace: Workspace, view: FeatureView, *, contract: Contract | None = None) -> RegisteredView:
    """Register ``view``; registering the same again is a no-op.

    Parameters
    ----------
    contract
        What the source's rows keep. Default: the contract of the latest version of the dataset ``view.source``.

    Raises
    ------
    InputError
        If an expression does not fit the contract.
    NotFound
        If there is no such dataset and no contract is given.
    Refused
        If this name and version is registered with another definition: released features are never edited in place; or if the view claims its rows
        earlier than their contract says they are available.
    """
    contract = contract or _contract_of_source(workspace, view)
    kinds = {name: column.type for name, column in contract.columns.items()}
    view.kinds(kinds)
    _require_honest_times(view, contract)
    registered_hash = view.hash

    def job(tx: WriteTransaction) -> None:
        mine = (view_table.c.workspace_id == tx.workspace_id, view_table.c.name == view.name, view_table.c.version == view.version)
        found = tx.conn.execute(select(view_table.c.hash).where(*mine)).scalar()
        if found == registered_hash:
            return
        if found is not None:
            raise Refused(
                f"{view.ref} is registered with another definition.",
                where=f"registered {found}, given {registered_hash}",
                why="models were trained on it, and would be served something else",
                mend=f"register the new definition as version {view.version + 1}",
            )
        tx.insert(
            view_table,
            {
                "name": view.name,
                "version": view.version,
                "hash": registered_hash,
                "definition": view.to_dict(),
                "description": view.description,
                "owner": view.owner,
                "source_kinds": kinds,
                "contract_id": contract.id,
            },
        )
        record(
            tx,
            type="feature.view",
            subject=registered_hash,
            body={
                "name": view.name,
                "version": view.version,
                "source": view.source,
                "features": list(view.features),
                "contract": contract.id,
                "owner": view.owner,
            },
        )

    workspace.write(job)
    return registered_view(workspace, view.ref)


def registered_view(workspace: Workspace, ref: str) -> RegisteredView:
    """The registered view named ``name`` (the latest version) or ``name@version``, or by its hash.

    Raises
    ------
    NotFound
        If there is none, saying what there is.
    IntegrityError
        If what is stored no longer has its hash.
    """
    name, at, version = ref.partition("@")
    query = select(view_table).where(view_table.c.workspace_id == workspace.id)
    if ref.startswith("fv_"):
        query = query.where(view_table.c.hash == ref)
    elif not at:
        query = query.where(view_table.c.name == name)
    elif version.isascii() and version.isdecimal():
        query = query.where(view_table.c.name == name, view_table.c.version == int(version[:9]))
    else:
        raise NotFound(f"Not a view: {ref!r}.", mend="write name@version, say 'card_activity@1', or 'card_activity' for the latest")
    with workspace.read() as conn:
        row = conn.execute(query.order_by(desc(view_table.c.version)).limit(1)).first()
    if row is None:
        there = [each.view.ref for each in views(workspace)]
        raise NotFound(
            f"There is no feature view '{ref}' in this workspace.", mend=f"there are: {', '.join(there[:20])}" if there else "register one first"
        )
    return _registered(row)


def view_of(workspace: Workspace, name: str, version: int | None = None) -> FeatureView:
    """The registered view's definition: the given version, or the latest."""
    return registered_view(workspace, name if version is None else f"{name}@{version}").view


def views(workspace: Workspace, *, source: str | None = None) -> list[RegisteredView]:
    """Every registered view, by name and version; those that read ``source`` where it is given."""
    query = select(view_table).where(view_table.c.workspace_id == workspace.id).order_by(view_table.c.name, view_table.c.version)
    with workspace.read() as conn:
        found = [_registered(row) for row in conn.execute(query).all()]
    return [each for each in found if source is None or each.view.source == source]


def _registered(row: Any) -> RegisteredView:
    stored = row._mapping
    view = FeatureView.from_dict(stored["definition"], description=stored["description"], owner=stored["owner"])
    if view.hash != stored["hash"]:
        raise IntegrityError(
            f"The registered view {view.ref} no longer has its hash.",
            where=f"stored {stored['hash']}, computed {view.hash}",
            mend="restore the workspace from a backup; nothing made by this view can be trusted until then",
        )
    return RegisteredView(
        view=view,
        kinds=view.kinds(stored["source_kinds"]),
        source_kinds=stored["source_kinds"],
        contract_id=stored["contract_id"],
        created_at=stored["created_at"],
        created_by=stored["created_by"],
    )


def _contract_of_source(workspace: Workspace, view: FeatureView) -> Contract:
    from pilotage.data.tabular import contract_of_version

    try:
        version = load_version(workspace, view.source)
    except NotFound as error:
        raise NotFound(
            f"The source '{view.source}' of {view.ref} is no dataset of this workspace.",
            why="a view is checked against its source's contract before anything is computed",
            mend="ingest the source first, or register with its contract",
        ) from error
    return contract_of_version(version)


def _require_honest_times(view: FeatureView, contract: Contract) -> None:
    """Refuse a view that claims its rows earlier than their contract does: every later check would believe it.

    Another column of availability is let through here (a column may be known later than its row); a training set compares the two row by row.
    """
    if contract.event_time is not None and view.event_time != contract.event_time:
        raise Refused(
            f"{view.ref} takes '{view.event_time}' as event time; the contract {contract.ref} says '{contract.event_time}'.",
            mend="use the contract's event time, or mend the contract",
        )
    if contract.available_time is not None and view.available_time is None:
        raise Refused(
            f"{view.ref} does not read '{contract.available_time}', which is when the rows of {contract.ref} become available.",
            why="features would be computed from rows before anybody could have known them",
            mend=f"set available_time: {contract.available_time}",
        )
    from pilotage.core import parse_duration

    if contract.available_lag is not None and (view.lag_us is None or view.lag_us < parse_duration(contract.available_lag)):
        raise Refused(
            f"{view.ref} claims its rows earlier than {contract.ref} says: after {view.available_lag or 'no lag'}, not {contract.available_lag}.",
            why="features would be computed from rows before anybody could have known them",
            mend=f"set available_lag: '{contract.available_lag}'",
        )
