"""People who reach for what is not theirs: unclaimed tasks, other people's answers and keys, items of roles they do not hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.judging import Rubric, judgements, person
from pilotage.review import answer, claim, flag, history, look, release, reveal, skip, undo
from pilotage.store import Workspace

ANN, EVE = person("ann"), person("eve")
Put = Callable[..., str]


def said(workspace: Workspace) -> list[tuple[str, Any]]:
    return sorted((each.rater_id, each.value) for each in judgements(workspace, question="failure"))


def test_nobody_decides_on_a_task_they_never_claimed(workspace: Workspace, put: Put) -> None:
    task = put("one")
    claim(workspace, "pilot", ANN)
    for act in (
        lambda: answer(workspace, task, EVE, {"failure": "no"}, idempotency_key="k"),
        lambda: skip(workspace, task, EVE),
        lambda: flag(workspace, task, EVE),
        lambda: reveal(workspace, task, EVE),
        lambda: undo(workspace, task, EVE),
        lambda: look(workspace, task, EVE),
    ):
        with pytest.raises(Refused):
            act()
    assert release(workspace, [task], EVE) == 0
    assert said(workspace) == [] and history(workspace, EVE) == []
    for unknown in ("", "nothing", "../x", task + " "):
        with pytest.raises(NotFound):
            answer(workspace, unknown, EVE, {"failure": "no"}, idempotency_key="k")


def test_another_persons_key_neither_repeats_nor_changes_nor_reveals_their_answer(workspace: Workspace, put: Put) -> None:
    task = put("one", overlap=2)
    claim(workspace, "pilot", ANN)
    claim(workspace, "pilot", EVE)
    first = answer(workspace, task, ANN, {"failure": "yes"}, idempotency_key="key")
    second = answer(workspace, task, EVE, {"failure": "no"}, idempotency_key="key")
    assert not second.repeated and first.decision_id != second.decision_id
    assert sorted(value for _, value in said(workspace)) == ["no", "yes"]
    crafted = f"{next(iter(first.judgements.values()))}:key"
    with pytest.raises(Conflict):
        answer(workspace, task, EVE, {"failure": "no"}, idempotency_key=crafted)


def test_undoing_touches_ones_own_answer_only(workspace: Workspace, put: Put) -> None:
    task = put("one", overlap=2)
    claim(workspace, "pilot", ANN)
    claim(workspace, "pilot", EVE)
    answer(workspace, task, ANN, {"failure": "yes"}, idempotency_key="a")
    with pytest.raises(Refused):
        undo(workspace, task, EVE)
    answer(workspace, task, EVE, {"failure": "no"}, idempotency_key="e")
    undo(workspace, task, EVE)
    standing = [each.value for each in judgements(workspace, question="failure", current_only=True) if not each.abstained]
    assert standing == ["yes"]


@pytest.mark.parametrize(
    "answers", [{"failure": "yes", "other": "x"}, {"verdict": "no"}, {"failure": "maybe"}, {"failure": {"$ne": 1}}, {"failure": True}, {}]
)
def test_only_what_the_tasks_own_rubric_asks_is_answered(workspace: Workspace, put: Put, answers: dict[str, Any]) -> None:
    task = put("one")
    claim(workspace, "pilot", ANN)
    with pytest.raises(InputError):
        answer(workspace, task, ANN, answers, idempotency_key="k")
    assert said(workspace) == []


def test_items_of_a_role_are_served_shown_and_answered_only_while_it_is_held(workspace: Workspace, put: Put, rubric: Rubric) -> None:
    guarded = Rubric(name="guarded", questions=tuple(replace(each, required_role="auditor") for each in rubric.questions))
    task = put("one", rubric=guarded)
    assert claim(workspace, "pilot", EVE, roles={"reviewer"}) == []
    assert [each.task_id for each in claim(workspace, "pilot", EVE, roles={"reviewer", "auditor"}, holder="page")] == [task]
    assert claim(workspace, "pilot", EVE, roles={"reviewer"}, holder="page") == []  # the role was taken away
    assert claim(workspace, "pilot", EVE, roles={"reviewer"}, take_over=True) == []
    with pytest.raises(Refused, match="auditor"):
        look(workspace, task, EVE, roles={"reviewer"})
    with pytest.raises(Refused, match="auditor"):
        answer(workspace, task, EVE, {"failure": "no"}, idempotency_key="k", roles={"reviewer"})
    assert said(workspace) == []
    assert look(workspace, task, EVE, roles={"auditor"}).task_id == task
    answer(workspace, task, EVE, {"failure": "no"}, idempotency_key="k", roles={"auditor"})
    assert [value for _, value in said(workspace)] == ["no"]
