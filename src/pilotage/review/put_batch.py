"""What one transaction of :func:`.put.put_tasks` writes, gathered before it opens."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pilotage.judging import Item
from pilotage.review.new_task import NewTask, RefusedRow
from pilotage.review.put_rows import ID, Plan, Row, suggestion_row
from pilotage.store.schema import json_text

CHUNK = 10_000  # rows a transaction: others wait for no longer than it takes, which on a workspace of a million items is below a second
FIRST = 1_000  # rows of the first, doubled until it is a chunk: writing begins while most is still to be read
CHUNK_BYTES = 32 << 20  # of payloads, as text: long ones make a shorter chunk
_NO_SLICES = json_text({})


@dataclass(slots=True)
class Batch:
    """Rows but for the time. Not changed once handed over: the transaction may run again.

    Flat tuples of plain values for the many: a batch of records with their payloads is work for the garbage collector, over and over.
    """

    tasks: dict[str | int, Any] = field(default_factory=dict)  # the row by id; by number a task whose item is stored and must be looked up
    items: dict[str, Row] = field(default_factory=dict)  # by id: those handed in
    payloads: dict[str, Row] = field(default_factory=dict)  # of the same
    suggestions: list[Row] = field(default_factory=list)
    authors: dict[str, list[str]] = field(default_factory=dict)  # logins by task
    known: dict[str, NewTask] = field(default_factory=dict)  # by id: tasks with something planted, or known to be right
    refused: list[RefusedRow] = field(default_factory=list)
    rows: int = 0
    length: int = 0  # of the payloads

    def add(self, plan: Plan, number: int, given: NewTask) -> None:
        """Take a task in, or refuse it."""
        self.rows += 1
        task = plan.fit(number, given)
        if isinstance(task, RefusedRow):
            self.refused.append(task)
        elif isinstance(task.item, str):
            self.tasks[number] = task
        else:
            item = task.item
            if item.id not in self.items:
                payload = json_text(item.payload)
                self.length += len(payload)
                self.items[item.id] = (item.id, item.kind, item.source_id, json_text(item.slices) if item.slices else _NO_SLICES)
                self.payloads[item.id] = (item.id, payload)
            self.put(plan, task, item)

    def put(self, plan: Plan, task: NewTask, item: Item) -> None:
        """The rows of a task whose item is at hand."""
        logins = _authors(task.authors, item.payload)
        for row in plan.task_rows(task, item):
            made = row[ID]
            if made in self.tasks:  # twice in one batch: the last counts, whole
                self.authors.pop(made, None)
                self.known.pop(made, None)
            self.tasks[made] = row
            if logins:
                self.authors[made] = logins
            if task.seed or task.gold:
                self.known[made] = task
        for given in task.suggestions:
            if given.model:  # kept too where the item waits already
                self.suggestions.append(suggestion_row(item.id, given))

    def wanted(self) -> list[str]:
        """The ids of stored items it names."""
        return [task.item for key, task in self.tasks.items() if isinstance(key, int)]

    def settled(self, plan: Plan, stored: Mapping[str, Item]) -> Batch:
        """The same with the items it names; a task whose item is not among ``stored`` is refused."""
        lists = (list(self.suggestions), dict(self.authors), dict(self.known), list(self.refused))
        whole = Batch({}, self.items, self.payloads, *lists, self.rows, self.length)
        for key, found in self.tasks.items():
            if isinstance(key, str):
                whole.tasks[key] = found
            elif found.item in stored:
                whole.put(plan, found, stored[found.item])
            else:
                whole.refused.append(RefusedRow(key, found.item, "item", "There is no such item."))
        return whole


def batches(plan: Plan, items: Iterable[NewTask]) -> Iterator[Batch]:
    """Read ``items`` as they are needed; a batch whenever there is enough for one."""
    batch, enough = Batch(), FIRST
    for number, task in enumerate(items, start=1):
        batch.add(plan, number, task)
        if batch.rows >= enough or batch.length >= CHUNK_BYTES:
            yield batch
            batch, enough = Batch(), min(enough * 2, CHUNK)
    if batch.rows:
        yield batch


def spellings(logins: Collection[str]) -> set[str]:
    """Each as it was given and as accounts spell logins: 'Ann ' is not served the work of 'ann'."""
    return {*logins, *(login.strip().lower() for login in logins)} - {""}


def _authors(told: Collection[str], payload: Any) -> list[str]:
    """Whose work it is: who was named, and whom the payload names."""
    named = payload.get("authors") if isinstance(payload, dict) else None
    if isinstance(named, list | tuple):
        told = (*told, *(login for login in named if isinstance(login, str)))
    return sorted(spellings(told)) if told else []
