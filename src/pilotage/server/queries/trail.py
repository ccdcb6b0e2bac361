"""The trail of review: who was served, saw, answered, changed, took away or measured what, read from the ledger, newest first."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, func, or_, select

from pilotage.core import MICROSECONDS, InputError, parse_moment
from pilotage.judging.tables import rater
from pilotage.ledger.tables import ledger_entry
from pilotage.review.tables import review_assignment, review_task
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

A, E, R, T = review_assignment.c, ledger_entry.c, rater.c, review_task.c
_A_SECOND = MICROSECONDS
WINDOW = 50_000
_SLACK = 1000
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


@dataclass(frozen=True)
class Trail:
    """A page of acts. ``cut``: not more than :data:`WINDOW` entries were looked through; the next page goes on."""

    page: Page[Step]
    cut: bool


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
) -> Trail:
    """The acts that match, newest first. ``item`` is an item's or a task's id; times are ISO dates or moments, UTC.

    Cost: an index range by item or person where one is given; otherwise :data:`WINDOW` entries at most, from where the page begins.
    """
    if kind and kind not in KINDS:
        raise InputError(f"'{kind[:80]}' is no kind of act.", where="parameter 'kind'", mend=f"use one of: {', '.join(KINDS)}")
    where = [E.workspace_id == workspace.id, E.type.in_(KINDS[kind] if kind else ALL)]
    first, last = _moment(since, "since") if since else None, _moment(until, "until", end=True) if until else None
    where += [E.actor == who] if who else []
    where += [E.created_at >= first] if first is not None else []
    where += [E.created_at < last] if last is not None else []
    if item:
        subjects, served = _about(workspace, item)
        where.append(or_(E.subject.in_(subjects), E.seq.in_(served)) if served else E.subject.in_(subjects))
    if project:
        # An entry is about the project itself, or says in its body whose it is; a judgement is about an item.
        quoted = msgspec.json.encode(project).decode()
        named = or_(*(E.body.contains(f'"{name}":{quoted}', autoescape=True) for name in ("project", "queue")))
        about = select(T.id).where(T.workspace_id == workspace.id, T.queue == project, T.item_id == E.subject).exists()
        where.append(or_(E.subject == project, named, about))
    query = select(E.seq, E.type, E.actor, E.subject, E.body, E.created_at).where(*where)
    with workspace.read() as conn:
        end = None if item or who else _window(conn, workspace.id, turn, last)
        backwards = turn.before is not None and turn.after is None
        if end is not None:
            query = query.where(E.seq < end if backwards else E.seq > end)
        found = turn_page(conn, query, keys=[E.seq], turn=turn, descending=True)
        if end is not None and first is not None and not backwards:
            end = end if _at(conn, workspace.id, end) >= first else None  # nothing older is asked for
        steps = [_step(row) for row in found.rows]
        homes = _homes(conn, workspace.id, {item for step in steps if not step.project for item in step.items})
    page = found.map(lambda _: [replace(step, project=homes.get(step.items[0], "")) if step.items and not step.project else step for step in steps])
    if end is None or (page.previous if backwards else page.next):
        return Trail(page, cut=False)
    mark = json.dumps([end - 1 if backwards else end + 1])
    return Trail(Page(page.rows, page.next, mark) if backwards else Page(page.rows, mark, page.previous), cut=True)


def _window(conn: Connection, workspace_id: str, turn: Turn, until: int | None) -> int | None:
    """The entry at which looking stops, :data:`WINDOW` from where the page begins; None where the ledger ends before."""
    newest = int(conn.execute(select(func.max(E.seq)).where(E.workspace_id == workspace_id)).scalar() or 0)
    backwards = turn.before is not None and turn.after is None
    cursor = turn.before if backwards else turn.after
    try:
        here = int(json.loads(cursor)[0]) if cursor is not None else newest + 1
    except (ValueError, TypeError, IndexError, KeyError, RecursionError):
        return None  # turning the page says what is wrong with it
    if backwards:
        return here + WINDOW if here + WINDOW <= newest else None
    if until is not None:
        here = min(here, _seq_at(conn, workspace_id, until, newest) + _SLACK)
    return here - WINDOW if here - WINDOW > 0 else None


def _seq_at(conn: Connection, workspace_id: str, moment: int, newest: int) -> int:
    """About which entry was the first made at ``moment`` or later: some 20 look-ups by key. Clocks may go back a little, hence the caller's slack."""
    low, high = 1, newest + 1
    while low < high:
        middle = (low + high) // 2
        if _at(conn, workspace_id, middle) < moment:
            low = middle + 1
        else:
            high = middle
    return low


def _at(conn: Connection, workspace_id: str, seq: int) -> int:
    return int(conn.execute(select(E.created_at).where(E.workspace_id == workspace_id, E.seq == seq)).scalar() or 0)


def _homes(conn: Connection, workspace_id: str, items: set[str]) -> dict[str, str]:
    """The queue of each item, where it is in one only: a judgement does not say it."""
    found: dict[str, set[str]] = {}
    for row in conn.execute(select(T.item_id, T.queue).where(T.workspace_id == workspace_id, T.item_id.in_(sorted(items))).distinct()):
        found.setdefault(row.item_id, set()).add(row.queue)
    return {item: next(iter(queues)) for item, queues in found.items() if len(queues) == 1}


def _about(workspace: Workspace, item: str) -> tuple[list[str], list[int]]:
    """What entries about an item are about: it and its tasks; and the entries of its being served, which are about a queue and name several tasks."""
    served = (
        select(R.name, A.served_at, T.id)
        .select_from(review_assignment)
        .join(review_task, (T.workspace_id == A.workspace_id) & (T.id == A.task_id))
        .join(rater, (R.workspace_id == A.workspace_id) & (R.id == A.rater_id))
        .where(A.workspace_id == workspace.id, or_(T.item_id == item, T.id == item), A.served_at.is_not(None))
    )
    found: list[int] = []
    with workspace.read() as conn:
        tasks = list(conn.execute(select(T.id).where(T.workspace_id == workspace.id, or_(T.item_id == item, T.id == item))).scalars())
        for row in conn.execute(served.limit(1000)).all():
            when = select(E.seq).where(E.workspace_id == workspace.id, E.actor == row.name, E.type == "review.served")
            when = when.where(E.created_at >= row.served_at, E.created_at <= row.served_at + _A_SECOND, E.body.contains(row.id, autoescape=True))
            found += conn.execute(when).scalars()
    return [item, *tasks], found


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
