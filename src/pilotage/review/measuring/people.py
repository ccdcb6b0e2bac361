"""What a person sees of themselves, and what who leads a project sees of the team.

A person sees their own counts, speed and, where the project tells, their own gold; nobody else's. A lead sees the team: work, accuracy with bounds,
agreement with the others, drift. Nothing here orders people by a bare number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, func, select

from pilotage.evidence import wilson
from pilotage.judging import ABOUT_ITEMS, ABOUT_RATERS, Judgement, Question, person
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import rater as rater_table
from pilotage.review.measuring.accuracy import ENOUGH, Accuracy, Alert, Speed, accuracy, accuracy_of, alerts, speed_of, team_accuracy
from pilotage.review.measuring.agreement import people_said
from pilotage.review.measuring.known import in_force, known_answers
from pilotage.review.measuring.matching import COMPARABLE, is_right, plain
from pilotage.review.measuring.tables import review_feedback
from pilotage.review.measuring.telling import Feedback
from pilotage.review.tables import review_assignment, review_task
from pilotage.store import Workspace

_RECENT = 20
A, T = review_assignment.c, review_task.c


@dataclass(frozen=True)
class MyPage:
    """One person's own page of a project.

    ``accuracy`` and ``feedback`` are empty unless the project tells people (``gold.feedback``); ``feedback`` holds what they were told already.
    """

    login: str
    answered: int
    skipped: int
    held: int
    speed: Speed
    accuracy: tuple[Accuracy, ...]
    feedback: tuple[Feedback, ...]


@dataclass(frozen=True)
class Drift:
    """Whether somebody's accuracy on gold changed: the older half of their answers beside the newer. None where there is too little."""

    question: str
    before: Accuracy
    after: Accuracy
    changed: bool | None
    reason: str = ""


@dataclass(frozen=True)
class Agrees:
    """How often somebody's answer is that of the majority of the others on the same item, with Wilson's interval; None below 20 items."""

    question: str
    n: int
    share: float | None
    lower: float | None
    upper: float | None
    reason: str = ""


@dataclass(frozen=True)
class Member:
    """One person of the team, as who leads it sees them."""

    login: str
    answered: int
    skipped: int
    held: int
    speed: Speed
    accuracy: tuple[Accuracy, ...]
    agreement: tuple[Agrees, ...]
    drift: tuple[Drift, ...]


@dataclass(frozen=True)
class TeamPage:
    """The team of a project, by login, and what a lead should look at."""

    members: tuple[Member, ...]
    alerts: tuple[Alert, ...]


def my_page(workspace: Workspace, project: str, login: str) -> MyPage:
    """What ``login`` may see of themselves. Cost: index ranges over their own rows."""
    rater = person(login)
    with workspace.read() as conn:
        terms = in_force(conn, workspace.id, project)
        # Known items count too: a number that stood still would tell which item was one.
        counts = _counts(conn.execute(_by_state(workspace.id, project).where(A.rater_id == rater.id)))
        tells = terms.settings.gold.feedback
        told: list[Feedback] = []
        if tells:
            f = review_feedback.c
            seen = set(conn.execute(select(f.task_id).where(f.workspace_id == workspace.id, f.rater_id == rater.id)).scalars())
            rubric = find_rubric(conn, terms.rubric_id, workspace_id=workspace.id)
            asked = {question.name: question for question in rubric.questions}
            for each in known_answers(conn, workspace.id, project, rater_id=rater.id, task_ids=seen):
                if not each.abstained and each.question in asked:
                    right = is_right(asked[each.question], each.value, each.right)
                    told.append(Feedback(each.task_id, each.item_id, each.question, each.value, each.right, right, each.explanation))
    mine = counts.get(rater.id, Counter())
    figures = tuple(accuracy_of(workspace, project, login)) if tells else ()
    pace = speed_of(workspace, project, login, purposes=(*ABOUT_ITEMS, *ABOUT_RATERS))
    return MyPage(login, mine["answered"], mine["skipped"], mine["claimed"], pace, figures, tuple(told[-_RECENT:]))


def team_page(workspace: Workspace, project: str, *, last: int = 100) -> TeamPage:
    """The whole team. Cost: one pass over the project's answers, and over its gold."""
    with workspace.read() as conn:
        terms = in_force(conn, workspace.id, project)
        rubric = find_rubric(conn, terms.rubric_id, workspace_id=workspace.id)
        counts = _counts(conn.execute(_by_state(workspace.id, project).where(T.purpose.in_(ABOUT_ITEMS))))
        r = rater_table.c
        names = {row.id: row.name for row in conn.execute(select(r.id, r.name).where(r.workspace_id == workspace.id, r.kind == "person"))}
    questions = [question for question in rubric.questions if question.kind in COMPARABLE]
    said = {question.name: people_said(workspace, project, question.name)[1] for question in questions}
    agreeing = {question.name: agrees_with_others(question, said[question.name]) for question in questions}
    figures: dict[str, list[Accuracy]] = defaultdict(list)
    for each in team_accuracy(workspace, project, last=last):
        figures[each.login].append(each)
    drifting = drifts(workspace, project)
    members = [
        Member(
            login=names[rater_id],
            answered=tally["answered"],
            skipped=tally["skipped"],
            held=tally["claimed"],
            speed=speed_of(workspace, project, names[rater_id]),
            accuracy=tuple(figures[names[rater_id]]),
            agreement=tuple(found[rater_id] for found in agreeing.values() if rater_id in found),
            drift=tuple(drifting.get(names[rater_id], ())),
        )
        for rater_id, tally in counts.items()
        if rater_id in names
    ]
    floor = terms.settings.gold.floor
    found = alerts(workspace, project, floor=floor, last=last) if floor is not None else []
    return TeamPage(tuple(sorted(members, key=lambda member: member.login)), tuple(found))


def agrees_with_others(question: Question, said: Iterable[Judgement]) -> dict[str, Agrees]:
    """Rater id → how often they say what the majority of the others say. Items whose others have no majority are left out."""
    by_item: dict[str, dict[str, str]] = defaultdict(dict)
    for each in said:
        by_item[each.item_id][each.rater_id] = plain(question, each.value)
    agreed: dict[str, list[bool]] = defaultdict(list)
    for answers in by_item.values():
        counts = Counter(answers.values())
        for rater, value in answers.items():
            ranked = (counts - Counter([value])).most_common(2)
            if ranked and (len(ranked) == 1 or ranked[0][1] > ranked[1][1]):
                agreed[rater].append(ranked[0][0] == value)
    found: dict[str, Agrees] = {}
    for rater, outcomes in sorted(agreed.items()):
        n, right = len(outcomes), sum(outcomes)
        if n < ENOUGH:
            found[rater] = Agrees(question.name, n, None, None, None, f"{n} items shared with others; a figure needs {ENOUGH}")
        else:
            interval = wilson(right, n)
            found[rater] = Agrees(question.name, n, right / n, interval.lower, interval.upper)
    return found


def drifts(workspace: Workspace, project: str) -> dict[str, list[Drift]]:
    """Login → whether their accuracy on gold changed between the older and the newer half of their answers, per question.

    Changed means that neither half's 95 % interval holds the other's estimate: a hint to look, not a test.
    """
    with workspace.read() as conn:
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
        answers = [each for each in known_answers(conn, workspace.id, project) if not each.abstained]
    asked = {question.name: question for question in rubric.questions}
    scores: dict[tuple[str, str], list[float]] = defaultdict(list)
    for each in answers:
        if each.question in asked:
            scores[(each.login, each.question)].append(float(is_right(asked[each.question], each.value, each.right)))
    found: dict[str, list[Drift]] = defaultdict(list)
    for (login, question), given in sorted(scores.items()):
        half = len(given) // 2
        before, after = (accuracy(part, login=login, question=question) for part in (given[:half], given[half:]))
        if before.estimate is None or after.estimate is None or before.lower is None or before.upper is None:
            found[login].append(Drift(question, before, after, None, before.reason or after.reason))
            continue
        assert after.lower is not None and after.upper is not None  # noqa: S101 - measured
        apart = not before.lower <= after.estimate <= before.upper and not after.lower <= before.estimate <= after.upper
        found[login].append(Drift(question, before, after, apart))
    return dict(found)


def _by_state(workspace_id: str, project: str) -> Select[Any]:
    return (
        select(A.rater_id, A.state, func.count().label("n"))
        .join(review_task, (T.workspace_id == A.workspace_id) & (T.id == A.task_id))
        .where(A.workspace_id == workspace_id, A.queue == project)
        .group_by(A.rater_id, A.state)
    )


def _counts(rows: Iterable[Any]) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows:
        counts[row.rater_id][row.state] += row.n
    return counts
