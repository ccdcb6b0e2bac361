"""Names for versions: a tag (``answers@production``), and the version there was at a time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import desc, select

from pilotage.core import InputError, NotFound
from pilotage.data.catalogue import load_version
from pilotage.data.tables import dataset as dataset_table
from pilotage.data.tables import dataset_tag, dataset_version
from pilotage.data.version import Version
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Tag:
    """A name of a version."""

    dataset: str
    name: str
    version_id: str
    number: int


def tag(workspace: Workspace, ref: str, name: str) -> Version:
    """Give the version ``ref`` the tag ``name``; :func:`load_version` then finds it as ``dataset@name``. A tag that is there is moved.

    Setting and moving are entries in the ledger, with the version it was moved from. Setting it where it is does nothing.

    Raises ``InputError`` if ``name`` could be taken for a number, or has other than letters, digits, dot, dash and underscore.
    """
    if not _TAG.fullmatch(name):
        raise InputError(f"Not a tag: {name!r}.", mend="start with a letter; then letters, digits, dot, dash, underscore; at most 64")
    version = load_version(workspace, ref)
    where = (dataset_tag.c.workspace_id == workspace.id, dataset_tag.c.name == name)

    def job(tx: WriteTransaction) -> None:
        owner = select(dataset_version.c.dataset_id).where(dataset_version.c.workspace_id == tx.workspace_id, dataset_version.c.id == version.id)
        dataset_id = str(tx.conn.execute(owner).scalar_one())
        mine = (*where, dataset_tag.c.dataset_id == dataset_id)
        before = tx.conn.execute(select(dataset_tag.c.version_id).where(*mine)).scalar()
        if before == version.id:
            return
        if before is None:
            tx.insert(dataset_tag, {"dataset_id": dataset_id, "name": name, "version_id": version.id, "lock_version": 1})
        else:
            tx.conn.execute(dataset_tag.update().where(*mine).values(version_id=version.id, lock_version=dataset_tag.c.lock_version + 1))
        record(
            tx,
            type="dataset.tagged" if before is None else "dataset.tag-moved",
            subject=version.id,
            body={"dataset": version.dataset, "tag": name, "number": version.number, "before": before},
        )

    workspace.write(job)
    return version


def tags(workspace: Workspace, dataset: str) -> list[Tag]:
    """The tags of a dataset's versions, by name."""
    query = (
        select(dataset_tag.c.name, dataset_tag.c.version_id, dataset_version.c.number)
        .join(dataset_table, (dataset_table.c.id == dataset_tag.c.dataset_id) & (dataset_table.c.workspace_id == dataset_tag.c.workspace_id))
        .join(dataset_version, (dataset_version.c.id == dataset_tag.c.version_id) & (dataset_version.c.workspace_id == dataset_tag.c.workspace_id))
        .where(dataset_tag.c.workspace_id == workspace.id, dataset_table.c.name == dataset)
        .order_by(dataset_tag.c.name)
    )
    with workspace.read() as conn:
        return [Tag(dataset=dataset, name=row.name, version_id=row.version_id, number=row.number) for row in conn.execute(query)]


def as_of(workspace: Workspace, dataset: str, at_us: int) -> Version:
    """The version that was the latest at a time (microseconds since the epoch, UTC), that moment included.

    Raises ``NotFound`` if there was none yet.
    """
    first = load_version(workspace, dataset)
    query = (
        select(dataset_version.c.id)
        .join(dataset_table, (dataset_table.c.id == dataset_version.c.dataset_id) & (dataset_table.c.workspace_id == dataset_version.c.workspace_id))
        .where(dataset_version.c.workspace_id == workspace.id, dataset_table.c.name == first.dataset, dataset_version.c.created_at <= at_us)
        .order_by(desc(dataset_version.c.number))
        .limit(1)
    )
    with workspace.read() as conn:
        found = conn.execute(query).scalar()
    if found is None:
        raise NotFound(f"'{first.dataset}' had no version yet at that time.", where=f"{at_us} µs since 1970, UTC")
    return load_version(workspace, str(found))
