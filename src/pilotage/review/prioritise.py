"""Moving items to the front of the queue, or back."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import update

from pilotage.core import InputError
from pilotage.ledger import record
from pilotage.review.rows import T, load_task
from pilotage.review.tables import MAX_PRIORITY, position_of, review_task
from pilotage.store import Workspace, WriteTransaction


def prioritise(workspace: Workspace, task_ids: Collection[str], priority: int) -> int:
    """Give open tasks this priority, higher first; return how many changed. In the ledger, one entry a task.

    Raises ``InputError`` for a priority out of range, and ``NotFound``, with nothing changed, if one of the tasks is not there.
    """
    if abs(priority) > MAX_PRIORITY:
        raise InputError(f"The priority {priority} is out of range.", mend=f"stay within ±{MAX_PRIORITY:,}")

    def job(tx: WriteTransaction) -> int:
        changed = 0
        for task_id in task_ids:
            task = load_task(tx.conn, tx.workspace_id, task_id)
            if task["state"] != "open" or task["priority"] == priority:
                continue
            values = {"priority": priority, "position": position_of(priority, task["created_at"], task_id)}
            tx.conn.execute(update(review_task).where(T.workspace_id == tx.workspace_id, T.id == task_id).values(**values))
            body = {"queue": task["queue"], "item": task["item_id"], "before": task["priority"], "priority": priority}
            record(tx, type="review.prioritised", subject=task_id, body=body)
            changed += 1
        return changed

    return workspace.write(job)
