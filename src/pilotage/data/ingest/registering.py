"""Sources that the workspace knows by name, so that rows can be pushed to them and machines need no file.

A registered source is versioned by its content: the same declaration again is the one that is there, another one gets the next number. Batches keep
the declaration they came under, so a later number changes nothing about them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, desc, func, select

from pilotage.core import NotFound, content_id
from pilotage.data.contracts import contract_of, load_contract, put_contract
from pilotage.data.ingest.source import SourceConfig, source_from_dict
from pilotage.data.ingest.tables import ingest_source
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class RegisteredSource:
    """A source the workspace knows. ``number`` counts its declarations from 1; ``registered_at`` is in microseconds, UTC."""

    id: str
    name: str
    number: int
    config: SourceConfig
    registered_at: int
    registered_by: str

    @property
    def ref(self) -> str:
        """``name@number``."""
        return f"{self.name}@{self.number}"


def register_source(workspace: Workspace, config: SourceConfig) -> RegisteredSource:
    """Make the source known by its name. A contract that stands in a file goes into the workspace with it; the same declaration again is a no-op.

    Raises
    ------
    NotFound
        If the workspace has no contract of that name.
    """
    if config.contract.endswith((".yaml", ".yml")):
        config = config.model_copy(update={"contract": put_contract(workspace, load_contract(config.contract)).ref})
    else:
        contract_of(workspace, config.contract)
    declared = config.to_dict()

    def job(tx: WriteTransaction) -> None:
        mine = (ingest_source.c.workspace_id == tx.workspace_id, ingest_source.c.name == config.name)
        latest = tx.conn.execute(select(ingest_source).where(*mine).order_by(desc(ingest_source.c.number)).limit(1)).first()
        if latest is not None and latest.config == declared:
            return
        number = 1 if latest is None else latest.number + 1
        source_id = content_id("is", {"name": config.name, "number": number, "config": declared})
        tx.insert(ingest_source, {"id": source_id, "name": config.name, "number": number, "config": declared})
        body = {"name": config.name, "number": number, "kind": config.kind, "contract": config.contract, "dataset": config.dataset}
        record(tx, type="ingest.source", subject=source_id, body=body)

    workspace.write(job)
    return registered_source(workspace, config.name)


def source_of(workspace: Workspace, name: str) -> SourceConfig:
    """The source of this name as it was declared last. Raises ``NotFound``."""
    return registered_source(workspace, name).config


def registered_source(workspace: Workspace, name: str) -> RegisteredSource:
    """As :func:`source_of`, with its number and who registered it."""
    mine = (ingest_source.c.workspace_id == workspace.id, ingest_source.c.name == name)
    with workspace.read() as conn:
        row = conn.execute(select(ingest_source).where(*mine).order_by(desc(ingest_source.c.number)).limit(1)).first()
    if row is None:
        raise NotFound(f"The workspace knows no source {name!r}.", mend="register it: pilotage data source put SOURCE.yaml")
    return _source(row)


def registered_sources(workspace: Workspace) -> list[RegisteredSource]:
    """Every source the workspace knows, as declared last, by name."""
    of = ingest_source.c
    latest = select(of.name, func.max(of.number).label("number")).where(of.workspace_id == workspace.id).group_by(of.name).subquery()
    query = select(ingest_source).join(latest, (latest.c.name == of.name) & (latest.c.number == of.number)).where(of.workspace_id == workspace.id)
    with workspace.read() as conn:
        return [_source(row) for row in conn.execute(query.order_by(of.name)).all()]


def _source(row: Row[Any]) -> RegisteredSource:
    return RegisteredSource(row.id, row.name, row.number, source_from_dict(row.config), row.created_at, row.created_by)
