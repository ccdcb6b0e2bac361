"""What a claim and an answer cost: counted in steps of SQLite's machine, which are the same on every computer, not in seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from pilotage.judging import Item, person
from pilotage.ledger import create_workspace
from pilotage.review import NewTask, answer, claim, put_tasks
from pilotage.review.projects import Gold, ProjectSettings, create_project
from pilotage.store import Workspace

TURNS = 5


@pytest.fixture
def counted(tmp_path, rubric):
    """A project with 700 items in a SQLite workspace, and a function that counts the machine's steps, in hundreds, of what it is given to do."""
    with create_workspace(tmp_path / "workspace") as workspace:
        create_project(workspace, ProjectSettings(name="queue", gold=Gold(share=0.0)), rubric=rubric, guideline="Go by the text.")
        put_tasks(workspace, "queue", (NewTask(Item("text", str(number), {"text": f"item {number}"})) for number in range(700)))
        hundreds = 0

        def tick() -> int:
            nonlocal hundreds
            hundreds += 1
            return 0

        event.listen(workspace.engine, "before_cursor_execute", lambda conn, cursor, *_: cursor.connection.set_progress_handler(tick, 100))

        def steps(do: Callable[[], Any]) -> int:
            nonlocal hundreds
            hundreds = 0
            do()
            return hundreds

        yield workspace, steps


def work(workspace: Workspace, login: str, turns: int) -> None:
    for _ in range(turns):
        (task,) = claim(workspace, "queue", person(login), n=1)
        answer(workspace, task.task_id, person(login), {"failure": "no"}, idempotency_key=task.task_id)


def test_a_claim_and_an_answer_cost_no_more_after_hundreds_of_answers(counted):
    workspace, steps = counted
    work(workspace, "ann", TURNS)
    early = steps(lambda: work(workspace, "ann", TURNS))
    work(workspace, "ann", 400)
    late = steps(lambda: work(workspace, "ann", TURNS))
    assert late < 2 * early, (early, late)


def test_what_others_answered_makes_nobodys_claim_dearer(counted):
    workspace, steps = counted
    early = steps(lambda: work(workspace, "ann", TURNS))
    for login in ("bea", "cem", "dan"):
        work(workspace, login, 200)
    late = steps(lambda: work(workspace, "ann", TURNS))
    assert late < 2 * early, (early, late)
