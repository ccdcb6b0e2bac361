"""Sending items to people.

One way in: :func:`put_tasks`. It streams, and writes a chunk of rows a transaction with statements compiled once, so that a million items cost a
million rows and no more memory than one chunk. :func:`put_task` is the same for one item inside the caller's transaction, refused by raising.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from itertools import islice
from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import InputError, NotFound, Refused, content_id, parse_duration
from pilotage.judging import ABOUT_ITEMS, Item, RaterKind, Rubric, put_rubric
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload, judgement
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger import record
from pilotage.review.new_task import TEST_PURPOSES, NewTask, PutReport, RefusedRow, Suggestion, shown_of, task_id, unfit
from pilotage.review.projects.project import Terms, find_terms
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.questions import asked_of, roles_of
from pilotage.review.rows import T, count, move
from pilotage.review.sealing import sealed
from pilotage.review.tables import position_of, review_author, review_gold, review_seed, review_task, suggestion
from pilotage.store import Workspace, WriteTransaction
from pilotage.store.prepared import insert_missing
from pilotage.store.schema import json_text

CHUNK = 2_000  # rows a transaction: others wait for no longer than it takes
_KEYS = 500  # SQLite takes at least 999 parameters in one statement

_INSERT = {
    name: insert_missing(table)
    for name, table in {
        "item": item_table,
        "payload": item_payload,
        "task": review_task,
        "author": review_author,
        "suggestion": suggestion,
        "seed": review_seed,
        "gold": review_gold,
    }.items()
}


def put_tasks(where: Workspace | WriteTransaction, project: str, items: Iterable[NewTask], *, rubric: Rubric | str | None = None) -> PutReport:
    """Put items before people, as many as there are: a chunk of rows a transaction, or all in the caller's where one is given.

    The same project, item, rubric and purpose are one task: putting it again changes nothing, except that a withdrawn task is opened again. A rubric
    whose questions are for several roles becomes one task per role. A row that does not fit is left out, and the report names it and the field.

    Parameters
    ----------
    project
        The project, or a queue without one.
    items
        Read as they are needed; never all in memory.
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

    Cost: some 60 µs an item on SQLite; memory for one chunk and for the rows refused.
    """
    plan = where.write(lambda tx: _plan(tx, project, rubric)) if isinstance(where, Workspace) else _plan(where, project, rubric)
    report = PutReport()
    numbered = enumerate(items, start=1)
    while chunk := list(islice(numbered, CHUNK)):
        rows, refused = _fit(plan, chunk)
        if isinstance(where, Workspace):
            report += where.write(lambda tx, rows=rows, refused=refused: _write(tx, plan, rows, refused))  # type: ignore[misc]
        else:
            report += _write(where, plan, rows, refused)
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
    for field, what in unfit(task, plan.rubric):
        raise InputError(what, where=f"queue '{queue}' field '{field}'")
    report = _write(tx, plan, [(1, task)], [])
    if report.refused:
        raise NotFound("There is no such item.", where=str(item), mend="store the item before its task, or hand in the item itself")
    of = (T.queue == queue, T.item_id == (item if isinstance(item, str) else item.id), T.rubric_id == plan.rubric.id, T.purpose == "work")
    return str(tx.conn.execute(select(T.id).where(T.workspace_id == tx.workspace_id, *of)).scalar_one())


@dataclass(frozen=True)
class _Plan:
    queue: str
    rubric: Rubric
    roles: tuple[str, ...]
    asked: dict[str, tuple[str, ...]]  # by role
    settings: ProjectSettings
    due_us: int | None
    salt: str  # of the project; '' for a queue without one

    def overlap(self, task: NewTask) -> int:
        if task.overlap is not None:
            return task.overlap
        return self.settings.gold.exposure_cap if task.purpose in TEST_PURPOSES else self.settings.overlap.start


def _plan(tx: WriteTransaction, queue: str, rubric: Rubric | str | None) -> _Plan:
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
    due_us = parse_duration(settings.sla.due) if settings.sla else None
    by_role = {role: asked_of(asked, role) for role in roles}
    return _Plan(queue, asked, roles, by_role, settings, due_us, terms.salt if terms is not None else "")


def _fit(plan: _Plan, chunk: list[tuple[int, NewTask]]) -> tuple[list[tuple[int, NewTask]], list[RefusedRow]]:
    """The rows that fit, with their slices in their items; and those that do not."""
    rows: list[tuple[int, NewTask]] = []
    refused: list[RefusedRow] = []
    for number, task in chunk:
        wrong = next(unfit(task, plan.rubric), None)
        if wrong is not None:
            refused.append(RefusedRow(number, task.item if isinstance(task.item, str) else task.item.id, *wrong))
        elif task.slices and isinstance(task.item, Item):
            rows.append((number, replace(task, item=replace(task.item, slices={**task.item.slices, **task.slices}, id=""))))
        else:
            rows.append((number, task))
    return rows, refused


def _write(tx: WriteTransaction, plan: _Plan, rows: list[tuple[int, NewTask]], refused: list[RefusedRow]) -> PutReport:
    stored = _stored(tx, [task.item for _, task in rows if isinstance(task.item, str)])
    settled: list[tuple[NewTask, Item]] = []
    refused = list(refused)  # a job may run twice
    for number, task in rows:
        item = stored.get(task.item) if isinstance(task.item, str) else task.item
        if item is None:
            refused.append(RefusedRow(number, str(task.item), "item", "There is no such item."))
        else:
            settled.append((task, item))
    judged_by = _judged_by(tx, [item.id for task, item in settled if task.purpose == "adjudication"])
    made = {row["id"]: (row, task, item) for task, item in settled for row in _task_rows(tx, plan, task, item)}
    standing = _standing(tx.conn, tx.workspace_id, plan, {item.id for _, item in settled})
    new = [entry for entry in made.values() if _key(entry[0]) not in standing]
    known = [standing[key] for row, _, _ in made.values() if (key := _key(row)) in standing]
    stamp = tx.stamp()
    at = stamp["created_at"]
    tables: dict[str, list[dict[str, Any]]] = {name: [] for name in _INSERT}
    for place, (row, task, item) in enumerate(new):
        # A microsecond apart, so that they are served in the order they came.
        row |= {**stamp, "created_at": at + place, "position": position_of(row["priority"], at + place, row["id"])}
        tables["task"].append(row)
        if isinstance(task.item, Item):
            tables["item"].append({**stamp, "id": item.id, "kind": item.kind, "source_id": item.source_id, "slices": json_text(item.slices)})
            tables["payload"].append({**stamp, "item_id": item.id, "payload": json_text(item.payload)})
        for login in sorted(_spellings({*task.authors, *_named(item.payload), *judged_by.get(item.id, ())})):
            tables["author"].append({**stamp, "task_id": row["id"], "login": login})
        asked = plan.asked[row["role"]]
        planted = {question: value for question, value in task.seed.items() if question in asked}
        if planted:
            tables["seed"].append({**stamp, "task_id": row["id"], "planted": json_text(planted), "made_from": task.made_from})
        for question, value in task.gold.items():
            if question in asked:
                gold = {"question": question, "value": json_text(value), "explanation": task.explanation, "state": "active"}
                tables["gold"].append({**stamp, "task_id": row["id"], **gold})
    for task, item in settled:  # a new model's suggestion about an item that waits already is kept too
        tables["suggestion"] += [{**stamp, **_suggestion_row(item.id, given)} for given in task.suggestions if given.model]
    for name, many in tables.items():
        _INSERT[name].run(tx.conn, many)
    opened = Counter(row["role"] for row, task, _ in new if task.purpose in ABOUT_ITEMS)
    for role, many_open in sorted(opened.items()):
        count(tx, plan.queue, role, open=many_open)
    reopened = [row for row in known if row["state"] == "withdrawn"]
    for found in reopened:
        move(tx, found, state="done" if found["answers"] >= found["overlap"] else "open")
    report = PutReport(put=len(new), known=len(known) - len(reopened), reopened=len(reopened), refused=tuple(refused))
    if new or reopened or refused:
        _tell(tx, plan, report, [row["id"] for row, _, _ in new] + sorted(row["id"] for row in reopened))
    return report


def _tell(tx: WriteTransaction, plan: _Plan, report: PutReport, ids: list[str]) -> None:
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


def _task_rows(tx: WriteTransaction, plan: _Plan, task: NewTask, item: Item) -> Iterator[dict[str, Any]]:
    """One row per role, but for what every row is stamped with."""
    proposed = {question: given.value for question, given in shown_of(task.suggestions).items()}
    due_at = task.due_at
    if due_at is None and plan.due_us is not None:
        due_at = tx.clock.now_us() + plan.due_us
    several = len(plan.roles) > 1
    for role in plan.roles:
        asked = plan.asked[role]
        if task.purpose in TEST_PURPOSES and several and not any(question in asked for question in task.gold):
            continue  # nothing is known to be right of what this role is asked
        shown = {question: value for question, value in proposed.items() if question in asked}
        yield {
            "id": task_id(plan.queue, item.id, plan.rubric.id, purpose=task.purpose, asks=role if several else None, salt=plan.salt),
            "queue": plan.queue,
            "item_id": item.id,
            "rubric_id": plan.rubric.id,
            "role": role,
            "asks": role if several else "",
            "why": json_text(list(task.why)),
            "suggestion": json_text(shown) if shown else None,
            "harmful": int(task.harmful),
            "priority": task.priority,
            "overlap": plan.overlap(task),
            "claims": 0,
            "answers": 0,
            "flags": 0,
            "state": "open",
            "due_at": due_at,
            "escalated_at": None,
            "purpose": task.purpose,
            # Who has yet to earn the skill must be served the exam, and everybody practises.
            "skill": "" if task.purpose in ("qualification", "calibration") else plan.settings.skill_of(item.slices),
            "selected_by": task.selected_by,
            "route_id": task.route_id,
        }


def _suggestion_row(item_id: str, given: Suggestion) -> dict[str, Any]:
    of = {"item": item_id, "question": given.question, "model": given.model, "version": given.model_version}
    return {
        "id": content_id("sug", of),
        "item_id": item_id,
        "question": given.question,
        "value": json_text(given.value),
        "score": given.score,
        "probability": given.probability,
        "model": given.model,
        "model_version": given.model_version,
    }


def _key(row: Any) -> tuple[str, str, str]:
    return row["item_id"], row["asks"], row["purpose"]


def _standing(conn: Connection, workspace_id: str, plan: _Plan, items: set[str]) -> dict[tuple[str, str, str], Any]:
    """The tasks that are there already, without what is judged; by what makes them one task, since a queue may have become a project since."""
    wanted = [T[name] for name in ("id", "queue", "item_id", "asks", "role", "purpose", "state", "answers", "overlap")]
    ours = (T.workspace_id == workspace_id, T.queue == plan.queue, T.rubric_id == plan.rubric.id)
    return {_key(row): row for part in _parts(sorted(items)) for row in conn.execute(select(*wanted).where(*ours, T.item_id.in_(part))).mappings()}


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
