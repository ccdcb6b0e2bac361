"""What the answering screen is told besides the items: rubrics, the project's terms that concern who answers, guidelines, and feedback."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from pilotage.judging import Rater, load_rubric
from pilotage.review.measuring import feedback, must_calibrate
from pilotage.review.projects import Guideline, find_terms
from pilotage.review.projects.project import find_guideline
from pilotage.review.tables import review_task
from pilotage.store import Workspace

# Purposes of which somebody may be told afterwards what was expected. Work is never among them, and asking costs nothing for it.
TOLD_OF = ("gold", "calibration", "qualification")


def rubrics_of(workspace: Workspace, ids: set[str]) -> dict[str, Any]:
    """The rubrics by id, with everything a page needs to ask their questions."""
    found = {rubric_id: load_rubric(workspace, rubric_id) for rubric_id in sorted(ids)}
    return {
        rubric_id: {
            "name": rubric.name,
            "number": rubric.number,
            "guideline": rubric.guideline,
            "questions": [{**question.to_dict(), "required": question.required} for question in rubric.questions],
        }
        for rubric_id, rubric in found.items()
    }


def project_for(workspace: Workspace, queue: str, login: str) -> dict[str, Any] | None:
    """What the queue's project asks of who answers: the text to agree to, and whether this is a calibration round. None for a queue without one."""
    with workspace.read() as conn:
        terms = find_terms(conn, workspace.id, queue)
        if terms is None:
            return None
        practising = must_calibrate(conn, workspace.id, queue, login, terms.guideline_id)
    caps = terms.settings.caps
    return {"consent": terms.settings.consent or None, "round": {} if practising else None, "break_for": caps.break_for if caps.break_after else None}


def load_guideline(workspace: Workspace, guideline_id: str) -> Guideline:
    """The guideline with this id. Raises ``NotFound``."""
    with workspace.read() as conn:
        return find_guideline(conn, workspace.id, guideline_id)


def feedback_on(workspace: Workspace, task_id: str, rater: Rater) -> dict[str, Any] | None:
    """What the person is told of the answer they just gave: whether it was right, what was expected, and why. None where they are told nothing."""
    t = review_task.c
    with workspace.read() as conn:
        purpose = conn.execute(select(t.purpose).where(t.workspace_id == workspace.id, t.id == task_id)).scalar_one_or_none()
    if purpose not in TOLD_OF:
        return None
    told = feedback(workspace, task_id, rater)
    if not told:
        return None
    return {
        "right": all(one.was_right for one in told),
        "expected": {one.question: one.right for one in told},
        "explanation": next((one.explanation for one in told if one.explanation), ""),
    }
