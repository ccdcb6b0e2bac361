"""What the answering screen is told besides the items: rubrics, the project's terms that concern who answers, guidelines, and feedback."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from pilotage.judging import Rater, load_rubric, person
from pilotage.review.limits import until_break
from pilotage.review.measuring import feedback, must_calibrate
from pilotage.review.projects import Guideline, find_terms
from pilotage.review.projects.project import find_guideline
from pilotage.review.tables import review_task
from pilotage.review.viewing import consented
from pilotage.store import Workspace

# Purposes of which somebody may be told afterwards what was expected. Work is never among them, and asking costs nothing for it.
TOLD_OF = ("gold", "calibration", "qualification")
_AGREED: set[tuple[str, str, str, str]] = set()
_MANY = 10_000


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
    """What the queue's project asks of who answers. None for a queue without one.

    ``consent`` is the text to agree to and ``consented`` whether this person did, on whatever machine; ``round`` is there in a calibration round;
    ``break_for`` is how long a pause is, and ``before_break`` how many more answers come before it.
    """
    with workspace.read() as conn:
        terms = find_terms(conn, workspace.id, queue)
        if terms is None:
            return None
        practising = must_calibrate(conn, workspace.id, queue, login, terms.guideline_id)
        left = until_break(conn, workspace.id, terms, person(login).id, workspace.clock.now_us())
        text = terms.settings.consent
        agreed = bool(text) and _agreed(conn, workspace.id, queue, login, text)
    return {
        "consent": text or None,
        "consented": agreed,
        "round": {} if practising else None,
        "break_for": terms.settings.caps.break_for if left is not None else None,
        "before_break": left,
    }


def _agreed(conn: Connection, workspace_id: str, queue: str, login: str, text: str) -> bool:
    """As the ledger has it. Consent is never taken back, so what was found once need not be looked up again."""
    key = (workspace_id, queue, login, text)
    if key in _AGREED:
        return True
    found = consented(conn, workspace_id, queue, login, text=text)
    if found:
        if len(_AGREED) >= _MANY:
            _AGREED.clear()
        _AGREED.add(key)
    return found


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
