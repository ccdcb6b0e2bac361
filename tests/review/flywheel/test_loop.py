"""A new model is compared with the old one on a frozen slice that nothing learnt from."""

from __future__ import annotations

from typing import Any

import pytest
from team import CARD, PROJECT, project, put, source, ticket, work

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.data import Operation, derive
from pilotage.review.flywheel import freeze_slice, loop_report, publish_corrections
from pilotage.review.new_task import NewTask, Suggestion
from pilotage.review.put import put_tasks
from pilotage.store import Workspace

N = 40


def prepared(workspace: Workspace, *, withheld: float = 1.0, answered: bool = True) -> Any:
    """A project whose old model says 'bill' of everything and whose new one is right on three of four; people say 'other'."""
    project(workspace, arms={"withheld": withheld})
    tasks = [
        NewTask(
            item=ticket(number),
            suggestions=[
                Suggestion("topic", "bill", probability=0.9, model="m", model_version="1"),
                Suggestion("topic", "other" if number % 4 else "bill", probability=0.5, model="m", model_version="2"),
            ],
        )
        for number in range(N)
    ]
    assert put_tasks(workspace, PROJECT, tasks).put == N
    frozen = freeze_slice(workspace, PROJECT, "loop", n=24, seed=3)
    if answered:
        work(workspace, "ada", lambda _login, _task: {"topic": "other"})
    return frozen


def trained(workspace: Workspace) -> str:
    made = publish_corrections(workspace, PROJECT, "topic", dataset="learnt", card=CARD, sources=[source(workspace).id])
    assert made.version is not None
    return made.version.id


def report(workspace: Workspace, *, trained_on: list[str], new: str = "2") -> Any:
    return loop_report(workspace, PROJECT, "topic", slice="loop", old=("m", "1"), new=("m", new), trained_on=trained_on)


def test_the_new_model_is_compared_pair_by_pair_with_the_old_one(workspace: Workspace) -> None:
    frozen = prepared(workspace)
    found = report(workspace, trained_on=[trained(workspace)])
    assert found.slice == frozen
    assert found.comparison.n_pairs == 24 and found.comparison.test == "exact McNemar"
    assert found.old.estimate == 0.0 and found.new.estimate == len(found.comparison.fixed) / 24
    assert found.comparison.evidence.lower > 0  # type: ignore[operator]
    assert found.truths == {"answered without a suggestion": 24}


def test_a_slice_that_training_rows_reach_is_refused_by_item_and_by_input(workspace: Workspace) -> None:
    frozen = prepared(workspace)
    messages = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y"}]
    first = next(number for number in range(N) if ticket(number).id in frozen.items)

    def learnt(name: str, **changes: Any) -> str:
        row = {"id": "1", "kind": "instruction", "messages": messages, **changes}
        return derive(workspace, dataset=name, kind="training", rows=[row], card=CARD, operation=Operation("made", counts={"added": 1})).id

    for version in (
        learnt("by-item", lineage={"item": frozen.items[0]}),
        learnt("by-input", messages=[{"role": "user", "content": f"  Ticket   {first}"}, messages[1]]),
    ):
        with pytest.raises(Refused, match="reach the slice"):
            report(workspace, trained_on=[version])
    with pytest.raises(InputError, match="not named"):
        report(workspace, trained_on=[])


def test_answers_given_with_the_old_models_suggestion_in_sight_are_no_truth(workspace: Workspace) -> None:
    prepared(workspace, withheld=0.0)
    found = report(workspace, trained_on=[trained(workspace)])
    assert found.truths == {"answered only with a suggestion in sight": 24}
    assert not found.comparison.evidence.measured


def test_a_model_that_left_items_out_is_refused(workspace: Workspace) -> None:
    prepared(workspace)
    with pytest.raises(Refused, match="has not answered 24"):
        report(workspace, trained_on=[trained(workspace)], new="9")


def test_a_slice_is_drawn_once_from_what_may_be_drawn(workspace: Workspace) -> None:
    frozen = prepared(workspace, answered=False)
    assert freeze_slice(workspace, PROJECT, "loop", n=24, seed=3) == frozen
    with pytest.raises(Conflict, match="There is a slice"):
        freeze_slice(workspace, PROJECT, "loop", n=24, seed=4)
    rest = freeze_slice(workspace, PROJECT, "rest", n=16, unless=frozen.items)
    assert not set(rest.items) & set(frozen.items)
    with pytest.raises(InputError, match="cannot be drawn"):
        freeze_slice(workspace, PROJECT, "more", n=N + 1)
    with pytest.raises(NotFound):
        loop_report(workspace, PROJECT, "topic", slice="none", old=("m", "1"), new=("m", "2"), trained_on=["x"])
    put(workspace, [ticket(99)])  # what joins later is not in it
    assert ticket(99).id not in frozen.items
