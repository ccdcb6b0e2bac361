"""How often a person is right on items whose answers are known, and how fast they are.

Wilson's interval and the Beta posterior (Jeffreys prior) of the last answers, per person, question and slice. Below :data:`ENOUGH` answers there is
no figure. An alert needs the *upper* bound below the floor, with the level widened for the number of figures looked at: of fifty honest people one
or two look bad by chance. It proposes that a lead looks; nothing happens to anybody by itself, and never because of a single item.

Cost: one query over the known tasks and their answers, not over the work.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from sqlalchemy import select

from pilotage.core import InputError
from pilotage.core.distributions import beta_quantile
from pilotage.evidence import wilson
from pilotage.judging import ABOUT_ITEMS, Question, person
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import judgement as judgement_table
from pilotage.review.measuring.known import KnownAnswer, in_force, known_answers
from pilotage.review.measuring.matching import is_right, plain, score
from pilotage.review.tables import review_task
from pilotage.store import Workspace

ENOUGH = 20
FAST_MS = 2_000
_JEFFREYS = 0.5


@dataclass(frozen=True)
class Accuracy:
    """How often somebody was right.

    estimate, lower, upper
        The share right and Wilson's interval at ``level``; None where ``status`` is ``not_assessable`` (then ``reason`` says why).
    posterior, posterior_lower, posterior_upper
        Mean and equal-tailed interval of the Beta posterior: what a router or an aggregator may use of few answers.
    score
        The mean partial score, 0 to 1; differs from ``estimate`` only for several options and spans.
    """

    login: str
    question: str
    n: int
    right: int
    estimate: float | None
    lower: float | None
    upper: float | None
    posterior: float
    posterior_lower: float
    posterior_upper: float
    level: float
    status: str = "measured"
    reason: str = ""
    score: float | None = None
    slice: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        of = f" [{', '.join(f'{key}={value}' for key, value in sorted(self.slice.items()))}]" if self.slice else ""
        name = f"{self.login}, {self.question}{of}"
        if self.estimate is None:
            return f"{name}: not assessable: {self.reason}"
        return f"{name}: {self.estimate:.3f} [{self.lower:.3f}, {self.upper:.3f}] at {self.level:.0%}, n = {self.n}"

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


@dataclass(frozen=True)
class Confusion:
    """What was given where what was right: ``counts[right][given]``, as plain texts."""

    login: str
    question: str
    counts: dict[str, dict[str, int]]

    @property
    def n(self) -> int:
        """Answers counted."""
        return sum(sum(row.values()) for row in self.counts.values())


@dataclass(frozen=True)
class Period:
    """Accuracy within one stretch of time, from ``since`` (µs, UTC), ``width`` long."""

    since: int
    width: int
    accuracy: Accuracy


@dataclass(frozen=True)
class Speed:
    """How fast somebody answers: milliseconds of active time per item, over their last ``n`` timed items.

    ``longest_streak``: the longest run of suggestions accepted in under 2 s each; ``fast_share`` the share of suggestions accepted that fast.
    None where nothing was timed, or no suggestion was shown.
    """

    login: str
    n: int
    median_ms: float | None
    shown: int
    accepted: int
    fast_share: float | None
    longest_streak: int


@dataclass(frozen=True)
class Alert:
    """A proposal to who leads the project: look at this. Nothing follows from it by itself."""

    login: str
    kind: str  # below_floor | fast_accepts
    question: str
    says: str
    accuracy: Accuracy | None = None
    speed: Speed | None = None


def accuracy(outcomes: Iterable[float], *, login: str, question: str, level: float = 0.95, slice: Mapping[str, str] | None = None) -> Accuracy:
    """The accuracy of ``outcomes``: scores 0 to 1, of which those of 1 are right."""
    scores = list(outcomes)
    n, right = len(scores), sum(1 for value in scores if value >= 1)
    a, b = right + _JEFFREYS, n - right + _JEFFREYS
    tail = (1 - level) / 2
    posterior = (a / (a + b), beta_quantile(tail, a, b), beta_quantile(1 - tail, a, b))
    about: dict[str, Any] = {"login": login, "question": question, "n": n, "right": right, "level": level, "slice": dict(slice or {})}
    about.update(zip(("posterior", "posterior_lower", "posterior_upper"), posterior, strict=True))
    if n < ENOUGH:
        reason = f"{n} known items answered; a figure needs {ENOUGH}" if n else "no known items answered"
        return Accuracy(**about, estimate=None, lower=None, upper=None, status="not_assessable", reason=reason)
    interval = wilson(right, n, level=level)
    return Accuracy(**about, estimate=right / n, lower=interval.lower, upper=interval.upper, score=sum(scores) / n)


def team_accuracy(
    workspace: Workspace,
    project: str,
    *,
    last: int | None = 100,
    by: str | None = None,
    login: str | None = None,
    question: str | None = None,
    level: float = 0.95,
) -> list[Accuracy]:
    """Rolling accuracy on gold, per person and question, by login.

    Parameters
    ----------
    last
        Only each person's last so many known items of a question (of a slice, with ``by``); None for all.
    by
        A slice's name: one figure per value of it besides.
    """
    questions, answers = _gold(workspace, project, login=login)
    groups: dict[tuple[str, str], list[KnownAnswer]] = defaultdict(list)
    for answer in answers:
        if question is None or answer.question == question:
            groups[(answer.login, answer.question)].append(answer)
    found: list[Accuracy] = []
    for (who, asked), given in sorted(groups.items()):
        found.append(_of(given, questions[asked], who, last, level))
        if by is not None:
            for value in sorted({answer.slices.get(by, "") for answer in given} - {""}):
                part = [answer for answer in given if answer.slices.get(by) == value]
                found.append(_of(part, questions[asked], who, last, level, {by: value}))
    return found


def accuracy_of(workspace: Workspace, project: str, login: str, *, last: int | None = 100, by: str | None = None) -> list[Accuracy]:
    """One person's rolling accuracy, per question; see :func:`team_accuracy`."""
    return team_accuracy(workspace, project, last=last, by=by, login=login)


def accuracy_over_time(workspace: Workspace, project: str, login: str, question: str, *, width_us: int = 7 * 86_400_000_000) -> list[Period]:
    """One person's accuracy in stretches of ``width_us``, oldest first; stretches without known items are left out."""
    if width_us <= 0:
        raise InputError(f"A stretch of {width_us} µs is none.", mend="give a positive length")
    questions, answers = _gold(workspace, project, login=login)
    periods: dict[int, list[KnownAnswer]] = defaultdict(list)
    for answer in answers:
        if answer.question == question:
            periods[answer.at // width_us].append(answer)
    return [Period(key * width_us, width_us, _of(given, questions[question], login, None, 0.95)) for key, given in sorted(periods.items())]


def team_over_time(workspace: Workspace, project: str, *, width_us: int = 7 * 86_400_000_000) -> dict[tuple[str, str], list[Period]]:
    """As :func:`accuracy_over_time` of everybody, by (login, question): one pass over the project's gold."""
    if width_us <= 0:
        raise InputError(f"A stretch of {width_us} µs is none.", mend="give a positive length")
    questions, answers = _gold(workspace, project)
    periods: dict[tuple[str, str], dict[int, list[KnownAnswer]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        periods[(answer.login, answer.question)][answer.at // width_us].append(answer)
    return {
        (login, question): [
            Period(key * width_us, width_us, _of(part, questions[question], login, None, 0.95)) for key, part in sorted(given.items())
        ]
        for (login, question), given in sorted(periods.items())
    }


def confusion(workspace: Workspace, project: str, question: str, *, login: str | None = None) -> list[Confusion]:
    """What people gave where what was right, one table per person who answered gold of this question."""
    questions, answers = _gold(workspace, project, login=login)
    tables: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for answer in answers:
        if answer.question == question:
            asked = questions[question]
            tables[answer.login][plain(asked, answer.right)][plain(asked, answer.value)] += 1
    return [Confusion(who, question, {right: dict(row) for right, row in sorted(table.items())}) for who, table in sorted(tables.items())]


def speed_of(workspace: Workspace, project: str, login: str, *, last: int = 200, purposes: Iterable[str] = ABOUT_ITEMS) -> Speed:
    """How fast a person answers the project's work. Cost: one index range over their last judgements."""
    j, t = judgement_table.c, review_task.c
    query = (
        select(j.item_id, j.value, j.suggestion, j.active_ms, j.created_at, j.id)
        .where(j.workspace_id == workspace.id, j.rater_id == person(login).id, j.purpose.in_(sorted(purposes)), j.abstained == 0)
        .where(j.item_id.in_(select(t.item_id).where(t.workspace_id == workspace.id, t.queue == project)))
        .order_by(j.created_at.desc(), j.id.desc())
        .limit(last * 4)
    )
    with workspace.read() as conn:
        rows = conn.execute(query).all()
    items: dict[tuple[str, int], list[Any]] = defaultdict(list)
    for row in reversed(rows):
        items[(row.item_id, row.created_at)].append(row)
    return speed([_Timed.of(found) for found in list(items.values())[-last:]], login=login)


@dataclass(frozen=True)
class _Timed:
    """One item answered: the time, and whether a suggestion was shown and taken over whole."""

    active_ms: int | None
    shown: bool
    accepted: bool

    @classmethod
    def of(cls, rows: list[Any]) -> _Timed:
        proposed = [row for row in rows if row.suggestion is not None]
        return cls(rows[0].active_ms, bool(proposed), bool(proposed) and all(row.value == row.suggestion for row in proposed))


def speed(items: list[_Timed], *, login: str) -> Speed:
    """The speed of ``items``, in the order they were answered."""
    times = [item.active_ms for item in items if item.active_ms is not None]
    shown = [item for item in items if item.shown]
    fast = [item.accepted and item.active_ms is not None and item.active_ms < FAST_MS for item in shown]
    longest = run = 0
    for quick in fast:
        run = run + 1 if quick else 0
        longest = max(longest, run)
    return Speed(
        login=login,
        n=len(times),
        median_ms=float(median(times)) if times else None,
        shown=len(shown),
        accepted=sum(item.accepted for item in shown),
        fast_share=sum(fast) / len(fast) if fast else None,
        longest_streak=longest,
    )


def alerts(workspace: Workspace, project: str, *, floor: float, last: int = 100, streak: int = 20, level: float = 0.95) -> list[Alert]:
    """What who leads the project should look at: people surely below ``floor``, and long runs of suggestions accepted in under 2 s.

    Parameters
    ----------
    floor
        The accuracy, 0 to 1, below which somebody must surely lie: the upper bound is compared, at a level widened for everybody looked at.
    streak
        How many quick acceptances in a row are worth a word.
    """
    if not 0 < floor < 1:
        raise InputError(f"A floor of {floor} is not between 0 and 1.", mend="give the least accuracy the project can live with")
    looked_at = [each for each in team_accuracy(workspace, project, last=last) if each.estimate is not None]
    widened = 1 - (1 - level) / max(1, len(looked_at))
    found: list[Alert] = []
    for each in looked_at:
        upper = wilson(each.right, each.n, level=widened).upper
        if upper < floor:
            says = f"right on {each.right} of {each.n} known items; even the upper bound, {upper:.3f}, is below {floor:g}"
            found.append(Alert(each.login, "below_floor", each.question, says, accuracy=each))
    for login in sorted({each.login for each in looked_at}):
        pace = speed_of(workspace, project, login)
        if pace.longest_streak >= streak:
            says = f"{pace.longest_streak} suggestions in a row accepted in under {FAST_MS // 1000} s each"
            found.append(Alert(login, "fast_accepts", "", says, speed=pace))
    return found


def reliability(workspace: Workspace, project: str, question: str, *, last: int | None = 200) -> dict[str, Accuracy]:
    """Accuracy on gold by *rater id*: what settling and triage weigh answers with. Raters without gold are not in it."""
    return {person(each.login).id: each for each in team_accuracy(workspace, project, last=last, question=question)}


def _gold(workspace: Workspace, project: str, *, login: str | None = None) -> tuple[dict[str, Question], list[KnownAnswer]]:
    with workspace.read() as conn:
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
        rater_id = None if login is None else person(login).id
        answers = known_answers(conn, workspace.id, project, rater_id=rater_id)
    questions = {question.name: question for question in rubric.questions}
    return questions, [answer for answer in answers if not answer.abstained and answer.question in questions]


def _of(given: list[KnownAnswer], question: Question, login: str, last: int | None, level: float, slice: Mapping[str, str] | None = None) -> Accuracy:
    taken = given if last is None else given[-last:]
    outcomes = [score(question, answer.value, answer.right) for answer in taken]
    return accuracy(outcomes, login=login, question=question.name, level=level, slice=slice)


Right = Callable[[KnownAnswer], bool]


def right_with(questions: Mapping[str, Question]) -> Right:
    """Whether a known answer is right, given the rubric's questions."""
    return lambda answer: not answer.abstained and is_right(questions[answer.question], answer.value, answer.right)
