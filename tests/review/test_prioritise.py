"""Moving items in the queue, calling them back, and disputes one at a time: each on record, none half-done."""

from __future__ import annotations

import pytest

from pilotage.core import InputError, NotFound
from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.ledger import entries
from pilotage.review import NewTask, answer, claim, counts, prioritise, put_tasks, tasks, withdraw
from pilotage.review.measuring import open_adjudications, settle
from pilotage.review.projects import Overlap, ProjectSettings, create_project
from pilotage.store import Workspace

RUBRIC = Rubric("r", (Question("kind", "Is it kind?", "choice", options=(Option("yes"), Option("no")), policy="adjudicate"),))


@pytest.fixture
def queue(workspace: Workspace) -> str:
    create_project(workspace, ProjectSettings(name="letters", overlap=Overlap(start=2)), rubric=RUBRIC, guideline="Be kind.")
    put_tasks(workspace, "letters", [NewTask(Item("letter", f"l{number}", {"text": f"Letter {number}"})) for number in range(4)])
    return "letters"


def test_an_item_moves_to_the_front_and_back_and_each_move_is_on_record(workspace: Workspace, queue: str) -> None:
    before = [row.id for row in tasks(workspace, queue).rows]
    assert prioritise(workspace.acting_as("ada"), [before[-1]], 10) == 1
    assert next(row.id for row in tasks(workspace, queue).rows) == before[-1]
    assert prioritise(workspace, [before[-1]], 10) == 0, "the same again changes nothing and says nothing"
    assert prioritise(workspace, [before[-1]], -10) == 1
    assert [row.id for row in tasks(workspace, queue).rows] == before
    assert [entry.actor for entry in entries(workspace, subject=before[-1], type="review.prioritised")] == ["ada", "tester"]


def test_what_is_not_there_moves_nothing(workspace: Workspace, queue: str) -> None:
    before = [row.id for row in tasks(workspace, queue).rows]
    with pytest.raises(NotFound):
        prioritise(workspace, [before[-1], "task_nothing"], 10)
    with pytest.raises(InputError, match="out of range"):
        prioritise(workspace, before, 10_000_000)
    assert [row.id for row in tasks(workspace, queue).rows] == before
    assert not list(entries(workspace, type="review.prioritised"))


def test_calling_an_item_back_is_on_record_and_done_once(workspace: Workspace, queue: str) -> None:
    first = tasks(workspace, queue).rows[0].id
    assert withdraw(workspace.acting_as("ada"), [first]) == 1
    assert withdraw(workspace, [first]) == 0
    assert counts(workspace, queue).withdrawn == 1
    assert [entry.actor for entry in entries(workspace, subject=first, type="review.withdrawn")] == ["ada"]


def test_one_dispute_is_put_before_an_adjudicator_and_the_others_wait(workspace: Workspace, queue: str) -> None:
    for login, value in (("ben", "yes"), ("cleo", "no")):
        for claimed in claim(workspace, queue, person(login), 4):
            answer(workspace, claimed.task_id, person(login), {"kind": value}, idempotency_key=f"{login}{claimed.task_id}")
    settle(workspace, queue)
    wanted = tasks(workspace, queue, state="done").rows[2].item_id
    assert len(open_adjudications(workspace, queue, items=[wanted])) == 1
    assert open_adjudications(workspace, queue, items=[wanted]) == [], "once"
    assert open_adjudications(workspace, queue, items=["itm_nothing"]) == []
    assert len(open_adjudications(workspace, queue)) == 3
