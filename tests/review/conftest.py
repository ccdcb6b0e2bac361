"""What the review tests share: a rubric, items, and a queue with some of them in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import ManualClock
from pilotage.judging import Item, Option, Question, Rubric
from pilotage.review import put_task
from pilotage.store import Workspace

_RUBRIC = Rubric(
    name="safety",
    guideline="Is this reply a failure? If it is, write what it should have been.",
    questions=(
        Question(
            name="failure",
            prompt="Is this reply a failure?",
            kind="choice",
            options=(Option("yes", "Failure", "y"), Option("no", "No failure", "n"), Option("unclear", "Unclear", "u")),
        ),
        Question(name="correction", prompt="What should it have said?", kind="text"),
    ),
)

Put = Callable[..., str]


@pytest.fixture
def clock() -> ManualClock:
    """The time of ``timed``."""
    return ManualClock()


@pytest.fixture
def timed(tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    """A workspace whose time the test moves."""
    with Workspace.create(tmp_path / "timed", clock=clock) as workspace:
        yield workspace


@pytest.fixture(scope="session")
def rubric() -> Rubric:
    """One choice and one correction."""
    return _RUBRIC


@pytest.fixture(scope="session")
def item() -> Callable[..., Item]:
    """Make the item called ``name``."""

    def make(name: str, **payload: Any) -> Item:
        return Item(kind="output", source_id=name, payload={"conversation": [{"role": "user", "content": name}], **payload})

    return make


@pytest.fixture
def put(workspace: Workspace, item: Callable[..., Item]) -> Put:
    """Put an item called ``name`` before people; returns the task's id."""

    def put_one(name: str, *, queue: str = "pilot", rubric: Rubric = _RUBRIC, payload: dict[str, Any] | None = None, **options: Any) -> str:
        options.setdefault("why", ["breach_candidate"])
        return workspace.write(lambda tx: put_task(tx, queue, item(name, **(payload or {})), rubric, **options))

    return put_one
