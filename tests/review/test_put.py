"""Putting items before people and calling them back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pilotage.core import InputError, NotFound
from pilotage.judging import Item, Question, Rubric, person
from pilotage.review import answer, claim, counts, put_task, withdraw
from pilotage.store import Workspace

ANN, BEN = person("ann"), person("ben")


def test_putting_the_same_thing_again_is_the_same_task(workspace: Workspace, put: Callable[..., str]) -> None:
    assert put("one") == put("one", priority=9, why=["another reason"])
    assert counts(workspace, "pilot").open == 1


def test_another_queue_or_rubric_is_another_task(workspace: Workspace, put: Callable[..., str]) -> None:
    other = Rubric(name="tone", questions=(Question(name="kind", prompt="Is it kind?", kind="bool"),))
    assert len({put("one"), put("one", queue="second"), put("one", rubric=other)}) == 3


def test_stored_items_and_rubrics_may_be_named_by_id(
    workspace: Workspace, put: Callable[..., str], rubric: Rubric, item: Callable[..., Item]
) -> None:
    task_id = put("one")
    assert workspace.write(lambda tx: put_task(tx, "pilot", item("one").id, rubric.id, ["sample"])) == task_id
    with pytest.raises(NotFound, match="no such item"):
        workspace.write(lambda tx: put_task(tx, "pilot", "itm_none", rubric.id, ["sample"]))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"suggestion": {"blame": "yes"}}, "does not ask 'blame'"),
        ({"suggestion": {"failure": "maybe"}}, "'maybe' is not an option"),
        ({"suggestion": {"correction": "  "}}, "not empty"),
        ({"overlap": 0}, "0 people cannot answer"),
        ({"priority": 1_000_001}, "out of range"),
        ({"why": []}, "must say why"),
        ({"queue": ""}, "needs a queue"),
    ],
)
def test_a_task_that_makes_no_sense_is_refused_whole(workspace: Workspace, put: Callable[..., str], options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        put("one", **options)
    assert counts(workspace, "pilot").total == 0


def test_a_rubric_of_two_roles_is_refused(put: Callable[..., str]) -> None:
    questions = tuple(Question(name=role, prompt="?", kind="bool", required_role=role) for role in ("lawyer", "physician"))
    with pytest.raises(InputError, match="different roles: lawyer, physician"):
        put("one", rubric=Rubric(name="both", questions=questions))


def test_a_withdrawn_task_is_served_to_nobody_and_its_answers_stay(workspace: Workspace, put: Callable[..., str]) -> None:
    one, two = put("one", overlap=2), put("two")
    claim(workspace, "pilot", ANN, n=1)
    answer(workspace, one, ANN, {"failure": "no"}, idempotency_key="k")
    claim(workspace, "pilot", BEN, n=2)
    assert withdraw(workspace, [one, two]) == 2
    assert withdraw(workspace, [one]) == 0
    assert claim(workspace, "pilot", person("cat")) == []
    seen = counts(workspace, "pilot")
    assert (seen.open, seen.withdrawn, seen.answers) == (0, 2, 1)


def test_putting_a_withdrawn_task_opens_it_again(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    withdraw(workspace, [task_id])
    assert put("one") == task_id
    assert [task.task_id for task in claim(workspace, "pilot", ANN)] == [task_id]
    assert counts(workspace, "pilot").open == 1


def test_withdrawing_what_is_not_there_withdraws_nothing(workspace: Workspace, put: Callable[..., str]) -> None:
    task_id = put("one")
    with pytest.raises(NotFound):
        withdraw(workspace, [task_id, "task_none"])
    assert counts(workspace, "pilot").open == 1
