"""One person's own page: what they did, how fast, what they were told, what they may do. Nothing of anybody else.

Known items are counted like work everywhere here, and what is not told on the answering screen is not told here: a number that stood still, or an
act that is refused for some items only, would tell which ones were known.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select

from pilotage.core import MICROSECONDS, canonical_json, digest, earliest_id
from pilotage.judging import Rater, person
from pilotage.ledger.tables import ledger_entry
from pilotage.review.measuring import ExamStanding, MyPage, exam_standing, must_calibrate, my_page
from pilotage.review.measuring.tables import review_round, review_round_task
from pilotage.review.projects import Guideline, GuidelineDiff, Project, guideline_diff, guideline_versions, load_project, projects
from pilotage.review.tables import review_assignment, review_decision, review_skill, review_task
from pilotage.review.viewing import CONSENTED
from pilotage.server.queries.measures import Columns, Figure, draw_columns, of_accuracy
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

DAYS = 28
DAY_US = 86_400 * MICROSECONDS
SOON_US = 14 * DAY_US
A, D, T = review_assignment.c, review_decision.c, review_task.c


@dataclass(frozen=True)
class RoundDue:
    """A guideline to be practised: ``answered`` of ``needed`` items, and what changed since the guideline before."""

    answered: int
    needed: int
    guideline: Guideline
    before: Guideline | None
    diff: GuidelineDiff | None


@dataclass(frozen=True)
class MyProject:
    """One project as one of its people sees themselves in it.

    ``days``: answers a day of the last four weeks, None where there are none. ``accuracy`` and what was told are empty unless the project tells.
    ``consented_at``: when they agreed to the consent text as it stands (µs, UTC).
    """

    name: str
    title: str
    state: str
    mine: MyPage
    days: Columns | None
    recent: int
    accuracy: tuple[Figure, ...]
    tells: bool
    exam: ExamStanding | None
    round: RoundDue | None
    consent: str
    consented_at: int | None


@dataclass(frozen=True)
class MySkill:
    """A skill, and how long it holds: ``holds``, ``soon`` (two weeks or less are left) or ``lapsed``."""

    skill: str
    source: str
    expires_at: int | None
    state: str


@dataclass(frozen=True)
class MyDecision:
    """One line of the history. ``may_undo``: whether it can be taken back."""

    id: str
    task_id: str
    queue: str
    kind: str
    answers: dict[str, Any]
    late: bool
    undone: bool
    created_at: int
    may_undo: bool


def my_projects(workspace: Workspace, login: str) -> list[MyProject]:
    """The projects the person worked in, and those whose exam or calibration round is for them. Cost: look-ups over their own rows, per project."""
    rater = person(login)
    with workspace.read() as conn:
        a = select(A.queue).distinct().where(A.workspace_id == workspace.id, A.rater_id == rater.id)
        worked = set(conn.execute(a).scalars())
    found = []
    for project in projects(workspace):
        exam = exam_standing(workspace, project.name, login) if project.settings.qualification is not None else None
        due = _round_due(workspace, project, rater)
        if project.name in worked or exam is not None or due is not None:
            found.append(_project(workspace, project, rater, exam, due))
    return found


def _project(workspace: Workspace, project: Project, rater: Rater, exam: ExamStanding | None, due: RoundDue | None) -> MyProject:
    mine = my_page(workspace, project.name, rater.name)
    days = _days(workspace, project.name, rater.id)
    return MyProject(
        name=project.name,
        title=project.title,
        state=project.state,
        mine=mine,
        days=draw_columns(days) if any(value for _, value in days) else None,
        recent=sum(value for _, value in days),
        accuracy=tuple(of_accuracy(each) for each in mine.accuracy),
        tells=project.settings.gold.feedback,
        exam=exam,
        round=due,
        consent=project.settings.consent,
        consented_at=_consented_at(workspace, project.name, project.settings.consent, rater.name),
    )


def _days(workspace: Workspace, queue: str, rater_id: str) -> list[tuple[str, int]]:
    """Answers that stand, a day (UTC) of the last four weeks."""
    now = workspace.clock.now_us()
    first = (now // DAY_US - DAYS + 1) * DAY_US
    day: ColumnElement[Any] = D.created_at // DAY_US
    where = (D.workspace_id == workspace.id, D.rater_id == rater_id, D.queue == queue, D.kind == "answered", D.undone == 0)
    query = select(day.label("day"), func.count().label("n")).where(*where, D.id >= earliest_id("dec", at_us=first)).group_by(day)
    with workspace.read() as conn:
        counted = {int(row.day): int(row.n) for row in conn.execute(query)}
    begin = datetime.fromtimestamp(first / MICROSECONDS, UTC)
    return [(f"{begin + timedelta(days=place):%-d %b}", counted.get(first // DAY_US + place, 0)) for place in range(DAYS)]


def _round_due(workspace: Workspace, project: Project, rater: Rater) -> RoundDue | None:
    if project.settings.calibration_round is None:
        return None
    r, rt = review_round.c, review_round_task.c
    with workspace.read() as conn:
        if not must_calibrate(conn, workspace.id, project.name, rater.name, project.guideline.id):
            return None
        where = (r.workspace_id == workspace.id, r.project == project.name, r.guideline_id == project.guideline.id, r.state == "open")
        opened = conn.execute(select(r.id, r.needed).where(*where)).one()
        practised = (
            select(func.count())
            .select_from(review_round_task)
            .join(review_assignment, (A.workspace_id == rt.workspace_id) & (A.task_id == rt.task_id))
            .where(rt.workspace_id == workspace.id, rt.round_id == opened.id, A.rater_id == rater.id, A.state == "answered")
        )
        answered = int(conn.execute(practised).scalar_one())
    versions = guideline_versions(workspace, project.name)
    place = next(number for number, one in enumerate(versions) if one.id == project.guideline.id)
    before = versions[place - 1] if place else None
    return RoundDue(answered, opened.needed, project.guideline, before, guideline_diff(before, project.guideline) if before else None)


def _consented_at(workspace: Workspace, project: str, consent: str, login: str) -> int | None:
    if not consent.strip():
        return None
    e = ledger_entry.c
    said = canonical_json({"text": digest(consent)}).decode()
    where = (e.workspace_id == workspace.id, e.subject == project, e.type == CONSENTED, e.actor == login, e.body == said)
    with workspace.read() as conn:
        found: int | None = conn.execute(select(func.min(e.created_at)).where(*where)).scalar()
    return found


def my_skills(workspace: Workspace, login: str) -> list[MySkill]:
    """The person's skills, those that lapsed too."""
    s, now = review_skill.c, workspace.clock.now_us()
    query = select(s.skill, s.source, s.expires_at).where(s.workspace_id == workspace.id, s.login == login).order_by(s.skill)

    def state(expires_at: int | None) -> str:
        if expires_at is None or expires_at - now > SOON_US:
            return "holds"
        return "soon" if expires_at > now else "lapsed"

    with workspace.read() as conn:
        return [MySkill(row.skill, row.source, row.expires_at, state(row.expires_at)) for row in conn.execute(query)]


def my_history(workspace: Workspace, login: str, turn: Turn, *, queue: str | None = None) -> Page[MyDecision]:
    """What the person decided, the newest first. Cost: one index range."""
    rater = person(login)
    where = [D.workspace_id == workspace.id, D.rater_id == rater.id, D.kind.in_(("answered", "skipped", "escalated", "refused"))]
    if queue is not None:
        where.append(D.queue == queue)
    wanted = (D.id, D.task_id, D.queue, D.kind, D.answers, D.late, D.undone, D.created_at)
    with workspace.read() as conn:
        found = turn_page(conn, select(*wanted).where(*where), keys=[D.id], turn=turn, descending=True)
        ids = sorted({row.task_id for row in found.rows})
        stands = select(A.task_id, A.state, T.state.label("task")).join(review_task, (T.workspace_id == A.workspace_id) & (T.id == A.task_id))
        states = {row.task_id: row for row in conn.execute(stands.where(A.workspace_id == workspace.id, A.rater_id == rater.id, A.task_id.in_(ids)))}
    newest: dict[str, str] = defaultdict(str)
    for row in found.rows:
        if not row.undone:
            newest[row.task_id] = max(newest[row.task_id], row.id)

    def line(row: Any) -> MyDecision:
        stand = states.get(row.task_id)
        may = stand is not None and stand.task != "withdrawn" and stand.state == row.kind and newest[row.task_id] == row.id
        undone = bool(row.undone)
        return MyDecision(
            row.id,
            row.task_id,
            row.queue,
            row.kind,
            row.answers,
            bool(row.late),
            undone,
            row.created_at,
            may and not undone and row.kind != "escalated",
        )

    return found.map(lambda rows: [line(row) for row in rows])


@dataclass(frozen=True)
class MyExam:
    """A project's exam, for somebody who may sit it."""

    project: str
    title: str
    standing: ExamStanding | None
    questions: dict[str, str]


def my_exam(workspace: Workspace, name: str, login: str) -> MyExam:
    """The exam of a project and how it stands for this person. Raises ``NotFound`` if there is no such project."""
    project = load_project(workspace, name)
    asked = {question.name: question.prompt for question in project.rubric.questions}
    return MyExam(name, project.title, exam_standing(workspace, name, login), asked)
