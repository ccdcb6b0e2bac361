"""What the claim asks about one person before it serves them: cheap look-ups by key, nothing heavy imported."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from pilotage.judging import person
from pilotage.review.measuring.tables import review_adjudication, review_round, review_round_task
from pilotage.review.tables import review_assignment


def must_calibrate(conn: Connection, workspace_id: str, project: str, login: str, guideline_id: str) -> bool:
    """Whether this person must still answer calibration items of this guideline before they are served work under it.

    False where no round is open for the guideline. Cost: one look-up by key; while a round is open, one more over its few tasks.
    """
    r, rt, a = review_round.c, review_round_task.c, review_assignment.c
    where = (r.workspace_id == workspace_id, r.project == project, r.guideline_id == guideline_id, r.state == "open")
    found = conn.execute(select(r.id, r.items).where(*where)).first()
    if found is None:
        return False
    done = (
        select(func.count())
        .select_from(review_round_task)
        .join(review_assignment, (a.workspace_id == rt.workspace_id) & (a.task_id == rt.task_id))
        .where(rt.workspace_id == workspace_id, rt.round_id == found.id, a.rater_id == person(login).id, a.state == "answered")
    )
    return int(conn.execute(done).scalar_one()) < found.items


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
