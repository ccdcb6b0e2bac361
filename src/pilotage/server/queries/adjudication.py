"""Questions about adjudication: what is disputed, what waits for whom, what was decided, and how often against the majority."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, select

from pilotage.core import NotFound
from pilotage.judging import Rater, person
from pilotage.judging.tables import rubric as rubric_table
from pilotage.review import Standing, standing
from pilotage.review.measuring import Overturned, overturns
from pilotage.review.measuring.tables import review_adjudication, review_settlement
from pilotage.review.projects.project import P, V
from pilotage.review.tables import review_assignment, review_project, review_project_version, review_task
from pilotage.server.context import Person
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

STATES = ("open", "reopened", "answered", "decided")
ONLY = frozenset({"adjudication"})
A, S, T = review_adjudication.c, review_settlement.c, review_task.c


@dataclass(frozen=True)
class ProjectLine:
    """A project in numbers. ``disputed`` items are not before anybody yet; ``answered`` ones become decided at the next settlement.

    ``role`` is who decides, None where anybody who reviews may.
    """

    name: str
    title: str
    role: str | None
    disputed: int = 0
    open: int = 0
    reopened: int = 0
    answered: int = 0
    decided: int = 0

    @property
    def waits(self) -> int:
        """What waits for an adjudicator."""
        return self.open + self.reopened


@dataclass(frozen=True)
class AdjudicationLine:
    """One adjudication in a list. ``tied``: questions on which the others had no majority. Nothing of what anybody said."""

    task_id: str
    item_id: str
    questions: tuple[str, ...]
    answers: int
    tied: int
    state: str
    created_at: int


@dataclass(frozen=True)
class Mine:
    """How it stands for the person who looks: what they may decide, what they took part in, and why nothing is theirs."""

    may: bool
    standing: Standing | None


def list_projects(workspace: Workspace) -> list[ProjectLine]:
    """Every project that is not archived, those with something waiting first. Cost: the disputed items and the adjudications, by index."""
    lines = _projects(workspace)
    disputed = (
        select(S.project, func.count(func.distinct(S.item_id)))
        .where(S.workspace_id == workspace.id, S.state == "adjudicate", ~_has_one())
        .group_by(S.project)
    )
    states = _listed(workspace.id).with_only_columns(A.project, _state().label("is"), func.count()).group_by(A.project, _state())
    with workspace.read() as conn:
        for name, n in conn.execute(disputed):
            if name in lines:
                lines[name] = replace(lines[name], disputed=n)
        for name, state, n in conn.execute(states):
            if name in lines:
                lines[name] = replace(lines[name], **{state: n})
    return sorted(lines.values(), key=lambda line: (line.waits + line.disputed == 0, line.title, line.name))


def list_adjudications(workspace: Workspace, project: str, *, state: str | None, turn: Turn, without: Rater | None = None) -> Page[AdjudicationLine]:
    """The project's adjudications, a page at a time.

    ``without``: leave out items that were served to this person. Known items are never disputed, so what they find here would be told as work.
    """
    wanted = (A.task_id, A.item_id, A.questions, A.answers, A.before, A.created_at, _state().label("is"))
    statement = _listed(workspace.id).with_only_columns(*wanted).where(A.project == project)
    if state:
        statement = statement.where(_state() == state)
    if without is not None:
        work, had = review_task.alias().c, review_assignment.c
        served = exists().where(had.workspace_id == work.workspace_id, had.task_id == work.id, had.rater_id == without.id)
        statement = statement.where(~exists().where(work.workspace_id == A.workspace_id, work.item_id == A.item_id, served))
    with workspace.read() as conn:
        return turn_page(conn, statement, keys=[A.task_id], turn=turn).map(lambda rows: [_line(row) for row in rows])


def for_me(workspace: Workspace, line: ProjectLine, who: Person) -> Mine:
    """What the person may decide here. Cost grows with the open adjudications."""
    if not who.may("review") or (line.role is not None and line.role not in who.roles):
        return Mine(False, None)
    return Mine(True, standing(workspace, line.name, person(who.login), roles=who.roles, purposes=ONLY))


def overturned(workspace: Workspace, project: str) -> list[Overturned]:
    """How often the majority was overturned, per question. Cost grows with what was decided."""
    return overturns(workspace, project)


def require_project(workspace: Workspace, name: str) -> ProjectLine:
    """The project, without its numbers. Raises ``NotFound``."""
    found = _projects(workspace, archived=True).get(name)
    if found is None:
        raise NotFound(f"There is no project '{name}'.", mend="go back to the list of projects")
    return found


def _projects(workspace: Workspace, *, archived: bool = False) -> dict[str, ProjectLine]:
    r = rubric_table.c
    query = (
        select(P.id, V.settings, r.questions)
        .join(review_project_version, (V.workspace_id == P.workspace_id) & (V.project == P.id) & (V.number == P.number))
        .join(rubric_table, (r.workspace_id == V.workspace_id) & (r.id == V.rubric_id))
        .where(P.workspace_id == workspace.id)
        .select_from(review_project)
        .order_by(P.id)
    )
    if not archived:
        query = query.where(P.state != "archived")
    with workspace.read() as conn:
        rows = conn.execute(query).all()
    found = {}
    for row in rows:
        roles = {question.get("required_role") or None for question in row.questions}
        role = row.settings.get("adjudicator") or (roles.pop() if len(roles) == 1 else None)
        found[row.id] = ProjectLine(row.id, row.settings.get("title") or row.id, role)
    return found


def _has_one() -> Any:
    return exists().where(A.workspace_id == S.workspace_id, A.project == S.project, A.item_id == S.item_id)


def _listed(workspace_id: str) -> Select[Any]:
    task = and_(T.workspace_id == A.workspace_id, T.id == A.task_id)
    return select(A.task_id).select_from(review_adjudication.join(review_task, task)).where(A.workspace_id == workspace_id)


def _state() -> Any:
    # The task is done once somebody answered; the adjudication is decided once the project was settled with that answer.
    return case(
        (A.state == "decided", "decided"),
        (T.state == "done", "answered"),
        (T.answers > 0, "reopened"),
        else_="open",
    )


def _line(row: Any) -> AdjudicationLine:
    tied = sum(value is None for value in row.before.values())
    return AdjudicationLine(row.task_id, row.item_id, tuple(row.questions), len(row.answers), tied, row[-1], row.created_at)
