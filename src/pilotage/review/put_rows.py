"""The rows of new tasks, made before the transaction opens: whoever waits for the database waits for writing alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from pilotage.core import canonical_json
from pilotage.judging import Item, Rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload
from pilotage.review.new_task import JUST_LABELLING, TEST_PURPOSES, NewTask, RefusedRow, Suggestion, shown_of, unfit
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.questions import MAX_TEXT
from pilotage.review.tables import MAX_PRIORITY, position_of, review_task, suggestion
from pilotage.store.prepared import Rows
from pilotage.store.schema import json_text

Row = tuple[Any, ...]

# What rows hold of their own, and what those of one batch share: in the order of the tuples made below.
_STAMP = ("workspace_id", "created_by", "created_at")
_ALIKE = ("workspace_id", "created_by", "queue", "rubric_id", "claims", "answers", "flags", "state", "escalated_at")
_WHAT, _HOW = ("id", "item_id", "role", "asks", "why", "suggestion"), ("harmful", "priority", "overlap", "purpose", "skill")
_KNOWN = (*_WHAT, *_HOW, "selected_by", "route_id", "due_at")
INSERT_TASK = Rows(review_task, (*_KNOWN, "position", "created_at"), shared=_ALIKE)
INSERT_ITEM = Rows(item_table, ("id", "kind", "source_id", "slices"), shared=_STAMP)
INSERT_PAYLOAD = Rows(item_payload, ("item_id", "payload"), shared=_STAMP)
INSERT_SUGGESTION = Rows(suggestion, ("item_id", "question", "model", "model_version", "value", "score", "probability"), shared=_STAMP)
ID, ITEM, ROLE, ASKS, PRIORITY, PURPOSE, DUE = (_KNOWN.index(name) for name in ("id", "item_id", "role", "asks", "priority", "purpose", "due_at"))

_JUST_LABELLING = json_text(list(JUST_LABELLING))
_REMEMBERED = 4_096  # texts of values that come again and again
_SHORT = 200  # characters of such a value


def whole_rows(rows: list[Row], at: int, due_us: int | None) -> list[Row]:
    """Tasks' rows with their place in the queue: put at ``at``, a microsecond apart, so that they are served in the order they came."""
    if due_us is not None:
        rows = [(*row[:DUE], at + place + due_us) if row[DUE] is None else row for place, row in enumerate(rows)]
    return [(*row, position_of(row[PRIORITY], moment, row[ID]), moment) for moment, row in enumerate(rows, start=at)]


def suggestion_row(item_id: str, given: Suggestion) -> Row:
    """The row of a suggestion."""
    return (item_id, given.question, given.model, given.model_version, value_text(given.value), given.score, given.probability)


def value_text(value: Any) -> str:
    """A value as the text its column holds. Those of short texts are remembered: the same options come again and again."""
    return _remembered(value) if type(value) is str and len(value) <= _SHORT else json_text(value)


_remembered = lru_cache(_REMEMBERED)(json_text)


@lru_cache(_REMEMBERED)
def _shown_remembered(question: str, value: str) -> str:
    return json_text({question: value})


@dataclass
class Plan:
    """What a batch has in common, and what need be worked out only once for it."""

    workspace_id: str
    actor: str
    queue: str
    rubric: Rubric
    roles: tuple[str, ...]
    asked: dict[str, tuple[str, ...]]  # by role
    settings: ProjectSettings
    due_us: int | None
    salt: str = ""  # of the project; a queue without one has none
    _options: dict[str, frozenset[str]] = field(init=False)
    _task_ids: dict[tuple[str, str], Callable[[str], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Of questions that any item can be asked: only there does the rubric alone say what fits.
        self._options = {
            question.name: frozenset(option.value for option in question.options if len(option.value) <= MAX_TEXT)
            for question in self.rubric.questions
            if question.kind == "choice" and not question.about
        }

    @property
    def shared(self) -> Row:
        """What the rows of its tasks have in common."""
        return (self.workspace_id, self.actor, self.queue, self.rubric.id, 0, 0, 0, "open", None)

    def fits(self, task: NewTask) -> bool:
        """Whether it surely fits, told without building what would be said if not. False: ask :func:`.new_task.unfit`."""
        if task.why is not JUST_LABELLING or task.purpose != "work" or task.gold or task.seed or not -MAX_PRIORITY <= task.priority <= MAX_PRIORITY:
            return False
        if task.overlap is not None and task.overlap < 1:
            return False
        for given in task.suggestions:
            if type(given.value) is not str or given.value not in self._options.get(given.question, ()):
                return False
            if (given.probability is not None and not 0 <= given.probability <= 1) or (given.score is not None and not math.isfinite(given.score)):
                return False
        return True

    def fit(self, number: int, task: NewTask) -> NewTask | RefusedRow:
        """The task with its slices in its item, or what is wrong with it."""
        if not self.fits(task):
            wrong = next(unfit(task, self.rubric), None)
            if wrong is not None:
                return RefusedRow(number, task.item if isinstance(task.item, str) else task.item.id, *wrong)
        if task.slices and isinstance(task.item, Item):
            return replace(task, item=replace(task.item, slices={**task.item.slices, **task.slices}, id=""))
        return task

    def task_rows(self, task: NewTask, item: Item) -> Iterator[Row]:
        """One row per role, but for its position and time: a tuple of plain values, which the garbage collector need not look at again."""
        several = len(self.roles) > 1
        why = _JUST_LABELLING if task.why is JUST_LABELLING else json_text(list(task.why))
        tests = task.purpose in TEST_PURPOSES
        overlap = task.overlap
        if overlap is None:
            overlap = self.settings.gold.exposure_cap if tests else self.settings.overlap.start
        # Who has yet to earn the skill must be served the exam, and everybody practises.
        skill = self.settings.skill_of(item.slices) if self.settings.skills and task.purpose not in ("qualification", "calibration") else ""
        for role in self.roles:
            if several and tests and not any(question in self.asked[role] for question in task.gold):
                continue  # nothing is known to be right of what this role is asked
            asks = role if several else ""
            make = self._task_ids.get((task.purpose, asks)) or self._ids(task.purpose, asks)
            shown = self._shown(role, task.suggestions) if task.suggestions else None
            yield (
                *(make(item.id), item.id, role, asks, why, shown, int(task.harmful), task.priority),
                *(overlap, task.purpose, skill, task.selected_by, task.route_id, task.due_at),
            )

    def _shown(self, role: str, given: Collection[Suggestion]) -> str | None:
        """What people of this role are shown, as text."""
        asked = self.asked[role]
        if len(given) == 1:
            (only,) = given
            if type(only.value) is str and len(only.value) <= _SHORT:
                return _shown_remembered(only.question, only.value) if only.question in asked else None
        shown = {question: best.value for question, best in shown_of(given).items() if question in asked}
        return json_text(shown) if shown else None

    def _ids(self, purpose: str, asks: str) -> Callable[[str], str]:
        """As :func:`.new_task.task_id`, for one item after the other.

        The canonical form is put together from its halves, so that only the item's id is encoded for a row. Of the names in use only ``asks`` sorts
        before ``item``.
        """
        rest = {"queue": self.queue, "rubric": self.rubric.id}
        if self.salt:
            rest["salt"] = self.salt
        if purpose != "work":
            rest["purpose"] = purpose
        before = canonical_json({"asks": asks})[:-1] + b"," if len(self.roles) > 1 else b"{"
        before, after = before + b'"item":', b"," + canonical_json(rest)[1:]

        def make(item_id: str) -> str:
            return f"task_{sha256(before + canonical_json(item_id) + after).hexdigest()[:32]}"

        self._task_ids[purpose, asks] = make
        return make
