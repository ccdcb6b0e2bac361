"""One project on one page: how far it is, who is waited for, how fast it goes, and what would bring it further."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from pilotage.core import MICROSECONDS, earliest_id
from pilotage.judging import ABOUT_ITEMS, person
from pilotage.judging.tables import rater
from pilotage.review import Counts, Progress, Waiting, counts, progress, waiting
from pilotage.review.measuring.tables import review_adjudication, review_settlement
from pilotage.review.projects import Project, load_project
from pilotage.review.tables import review_assignment, review_decision, review_task
from pilotage.server.context import Person
from pilotage.server.queries.agreeing import Agreed, Agreements
from pilotage.server.queries.queues import count_overdue, recently
from pilotage.store import Workspace

A, D, J, R, S, T = review_assignment.c, review_decision.c, review_adjudication.c, rater.c, review_settlement.c, review_task.c
DAY_US = 24 * 3600 * MICROSECONDS
DAYS = 14


@dataclass(frozen=True)
class Day:
    """One day (UTC) and the answers given on it. ``height`` of its bar, in the drawing's units, from ``y`` down."""

    name: str
    answers: int
    x: float
    y: float
    height: float


@dataclass(frozen=True)
class Pace:
    """Answers a day over the last fortnight. ``most`` is the tallest bar; ``per_day`` the mean over days with any; ``days_left`` at that pace."""

    days: tuple[Day, ...]
    width: int
    height: int
    most: int
    per_day: float | None
    days_left: float | None


@dataclass(frozen=True)
class Act:
    """Something to do next: where, in which words, and why."""

    address: str
    words: str
    why: str


@dataclass(frozen=True)
class ProjectOverview:
    """The page. ``gold`` and ``arms`` are empty for who does not lead.

    ``mine``: how far the one who asks is, where that is all they are told (``Person.measured``); every other number is empty then.
    """

    project: Project
    counts: Counts
    waits: tuple[Waiting, ...]
    overdue: int
    due_soon: int
    held: int
    people: tuple[str, ...]
    pace: Pace
    agreement: tuple[Agreed, ...]
    disputes: int
    adjudicating: int
    decided: int
    gold: int | None
    acts: tuple[Act, ...] = ()
    arms: dict[str, float] = field(default_factory=dict)
    mine: Progress | None = None


def find_overview(workspace: Workspace, name: str, agreements: Agreements, *, who: Person) -> ProjectOverview:
    """The project as it stands. Cost grows with the answers of the last fortnight, and with all of them when agreement is counted anew."""
    project = load_project(workspace, name)
    leads = who.may("run")
    if who.measured:
        own = progress(workspace, name, person(who.login), roles=who.roles)
        return ProjectOverview(
            project, Counts(), (), 0, 0, 0, tuple(recently(workspace, name)), Pace((), 0, 0, 0, None, None), (), 0, 0, 0, None, mine=own
        )
    numbers, waits = counts(workspace, name), tuple(waiting(workspace, name))
    with workspace.read() as conn:
        held = conn.execute(
            select(func.count())
            .select_from(review_assignment)
            .where(A.workspace_id == workspace.id, A.queue == name, A.state == "claimed", A.expires_at > workspace.clock.now_us())
        ).scalar_one()
        disputes = conn.execute(
            select(func.count(S.item_id.distinct())).where(S.workspace_id == workspace.id, S.project == name, S.state == "adjudicate")
        ).scalar_one()
        judged = {
            row.state: row.n
            for row in conn.execute(
                select(J.state, func.count().label("n")).where(J.workspace_id == workspace.id, J.project == name).group_by(J.state)
            )
        }
        gold = conn.execute(
            select(func.count())
            .select_from(review_task)
            .where(T.workspace_id == workspace.id, T.queue == name, T.purpose == "gold", T.state == "open")
        ).scalar_one()
    settings = project.settings
    arms = {arm: getattr(settings.arms, arm) for arm in ("withheld", "seeded", "answer_first")}
    found = ProjectOverview(
        project=project,
        counts=numbers,
        waits=waits,
        overdue=count_overdue(workspace, name),
        due_soon=count_overdue(workspace, name, within_us=DAY_US),
        held=int(held),
        people=tuple(recently(workspace, name)),
        pace=pace_of(workspace, name, left=numbers.open * settings.overlap.start),
        agreement=agreements.of(workspace, project, numbers.answers),
        disputes=int(disputes),
        adjudicating=judged.get("open", 0),
        decided=judged.get("decided", 0),
        gold=int(gold) if leads else None,
        arms={"shown": 1 - sum(arms.values()), **arms} if leads else {},
    )
    return ProjectOverview(**{**found.__dict__, "acts": tuple(_acts(found, leads=leads))})


def pace_of(workspace: Workspace, name: str, *, left: int) -> Pace:
    """Answers about items that stand, by day; ``left`` are those still asked for. An index range for each person."""
    now = workspace.clock.now_us()
    first = now // DAY_US - DAYS + 1
    since = first * DAY_US
    day = (D.created_at // DAY_US).label("day")
    people = select(R.id).where(R.workspace_id == workspace.id, R.kind == "person")
    query = (
        select(day, func.count().label("n"))
        .join(review_task, (T.workspace_id == D.workspace_id) & (T.id == D.task_id))
        .where(
            D.workspace_id == workspace.id,
            D.rater_id.in_(people),
            D.queue == name,
            D.id >= earliest_id("dec", at_us=since),
            D.kind == "answered",
            D.undone == 0,
            T.purpose.in_(ABOUT_ITEMS),
        )
        .group_by(day)
    )
    with workspace.read() as conn:
        found = {int(row.day): int(row.n) for row in conn.execute(query)}
    tall, wide = 88, 30
    most = max(found.values(), default=0)
    days = []
    for place in range(DAYS):
        answers = found.get(first + place, 0)
        height = round(answers / most * tall, 1) if most else 0.0
        when = datetime.fromtimestamp(0, UTC) + timedelta(days=first + place)
        days.append(Day(when.strftime("%d %b"), answers, place * wide + 12.0, tall + 4 - height, height))
    per_day = sum(found.values()) / len(found) if found else None
    return Pace(tuple(days), DAYS * wide + 16, tall + 22, most, per_day, left / per_day if per_day else None)


def _acts(found: ProjectOverview, *, leads: bool) -> list[Act]:
    here = f"/review/projects/{found.project.name}"
    acts: list[Act] = []
    if found.project.state != "active":
        return [Act(f"{here}/state?to=active", "Resume it", f"it is {found.project.state}: nobody is served anything")] if leads else []
    if leads and not found.counts.total:
        acts.append(Act(f"{here}/import", "Bring items in", "nothing waits and nothing was answered yet"))
    if found.overdue:
        acts.append(Act(f"{here}/items?only=overdue", "Look at what is overdue", f"{found.overdue} past their due date"))
    if found.adjudicating:
        acts.append(Act("/review/adjudication", "Decide what people could not", f"{found.adjudicating} wait for somebody who did not take part"))
    if leads and found.counts.flags:
        acts.append(Act(f"{here}/items?only=flagged", "Look at what was flagged", f"{found.counts.flags} flags"))
    if leads and found.project.settings.gold.share and found.gold is not None and found.gold < 10 and found.counts.total:
        acts.append(Act(f"{here}/items?state=done", "Make more gold", f"{found.gold} known items are left, so few people can be measured"))
    if leads and (found.project.settings.arms.seeded or found.project.settings.arms.withheld) and not found.project.settings.consent:
        acts.append(Act(f"{here}/settings#consent", "Write what people agree to", "suggestions are withheld or planted, and nobody is told"))
    return acts
