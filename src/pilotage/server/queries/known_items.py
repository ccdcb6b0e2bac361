"""Known items for who leads a project: gold with its exposures and how often people are right, the exam and the calibration round."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import InputError, NotFound
from pilotage.judging import Question, consensuses
from pilotage.judging.tables import item as item_table
from pilotage.review.measuring import (
    CalibrationRound,
    Exam,
    ExamTry,
    Known,
    LeakTest,
    RoundReport,
    current_exam,
    current_round,
    exam_tries,
    gold_candidates,
    leak_test,
    round_report,
)
from pilotage.review.measuring.known import known_answers
from pilotage.review.measuring.matching import COMPARABLE, is_right
from pilotage.review.projects import GuidelineDiff, Project, guideline_diff, guideline_versions
from pilotage.review.tables import review_gold, review_task
from pilotage.server.queries.measures import Figure, of_accuracy, of_agreement, of_evidence
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

G, T = review_gold.c, review_task.c


@dataclass(frozen=True)
class GoldLine:
    """One known item: its right answers, how many saw it of how many may, and how often it was answered right. ``suspected``: the leak test's p where
    its late exposures are beyond chance."""

    task_id: str
    item_id: str
    right: dict[str, Any]
    explanation: str
    exposures: int
    most: int
    state: str
    answered: int
    were_right: int
    suspected: float | None = None


@dataclass(frozen=True)
class GoldCounts:
    """How much gold there is. ``free``: places not taken yet, over all that is in service."""

    active: int
    retired: int
    full: int
    free: int


@dataclass(frozen=True)
class Leak:
    """The leak test as it is shown."""

    figure: Figure
    suspected: bool
    items: dict[str, float]


def gold_counts(workspace: Workspace, project: str) -> GoldCounts:
    """How much gold is in service, retired, and at its cap. Cost: one index range over the gold."""
    with workspace.read() as conn:
        seen = T.claims + T.answers
        query = select(T.id, G.state, seen.label("seen"), T.overlap).join(review_gold, (G.workspace_id == T.workspace_id) & (G.task_id == T.id))
        where = (T.workspace_id == workspace.id, T.queue == project, T.purpose == "gold")
        rows = {row.id: row for row in conn.execute(query.where(*where))}.values()
    active = [row for row in rows if row.state == "active"]
    free = sum(max(0, row.overlap - row.seen) for row in active)
    return GoldCounts(len(active), len(rows) - len(active), sum(row.seen >= row.overlap for row in active), free)


def gold_page(workspace: Workspace, project: Project, turn: Turn, *, state: str, leak: Leak | None = None) -> Page[GoldLine]:
    """A page of the project's gold. Cost: one index range, and the answers to the page's items."""
    seen = (T.claims + T.answers).label("seen")
    known = select(G.task_id).where(G.workspace_id == workspace.id, G.state == state)
    where = (T.workspace_id == workspace.id, T.queue == project.name, T.purpose == "gold", T.id.in_(known))
    asked = {question.name: question for question in project.rubric.questions}
    with workspace.read() as conn:
        found = turn_page(conn, select(T.id, T.item_id, seen, T.overlap).where(*where), keys=[T.id], turn=turn)
        ids = [row.id for row in found.rows]
        right: dict[str, dict[str, Any]] = defaultdict(dict)
        because: dict[str, str] = {}
        for row in conn.execute(select(review_gold).where(G.workspace_id == workspace.id, G.task_id.in_(ids)).order_by(G.question)):
            right[row.task_id][row.question] = row.value
            because[row.task_id] = because.get(row.task_id) or row.explanation
        answered: Counter[str] = Counter()
        were_right: Counter[str] = Counter()
        for each in known_answers(conn, workspace.id, project.name, task_ids=ids) if ids else ():
            if each.question in asked and not each.abstained:
                answered[each.task_id] += 1
                were_right[each.task_id] += is_right(asked[each.question], each.value, each.right)

    def line(row: Any) -> GoldLine:
        suspected = leak.items.get(row.id) if leak is not None else None
        about = (row.id, row.item_id, right[row.id], because[row.id], int(row.seen), row.overlap, state)
        return GoldLine(*about, answered[row.id], were_right[row.id], suspected)

    return found.map(lambda rows: [line(row) for row in rows])


def leak_figures(workspace: Workspace, project: str) -> Leak:
    """The leak test. Cost: one pass over the answers to gold."""
    found: LeakTest = leak_test(workspace, project)
    return Leak(of_evidence(found.rise, "rise", "gold answers", low=-0.5, high=0.5, mark=0.0), found.suspected, found.items)


@dataclass(frozen=True)
class Candidate:
    """A settled item that could become known, with what was settled about it."""

    item_id: str
    values: dict[str, Any]


def usual_kind(workspace: Workspace, project: str) -> str:
    """The kind of the project's newest work, ``output`` where there is none."""
    i = item_table.c
    query = (
        select(i.kind)
        .join(review_task, (T.workspace_id == i.workspace_id) & (T.item_id == i.id))
        .where(T.workspace_id == workspace.id, T.queue == project, T.purpose == "work")
        .order_by(T.position.desc())
        .limit(1)
    )
    with workspace.read() as conn:
        return str(conn.execute(query).scalar() or "output")


def candidates(workspace: Workspace, project: Project, *, most: int = 30) -> list[Candidate]:
    """Items that people settled and that are not known yet."""
    ids = gold_candidates(workspace, project.name, most=most)
    values = _settled(workspace, project, ids)
    return [Candidate(item_id, values[item_id]) for item_id in ids if values[item_id]]


def _settled(workspace: Workspace, project: Project, ids: list[str]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {item_id: {} for item_id in ids}
    for question in project.rubric.questions:
        if question.kind not in COMPARABLE or not ids:
            continue
        for one in consensuses(workspace, item_ids=ids, question=question.name):
            if one.value is not None and (one.method == "adjudicated" or (one.unanimous and one.n >= 3)):
                found[one.item_id][question.name] = one.value
            else:
                found[one.item_id].pop(question.name, None)
    return found


def known_of(workspace: Workspace, project: Project, item_ids: list[str], explanation: str) -> list[Known]:
    """Settled items as known ones, in the order given. Raises ``InputError`` for one that nothing is settled about."""
    values = _settled(workspace, project, item_ids)
    for item_id in item_ids:
        if not values[item_id]:
            raise InputError("Nothing is settled about this item.", where=item_id, mend="choose one that was adjudicated or said alike by three")
    return [Known(item_id, values[item_id], explanation) for item_id in item_ids]


def value_of(question: Question, text: str) -> Any:
    """What a form's text means as an answer to ``question``. Raises ``InputError`` naming the question."""
    try:
        if question.kind == "choice":
            return text
        if question.kind == "bool":
            return {"yes": True, "no": False}[text]
        if question.kind == "rating":
            number = float(text)
            return int(number) if number.is_integer() else number
        return json.loads(text)
    except (KeyError, ValueError, RecursionError) as error:
        kind = "yes or no" if question.kind == "bool" else "a number" if question.kind == "rating" else "JSON"
        raise InputError(f"The answer to '{question.name}' cannot be read.", where=f"field 'answer.{question.name}'", mend=f"give {kind}") from error


@dataclass(frozen=True)
class ExamPage:
    """The project's exam for who leads it; ``exam`` None where none is open."""

    exam: Exam | None
    tries: list[ExamTry]
    guideline_is_old: bool


def exam_page(workspace: Workspace, project: Project) -> ExamPage:
    """The open exam and how people did."""
    try:
        exam = current_exam(workspace, project.name)
    except NotFound:
        return ExamPage(None, [], False)
    return ExamPage(exam, exam_tries(workspace, project.name), exam.guideline_id != project.guideline.id)


@dataclass(frozen=True)
class PractisedLine:
    """One person in a round."""

    login: str
    answered: int
    needed: int
    done: bool
    right: Figure


@dataclass(frozen=True)
class ChangeLine:
    """Agreement on one question before the guideline and under it, and the difference with its interval."""

    question: str
    before: Figure
    after: Figure
    difference: float | None
    lower: float | None
    upper: float | None
    reason: str


@dataclass(frozen=True)
class RoundPage:
    """The newest round, or none; ``for_now`` says whether it is of the guideline in force."""

    round: CalibrationRound | None
    for_now: bool
    people: tuple[PractisedLine, ...]
    changes: tuple[ChangeLine, ...]
    diff: GuidelineDiff | None
    before: int | None


def round_now(workspace: Workspace, project: str) -> tuple[str, str]:
    """The newest round's id and state, '' where there was none: with another, what was kept of it is of no use."""
    try:
        found = current_round(workspace, project)
    except NotFound:
        return "", ""
    return found.id, found.state


def round_page(workspace: Workspace, project: Project) -> RoundPage:
    """The newest round: who practised how well, and what the guideline changed. Cost: one pass over the project's judgements."""
    versions = guideline_versions(workspace, project.name)
    place = next(number for number, one in enumerate(versions) if one.id == project.guideline.id)
    diff = guideline_diff(versions[place - 1], project.guideline) if place else None
    before = versions[place - 1].number if place else None
    try:
        found = current_round(workspace, project.name)
    except NotFound:
        return RoundPage(None, False, (), (), diff, before)
    report: RoundReport = round_report(workspace, project.name)
    people = tuple(PractisedLine(each.login, each.answered, each.needed, each.done, of_accuracy(each.accuracy)) for each in report.people)
    changes = tuple(
        ChangeLine(
            each.question, of_agreement(each.before, "alpha"), of_agreement(each.after, "alpha"), each.difference, each.lower, each.upper, each.reason
        )
        for each in report.changes
    )
    return RoundPage(found, found.guideline_id == project.guideline.id, people, changes, diff, before)
