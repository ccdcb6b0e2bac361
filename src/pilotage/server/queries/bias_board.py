"""The bias board of a project: whether people still look, with what each figure rests on. Which items carry a planted error is never read here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import func, select

from pilotage.core import MICROSECONDS, InputError, PilotageError
from pilotage.evidence import Evidence
from pilotage.ledger import head
from pilotage.review.bias import (
    CONSENT,
    Board,
    Change,
    Effects,
    Needed,
    Seeding,
    SeedPlan,
    board,
    compare_settings,
    for_width,
    machine_confusion,
    per_arm,
    plan_collection,
    plan_seeds,
    plant,
    secret_draw,
    seed_candidates,
)
from pilotage.review.projects import Project
from pilotage.review.projects.versions import project_versions
from pilotage.review.tables import review_decision, review_seed, review_task
from pilotage.server.queries.measures import Figure, Small, draw_small, of_evidence
from pilotage.store import Workspace

DAY_US = 86_400 * MICROSECONDS
RECENT_DAYS = 14

# of Effects: its name, its words, what it is made from, the scale it is drawn on, where nothing would happen, and whether it is a share
FIGURES: tuple[tuple[str, str, str, str, float, float, float | None, bool], ...] = (
    ("miss_rate", "Planted errors accepted", "how often a planted error went through", "seeds", 0.0, 1.0, None, True),
    ("excess_agreement", "Excess following", "agreement with wrong suggestions where shown, less where withheld", "answers", -0.5, 1.0, 0.0, True),
    ("excess_on_seeds", "Excess on seeds", "the planted value given where planted, less where it was not", "answers", -0.5, 1.0, 0.0, True),
    (
        "rair",
        "Took good advice (RAIR)",
        "of wrong first answers against a right suggestion, how many became right",
        "first answers",
        0.0,
        1.0,
        None,
        True,
    ),
    ("rsr", "Stood by themselves (RSR)", "of right first answers against a wrong suggestion, how many stayed", "first answers", 0.0, 1.0, None, True),
    ("over_correction", "Over-correction", "right suggestions turned down", "right suggestions", 0.0, 1.0, None, True),
    ("d_prime", "Telling wrong from right (d′)", "0: not told apart", "suggestions", -1.0, 4.0, 0.0, False),
    ("criterion", "Leaning (c)", "above 0: to accept", "suggestions", -2.0, 2.0, 0.0, False),
    (
        "time_ratio",
        "Time, wrong to right",
        "how many times as long wrong suggestions took; 1: nobody looked longer",
        "suggestions",
        0.0,
        3.0,
        1.0,
        False,
    ),
    (
        "fast_accepts",
        "Fast accepts",
        "suggestions accepted in runs of at least five, in under two seconds each",
        "timed answers",
        0.0,
        1.0,
        None,
        True,
    ),
)


@dataclass(frozen=True)
class BiasFigure:
    """One figure of the board: its words, and whether it is a share (told in percent)."""

    key: str
    title: str
    means: str
    share: bool
    figure: Figure


@dataclass(frozen=True)
class Part:
    """The same of one person, slice or hour: the miss rate and d′, and how many answers."""

    name: str
    miss_rate: Figure
    d_prime: Figure
    n: int
    people: int


@dataclass(frozen=True)
class ChangeFigures:
    """What changed from one set of answers to another, with its price."""

    name: str
    before: Figure
    after: Figure
    difference: Figure
    turned_down: Figure
    time: Figure
    randomised: bool


@dataclass(frozen=True)
class BoardFigures:
    """The board of a project."""

    n: int
    people: int
    figures: tuple[BiasFigure, ...]
    longest_streak: int
    void_seeds: int
    by_person: tuple[Part, ...]
    by_slice: tuple[Part, ...]
    by_hour: tuple[Part, ...]
    hours_drawn: Small | None
    answer_first: ChangeFigures
    arms: Mapping[str, int]
    truth_from: Mapping[str, int]
    seeds: int


def board_figures(workspace: Workspace, project: str, *, slice_by: str | None) -> BoardFigures:
    """The board. Cost: one pass over the project's answers to shown or withheld suggestions."""
    found: Board = board(workspace, project, slice_by=slice_by)
    hours = tuple(sorted((_part(name, one) for name, one in found.hours.items()), key=lambda part: int(part.name)))
    last = max((int(part.name) for part in hours), default=1)
    drawn = draw_small(
        [(float(part.name), part.miss_rate, _of_hour(part)) for part in hours], first=1.0, last=float(last), ends=("hour 1", f"hour {last}")
    )
    return BoardFigures(
        n=found.team.n,
        people=found.team.people,
        figures=_figures(found.team),
        longest_streak=found.team.longest_streak,
        void_seeds=found.team.void_seeds,
        by_person=tuple(_part(name, one) for name, one in sorted(found.people.items())),
        by_slice=tuple(_part(name, one) for name, one in sorted(found.slices.items())),
        by_hour=hours,
        hours_drawn=drawn,
        answer_first=change_figures(found.answer_first),
        arms=found.arms,
        truth_from=found.truth_from,
        seeds=found.arms.get("seeded", 0),
    )


def _of_hour(part: Part) -> str:
    one = part.miss_rate
    if one.estimate is None:
        return f"hour {part.name}: {one.reason}"
    return f"hour {part.name}: {one.estimate:.2f}, {one.lower:.2f} to {one.upper:.2f}, n = {one.n}"


def _figures(effects: Effects) -> tuple[BiasFigure, ...]:
    return tuple(
        BiasFigure(key, title, means, share, of_evidence(getattr(effects, key), title, unit, low=low, high=high, mark=mark))
        for key, title, means, unit, low, high, mark, share in FIGURES
    )


def _part(name: str, effects: Effects) -> Part:
    return Part(
        name,
        of_evidence(effects.miss_rate, "miss rate", "seeds"),
        of_evidence(effects.d_prime, "d′", low=-1.0, high=4.0, mark=0.0),
        effects.n,
        effects.people,
    )


def change_figures(change: Change) -> ChangeFigures:
    """A comparison as it is shown."""

    def share(one: Evidence, name: str) -> Figure:
        return of_evidence(one, name, "suggestions", low=-0.5, high=0.5, mark=0.0)

    return ChangeFigures(
        change.name,
        of_evidence(change.before, "before", "wrong suggestions"),
        of_evidence(change.after, "after", "wrong suggestions"),
        share(change.difference, "difference"),
        share(change.right_turned_down, "right ones turned down"),
        of_evidence(change.time_ratio, "time", low=0.0, high=2.0, mark=1.0),
        change.randomised,
    )


@dataclass(frozen=True)
class VersionName:
    """A version of the settings to compare: its number, and since when it was in force."""

    number: int
    created_at: int


def versions(workspace: Workspace, project: str) -> list[VersionName]:
    """The project's versions, oldest first."""
    return [VersionName(each.number, each.created_at) for each in reversed(project_versions(workspace, project))]


def compare(workspace: Workspace, project: str, before: int, after: int) -> ChangeFigures:
    """What changed between the times two versions were in force. Cost: two passes as of the board."""
    return change_figures(compare_settings(workspace, project, before=before, after=after))


@dataclass(frozen=True)
class Pace:
    """How quickly seeds come in: answers a day of all people together and seeded ones among them, over the last days with work."""

    people: int
    answers_a_day: float
    seeded_a_day: float
    days: int


def pace(workspace: Workspace, project: str) -> Pace:
    """The pace of the last two weeks before the newest answer. Cost: one pass over the decisions of those days."""
    d = review_decision.c
    where = (d.workspace_id == workspace.id, d.queue == project, d.kind == "answered", d.undone == 0)
    with workspace.read() as conn:
        newest = conn.execute(select(func.max(d.created_at)).where(*where)).scalar()
        if newest is None:
            return Pace(0, 0.0, 0.0, 0)
        since = (*where, d.created_at > newest - RECENT_DAYS * DAY_US)
        day = d.created_at // DAY_US
        people, answers, days = conn.execute(select(func.count(d.rater_id.distinct()), func.count(), func.count(day.distinct())).where(*since)).one()
        seeded = conn.execute(select(func.count()).where(*since, d.arm == "seeded").select_from(review_decision)).scalar_one()
    return Pace(int(people), answers / days, seeded / days, int(days))


@dataclass(frozen=True)
class PlanAsked:
    """What the planner is asked: a miss rate to be known within ± ``half_width``, ``at`` about so much."""

    at: float
    half_width: float
    rate: float
    people: int
    per_day: int
    icc: float


@dataclass(frozen=True)
class Planned:
    """How many seeds it takes, and how long. ``waiting_days``: until the board's own number is reached at the present pace, None if it never is."""

    asked: PlanAsked
    needed: int
    plan: SeedPlan | None
    reason: str
    pairs: tuple[tuple[str, int], ...]
    have: int
    for_figure: int
    waiting_days: int | None


def plan(asked: PlanAsked, *, have: int, pace: Pace) -> Planned:
    """The plan. Raises ``InputError`` for numbers that make none possible; that people are too much alike is said instead."""
    needed = for_width(asked.half_width, at=asked.at)
    try:
        made: SeedPlan | None = plan_collection(seeds=needed, rate=asked.rate, people=asked.people, per_day=asked.per_day, icc=asked.icc)
        reason = ""
    except PilotageError as error:
        made, reason = None, f"{error.what} {error.mend or ''}".strip()
    least = Needed().seeds
    missing = max(0, least - have)
    days = 0 if not missing else math.ceil(missing / pace.seeded_a_day) if pace.seeded_a_day else None
    pairs = tuple((f"{first:.0%} from {second:.0%}", per_arm(first, second)) for first, second in ((0.26, 0.53), (0.10, 0.20), (0.05, 0.10)))
    return Planned(asked, needed, made, reason, pairs, have, least, days)


@dataclass(frozen=True)
class Planting:
    """What planting would do, in numbers only: ``new`` seeds on ``candidates`` tasks, and why drawn tasks carry none."""

    question: str
    rate: float
    new: int
    candidates: int
    left_out: Mapping[str, int]


def _seeding(workspace: Workspace, project: Project, question: str, rate: float) -> Seeding:
    if question not in {each.name for each in project.rubric.questions}:
        raise InputError(f"The project asks no question '{question}'.", mend="choose one of those on the page")
    return plan_seeds(
        seed_candidates(workspace, project.name, question),
        rate=rate,
        dealt=project.settings.arms.seeded,
        confusion=machine_confusion(workspace, project.name, question),
        seed=secret_draw(workspace, project.name),
    )


def plan_planting(workspace: Workspace, project: Project, question: str, rate: float) -> Planting:
    """How many seeds planting would make. Raises ``InputError`` where the rate is out of range or nobody is dealt the arm."""
    made = _seeding(workspace, project, question, rate)
    return Planting(question, rate, len(made.seeds), made.candidates, made.left_out)


def do_plant(workspace: Workspace, project: Project, question: str, rate: float) -> int:
    """Plant, and say how many are new. Raises as :func:`pilotage.review.bias.plant` does: ``Refused`` without a consent text."""
    return plant(workspace, project.name, _seeding(workspace, project, question, rate))


@dataclass(frozen=True)
class Standing:
    """What the project declares about it, and how many seeds are planted and answered."""

    consent: str
    proposed_consent: str
    planted: int
    questions: tuple[str, ...]


def standing(workspace: Workspace, project: Project) -> Standing:
    """Consent and counts; how many, never which. Cost: one index range over the seeds."""
    s, t = review_seed.c, review_task.c
    query = select(func.count()).select_from(review_seed.join(review_task, (t.workspace_id == s.workspace_id) & (t.id == s.task_id)))
    with workspace.read() as conn:
        planted = int(conn.execute(query.where(s.workspace_id == workspace.id, t.queue == project.name)).scalar_one())
    questions = tuple(each.name for each in project.rubric.questions if each.kind in ("choice", "bool", "rating", "choices"))
    return Standing(project.settings.consent, CONSENT, planted, questions)


@dataclass(frozen=True)
class Stamp:
    """What a printed board says of itself."""

    workspace: str
    ledger_size: int
    chain_hash: str
    at: str


def stamp(workspace: Workspace, at_us: int) -> Stamp:
    """Where the ledger stood when the page was made."""
    found = head(workspace)
    return Stamp(workspace.name, found.size, found.chain_hash, f"{datetime.fromtimestamp(at_us / MICROSECONDS, UTC):%Y-%m-%d %H:%M} UTC")
