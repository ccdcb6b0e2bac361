"""Looking at the queue: how much waits, for whom, for how long, and what a person decided. Reads no payload but in :func:`look`."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, RowMapping, and_, bindparam, case, exists, func, select

from pilotage.core import Refused
from pilotage.judging import Rater
from pilotage.judging.tables import rater as rater_table
from pilotage.review.choosing import Asking, yet_to_come
from pilotage.review.limits import allowance
from pilotage.review.measuring.standing_of import elsewhere
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.projects.project import find_terms
from pilotage.review.rows import A, D, T, check_role, load_task
from pilotage.review.serving import load_claimed
from pilotage.review.skills import skill_names
from pilotage.review.tables import review_assignment, review_author, review_counter, review_decision, review_task
from pilotage.review.task import MOST_LEFT, Claimed, Counts, Decision, Progress, Standing, TaskPage, TaskRow, Waiting
from pilotage.store import Ready, Workspace

C = review_counter.c
_LIST = [T[name] for name in TaskRow.__dataclass_fields__]
_COUNTERS = Ready(
    select(*(func.coalesce(func.sum(C[name]), 0).label(name) for name in ("open", "done", "withdrawn", "answers", "flags"))).where(
        C.workspace_id == bindparam("workspace"), C.queue == bindparam("of_queue")
    )
)
_IN_STATE = Ready(
    select(func.count().label("number"))
    .select_from(review_assignment)
    .where(
        A.workspace_id == bindparam("workspace"), A.rater_id == bindparam("by"), A.queue == bindparam("of_queue"), A.state == bindparam("in_state")
    )
)


def counts(workspace: Workspace, queue: str, *, purposes: Collection[str] | None = None) -> Counts:
    """The queue's tasks by state, from its counters: the cost does not grow with the queue.

    Of tasks for some ``purposes`` there are no counters: these are counted in an index, and their flags are not.
    """
    with workspace.read() as conn:
        return _counts(conn, workspace.id, queue, purposes)


def progress(
    workspace: Workspace, queue: str, rater: Rater, *, roles: Collection[str] | None = None, purposes: Collection[str] | None = None
) -> Progress:
    """How far this person is in the queue, in one read: what a page asks with every claim, and all that who answers is told in numbers.

    The queue's own counters are of work alone: who compares them before and after an answer would know which item was a test. Here every answer
    raises ``answered`` by one and lowers ``left`` by one, whatever the item was. Cost: see :func:`pilotage.review.choosing.yet_to_come`.
    """
    with workspace.read() as conn:
        return find_progress(conn, workspace, queue, rater, roles=roles, purposes=purposes)


def find_progress(
    conn: Connection,
    workspace: Workspace,
    queue: str,
    rater: Rater,
    *,
    roles: Collection[str] | None,
    purposes: Collection[str] | None,
    most: int = MOST_LEFT,
) -> Progress:
    """As :func:`progress`, on a connection that is already open; what is left is counted up to ``most``, and the cost grows with that."""
    terms = find_terms(conn, workspace.id, queue)
    skills = None
    if terms is not None and terms.settings.skills:
        skills = skill_names(conn, workspace.id, rater.name, workspace.clock.now_us())
    asking = Asking(rater, queue, roles, skills, purposes=purposes)
    in_hand = _in_state(conn, workspace.id, asking, "claimed")
    left = in_hand + yet_to_come(conn, workspace.id, terms, asking, max(0, most + 1 - in_hand))
    return Progress(_in_state(conn, workspace.id, asking, "answered"), min(left, most), left > most)


def _counts(conn: Connection, workspace_id: str, queue: str, purposes: Collection[str] | None) -> Counts:
    if purposes is not None:
        of_state = select(T.state, func.count(), func.sum(T.answers)).where(T.workspace_id == workspace_id, T.queue == queue)
        found = {row[0]: row for row in conn.execute(of_state.where(T.purpose.in_(sorted(purposes))).group_by(T.state))}
        return Counts(**{state: int(row[1]) for state, row in found.items()}, answers=sum(int(row[2]) for row in found.values()))
    row = _COUNTERS.rows(conn, {"workspace": workspace_id, "of_queue": queue})[0]
    return Counts(**{name: int(value) for name, value in row.items()})


def waiting(workspace: Workspace, queue: str | None = None) -> list[Waiting]:
    """What waits, by queue and role, where anything does. ``queue`` None means every queue."""
    c = review_counter.c
    where = [c.workspace_id == workspace.id, c.open > 0]
    if queue is not None:
        where.append(c.queue == queue)
    oldest = (
        select(func.min(T.created_at))
        .where(T.workspace_id == c.workspace_id, T.state == "open", T.queue == c.queue, T.role == c.role)
        .scalar_subquery()
    )
    now = workspace.clock.now_us()
    with workspace.read() as conn:
        rows = conn.execute(select(c.queue, c.role, c.open, oldest).where(*where).order_by(c.queue, c.role)).all()
    return [Waiting(queue=name, role=role or None, open=count, oldest_us=max(0, now - since)) for name, role, count, since in rows]


def tasks(
    workspace: Workspace,
    queue: str,
    *,
    state: str = "open",
    after: str | None = None,
    limit: int = 50,
) -> TaskPage:
    """Tasks of one state in the order they are served, a page at a time. Every page costs the same, however deep in the queue it lies.

    What is put to measure people (gold, exams, calibration) is not among them.
    """
    where = [T.workspace_id == workspace.id, T.queue == queue, T.state == state, T.purpose.not_in(TEST_PURPOSES)]
    if after is not None:
        where.append(T.position > after)
    with workspace.read() as conn:
        rows = conn.execute(select(*_LIST, T.position).where(*where).order_by(T.position).limit(limit + 1)).mappings().all()
    page = tuple(_task_row(row) for row in rows[:limit])
    return TaskPage(page, rows[limit - 1]["position"] if len(rows) > limit else None)


def history(workspace: Workspace, rater: Rater, *, queue: str | None = None, limit: int = 10, before: str | None = None) -> list[Decision]:
    """The person's last answers, skips and refused answers, newest first. ``before`` is the id of the last decision already seen."""
    with workspace.read() as conn:
        where = [D.workspace_id == workspace.id, D.rater_id == _rater_id(conn, workspace.id, rater), D.kind.in_(("answered", "skipped", "refused"))]
        if queue is not None:
            where.append(D.queue == queue)
        if before is not None:
            where.append(D.id < before)
        rows = conn.execute(select(review_decision).where(*where).order_by(D.id.desc()).limit(limit)).mappings().all()
    return [
        Decision(
            id=row["id"],
            task_id=row["task_id"],
            queue=row["queue"],
            kind=row["kind"],
            answers=row["answers"],
            late=bool(row["late"]),
            undone=bool(row["undone"]),
            created_at=row["created_at"],
        )
        for row in rows
    ]


def standing(
    workspace: Workspace, queue: str, rater: Rater, *, roles: Collection[str] | None = None, purposes: Collection[str] | None = None
) -> Standing:
    """How the queue stands for this person; with ``purposes``, its tasks for these. Cost grows with the open tasks, so ask when there is nothing to
    claim, not on every answer."""
    wanted = [T.purpose.in_(sorted(purposes))] if purposes is not None else []
    with workspace.read() as conn:
        rater_id = _rater_id(conn, workspace.id, rater)
        own = select(A.state, func.count()).where(A.workspace_id == workspace.id, A.rater_id == rater_id, A.queue == queue).group_by(A.state)
        if wanted:
            own = own.join(review_task, and_(T.workspace_id == A.workspace_id, T.id == A.task_id)).where(*wanted)
        mine = {row[0]: row[1] for row in conn.execute(own)}
        has_it = exists().where(A.workspace_id == T.workspace_id, A.task_id == T.id, A.rater_id == rater_id, A.state != "released")
        author = review_author.c
        own_work = exists().where(author.workspace_id == T.workspace_id, author.task_id == T.id, author.login == rater.name)
        reason = case((own_work | elsewhere(rater_id), "own"), (T.claims + T.answers >= T.overlap, "held"), else_="free").label("reason")
        open_work = (T.workspace_id == workspace.id, T.queue == queue, T.state == "open", T.purpose.not_in(TEST_PURPOSES), *wanted)
        rest = select(T.role, T.skill, reason).where(*open_work, ~has_it).subquery()
        kinds = (rest.c.role, rest.c.skill, rest.c.reason)
        found = conn.execute(select(*kinds, func.count()).group_by(*kinds)).all()
        terms = find_terms(conn, workspace.id, queue)
        now = workspace.clock.now_us()
        skills = None if terms is None or not terms.settings.skills else skill_names(conn, workspace.id, rater.name, now)
        limit = allowance(conn, workspace.id, terms, rater_id, rater.name, now).limit
        skipped = (
            select(func.count())
            .select_from(review_assignment)
            .join(review_task, and_(T.workspace_id == A.workspace_id, T.id == A.task_id))
            .where(A.workspace_id == workspace.id, A.rater_id == rater_id, A.queue == queue, A.state == "skipped", T.state == "open", *wanted)
        )
        skipped_open = conn.execute(skipped).scalar_one()
    other_roles: dict[str, int] = {}
    other_skills = 0
    tally = {"own": 0, "held": 0, "free": 0}
    for role, skill, why, count in found:
        if roles is not None and role and role not in roles:
            other_roles[role] = other_roles.get(role, 0) + count
        elif skills is not None and skill and skill not in skills:
            other_skills += count
        else:
            tally[why] += count
    return Standing(
        answered=mine.get("answered", 0),
        skipped=skipped_open,
        held=mine.get("claimed", 0),
        open=tally["free"],
        held_by_others=tally["held"],
        own_work=tally["own"],
        other_roles=other_roles,
        other_skills=other_skills,
        limit=limit,
    )


def answered_by(workspace: Workspace, queue: str, rater: Rater, *, purposes: Collection[str] | None = None) -> int:
    """How many tasks of the queue this person has answered; with ``purposes``, of those for these."""
    with workspace.read() as conn:
        return _in_state(conn, workspace.id, Asking(rater, queue, None, None, purposes=purposes), "answered")


def _in_state(conn: Connection, workspace_id: str, asking: Asking, state: str) -> int:
    """How many tasks of the queue this person holds, or answered."""
    # A person has no version: their id follows from their login.
    values = {"workspace": workspace_id, "by": asking.rater.id, "of_queue": asking.queue, "in_state": state}
    if asking.purposes is None:
        return int(_IN_STATE.rows(conn, values)[0]["number"])
    of_task = and_(T.workspace_id == A.workspace_id, T.id == A.task_id)
    where = (A.workspace_id == workspace_id, A.rater_id == asking.rater.id, A.queue == asking.queue, A.state == state)
    query = select(func.count()).select_from(review_assignment).join(review_task, of_task).where(*where, T.purpose.in_(sorted(asking.purposes)))
    return int(conn.execute(query).scalar_one())


def look(workspace: Workspace, task_id: str, rater: Rater, *, roles: Collection[str] | None = None) -> Claimed:
    """A task the person was served before, with its payload, to look at again.

    Raises ``Refused`` if they never were, or if it needs a role that is not among ``roles`` (None skips that check).
    """
    with workspace.read() as conn:
        check_role(load_task(conn, workspace.id, task_id), roles)
        found = load_claimed(conn, workspace.id, _rater_id(conn, workspace.id, rater), [task_id])
    if not found:
        raise Refused("You were never served this item.", where=task_id, mend="claim from the queue")
    return found[0]


def _rater_id(conn: Connection, workspace_id: str, rater: Rater) -> str:
    """The stored rater's id, or '' (which matches nothing) where this person has done nothing yet."""
    c = rater_table.c
    where = (c.workspace_id == workspace_id, c.kind == rater.kind, c.name == rater.name, c.version == rater.version)
    return str(conn.execute(select(c.id).where(*where)).scalar() or "")


def _task_row(row: RowMapping) -> TaskRow:
    values = {name: row[name] for name in TaskRow.__dataclass_fields__}
    return TaskRow(**{**values, "role": row["role"] or None, "why": tuple(row["why"]), "harmful": bool(row["harmful"])})
