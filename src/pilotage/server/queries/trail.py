"""The trail of review: who was served, saw, answered, changed, took away or measured what, read from the ledger, newest first."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, or_, select

from pilotage.core import MICROSECONDS, InputError, parse_moment
from pilotage.judging.tables import rater
from pilotage.ledger.tables import ledger_entry
from pilotage.review.tables import review_assignment, review_task
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

A, E, R, T = review_assignment.c, ledger_entry.c, rater.c, review_task.c
_A_SECOND = MICROSECONDS
_decode = msgspec.json.Decoder().decode

# What can be asked for, as people say it: the ledger's types behind each word.
KINDS: dict[str, tuple[str, ...]] = {
    "put": ("review.put", "review.imported", "gold.added", "adjudication.opened", "review.batch_selected", "review.seeded"),
    "served": ("review.served",),
    "viewed": ("review.viewed", "review.revealed", "item.revealed"),
    "answered": ("judgement.made", "review.committed", "review.refused"),
    "changed": ("review.undone", "review.skipped", "review.flagged", "review.unflagged"),
    "handed on": ("review.escalated", "review.overdue", "review.withdrawn", "review.prioritised", "adjudication.reopened"),
    "settled": ("consensus.settled", "triage.made", "triage.overruled"),
    "measured": ("exam.opened", "exam.begun", "exam.passed", "exam.failed", "round.opened", "round.closed", "rater.told", "gold.retired"),
    "exported": ("review.exported",),
    "declared": (
        *("project.created", "project.changed", "project.paused", "project.resumed", "project.archived", "guideline.added", "rubric.added"),
        *("review.skill_granted", "review.skill_revoked", "review.rater_mapped", "review.consented"),
    ),
}
WORDS = {kind: word for word, kinds in KINDS.items() for kind in kinds}
ALL = tuple(sorted(WORDS))
# Whose subject is the project itself.
ABOUT_PROJECTS = (
    *(
        "project.created",
        "project.changed",
        "project.paused",
        "project.resumed",
        "project.archived",
        "review.put",
        "review.served",
        "review.exported",
    ),
    *("review.imported", "review.overdue", "review.consented", "gold.added", "adjudication.opened", "consensus.settled"),
)


@dataclass(frozen=True)
class Step:
    """One act. ``word`` is what it is called; ``project`` and ``items`` where the entry says them."""

    seq: int
    type: str
    word: str
    who: str
    subject: str
    project: str
    items: tuple[str, ...]
    body: Any
    at: int


def list_steps(
    workspace: Workspace,
    *,
    who: str | None = None,
    project: str | None = None,
    item: str | None = None,
    kind: str | None = None,
    since: str | None = None,
    until: str | None = None,
    turn: Turn,
) -> Page[Step]:
    """The acts that match, newest first. ``item`` is an item's or a task's id; times are ISO dates or moments, UTC.

    Cost: an index range by item, person or kind where one is given. ``project`` alone reads its tasks' acts one kind at a time.
    """
    if kind and kind not in KINDS:
        raise InputError(f"'{kind[:80]}' is no kind of act.", where="parameter 'kind'", mend=f"use one of: {', '.join(KINDS)}")
    where = [E.workspace_id == workspace.id, E.type.in_(KINDS[kind] if kind else ALL)]
    if who:
        where.append(E.actor == who)
    where += [E.created_at >= _moment(since, "since")] if since else []
    where += [E.created_at < _moment(until, "until", end=True)] if until else []
    if item:
        tasks = select(T.id).where(T.workspace_id == workspace.id, or_(T.item_id == item, T.id == item))
        about = [E.subject == item, E.subject.in_(tasks)]
        served = _served(workspace, item)
        where.append(or_(*about, E.seq.in_(served)) if served else or_(*about))
    if project:
        # An entry is about the project itself, or says in its body whose it is.
        quoted = msgspec.json.encode(project).decode()
        named = or_(*(E.body.contains(f'"{name}":{quoted}', autoescape=True) for name in ("project", "queue")))
        where.append(or_(E.subject == project, named, E.subject.in_(_subjects(workspace.id, project))))
    query = select(E.seq, E.type, E.actor, E.subject, E.body, E.created_at).where(*where)
    with workspace.read() as conn:
        found = turn_page(conn, query, keys=[E.seq], turn=turn, descending=True)
        steps = [_step(row) for row in found.rows]
        homes = _homes(conn, workspace.id, {item for step in steps if not step.project for item in step.items})
    return found.map(lambda _: [replace(step, project=homes.get(step.items[0], "")) if step.items and not step.project else step for step in steps])


def _homes(conn: Connection, workspace_id: str, items: set[str]) -> dict[str, str]:
    """The queue of each item, where it is in one only: a judgement does not say it."""
    found: dict[str, set[str]] = {}
    for row in conn.execute(select(T.item_id, T.queue).where(T.workspace_id == workspace_id, T.item_id.in_(sorted(items))).distinct()):
        found.setdefault(row.item_id, set()).add(row.queue)
    return {item: next(iter(queues)) for item, queues in found.items() if len(queues) == 1}


def _served(workspace: Workspace, item: str) -> list[int]:
    """The entries of being served: they are about a queue and name several tasks, and are found by who and when."""
    query = (
        select(R.name, A.served_at, T.id)
        .select_from(review_assignment)
        .join(review_task, (T.workspace_id == A.workspace_id) & (T.id == A.task_id))
        .join(rater, (R.workspace_id == A.workspace_id) & (R.id == A.rater_id))
        .where(A.workspace_id == workspace.id, or_(T.item_id == item, T.id == item), A.served_at.is_not(None))
    )
    found: list[int] = []
    with workspace.read() as conn:
        for row in conn.execute(query.limit(1000)).all():
            when = select(E.seq).where(E.workspace_id == workspace.id, E.actor == row.name, E.type == "review.served")
            when = when.where(E.created_at >= row.served_at, E.created_at <= row.served_at + _A_SECOND, E.body.contains(row.id, autoescape=True))
            found += conn.execute(when).scalars()
    return found


def _subjects(workspace_id: str, project: str) -> Any:
    """What judgements are about: items."""
    return select(T.item_id).where(T.workspace_id == workspace_id, T.queue == project, T.item_id == E.subject)


def _moment(text: str, name: str, *, end: bool = False) -> int:
    try:
        if len(text) == 10:
            return parse_moment(f"{text}T00:00:00Z") + (24 * 3600 * MICROSECONDS if end else 0)
        return parse_moment(text)
    except (InputError, ValueError, OverflowError) as error:
        raise InputError(f"'{text[:80]}' is no moment.", where=f"parameter '{name}'", mend="write '2026-11-22' or '2026-11-22T10:00:00Z'") from error


def _step(row: Any) -> Step:
    try:
        body = _decode(row.body)
    except msgspec.DecodeError:
        body = row.body
    told = body if isinstance(body, dict) else {}
    named = [name for name in (told.get("queue"), told.get("project")) if isinstance(name, str)]
    project = named[0] if named else row.subject if row.type in ABOUT_PROJECTS else ""
    served = [one.get("item") for one in told.get("tasks", ()) if isinstance(one, dict)] if isinstance(told.get("tasks"), list) else []
    items = [told.get("item"), *served, row.subject if row.type in ("judgement.made", "item.revealed") else None]
    known = tuple(dict.fromkeys(item for item in items if isinstance(item, str) and item))
    return Step(row.seq, row.type, WORDS.get(row.type, row.type), row.actor, row.subject, project, known, body, row.created_at)
