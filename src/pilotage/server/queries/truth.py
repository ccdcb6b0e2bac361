"""Questions about what a project's answers have come to: by which policy and method, how sure, and what the methods make of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import exists, func, select

from pilotage.judging import Consensus, Question, Rater
from pilotage.judging.aggregation.choose import ENOUGH_GOLD, METHODS
from pilotage.judging.consensus import consensuses
from pilotage.review import counts
from pilotage.review.measuring.combining import possible
from pilotage.review.measuring.tables import review_settlement, review_settlement_run
from pilotage.review.projects import Project, load_project
from pilotage.review.tables import review_assignment, review_gold, review_task
from pilotage.server.queries.answers import SharesDrawing, draw_shares, say
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

A, S, R, T, G = review_assignment.c, review_settlement.c, review_settlement_run.c, review_task.c, review_gold.c
POLICIES = {
    "majority": "What most say stands; a tie is for somebody to decide.",
    "adjudicate": "A fact: what all say alike stands, or what is sure enough by people's accuracy on gold; else an adjudicator decides.",
    "soft": "An opinion: the distribution of the answers is the answer, and is never made one value.",
}


@dataclass(frozen=True)
class QuestionLine:
    """A question, and how far its items are settled. ``methods``: settled items by method; ``gold``: known items that ask it."""

    question: Question
    policy: str
    settled: int
    to_adjudicate: int
    methods: dict[str, int]
    gold: int
    until: int | None
    weighable: bool

    @property
    def lacks_gold(self) -> bool:
        """Whether there is too little gold to choose a method by. Opinions have no right answer, and need none."""
        return self.weighable and self.question.policy != "soft" and self.gold < ENOUGH_GOLD


@dataclass(frozen=True)
class SettledLine:
    """One settled item: what stands, and the distribution behind it."""

    item_id: str
    state: str
    method: str
    n: int
    disagreement: float
    value: str
    drawing: SharesDrawing | None
    why: str
    banner: str


@dataclass(frozen=True)
class TruthPage:
    """A project's questions. ``answers`` is how many were given in all."""

    project: Project
    lines: tuple[QuestionLine, ...]
    answers: int


def find_truth(workspace: Workspace, name: str) -> TruthPage:
    """The project's questions and how far they are settled. Cost: its settled items, by index."""
    project = load_project(workspace, name)
    by = select(S.question, S.state, S.method, func.count()).where(S.workspace_id == workspace.id, S.project == name)
    runs = select(R.question, func.max(R.until)).where(R.workspace_id == workspace.id, R.project == name, R.rubric_id == project.rubric.id)
    known = (
        select(G.question, func.count())
        .join(review_task, (T.workspace_id == G.workspace_id) & (T.id == G.task_id))
        .where(G.workspace_id == workspace.id, T.queue == name, T.purpose == "gold", G.state == "active")
        .group_by(G.question)
    )
    with workspace.read() as conn:
        rows = conn.execute(by.group_by(S.question, S.state, S.method)).all()
        until = {row[0]: row[1] for row in conn.execute(runs.group_by(R.question))}
        gold = {row[0]: int(row[1]) for row in conn.execute(known)}
    lines = []
    for question in project.rubric.questions:
        mine = [row for row in rows if row[0] == question.name]
        lines.append(
            QuestionLine(
                question,
                POLICIES[question.policy],
                sum(row[3] for row in mine if row[1] == "settled"),
                sum(row[3] for row in mine if row[1] == "adjudicate"),
                _methods(mine),
                gold.get(question.name, 0),
                until.get(question.name),
                possible(question) is not None,
            )
        )
    return TruthPage(project, tuple(lines), counts(workspace, name).answers)


def list_settled(
    workspace: Workspace, page: TruthPage, question: str, *, state: str | None, sees_waiting: bool, turn: Turn, without: Rater | None = None
) -> Page[SettledLine]:
    """Settled items of one question, most divided first, a page at a time. Who might still be asked about an item does not see it.

    ``without``: leave out what was served to this person. Known items are never settled, so the rest of what they answered would be listed as work.
    """
    asked = page.project.rubric.question(question)
    wanted = (S.position, S.item_id, S.state, S.method, S.n, S.disagreement, S.consensus_id)
    statement = select(*wanted).where(S.workspace_id == workspace.id, S.project == page.project.name, S.question == question)
    if state:
        statement = statement.where(S.state == state)
    if not sees_waiting:
        waits = exists().where(T.workspace_id == S.workspace_id, T.item_id == S.item_id, T.queue == S.project, T.state == "open")
        statement = statement.where(~waits)
    if without is not None:
        had = exists().where(A.workspace_id == T.workspace_id, A.task_id == T.id, A.rater_id == without.id)
        statement = statement.where(~exists().where(T.workspace_id == S.workspace_id, T.item_id == S.item_id, had))
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[S.position], turn=turn)
    ids = [row.item_id for row in found.rows]
    by_id = {each.id: each for each in consensuses(workspace, item_ids=ids, question=question)} if ids else {}
    return found.map(lambda rows: [_settled(asked, row, by_id.get(row.consensus_id)) for row in rows])


def methods() -> list[str]:
    """What a project may be settled by."""
    return ["policy", "auto", *METHODS]


def _methods(rows: list[Any]) -> dict[str, int]:
    found: dict[str, int] = {}
    for _, state, method, n in rows:
        if state == "settled":
            found[method] = found.get(method, 0) + n
    return dict(sorted(found.items(), key=lambda entry: -entry[1]))


def _settled(question: Question, row: Any, consensus: Consensus | None) -> SettledLine:
    drawing, value, why, banner = None, "–", "", ""
    if consensus is not None:
        counted = {say(question, vote.value): vote.count for vote in consensus.votes}
        shares = consensus.distribution or tuple((vote.value, vote.count / consensus.n) for vote in consensus.votes)
        drawing = draw_shares(question, shares, counted if consensus.method in ("majority", "adjudicated") else None)
        value = say(question, consensus.value)
        why, banner = str(consensus.detail.get("why", "")), str(consensus.detail.get("banner", ""))
    return SettledLine(row.item_id, row.state, row.method, row.n, row.disagreement, value, drawing, why, banner)
