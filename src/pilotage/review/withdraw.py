"""Calling items back from people."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import update

from pilotage.ledger import record
from pilotage.review.rows import A, load_task, move
from pilotage.review.tables import review_assignment
from pilotage.store import Workspace, WriteTransaction


def withdraw(workspace: Workspace, task_ids: Collection[str]) -> int:
    """Take open tasks out of the queue and let go of the claims on them; return how many. What was answered stays answered.

    Raises ``NotFound``, and withdraws nothing, if one of them is not there.
    """

    def job(tx: WriteTransaction) -> int:
        withdrawn = 0
        for task_id in task_ids:
            task = load_task(tx.conn, tx.workspace_id, task_id)
            if task["state"] != "open":
                continue
            tx.conn.execute(
                update(review_assignment)
                .where(A.workspace_id == tx.workspace_id, A.task_id == task_id, A.state == "claimed")
                .values(state="released")
            )
            move(tx, task, claims=-task["claims"], state="withdrawn")
            record(tx, type="review.withdrawn", subject=task_id, body={"queue": task["queue"], "item": task["item_id"]})
            withdrawn += 1
        return withdrawn

    return workspace.write(job)
