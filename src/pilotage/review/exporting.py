"""Handing a project's judgements out, as many as there are, and the trail of who was served, answered and took away what."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Text, and_, exists, or_, select, type_coerce

from pilotage.core import InputError
from pilotage.judging import ABOUT_ITEMS, ABOUT_RATERS, Judgement
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import judgement as judgement_table
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger import record
from pilotage.ledger.tables import ledger_entry
from pilotage.review.exchange.tables import exchange_record
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.rows import T
from pilotage.review.tables import review_project_version
from pilotage.store import Workspace

IMPORTED = "imp_"  # how the keys of judgements that came in a file begin
CHUNK = 2_000  # items read at a time
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class ExportedJudgement(Judgement):
    """A judgement with the names it needs outside: who made it, and what its item shows.

    ``origin``: ``queue`` where it was given here, ``import`` where it came in a file of another tool.
    """

    rater_name: str = ""
    source_id: str = ""
    origin: str = "queue"


def export_judgements(
    workspace: Workspace, project: str, *, purposes: Collection[str] = ABOUT_ITEMS, actor: str | None = None
) -> Iterator[ExportedJudgement]:
    """The current judgements of the project's items under its rubrics, by item.

    That it was asked for is in the ledger (``review.exported``) before the first row is handed out. Answers to gold, exams and planted suggestions
    are among them only if ``purposes`` says so: they say nothing about the items, and must not reach training or a customer.

    What came in a file is among them and says so (``origin``), also of items that were never put before people; these come last, by item.

    Raises ``InputError`` if a purpose does not exist.

    Cost: one pass in the order of an index, 2,000 items at a time; some 25 µs a judgement, and memory for one chunk. Each chunk is a snapshot of its
    own, so what is answered meanwhile may or may not be among it, but nothing is twice.
    """
    unknown = sorted(set(purposes) - {*ABOUT_ITEMS, *ABOUT_RATERS})
    if unknown or not purposes:
        raise InputError(
            f"No purpose of a judgement: {', '.join(unknown) or 'none given'}.", mend=f"use some of: {', '.join((*ABOUT_ITEMS, *ABOUT_RATERS))}"
        )
    wanted = sorted(set(purposes))
    workspace.write(lambda tx: record(tx, type="review.exported", subject=project, body={"purposes": wanted}, actor=actor))
    return _stream(workspace, project, wanted)


def _stream(workspace: Workspace, project: str, purposes: list[str]) -> Iterator[ExportedJudgement]:
    after = ""
    tests_too = not set(TEST_PURPOSES).isdisjoint(purposes)
    while True:
        with workspace.read() as conn:
            # Ids sorted within the chunk follow the index of the judgements, too.
            query = select(T.item_id, T.rubric_id, T.purpose).where(T.workspace_id == workspace.id, T.queue == project, T.item_id > after)
            tasks = conn.execute(query.order_by(T.item_id).limit(CHUNK)).all()
            if not tasks:
                break
            last = tasks[-1].item_id
            if len(tasks) == CHUNK and tasks[0].item_id != last:
                # An item may have several tasks: the last one's may not all be here.
                tasks = [task for task in tasks if task.item_id != last]
                last = tasks[-1].item_id
            # What came in a file of an item that only measures people says nothing that is not known.
            wanted = {(task.item_id, task.rubric_id) for task in tasks if tests_too or task.purpose not in TEST_PURPOSES}
            rows = list(_rows(conn, workspace.id, wanted, tasks[0].item_id, last, purposes))
        yield from rows
        after = last
    yield from _imported(workspace, project, purposes)


def _imported(workspace: Workspace, project: str, purposes: list[str]) -> Iterator[ExportedJudgement]:
    """What came in files of items, or under rubrics, that no task of the project is about."""
    x, v = exchange_record.c, review_project_version.c
    after = ""
    while True:
        with workspace.read() as conn:
            of_project = (x.workspace_id == workspace.id, x.project == project, x.item_id > after)
            ids = list(conn.execute(select(x.item_id).where(*of_project).distinct().order_by(x.item_id).limit(CHUNK)).scalars())
            if not ids:
                return
            asked = select(v.rubric_id).where(v.workspace_id == workspace.id, v.project == project).distinct()
            rubrics = list(conn.execute(asked).scalars())
            mine = (T.workspace_id == workspace.id, T.queue == project, T.item_id.between(ids[0], ids[-1]))
            tasks = select(T.item_id, T.rubric_id, T.purpose).where(*mine)
            found = conn.execute(tasks).all()
            put = {(row.item_id, row.rubric_id) for row in found}
            tests = {row.item_id for row in found if row.purpose in TEST_PURPOSES}
            wanted = {(item, rubric) for item in ids if item not in tests for rubric in rubrics} - put
            rows = [row for row in _rows(conn, workspace.id, wanted, ids[0], ids[-1], purposes) if row.origin == "import"] if wanted else []
        yield from rows
        after = ids[-1]


def _rows(
    conn: Connection, workspace_id: str, wanted: set[tuple[str, str]], first: str, last: str, purposes: list[str]
) -> Iterator[ExportedJudgement]:
    j, r, i, later = judgement_table.c, rater_table.c, item_table.c, judgement_table.alias("later").c
    same = [later[name] == j[name] for name in ("workspace_id", "item_id", "question", "rater_id", "rubric_id")]
    raw = [type_coerce(j[name], Text).label(name) for name in ("value", "suggestion")]  # the same few values over and over: decoded once each
    names = [name for name in Judgement.__dataclass_fields__ if name not in ("value", "suggestion", "rater_kind")]
    query = (
        select(*(j[name] for name in names), *raw, r.kind.label("rater_kind"), r.name.label("rater_name"), i.source_id)
        .join(rater_table, and_(r.workspace_id == j.workspace_id, r.id == j.rater_id))
        .join(item_table, and_(i.workspace_id == j.workspace_id, i.id == j.item_id))
        .where(j.workspace_id == workspace_id, j.item_id >= first, j.item_id <= last, j.purpose.in_(purposes))
        .where(~exists().where(*same, later.supersedes == j.id))
        .order_by(j.item_id, j.question, j.created_at, j.id)
    )
    columns = [*names, "value", "suggestion", "rater_kind", "rater_name", "source_id"]
    seen: dict[str, Any] = {}
    for row in conn.execute(query):
        of = dict(zip(columns, row, strict=True))
        if (of["item_id"], of["rubric_id"]) not in wanted:
            continue  # the item waits in another queue too, under another rubric
        for name in ("value", "suggestion"):
            text = of[name]
            if text is not None:
                if text not in seen:
                    seen[text] = _decode(text)
                of[name] = seen[text]
        of["abstained"] = bool(of["abstained"])
        of["supersedes"] = of["supersedes"] or None
        of["origin"] = "import" if str(of["idempotency_key"] or "").startswith(IMPORTED) else "queue"
        yield ExportedJudgement(**of)


@dataclass(frozen=True)
class Event:
    """One act in the trail. ``what`` is the ledger's type (``review.served``, ``judgement.made``, …); ``at`` in µs, UTC."""

    seq: int
    what: str
    who: str
    subject: str
    body: dict[str, Any]
    at: int


def events(
    workspace: Workspace, *, subjects: Collection[str] = (), who: str | None = None, types: Collection[str] = (), after: int = 0, limit: int = 100
) -> list[Event]:
    """The trail of review as the ledger has it, oldest first: what was put, served, viewed, answered, undone, escalated, exported and changed.

    Parameters
    ----------
    subjects
        Ids of tasks, items or projects it must be about; none: all.
    who
        The login it must be by.
    types
        Types of the ledger; none: all of review, judgements, projects and guidelines.
    after
        The ``seq`` of the last event already seen.

    Cost: an index range, by subject or person where one is given.
    """
    e = ledger_entry.c
    where = [e.workspace_id == workspace.id, e.seq > after]
    if subjects:
        where.append(e.subject.in_(sorted(subjects)))
    if who is not None:
        where.append(e.actor == who)
    if types:
        where.append(e.type.in_(sorted(types)))
    else:
        where.append(or_(*(e.type.like(f"{prefix}.%") for prefix in ("review", "judgement", "project", "guideline", "exam", "round"))))
    query = select(e.seq, e.type, e.actor, e.subject, e.body, e.created_at).where(*where).order_by(e.seq).limit(limit)
    with workspace.read() as conn:
        return [Event(row.seq, row.type, row.actor, row.subject, _decode(row.body), row.created_at) for row in conn.execute(query)]
