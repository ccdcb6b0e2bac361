"""Sending items to people.

One way in: :func:`put_tasks`. It streams, and writes a chunk of rows a transaction with statements compiled once, so that a million items cost a
million rows and no more memory than one chunk. :func:`put_task` is the same for one item inside the caller's transaction, refused by raising.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
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
from pilotage.review.new_task import NewTask, PutReport, Suggestion, unfit
from pilotage.review.projects.project import Terms, find_terms
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.put_batch import Batch, batches, spellings
from pilotage.review.put_rows import (
    ASKS,
    ID,
    INSERT_ITEM,
    INSERT_PAYLOAD,
    INSERT_SUGGESTION,
    INSERT_TASK,
    ITEM,
    PURPOSE,
    ROLE,
    Plan,
    Row,
    whole_rows,
)
from pilotage.review.questions import asked_of, roles_of
from pilotage.review.rows import T, count, move
from pilotage.review.sealing import sealed
from pilotage.review.tables import review_author, review_gold, review_seed
from pilotage.store import Workspace, WriteTransaction
from pilotage.store.prepared import insert_missing
from pilotage.store.schema import json_text

_KEYS = 500  # SQLite takes at least 999 parameters in one statement
_INSERT = {"author": insert_missing(review_author), "seed": insert_missing(review_seed), "gold": insert_missing(review_gold)}


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

    Cost: some 30 µs an item on SQLite, thrice that in a queue of a million; memory for two chunks, for pages (256 MB) and for the rows refused.
    """
    if not isinstance(where, Workspace):
        plan = _plan(where, project, rubric)
        return sum((_write(where, plan, batch) for batch in batches(plan, items)), PutReport())
    plan = where.write(lambda tx: _plan(tx, project, rubric))
    return sum(where.write_each(partial(_write, plan=plan, given=batch) for batch in batches(plan, items)), PutReport())


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
    batch = Batch()
    batch.add(plan, 1, task)
    report = _write(tx, plan, batch)
    if report.refused:
        raise NotFound("There is no such item.", where=str(item), mend="store the item before its task, or hand in the item itself")
    of = (T.queue == queue, T.item_id == (item if isinstance(item, str) else item.id), T.rubric_id == plan.rubric.id, T.purpose == "work")
    return str(tx.conn.execute(select(T.id).where(T.workspace_id == tx.workspace_id, *of)).scalar_one())


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


def _write(tx: WriteTransaction, plan: Plan, given: Batch) -> PutReport:
    wanted = given.wanted()
    batch = given.settled(plan, _stored(tx, wanted)) if wanted else given
    rows = list(batch.tasks.values())
    standing = _standing(tx.conn, plan, {row[ITEM] for row in rows})
    new = [row for row in rows if _key(row) not in standing] if standing else rows
    known = [standing[key] for row in rows if (key := _key(row)) in standing] if standing else []
    stamp = tx.stamp()
    at = stamp["created_at"]
    shared = (plan.workspace_id, plan.actor, at)
    # The ids are hashes: in their order, rows that share a page of an index come one after the other.
    items = sorted(batch.items.keys() & {row[ITEM] for row in new} if standing else batch.items)
    INSERT_ITEM.run(tx.conn, [batch.items[item_id] for item_id in items], shared)
    INSERT_PAYLOAD.run(tx.conn, [batch.payloads[item_id] for item_id in items], shared)
    INSERT_TASK.run(tx.conn, whole_rows(new, at, plan.due_us), plan.shared)
    INSERT_SUGGESTION.run(tx.conn, sorted(batch.suggestions, key=itemgetter(0)), shared)
    _write_asides(tx, plan, batch, new, stamp)
    opened = Counter(row[ROLE] for row in new if row[PURPOSE] in ABOUT_ITEMS)
    for role, many_open in sorted(opened.items()):
        count(tx, plan.queue, role, open=many_open)
    reopened = [row for row in known if row["state"] == "withdrawn"]
    for found in reopened:
        move(tx, found, state="done" if found["answers"] >= found["overlap"] else "open")
    report = PutReport(put=len(new), known=len(known) - len(reopened), reopened=len(reopened), refused=tuple(batch.refused))
    if new or reopened or batch.refused:
        _tell(tx, plan, report, [row[ID] for row in new] + sorted(row["id"] for row in reopened))
    return report


def _write_asides(tx: WriteTransaction, plan: Plan, batch: Batch, new: list[Row], stamp: dict[str, Any]) -> None:
    """What few tasks have: whose work it is, what is planted and what is known to be right."""
    judged_by = _judged_by(tx, [row[ITEM] for row in batch.tasks.values() if row[PURPOSE] == "adjudication"])
    if not (batch.authors or batch.known or judged_by):
        return
    asides: dict[str, list[dict[str, Any]]] = {name: [] for name in _INSERT}
    made = {row[ID]: row for row in new}
    authors = {(of, login) for of, logins in batch.authors.items() if of in made for login in logins}
    authors |= {(row[ID], login) for row in new for login in spellings(judged_by.get(row[ITEM], ()))}
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


def _parts(ids: list[str]) -> Iterator[list[str]]:
    wanted = list(dict.fromkeys(ids))
    for start in range(0, len(wanted), _KEYS):
        yield wanted[start : start + _KEYS]
