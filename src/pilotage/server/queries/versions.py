"""Questions about datasets and their versions, put to the data room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from pilotage import data
from pilotage.core import NotFound
from pilotage.data.tables import dataset_quarantine
from pilotage.store import Workspace

QUARANTINE_SHOWN = 100


@dataclass(frozen=True)
class DatasetLine:
    """One dataset with its latest version."""

    name: str
    kind: str
    latest: int
    rows: int
    operation: str
    licence: str | None
    created_at: int


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
    fields: dict[str, Any]
    card: dict[str, Any]
    operation: dict[str, Any]
    created_by: str
    parents: list[VersionLine]
    children: list[VersionLine]
    siblings: list[VersionLine]
    quarantine: list[data.QuarantinedRow]
    quarantined: int
    exports: list[data.ExportRecord]


def list_datasets(workspace: Workspace) -> list[DatasetLine]:
    """Every dataset by name."""
    lines = []
    for one in data.datasets(workspace):
        latest = data.load_version(workspace, one.version_id)
        lines.append(DatasetLine(one.name, one.kind, one.latest, one.rows, latest.operation.name, latest.card.licence, latest.created_at))
    return lines


def find_version(workspace: Workspace, name: str, number: int | None = None) -> VersionDetail:
    """Version ``number`` of a dataset, or its latest. Raises ``NotFound``."""
    version = data.load_version(workspace, name if number is None else f"{name}@{number}")
    family = data.family(workspace, version.id)
    with workspace.read() as conn:
        mine = (dataset_quarantine.c.workspace_id == workspace.id, dataset_quarantine.c.version_id == version.id)
        quarantined = conn.execute(select(func.count()).select_from(dataset_quarantine).where(*mine)).scalar_one()
    return VersionDetail(
        line=_line(version),
        digest=version.digest,
        fields=version.to_dict()["fields"],
        card=version.card.model_dump(mode="json"),
        operation=version.operation.to_dict(),
        created_by=version.created_by,
        parents=[_line(one) for one in family.ancestors if one.id in version.parents],
        children=[_line(one) for one in family.descendants if version.id in one.parents],
        siblings=[_line(one) for one in data.versions(workspace, version.dataset)],
        quarantine=data.quarantine(workspace, version.id, limit=QUARANTINE_SHOWN) if quarantined else [],
        quarantined=quarantined,
        exports=data.exports(workspace, version.id),
    )


def name_versions(workspace: Workspace, ids: list[str]) -> dict[str, VersionLine]:
    """Versions by id; ids that are not there are left out."""
    found = {}
    for one in ids:
        try:
            found[one] = _line(data.load_version(workspace, one))
        except NotFound:
            continue  # a figure may be about data of another workspace; the page then shows the bare id
    return found


def _line(version: data.Version) -> VersionLine:
    return VersionLine(version.id, version.dataset, version.number, version.kind, version.rows, version.operation.name, version.created_at)
