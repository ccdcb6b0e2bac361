"""The records of the review room: a task, a claim on it, a decision about it, and the numbers of a queue."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

CORRECTION = "correction"  # the free-text question that keeps the correct response, as a person reviewed or wrote it


@dataclass(frozen=True)
class SuggestedBy:
    """Where a suggestion comes from. ``probability`` is calibrated, ``score`` is as the machine gave it; both None where confidence is hidden."""

    question: str
    model: str
    model_version: str
    score: float | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Claimed:
    """A task in one person's hands, with all they need to answer it, and nothing that says what it is asked for.

    ``suggestion`` is ``{question: value}``, what is to be shown now as a machine's proposal, or None; with ``answer_first`` it comes after the
    person has committed to an answer of their own. ``questions`` are those this task asks, a part of the rubric's where roles differ. ``sides``
    (``ab`` or ``ba``) says which of a pair stands on the left, ``served_order`` in which order a ranking's candidates stand, by question.
    ``context`` is what an adjudicator sees of the others' answers, under aliases. ``expires_at`` is when the claim lapses (µs, UTC). ``state`` is
    the person's own: ``claimed``, or ``answered`` / ``skipped`` / ``released`` where a past task is looked at again. In a project ``priority`` is 0
    and ``due_at`` None for all, since they would tell known items from work.
    """

    task_id: str
    queue: str
    item_id: str
    rubric_id: str
    kind: str
    slices: dict[str, str]
    payload: dict[str, Any]
    why: tuple[str, ...]
    suggestion: dict[str, Any] | None
    harmful: bool
    flagged: bool
    revealed: bool
    priority: int
    due_at: int | None
    expires_at: int
    state: str = "claimed"
    questions: tuple[str, ...] = ()
    suggestions_by: tuple[SuggestedBy, ...] = ()
    answer_first: bool = False
    evidence_first: bool = False
    reason_on_accept: bool = False
    sides: str | None = None
    served_order: dict[str, list[str]] | None = None
    guideline_id: str | None = None
    guideline_number: int | None = None
    context: dict[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Answered:
    """What became of an answer.

    ``late``: the claim had lapsed, but nobody had taken the place. ``repeated``: the same request came before, and nothing was written now.
    """

    decision_id: str
    task_id: str
    judgements: dict[str, str]
    late: bool = False
    repeated: bool = False

    def to_dict(self) -> dict[str, Any]:
        return dict(self.__dict__)


@dataclass(frozen=True)
class Decision:
    """One past decision of a person. ``answers`` holds choices, not free text; ``undone`` once it was taken back."""

    id: str
    task_id: str
    queue: str
    kind: str
    answers: dict[str, Any]
    late: bool
    undone: bool
    created_at: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class TaskRow:
    """A task in a list: everything but the item's payload and the suggestion."""

    id: str
    queue: str
    item_id: str
    rubric_id: str
    role: str | None
    why: tuple[str, ...]
    harmful: bool
    priority: int
    overlap: int
    claims: int
    answers: int
    flags: int
    state: str
    created_at: int


@dataclass(frozen=True)
class TaskPage:
    """One page of a list. ``next`` is handed back as ``after`` for the following page; None at the end."""

    rows: tuple[TaskRow, ...]
    next: str | None


MOST_LEFT = 100  # as far as what is left to somebody is counted


@dataclass(frozen=True)
class Counts:
    """A queue in numbers. ``open + done + withdrawn`` is every task there is; ``answers`` counts people's answers, ``flags`` their flags."""

    open: int = 0
    done: int = 0
    withdrawn: int = 0
    answers: int = 0
    flags: int = 0

    @property
    def total(self) -> int:
        return self.open + self.done + self.withdrawn

    def to_dict(self) -> dict[str, int]:
        return asdict(self)


@dataclass(frozen=True)
class Progress:
    """How far one person is in a queue: how many tasks they answered, and how many are left to them, known items counted like work in both.

    ``left`` is what they hold and what they would yet be served if nobody else worked, counted up to a limit; ``more``: there is more.
    """

    answered: int
    left: int
    more: bool

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Waiting:
    """What waits in one queue for one role. ``role`` is None where anybody who reviews may answer; ``oldest_us`` is how long the oldest waits."""

    queue: str
    role: str | None
    open: int
    oldest_us: int

    def __str__(self) -> str:
        who = f"a person with the role '{self.role}'" if self.role else "anybody who reviews"
        return f"{self.open} item{'s' if self.open != 1 else ''} in '{self.queue}' wait for {who}, the oldest for {_ago(self.oldest_us)}"


@dataclass(frozen=True)
class Standing:
    """How a queue stands for one person: what they did, what they could still do, and why the rest is not theirs.

    ``held_by_others`` are tasks whose places are all taken for now, ``own_work`` open tasks about the person's own work or an item they
    answered for another purpose, ``other_roles`` open tasks
    by the role they wait for. ``other_skills`` are open tasks that need a skill the person has not shown. ``limit`` says why nothing is served for
    now: ``paused``, ``per_day``, ``at_once`` or ``break``; None where nothing stands in the way.
    """

    answered: int = 0
    skipped: int = 0
    held: int = 0
    open: int = 0
    held_by_others: int = 0
    own_work: int = 0
    other_roles: dict[str, int] = field(default_factory=dict)
    other_skills: int = 0
    limit: str | None = None

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def _ago(duration_us: int) -> str:
    minutes = duration_us // 60_000_000
    for size, name in ((1440, "day"), (60, "hour"), (1, "minute")):
        if minutes >= size:
            count = minutes // size
            return f"{count} {name}{'s' if count != 1 else ''}"
    return "less than a minute"
