"""The rows of new tasks, made before the transaction opens: whoever waits for the database waits for writing alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from msgspec.structs import replace

from pilotage.core import canonical_json
from pilotage.judging import Item, Rubric
from pilotage.review.new_task import JUST_LABELLING, TEST_PURPOSES, NewTask, RefusedRow, Suggestion, shown_of, unfit
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.questions import MAX_TEXT
from pilotage.review.tables import MAX_PRIORITY, position_of, review_task, suggestion
from pilotage.store.prepared import Rows
from pilotage.store.schema import json_text

# In the order of the tuples made below. Of a task: what is known beforehand, the place in the queue, the rest.
_TASK_HEAD = "workspace_id id queue item_id rubric_id role asks why suggestion harmful priority"
_TASK_TAIL = "overlap claims answers flags state due_at escalated_at purpose skill selected_by route_id created_by"
INSERT_TASK = Rows(review_task, f"{_TASK_HEAD} position {_TASK_TAIL} created_at".split())
INSERT_SUGGESTION = Rows(
    suggestion, ["workspace_id", "item_id", "question", "model", "model_version", "id", "value", "score", "probability", "created_by", "created_at"]
)
Row = tuple[Any, ...]
_REASONS_TEXT = json_text(list(JUST_LABELLING))
_REMEMBERED = 4_096  # texts of values that come again and again


# Where things lie in a task's row but for its position and time.
ID, ITEM, ROLE, ASKS, PRIORITY = (_TASK_HEAD.split().index(name) for name in ("id", "item_id", "role", "asks", "priority"))
_HEAD = len(_TASK_HEAD.split())
_DUE, PURPOSE = (_HEAD + _TASK_TAIL.split().index(name) for name in ("due_at", "purpose"))


def whole_row(row: Row, created_at: int, due_us: int | None) -> Row:
    """A task's row, put at ``created_at``; ``due_us`` later it is due, unless it says when."""
    if due_us is not None and row[_DUE] is None:
        row = (*row[:_DUE], created_at + due_us, *row[_DUE + 1 :])
    return (*row[:_HEAD], position_of(row[PRIORITY], created_at, row[ID]), *row[_HEAD:], created_at)


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
    _shown: dict[Any, str] = field(default_factory=dict)
    _task_ids: dict[tuple[str, str], Callable[[str], str]] = field(default_factory=dict)
    _suggestion_ids: dict[tuple[str, str, str], Callable[[str], str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Of questions that any item can be asked: only there does the rubric alone say what fits.
        self._options = {
            question.name: frozenset(option.value for option in question.options if len(option.value) <= MAX_TEXT)
            for question in self.rubric.questions
            if question.kind == "choice" and not question.about
        }

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

    def overlap(self, task: NewTask) -> int:
        """How many people are to answer it."""
        if task.overlap is not None:
            return task.overlap
        return self.settings.gold.exposure_cap if task.purpose in TEST_PURPOSES else self.settings.overlap.start

    def task_rows(self, task: NewTask, item: Item) -> Iterator[Row]:
        """One row per role, but for its position and time: a tuple of plain values, which the garbage collector need not look at again."""
        several = len(self.roles) > 1
        # Who has yet to earn the skill must be served the exam, and everybody practises.
        skill = "" if task.purpose in ("qualification", "calibration") else self.settings.skill_of(item.slices)
        for role in self.roles:
            if several and task.purpose in TEST_PURPOSES and not any(question in self.asked[role] for question in task.gold):
                continue  # nothing is known to be right of what this role is asked
            made = self._task_id(task.purpose, role if several else "", item.id)
            asks = role if several else ""
            shown = self._shown_text(role, task.suggestions) if task.suggestions else None
            why = _REASONS_TEXT if task.why is JUST_LABELLING else json_text(list(task.why))
            yield (
                *(self.workspace_id, made, self.queue, item.id, self.rubric.id, role, asks, why, shown, int(task.harmful), task.priority),
                *(self.overlap(task), 0, 0, 0, "open", task.due_at, None, task.purpose, skill, task.selected_by, task.route_id, self.actor),
            )

    def suggestion_row(self, item_id: str, given: Suggestion) -> Row:
        """The row of a suggestion, but for when it was put."""
        of = (given.model, given.question, given.model_version)
        make = self._suggestion_ids.get(of)
        if make is None:
            content = {"item": None, "model": given.model, "question": given.question, "version": given.model_version}
            make = self._suggestion_ids[of] = _ids("sug", content)
        value = self._value_text(given.value)
        return (
            self.workspace_id,
            item_id,
            given.question,
            given.model,
            given.model_version,
            make(item_id),
            value,
            given.score,
            given.probability,
            self.actor,
        )

    def _task_id(self, purpose: str, asks: str, item_id: str) -> str:
        make = self._task_ids.get((purpose, asks))
        if make is None:
            content = {"queue": self.queue, "item": None, "rubric": self.rubric.id}
            if self.salt:
                content["salt"] = self.salt
            if purpose != "work":
                content["purpose"] = purpose
            if len(self.roles) > 1:
                content["asks"] = asks
            make = self._task_ids[purpose, asks] = _ids("task", content)
        return make(item_id)

    def _shown_text(self, role: str, given: Any) -> str | None:
        """What people of this role are shown, as text; a single text value is remembered."""
        first = next(iter(given)) if len(given) == 1 else None
        if first is None or type(first.value) is not str:
            shown = {question: best.value for question, best in shown_of(given).items() if question in self.asked[role]}
            return json_text(shown) if shown else None
        if first.question not in self.asked[role]:
            return None
        key = (first.question, first.value)
        text = self._shown.get(key)
        return text if text is not None else _keep(self._shown, key, json_text({first.question: first.value}))

    def _value_text(self, value: Any) -> str:
        if type(value) is not str:
            return json_text(value)
        text = self._shown.get(value)
        return text if text is not None else _keep(self._shown, value, json_text(value))


def _ids(prefix: str, content: Mapping[str, Any]) -> Callable[[str], str]:
    """As ``content_id(prefix, {**content, "item": …})`` for one item after the other, where ``content["item"]`` is None.

    Of the names in use only ``asks`` sorts before ``item``. The canonical form is put together from its
    halves, so that only the item's id is encoded for a row.
    """
    before, _, after = canonical_json({name: value for name, value in content.items() if name == "item"}).partition(b"null")
    fixed = {name: value for name, value in content.items() if name != "item"}
    asks = canonical_json({"asks": fixed.pop("asks")})[1:-1] + b"," if "asks" in fixed else b""
    began = sha256(b"{" + asks + before[1:])
    end = after[:-1] + b"," + canonical_json(fixed)[1:]

    def make(item_id: str) -> str:
        digest = began.copy()
        digest.update(canonical_json(item_id) + end)
        return f"{prefix}_{digest.hexdigest()[:32]}"

    return make


def _keep(among: dict[Any, str], key: Any, text: str) -> str:
    if len(among) >= _REMEMBERED:
        among.clear()
    among[key] = text
    return text
