"""Sending items to people, and calling them back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import select, update

from pilotage.core import InputError, NotFound, content_id
from pilotage.judging import Item, Rubric, put_item, put_rubric
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item_payload
from pilotage.review.questions import check_answers, required_role
from pilotage.review.rows import A, T, count, move
from pilotage.review.tables import MAX_PRIORITY, review_assignment, review_author, review_task
from pilotage.store import Workspace, WriteTransaction


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
    """Put an item before people, inside the caller's transaction, and return the task's id.

    The same queue, item and rubric are one task: putting it again changes nothing, except that a withdrawn task is opened again.

    Parameters
    ----------
    queue
        Where it waits: the pilot's name.
    item, rubric
        The records, which are stored if they are not yet, or the ids of stored ones.
    why
        Reason codes: why a person must look (``breach_candidate``, ``random_sample``, …).
    suggestion
        What a machine proposes, ``{question: value}``; ``correction`` may name a proposed correct response.
    harmful
        Whether the text is blurred until a person reveals it.
    priority
        -1,000,000 to 1,000,000; higher is served first, and among equals the older one.
    overlap
        How many people are to answer, at least 1.
    authors
        Logins of those whose work the item is, besides those the payload names in ``authors``. They are never served it.
    due_at
        When it should be answered (µs, UTC).

    Raises
    ------
    InputError
        If a suggestion answers a question the rubric does not ask or with a value it does not offer, a number is out of range, or there is no reason.
    NotFound
        If an id names nothing.
    """
    reasons = [why] if isinstance(why, str) else list(why)
    _check(queue, reasons, priority, overlap)
    item_id = item if isinstance(item, str) else put_item(tx, item)
    rubric_id = rubric if isinstance(rubric, str) else put_rubric(tx, rubric)
    asked = find_rubric(tx.conn, rubric_id, workspace_id=tx.workspace_id)
    if suggestion is not None:
        check_answers(asked, suggestion, whole=False)
    task_id = content_id("task", {"queue": queue, "item": item_id, "rubric": rubric_id})
    standing = tx.conn.execute(select(review_task).where(T.workspace_id == tx.workspace_id, T.id == task_id)).mappings().first()
    if standing is not None:
        if standing["state"] == "withdrawn":
            move(tx, standing, state="done" if standing["answers"] >= standing["overlap"] else "open")
        return task_id
    role = required_role(asked)
    tx.insert(
        review_task,
        {
            "id": task_id,
            "queue": queue,
            "item_id": item_id,
            "rubric_id": rubric_id,
            "role": role,
            "why": reasons,
            "suggestion": None if suggestion is None else dict(suggestion),
            "harmful": int(harmful),
            "priority": priority,
            "overlap": overlap,
            "state": "open",
            "due_at": due_at,
        },
    )
    count(tx, queue, role, open=1)
    logins = {*authors, *_named_authors(tx, item_id)}
    tx.insert(review_author, *({"task_id": task_id, "login": login} for login in sorted(logins)))
    return task_id


def withdraw(workspace: Workspace, task_ids: Collection[str]) -> int:
    """Take open tasks out of the queue and let go of the claims on them; return how many. What was answered stays answered."""

    def job(tx: WriteTransaction) -> int:
        withdrawn = 0
        for task_id in task_ids:
            where = (T.workspace_id == tx.workspace_id, T.id == task_id)
            task = tx.conn.execute(select(review_task).where(*where)).mappings().first()
            if task is None:
                raise NotFound("There is no such review task.", where=task_id)
            if task["state"] != "open":
                continue
            tx.conn.execute(
                update(review_assignment)
                .where(A.workspace_id == tx.workspace_id, A.task_id == task_id, A.state == "claimed")
                .values(state="released")
            )
            move(tx, task, claims=-task["claims"], state="withdrawn")
            withdrawn += 1
        return withdrawn

    return workspace.write(job)


def _check(queue: str, why: list[str], priority: int, overlap: int) -> None:
    if not queue:
        raise InputError("A review task needs a queue.", mend="give the pilot's name")
    if not why or not all(isinstance(reason, str) and reason for reason in why):
        raise InputError("A review task must say why a person has to look.", where=f"queue '{queue}'", mend="give at least one reason code")
    if abs(priority) > MAX_PRIORITY:
        raise InputError(f"The priority {priority} is out of range.", where=f"queue '{queue}'", mend=f"stay within ±{MAX_PRIORITY:,}")
    if overlap < 1:
        raise InputError(f"{overlap} people cannot answer a task.", where=f"queue '{queue}'", mend="give an overlap of 1 or more")


def _named_authors(tx: WriteTransaction, item_id: str) -> list[str]:
    c = item_payload.c
    row = tx.conn.execute(select(c.payload).where(c.workspace_id == tx.workspace_id, c.item_id == item_id)).first()
    if row is None:
        raise NotFound("There is no such item.", where=item_id, mend="store the item before its task, or hand in the item itself")
    named = row[0].get("authors", []) if isinstance(row[0], dict) else []
    return [login for login in named if isinstance(login, str)]
