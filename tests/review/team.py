"""A project and the people who answer it, for tests of what is made of answers."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pilotage.data import Card, Version, derive
from pilotage.data.version import Operation
from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.review import answer as give
from pilotage.review import claim, commit
from pilotage.review.new_task import NewTask, Suggestion
from pilotage.review.projects import ProjectSettings, create_project
from pilotage.review.put import put_tasks
from pilotage.review.task import Claimed
from pilotage.store import Workspace

PROJECT = "support"
TOPIC = Question(name="topic", prompt="What is it about?", kind="choice", options=(Option("bill"), Option("login"), Option("other")))
REWRITE = Question(name="correction", prompt="What should it have said?", kind="text")
BETTER = Question(name="better", prompt="Which answer is better?", kind="pair")
RUBRIC = Rubric(name="support", guideline="Say what the customer wants.", questions=(TOPIC, REWRITE))
PAIRS = Rubric(name="pairs", guideline="Prefer the answer that helps.", questions=(BETTER,))
CARD = Card(licence="CC-BY-4.0", consent="written for this project", purposes=("training",), contains_personal_data=False)
_keys = itertools.count()

Says = Callable[[str, Claimed], Mapping[str, Any]]


def ticket(number: int, **slices: str) -> Item:
    """A customer's message with the model's reply."""
    payload = {"messages": [{"role": "user", "content": f"ticket {number}"}, {"role": "assistant", "content": f"reply {number}"}]}
    return Item(kind="output", source_id=f"out{number}", payload=payload, slices=slices)


def pair(number: int) -> Item:
    """Two replies to one message."""
    return Item(kind="pair", source_id=f"pair{number}", payload={"prompt": f"ask {number}", "a": f"left {number}", "b": f"right {number}"})


def project(workspace: Workspace, *, rubric: Rubric = RUBRIC, **settings: Any) -> None:
    """Make the project."""
    declared = {"name": PROJECT, "consent": "Some suggestions are planted errors.", **settings}
    create_project(workspace, ProjectSettings.model_validate(declared), rubric=rubric, salt="pinch")


def put(workspace: Workspace, items: Iterable[Item], *, topic: str | None = "bill", model: str = "m", version: str = "1", **more: Any) -> None:
    """Put items before people, with what a model says of their topic."""
    suggestions = () if topic is None else (Suggestion("topic", topic, probability=0.8, model=model, model_version=version),)
    report = put_tasks(workspace, PROJECT, [NewTask(item=item, suggestions=suggestions, **more) for item in items])
    assert not report.refused, report.refused


def work(workspace: Workspace, login: str, says: Says, *, at_most: int = 10_000, active_ms: int = 4000) -> list[Claimed]:
    """Have one person answer all that is theirs; who must answer first says the same before and after."""
    done: list[Claimed] = []
    while len(done) < at_most:
        claimed = claim(workspace, PROJECT, person(login), min(20, at_most - len(done)))
        if not claimed:
            break
        for task in claimed:
            said = dict(says(login, task))
            if task.answer_first:
                commit(workspace, task.task_id, person(login), said, idempotency_key=f"c{next(_keys)}")
            give(workspace, task.task_id, person(login), said, idempotency_key=f"k{next(_keys)}", active_ms=active_ms)
        done += claimed
    return done


def source(workspace: Workspace, **card: Any) -> Version:
    """The dataset version the tickets come from."""
    rows = [{"id": f"t{number}", "text": f"ticket {number}"} for number in range(3)]
    described = Card.model_validate({**CARD.model_dump(), **card})
    counts = {"added": len(rows)}
    return derive(workspace, dataset="tickets", kind="documents", rows=rows, card=described, operation=Operation("made", counts=counts))
