"""How a project's exam stands for one person, and for all: only looking, so that a page can be opened as often as anybody likes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import NotFound, parse_duration
from pilotage.judging import person
from pilotage.judging.rubric import find_rubric
from pilotage.review.measuring.known import in_force, known_answers
from pilotage.review.measuring.matching import is_right
from pilotage.review.measuring.qualification import Exam, ExamResult, find_exam
from pilotage.review.measuring.tables import review_exam_try
from pilotage.review.measuring.telling import Feedback
from pilotage.review.tables import review_assignment, review_skill
from pilotage.store import Workspace

T = review_exam_try.c


@dataclass(frozen=True)
class ExamStanding:
    """How the open exam stands for one person.

    state
        ``open`` (a try may begin), ``running``, ``held`` (passed, and the skill is in force), ``wait`` (until ``again_at``) or ``used_up``.
    left, until
        Of a running try: items not answered yet, and when its time is over (µs, UTC).
    last
        How the last try that ended went, with what was wrong and why.
    """

    exam: Exam
    state: str
    tries: int
    left: int = 0
    until: int | None = None
    again_at: int | None = None
    last: ExamResult | None = None


@dataclass(frozen=True)
class ExamTry:
    """One try of one person, for who leads the project. Times in µs, UTC; the figures are None while it runs."""

    login: str
    number: int
    state: str
    right: int | None
    n: int | None
    rate: float | None
    lower: float | None
    begun_at: int
    ended_at: int | None


def exam_standing(workspace: Workspace, project: str, login: str) -> ExamStanding | None:
    """How the project's open exam stands for this person; None where there is none. Cost: look-ups by key over their own tries."""
    with workspace.read() as conn:
        try:
            exam = find_exam(conn, workspace.id, project)
        except NotFound:
            return None
        mine = (T.workspace_id == workspace.id, T.exam_id == exam.id, T.login == login)
        tries = list(conn.execute(select(review_exam_try).where(*mine).order_by(T.number)))
        s, now = review_skill.c, workspace.clock.now_us()
        query = select(s.expires_at).where(s.workspace_id == workspace.id, s.login == login, s.skill == exam.skill)
        skill = conn.execute(query).first()
        in_force_still = skill is not None and (skill.expires_at is None or skill.expires_at > now)
        ended = [each for each in tries if each.state != "running"]
        last = _result(conn, workspace.id, project, exam, ended[-1]) if ended else None
        if tries and tries[-1].state == "running":
            left = _left(conn, workspace.id, login, tries[-1].tasks)
            return ExamStanding(exam, "running", len(tries), left=left, until=tries[-1].until, last=last)
    if in_force_still and tries and tries[-1].state == "passed":
        return ExamStanding(exam, "held", len(tries), last=last)
    failed = [each for each in tries if each.state == "failed"]
    if len(failed) >= exam.terms["tries"]:
        return ExamStanding(exam, "used_up", len(tries), last=last)
    again = failed[-1].ended_at + parse_duration(exam.terms["wait"]) if failed else 0
    if now < again:
        return ExamStanding(exam, "wait", len(tries), again_at=again, last=last)
    return ExamStanding(exam, "open", len(tries), last=last)


def exam_tries(workspace: Workspace, project: str, *, most: int = 200) -> list[ExamTry]:
    """The newest tries of the project's open exam, newest first. For who leads it. Raises ``NotFound`` where there is no exam."""
    with workspace.read() as conn:
        exam = find_exam(conn, workspace.id, project)
        query = select(review_exam_try).where(T.workspace_id == workspace.id, T.exam_id == exam.id).order_by(T.created_at.desc(), T.id).limit(most)
        return [
            ExamTry(row.login, row.number, row.state, row.right, row.n, row.rate, row.lower, row.created_at, row.ended_at)
            for row in conn.execute(query)
        ]


def _left(conn: Connection, workspace_id: str, login: str, tasks: Iterable[str]) -> int:
    a, wanted = review_assignment.c, list(tasks)
    where = (a.workspace_id == workspace_id, a.rater_id == person(login).id, a.task_id.in_(wanted), a.state == "answered")
    return len(wanted) - len(conn.execute(select(a.task_id).where(*where)).all())


def _result(conn: Connection, workspace_id: str, project: str, exam: Exam, row: Any) -> ExamResult:
    """A try that ended, with its mistakes as they stood then: what was answered after being told measures nothing."""
    rubric = find_rubric(conn, in_force(conn, workspace_id, project).rubric_id, workspace_id=workspace_id)
    asked = {question.name: question for question in rubric.questions}
    found = known_answers(conn, workspace_id, project, purposes=("qualification",), rater_id=person(row.login).id, task_ids=row.tasks)
    given = [each for each in found if each.question in asked and not each.abstained and each.at <= row.ended_at]
    mistakes = tuple(
        Feedback(each.task_id, each.item_id, each.question, each.value, each.right, False, each.explanation)
        for each in given
        if not is_right(asked[each.question], each.value, each.right)
    )
    unanswered = len(set(row.tasks) - {each.task_id for each in given})
    passed = row.state == "passed"
    again = None if passed or row.number >= exam.terms["tries"] else row.ended_at + parse_duration(exam.terms["wait"])
    return ExamResult(exam.id, row.login, row.number, passed, row.right, row.n, row.rate, row.lower, unanswered, mistakes, again)
