"""The review queues, for their index: projects, and the queues that pilots and pipelines fill under their own names. Reads no payload."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from pilotage.core import MICROSECONDS
from pilotage.judging import ABOUT_ITEMS, person
from pilotage.judging.tables import rater
from pilotage.readiness.tables import pilot
from pilotage.review import Counts, Progress, Waiting, counts, progress, waiting
from pilotage.review.projects import projects
from pilotage.review.tables import review_decision, review_task
from pilotage.server.context import Person
from pilotage.server.queries.agreeing import Agreed, Agreements
from pilotage.store import Workspace

D, R, T = review_decision.c, rater.c, review_task.c
RECENT_US = 7 * 24 * 3600 * MICROSECONDS
MOST_COUNTED = 1000  # what is overdue is counted up to here, so that the page costs the same however much is


@dataclass(frozen=True)
class QueueLine:
    """One queue and how much of it is left.

    ``state`` is the project's, None for a queue without one. ``waits`` is what waits and for whom; ``oldest_us`` how long the oldest does. ``people``
    are those who decided something in the last seven days. ``agreement`` is of the first question that can be compared.

    ``mine`` is how far the one who asks is, where that is all they are told of a project (``Person.measured``): ``counts`` is None then, and nothing
    else is counted.
    """

    queue: str
    title: str
    state: str | None
    counts: Counts | None
    waits: tuple[Waiting, ...]
    overdue: int
    people: tuple[str, ...]
    agreement: Agreed | None
    mine: Progress | None = None

    @property
    def left(self) -> bool:
        """Whether anything waits, for whom it is told to."""
        return bool(self.mine.left if self.mine is not None else self.counts and self.counts.open)

    @property
    def roles(self) -> list[str]:
        """The roles something waits for."""
        return sorted(one.role for one in self.waits if one.role)

    @property
    def oldest_us(self) -> int | None:
        return max((one.oldest_us for one in self.waits), default=None)


def list_queues(workspace: Workspace, agreements: Agreements | None = None, *, who: Person | None = None) -> list[QueueLine]:
    """Every project, and every queue without one that holds or held a task; those with open tasks first, what is paused or put away last.

    ``who`` asks: see :class:`QueueLine`.

    Cost grows with the number of queues and people, not of tasks.
    """
    known = {project.name: project for project in projects(workspace, archived=True)}
    with workspace.read() as conn:
        titles = {row.name: row.title for row in conn.execute(select(pilot.c.name, pilot.c.title).where(pilot.c.workspace_id == workspace.id))}
    left = waiting(workspace)
    lines = []
    for name in sorted({*titles, *known, *(one.queue for one in left)}):
        project = known.get(name)
        numbers = counts(workspace, name)
        if not numbers.total and project is None:
            continue
        if project is not None and who is not None and who.measured:
            mine = progress(workspace, name, person(who.login), roles=who.roles)
            lines.append(QueueLine(name, project.title, project.state, None, (), 0, tuple(recently(workspace, name)), None, mine))
            continue
        agreement = None
        if agreements is not None and project is not None and project.state == "active":
            agreement = next(iter(agreements.of(workspace, project, numbers.answers, first=True)), None)
        lines.append(
            QueueLine(
                name,
                project.title if project else titles.get(name, name),
                project.state if project else None,
                numbers,
                tuple(one for one in left if one.queue == name),
                count_overdue(workspace, name),
                tuple(recently(workspace, name)),
                agreement,
            )
        )
    order = {"paused": 1, "archived": 2}
    return sorted(lines, key=lambda line: (order.get(line.state or "", 0), not line.left, line.title))


def count_overdue(workspace: Workspace, queue: str, *, within_us: int = 0) -> int:
    """How many open tasks are past their due date, or will be ``within_us`` from now; :data:`MOST_COUNTED` means as many or more."""
    before = workspace.clock.now_us() + within_us
    late = (T.workspace_id == workspace.id, T.queue == queue, T.state == "open", T.due_at <= before, T.purpose.in_(ABOUT_ITEMS))
    some = select(T.id).where(*late).limit(MOST_COUNTED).subquery()
    with workspace.read() as conn:
        return int(conn.execute(select(func.count()).select_from(some)).scalar_one())


def recently(workspace: Workspace, queue: str) -> list[str]:
    """Logins of those who decided something in the queue in the last seven days. One look-up a person."""
    last = (
        select(D.created_at)
        .where(D.workspace_id == R.workspace_id, D.rater_id == R.id, D.queue == queue)
        .order_by(D.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    people = select(R.name).where(R.workspace_id == workspace.id, R.kind == "person", last >= workspace.clock.now_us() - RECENT_US)
    with workspace.read() as conn:
        return list(conn.execute(people.order_by(R.name)).scalars())
