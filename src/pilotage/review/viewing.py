"""What people saw and agreed to before they answered: kept in the ledger alone, since nothing else depends on it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import InputError, Refused, canonical_json, digest
from pilotage.judging import Rater
from pilotage.ledger import record
from pilotage.ledger.tables import ledger_entry
from pilotage.review.rows import check_person, load_assignment, load_task
from pilotage.store import Workspace, WriteTransaction

VIEWED, CONSENTED = "review.viewed", "review.consented"


def view(workspace: Workspace, task_id: str, rater: Rater) -> bool:
    """Record that a person has a task before their eyes; True the first time. Raises ``Refused`` if they never claimed it."""
    check_person(rater)

    def job(tx: WriteTransaction) -> bool:
        task = load_task(tx.conn, tx.workspace_id, task_id)
        if load_assignment(tx.conn, tx.workspace_id, task_id, rater.id) is None:
            raise Refused("You have not claimed this item.", where=task_id, mend="claim it first")
        return _once(tx, VIEWED, task_id, {"queue": task["queue"], "item": task["item_id"]}, rater)

    return workspace.write(job)


def consent(workspace: Workspace, queue: str, rater: Rater, *, text: str) -> bool:
    """Record that a person agreed to a project's consent text, by its digest; True the first time they agree to this text.

    Raises ``InputError`` where there is no text to agree to.
    """
    check_person(rater)
    if not text.strip():
        raise InputError("There is no text to agree to.", where=f"queue '{queue}'", mend="leave consent out, or set 'consent' in the project")
    return workspace.write(lambda tx: _once(tx, CONSENTED, queue, {"text": digest(text)}, rater))


def consented(conn: Connection, workspace_id: str, queue: str, login: str, *, text: str) -> bool:
    """Whether the person agreed to this very text, as the ledger has it. Cost: one index range over what is on record of the queue and person."""
    e = ledger_entry.c
    mine = (e.workspace_id == workspace_id, e.type == CONSENTED, e.actor == login, e.subject == queue)
    return canonical_json({"text": digest(text)}).decode() in conn.execute(select(e.body).where(*mine)).scalars()


def _once(tx: WriteTransaction, kind: str, subject: str, body: dict[str, Any], rater: Rater) -> bool:
    e = ledger_entry.c
    mine = (e.workspace_id == tx.workspace_id, e.subject == subject, e.type == kind, e.actor == rater.name)
    if canonical_json(body).decode() in tx.conn.execute(select(e.body).where(*mine)).scalars():
        return False
    record(tx, type=kind, subject=subject, body=body, actor=rater.name)
    return True
