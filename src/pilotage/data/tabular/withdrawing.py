"""Withdrawal: a person, or a whole source, is taken out of every table, physically, and the ledger proves it.

What happens, in this order, so that a crash at any point is mended by asking for the same again:

1. The decision is recorded, with a salted hash of the subject: the record of an erasure does not name who was erased.
2. For each dataset whose contract names the subject's column: a new version of the latest is published without the subject's rows.
3. One transaction marks every version that had such rows as withdrawn (they can no longer be read by any name), leaves a tombstone (salted hash) for
   each row's key, and takes the keys out of the removal ledger.
4. Versions that no longer had such rows but whose files still hold them as deleted rows are written anew: same rows, same digest, other files.
5. Every file that no readable version needs is deleted, and each remaining file is read, deleted rows included: none may hold the subject.
6. The report and that proof go into the ledger.

Old versions are marked and deleted, not rewritten: with rows missing they would be other rows under the old digest. What was made of them elsewhere is
listed as dependants: rebuild it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from sqlalchemy import delete, select, update

from pilotage.core import Conflict, InputError, IntegrityError, new_id
from pilotage.data.catalogue import datasets, lineage, versions
from pilotage.data.contracts import Contract
from pilotage.data.exporting import exports
from pilotage.data.publishing import dataset_id_of
from pilotage.data.tables import (
    dataset_removal,
    dataset_set_aside,
    dataset_tombstone,
    dataset_version,
    dataset_withdrawal,
    dataset_withdrawn,
)
from pilotage.data.tabular.digests import sum_rows
from pilotage.data.tabular.filters import literal
from pilotage.data.tabular.keys import as_type, key_texts
from pilotage.data.tabular.lance_files import ADDRESS, Change, LanceFiles, LanceVersion
from pilotage.data.tabular.maintaining import keep_tags, move_version
from pilotage.data.tabular.places import contract_of_version, files_of, place_of
from pilotage.data.tabular.publishing import publish_without, rewritten, stored_schema
from pilotage.data.tabular.tombstones import hash_of, new_salt
from pilotage.data.version import TABLE, Operation, Version
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

_CHUNK = 500


@dataclass(frozen=True)
class Dependant:
    """Something that was made from withdrawn rows and is not mended by the withdrawal: a ``version``, an ``export``, a ``model``."""

    kind: str
    id: str
    name: str


Dependants = Callable[[Workspace, Sequence[str]], Iterable[Dependant]]


@dataclass(frozen=True)
class Withdrawal:
    """What a withdrawal did.

    ``withdrawn`` are the refs of the versions whose rows can no longer be read, ``new_versions`` those without the rows, ``rewritten`` those whose
    files were written anew with the same rows. ``rows`` counts the different keys (or rows, where there is no key) that were erased from the tables,
    ``files_read`` the files in which, afterwards, nothing was found. ``ledger_seq`` is the number of the closing entry; 0 where there was nothing to do.
    """

    id: str
    kind: str
    rows: int
    withdrawn: tuple[str, ...]
    new_versions: tuple[str, ...]
    rewritten: tuple[str, ...]
    dependants: tuple[Dependant, ...]
    files_read: int
    bytes_freed: int
    ledger_seq: int

    def __str__(self) -> str:
        return (
            f"{self.rows} rows erased; {len(self.withdrawn)} versions withdrawn, {len(self.new_versions)} published without them; "
            f"{len(self.dependants)} dependants to rebuild; nothing found in {self.files_read} files (ledger entry {self.ledger_seq})"
        )

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**vars(self), "dependants": [vars(each) for each in self.dependants]}


@dataclass
class _Tally:
    """What was done so far; kept in the withdrawal's row, so that a resumed run reports the whole."""

    rows: int = 0
    withdrawn: list[str] = field(default_factory=list)
    withdrawn_ids: list[str] = field(default_factory=list)
    new_versions: list[str] = field(default_factory=list)
    rewritten: list[str] = field(default_factory=list)
    files_read: int = 0
    bytes_freed: int = 0

    def add(self, name: str, *entries: str) -> None:
        kept = getattr(self, name)
        kept.extend(entry for entry in entries if entry not in kept)


def withdraw(
    workspace: Workspace,
    *,
    subject: Any = None,
    source: str | None = None,
    reason: str,
    more_dependants: Dependants | None = None,
) -> Withdrawal:
    """Erase a person (``subject``: the value in the column that the contracts name), or a source (a dataset's name, or the source its card names).

    Asking for the same again finishes what a crash interrupted, erases what has come in since, and otherwise changes nothing. ``reason`` stays on
    record: write nothing personal into it. ``more_dependants`` finds what else was made from versions (models), given their ids.

    Cost: one pass over the subject column of every version of every table concerned, deleted rows included, and the rewriting of the fragments that hold
    the subject.

    Raises
    ------
    InputError
        If neither or both of subject and source are given, the reason is empty, or nothing matches.
    IntegrityError
        If, after all, a file still holds the subject.
    """
    if (subject is None) == (source is None):
        raise InputError("Say what to withdraw: either 'subject' or 'source'.")
    if not reason.strip():
        raise InputError("A withdrawal needs a reason.", why="it cannot be undone, and somebody will ask", mend="say who asked, and on what footing")
    kind, target = ("subject", str(subject)) if source is None else ("source", source)
    names = [each.name for each in datasets(workspace) if each.kind == TABLE]
    begun = _find(workspace, kind, target)
    concerned = [] if kind == "source" else [name for name in names if _subject_of(workspace, name, subject)]
    matching = _of_source(workspace, target) if kind == "source" else []
    if begun is None and not (matching if kind == "source" else concerned):
        raise InputError(
            "No dataset comes from this source." if kind == "source" else "No table has this subject's kind of column.",
            mend="see the datasets' cards and contracts: a contract names its 'subject' column",
        )
    act, salt, tally, open_ = begun or _begin(workspace, kind, target, reason)
    before = _snapshot(tally)
    for name in concerned:
        _erase(workspace, name, subject, act=act, salt=salt, tally=tally, reason=reason)
    if kind == "source":
        _mark(workspace, act, matching, (), salt=salt, tally=tally, reason=reason)
        _clear_source(workspace, target, tally)
    dependants = _dependants(workspace, tally.withdrawn_ids, set(concerned), more_dependants)
    seq = 0
    if open_ or _snapshot(tally) != before:
        seq = _finish(workspace, act, tally, dependants)
    return Withdrawal(
        id=act,
        kind=kind,
        rows=tally.rows,
        withdrawn=tuple(tally.withdrawn),
        new_versions=tuple(tally.new_versions),
        rewritten=tuple(tally.rewritten),
        dependants=dependants,
        files_read=tally.files_read,
        bytes_freed=tally.bytes_freed,
        ledger_seq=seq,
    )


# The record of it


def _find(workspace: Workspace, kind: str, target: str) -> tuple[str, str, _Tally, bool] | None:
    table = dataset_withdrawal
    with workspace.read() as conn:
        for row in conn.execute(select(table).where(table.c.workspace_id == workspace.id, table.c.kind == kind)):
            if row.target == hash_of(target, salt=row.salt):
                return row.id, row.salt, _Tally(**row.report), row.state != "done"
    return None


def _begin(workspace: Workspace, kind: str, target: str, reason: str) -> tuple[str, str, _Tally, bool]:
    act, salt = new_id("wd", clock=workspace.clock), new_salt()

    def job(tx: WriteTransaction) -> None:
        hashed = hash_of(target, salt=salt)
        row = {"id": act, "kind": kind, "target": hashed, "salt": salt, "reason": reason, "state": "begun", "report": vars(_Tally())}
        tx.insert(dataset_withdrawal, row)
        record(tx, type="withdrawal.begun", subject=act, body={"kind": kind, "target": hashed, "reason": reason})

    workspace.write(job)
    return act, salt, _Tally(), True


def _keep(tx: WriteTransaction, act: str, tally: _Tally, *, state: str | None = None) -> None:
    mine = (dataset_withdrawal.c.workspace_id == tx.workspace_id, dataset_withdrawal.c.id == act)
    values = {"report": vars(tally)} | ({} if state is None else {"state": state})
    tx.conn.execute(update(dataset_withdrawal).where(*mine).values(**values))


def _finish(workspace: Workspace, act: str, tally: _Tally, dependants: Sequence[Dependant]) -> int:
    def job(tx: WriteTransaction) -> int:
        _keep(tx, act, tally, state="done")
        return record(
            tx,
            type="withdrawal.done",
            subject=act,
            body={
                "rows": tally.rows,
                "withdrawn": tally.withdrawn_ids,
                "new_versions": tally.new_versions,
                "rewritten": tally.rewritten,
                "dependants": [f"{each.kind} {each.id}" for each in dependants],
                "files_read": tally.files_read,
                "found_afterwards": 0,
                "bytes_freed": tally.bytes_freed,
            },
        )

    return workspace.write(job)


def _snapshot(tally: _Tally) -> tuple[Any, ...]:
    return (tally.rows, *tally.withdrawn_ids, *tally.new_versions, *tally.rewritten)


# A subject


def _subject_of(workspace: Workspace, name: str, subject: Any) -> bool:
    """Whether any version of the dataset has a column for such a subject."""
    return any(_condition(contract_of_version(version), subject) is not None for version in versions(workspace, name))


def _condition(contract: Contract, subject: Any) -> str | None:
    if contract.subject is None:
        return None
    try:
        value = as_type(subject, contract.columns[contract.subject].type, what="the subject")
    except InputError:
        return None  # a column of numbers holds no subject called 'anna'
    return f"(`{contract.subject}` = {literal(value)})"


def _erase(workspace: Workspace, name: str, subject: Any, *, act: str, salt: str, tally: _Tally, reason: str) -> None:
    files = files_of(workspace, dataset_id_of(workspace.id, name))
    with files.in_turn():
        with files.working():
            line = [version for version in versions(workspace, name) if version.withdrawn is None]
            holding, keys = _look(files, line, subject)
            if line and line[0] in holding:
                made = _publish_without(workspace, files, line[0], subject, act=act)
                tally.add("new_versions", made.ref)
        if holding or keys:
            _mark(workspace, act, holding, keys, salt=salt, tally=tally, reason=reason, dataset=name)
        with files.alone():
            line = [version for version in versions(workspace, name) if version.withdrawn is None]
            for version in line:
                if _rewrite(workspace, files, version, subject):
                    tally.add("rewritten", version.ref)
            line = [version for version in versions(workspace, name) if version.withdrawn is None]
            _clean(files, line, tally)
            tally.files_read += _prove(files, subject, {contract_of_version(version).subject for version in versions(workspace, name)})


def _look(files: LanceFiles, line: list[Version], subject: Any) -> tuple[list[Version], set[str]]:
    """The versions with rows of the subject, and the keys of such rows, deleted ones included."""
    holding: list[Version] = []
    keys: set[str] = set()
    for version in line:
        contract = contract_of_version(version)
        condition = _condition(contract, subject)
        if condition is None:
            continue
        view = files.open(place_of(version).lance_version)
        columns = list(contract.key) or [str(contract.subject)]
        found = list(view.batches(columns=columns, where=condition, deleted=True))
        if contract.key:
            keys |= {key for batch in found if batch.num_rows for key in key_texts(pa.Table.from_batches([batch]), contract)}
        if view.count(condition):
            holding.append(version)
    return holding, keys


def _publish_without(workspace: Workspace, files: LanceFiles, latest: Version, subject: Any, *, act: str) -> Version:
    contract = contract_of_version(latest)
    view = files.open(place_of(latest).lance_version)
    condition = _condition(contract, subject)
    rows = view.table(where=condition, addresses=True)
    gone = sum_rows(rows.drop_columns([ADDRESS]))
    numbers = _holders(view, str(condition))
    new = rewritten(files, view, numbers, np.asarray(rows[ADDRESS]), contract)
    left = latest.rows - gone.count
    operation = Operation("withdrawal", params={"withdrawal": act}, counts={"in": latest.rows, "kept": left, "dropped": gone.count})
    return publish_without(workspace, files, latest, Change(new=new, removed=tuple(numbers)), operation=operation, gone=gone)


def _holders(view: LanceVersion, condition: str) -> list[int]:
    """The fragments that hold such rows, deleted ones included."""
    return [
        part.fragment
        for part in view.parts()
        if any(batch.num_rows for batch in view.batches(columns=[], where=condition, fragments=[part.fragment], deleted=True))
    ]


def _rewrite(workspace: Workspace, files: LanceFiles, version: Version, subject: Any) -> bool:
    """Write the fragments anew that hold the subject's rows as deleted ones. Whether there were any."""
    contract = contract_of_version(version)
    condition = _condition(contract, subject)
    if condition is None:
        return False
    view = files.open(place_of(version).lance_version)
    numbers = _holders(view, condition)
    if not numbers:
        return False
    if view.count(condition):
        raise Conflict(f"{version.ref} was published with rows of the subject meanwhile.", mend="withdraw again: that goes on from here")
    new = rewritten(files, view, numbers, np.empty(0, dtype=np.uint64), contract)
    number = files.commit(Change(new=new, removed=tuple(numbers)), base=view.number, schema=stored_schema(contract), run_id=None)
    move_version(workspace, files, version, number)
    return True


def _clean(files: LanceFiles, line: list[Version], tally: _Tally) -> None:
    """Delete what no readable version needs. Lance never deletes its newest version, so that is made to be the latest readable one."""
    if not line:
        files.clear()
        return
    keep_tags(files, line)
    files.point_at(place_of(max(line, key=lambda version: version.number)).lance_version)
    tally.bytes_freed += files.clean(older_than_us=0)


def _prove(files: LanceFiles, subject: Any, columns: set[str | None]) -> int:
    """Read every version there is, deleted rows included, for the subject; returns the number of files."""
    seen: set[str] = set()
    for number in files.numbers():
        view = files.open(number)
        for part in view.parts():
            if set(part.paths) <= seen:
                continue
            seen.update(part.paths)
            for column in columns & set(view.schema.names):
                found = view.batches(columns=[str(column)], fragments=[part.fragment], deleted=True)
                wanted = str(subject)
                if any(wanted in batch.column(0).cast(pa.string()).to_pylist() for batch in found):
                    raise IntegrityError(
                        "A file still holds a row of the withdrawn subject.",
                        where=str(view.folder / part.files[0]),
                        mend="withdraw again; if it stays so, delete the dataset's folder and publish it anew",
                    )
    return len(seen)


# What both have in common


def _mark(
    workspace: Workspace,
    act: str,
    holding: Sequence[Version],
    keys: Iterable[str],
    *,
    salt: str,
    tally: _Tally,
    reason: str,
    dataset: str | None = None,
) -> None:
    """Step 3: from here on the rows cannot be read by any name."""
    texts = sorted(keys)
    dataset_id = "" if dataset is None else dataset_id_of(workspace.id, dataset)
    hashes = [hash_of(text, salt=salt) for text in texts]

    def job(tx: WriteTransaction) -> tuple[list[Version], int]:
        marked = set(tx.conn.execute(select(dataset_withdrawn.c.version_id).where(dataset_withdrawn.c.workspace_id == tx.workspace_id)).scalars())
        new = [version for version in holding if version.id not in marked]
        tx.insert(dataset_withdrawn, *({"version_id": version.id, "withdrawal_id": act, "reason": reason} for version in new))
        fresh = 0
        for start in range(0, len(texts), _CHUNK):
            some, hashed = texts[start : start + _CHUNK], hashes[start : start + _CHUNK]
            tomb = dataset_tombstone
            mine = (tomb.c.workspace_id == tx.workspace_id, tomb.c.dataset_id == dataset_id, tomb.c.key_hash.in_(hashed))
            there = set(tx.conn.execute(select(tomb.c.key_hash).where(*mine)).scalars())
            rows = [{"dataset_id": dataset_id, "key_hash": each, "withdrawal_id": act} for each in hashed if each not in there]
            tx.insert(tomb, *rows)
            fresh += len(rows)
            for table in (dataset_removal, dataset_set_aside):
                tx.conn.execute(
                    delete(table).where(
                        table.c.workspace_id == tx.workspace_id,
                        table.c.dataset_id == dataset_id,
                        table.c.row_key.in_([text.replace("\0", "\\x00") for text in some]),
                    )
                )
        if texts:
            _scrub_evidence(tx, dataset_id, texts)
        done = _Tally(**{**vars(tally), "rows": tally.rows + fresh})
        done.withdrawn = [*tally.withdrawn, *(version.ref for version in new if version.ref not in tally.withdrawn)]
        done.withdrawn_ids = [*tally.withdrawn_ids, *(version.id for version in new if version.id not in tally.withdrawn_ids)]
        _keep(tx, act, done)
        for version in new:
            record(tx, type="dataset.withdrawn", subject=version.id, body={"withdrawal": act, "dataset": version.dataset, "number": version.number})
        return new, fresh

    new, fresh = workspace.write(job)
    tally.rows += fresh
    tally.add("withdrawn", *(version.ref for version in new))
    tally.add("withdrawn_ids", *(version.id for version in new))


def _scrub_evidence(tx: WriteTransaction, dataset_id: str, texts: Sequence[str]) -> None:
    """Take erased keys out of the evidence of other rows' removals ("a duplicate of …")."""
    import json

    table = dataset_removal
    mine = (table.c.workspace_id == tx.workspace_id, table.c.dataset_id == dataset_id)
    wanted = set(texts)

    def names_one(value: Any) -> bool:
        if isinstance(value, dict):
            return any(map(names_one, value.values()))
        if isinstance(value, list):
            return any(map(names_one, value))
        return str(value) in wanted

    found = tx.conn.execute(select(table.c.row_key, table.c.removed_in, table.c.evidence).where(*mine, table.c.evidence.is_not(None)))
    for row in [row for row in found if names_one(json.loads(row.evidence))]:
        tx.conn.execute(update(table).where(*mine, table.c.row_key == row.row_key, table.c.removed_in == row.removed_in).values(evidence=None))


def _dependants(workspace: Workspace, withdrawn: Sequence[str], erased: set[str], more: Dependants | None) -> tuple[Dependant, ...]:
    """What descends from the withdrawn versions and still stands, and what was exported from any of them.

    Versions of the datasets ``erased`` are none of it: each of them was looked through, and is either withdrawn or free of the subject.
    """
    gone = set(withdrawn)
    found: dict[tuple[str, str], Dependant] = {}
    for version_id in withdrawn:
        for after in lineage(workspace, version_id).descendants:
            if after.id not in gone and after.withdrawn is None and after.dataset not in erased:
                found.setdefault(("version", after.id), Dependant("version", after.id, after.ref))
    family = [*withdrawn, *(each.id for each in found.values())]
    for export in exports(workspace):
        if export.version_id in family:
            found.setdefault(("export", export.id), Dependant("export", export.id, export.path))
    for each in () if more is None else more(workspace, family):
        found.setdefault((each.kind, each.id), each)
    return tuple(found.values())


# A source


def _of_source(workspace: Workspace, source: str) -> list[Version]:
    return [version for version in versions(workspace) if source in (version.dataset, version.card.source)]


def _clear_source(workspace: Workspace, source: str, tally: _Tally) -> None:
    for name in sorted({version.dataset for version in _of_source(workspace, source)}):
        line = versions(workspace, name)
        left = [version for version in line if version.withdrawn is None]
        if line[0].kind == TABLE:
            files = files_of(workspace, dataset_id_of(workspace.id, name))
            with files.in_turn(), files.alone():
                _clean(files, left, tally)
    with workspace.read() as conn:
        gone = select(dataset_withdrawn.c.version_id).where(dataset_withdrawn.c.workspace_id == workspace.id)
        mine = (dataset_version.c.workspace_id == workspace.id, dataset_version.c.blob != "")
        needed = set(conn.execute(select(dataset_version.c.blob).where(*mine, dataset_version.c.id.not_in(gone))).scalars())
        dead = set(conn.execute(select(dataset_version.c.blob).where(*mine, dataset_version.c.id.in_(gone))).scalars())
    for blob in sorted(dead - needed):
        workspace.blobs.delete(blob)
