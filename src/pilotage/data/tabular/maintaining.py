"""Keeping tables in order: missing tags made again, many small fragments joined, and what crashes left behind cleaned up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa
from sqlalchemy import select, update

from pilotage.core import Conflict, parse_duration
from pilotage.data.catalogue import datasets, versions
from pilotage.data.publishing import dataset_id_of
from pilotage.data.tables import dataset_table_place
from pilotage.data.tabular.lance_files import FRAGMENT_ROWS, Change, LanceFiles
from pilotage.data.tabular.places import contract_of_version, files_of, place_of
from pilotage.data.tabular.publishing import stored_schema
from pilotage.data.version import TABLE, Version
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

SMALL = FRAGMENT_ROWS // 4
MANY = 16


@dataclass(frozen=True)
class Maintained:
    """What was done to one dataset's table."""

    dataset: str
    tags_made: int
    fragments_before: int
    fragments_after: int
    bytes_freed: int

    def __str__(self) -> str:
        return (
            f"{self.dataset}: {self.tags_made} tags made again, {self.fragments_before} fragments are now {self.fragments_after}, "
            f"{self.bytes_freed} bytes freed"
        )


def maintain(workspace: Workspace, *, dataset: str | None = None, grace: str = "1h") -> tuple[Maintained, ...]:
    """Put the tables in order. No version that the catalogue names is touched, but where the latest has 16 or more small fragments, they are joined.

    Joining changes the order of the latest version's rows, not its digest. Files that no version has are deleted once they are older than ``grace``,
    so that who reads just now is not disturbed. It waits for those who publish. Running it again, or after a crash, is harmless.

    Cost: a look at each version's tag; joining reads and writes the small fragments.
    """
    names = [each.name for each in datasets(workspace) if each.kind == TABLE and dataset in (None, each.name)]
    return tuple(_maintain(workspace, name, grace_us=parse_duration(grace)) for name in names)


def _maintain(workspace: Workspace, name: str, *, grace_us: int) -> Maintained:
    files = files_of(workspace, dataset_id_of(workspace.id, name))
    with files.in_turn(), files.alone():
        line = [version for version in versions(workspace, name) if version.withdrawn is None]
        made = keep_tags(files, line)
        before = after = 0
        if line:
            before, after = _join(workspace, files, max(line, key=lambda version: version.number))
        freed = files.clean(older_than_us=grace_us)
    return Maintained(name, made, before, after, freed)


def keep_tags(files: LanceFiles, line: list[Version]) -> int:
    """Give every version of ``line`` its tag, and no other; returns how many were missing."""
    wanted = {version.id: place_of(version).lance_version for version in line}
    there = files.tags()
    for name in there:
        if there[name] != wanted.get(name):
            files.untag(name)
    missing = [name for name, number in wanted.items() if there.get(name) != number]
    for name in missing:
        files.tag(name, wanted[name])
    return len(missing)


def _join(workspace: Workspace, files: LanceFiles, version: Version) -> tuple[int, int]:
    """Join the version's small fragments, if they are many."""
    place, contract = place_of(version), contract_of_version(version)
    view = files.open(place.lance_version)
    parts = view.parts()
    small = [part.fragment for part in parts if part.rows < SMALL]
    if len(small) < MANY:
        return len(parts), len(parts)

    def rows() -> Iterator[pa.RecordBatch]:
        for batch in view.batches(fragments=small):
            yield batch.select(contract.arrow_schema().names)

    new = files.write(rows(), stored_schema(contract), base=view)
    number = files.commit(Change(new=new, removed=tuple(small)), base=place.lance_version, schema=stored_schema(contract), run_id=None)
    move_version(workspace, files, version, number)
    return len(parts), len(files.open(number).parts())


def move_version(workspace: Workspace, files: LanceFiles, version: Version, number: int) -> None:
    """Say that the version's rows, which stay the same, now lie in Lance's version ``number``. Call it inside ``files.alone()``.

    Raises ``Conflict`` if somebody moved it meanwhile.
    """
    before = place_of(version).lance_version
    table = dataset_table_place

    def job(tx: WriteTransaction) -> None:
        mine = (table.c.workspace_id == tx.workspace_id, table.c.version_id == version.id)
        if tx.conn.execute(select(table.c.lance_version).where(*mine)).scalar() != before:
            raise Conflict(f"The rows of {version.ref} were moved by somebody else.", mend="run it again")
        tx.conn.execute(update(table).where(*mine).values(lance_version=number))
        record(tx, type="dataset.moved", subject=version.id, body={"from": before, "to": number, "rows": version.rows})

    if files.open(number).count() != version.rows:
        raise Conflict(f"The rewritten rows of {version.ref} are not as many as they were.", mend="run it again")
    workspace.write(job)
    files.untag(version.id)
    files.tag(version.id, number)
