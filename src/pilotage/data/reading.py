"""Reading a version's rows: all of them, a page, one, or the difference between two versions.

The first time this process opens a version, its file is checked against its name and its rows against the version's digest, and again whenever the
file's size or time changes. What does not match is never handed out. Cost: one pass over the file, about 2 s for a million rows.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotage.core import InputError, IntegrityError, MultisetDigest, NotFound, Refused
from pilotage.data.catalogue import load_version
from pilotage.data.rowfile import RowFile, parse_row, version_digest
from pilotage.data.version import TABLE, Version, contract_json
from pilotage.store import Workspace

MAX_PAGE = 1000

_checked: dict[tuple[str, str], tuple[int, int]] = {}
_checked_lock = threading.Lock()


@dataclass(frozen=True)
class Page:
    """Rows ``offset`` to ``offset + len(rows)`` of ``total``."""

    version_id: str
    offset: int
    total: int
    rows: tuple[dict[str, Any], ...]

    @property
    def next_offset(self) -> int | None:
        """Where the next page starts, or None after the last one."""
        after = self.offset + len(self.rows)
        return after if self.rows and after < self.total else None


@dataclass(frozen=True)
class Diff:
    """What changed between two versions, as row ids in the order of the version that has them."""

    before: str
    after: str
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]
    unchanged: int

    def __str__(self) -> str:
        return f"{len(self.added)} added, {len(self.removed)} removed, {len(self.changed)} changed, {self.unchanged} unchanged"


def rows(workspace: Workspace, ref: str) -> Iterator[dict[str, Any]]:
    """Every row of a version, in the order it was published, as a stream. ``ref`` is a version's id, ``name`` or ``name@number``.

    Raises
    ------
    NotFound
        If there is no such version.
    IntegrityError
        If the stored rows are not those that were published.
    """
    version = load_version(workspace, ref)
    check(workspace, version)  # now, not at the first row: who calls learns at once

    def stream() -> Iterator[dict[str, Any]]:
        with open_rows(workspace, version) as file:
            for text in file.texts():
                yield parse_row(text)

    return stream()


def rows_page(workspace: Workspace, ref: str, *, offset: int = 0, limit: int = 50) -> Page:
    """Rows ``offset`` to ``offset + limit`` of a version; a page beyond the end is empty. Reads only the row groups needed."""
    if offset < 0 or not 1 <= limit <= MAX_PAGE:
        raise InputError(f"No such page: offset {offset}, limit {limit}.", mend=f"offset from 0, limit from 1 to {MAX_PAGE}")
    version = load_version(workspace, ref)
    with open_rows(workspace, version) as file:
        found = tuple(parse_row(text) for text in file.slice(offset=offset, limit=limit))
    return Page(version_id=version.id, offset=offset, total=version.rows, rows=found)


def find_row(workspace: Workspace, ref: str, *, row_id: str) -> dict[str, Any]:
    """The row with this id. Raises ``NotFound`` if the version has none."""
    version = load_version(workspace, ref)
    with open_rows(workspace, version) as file:
        text = file.find(row_id)
    if text is None:
        raise NotFound(f"There is no row {row_id!r} in {version.ref}.", where=version.id)
    return parse_row(text)


def diff(workspace: Workspace, before: str, after: str) -> Diff:
    """What changed from one version to another, by row id. Memory: about 150 bytes a row of both.

    Of two tables the ids are the keys as text; :func:`pilotage.data.tabular.diff_tables` says more, and pages.
    """
    old, new = load_version(workspace, before), load_version(workspace, after)
    if old.kind == new.kind == TABLE:
        from pilotage.data.tabular.differences import diff_tables

        found = diff_tables(workspace, old.id, new.id)
        return Diff(old.id, new.id, *found.keys(), unchanged=found.unchanged)
    with open_rows(workspace, old) as file:
        old_rows = file.hashes()
    with open_rows(workspace, new) as file:
        new_rows = file.hashes()
    both = [row_id for row_id in new_rows if row_id in old_rows]
    changed = tuple(row_id for row_id in both if old_rows[row_id] != new_rows[row_id])
    return Diff(
        before=old.id,
        after=new.id,
        added=tuple(row_id for row_id in new_rows if row_id not in old_rows),
        removed=tuple(row_id for row_id in old_rows if row_id not in new_rows),
        changed=changed,
        unchanged=len(both) - len(changed),
    )


@contextmanager
def open_rows(workspace: Workspace, version: Version) -> Iterator[RowFile]:
    """The version's file, checked."""
    check(workspace, version)
    with RowFile(workspace.blobs.path(version.blob)) as file:
        yield file


def check(workspace: Workspace, version: Version) -> None:
    """Check the version's file and rows, unless this process already did and the file has not been touched since."""
    if version.kind == TABLE:
        raise InputError(
            f"{version.ref} is a table: its rows have typed columns.",
            mend="read it with pilotage.data.tabular: read_table, scan, table_page",
        )
    if version.withdrawn is not None:
        raise Refused(f"The rows of {version.ref} were withdrawn and are no longer there.", where=version.id, why=version.withdrawn)
    path = workspace.blobs.path(version.blob)
    try:
        state = path.stat()
    except FileNotFoundError as error:
        raise IntegrityError(
            f"The rows of {version.ref} are gone.",
            where=str(path),
            why="the version is recorded but its file is not there",
            mend="restore the workspace's blobs from a backup",
        ) from error
    key, mark = (workspace.id, version.id), (state.st_size, state.st_mtime_ns)
    with _checked_lock:
        if _checked.get(key) == mark:
            return
    _verify(path, version)
    with _checked_lock:
        _checked[key] = mark


def _verify(path: Path, version: Version) -> None:
    with path.open("rb") as opened:
        if hashlib.file_digest(opened, "sha256").hexdigest() != version.blob:
            raise _changed(path, version, "the file's bytes no longer match its name")
    found = MultisetDigest()
    with RowFile(path) as file:
        found.update(text.encode() for text in file.texts())
    if found.count != version.rows or version_digest(found, contract_json(version.fields)) != version.digest:
        raise _changed(path, version, "its rows no longer match the version's digest")


def _changed(path: Path, version: Version, why: str) -> IntegrityError:
    return IntegrityError(
        f"The rows of {version.ref} were changed after it was published.",
        where=str(path),
        why=why,
        mend="restore it from a backup; nothing that was made from it since can be trusted until then",
    )
