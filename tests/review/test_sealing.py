"""What the ledger keeps of how items were shown: nothing that finds a planted error or a known item, and everything that finds a changed table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from pilotage.core import NotFound, digest
from pilotage.judging import Item, Rubric, person
from pilotage.judging.tables import judgement
from pilotage.ledger import entries
from pilotage.ledger.tables import ledger_entry
from pilotage.review import NewTask, Suggestion, answer, check_seals, claim, put_tasks, release, undo
from pilotage.review.measuring import Known, add_gold
from pilotage.review.projects import Arms, Gold, ProjectSettings, change_project, create_project
from pilotage.review.sealing import sealed
from pilotage.review.tables import review_assignment
from pilotage.store import Workspace

ANN, BEN = person("ann"), person("ben")
SALT = "a salt that nobody knows"


def work(workspace: Workspace, rubric: Rubric, *, arms: Arms | None = None) -> None:
    """Six items with a planted error each, of which ann and ben answer all they are served."""
    settings = ProjectSettings(name="p", arms=arms or Arms(withheld=0.2, seeded=0.5, answer_first=0), gold=Gold(share=0))
    create_project(workspace, settings, rubric=rubric, guideline="Be fair.", salt=SALT)
    planted = {"failure": "no"}
    new = (NewTask(Item("output", str(number), {}), [Suggestion("failure", "yes")], seed=planted, overlap=2) for number in range(6))
    assert put_tasks(workspace, "p", new).put == 6
    for rater in (ANN, BEN):
        for task in claim(workspace, "p", rater, n=6):
            answer(workspace, task.task_id, rater, {"failure": "yes"}, idempotency_key=task.task_id)


def bodies(workspace: Workspace) -> Iterator[dict[str, Any]]:
    with workspace.read() as conn:
        for text in conn.execute(select(ledger_entry.c.body).where(ledger_entry.c.workspace_id == workspace.id)).scalars():
            yield json.loads(text)


def words_of(thing: Any) -> Iterator[Any]:
    if isinstance(thing, dict):
        for name, value in thing.items():
            yield name
            yield from words_of(value)
    elif isinstance(thing, list):
        for value in thing:
            yield from words_of(value)
    else:
        yield thing


def test_no_entry_of_a_project_says_the_arm_or_what_was_suggested(workspace: Workspace, rubric: Rubric) -> None:
    work(workspace, rubric)
    a = review_assignment.c
    with workspace.read() as conn:
        assert {"seeded", "suggestion_shown"} <= set(conn.execute(select(a.arm).where(a.workspace_id == workspace.id)).scalars())
    said = [body for body in bodies(workspace) if "judgement" in body or "tasks" in body]
    assert len(said) == 14
    for body in said:
        told = set(words_of(body))
        assert not told & {"arm", "suggestion", "shown", "seeded", "withheld", "suggestion_shown"}
        assert "no" not in told  # only planted suggestions say so


def test_alike_showings_cannot_be_told_from_others(workspace: Workspace, rubric: Rubric) -> None:
    work(workspace, rubric)
    seals = [task["seal"] for entry in entries(workspace, type="review.served") for task in entry.body["tasks"]]
    seals += [entry.body["seal"] for entry in entries(workspace, type="judgement.made")]
    assert len(seals) == 24 and len(set(seals)) == 24 and {len(seal) for seal in seals} == {64}


@given(st.dictionaries(st.text(min_size=1), st.text()), st.text(), st.text())
def test_a_seal_binds_what_was_said_and_hangs_on_the_salt(said: dict[str, str], salt: str, other: str) -> None:
    made = sealed(salt, what=said)
    assert made == sealed(salt, what=dict(reversed(said.items())))
    assert made != sealed(salt, what={**said, "one more": "thing"})
    if salt.encode().rstrip(b"\0") != other.encode().rstrip(b"\0"):
        assert made != sealed(other, what=said)


def test_the_tables_are_as_the_ledger_committed(workspace: Workspace, rubric: Rubric) -> None:
    work(workspace, rubric)
    found = check_seals(workspace, "p")
    assert (found.ok, found.servings, found.judgements, found.open) == (True, 12, 12, 0)
    assert "12 servings and 12 judgements compared, all as committed" in str(found)
    with pytest.raises(NotFound):
        check_seals(workspace, "q")


def test_an_arm_that_was_changed_afterwards_is_found_out(workspace: Workspace, rubric: Rubric) -> None:
    work(workspace, rubric)
    a, j = review_assignment.c, judgement.c
    with workspace.read() as conn:
        task_id = conn.execute(select(a.task_id).where(a.workspace_id == workspace.id, a.arm == "seeded", a.rater_id == ANN.id).limit(1)).scalar_one()
        judged = conn.execute(select(j.id).where(j.workspace_id == workspace.id, j.purpose == "seeded").limit(1)).scalar_one()
    mine = (a.workspace_id == workspace.id, a.task_id == task_id, a.rater_id == ANN.id)
    workspace.write(lambda tx: tx.conn.execute(update(review_assignment).where(*mine).values(arm="withheld")))
    workspace.write(lambda tx: tx.conn.execute(update(judgement).where(j.workspace_id == workspace.id, j.id == judged).values(suggestion="yes")))
    found = check_seals(workspace, "p")
    assert set(found.differing) == {task_id, judged} and not found.ok


def test_what_is_served_again_is_committed_as_it_was_shown_first(workspace: Workspace, rubric: Rubric) -> None:
    work(workspace, rubric, arms=Arms())
    cat = person("cat")
    put_tasks(workspace, "p", [NewTask(Item("output", "7", {}), [Suggestion("failure", "yes")])])
    (task,) = claim(workspace, "p", cat)
    release(workspace, [task.task_id], cat)
    change_project(workspace, "p", number=1, settings=ProjectSettings(name="p", arms=Arms(withheld=1), gold=Gold(share=0)))
    assert [one.task_id for one in claim(workspace, "p", cat)] == [task.task_id]
    first, second = [entry.body["tasks"][0]["seal"] for entry in entries(workspace, type="review.served") if entry.actor == "cat"]
    assert first == second and check_seals(workspace, "p").ok


def test_a_single_known_item_cannot_be_guessed_from_the_ledger(workspace: Workspace, rubric: Rubric) -> None:
    work(workspace, rubric)
    (task_id,) = add_gold(workspace, "p", [Known(Item("output", "known", {}), {"failure": "yes"})]).task_ids
    guesses = {task_id, digest([task_id]), digest(task_id), sha256(task_id.encode()).hexdigest()}
    assert not guesses & {str(word) for body in bodies(workspace) for word in words_of(body)}


def test_a_queue_without_a_project_has_nothing_to_hide(workspace: Workspace, rubric: Rubric) -> None:
    put_tasks(workspace, "q", [NewTask(Item("output", "1", {}), [Suggestion("failure", "yes")])], rubric=rubric)
    (task,) = claim(workspace, "q", ANN)
    answer(workspace, task.task_id, ANN, {"failure": "no"}, idempotency_key="1")
    assert [entry.body["tasks"][0]["arm"] for entry in entries(workspace, type="review.served")] == ["suggestion_shown"]
    assert [entry.body["suggestion"] for entry in entries(workspace, type="judgement.made")] == ["yes"]


def test_an_answer_to_a_planted_suggestion_can_be_taken_back_like_any_other(workspace: Workspace, rubric: Rubric) -> None:
    """Were it refused because others took the place meanwhile, the refusal would tell that it was planted."""
    work(workspace, rubric, arms=Arms(seeded=0.5))
    for name in ("cat", "dot", "eli", "fay"):
        for task in claim(workspace, "p", person(name), n=6):
            answer(workspace, task.task_id, person(name), {"failure": "yes"}, idempotency_key=task.task_id)
    a = review_assignment.c
    with workspace.read() as conn:
        seeded = list(
            conn.execute(
                select(a.task_id).where(a.workspace_id == workspace.id, a.arm == "seeded", a.rater_id == ANN.id, a.state == "answered")
            ).scalars()
        )
    assert seeded
    for task_id in seeded:
        undo(workspace, task_id, ANN)
        answer(workspace, task_id, ANN, {"failure": "no"}, idempotency_key=f"again {task_id}")
    assert check_seals(workspace, "p").ok
