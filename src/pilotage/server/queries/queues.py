"""The review queues, for their index: one a pilot, under the pilot's name. The queue itself is the review room's."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from pilotage.readiness.tables import pilot
from pilotage.review import Counts, counts, waiting
from pilotage.store import Workspace


@dataclass(frozen=True)
class QueueLine:
    """One queue and how much of it is left. ``oldest_us`` is how long the oldest open task waits."""

    queue: str
    title: str
    counts: Counts
    roles: list[str]
    oldest_us: int | None


def list_queues(workspace: Workspace) -> list[QueueLine]:
    """Every queue that holds or held a task, those with open tasks first. Cost grows with the number of pilots, not of tasks."""
    with workspace.read() as conn:
        titles = {row.name: row.title for row in conn.execute(select(pilot.c.name, pilot.c.title).where(pilot.c.workspace_id == workspace.id))}
    left = waiting(workspace)
    lines = []
    for name in sorted({*titles, *(one.queue for one in left)}):
        mine = [one for one in left if one.queue == name]
        line = QueueLine(
            name,
            titles.get(name, name),
            counts(workspace, name),
            sorted(one.role for one in mine if one.role),
            max((one.oldest_us for one in mine), default=None),
        )
        if line.counts.total:
            lines.append(line)
    return sorted(lines, key=lambda line: (line.counts.open == 0, line.title))
