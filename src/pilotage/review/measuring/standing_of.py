"""What the claim asks about one person before it serves them: cheap look-ups by key, nothing heavy imported."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, exists, func, or_, select

from pilotage.judging import person
from pilotage.review.measuring.tables import review_adjudication, review_round, review_round_task
from pilotage.review.tables import review_assignment, review_author, review_gold, review_task


def elsewhere(rater_id: Any) -> ColumnElement[bool]:
    """Whether the person holds or answered the task's item for another purpose, whenever either was put.

    Who answered an item does not decide about it, who saw the others' answers does not answer it, and nobody's answer to a test takes the place of
    their answer to work.
    """
    t, other, held = review_task.c, review_task.alias("other").c, review_assignment.alias("held").c
    return exists().where(
        other.workspace_id == t.workspace_id,
        other.item_id == t.item_id,
        other.purpose != t.purpose,
        held.workspace_id == t.workspace_id,
        held.task_id == other.id,
        held.rater_id == rater_id,
        held.state.in_(("claimed", "answered")),
    )


def must_calibrate(conn: Connection, workspace_id: str, project: str, login: str, guideline_id: str, *, roles: Collection[str] | None = None) -> bool:
    """Whether this person must still answer calibration items of this guideline before they are served work under it.

    ``roles``: what they may do; items of other roles are not theirs to practise on. None: any.

    False where no round is open for the guideline. Cost: one look-up by key; while a round is open, one more over its few tasks.
    """
    r, rt, a, author = review_round.c, review_round_task.c, review_assignment.c, review_author.c
    where = (r.workspace_id == workspace_id, r.project == project, r.guideline_id == guideline_id, r.state == "open")
    found = conn.execute(select(r.id, r.needed).where(*where)).first()
    if found is None:
        return False
    answered = and_(a.workspace_id == rt.workspace_id, a.task_id == rt.task_id, a.rater_id == person(login).id, a.state == "answered")
    own = and_(author.workspace_id == rt.workspace_id, author.task_id == rt.task_id, author.login == login)
    t = review_task.c
    # What was withdrawn, or they work on elsewhere, or is for people of other roles, they cannot wait for.
    theirs = [or_(and_(t.state == "open", ~elsewhere(person(login).id)), a.task_id.is_not(None))]
    if roles is not None:
        theirs.append(or_(t.role.in_({"", *roles}), a.task_id.is_not(None)))
    query = (
        select(func.count(a.task_id), func.count() - func.count(author.task_id))
        .select_from(review_round_task)
        .join(review_task, and_(t.workspace_id == rt.workspace_id, t.id == rt.task_id))
        .outerjoin(review_assignment, answered)
        .outerjoin(review_author, own)
        .where(rt.workspace_id == workspace_id, rt.round_id == found.id, *theirs)
    )
    done, possible = conn.execute(query).one()
    # Who settled most of the round's items themselves cannot practise on them, and must not wait for ever.
    return bool(done < min(found.needed, possible))


def calibration_tasks(conn: Connection, workspace_id: str, project: str, guideline_id: str) -> list[str]:
    """The tasks of the guideline's calibration round, for the claim to choose from."""
    r, rt = review_round.c, review_round_task.c
    query = (
        select(rt.task_id)
        .join(review_round, (r.workspace_id == rt.workspace_id) & (r.id == rt.round_id))
        .where(r.workspace_id == workspace_id, r.project == project, r.guideline_id == guideline_id, r.state == "open")
        .order_by(rt.task_id)
    )
    return list(conn.execute(query).scalars())


def adjudication_context(conn: Connection, workspace_id: str, task_id: str) -> dict[str, Any] | None:
    """What an adjudicator is shown besides the item: ``{"questions", "answers": [{"alias", "answers", "reason"}]}``; None for any other task."""
    t = review_adjudication.c
    row = conn.execute(select(t.questions, t.answers).where(t.workspace_id == workspace_id, t.task_id == task_id)).first()
    return None if row is None else {"questions": row.questions, "answers": row.answers}


def disputed_questions(conn: Connection, workspace_id: str, task_id: str) -> tuple[str, ...]:
    """The questions an adjudicator is asked to decide; () for any other task."""
    t = review_adjudication.c
    found = conn.execute(select(t.questions).where(t.workspace_id == workspace_id, t.task_id == task_id)).scalar()
    return tuple(found or ())


def took_part(conn: Connection, workspace_id: str, task_id: str, login: str) -> bool:
    """Whether this person is an author of the task's item: who wrote it, or of an adjudication, who answered it before."""
    a = review_author.c
    query = select(a.login).where(a.workspace_id == workspace_id, a.task_id == task_id, a.login == login)
    return conn.execute(query).first() is not None


def least_exposed(
    conn: Connection, workspace_id: str, project: str, rater_id: str, login: str, *, n: int = 1, roles: Collection[str] | None = None
) -> list[str]:
    """Up to ``n`` open gold tasks this person has not seen, those that the fewest people saw first: what keeps gold from being learnt.

    A task at its exposure cap is full, as any task is, and so not among them. Cost grows with the project's open gold.
    """
    t, a, author = review_task.c, review_assignment.c, review_author.c
    seen = exists().where(a.workspace_id == t.workspace_id, a.task_id == t.id, a.rater_id == rater_id)
    own = exists().where(author.workspace_id == t.workspace_id, author.task_id == t.id, author.login == login)
    known = exists().where(review_gold.c.workspace_id == t.workspace_id, review_gold.c.task_id == t.id, review_gold.c.state == "active")
    where = [t.workspace_id == workspace_id, t.queue == project, t.purpose == "gold", t.state == "open", t.claims + t.answers < t.overlap]
    if roles is not None:
        where.append(t.role.in_({"", *roles}))
    # Ties go by the task's id, which is a hash: an order that nobody chose.
    query = select(t.id).where(*where, known, ~seen, ~own).order_by(t.claims + t.answers, t.id).limit(n)
    return list(conn.execute(query).scalars())
