"""Withdrawing a person or a source everywhere: tables, quarantine and online features; what must be rebuilt, and what could not be reached.

The rooms erase what is theirs; this walks through them in an order in which nothing that was erased can come back: tables first (the truth the others
are made from), then quarantined rows, then the online rows of every view that reads such a table. Models, predictions and exports are named, not
changed: somebody must train again, score again, or call back a file. Doing it again is harmless, and goes on where a crash left off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.data import datasets, load_version
from pilotage.data.ingest import erase_quarantine
from pilotage.data.tabular import Withdrawal, contract_of_version
from pilotage.data.tabular import withdraw as withdraw_from_tables
from pilotage.features import views
from pilotage.features.online import open_store
from pilotage.features.tables import event_source
from pilotage.store import Workspace


@dataclass(frozen=True)
class WithdrawnEverywhere:
    """What was withdrawn.

    tables
        Rows, versions and files of tables, and the dependants that must be rebuilt.
    quarantined
        How many quarantined rows about the person were erased.
    held
        Held batches that contain the person: discard them, or release them and withdraw again.
    online
        Views whose online rows were dropped: materialize them again.
    event_logs
        Event sources, whose logs are not searched: they may hold the person until they are trimmed.
    """

    tables: Withdrawal
    quarantined: int
    held: tuple[str, ...]
    online: tuple[str, ...]
    event_logs: tuple[str, ...]

    def __str__(self) -> str:
        lines = [str(self.tables)]
        lines += [f"to rebuild: {each.kind} {each.name} ({each.id})" for each in self.tables.dependants]
        if self.quarantined:
            lines.append(f"{self.quarantined} quarantined rows erased")
        lines += [f"held batch {batch} contains the person: discard it, or release it and withdraw again" for batch in self.held]
        lines += [f"online rows of {view} dropped: pilotage features materialize {view}" for view in self.online]
        lines += [f"not searched: the event log of '{source}'" for source in self.event_logs]
        return "\n".join(lines)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return vars(self) | {"tables": self.tables.to_dict()}


def withdraw(workspace: Workspace, *, reason: str, subject: str | None = None, source: str | None = None) -> WithdrawnEverywhere:
    """Erase a person (``subject``) or a source from everything the workspace can reach. Raises as :func:`pilotage.data.tabular.withdraw`."""
    touched = _reading_views(workspace, by_subject=subject is not None, source=source)
    tables = withdraw_from_tables(workspace, subject=subject, source=source, reason=reason)
    erased = erase_quarantine(workspace, reason=reason, subject=subject) if subject is not None else None
    store = open_store(workspace)
    try:
        dropped = tuple(view for view in touched if store.drop(view))
    finally:
        store.close()
    with workspace.read() as conn:
        logs = (
            conn.execute(select(event_source.c.name).where(event_source.c.workspace_id == workspace.id).order_by(event_source.c.name)).scalars().all()
        )
    return WithdrawnEverywhere(
        tables=tables,
        quarantined=0 if erased is None else erased.rows,
        held=() if erased is None else tuple(erased.held),
        online=dropped,
        event_logs=tuple(logs),
    )


def _reading_views(workspace: Workspace, *, by_subject: bool, source: str | None) -> list[str]:
    """The views that read a table which names people, or the withdrawn source: their online rows were made from what goes."""
    named: set[str] = set()
    for dataset in datasets(workspace):
        if dataset.kind != "table":
            continue
        version = load_version(workspace, dataset.version_id)
        if (by_subject and contract_of_version(version).subject is not None) or source in (dataset.name, version.card.source):
            named.add(dataset.name)
    return [registered.view.ref for registered in views(workspace) if registered.view.source in named]
