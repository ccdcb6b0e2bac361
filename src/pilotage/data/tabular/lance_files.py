"""The Lance table a dataset's rows lie in. Every call of the package ``lance`` is in this file: its major versions come often.

How a version is committed, and why so. Lance has one line of versions, and a commit that names an older one as its base is *rebased*: it silently
takes with it whatever was committed in between, a dead writer's rows too. Three ways around were tried with pylance 14. Detached commits keep apart,
but cleaning up deletes the files of detached versions even where they are tagged. An ``Overwrite`` or ``Merge`` that lists all fragments is refused
where fragments have deletions or become fewer. What holds is this:

1. Data and deletion files are written without a commit. They are part of nothing.
2. Under a lock of a few milliseconds: if the newest Lance version is not the one to build on, that one is restored (a commit that points at its
   files). What was in between is thereby left behind. Then one ``Update`` is committed on top.
3. The new version's list of files is compared with what it must be. Should somebody without the lock have come in between, the commit is left behind
   in its turn, untagged, and the work is done again.

So a Lance version that no catalogue row names can never be read by name, and never gets into one that can. Cleaning up removes it.
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pilotage.core import Conflict, IntegrityError, PilotageError, Unavailable
from pilotage.core.extras import require

STORAGE_VERSION = "2.1"
KEY_MARK = b"lance-schema:unenforced-primary-key"
FRAGMENT_ROWS = 262_144
BATCH_BYTES = 64 * 1024 * 1024
_MOST_ADDRESSES = 20_000
ADDRESS = "_rowaddr"


class Overtaken(Conflict):
    """Somebody committed or published first: the work can be done again on the newest version."""


@dataclass(frozen=True)
class Part:
    """The rows of one fragment as one version sees them: its data files, and the deletion file that says which rows are gone.

    Two parts with equal ``files`` and ``deletions`` hold the same rows. ``fragment`` is the fragment's number: the upper 32 bits of a row's address.
    """

    fragment: int
    files: tuple[str, ...]
    deletions: str | None
    rows: int

    @property
    def paths(self) -> tuple[str, ...]:
        """Its files, relative to the table's folder."""
        return self.files if self.deletions is None else (*self.files, self.deletions)


@dataclass(frozen=True)
class Change:
    """What a commit does to the version it builds on: fragments as Lance describes them, written but part of nothing yet."""

    new: tuple[Any, ...] = ()
    updated: tuple[Any, ...] = ()
    removed: tuple[int, ...] = ()


class LanceFiles:
    """One dataset's Lance table, in ``folder``. Making one of these touches nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lance = require("lance", extra="tables")

    @property
    def uri(self) -> str:
        """Where Lance finds it."""
        return str(self.folder)

    # Reading

    def exists(self) -> bool:
        """Whether anything was ever committed."""
        return (self.folder / "_versions").is_dir()

    def open(self, number: int) -> LanceVersion:
        """One version. Raises ``IntegrityError`` if it is not there."""
        try:
            return LanceVersion(self._lance.dataset(self.uri, version=number), self.folder)
        except (ValueError, OSError) as error:
            raise IntegrityError(
                f"Version {number} of a table is gone or cannot be read: {error}",
                where=self.uri,
                why="the catalogue names it, but its files do not hold it",
                mend="restore the workspace's tables from a backup",
            ) from error

    def numbers(self) -> list[int]:
        """The numbers of all versions there are, tagged or not."""
        return [int(version["version"]) for version in self._lance.dataset(self.uri).versions()] if self.exists() else []

    # Writing

    def write(self, batches: Iterable[pa.RecordBatch], schema: pa.Schema, *, base: LanceVersion | None = None) -> tuple[Any, ...]:
        """Write rows into new data files and return their fragments: part of nothing until committed. ``base`` gives the columns' numbers."""
        failures: list[Exception] = []

        def marked() -> Iterator[pa.RecordBatch]:
            try:
                for batch in batches:
                    yield pa.RecordBatch.from_arrays(batch.columns, schema=schema)
            except Exception as error:
                failures.append(error)  # on its way through Lance it would become the text of another error
                raise

        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.folder.mkdir(exist_ok=True, mode=0o700)
        try:
            made = self._lance.fragment.write_fragments(
                pa.RecordBatchReader.from_batches(schema, marked()),
                self.uri if base is None else base.dataset,
                schema=schema,
                mode="append" if base is not None else "overwrite" if self.exists() else "create",
                data_storage_version=STORAGE_VERSION,
                max_rows_per_file=FRAGMENT_ROWS,
            )
        except (OSError, ValueError) as error:
            raise (failures[0] if failures else _unwritten(self.uri, error)) from error
        return tuple(made)

    def commit(self, change: Change, *, base: int | None, schema: pa.Schema, run_id: str | None) -> int:
        """Commit ``change`` on top of version ``base`` (None: as a whole new table) and return the new version's number.

        Raises
        ------
        Overtaken
            If another commit came in between. Nothing that can be read by name has changed; build on the newest version and commit again.
        """
        operations = self._lance.LanceOperation
        properties = {} if run_id is None else {"run_id": run_id}
        with self._committing():
            if base is None:
                read = self._lance.dataset(self.uri).version if self.exists() else 0
                operation = operations.Overwrite(schema, list(change.new))
                wanted = sorted(_data_files(change.new))
            else:
                old = self._lance.dataset(self.uri, version=base)
                read = self._restored(base)
                operation = operations.Update(
                    removed_fragment_ids=list(change.removed), updated_fragments=list(change.updated), new_fragments=list(change.new)
                )
                touched = {*change.removed, *(fragment.id for fragment in change.updated)}
                kept = (each.metadata for each in old.get_fragments() if each.fragment_id not in touched)
                wanted = sorted(_data_files((*kept, *change.updated, *change.new)))
            transaction = self._lance.Transaction(read, operation, transaction_properties=properties)
            try:
                made = self._lance.LanceDataset.commit(self.uri, transaction)
            except OSError as error:
                if "conflict" in str(error).lower():
                    raise _overtaken(self.uri) from error
                raise
        if sorted(_data_files(each.metadata for each in made.get_fragments())) != wanted:
            raise _overtaken(self.uri)
        return int(made.version)

    def _restored(self, base: int) -> int:
        """The number of the newest version, which has ``base``'s rows and no others."""
        newest = int(self._lance.dataset(self.uri).version)
        if newest == base:
            return base
        self._lance.dataset(self.uri, version=base).restore()
        return int(self._lance.dataset(self.uri).version)

    # Tags

    def tags(self) -> dict[str, int]:
        """Tag -> the number of the version it keeps from being cleaned up."""
        if not self.exists():
            return {}
        return {name: int(held["version"]) for name, held in self._lance.dataset(self.uri).tags.list().items()}

    def tag(self, name: str, number: int) -> None:
        """Tag a version. Tagging it again is no error."""
        tags = self._lance.dataset(self.uri).tags
        try:
            tags.create(name, number)
        except (ValueError, OSError):
            if self.tags().get(name) != number:
                raise

    def untag(self, name: str) -> None:
        """Take a tag away, if it is there."""
        if name in self.tags():
            self._lance.dataset(self.uri).tags.delete(name)

    # Cleaning

    def clean(self, *, older_than_us: int) -> int:
        """Delete every version that has no tag and is older than that, but the newest, and the files that no version has. Returns the bytes freed.

        With 0 every file that no version has goes; else Lance leaves those of the last seven days to whoever may be writing them.

        Call it inside :meth:`alone`: it deletes what others have written and not yet committed.
        """
        if not self.exists():
            return 0
        done = self._lance.dataset(self.uri).cleanup_old_versions(
            older_than=timedelta(microseconds=older_than_us), delete_unverified=older_than_us == 0, error_if_tagged_old_versions=False
        )
        return int(done.bytes_removed)

    def point_at(self, number: int) -> None:
        """Make a version's rows those of the newest version, so that cleaning up leaves nothing else. Call it inside :meth:`alone`."""
        with self._committing():
            self._restored(number)

    def clear(self) -> None:
        """Delete everything. Call it inside :meth:`alone`."""
        shutil.rmtree(self.folder, ignore_errors=True)

    # Locks

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Held by whoever has files that are not committed yet: any number at once."""
        return self._locked("files", fcntl.LOCK_SH)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        """Held by whoever deletes files: alone, once nobody works any more."""
        return self._locked("files", fcntl.LOCK_EX)

    def in_turn(self) -> contextlib.AbstractContextManager[None]:
        """Held by those who change the newest version, one after another, so that few have to do their work again.

        It is a courtesy, not the guarantee: that is the catalogue's lock, which also holds where this one does not (another machine).
        """
        return self._locked("turn", fcntl.LOCK_EX)

    def _committing(self) -> contextlib.AbstractContextManager[None]:
        return self._locked("commit", fcntl.LOCK_EX)

    @contextlib.contextmanager
    def _locked(self, name: str, kind: int) -> Iterator[None]:
        self.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # A lock file is never deleted: whoever waits on a deleted one would hold a lock that nobody else sees. The system lets go of it at death.
        with self.folder.with_suffix(f".{name}.lock").open("a") as file:
            fcntl.flock(file, kind)
            yield


class LanceVersion:
    """One version of the table, open for reading."""

    def __init__(self, dataset: Any, folder: Path) -> None:
        self.dataset = dataset
        self.folder = folder

    @property
    def number(self) -> int:
        """Lance's number of it."""
        return int(self.dataset.version)

    @property
    def schema(self) -> pa.Schema:
        """Its columns, without Lance's own marks."""
        return plain_schema(self.dataset.schema)

    def count(self, where: str | None = None) -> int:
        """How many rows it has, or how many keep ``where``."""
        return int(self.dataset.count_rows(where))

    def parts(self) -> list[Part]:
        """Its fragments, in the order of its rows."""
        found = []
        for fragment in self.dataset.get_fragments():
            meta = fragment.metadata
            gone = meta.deletion_file
            found.append(
                Part(
                    fragment=int(meta.id),
                    files=tuple(f"data/{file.path}" for file in meta.files),
                    deletions=None if gone is None else str(gone.path(int(meta.id))),
                    rows=int(meta.physical_rows) - (0 if gone is None else int(gone.num_deleted_rows)),
                )
            )
        return found

    def batches(
        self,
        *,
        columns: Sequence[str] | None = None,
        where: str | None = None,
        fragments: Iterable[int] | None = None,
        addresses: bool = False,
        offset: int | None = None,
        limit: int | None = None,
        deleted: bool = False,
    ) -> Iterator[pa.RecordBatch]:
        """Its rows in order, as batches of at most about 64 MiB.

        ``addresses`` adds the column ``_rowaddr``; ``deleted`` also gives rows that are gone, and adds the column ``_rowid``.
        """
        chosen = None if fragments is None else [self.dataset.get_fragment(number) for number in fragments]
        if chosen == []:
            return
        scanner = self.dataset.scanner(
            columns=None if columns is None else list(columns),
            filter=where,
            fragments=chosen,
            with_row_address=addresses,
            with_row_id=deleted,
            include_deleted_rows=deleted or None,
            late_materialization=False if deleted else None,  # Lance cannot yet fetch deleted rows in a second step
            offset=offset,
            limit=limit,
            scan_in_order=True,
            batch_size=65_536,
            batch_size_bytes=BATCH_BYTES,
        )
        for batch in scanner.to_batches():
            yield pa.RecordBatch.from_arrays(batch.columns, schema=plain_schema(batch.schema))

    def table(self, **choice: Any) -> pa.Table:
        """As :meth:`batches`, in one table."""
        found = list(self.batches(**choice))
        if found:
            return pa.Table.from_batches(found)
        columns = choice.get("columns")
        schema = self.schema if columns is None else pa.schema([self.schema.field(name) for name in columns])
        if choice.get("addresses"):
            schema = schema.append(pa.field(ADDRESS, pa.uint64()))
        return schema.empty_table()

    def at(self, addresses: np.ndarray[Any, Any], *, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows at these addresses, in their order, with the column ``_rowaddr``."""
        wanted = np.unique(addresses)
        if len(wanted) <= _MOST_ADDRESSES:
            where = f"{ADDRESS} IN ({','.join(map(str, wanted.tolist()))})"
            found = self.table(columns=columns, where=where, addresses=True) if len(wanted) else self.table(columns=columns, addresses=True, limit=0)
        else:
            there = self.batches(columns=columns, addresses=True, fragments=np.unique(wanted >> np.uint64(32)).tolist())
            found = pa.Table.from_batches([batch.filter(pa.array(among(np.asarray(batch[ADDRESS]), wanted))) for batch in there])
        place = np.argsort(np.asarray(found[ADDRESS]))
        return found.take(pa.array(place[np.searchsorted(np.asarray(found[ADDRESS])[place], addresses)]))

    def without(self, addresses: np.ndarray[Any, Any]) -> tuple[list[Any], list[int]]:
        """Mark rows as gone, in deletion files that are part of nothing yet: the fragments as they then are, and the numbers of those left empty."""
        updated, removed = [], []
        for number in np.unique(addresses >> np.uint64(32)).tolist():
            mine = addresses[(addresses >> np.uint64(32)) == number]
            left = self.dataset.get_fragment(number).delete(f"{ADDRESS} IN ({','.join(map(str, mine.tolist()))})")
            if left is None:
                removed.append(int(number))
            else:
                updated.append(left)
        return updated, removed


def among(addresses: np.ndarray[Any, Any], ordered: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Which of the addresses are in ``ordered``, which is sorted. Unlike ``np.isin`` it does not sort that anew for every batch."""
    if not len(ordered):
        return np.zeros(len(addresses), dtype=bool)
    found: np.ndarray[Any, Any] = ordered[np.minimum(np.searchsorted(ordered, addresses), len(ordered) - 1)] == addresses
    return found


def plain_schema(schema: pa.Schema) -> pa.Schema:
    """The schema without metadata."""
    return pa.schema([field.remove_metadata() for field in schema])


def keyed_schema(schema: pa.Schema, key: Sequence[str]) -> pa.Schema:
    """The schema with Lance's mark on the columns of a unique key: other programs that merge into the table then do not double keys."""
    return pa.schema([field.with_metadata({KEY_MARK: b"true"}) if field.name in key else field.remove_metadata() for field in schema])


def _unwritten(where: str, error: Exception) -> PilotageError:
    return Unavailable(
        f"The rows could not be written: {str(error)[:300]}",
        where=where,
        why="nothing was published",
        mend="see how much disk is free, then publish again",
    )


def _data_files(fragments: Iterable[Any]) -> list[tuple[str, str]]:
    return [(file.path, "" if meta.deletion_file is None else meta.deletion_file.json()) for meta in fragments for file in meta.files]


def _overtaken(where: str) -> Overtaken:
    return Overtaken(
        "Another commit came in between.",
        where=where,
        why="the rows of both would have been mixed",
        mend="build on the newest version and publish again",
    )
