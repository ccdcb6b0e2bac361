"""Adjudication in the hands of one person: what they ask for, what they see, and who may not decide."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotage.core import InputError, Refused
from pilotage.judging import Question, person
from pilotage.review import answer, answered_by, claim, counts, standing
from pilotage.review.measuring import consensus_of, explore, open_adjudications, settle

from .conftest import QUESTION, MakeTeam, Team

ONLY = {"adjudication"}


def disputed(team: Team, *names: str) -> list[str]:
    for name in names:
        team.judge(name, ben="good", cleo="bad")
    settle(team.workspace, team.name)
    return open_adjudications(team.workspace, team.name)


def test_one_may_ask_for_adjudications_alone(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    opened = disputed(team, "x", "y")
    team.put("urgent", overlap=1, priority=100)
    rater = person("dan")
    assert claim(team.workspace, team.name, rater, 1)[0].task_id not in opened
    taken = claim(team.workspace, team.name, rater, 5, purposes=ONLY)
    assert {task.task_id for task in taken} == set(opened)
    assert counts(team.workspace, team.name, purposes=ONLY).open == 2
    answer(team.workspace, taken[0].task_id, rater, {"tone": "bad"}, idempotency_key="k")
    assert counts(team.workspace, team.name, purposes=ONLY).to_dict() | {"flags": 0} == {
        "open": 1, "done": 1, "withdrawn": 0, "answers": 1, "flags": 0,
    }  # fmt: skip
    assert answered_by(team.workspace, team.name, rater, purposes=ONLY) == 1
    assert standing(team.workspace, team.name, rater, purposes=ONLY).held == 1


def test_what_a_page_held_for_other_work_does_not_come_back_among_adjudications(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    opened = disputed(team, "x")
    team.put("urgent", overlap=1, priority=100)
    rater = person("dan")
    assert [task.task_id for task in claim(team.workspace, team.name, rater, 1, holder="window")] != opened
    assert [task.task_id for task in claim(team.workspace, team.name, rater, 3, holder="window", purposes=ONLY)] == opened


@pytest.mark.parametrize("purpose", ["gold", "work", "qualification", "audit"])
def test_no_other_purpose_can_be_asked_for(team: Team, purpose: str) -> None:
    with pytest.raises(InputError, match="purpose"):
        claim(team.workspace, team.name, person("dan"), 1, purposes={purpose})


def test_only_what_is_disputed_is_asked_and_must_be_answered(make_team: MakeTeam) -> None:
    kind = Question("kind", "Which kind?", "rating", scale="ordinal", policy="adjudicate")
    team = make_team(replace(QUESTION, policy="adjudicate"), kind)
    task = team.put("x")
    team.answer(task, "ben", {"tone": "good", "kind": 3}, question="")
    team.answer(task, "cleo", {"tone": "bad", "kind": 3}, question="")
    settle(team.workspace, team.name)
    open_adjudications(team.workspace, team.name)
    [before] = claim(team.workspace, team.name, person("dan"), 1, purposes=ONLY)
    assert before.questions == ("tone",)
    answer(team.workspace, before.task_id, person("dan"), {"tone": "odd"}, idempotency_key="k")
    settle(team.workspace, team.name)
    assert consensus_of(team.workspace, team.name, before.item_id, "tone").value == "odd"
    assert consensus_of(team.workspace, team.name, before.item_id, "kind").value == 3


def test_who_answered_the_item_is_refused_with_the_reason(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    [task] = disputed(team, "x")
    assert claim(team.workspace, team.name, person("ben"), 3, purposes=ONLY) == []
    assert standing(team.workspace, team.name, person("ben"), purposes=ONLY).own_work == 1
    with pytest.raises(Refused, match="took part"):
        answer(team.workspace, task, person("ben"), {"tone": "good"}, idempotency_key="k")
    with pytest.raises(Refused, match="not claimed"):
        answer(team.workspace, task, person("dan"), {"tone": "good"}, idempotency_key="k")


def test_the_explorer_finds_what_two_people_differ_on_and_what_waits_for_nobody(make_team: MakeTeam) -> None:
    team = make_team(replace(QUESTION, policy="adjudicate"))
    item = team.judge("x", ben="good", cleo="bad")
    other = team.judge("y", ben="good", dan="bad")
    team.judge("z", ben="good", cleo="good")
    settle(team.workspace, team.name)
    ben, cleo, dan = (person(login).id for login in ("ben", "cleo", "dan"))

    def found(**how: object) -> set[str]:
        return {row.item_id for row in explore(team.workspace, team.name, "tone", **how).rows}  # type: ignore[arg-type]

    assert found(people=(ben, cleo)) == found(people=(cleo, ben)) == {item}
    assert found(people=(ben, dan)) == {other}
    assert found(people=(cleo, dan)) == set()
    assert found(waiting=False) == {item, other} and found(waiting=True) == set()
    open_adjudications(team.workspace, team.name, limit=1)
    assert len(found(waiting=True)) == len(found(waiting=False)) == 1
