"""Publishing versions of a table: whole, or as a change of the latest (append, upsert, delete).

The protocol, and what a crash leaves:

1. Data files are written; they are part of nothing. *The old version.*
2. The rows' digest is reckoned from what was written: of a change, the parent's sum plus the new rows minus the old ones.
3. The files are committed in Lance (:mod:`.lance_files` says how), and the committed rows counted against the operation's law. *The old version:* a
   Lance version that the catalogue does not name cannot be read and is not built on.
4. One transaction writes version, removals and ledger entry, and takes the next number (optimistic lock on the dataset). *The new version.*
5. The Lance version is tagged with the version's id, which keeps it from being cleaned up. Without the tag the version is whole all the same; whoever
   opens, publishes or cleans up next makes it again from the catalogue.

The first time a process opens a version, it reads it all and compares the digest, so that a mistake in step 2 could not go unseen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from sqlalchemy import func, select

from pilotage.core import InputError, MultisetDigest, NotFound
from pilotage.data.card import Card
from pilotage.data.catalogue import load_version
from pilotage.data.contracts import Contract
from pilotage.data.lineage import ColumnOrigin, Edge, Node, record_edges
from pilotage.data.publishing import Draft, dataset_id_of, take_number
from pilotage.data.rowfile import version_digest
from pilotage.data.tables import dataset_table_place, dataset_version
from pilotage.data.tabular.digests import row_hashes, sum_rows
from pilotage.data.tabular.filters import compile_filter
from pilotage.data.tabular.fitting import fit
from pilotage.data.tabular.keys import frame_of, key_text, key_texts, require_key, require_keys
from pilotage.data.tabular.lance_files import ADDRESS, Change, LanceFiles, LanceVersion, Overtaken, among, keyed_schema
from pilotage.data.tabular.places import contract_of_version, files_of, load_table, place_of
from pilotage.data.tabular.removals import Removals, Removed, gather, write_removals
from pilotage.data.version import TABLE, Operation, Version, require_dataset_name, version_id
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

Rows: TypeAlias = "pa.Table | Iterable[pa.RecordBatch]"

ATTEMPTS = 20
_LARGE_CHANGE = 50_000


def publish_table(
    workspace: Workspace,
    data: Rows,
    *,
    dataset: str,
    contract: Contract,
    card: Card,
    operation: Operation,
    parents: Sequence[str] = (),
    run_id: str | None = None,
    removed: Iterable[Removed] = (),
    origins: Mapping[Node, Sequence[ColumnOrigin]] | None = None,
) -> Version:
    """Publish rows as the whole of a new version.

    ``data`` is read once, as a stream, and must have exactly the contract's columns. Rows of the version before that are not among it are entered in
    the removal ledger: with the rule and evidence of ``removed`` where it names them, else as left out by this operation. The same ``run_id`` again
    returns the version that it made; so does the same content by the same operation from the same parents.
    ``origins`` is for lineage: what it was made from besides the parents (a feature view, say), and of parents and those which columns became which.

    Cost: about 2 s a million rows of ten columns. Memory: the keys, and one batch.

    Raises
    ------
    InputError
        If columns, types, keys or counts do not fit, or there are no rows. Nothing is published.
    Conflict
        If a parent is an older version of the same dataset, or the dataset has another kind.
    """
    require_dataset_name(dataset)
    parent_ids = tuple(load_version(workspace, parent).id for parent in parents)
    dataset_id = dataset_id_of(workspace.id, dataset)
    files = files_of(workspace, dataset_id)
    found = _version_of_run(workspace, dataset_id, run_id)
    if found is not None:
        return found
    given, _ = gather(removed, contract)
    if len(given) not in (0, operation.counts["dropped"]):
        raise InputError(
            f"'{operation.name}' dropped {operation.counts['dropped']} rows, and the reasons of {len(given)} are given.",
            mend="give one Removed a dropped row",
        )
    schema = contract.arrow_schema()
    total, keys = MultisetDigest(), []

    def taken_in() -> Iterator[pa.RecordBatch]:
        for batch in fit(data, contract, where=f"dataset '{dataset}'"):
            total.merge(sum_rows(batch))
            if contract.key:
                keys.append(batch.select(list(contract.key)))
            yield batch

    with files.working():
        fragments = files.write(taken_in(), stored_schema(contract))
        if total.count == 0:
            raise InputError(f"The new version of '{dataset}' has no rows.", why="there is nothing to publish", mend="look at what dropped them")
        named = pa.Table.from_batches(keys) if contract.key else schema.empty_table()
        require_keys(named, contract, where=f"dataset '{dataset}'")
        operation.require_sum(total.count)
        draft = _Draft(
            dataset=dataset,
            dataset_id=dataset_id,
            contract=contract,
            card=card,
            operation=operation,
            parents=parent_ids,
            run_id=run_id,
            origins=dict(origins or {}),
        )

        def attempt() -> Version:
            latest = _latest(workspace, dataset)
            gone = _left_out(workspace, latest, named, contract, given, operation) if contract.key else Removals((), "", "")
            return _publish(workspace, files, draft, Change(new=fragments), base=None, total=total, removals=gone, after=latest)

        return _retried(attempt)


def append_table(
    workspace: Workspace,
    dataset: str,
    data: Rows,
    *,
    operation: Operation,
    run_id: str | None = None,
    card: Card | None = None,
    parents: Sequence[str] = (),
) -> Version:
    """Publish the latest version with further rows. Files of earlier rows are not touched.

    The operation's counts are filled in: ``in`` and ``kept`` are the rows there were, ``added`` the new ones; what the caller counted as ``queued``,
    ``quarantined`` or ``dropped`` of the batch is kept and added to ``in``. ``parents`` are further versions it was made from.

    Raises ``InputError`` if a key is there already, and as :func:`publish_table`.
    """
    return _changed(workspace, dataset, data, operation=operation, run_id=run_id, card=card, parents=parents, replace_rows=False)


def upsert_table(
    workspace: Workspace,
    dataset: str,
    data: Rows,
    *,
    operation: Operation,
    run_id: str | None = None,
    card: Card | None = None,
    parents: Sequence[str] = (),
) -> Version:
    """Publish the latest version with rows added, or put in place of those with the same key.

    Rows that are equal to those that are there are left alone and count as kept. Whoever loses the race to publish does the work again on the newest
    version, so that nothing is lost. Without a ``run_id``, an upsert that changes nothing returns the latest version.

    Cost: one pass over the keys of the latest version, and the rows that change.

    Raises ``InputError`` if a key is in ``data`` twice or the contract has no unique key, and as :func:`publish_table`.
    """
    return _changed(workspace, dataset, data, operation=operation, run_id=run_id, card=card, parents=parents, replace_rows=True)


def delete_rows(
    workspace: Workspace,
    dataset: str,
    *,
    operation: Operation,
    removed: Iterable[Removed] = (),
    where: str | None = None,
    rule: str | None = None,
    reason: str = "",
    run_id: str | None = None,
) -> Version:
    """Publish the latest version without some rows: those of ``removed`` by key, or those that keep the filter ``where``.

    With ``where``, ``rule`` (the operation's name unless given) and ``reason`` are entered for each.

    Raises
    ------
    InputError
        If neither or both are given, a key is not there, or no row is left.
    """
    given = list(removed)
    if bool(given) == (where is not None):
        raise InputError("Say which rows to delete: either 'removed' or 'where'.")
    start = _start(workspace, dataset, run_id)
    if start.found is not None:
        return start.found

    def attempt() -> Version:
        latest, contract, view = start.latest()
        require_key(contract, what="Deleting rows")
        if where is None:
            named, values = gather(given, contract)
            addresses = _addresses_of(view, contract, values)
        else:
            rows = view.table(columns=list(contract.key), where=compile_filter(where, contract.columns), addresses=True)
            addresses = np.asarray(rows[ADDRESS])
            named = Removals(key_texts(rows, contract), rule or operation.name, reason)
        if not len(addresses):
            return latest
        if len(addresses) == latest.rows:
            raise InputError(f"This would delete all {latest.rows} rows of '{dataset}'.", mend="publish another table under the name instead")
        counts = _counted(operation, rows=latest.rows, changed=0, added=0, dropped=len(addresses))
        change = _removal(start.files, view, addresses, contract)
        total = _minus(latest, sum_rows(view.at(addresses).drop_columns([ADDRESS])))
        draft = start.draft(latest, contract, counts)
        return _publish(workspace, start.files, draft, change, base=place_of(latest).lance_version, total=total, removals=named, after=latest)

    with start.files.in_turn(), start.files.working():
        return _retried(attempt)


def publish_without(
    workspace: Workspace, files: LanceFiles, latest: Version, change: Change, *, operation: Operation, gone: MultisetDigest
) -> Version:
    """Publish the latest version after a change that took the rows ``gone`` out and leaves no trace of them. For withdrawals.

    Call it inside ``files.working()`` and ``files.in_turn()``.
    """
    place = place_of(latest)
    draft = _Draft(
        dataset=latest.dataset,
        dataset_id=place.dataset_id,
        contract=contract_of_version(latest),
        card=latest.card,
        operation=operation,
        parents=(latest.id,),
        run_id=None,
    )
    total = _minus(latest, gone)
    return _publish(workspace, files, draft, change, base=place.lance_version, total=total, removals=Removals((), "", ""), after=latest)


@dataclass(frozen=True)
class _Draft:
    dataset: str
    dataset_id: str
    contract: Contract
    card: Card
    operation: Operation
    parents: tuple[str, ...]
    run_id: str | None
    origins: Mapping[Node, Sequence[ColumnOrigin]] = field(default_factory=dict)

    def edges(self, version: str) -> list[Edge]:
        """What lineage knows of the version: each parent, and what else it was made from, with the columns that are known."""
        made_from = dict.fromkeys([*(Node("version", parent) for parent in self.parents), *self.origins])
        return [Edge(node, Node("version", version), via=self.operation.name, columns=tuple(self.origins.get(node, ()))) for node in made_from]


@dataclass(frozen=True)
class _Start:
    """Where a change of the latest version starts from."""

    workspace: Workspace
    dataset: str
    files: LanceFiles
    run_id: str | None
    card: Card | None = None
    parents: tuple[str, ...] = ()
    found: Version | None = None

    def latest(self) -> tuple[Version, Contract, LanceVersion]:
        version = load_table(self.workspace, self.dataset)
        return version, contract_of_version(version), self.files.open(place_of(version).lance_version)

    def draft(self, latest: Version, contract: Contract, operation: Operation) -> _Draft:
        return _Draft(
            dataset=self.dataset,
            dataset_id=place_of(latest).dataset_id,
            contract=contract,
            card=self.card or latest.card,
            operation=operation,
            parents=(latest.id, *(parent for parent in self.parents if parent != latest.id)),
            run_id=self.run_id,
        )


def _start(workspace: Workspace, dataset: str, run_id: str | None, card: Card | None = None, parents: Sequence[str] = ()) -> _Start:
    version = load_version(workspace, dataset)
    dataset_id = place_of(version).dataset_id
    return _Start(
        workspace=workspace,
        dataset=version.dataset,
        files=files_of(workspace, dataset_id),
        run_id=run_id,
        card=card,
        parents=tuple(load_version(workspace, parent).id for parent in parents),
        found=_version_of_run(workspace, dataset_id, run_id),
    )


def _changed(
    workspace: Workspace,
    dataset: str,
    data: Rows,
    *,
    operation: Operation,
    run_id: str | None,
    card: Card | None,
    parents: Sequence[str],
    replace_rows: bool,
) -> Version:
    start = _start(workspace, dataset, run_id, card, parents)
    if start.found is not None:
        return start.found
    where = f"dataset '{start.dataset}'"
    given_to = start.latest()[1]
    batches = list(fit(data, given_to, where=where))
    incoming = pa.Table.from_batches(batches, schema=given_to.arrow_schema())
    require_keys(incoming, given_to, where=where)

    def attempt() -> Version:
        latest, contract, view = start.latest()
        if contract.id != given_to.id:
            raise InputError(
                f"The contract of '{dataset}' changed meanwhile, to {contract.ref}.", mend="conform the rows to it and publish them again"
            )
        rows = incoming
        old = np.empty(0, dtype=np.uint64)
        if contract.key and contract.unique:
            rows, old = _against(view, contract, incoming, replace_rows=replace_rows, where=where)
        if not rows.num_rows and (run_id is None or not incoming.num_rows):
            return latest
        counts = _counted(operation, rows=latest.rows, changed=len(old), added=rows.num_rows - len(old), dropped=0)
        change = _removal(start.files, view, old, contract) if len(old) else Change()
        new = start.files.write(rows.to_batches(), stored_schema(contract), base=view) if rows.num_rows else ()
        total = _minus(latest, sum_rows(view.at(old).drop_columns([ADDRESS]))) if len(old) else _minus(latest, MultisetDigest())
        total.merge(sum_rows(rows))
        return _publish(
            workspace,
            start.files,
            start.draft(latest, contract, counts),
            replace(change, new=(*change.new, *new)),
            base=place_of(latest).lance_version,
            total=total,
            removals=Removals((), "", ""),
            after=latest,
        )

    with start.files.in_turn(), start.files.working():
        return _retried(attempt)


def _against(view: LanceVersion, contract: Contract, incoming: pa.Table, *, replace_rows: bool, where: str) -> tuple[pa.Table, np.ndarray[Any, Any]]:
    """Of the incoming rows those that change something, and the addresses of the rows they replace."""
    key = list(contract.key)
    there = frame_of(view.table(columns=key, addresses=True))
    mine = frame_of(incoming.select(key)).with_row_index("_place")
    met = mine.join(there, on=key, how="inner").sort("_place")
    if not met.height:
        return incoming, np.empty(0, dtype=np.uint64)
    places, addresses = met["_place"].to_numpy(), met[ADDRESS].to_numpy()
    if not replace_rows:
        some = key_texts(incoming.take(pa.array(places[:3])), contract)
        shown = "" if any(contract.columns[name].personal for name in key) else f": {', '.join(some)}"
        raise InputError(
            f"{met.height} of the rows have a key that is there already{shown}.",
            where=where,
            why="the contract says that a key names one row",
            mend="use upsert_table to put new values in place of old ones",
        )
    before = np.frombuffer(row_hashes(view.at(addresses).select(incoming.column_names)), dtype="V16")
    now = np.frombuffer(row_hashes(incoming.take(pa.array(places))), dtype="V16")
    same = before == now
    leave = np.zeros(incoming.num_rows, dtype=bool)
    leave[places[same]] = True
    return incoming.filter(pa.array(~leave)), addresses[~same]


def _addresses_of(view: LanceVersion, contract: Contract, keys: list[tuple[Any, ...]]) -> np.ndarray[Any, Any]:
    """The addresses of the rows with these keys, which must all be there."""
    schema = pa.schema([contract.arrow_schema().field(name) for name in contract.key])
    wanted = pa.Table.from_arrays([pa.array(column, schema.field(place).type) for place, column in enumerate(zip(*keys, strict=True))], schema=schema)
    there = frame_of(view.table(columns=list(contract.key), addresses=True))
    met = frame_of(wanted).join(there, on=list(contract.key), how="left")
    missing = met.filter(met[ADDRESS].is_null())
    if missing.height:
        raise InputError(
            f"{missing.height} of the rows to delete are not there, the first: {key_text(missing.select(list(contract.key)).row(0))}.",
            mend="ask why_not_here: they may have been removed before",
        )
    addresses: np.ndarray[Any, Any] = met[ADDRESS].to_numpy()
    return addresses


def _removal(files: LanceFiles, view: LanceVersion, addresses: np.ndarray[Any, Any], contract: Contract) -> Change:
    """Take rows out. Few are marked as gone; fragments that lose many are written anew without them, which also frees the space."""
    fragment_of = addresses >> np.uint64(32)
    sizes = {part.fragment: part.rows for part in view.parts()}
    numbers, losses = np.unique(fragment_of, return_counts=True)
    anew = [int(number) for number, loss in zip(numbers, losses, strict=True) if loss > _LARGE_CHANGE or loss * 4 > sizes[int(number)]]
    updated, removed = view.without(addresses[~np.isin(fragment_of, anew)])
    new: tuple[Any, ...] = ()
    if anew:
        new = rewritten(files, view, anew, addresses, contract)
    return Change(new=new, updated=tuple(updated), removed=(*removed, *anew))


def rewritten(files: LanceFiles, view: LanceVersion, numbers: list[int], gone: np.ndarray[Any, Any], contract: Contract) -> tuple[Any, ...]:
    """The rows of some fragments, without those at the addresses ``gone``, in new files."""
    names = contract.arrow_schema().names
    ordered = np.sort(gone)

    def left() -> Iterator[pa.RecordBatch]:
        for batch in view.batches(fragments=numbers, addresses=True):
            kept = batch.filter(pa.array(~among(np.asarray(batch[ADDRESS]), ordered)))
            if kept.num_rows:
                yield kept.select(names)

    return files.write(left(), stored_schema(contract), base=view)


def _counted(operation: Operation, *, rows: int, changed: int, added: int, dropped: int) -> Operation:
    """The operation with the counts of a change of ``rows`` rows. What the caller expected must come out."""
    given = operation.counts
    aside = {name: given[name] for name in ("queued", "quarantined")}
    kept = rows - changed - dropped
    counts = {"in": rows + sum(aside.values()), "kept": kept, "changed": changed, "added": added, "dropped": dropped, **aside}
    wrong = [name for name in ("changed", "added", "dropped") if given[name] not in (0, counts[name])]
    if wrong:
        raise InputError(
            f"'{operation.name}' expected {', '.join(f'{given[name]} rows {name}' for name in wrong)}; "
            f"there are {', '.join(f'{counts[name]} {name}' for name in wrong)}.",
            why="a version whose counts are wrong is not published",
            mend="leave the counts out and they are filled in, or look at why they differ",
        )
    return replace(operation, counts=counts)


def _minus(latest: Version, gone: MultisetDigest) -> MultisetDigest:
    total = MultisetDigest.of(int(place_of(latest).rows_digest, 16), count=latest.rows)
    total.remove(gone)
    return total


def _left_out(workspace: Workspace, latest: Version | None, keys: pa.Table, contract: Contract, given: Removals, operation: Operation) -> Removals:
    """What a whole new version takes out: what the caller names, and every key of the version before that is not among the new ones."""
    import polars as pl

    schema = pa.schema([pa.field("_text", pa.string())])
    if len(given):
        texts = pa.table({"_text": key_texts(keys, contract)}, schema=schema)
        still = frame_of(pa.table({"_text": list(given.keys)}, schema=schema)).join(frame_of(texts), on="_text", how="semi")
        if still.height and contract.unique:
            raise InputError(f"{still.height} rows are said to be removed and are among the rows, the first: {still.item(0, 0)}.")
    if latest is None or latest.kind != TABLE or latest.withdrawn is not None:
        return given
    before = contract_of_version(latest)
    if before.key != contract.key or any(before.columns[name].type != contract.columns[name].type for name in before.key):
        return given
    view = files_of(workspace, place_of(latest).dataset_id).open(place_of(latest).lance_version)
    old = frame_of(view.table(columns=list(contract.key))).unique()
    gone = old.join(frame_of(keys), on=list(contract.key), how="anti")
    silent = pl.Series("_text", key_texts(gone.to_arrow(), contract), dtype=pl.String)
    if len(given):
        silent = silent.filter(~silent.is_in(list(given.keys)))
    silent = silent.sort()  # a million keys in order go into the ledger three times sooner than in any
    if silent.is_empty():
        return given
    count = len(given)
    rules = [given.rules] * count if isinstance(given.rules, str) else list(given.rules)
    reasons = [given.reasons] * count if isinstance(given.reasons, str) else list(given.reasons)
    return Removals(
        keys=[*given.keys, *silent.to_list()],
        rules=[*rules, *[operation.name] * len(silent)],
        reasons=[*reasons, *["not among the rows of the whole new version"] * len(silent)],
        evidence=[*(given.evidence or [None] * count), *[None] * len(silent)],
    )


def _publish(
    workspace: Workspace,
    files: LanceFiles,
    draft: _Draft,
    change: Change,
    *,
    base: int | None,
    total: MultisetDigest,
    removals: Removals,
    after: Version | None,
) -> Version:
    """Steps 3 to 5 of the protocol."""
    contract = draft.contract.to_dict()
    draft.operation.require_sum(total.count)
    digest = version_digest(total, contract)
    new_version = version_id(dataset=draft.dataset, digest=digest, card=draft.card, operation=draft.operation, parents=draft.parents)
    if draft.run_id is None and _exists(workspace, new_version):
        return load_version(workspace, new_version)
    number_in_lance = files.commit(change, base=base, schema=stored_schema(draft.contract), run_id=draft.run_id)
    committed = files.open(number_in_lance)
    if committed.count() != total.count:
        raise InputError(
            f"{committed.count()} rows were written where {total.count} were meant.",
            where=files.uri,
            why="a version whose count is wrong is not published",
            mend="publish again; if it stays so, the disk or the Lance release is at fault",
        )

    def job(tx: WriteTransaction) -> str:
        if draft.run_id is not None:
            done = tx.conn.execute(_run_query(tx.workspace_id, draft.dataset_id, draft.run_id)).scalar()
            if done is not None:
                return str(done)
        mine = dataset_version.c.workspace_id == tx.workspace_id
        if tx.conn.execute(select(dataset_version.c.id).where(mine, dataset_version.c.id == new_version)).first() is not None:
            return new_version
        last = int(
            tx.conn.execute(select(func.max(dataset_version.c.number)).where(mine, dataset_version.c.dataset_id == draft.dataset_id)).scalar() or 0
        )
        if last != (0 if after is None else after.number):
            raise Overtaken(f"'{draft.dataset}' has moved on to version {last} since this work began.", mend="do it again on the latest version")
        dataset_id, number = take_number(
            tx, Draft(dataset=draft.dataset, kind=TABLE, card=draft.card, fields={}, operation=draft.operation, parents=draft.parents)
        )
        tx.insert(
            dataset_version,
            {
                "id": new_version,
                "dataset_id": dataset_id,
                "number": number,
                "digest": digest,
                "rows": total.count,
                "blob": "",
                "fields": contract,
                "card": draft.card.model_dump(mode="json"),
                "operation": draft.operation.to_dict(),
                "parents": list(draft.parents),
            },
        )
        tx.insert(
            dataset_table_place,
            {
                "version_id": new_version,
                "dataset_id": dataset_id,
                "contract_id": draft.contract.id,
                "lance_version": number_in_lance,
                "rows_digest": total.hexdigest(),
                "run_id": draft.run_id,
            },
        )
        write_removals(tx, removals, dataset_id=dataset_id, number=number)
        record_edges(tx, draft.edges(new_version))
        record(
            tx,
            type="dataset.version",
            subject=new_version,
            body={
                "dataset": draft.dataset,
                "number": number,
                "kind": TABLE,
                "digest": digest,
                "rows": total.count,
                "contract": draft.contract.id,
                "operation": draft.operation.name,
                "counts": dict(draft.operation.counts),
                "removals": len(removals),
                "parents": list(draft.parents),
                "licence": draft.card.licence,
                "run_id": draft.run_id,
            },
        )
        return new_version

    published = load_version(workspace, workspace.write(job))
    if published.place is not None:
        files.tag(published.id, published.place.lance_version)
    return published


def _retried(attempt: Callable[[], Version]) -> Version:
    for left in range(ATTEMPTS, 0, -1):
        try:
            return attempt()
        except Overtaken:
            if left == 1:
                raise
    raise AssertionError  # the last attempt returned or raised


def _latest(workspace: Workspace, dataset: str) -> Version | None:
    try:
        return load_version(workspace, dataset)
    except NotFound:
        return None


def _exists(workspace: Workspace, wanted: str) -> bool:
    with workspace.read() as conn:
        mine = dataset_version.c.workspace_id == workspace.id
        return conn.execute(select(dataset_version.c.id).where(mine, dataset_version.c.id == wanted)).first() is not None


def _version_of_run(workspace: Workspace, dataset_id: str, run_id: str | None) -> Version | None:
    if run_id is None:
        return None
    with workspace.read() as conn:
        found = conn.execute(_run_query(workspace.id, dataset_id, run_id)).scalar()
    return None if found is None else load_version(workspace, str(found))


def _run_query(workspace_id: str, dataset_id: str, run_id: str) -> Any:
    place = dataset_table_place
    return select(place.c.version_id).where(place.c.workspace_id == workspace_id, place.c.dataset_id == dataset_id, place.c.run_id == run_id)


def stored_schema(contract: Contract) -> pa.Schema:
    """The schema of the contract's rows as they are stored."""
    return keyed_schema(contract.arrow_schema(), contract.key if contract.unique else ())
