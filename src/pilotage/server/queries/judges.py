"""Model judges beside people: are they as close to people as people are to each other, and what do their many scores say beside people's few?

People are those who answered without seeing a suggestion: who saw the judge's word leans to it. Where the project withholds suggestions by chance
(``arms.withheld``), these are a random sample of the items, which is what the corrected mean needs.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import mean, variance
from typing import Any

from sqlalchemy import func, select

from pilotage.judging import Judgement, Question, judgements
from pilotage.judging.tables import judgement as judgement_table
from pilotage.judging.tables import rater as rater_table
from pilotage.review.measuring import AlternativeAnnotator, Dimension, Plan, alternative_annotator_test, plan_evaluation, prediction_powered_mean
from pilotage.review.measuring.agreement import people_said
from pilotage.review.measuring.judge_vs_people import EPSILON
from pilotage.review.measuring.matching import COMPARABLE, plain
from pilotage.review.projects import Project
from pilotage.review.tables import review_task, suggestion
from pilotage.server.queries.measures import Figure, of_agreement, of_evidence
from pilotage.store import Workspace

POOLS = tuple(EPSILON)
_CHUNK = 500
J, R, S, T = judgement_table.c, rater_table.c, suggestion.c, review_task.c


@dataclass(frozen=True)
class Judge:
    """A model that judged items of the project: as a rater of its own (``rater``) or by what it suggests. ``n`` answers."""

    key: str
    name: str
    version: str
    how: str
    n: int


@dataclass(frozen=True)
class LeftOut:
    """One person left out in the test: how often the judge, and how often they, are at least as close to the others."""

    login: str
    n: int
    judge: float
    person: float
    beaten: bool | None
    reason: str


@dataclass(frozen=True)
class JudgeFigures:
    """A judge held to people on one question.

    ``aided``: how many answers of people were left aside because a suggestion was in sight. ``mean`` is what people would give on average, from
    their few scores and the judge's many; ``alone`` the interval of people only, ``worth`` how many human scores the combination is worth.
    """

    test: AlternativeAnnotator
    people: tuple[LeftOut, ...]
    ceiling: Figure
    together: Figure
    mean: Figure
    alone: tuple[float, float, float] | None
    worth: float | None
    weight: float | None
    judge_bias: float | None
    share: bool
    of: str
    aided: int
    human_items: int
    judged_items: int


def judges_of(workspace: Workspace, project: Project) -> list[Judge]:
    """The models that judged the project's items or suggest answers to them. Cost: one pass over its suggestions, and its machine judgements."""
    mine = (T.workspace_id == workspace.id, T.queue == project.name, T.purpose == "work")
    said = (
        select(R.id, R.name, R.version, func.count().label("n"))
        .join(judgement_table, (J.workspace_id == R.workspace_id) & (J.rater_id == R.id))
        .join(review_task, (T.workspace_id == J.workspace_id) & (T.item_id == J.item_id))
        .where(*mine, R.kind == "model", J.rubric_id == project.rubric.id, J.abstained == 0)
        .group_by(R.id, R.name, R.version)
    )
    suggested = (
        select(S.model, S.model_version, func.count().label("n"))
        .join(review_task, (T.workspace_id == S.workspace_id) & (T.item_id == S.item_id))
        .where(*mine)
        .group_by(S.model, S.model_version)
    )
    with workspace.read() as conn:
        found = [Judge(f"rater:{row.id}", row.name, row.version, "judges", int(row.n)) for row in conn.execute(said)]
        found += [
            Judge(f"model:{row.model}:{row.model_version}", row.model, row.model_version, "suggests", int(row.n)) for row in conn.execute(suggested)
        ]
    return sorted(found, key=lambda one: (one.name, one.version, one.how))


def judge_figures(workspace: Workspace, project: Project, question: Question, judge: Judge, *, pool: str, value: str) -> JudgeFigures:
    """One judge on one question. Cost: one pass over the question's answers."""
    _, given = people_said(workspace, project.name, question.name)
    unaided = [each for each in given if each.suggestion is None]
    numeric = question.kind == "rating"
    logins = _logins(workspace)
    scores: dict[str, dict[str, Any]] = defaultdict(dict)
    for each in unaided:
        scores[logins.get(each.rater_id, each.rater_id)][each.item_id] = each.value if numeric else plain(question, each.value)
    machine = {item: answer if numeric else plain(question, answer) for item, answer in _machine(workspace, project, question, judge).items()}
    test = alternative_annotator_test(scores, machine, pool=pool, numeric=numeric)
    human, judged, scale, of = _as_numbers(question, unaided, machine, value)
    both = {item: score for item, score in human.items() if item in judged}
    found = prediction_powered_mean(both, judged, metric="people_would_say", scale=scale)
    alone = found.detail.get("human_only")
    return JudgeFigures(
        test=test,
        people=tuple(LeftOut(each.rater, each.n, each.judge, each.person, each.beaten, each.reason) for each in test.people),
        ceiling=of_agreement(test.ceiling, "people among themselves"),
        together=of_agreement(test.judge_agreement, "with the judge"),
        mean=of_evidence(found, of, "scores", low=scale[0], high=scale[1]),
        alone=tuple(alone) if alone else None,
        worth=found.detail.get("worth"),
        weight=found.detail.get("lambda"),
        judge_bias=found.detail.get("judge_bias"),
        share=not numeric,
        of=of,
        aided=len(given) - len(unaided),
        human_items=len(human),
        judged_items=len(judged),
    )


def _logins(workspace: Workspace) -> dict[str, str]:
    with workspace.read() as conn:
        return {row.id: row.name for row in conn.execute(select(R.id, R.name).where(R.workspace_id == workspace.id, R.kind == "person"))}


def _machine(workspace: Workspace, project: Project, question: Question, judge: Judge) -> dict[str, Any]:
    mine = select(T.item_id).where(T.workspace_id == workspace.id, T.queue == project.name, T.purpose == "work")
    if judge.how == "judges":
        said = judgements(workspace, question=question.name, rater_kind="model", rubric_id=project.rubric.id)
        with workspace.read() as conn:
            items = set(conn.execute(mine.distinct()).scalars())
        rater = judge.key.removeprefix("rater:")
        return {each.item_id: each.value for each in said if each.rater_id == rater and not each.abstained and each.item_id in items}
    where = (S.workspace_id == workspace.id, S.question == question.name, S.model == judge.name, S.model_version == judge.version)
    with workspace.read() as conn:
        return {row.item_id: row.value for row in conn.execute(select(S.item_id, S.value).where(*where, S.item_id.in_(mine)))}


def _as_numbers(
    question: Question, given: Iterable[Judgement], machine: dict[str, Any], value: str
) -> tuple[dict[str, float], dict[str, float], tuple[float, float], str]:
    """Scores of people (the mean over those who judged an item) and of the judge; the scale; and what the mean is of."""
    by_item: dict[str, list[float]] = defaultdict(list)
    if question.kind == "rating":
        for each in given:
            by_item[each.item_id].append(float(each.value))
        judged = {item: float(said) for item, said in machine.items()}
        return {item: mean(said) for item, said in by_item.items()}, judged, (float(question.minimum), float(question.maximum)), "the mean score"
    for each in given:
        by_item[each.item_id].append(float(plain(question, each.value) == value))
    judged = {item: float(said == value) for item, said in machine.items()}
    return {item: mean(said) for item, said in by_item.items()}, judged, (0.0, 1.0), f"the share of “{value}”"


def comparable(project: Project) -> list[Question]:
    """The questions a judge can be held to people on."""
    return [question for question in project.rubric.questions if question.kind in COMPARABLE and question.kind not in ("spans", "ranking")]


def values_of(question: Question) -> list[str]:
    """Whose share may be asked for; nothing for a rating, whose mean is asked for."""
    if question.kind == "bool":
        return ["yes", "no"]
    if question.kind == "pair":
        return ["a", "b", "tie", "both_bad"]
    return [option.value for option in question.options] if question.kind in ("choice", "choices") else []


@dataclass(frozen=True)
class PlanWanted:
    """What the planner is asked, for every dimension alike: shares within ± ``share``, scores within ± ``score``, a difference ``effect``."""

    share: float = 0.05
    score: float = 0.25
    effect: float = 0.1
    raters: int = 2
    minutes: float = 1.0


@dataclass(frozen=True)
class PlanLine:
    """The plan of one dimension; ``from_data`` says where its variances came from."""

    question: str
    plan: Plan
    from_data: str


def plan_lines(workspace: Workspace, project: Project, wanted: PlanWanted) -> list[PlanLine]:
    """How many items each dimension of the rubric needs. Cost: one pass over the answers to its ratings."""
    lines = []
    for question in comparable(project):
        dimension, words = _dimension(workspace, project, question, wanted)
        lines.append(PlanLine(question.name, plan_evaluation([dimension])[0], words))
    return lines


def _dimension(workspace: Workspace, project: Project, question: Question, wanted: PlanWanted) -> tuple[Dimension, str]:
    shared: dict[str, Any] = {"name": question.name, "raters": wanted.raters, "minutes": wanted.minutes}
    if question.kind == "pair":
        return Dimension(kind="preference", effect=wanted.effect, **shared), "half of the items are taken to have a preference"
    if question.kind != "rating":
        return Dimension(kind="rate", half_width=wanted.share, **shared), "a share of one half, the most cautious guess"
    spread = _spread([each for each in people_said(workspace, project.name, question.name)[1] if isinstance(each.value, int | float)])
    if spread is None:
        full = (question.maximum - question.minimum) / 4
        guess = Dimension(kind="mean", half_width=wanted.score, sd_items=full, sd_raters=full / 2, **shared)
        return guess, f"no pilot: a standard deviation of a quarter of the scale ({full:g}) is taken"
    between, within, n = spread
    found = Dimension(kind="mean", half_width=wanted.score, sd_items=max(between, 0.01), sd_raters=within, **shared)
    return found, f"standard deviations {between:.2f} between items and {within:.2f} between people, from {n} items judged twice here"


def _spread(given: Sequence[Judgement]) -> tuple[float, float, int] | None:
    """Standard deviations between items and between people on one, of items judged twice or more; None below ten."""
    by_item: dict[str, list[float]] = defaultdict(list)
    for each in given:
        by_item[each.item_id].append(float(each.value))
    many = [said for said in by_item.values() if len(said) > 1]
    if len(many) < 10:
        return None
    within = mean(variance(said) for said in many)
    size = mean(len(said) for said in many)
    between = max(0.0, variance([mean(said) for said in many]) - within / size)
    return math.sqrt(between), math.sqrt(within), len(many)
