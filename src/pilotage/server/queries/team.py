"""The team of a project, and one of its people, as who leads the project sees them.

People are listed by login, never by a figure; no figure has a grade; what is not assessable says how many answers are missing. Alerts propose, and
nothing happens to anybody by itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from statistics import median

from sqlalchemy import func, select

from pilotage.core import MICROSECONDS, NotFound
from pilotage.judging import Question, person
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import rater as rater_table
from pilotage.review import Workload, workload
from pilotage.review.measuring import (
    Alert,
    Confusion,
    Member,
    confusion,
    must_calibrate,
    project_agreement,
    team_accuracy,
    team_over_time,
    team_page,
)
from pilotage.review.measuring.accuracy import Period
from pilotage.review.measuring.matching import COMPARABLE
from pilotage.review.measuring.tables import review_round
from pilotage.review.projects import Project
from pilotage.review.tables import review_assignment, review_counter, review_decision, review_skill, review_task
from pilotage.server.queries.measures import Columns, Figure, Small, draw_columns, draw_small, of_accuracy, of_agreement, of_agrees
from pilotage.store import Workspace

WEEK_US = 7 * 86_400 * MICROSECONDS
MOST_DECISIONS = 5_000
HOURS = 24


@dataclass(frozen=True)
class MemberLine:
    """One person in the team's table. ``time``: what they did and when; ``over_time`` by question."""

    member: Member
    time: Workload | None
    accuracy: tuple[Figure, ...]
    agreement: tuple[Figure, ...]
    over_time: tuple[tuple[str, Small], ...]
    gold_weeks: int


@dataclass(frozen=True)
class TeamFigures:
    """What takes a pass over the project's answers. ``weeks``: from when to when the small drawings go."""

    lines: tuple[MemberLine, ...]
    alerts: tuple[Alert, ...]
    floor: float | None


@dataclass(frozen=True)
class SkillCell:
    """A person's skill: where from, until when (µs, UTC), and whether it still holds."""

    login: str
    skill: str
    source: str
    granted_by: str
    expires_at: int | None
    holds: bool


@dataclass(frozen=True)
class Skills:
    """The skills of the project's people: ``cells[login][skill]``."""

    names: tuple[str, ...]
    people: tuple[str, ...]
    cells: Mapping[str, Mapping[str, SkillCell]]


@dataclass(frozen=True)
class Rounds:
    """Who has to practise the guideline in force. ``open`` None where no round is open for it."""

    guideline: int
    open: bool
    due: tuple[str, ...]


def team_figures(workspace: Workspace, project: Project) -> TeamFigures:
    """The team's table. Cost: one pass over the project's answers, and over its gold."""
    found = team_page(workspace, project.name)
    times = {each.login: each for each in workload(workspace, project.name)}
    floor = project.settings.gold.floor
    periods = team_over_time(workspace, project.name)
    stretch = [each.since for given in periods.values() for each in given]
    first, last = (min(stretch), max(stretch)) if stretch else (0, 0)
    lines = []
    for member in found.members:
        mine = [(question, given) for (login, question), given in periods.items() if login == member.login]
        drawn = [(question, _drawn(given, first, last, floor)) for question, given in mine]
        lines.append(
            MemberLine(
                member,
                times.get(member.login),
                tuple(of_accuracy(each, floor=floor) for each in member.accuracy),
                tuple(of_agrees(each) for each in member.agreement),
                tuple((question, one) for question, one in drawn if one is not None),
                max((len(given) for _, given in mine), default=0),
            )
        )
    return TeamFigures(tuple(lines), found.alerts, floor)


def _drawn(periods: list[Period], first: int, last: int, floor: float | None) -> Small | None:
    """Accuracy a week, for the weeks that have enough."""
    figures = [(float(each.since), of_accuracy(each.accuracy), _words(each)) for each in periods]
    return draw_small(figures, first=float(first), last=float(last), ends=(_day(first), _day(last)), mark=floor)


def _words(period: Period) -> str:
    one = period.accuracy
    if one.estimate is None:
        return f"week of {_day(period.since)}: {one.reason}"
    return f"week of {_day(period.since)}: {one.right} of {one.n} right, {one.lower:.2f} to {one.upper:.2f}"


def _day(at_us: int) -> str:
    return f"{datetime.fromtimestamp(at_us / MICROSECONDS, UTC):%-d %b}"


def people_of(workspace: Workspace, project: str) -> list[str]:
    """Everybody who was served something of the project, by login."""
    a, r = review_assignment.c, rater_table.c
    mine = select(a.rater_id).where(a.workspace_id == workspace.id, a.queue == project)
    query = select(r.name).where(r.workspace_id == workspace.id, r.kind == "person", r.id.in_(mine.distinct())).order_by(r.name)
    with workspace.read() as conn:
        return list(conn.execute(query).scalars())


def skills_of_team(workspace: Workspace, project: Project, people: list[str]) -> Skills:
    """Who holds what, of the skills the project asks for and those its people have."""
    s, now = review_skill.c, workspace.clock.now_us()
    with workspace.read() as conn:
        rows = conn.execute(select(review_skill).where(s.workspace_id == workspace.id, s.login.in_(people))).all()
        asked = {*project.settings.skills.values()}
        if project.settings.qualification is not None:
            asked.add(project.settings.qualification.skill)
        granted = conn.execute(select(s.login).where(s.workspace_id == workspace.id, s.skill.in_(sorted(asked))).distinct()).scalars()
        everybody = sorted({*people, *granted})
    cells: dict[str, dict[str, SkillCell]] = defaultdict(dict)
    for row in rows:
        holds = row.expires_at is None or row.expires_at > now
        cells[row.login][row.skill] = SkillCell(row.login, row.skill, row.source, row.granted_by, row.expires_at, holds)
    return Skills(tuple(sorted(asked | {row.skill for row in rows})), tuple(everybody), cells)


def rounds_due(workspace: Workspace, project: Project, people: list[str]) -> Rounds:
    """Who must still practise the guideline in force. Cost: one look-up a person while a round is open, else one in all."""
    r, guideline = review_round.c, project.guideline
    where = (r.workspace_id == workspace.id, r.project == project.name, r.guideline_id == guideline.id, r.state == "open")
    with workspace.read() as conn:
        if conn.execute(select(r.id).where(*where)).first() is None:
            return Rounds(guideline.number, False, ())
        due = tuple(login for login in people if must_calibrate(conn, workspace.id, project.name, login, guideline.id))
    return Rounds(guideline.number, True, due)


@dataclass(frozen=True)
class Matrix:
    """What one person gave where what was right: rows are what was right, in the order of the options."""

    question: str
    prompt: str
    given: tuple[str, ...]
    rows: tuple[tuple[str, tuple[int, ...], int], ...]
    n: int


@dataclass(frozen=True)
class SliceFigures:
    """Accuracy on one question: over all, and by value of the slice that was asked for."""

    question: str
    overall: Figure
    parts: tuple[tuple[str, Figure], ...]


@dataclass(frozen=True)
class With:
    """Agreement with one other person, over what both judged; ``unaided`` where neither saw a suggestion."""

    login: str
    all: Figure
    unaided: Figure


@dataclass(frozen=True)
class Drifted:
    """Accuracy in the older and in the newer half of somebody's known items."""

    question: str
    before: Figure
    after: Figure
    changed: bool | None
    reason: str


@dataclass(frozen=True)
class Rhythm:
    """When somebody answers: ``hours`` of the day (UTC), with answers and the median seconds of those timed; over the last ``n`` answers."""

    hours: Columns
    pace: tuple[tuple[int, int, float | None], ...]
    n: int


@dataclass(frozen=True)
class MemberFigures:
    """Everything of one person in a project."""

    login: str
    line: MemberLine
    alerts: tuple[Alert, ...]
    slices: tuple[SliceFigures, ...]
    slice_by: str | None
    matrices: tuple[Matrix, ...]
    others: tuple[tuple[str, tuple[With, ...]], ...]
    drift: tuple[Drifted, ...]
    rhythm: Rhythm | None


def member_figures(workspace: Workspace, project: Project, team: TeamFigures, login: str, *, slice_by: str | None) -> MemberFigures:
    """One person's page. Raises ``NotFound`` if they were served nothing here. Cost: passes over the project's gold and over its judged items."""
    line = next((each for each in team.lines if each.member.login == login), None)
    if line is None:
        raise NotFound(f"'{login}' has answered nothing in '{project.name}'.", mend="choose somebody of the team")
    asked = {question.name: question for question in project.rubric.questions}
    by_question: dict[str, list[tuple[str, Figure]]] = defaultdict(list)
    overall: dict[str, Figure] = {}
    for each in team_accuracy(workspace, project.name, login=login, by=slice_by):
        if each.slice:
            by_question[each.question].append((next(iter(each.slice.values())), of_accuracy(each)))
        else:
            overall[each.question] = of_accuracy(each, floor=team.floor)
    drift = tuple(Drifted(each.question, of_accuracy(each.before), of_accuracy(each.after), each.changed, each.reason) for each in line.member.drift)
    return MemberFigures(
        login=login,
        line=line,
        alerts=tuple(each for each in team.alerts if each.login == login),
        slices=tuple(SliceFigures(name, figure, tuple(by_question[name])) for name, figure in overall.items()),
        slice_by=slice_by,
        matrices=_matrices(workspace, project, asked, login),
        others=_others(workspace, project, login),
        drift=drift,
        rhythm=_rhythm(workspace, project.name, login),
    )


def _matrices(workspace: Workspace, project: Project, asked: dict[str, Question], login: str) -> tuple[Matrix, ...]:
    found = []
    for name, question in asked.items():
        if question.kind not in COMPARABLE or question.kind == "spans":
            continue
        found += [_matrix(table, question) for table in confusion(workspace, project.name, name, login=login)]
    return tuple(each for each in found if each.n)


def _matrix(table: Confusion, question: Question) -> Matrix:
    seen = {*table.counts, *(given for row in table.counts.values() for given in row)}
    order = [option.value for option in question.options if option.value in seen]
    values = [*order, *sorted(seen - set(order))]
    rows = tuple((right, tuple(table.counts.get(right, {}).get(given, 0) for given in values), values.index(right)) for right in values)
    return Matrix(table.question, question.prompt, tuple(values), tuple(row for row in rows if sum(row[1])), table.n)


def _others(workspace: Workspace, project: Project, login: str) -> tuple[tuple[str, tuple[With, ...]], ...]:
    me, r = person(login).id, rater_table.c
    with workspace.read() as conn:
        names = {row.id: row.name for row in conn.execute(select(r.id, r.name).where(r.workspace_id == workspace.id, r.kind == "person"))}
    found = []
    for question in project.rubric.questions:
        if question.kind not in COMPARABLE:
            continue
        pairs = project_agreement(workspace, project.name, question.name, by="pair", of=me)[1:]
        others = [(names.get(next(one for one in each.part.split(" and ") if one != me), "?"), each) for each in pairs]
        lines = tuple(
            With(name, of_agreement(each.all, "kappa"), of_agreement(each.unaided, "kappa")) for name, each in sorted(others, key=lambda o: o[0])
        )
        if lines:
            found.append((question.name, lines))
    return tuple(found)


def _rhythm(workspace: Workspace, project: str, login: str) -> Rhythm | None:
    d = review_decision.c
    where = (d.workspace_id == workspace.id, d.rater_id == person(login).id, d.queue == project, d.kind == "answered", d.undone == 0)
    query = select(d.created_at, d.active_ms).where(*where).order_by(d.id.desc()).limit(MOST_DECISIONS)
    with workspace.read() as conn:
        rows = conn.execute(query).all()
    if not rows:
        return None
    counts: Counter[int] = Counter()
    times: dict[int, list[int]] = defaultdict(list)
    for at, active in rows:
        hour = datetime.fromtimestamp(at / MICROSECONDS, UTC).hour
        counts[hour] += 1
        if active is not None:
            times[hour].append(active)
    pace = tuple((hour, counts[hour], median(times[hour]) / 1000 if times[hour] else None) for hour in range(HOURS) if counts[hour])
    return Rhythm(draw_columns([(f"{hour:02d}:00", counts[hour]) for hour in range(HOURS)]), pace, len(rows))


def slice_names(workspace: Workspace, project: str) -> list[str]:
    """The names of the slices of some hundred of the project's items: what figures can be told apart by. Cost: one short index range."""
    i, t = item_table.c, review_task.c
    query = (
        select(i.slices)
        .join(review_task, (t.workspace_id == i.workspace_id) & (t.item_id == i.id))
        .where(i.workspace_id == workspace.id, t.queue == project)
    )
    with workspace.read() as conn:
        return sorted({name for slices in conn.execute(query.limit(200)).scalars() for name in slices})


def answers_in(workspace: Workspace, project: str) -> int:
    """How many answers the project has, from its counters."""
    c = review_counter.c
    with workspace.read() as conn:
        return int(conn.execute(select(func.coalesce(func.sum(c.answers), 0)).where(c.workspace_id == workspace.id, c.queue == project)).scalar_one())
