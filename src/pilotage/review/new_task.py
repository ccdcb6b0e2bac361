"""What is put before people: the record of a new task, and whether it fits the rubric it is put under. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pilotage.core import InputError, content_id
from pilotage.judging import ABOUT_ITEMS, Item, Rubric
from pilotage.review.questions import check_answers
from pilotage.review.tables import MAX_PRIORITY

LABELLING = "labelling"  # the one reason every item of a labelling project has: gold and exams must not be told from work
JUST_LABELLING = (LABELLING,)
TEST_PURPOSES = ("gold", "qualification", "calibration")
TASK_PURPOSES = (*ABOUT_ITEMS, *TEST_PURPOSES)


class Suggestion(msgspec.Struct, frozen=True):
    """What a machine proposes as the answer to one question. ``probability`` is calibrated, 0 to 1; ``score`` is as the machine gave it.

    A suggestion that names no model is shown like any other, but cannot be compared with another model's.
    """

    question: str
    value: Any
    score: float | None = None
    probability: float | None = None
    model: str = ""
    model_version: str = ""


class NewTask(msgspec.Struct, frozen=True):
    """An item to be put before people. A struct, as its suggestions are: made a million times, it costs a tenth of a frozen dataclass.

    item
        The record, or the id of a stored one.
    suggestions
        Any number. People are shown, for each question, the one with the highest probability, else score, else the first.
    slices
        Added to those of the item.
    why
        Reason codes. Leave them alone in a project with gold, or gold tells itself apart.
    overlap
        How many people are to answer; None for what the project says. For gold, exams and calibration it is the exposure cap.
    due_at
        µs, UTC; None for what the project says.
    purpose
        ``work``, ``adjudication``, ``audit``, ``gold``, ``qualification`` or ``calibration``.
    gold, explanation
        What is known to be right, ``{question: value}``, and why; for the last three purposes.
    seed, made_from
        A wrong suggestion to plant for those whose arm is ``seeded``, and how it was made: ``second_choice``, ``confusion`` or ``given``.
    selected_by, route_id
        How the item came to be asked, and the routing decision that sent it.
    authors
        Logins of those whose work it is, besides those the payload names in ``authors``. They are never served it.
    """

    item: Item | str
    suggestions: Collection[Suggestion] = ()
    slices: Mapping[str, str] = msgspec.field(default_factory=dict)
    priority: int = 0
    due_at: int | None = None
    purpose: str = "work"
    gold: Mapping[str, Any] = msgspec.field(default_factory=dict)
    explanation: str = ""
    seed: Mapping[str, Any] = msgspec.field(default_factory=dict)
    made_from: str = "given"
    selected_by: str = "order"
    route_id: str | None = None
    authors: Collection[str] = ()
    why: Collection[str] = JUST_LABELLING
    harmful: bool = False
    overlap: int | None = None


@dataclass(frozen=True)
class RefusedRow:
    """A row that was not put: its number (from 1), the item, the field at fault, and what is wrong with it."""

    row: int
    item: str
    field: str
    what: str

    def __str__(self) -> str:
        return f"row {self.row} field '{self.field}': {self.what} (item {self.item})"


@dataclass(frozen=True)
class PutReport:
    """What became of a batch, in tasks: new ones, ones that stood already, withdrawn ones opened again; and each row that was refused."""

    put: int = 0
    known: int = 0
    reopened: int = 0
    refused: tuple[RefusedRow, ...] = ()

    def __add__(self, other: PutReport) -> PutReport:
        refused = self.refused + other.refused
        return PutReport(self.put + other.put, self.known + other.known, self.reopened + other.reopened, refused)

    def __str__(self) -> str:
        said = f"{self.put:,} put, {self.known:,} known already"
        if self.reopened:
            said += f", {self.reopened:,} opened again"
        return said + (f", {len(self.refused):,} refused" if self.refused else "")


def task_id(queue: str, item_id: str, rubric_id: str, *, purpose: str = "work", asks: str | None = None, salt: str = "") -> str:
    """The id of the task: the same queue, item, rubric and purpose are one task. ``asks`` is the role, where a rubric has several.

    ``salt`` is the project's secret. Without it whoever is served the item could hash what they see of it for each purpose, and tell gold from work.
    """
    content = {"queue": queue, "item": item_id, "rubric": rubric_id}
    if salt:
        content["salt"] = salt
    if purpose != "work":
        content["purpose"] = purpose
    if asks is not None:
        content["asks"] = asks
    return content_id("task", content)


def unfit(task: NewTask, rubric: Rubric) -> Iterator[tuple[str, str]]:
    """Each ``(field, what)`` that is wrong with the task under this rubric."""
    if not task.why or isinstance(task.why, str) or not all(isinstance(reason, str) and reason for reason in task.why):
        yield "why", "A review task must say why a person has to look."
    if abs(task.priority) > MAX_PRIORITY:
        yield "priority", f"The priority {task.priority} is out of range: stay within ±{MAX_PRIORITY:,}."
    if task.overlap is not None and task.overlap < 1:
        yield "overlap", f"{task.overlap} people cannot answer a task."
    if task.purpose not in TASK_PURPOSES:
        yield "purpose", f"'{task.purpose}' is no purpose of a task: use one of {', '.join(TASK_PURPOSES)}."
    elif task.purpose in TEST_PURPOSES and not task.gold:
        yield "gold", f"A {task.purpose} item needs its right answer."
    elif task.gold and task.purpose not in TEST_PURPOSES:
        yield "gold", f"An item put for {task.purpose} has no right answer known beforehand."
    payload = task.item.payload if isinstance(task.item, Item) else None
    for number, given in enumerate(task.suggestions):
        place = f"suggestions[{number}]"
        yield from _unfit_value(rubric, given.question, given.value, f"{place}.{given.question}", payload)
        if given.probability is not None and not 0 <= given.probability <= 1:
            yield f"{place}.probability", f"A probability of {given.probability} is not between 0 and 1."
        if given.score is not None and not math.isfinite(given.score):
            yield f"{place}.score", "A score must be a finite number."
    for name, values in (("gold", task.gold), ("seed", task.seed)):
        for question, value in values.items():
            yield from _unfit_value(rubric, question, value, f"{name}.{question}", payload)
    for question, value in task.seed.items():
        if question in task.gold and task.gold[question] == value:
            yield f"seed.{question}", "A planted suggestion must be wrong, and this is the right answer."


def _unfit_value(rubric: Rubric, question: str, value: Any, place: str, payload: Any) -> Iterator[tuple[str, str]]:
    try:
        check_answers(rubric, {question: value}, whole=False, payload=payload)
    except InputError as error:
        yield place, error.what


def shown_of(suggestions: Collection[Suggestion]) -> dict[str, Suggestion]:
    """Of each question the suggestion people are shown: highest probability, else highest score, else first."""
    best: dict[str, Suggestion] = {}
    for given in suggestions:
        standing = best.get(given.question)
        if standing is None or rank(given.probability, given.score) > rank(standing.probability, standing.score):
            best[given.question] = given
    return best


def rank(probability: float | None, score: float | None) -> tuple[float, float]:
    """What decides which of several suggestions is shown: the higher."""
    return (-1.0 if probability is None else probability, -math.inf if score is None else score)
