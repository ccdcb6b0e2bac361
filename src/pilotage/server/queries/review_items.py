"""The items of a project, a page at a time. Reads no payload, and shows what measures people to nobody but those who lead."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Text, exists, select, type_coerce

from pilotage.core import InputError
from pilotage.judging import ABOUT_ITEMS
from pilotage.judging.tables import item as item_table
from pilotage.review.measuring.tables import review_settlement
from pilotage.review.new_task import TASK_PURPOSES, TEST_PURPOSES
from pilotage.review.tables import review_task
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace
from pilotage.store.schema import json_text

IT, S, T = item_table.c, review_settlement.c, review_task.c
STATES = ("open", "done", "withdrawn")
ONLY = ("overdue", "flagged", "escalated", "divided")
FOR_LEADS = ("divided", "escalated")  # what others said, or handed on: not for who may still be asked
WINDOW = 50_000  # rows looked through for one page: what is rare is looked for further by the reader's word, never without bound


@dataclass(frozen=True)
class ItemRow:
    """One task in the list. ``purpose`` is '' for who does not lead."""

    task_id: str
    item_id: str
    source_id: str
    kind: str
    slices: dict[str, str]
    state: str
    role: str
    purpose: str
    answers: int
    claims: int
    overlap: int
    flags: int
    priority: int
    due_at: int | None
    escalated_at: int | None
    created_at: int
    overdue: bool


@dataclass(frozen=True)
class Items:
    """A page of them. ``cut``: more were not looked through than :data:`WINDOW`; the next page goes on."""

    page: Page[ItemRow]
    cut: bool


def list_items(
    workspace: Workspace,
    project: str,
    *,
    state: str = "open",
    only: str | None = None,
    slice: str | None = None,
    purpose: str | None = None,
    leads: bool,
    turn: Turn,
) -> Items:
    """Items in the order they are served. ``slice`` is ``name=value``.

    Cost: an index range of the page; with ``only`` or ``slice`` of at most :data:`WINDOW` rows.
    """
    _check(state, only, slice, purpose, leads=leads)
    mine = [T.workspace_id == workspace.id, T.queue == project, T.state == state]
    if purpose:
        mine.append(T.purpose == purpose)
    elif not (leads and only == "flagged"):  # a flag on a test is for who leads, too
        mine.append(T.purpose.in_(ABOUT_ITEMS))
    narrowed: list[Any] = []
    now = workspace.clock.now_us()
    if only == "overdue":
        narrowed.append(T.due_at <= now)
    elif only == "flagged":
        narrowed.append(T.flags > 0)
    elif only == "escalated":
        narrowed.append(T.escalated_at.is_not(None))
    elif only == "divided":
        narrowed.append(exists().where(S.workspace_id == T.workspace_id, S.project == T.queue, S.item_id == T.item_id, S.disagreement > 0))
    if slice:
        name, _, value = slice.partition("=")
        narrowed.append(type_coerce(IT.slices, Text).contains(f"{json_text(name.strip())}:{json_text(value.strip())}", autoescape=True))
    names = ("item_id", "state", "role", "purpose", "answers", "claims", "overlap", "flags", "priority", "due_at", "escalated_at", "created_at")
    wanted = (
        select(*(T[name] for name in names), T.id, T.position, IT.source_id, IT.kind, IT.slices)
        .join(item_table, (IT.workspace_id == T.workspace_id) & (IT.id == T.item_id))
        .where(*mine)
    )
    with workspace.read() as conn:
        end = _window(conn, select(T.position).where(*mine), turn) if narrowed else None
        query = wanted.where(*narrowed)
        backwards = turn.before is not None and turn.after is None
        if end is not None:
            query = query.where(T.position >= end if backwards else T.position <= end)
        found = turn_page(conn, query, keys=[T.position], turn=turn)
    page = found.map(lambda rows: [_row(row, now, leads=leads) for row in rows])
    if end is None or (page.previous if backwards else page.next):
        return Items(page, cut=False)
    mark = json.dumps([end])
    return Items(Page(page.rows, page.next, mark) if backwards else Page(page.rows, mark, page.previous), cut=True)


def _window(conn: Any, positions: Select[Any], turn: Turn) -> str | None:
    """Where looking stops: the position :data:`WINDOW` rows from where the page begins, or None where fewer are left. Reads the index only."""
    backwards = turn.before is not None and turn.after is None
    cursor = turn.before if backwards else turn.after
    if cursor is not None:
        try:
            here = str(json.loads(cursor)[0])
        except (ValueError, TypeError, IndexError, KeyError, RecursionError):
            return None  # turning the page says what is wrong with it
        positions = positions.where(T.position < here if backwards else T.position > here)
    found = conn.execute(positions.order_by(T.position.desc() if backwards else T.position).offset(WINDOW - 1).limit(1)).scalar()
    return None if found is None else str(found)


def _check(state: str, only: str | None, slice: str | None, purpose: str | None, *, leads: bool) -> None:
    for value, known, name in ((state, STATES, "state"), (only, ONLY, "only"), (purpose, TASK_PURPOSES, "purpose")):
        if value and value not in known:
            raise InputError(f"'{value[:80]}' is no {name} of an item.", where=f"parameter '{name}'", mend=f"use one of: {', '.join(known)}")
    if slice and not all(part.strip() for part in slice.partition("=")):
        raise InputError(f"'{slice[:80]}' names no slice.", where="parameter 'slice'", mend="write 'language=de'")
    if not leads and (purpose in TEST_PURPOSES or only in FOR_LEADS):
        raise InputError(
            "This is shown to those who lead the project.",
            where="parameter 'purpose'" if purpose in TEST_PURPOSES else "parameter 'only'",
            why="who answers must not be able to tell",
            mend="leave it out",
        )


def _row(row: Any, now: int, *, leads: bool) -> ItemRow:
    return ItemRow(
        task_id=row.id,
        item_id=row.item_id,
        source_id=row.source_id,
        kind=row.kind,
        slices=row.slices,
        state=row.state,
        role=row.role,
        purpose=row.purpose if leads else "",
        answers=row.answers,
        claims=row.claims,
        overlap=row.overlap,
        flags=row.flags,
        priority=row.priority,
        due_at=row.due_at,
        escalated_at=row.escalated_at if leads else None,
        created_at=row.created_at,
        overdue=row.state == "open" and row.due_at is not None and row.due_at <= now,
    )
