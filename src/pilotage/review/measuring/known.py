"""Tasks whose answers are known: making them, and reading how each person answered them.

Gold, qualification and calibration tasks are alike here. They look like work to who answers: the same reason code, no priority, no slices but the
item's own. Their overlap is the most people that may see them. Whoever judged the item before is an author of the task, and so never served it.

An answer counts as it stood when the person was told what is right; what they change afterwards measures nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import InputError, NotFound
from pilotage.judging import ABOUT_ITEMS, Item, Rubric
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import judgement as judgement_table
from pilotage.judging.tables import rater as rater_table
from pilotage.review.measuring.matching import check_known
from pilotage.review.measuring.tables import review_feedback
from pilotage.review.new_task import NewTask, Suggestion, task_id
from pilotage.review.projects import Terms, find_terms
from pilotage.review.put import put_tasks
from pilotage.review.questions import roles_of
from pilotage.review.tables import (
    review_assignment,
    review_gold,
    review_task,
)
from pilotage.store import WriteTransaction

CHUNK = 500


@dataclass(frozen=True)
class Known:
    """An item with its right answers, ``{question: value}``, and why they are right.

    ``suggestions``: what a machine proposes of it. Where work comes with suggestions, gold without them could be told from it.
    """

    item: Item | str
    values: Mapping[str, Any]
    explanation: str = ""
    suggestions: Collection[Suggestion] = ()


@dataclass(frozen=True)
class KnownAnswer:
    """How one person answered one question of one known task.

    ``value`` is None where they could not tell (``abstained``). ``at`` is when (µs, UTC); ``active_ms`` how long, where that was measured.
    """

    task_id: str
    item_id: str
    question: str
    rater_id: str
    login: str
    value: Any
    right: Any
    explanation: str
    guideline_id: str | None
    slices: dict[str, str]
    active_ms: int | None
    at: int
    abstained: bool = False


def in_force(conn: Connection, workspace_id: str, project: str) -> Terms:
    """The project's version in force. Raises ``NotFound``."""
    found = find_terms(conn, workspace_id, project)
    if found is None:
        raise NotFound(f"There is no project '{project}'.", mend="see 'pilotage project list'")
    return found


def put_known(tx: WriteTransaction, project: str, items: Iterable[Known], *, purpose: str, most: int, rubric_id: str | None = None) -> list[str]:
    """Put items with known answers before people, and return the tasks' ids in their order. Who judged an item before is never served it.

    Parameters
    ----------
    purpose
        ``gold``, ``qualification`` or ``calibration``.
    most
        How many people may see each.

    Raises
    ------
    InputError
        If an answer is missing, cannot stand as a known right answer, or is not the one that stands already.
    NotFound
        If there is no such project.
    """
    terms = in_force(tx.conn, tx.workspace_id, project)
    rubric = find_rubric(tx.conn, rubric_id or terms.rubric_id, workspace_id=tx.workspace_id)
    new: list[NewTask] = []
    ids: list[str] = []
    for known in items:
        asks = _check(rubric, known, most)
        item_id = known.item if isinstance(known.item, str) else known.item.id
        ids.append(task_id(project, item_id, rubric.id, purpose=purpose, asks=asks, salt=terms.salt))
        _check_same(tx, ids[-1], known)
        authors = sorted(judged_by(tx.conn, tx.workspace_id, item_id))
        proposed, harmful = _as_work(tx, project, item_id, rubric.id)
        about: dict[str, Any] = {"gold": known.values, "explanation": known.explanation, "harmful": harmful}
        about["suggestions"] = known.suggestions or (proposed if purpose == "gold" else ())
        new.append(NewTask(known.item, purpose=purpose, overlap=most, authors=authors, **about))
    report = put_tasks(tx, project, new, rubric=rubric.id)
    if report.refused:
        first = report.refused[0]
        raise InputError(first.what, where=f"item {first.row} field '{first.field}'", mend="mend it and hand in all of them again")
    return ids


def _as_work(tx: WriteTransaction, project: str, item_id: str, rubric_id: str) -> tuple[list[Suggestion], bool]:
    """What is shown of the item where it is work, and whether it is blurred: as a test it must look the same."""
    t = review_task.c
    where = (t.workspace_id == tx.workspace_id, t.queue == project, t.item_id == item_id, t.rubric_id == rubric_id, t.purpose.in_(ABOUT_ITEMS))
    rows = tx.conn.execute(select(t.suggestion, t.harmful).where(*where)).all()
    proposed = {question: value for row in rows for question, value in (row.suggestion or {}).items()}
    return [Suggestion(question, value) for question, value in proposed.items()], any(row.harmful for row in rows)


def _check(rubric: Rubric, known: Known, most: int) -> str | None:
    """The role whose task it is, where the rubric's questions are for several."""
    if not known.values:
        raise InputError("A known task needs at least one right answer.", mend="give {question: value}")
    if most < 1:
        raise InputError(f"{most} people cannot see a task.", mend="give at least 1")
    for name, value in known.values.items():
        check_known(rubric.question(name), value)
    roles = {rubric.question(name).required_role or "" for name in known.values}
    if len(roles) > 1:
        raise InputError("The right answers are to questions of different roles.", mend="make one known task per role")
    return roles.pop() if len(roles_of(rubric)) > 1 else None


def _check_same(tx: WriteTransaction, made: str, known: Known) -> None:
    g = review_gold.c
    rows = tx.conn.execute(select(g.question, g.value).where(g.workspace_id == tx.workspace_id, g.task_id == made)).all()
    if rows and {row.question: row.value for row in rows} != dict(known.values):
        raise InputError(
            "This item stands as a known task with other answers.",
            where=made,
            why="people were already measured against them",
            mend="retire it and use another item",
        )


def judged_by(conn: Connection, workspace_id: str, item_id: str) -> set[str]:
    """Logins of the people who judged the item, or hold a task about it, in any project: to them it would be no test."""
    j, r, a, t = judgement_table.c, rater_table.c, review_assignment.c, review_task.c
    said = (
        select(r.name)
        .join(judgement_table, (j.workspace_id == r.workspace_id) & (j.rater_id == r.id))
        .where(j.workspace_id == workspace_id, j.item_id == item_id, r.kind == "person")
    )
    held = (
        select(r.name)
        .join(review_assignment, (a.workspace_id == r.workspace_id) & (a.rater_id == r.id))
        .join(review_task, (t.workspace_id == a.workspace_id) & (t.id == a.task_id))
        .where(t.workspace_id == workspace_id, t.item_id == item_id, r.kind == "person")
    )
    return {*conn.execute(said.distinct()).scalars(), *conn.execute(held.distinct()).scalars()}


def known_answers(
    conn: Connection,
    workspace_id: str,
    project: str,
    *,
    purposes: Iterable[str] = ("gold",),
    rater_id: str | None = None,
    task_ids: Collection[str] | None = None,
) -> list[KnownAnswer]:
    """The answers to known tasks of the project, oldest first: one per person, task and question.

    Retired gold is left out: it was retired because it could not be trusted. Cost grows with the known tasks and their answers, not with the work.
    """
    t, g, a, j, r, f = review_task.c, review_gold.c, review_assignment.c, judgement_table.c, rater_table.c, review_feedback.c
    query = (
        select(
            t.id.label("task_id"),
            t.item_id,
            g.question,
            g.value.label("right"),
            g.explanation,
            a.rater_id,
            r.name.label("login"),
            j.id,
            j.value,
            j.abstained,
            j.active_ms,
            j.guideline_id,
            j.created_at,
            f.created_at.label("told_at"),
            item_table.c.slices,
        )
        .join(review_gold, (g.workspace_id == t.workspace_id) & (g.task_id == t.id))
        .join(review_assignment, (a.workspace_id == t.workspace_id) & (a.task_id == t.id))
        .join(rater_table, (r.workspace_id == a.workspace_id) & (r.id == a.rater_id))
        .join(item_table, (item_table.c.workspace_id == t.workspace_id) & (item_table.c.id == t.item_id))
        .join(
            judgement_table,
            (j.workspace_id == t.workspace_id)
            & (j.item_id == t.item_id)
            & (j.question == g.question)
            & (j.rater_id == a.rater_id)
            & (j.rubric_id == t.rubric_id)
            & (j.purpose == t.purpose),
        )
        .outerjoin(review_feedback, (f.workspace_id == t.workspace_id) & (f.task_id == t.id) & (f.rater_id == a.rater_id))
        .where(t.workspace_id == workspace_id, t.queue == project, t.purpose.in_(sorted(purposes)), g.state == "active")
    )
    if rater_id is not None:
        query = query.where(a.rater_id == rater_id)
    rows: list[Any] = []
    if task_ids is None:
        rows = list(conn.execute(query))
    else:
        wanted = sorted(task_ids)
        for start in range(0, len(wanted), CHUNK):
            rows += conn.execute(query.where(t.id.in_(wanted[start : start + CHUNK])))
    last: dict[tuple[str, str, str], Any] = {}
    for row in sorted(rows, key=lambda row: (row.created_at, row.id)):
        key = (row.task_id, row.question, row.rater_id)
        if row.told_at is None or row.created_at <= row.told_at or key not in last:
            last[key] = row
    return [
        KnownAnswer(
            task_id=row.task_id,
            item_id=row.item_id,
            question=row.question,
            rater_id=row.rater_id,
            login=row.login,
            value=row.value,
            right=row.right,
            explanation=row.explanation,
            guideline_id=row.guideline_id,
            slices=row.slices,
            active_ms=row.active_ms,
            at=row.created_at,
            abstained=bool(row.abstained),
        )
        for row in sorted(last.values(), key=lambda row: (row.created_at, row.id))
    ]
