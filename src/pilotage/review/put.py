"""Sending items to people.

One way in: :func:`put_tasks`. It streams, and writes a chunk of rows a transaction with statements compiled once, so that a million items cost a
million rows and no more memory than one chunk. :func:`put_task` is the same for one item inside the caller's transaction, refused by raising.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from hashlib import sha256
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, literal_column, select, type_coerce
from sqlalchemy.dialects.postgresql import ARRAY

from pilotage.core import InputError, NotFound, Refused, parse_duration
from pilotage.judging import ABOUT_ITEMS, Item, RaterKind, Rubric, put_rubric
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload, judgement
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger import record
from pilotage.review.new_task import NewTask, PutReport, RefusedRow, Suggestion, unfit
from pilotage.review.projects.project import Terms, find_terms
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.put_rows import ASKS, ID, INSERT_SUGGESTION, INSERT_TASK, ITEM, PURPOSE, ROLE, Plan, Row, whole_row
from pilotage.review.questions import asked_of, roles_of
from pilotage.review.rows import T, count, move
from pilotage.review.sealing import sealed
from pilotage.review.tables import review_author, review_gold, review_seed
from pilotage.store import Workspace, WriteTransaction
from pilotage.store.prepared import Rows, insert_missing
from pilotage.store.schema import json_text

CHUNK = 5_000  # rows a transaction: others wait for no longer than it takes
CHUNK_BYTES = 32 << 20  # of payloads, as text: long ones make a shorter chunk
_KEYS = 500  # SQLite takes at least 999 parameters in one statement

_INSERT_ITEM = Rows(item_table, ("workspace_id", "id", "kind", "source_id", "slices", "created_by", "created_at"))
_INSERT_PAYLOAD = Rows(item_payload, ("workspace_id", "item_id", "payload", "created_by", "created_at"))
_INSERT = {"author": insert_missing(review_author), "seed": insert_missing(review_seed), "gold": insert_missing(review_gold)}
_NO_SLICES = json_text({})


def put_tasks(where: Workspace | WriteTransaction, project: str, items: Iterable[NewTask], *, rubric: Rubric | str | None = None) -> PutReport:
    """Put items before people, as many as there are: a chunk of rows a transaction, or all in the caller's where one is given.

    The same project, item, rubric and purpose are one task: putting it again changes nothing, except that a withdrawn task is opened again. A rubric
    whose questions are for several roles becomes one task per role. A row that does not fit is left out, and the report names it and the field.

    Parameters
    ----------
    project
        The project, or a queue without one.
    items
        Read as they are needed; never all in memory. What comes next is read while a chunk is being written.
    rubric
        What is asked; None for the project's.

    Returns
    -------
    PutReport
        In tasks. Each chunk has one entry in the ledger (``review.put``) with its counts and a digest of its tasks.

    Raises
    ------
    NotFound
        If the project or the rubric is not there.
    Refused
        If the project is archived.

    Cost: some 30 µs an item on SQLite; memory for two chunks and for the rows refused.
    """
    if not isinstance(where, Workspace):
        plan = _plan(where, project, rubric)
        return sum((_write(where, plan, batch) for batch in _batches(plan, items)), PutReport())
    plan = where.write(lambda tx: _plan(tx, project, rubric))
    report = PutReport()
    written: Future[PutReport] | None = None
    try:
        for batch in _batches(plan, items):
            if written is not None:
                earlier, written = written, None
                report += earlier.result()
            written = where.submit(lambda tx, batch=batch: _write(tx, plan, batch))  # type: ignore[misc]
    finally:  # whatever the items raise, what was handed over is on the disk once this returns
        if written is not None:
            report += written.result()
    return report


def put_task(
    tx: WriteTransaction,
    queue: str,
    item: Item | str,
    rubric: Rubric | str,
    why: Iterable[str],
    suggestion: Mapping[str, Any] | None = None,
    harmful: bool = False,
    priority: int = 0,
    overlap: int = 1,
    *,
    authors: Collection[str] = (),
    due_at: int | None = None,
) -> str:
    """As :func:`put_tasks`, for one item; return the task's id. ``suggestion`` is ``{question: value}``; the rest is as in :class:`NewTask`.

    Raises
    ------
    InputError
        If something does not fit, or the rubric's questions are for several roles.
    NotFound
        If an id names nothing.
    """
    proposed = [Suggestion(question, value) for question, value in (suggestion or {}).items()]
    reasons = (why,) if isinstance(why, str) else tuple(why)
    task = NewTask(item, proposed, priority=priority, due_at=due_at, authors=authors, why=reasons, harmful=harmful, overlap=overlap)
    plan = _plan(tx, queue, rubric)
    if len(plan.roles) > 1:
        raise InputError(
            f"The rubric '{plan.rubric.name}' asks questions of different roles: {', '.join(role or 'anybody' for role in plan.roles)}.",
            why="that is one task per role, and this call gives one",
            mend="call put_tasks",
        )
    for place, what in unfit(task, plan.rubric):
        raise InputError(what, where=f"queue '{queue}' field '{place}'")
    batch = _Batch()
    batch.add(plan, 1, task)
    report = _write(tx, plan, batch)
    if report.refused:
        raise NotFound("There is no such item.", where=str(item), mend="store the item before its task, or hand in the item itself")
    of = (T.queue == queue, T.item_id == (item if isinstance(item, str) else item.id), T.rubric_id == plan.rubric.id, T.purpose == "work")
    return str(tx.conn.execute(select(T.id).where(T.workspace_id == tx.workspace_id, *of)).scalar_one())


@dataclass(slots=True)
class _Batch:
    """What one transaction writes, as rows but for the time. Not changed once handed over: the transaction may run again.

    Flat tuples of plain values for the many: a batch of records with their payloads is work for the garbage collector, over and over.
    """

    tasks: dict[str | int, Any] = field(default_factory=dict)  # the row by id; by number a task whose item is stored and must be looked up
    items: dict[str, Row] = field(default_factory=dict)  # by id: those handed in
    suggestions: list[Row] = field(default_factory=list)
    authors: dict[str, list[str]] = field(default_factory=dict)  # logins by task
    known: dict[str, NewTask] = field(default_factory=dict)  # by id: tasks with something planted, or known to be right
    refused: list[RefusedRow] = field(default_factory=list)
    rows: int = 0
    length: int = 0  # of the payloads

    def add(self, plan: Plan, number: int, given: NewTask) -> None:
        self.rows += 1
        task = plan.fit(number, given)
        if isinstance(task, RefusedRow):
            self.refused.append(task)
        elif isinstance(task.item, str):
            self.tasks[number] = task
        else:
            item = task.item
            payload = json_text(item.payload)
            self.length += len(payload)
            if item.id not in self.items:
                slices = json_text(item.slices) if item.slices else _NO_SLICES
                self.items[item.id] = (plan.workspace_id, item.id, item.kind, item.source_id, slices, payload, plan.actor)
            self.put(plan, task, item)

    def put(self, plan: Plan, task: NewTask, item: Item) -> None:
        logins = sorted(_spellings({*task.authors, *_named(item.payload)}))
        for row in plan.task_rows(task, item):
            made = row[ID]
            if made in self.tasks:  # twice in one batch: the last counts, whole
                self.authors.pop(made, None)
                self.known.pop(made, None)
            self.tasks[made] = row
            if logins:
                self.authors[made] = logins
            if task.seed or task.gold:
                self.known[made] = task
        for given in task.suggestions:
            if given.model:  # kept too where the item waits already
                self.suggestions.append(plan.suggestion_row(item.id, given))

    @property
    def full(self) -> bool:
        return self.rows >= CHUNK or self.length >= CHUNK_BYTES

    def settled(self, tx: WriteTransaction, plan: Plan) -> _Batch:
        """The same with the stored items looked up; what names none is refused."""
        wanted = [task.item for key, task in self.tasks.items() if isinstance(key, int)]
        if not wanted:
            return self
        stored = _stored(tx, wanted)
        lists = (list(self.suggestions), dict(self.authors), dict(self.known), list(self.refused))
        whole = _Batch({}, self.items, *lists, self.rows, self.length)
        for key, found in self.tasks.items():
            if isinstance(key, str):
                whole.tasks[key] = found
            elif found.item in stored:
                whole.put(plan, found, stored[found.item])
            else:
                whole.refused.append(RefusedRow(key, found.item, "item", "There is no such item."))
        return whole


def _batches(plan: Plan, items: Iterable[NewTask]) -> Iterator[_Batch]:
    batch = _Batch()
    for number, task in enumerate(items, start=1):
        batch.add(plan, number, task)
        if batch.full:
            yield batch
            batch = _Batch()
    if batch.rows:
        yield batch


def _plan(tx: WriteTransaction, queue: str, rubric: Rubric | str | None) -> Plan:
    if not queue:
        raise InputError("A review task needs a queue.", mend="give the project's or the pilot's name")
    terms: Terms | None = find_terms(tx.conn, tx.workspace_id, queue)
    if rubric is None:
        if terms is None:
            raise NotFound(f"There is no project '{queue}'.", why="so nothing says what to ask", mend="make the project first, or name a rubric")
        rubric = terms.rubric_id
    if terms is not None and terms.state == "archived":
        raise Refused(f"The project '{queue}' is archived.", mend="resume it first")
    asked = find_rubric(tx.conn, rubric if isinstance(rubric, str) else put_rubric(tx, rubric), workspace_id=tx.workspace_id)
    settings = terms.settings if terms is not None else ProjectSettings(name="-")
    roles = roles_of(asked)
    asked_by = {role: asked_of(asked, role) for role in roles}
    due_us = parse_duration(settings.sla.due) if settings.sla else None
    return Plan(tx.workspace_id, tx.actor, queue, asked, roles, asked_by, settings, due_us, terms.salt if terms is not None else "")


def _write(tx: WriteTransaction, plan: Plan, given: _Batch) -> PutReport:
    batch = given.settled(tx, plan)
    standing = _standing(tx.conn, plan, {row[ITEM] for row in batch.tasks.values()})
    rows = batch.tasks.values()
    new = [row for row in rows if _key(row) not in standing] if standing else list(rows)
    known = [standing[key] for row in rows if (key := _key(row)) in standing] if standing else []
    stamp = tx.stamp()
    at = stamp["created_at"]
    # A microsecond apart, so that they are served in the order they came.
    tasks = [whole_row(row, created_at, plan.due_us) for created_at, row in enumerate(new, start=at)]
    ids = [row[ID] for row in new]
    named = {row[ITEM] for row in new} if standing else batch.items
    # The ids are hashes: in their order, rows that share a page of an index come one after the other.
    items = sorted((row for item_id, row in batch.items.items() if item_id in named), key=_second)
    _INSERT_ITEM.run(tx.conn, [(*row[:5], row[6], at) for row in items])
    _INSERT_PAYLOAD.run(tx.conn, [(row[0], row[1], row[5], row[6], at) for row in items])
    INSERT_TASK.run(tx.conn, tasks)
    INSERT_SUGGESTION.run(tx.conn, [(*row, at) for row in sorted(batch.suggestions, key=_second)])
    _write_asides(tx, plan, batch, new, stamp)
    opened = Counter(row[ROLE] for row in new if row[PURPOSE] in ABOUT_ITEMS)
    for role, many_open in sorted(opened.items()):
        count(tx, plan.queue, role, open=many_open)
    reopened = [row for row in known if row["state"] == "withdrawn"]
    for found in reopened:
        move(tx, found, state="done" if found["answers"] >= found["overlap"] else "open")
    report = PutReport(put=len(new), known=len(known) - len(reopened), reopened=len(reopened), refused=tuple(batch.refused))
    if new or reopened or batch.refused:
        _tell(tx, plan, report, ids + sorted(row["id"] for row in reopened))
    return report


_second = itemgetter(1)


def _write_asides(tx: WriteTransaction, plan: Plan, batch: _Batch, new: list[Row], stamp: dict[str, Any]) -> None:
    """What few tasks have: whose work it is, what is planted and what is known to be right."""
    judged_by = _judged_by(tx, [row[ITEM] for row in batch.tasks.values() if row[PURPOSE] == "adjudication"])
    if not (batch.authors or batch.known or judged_by):
        return
    asides: dict[str, list[dict[str, Any]]] = {name: [] for name in _INSERT}
    made = {row[ID]: row for row in new}
    authors = {(of, login) for of, logins in batch.authors.items() if of in made for login in logins}
    authors |= {(row[ID], login) for row in new for login in _spellings(judged_by.get(row[ITEM], ()))}
    asides["author"] = [{**stamp, "task_id": of, "login": login} for of, login in sorted(authors)]
    for of, task in batch.known.items():
        if of in made:
            _known(plan, asides, {**stamp, "task_id": of}, made[of][ROLE], task)
    for name, many in asides.items():
        _INSERT[name].run(tx.conn, many)


def _known(plan: Plan, asides: dict[str, list[dict[str, Any]]], stamp: dict[str, Any], role: str, task: NewTask) -> None:
    """The rows of what is planted and of what is known to be right, of the questions this role is asked."""
    asked = plan.asked[role]
    planted = {question: value for question, value in task.seed.items() if question in asked}
    if planted:
        asides["seed"].append({**stamp, "planted": json_text(planted), "made_from": task.made_from})
    for question, value in task.gold.items():
        if question in asked:
            gold = {"question": question, "value": json_text(value), "explanation": task.explanation, "state": "active"}
            asides["gold"].append({**stamp, **gold})


def _tell(tx: WriteTransaction, plan: Plan, report: PutReport, ids: list[str]) -> None:
    body = {
        "rubric": plan.rubric.id,
        "put": report.put,
        "known": report.known,
        "reopened": report.reopened,
        "refused": len(report.refused),
        # Keyed in a project: of a short list, such as one known item, an open digest could be guessed.
        "digest": sha256("\n".join(ids).encode()).hexdigest() if not plan.salt else sealed(plan.salt, put=ids),
    }
    record(tx, type="review.put", subject=plan.queue, body=body)


def _key(row: Row) -> tuple[str, str, str]:
    return row[ITEM], row[ASKS], row[PURPOSE]


def _standing(conn: Connection, plan: Plan, items: set[str]) -> dict[tuple[str, str, str], Any]:
    """The tasks that are there already, without what is judged; by what makes them one task, since a queue may have become a project since."""
    among = list(items) if conn.dialect.name == "postgresql" else json_text(list(items))
    of = {"workspace": plan.workspace_id, "queue": plan.queue, "rubric": plan.rubric.id, "items": among}
    return {(row["item_id"], row["asks"], row["purpose"]): row for row in conn.execute(_STANDING[conn.dialect.name], of).mappings()}


def _standing_query(among: Any) -> Any:
    wanted = [T[name] for name in ("id", "queue", "item_id", "asks", "role", "purpose", "state", "answers", "overlap")]
    ours = (T.workspace_id == bindparam("workspace"), T.queue == bindparam("queue"), T.rubric_id == bindparam("rubric"))
    return select(*wanted).where(*ours, T.item_id.in_(among))


# The items go as one parameter, so that one statement asks for all of them.
_STANDING = {
    "sqlite": _standing_query(select(literal_column("value")).select_from(func.json_each(bindparam("items", type_=Text)))),
    "postgresql": _standing_query(select(func.unnest(type_coerce(bindparam("items", type_=ARRAY(Text)), ARRAY(Text))))),
}


def _stored(tx: WriteTransaction, ids: list[str]) -> dict[str, Item]:
    i, p = item_table.c, item_payload.c
    query = select(item_table, p.payload).join(item_payload, (p.workspace_id == i.workspace_id) & (p.item_id == i.id))
    return {
        row.id: Item(row.kind, row.source_id, row.payload, row.slices, row.id)
        for part in _parts(ids)
        for row in tx.conn.execute(query.where(i.workspace_id == tx.workspace_id, i.id.in_(part)))
    }


def _judged_by(tx: WriteTransaction, ids: list[str]) -> dict[str, set[str]]:
    """The people who answered about each item: who answered it cannot adjudicate it."""
    j, r = judgement.c, rater_table.c
    query = select(j.item_id, r.name).join(rater_table, (r.workspace_id == j.workspace_id) & (r.id == j.rater_id)).distinct()
    found: dict[str, set[str]] = {}
    for part in _parts(ids):
        for item_id, login in tx.conn.execute(query.where(j.workspace_id == tx.workspace_id, j.item_id.in_(part), r.kind == str(RaterKind.PERSON))):
            found.setdefault(item_id, set()).add(login)
    return found


def _spellings(logins: Collection[str]) -> set[str]:
    """Each as it was given and as accounts spell logins: 'Ann ' is not served the work of 'ann'."""
    return {*logins, *(login.strip().lower() for login in logins)} - {""}


def _named(payload: Any) -> list[str]:
    named = payload.get("authors", ()) if isinstance(payload, dict) else ()
    return [login for login in named if isinstance(login, str)] if isinstance(named, list | tuple) else []


def _parts(ids: list[str]) -> Iterator[list[str]]:
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _KEYS):
        yield wanted[start : start + _KEYS]
