"""The catalogue: which datasets and versions there are, and how they descend from one another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, desc, func, select

from pilotage.core import NotFound
from pilotage.data.card import Card
from pilotage.data.contract import make_contract
from pilotage.data.tables import dataset as dataset_table
from pilotage.data.tables import dataset_table_place, dataset_tag, dataset_withdrawn
from pilotage.data.tables import dataset_version as version_table
from pilotage.data.version import TABLE, Operation, TablePlace, Version, is_version_id
from pilotage.store import Workspace


@dataclass(frozen=True)
class Dataset:
    """A named line of versions. ``rows`` and ``version_id`` are those of the latest."""

    name: str
    kind: str
    latest: int
    version_id: str
    rows: int
    created_at: int


@dataclass(frozen=True)
class Family:
    """Where a version comes from and what was made of it.

    ``ancestors`` are nearest first; ``descendants`` likewise. ``edges`` are pairs (parent id, child id) among all of them.
    """

    version: Version
    ancestors: tuple[Version, ...]
    descendants: tuple[Version, ...]
    edges: tuple[tuple[str, str], ...]


def load_version(workspace: Workspace, ref: str) -> Version:
    """The version named by its id, by ``name`` (the latest), by ``name@number`` or by ``name@tag``.

    Raises
    ------
    NotFound
        If there is none, saying what there is.
    """
    query = _query(workspace)
    name, at, number = ref.rpartition("@") if "@" in ref else (ref, "", "")
    if is_version_id(ref):
        query = query.where(version_table.c.id == ref)
    else:
        query = query.where(dataset_table.c.name == name)
        if at and number.isascii() and number.isdecimal():
            query = query.where(version_table.c.number == int(number[:9]))
        elif at:
            query = query.where(version_table.c.id == _tagged(workspace, number))
    with workspace.read() as conn:
        found = conn.execute(query.order_by(desc(version_table.c.number)).limit(1)).first()
    if found is None:
        raise _not_found(workspace, ref, name)
    return _version(found)


def versions(workspace: Workspace, dataset: str | None = None) -> list[Version]:
    """The versions of a dataset, or of all, newest first."""
    query = _query(workspace)
    if dataset is not None:
        query = query.where(dataset_table.c.name == dataset)
    with workspace.read() as conn:
        found = conn.execute(query.order_by(desc(version_table.c.created_at), desc(version_table.c.number), version_table.c.id)).all()
    return [_version(row) for row in found]


def datasets(workspace: Workspace) -> list[Dataset]:
    """Every dataset with its latest version, by name."""
    latest = (
        select(version_table.c.dataset_id, func.max(version_table.c.number).label("number"))
        .where(version_table.c.workspace_id == workspace.id)
        .group_by(version_table.c.dataset_id)
        .subquery()
    )
    query = (
        select(
            dataset_table.c.name,
            dataset_table.c.kind,
            dataset_table.c.created_at,
            version_table.c.number,
            version_table.c.id,
            version_table.c.rows,
        )
        .join(
            version_table,
            (version_table.c.dataset_id == dataset_table.c.id) & (version_table.c.workspace_id == dataset_table.c.workspace_id),
        )
        .join(latest, (latest.c.dataset_id == version_table.c.dataset_id) & (latest.c.number == version_table.c.number))
        .where(dataset_table.c.workspace_id == workspace.id)
        .order_by(dataset_table.c.name)
    )
    with workspace.read() as conn:
        found = conn.execute(query).all()
    return [
        Dataset(name=row.name, kind=row.kind, latest=row.number, version_id=row.id, rows=row._mapping["rows"], created_at=row.created_at)
        for row in found
    ]


def family(workspace: Workspace, ref: str) -> Family:
    """Everything the version was made from, and everything made from it. Cost: one pass over the workspace's versions."""
    version = load_version(workspace, ref)
    known = {other.id: other for other in versions(workspace)}
    children: dict[str, list[str]] = {}
    for other in known.values():
        for parent in other.parents:
            children.setdefault(parent, []).append(other.id)
    up = _reach(version.id, {key: list(other.parents) for key, other in known.items()})
    down = _reach(version.id, children)
    kin = {version.id, *up, *down}
    edges = sorted((parent, child) for child in kin for parent in known[child].parents if parent in kin)
    return Family(
        version=version,
        ancestors=tuple(known[key] for key in up),
        descendants=tuple(known[key] for key in down),
        edges=tuple(edges),
    )


def _reach(start: str, graph: dict[str, list[str]]) -> list[str]:
    """What can be reached from ``start``, nearest first, without it."""
    found: dict[str, None] = {}
    border = [start]
    while border:
        border = [after for key in border for after in graph.get(key, []) if after not in found]
        found.update(dict.fromkeys(border))
        border = list(dict.fromkeys(border))
    return list(found)


def _tagged(workspace: Workspace, name: str) -> Any:
    """The id of the version of the query's dataset that has the tag ``name``."""
    return (
        select(dataset_tag.c.version_id)
        .where(dataset_tag.c.workspace_id == workspace.id, dataset_tag.c.dataset_id == dataset_table.c.id, dataset_tag.c.name == name)
        .correlate(dataset_table)
        .scalar_subquery()
    )


def _query(workspace: Workspace) -> Select[Any]:
    place, withdrawn = dataset_table_place, dataset_withdrawn
    return (
        select(
            version_table,
            dataset_table.c.name.label("dataset_name"),
            dataset_table.c.kind,
            place.c.contract_id,
            place.c.lance_version,
            place.c.rows_digest,
            place.c.run_id,
            withdrawn.c.reason.label("withdrawn"),
        )
        .join(
            dataset_table,
            (dataset_table.c.id == version_table.c.dataset_id) & (dataset_table.c.workspace_id == version_table.c.workspace_id),
        )
        .outerjoin(place, (place.c.version_id == version_table.c.id) & (place.c.workspace_id == version_table.c.workspace_id))
        .outerjoin(withdrawn, (withdrawn.c.version_id == version_table.c.id) & (withdrawn.c.workspace_id == version_table.c.workspace_id))
        .where(version_table.c.workspace_id == workspace.id)
    )


def _version(row: Any) -> Version:
    stored = row._mapping
    is_table = stored["kind"] == TABLE
    return Version(
        id=stored["id"],
        dataset=stored["dataset_name"],
        kind=stored["kind"],
        number=stored["number"],
        digest=stored["digest"],
        rows=stored["rows"],
        fields={} if is_table else make_contract(stored["fields"]),
        card=Card.model_validate(stored["card"]),
        operation=Operation.from_dict(stored["operation"]),
        parents=tuple(stored["parents"]),
        blob=stored["blob"],
        created_at=stored["created_at"],
        created_by=stored["created_by"],
        contract_id=stored["contract_id"],
        contract=stored["fields"] if is_table else None,
        place=TablePlace(
            dataset_id=stored["dataset_id"],
            lance_version=stored["lance_version"],
            rows_digest=stored["rows_digest"],
            run_id=stored["run_id"],
        )
        if is_table
        else None,
        withdrawn=stored["withdrawn"],
    )


def _not_found(workspace: Workspace, ref: str, name: str) -> NotFound:
    if is_version_id(ref):
        return NotFound(f"There is no version {ref} in this workspace.", mend="see 'pilotage show' for those there are")
    there = [version.number for version in versions(workspace, name)]
    if there:
        return NotFound(
            f"The dataset '{name}' has no version {ref.rpartition('@')[2]}.",
            mend=f"it has {min(there)} to {max(there)}; write name@number, name@tag, or the name alone for the latest",
        )
    names = [dataset.name for dataset in datasets(workspace)]
    return NotFound(
        f"There is no dataset '{name}' in this workspace.",
        mend=f"there are: {', '.join(names[:20])}" if names else "import one first",
    )
