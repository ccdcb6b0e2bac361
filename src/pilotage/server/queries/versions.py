"""Questions about datasets and their versions, put to the data room."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from pilotage import data
from pilotage.core import NotFound
from pilotage.data import tagging
from pilotage.data.tables import dataset as dataset_table
from pilotage.data.tables import dataset_quarantine, dataset_tag, dataset_version, dataset_withdrawn
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

QUARANTINE_SHOWN = 100
CHILDREN_SHOWN = 20


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
    """A version with its card, what made it, what it came from and what came of it.

    ``nearby`` are the version before it, itself and the one after it; ``newest`` is the dataset's latest number. ``withdrawn`` is the reason why its
    rows may not be read any more. ``contract`` (``name@version``) and ``run_id`` are of tables only.
    """

    line: VersionLine
    withdrawn: str | None
    contract_id: str | None
    contract: str | None
    run_id: str | None
    tags: list[str]
    nearby: list[VersionLine]
    newest: int
    digest: str
    fields: dict[str, Any]
    card: dict[str, Any]
    operation: dict[str, Any]
    created_by: str
    parents: list[VersionLine]
    children: list[VersionLine]
    more_children: int
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
    newest = version if number is None else data.load_version(workspace, version.dataset)
    family = data.family(workspace, version.id)
    children = [one for one in family.descendants if version.id in one.parents]
    with workspace.read() as conn:
        mine = (dataset_quarantine.c.workspace_id == workspace.id, dataset_quarantine.c.version_id == version.id)
        quarantined = conn.execute(select(func.count()).select_from(dataset_quarantine).where(*mine)).scalar_one()
    return VersionDetail(
        line=_line(version),
        withdrawn=version.withdrawn,
        contract_id=version.contract_id,
        contract=None if version.contract is None else f"{version.contract['name']}@{version.contract['version']}",
        run_id=None if version.place is None else version.place.run_id,
        tags=[one.name for one in tagging.tags(workspace, version.dataset) if one.version_id == version.id],
        nearby=[_line(one) for one in _nearby(workspace, version, newest)],
        newest=newest.number,
        digest=version.digest,
        fields=version.to_dict()["fields"],
        card=version.card.model_dump(mode="json"),
        operation=version.operation.to_dict(),
        created_by=version.created_by,
        parents=[_line(one) for one in family.ancestors if one.id in version.parents],
        children=[_line(one) for one in children[:CHILDREN_SHOWN]],
        more_children=max(0, len(children) - CHILDREN_SHOWN),
        quarantine=data.quarantine(workspace, version.id, limit=QUARANTINE_SHOWN) if quarantined else [],
        quarantined=quarantined,
        exports=data.exports(workspace, version.id),
    )


def _nearby(workspace: Workspace, version: data.Version, newest: data.Version) -> list[data.Version]:
    """The version before this one, this one, and the one after it."""
    before = [data.load_version(workspace, f"{version.dataset}@{version.number - 1}")] if version.number > 1 else []
    after = [data.load_version(workspace, f"{version.dataset}@{version.number + 1}")] if version.number < newest.number else []
    return [*before, version, *after]


@dataclass(frozen=True)
class HistoryLine:
    """A version in the list of its dataset. ``counts`` are the rows its operation took in, kept and so on; ``withdrawn`` is the reason, or None."""

    id: str
    number: int
    rows: int
    digest: str
    operation: str
    counts: dict[str, int]
    created_at: int
    created_by: str
    withdrawn: str | None
    tags: tuple[str, ...] = ()


@dataclass(frozen=True)
class History:
    """A dataset's versions, a page at a time, newest first."""

    dataset: str
    kind: str
    newest: int
    page: Page[HistoryLine]


def list_versions(workspace: Workspace, name: str, turn: Turn) -> History:
    """The versions of a dataset, newest first. Raises ``NotFound``. Cost: one index range a page, however many there are."""
    newest = data.load_version(workspace, name)
    v = dataset_version.c
    query = (
        select(v.id, v.number, v.rows, v.digest, v.operation, v.created_at, v.created_by, dataset_withdrawn.c.reason)
        .join(dataset_table, (dataset_table.c.id == v.dataset_id) & (dataset_table.c.workspace_id == v.workspace_id))
        .outerjoin(dataset_withdrawn, (dataset_withdrawn.c.version_id == v.id) & (dataset_withdrawn.c.workspace_id == v.workspace_id))
        .where(v.workspace_id == workspace.id, dataset_table.c.name == newest.dataset)
    )
    with workspace.read() as conn:
        found = turn_page(conn, query, keys=[v.number], turn=turn, descending=True)
        ids = [row.id for row in found.rows]
        t = dataset_tag.c
        tagged: dict[str, list[str]] = {}
        for row in conn.execute(select(t.version_id, t.name).where(t.workspace_id == workspace.id, t.version_id.in_(ids)).order_by(t.name)):
            tagged.setdefault(row.version_id, []).append(row.name)

    def lines(rows: list[Any]) -> list[HistoryLine]:
        return [
            HistoryLine(
                id=row.id,
                number=row.number,
                rows=row._mapping["rows"],
                digest=row.digest,
                operation=row.operation["name"],
                counts={name: n for name, n in row.operation["counts"].items() if n},
                created_at=row.created_at,
                created_by=row.created_by,
                withdrawn=row.reason,
                tags=tuple(tagged.get(row.id, ())),
            )
            for row in rows
        ]

    return History(newest.dataset, newest.kind, newest.number, found.map(lines))


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
