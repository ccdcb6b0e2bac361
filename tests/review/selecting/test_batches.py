"""A batch is put before people with how each item was chosen, and reported on when they answered."""

from __future__ import annotations

import pytest
from sqlalchemy import select
from team import PROJECT, project, put, ticket, work

from pilotage.core import NotFound
from pilotage.judging import put_items
from pilotage.review.selecting import batches_of, pool_of, select_batch, selection_report
from pilotage.review.tables import review_task, suggestion
from pilotage.store import Workspace

N = 30


def stocked(workspace: Workspace) -> None:
    """A project without tasks, and items of which a model says something: the first ten are wrong, and it is unsure of them."""
    project(workspace, arms={"withheld": 1.0})
    items = [ticket(number) for number in range(N)]

    def job(tx: object) -> None:
        put_items(tx, items)  # type: ignore[arg-type]
        rows = [
            {
                "item_id": item.id,
                "question": "topic",
                "value": "bill",
                "probability": 0.55 if number < 10 else 0.95,
                "score": None,
                "model": "m",
                "model_version": "1",
            }
            for number, item in enumerate(items)
        ]
        tx.insert(suggestion, *rows)  # type: ignore[attr-defined]

    workspace.write(job)


def test_a_batch_is_put_kept_and_reported(workspace: Workspace) -> None:
    stocked(workspace)
    made = select_batch(workspace, PROJECT, "topic", n=10, seed=1)
    assert (made.number, made.put, made.batch.by) == (1, 10, {"random": 2, "uncertainty": 8})
    t = review_task.c
    with workspace.read() as conn:
        rows = conn.execute(select(t.item_id, t.selected_by).where(t.workspace_id == workspace.id))
        said = {row.item_id: row.selected_by for row in rows}
    assert said == {each.item: each.selected_by for each in made.batch.picked}
    assert len(pool_of(workspace, PROJECT, "topic")) == N - 10
    assert batches_of(workspace, PROJECT, "topic")[0].picked == made.batch.picked
    assert "no batch has all its items judged" in str(selection_report(workspace, PROJECT, "topic"))
    wrong = {ticket(number).id for number in range(10)}
    work(workspace, "ada", lambda _login, task: {"topic": "other" if task.item_id in wrong else "bill"})
    found = selection_report(workspace, PROJECT, "topic")
    assert (found.judged, found.aided, len(found.error_rates), len(found.gains)) == (10, 0, 1, 1)
    assert found.gains[0].chosen.estimate == 1.0


def test_what_was_chosen_before_is_not_chosen_again(workspace: Workspace) -> None:
    stocked(workspace)
    batches = [select_batch(workspace, PROJECT, "topic", n=8, shares={"uncertainty": 0.5, "diversity": 0.5}, seed=seed) for seed in range(4)]
    items = [each.item for made in batches for each in made.batch.picked]
    assert len(items) == len(set(items)) == N
    assert [made.number for made in batches] == [1, 2, 3, 4]
    with pytest.raises(NotFound, match="nothing to choose from"):
        select_batch(workspace, PROJECT, "topic", n=1)


def test_items_that_people_have_seen_are_not_in_the_pool(workspace: Workspace) -> None:
    stocked(workspace)
    put(workspace, [ticket(number) for number in range(5)])
    assert {each.item for each in pool_of(workspace, PROJECT, "topic", texts=True)} == {ticket(number).id for number in range(5, N)}
