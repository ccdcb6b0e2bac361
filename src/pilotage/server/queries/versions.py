"""Questions about datasets and their versions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, func, select, type_coerce

from pilotage.core import NotFound
from pilotage.data.tables import dataset, dataset_export, dataset_quarantine, dataset_version
from pilotage.store import Workspace


@dataclass(frozen=True)
class DatasetLine:
    """One dataset with its latest version."""

    id: str
    name: str
    kind: str
    versions: int
    number: int | None
    rows: int | None
    operation: str | None
    licence: str | None
    created_at: int | None


@dataclass(frozen=True)
class VersionLine:
    """A version by name, for lineage and lists."""

    id: str
    dataset: str
    number: int
    kind: str
    rows: int
    operation: str
    created_at: int


@dataclass(frozen=True)
class VersionDetail:
    """A version with its card, what made it, what it came from and what came of it."""

    line: VersionLine
    digest: str
    fields: Any
    card: dict[str, Any]
    operation: dict[str, Any]
    created_by: str
    parents: list[VersionLine]
    unknown_parents: list[str]
    children: list[VersionLine]
    siblings: list[VersionLine]
    quarantine: list[dict[str, Any]]
    quarantined: int
    exports: list[dict[str, Any]]


def list_datasets(workspace: Workspace) -> list[DatasetLine]:
    """Every dataset by name."""
    newest = (
        select(dataset_version.c.dataset_id, func.max(dataset_version.c.number).label("number"), func.count().label("versions"))
        .where(dataset_version.c.workspace_id == workspace.id)
        .group_by(dataset_version.c.dataset_id)
        .subquery()
    )
    statement = (
        select(
            dataset.c.id,
            dataset.c.name,
            dataset.c.kind,
            newest.c.versions,
            dataset_version.c.number,
            dataset_version.c.rows,
            dataset_version.c.operation,
            dataset_version.c.card,
            dataset_version.c.created_at,
        )
        .outerjoin(newest, newest.c.dataset_id == dataset.c.id)
        .outerjoin(
            dataset_version,
            (dataset_version.c.workspace_id == dataset.c.workspace_id)
            & (dataset_version.c.dataset_id == dataset.c.id)
            & (dataset_version.c.number == newest.c.number),
        )
        .where(dataset.c.workspace_id == workspace.id)
        .order_by(dataset.c.name)
    )
    with workspace.read() as conn:
        return [
            DatasetLine(
                id=row.id,
                name=row.name,
                kind=row.kind,
                versions=row.versions or 0,
                number=row.number,
                rows=row.rows,
                operation=_operation_name(row.operation),
                licence=(row.card or {}).get("licence"),
                created_at=row.created_at,
            )
            for row in conn.execute(statement)
        ]


def find_version(workspace: Workspace, name: str, number: int | None = None) -> VersionDetail:
    """Version ``number`` of a dataset, or its latest. Raises ``NotFound``."""
    with workspace.read() as conn:
        statement = _versions(workspace).where(dataset.c.name == name)
        rows = conn.execute(statement.order_by(dataset_version.c.number.desc())).all()
        row = next((one for one in rows if number is None or one.number == number), None)
        if row is None:
            raise NotFound(f"There is no version {number or ''} of a dataset '{name}'.", where=f"{name}@{number}", mend="see the list of datasets")
        parents = list(row.parents or [])
        known = conn.execute(_versions(workspace).where(dataset_version.c.id.in_(parents))).all() if parents else []
        # Parents are a JSON list of ids kept as text, so a quoted id is one substring on every database.
        children = conn.execute(
            _versions(workspace).where(type_coerce(dataset_version.c.parents, Text).contains(f'"{row.id}"', autoescape=True))
        ).all()
        mine = (dataset_quarantine.c.workspace_id == workspace.id) & (dataset_quarantine.c.version_id == row.id)
        quarantined = conn.execute(select(func.count()).select_from(dataset_quarantine).where(mine)).scalar_one()
        quarantine = conn.execute(select(dataset_quarantine).where(mine).order_by(dataset_quarantine.c.line).limit(100)).all()
        exports = conn.execute(
            select(dataset_export)
            .where(dataset_export.c.workspace_id == workspace.id, dataset_export.c.version_id == row.id)
            .order_by(dataset_export.c.created_at.desc())
        ).all()
    found = {one.id for one in known}
    return VersionDetail(
        line=_line(row),
        digest=row.digest,
        fields=row.fields,
        card=dict(row.card or {}),
        operation=row.operation if isinstance(row.operation, dict) else {"name": str(row.operation)},
        created_by=row.created_by,
        parents=[_line(one) for one in known],
        unknown_parents=[str(parent) for parent in parents if parent not in found],
        children=[_line(one) for one in children],
        siblings=[_line(one) for one in rows],
        quarantine=[{"source": one.source, "line": one.line, "field": one.field, "reason": one.reason, "raw": one.raw} for one in quarantine],
        quarantined=quarantined,
        exports=[
            {
                "format": one.format,
                "path": one.path,
                "sha256": one.sha256,
                "rows": one.rows,
                "created_by": one.created_by,
                "created_at": one.created_at,
            }
            for one in exports
        ],
    )


def name_versions(workspace: Workspace, ids: list[str]) -> dict[str, VersionLine]:
    """Versions by id; ids that are not there are left out."""
    if not ids:
        return {}
    with workspace.read() as conn:
        return {row.id: _line(row) for row in conn.execute(_versions(workspace).where(dataset_version.c.id.in_(ids)))}


def _versions(workspace: Workspace) -> Any:
    return (
        select(dataset_version, dataset.c.name, dataset.c.kind)
        .join(dataset, (dataset.c.workspace_id == dataset_version.c.workspace_id) & (dataset.c.id == dataset_version.c.dataset_id))
        .where(dataset_version.c.workspace_id == workspace.id)
    )


def _line(row: Any) -> VersionLine:
    return VersionLine(row.id, row.name, row.number, row.kind, row.rows, _operation_name(row.operation) or "", row.created_at)


def _operation_name(operation: Any) -> str | None:
    if isinstance(operation, dict):
        return str(operation.get("name", "")) or None
    return None if operation is None else str(operation)
