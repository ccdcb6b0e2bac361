"""Questions about the review queues, for their index; the queue itself is the review room's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select

from pilotage.readiness.tables import pilot
from pilotage.review.tables import review_task
from pilotage.store import Workspace


@dataclass(frozen=True)
class QueueLine:
    """One queue and how much of it is left."""

    queue: str
    pilot_name: str | None
    title: str
    open: int
    done: int
    harmful: int
    due_at: int | None


def list_queues(workspace: Workspace) -> list[QueueLine]:
    """Every queue that ever held a task, those with open tasks first."""
    is_open = review_task.c.state == "open"
    statement = (
        select(
            review_task.c.queue,
            pilot.c.name,
            pilot.c.title,
            func.sum(case((is_open, 1), else_=0)).label("open"),
            func.sum(case((review_task.c.state == "done", 1), else_=0)).label("done"),
            func.sum(case((is_open & (review_task.c.harmful == 1), 1), else_=0)).label("harmful"),
            func.min(case((is_open, review_task.c.due_at))).label("due_at"),
        )
        .outerjoin(
            pilot,
            (pilot.c.workspace_id == review_task.c.workspace_id) & ((pilot.c.id == review_task.c.queue) | (pilot.c.name == review_task.c.queue)),
        )
        .where(review_task.c.workspace_id == workspace.id)
        .group_by(review_task.c.queue, pilot.c.name, pilot.c.title)
    )
    with workspace.read() as conn:
        lines = [
            QueueLine(row.queue, row.name, row.title or row.queue, int(row.open), int(row.done), int(row.harmful), row.due_at)
            for row in conn.execute(statement)
        ]
    return sorted(lines, key=lambda line: (line.open == 0, line.title))
