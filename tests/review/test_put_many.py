"""Putting many items: what is refused is named, roles become tasks, and a batch is one entry."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Text, func, select, type_coerce

from pilotage.core import InputError, NotFound, Refused
from pilotage.judging import Item, Option, Question, Rubric, person, put_item
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload
from pilotage.ledger import create_workspace, entries, open_workspace, verify
from pilotage.review import NewTask, Suggestion, answer, claim, counts, put_tasks, tasks
from pilotage.review.new_task import shown_of, task_id, unfit
from pilotage.review.projects import Gold, ProjectSettings, Sla, archive_project, create_project
from pilotage.review.put_batch import CHUNK, FIRST, batches
from pilotage.review.put_rows import ID, Plan
from pilotage.review.tables import review_author, review_gold, review_seed, review_task, suggestion
from pilotage.store import Workspace, json_text

ANN, BEN = person("ann"), person("ben")
GUIDE = "Go by what the customer would feel."

Make = Callable[..., Item]


def rows_of(workspace: Workspace, table: Any) -> list[Any]:
    with workspace.read() as conn:
        return list(conn.execute(select(table).where(table.c.workspace_id == workspace.id)).mappings())


def test_a_batch_says_what_became_of_each_task_and_is_one_entry(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    def batch() -> Any:
        return (NewTask(item(f"item {n}"), [Suggestion("failure", "yes", probability=0.9, model="m")]) for n in range(5))

    first = put_tasks(workspace, "bulk", batch(), rubric=rubric)
    assert (first.put, first.known, first.refused) == (5, 0, ())
    again = put_tasks(workspace, "bulk", batch(), rubric=rubric)
    assert (again.put, again.known) == (0, 5)
    (entry,) = entries(workspace, type="review.put")
    assert entry.body["put"] == 5 and len(entry.body["digest"]) == 64
    assert counts(workspace, "bulk").open == 5
    assert len(rows_of(workspace, suggestion)) == 5


def test_items_are_served_in_the_order_they_came(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    put_tasks(workspace, "bulk", (NewTask(item(f"item {n:03d}")) for n in range(40)), rubric=rubric)
    asked = [task.payload["conversation"][0]["content"] for task in claim(workspace, "bulk", ANN, n=40)]
    assert asked == [f"item {n:03d}" for n in range(40)]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"suggestions": [Suggestion("blame", "yes")]}, "suggestions[0].blame"),
        ({"suggestions": [Suggestion("failure", "yes"), Suggestion("failure", "maybe")]}, "suggestions[1].failure"),
        ({"suggestions": [Suggestion("failure", "yes", probability=1.5)]}, "suggestions[0].probability"),
        ({"suggestions": [Suggestion("failure", "yes", probability=float("nan"))]}, "suggestions[0].probability"),
        ({"suggestions": [Suggestion("failure", "yes", score=float("inf"))]}, "suggestions[0].score"),
        ({"seed": {"failure": "perhaps"}}, "seed.failure"),
        ({"purpose": "gold"}, "gold"),
        ({"gold": {"failure": "yes"}}, "gold"),
        ({"purpose": "gold", "gold": {"failure": "yes"}, "seed": {"failure": "yes"}}, "seed.failure"),
        ({"purpose": "play"}, "purpose"),
        ({"overlap": 0}, "overlap"),
        ({"priority": 1_000_001}, "priority"),
        ({"why": ()}, "why"),
    ],
)
def test_a_row_that_does_not_fit_is_named_and_the_others_stand(
    workspace: Workspace, rubric: Rubric, item: Make, wrong: dict[str, Any], field: str
) -> None:
    report = put_tasks(workspace, "bulk", [NewTask(item("a")), NewTask(item("b"), **wrong), NewTask(item("c"))], rubric=rubric)
    (refused,) = report.refused
    assert (refused.row, refused.field, refused.item) == (2, field, item("b").id)
    assert (report.put, counts(workspace, "bulk").open) == (2, 2)


def test_an_item_that_is_not_stored_is_refused_by_row(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    put_tasks(workspace, "bulk", [NewTask(item("a"))], rubric=rubric)
    report = put_tasks(workspace, "second", [NewTask(item("a").id), NewTask("itm_none")], rubric=rubric)
    assert report.put == 1 and [(each.row, each.field) for each in report.refused] == [(2, "item")]


def test_a_rubric_of_two_roles_is_one_task_per_role_with_its_own_questions(workspace: Workspace, item: Make) -> None:
    questions = (
        Question(name="fact", prompt="Is it right?", kind="bool", required_role="physician"),
        Question(name="tone", prompt="Is it kind?", kind="bool"),
    )
    both = Rubric(name="both", questions=questions)
    report = put_tasks(workspace, "clinic", [NewTask(item("a"), [Suggestion("fact", True), Suggestion("tone", False)])], rubric=both)
    assert report.put == 2
    (tone,) = claim(workspace, "clinic", ANN, roles={"reviewer"})
    assert (tone.questions, tone.suggestion) == (("tone",), {"tone": False})
    with pytest.raises(InputError, match="not part of the task"):
        answer(workspace, tone.task_id, ANN, {"tone": True, "fact": True}, idempotency_key="1")
    answer(workspace, tone.task_id, ANN, {"tone": True}, idempotency_key="2")
    (fact,) = claim(workspace, "clinic", BEN, roles={"physician"})
    assert (fact.questions, fact.suggestion) == (("fact",), {"fact": True})


def test_gold_seeds_and_authors_are_kept_apart_from_what_is_served(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    create_project(workspace, ProjectSettings(name="p", gold=Gold(share=0, exposure_cap=7), sla=Sla(due="1h")), rubric=rubric, guideline=GUIDE)
    gold = NewTask(item("g"), purpose="gold", gold={"failure": "yes"}, explanation="it tells the secret")
    work = NewTask(item("w"), [Suggestion("failure", "no")], seed={"failure": "yes"}, made_from="confusion", authors=["ann"])
    assert put_tasks(workspace, "p", [gold, work]).put == 2
    by_purpose = {row["purpose"]: row for row in rows_of(workspace, review_task)}
    assert (by_purpose["gold"]["overlap"], by_purpose["work"]["overlap"]) == (7, 1)
    assert all(row["due_at"] > workspace.clock.now_us() for row in by_purpose.values())
    assert by_purpose["gold"]["why"] == by_purpose["work"]["why"] == ["labelling"]
    assert [(row["planted"], row["made_from"]) for row in rows_of(workspace, review_seed)] == [({"failure": "yes"}, "confusion")]
    assert [(row["value"], row["explanation"]) for row in rows_of(workspace, review_gold)] == [("yes", "it tells the secret")]
    assert [row["login"] for row in rows_of(workspace, review_author)] == ["ann"]
    assert counts(workspace, "p").open == 1  # gold is no work to be done
    assert [row.item_id for row in tasks(workspace, "p").rows] == [item("w").id]


def test_a_skill_goes_by_the_items_slices(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    settings = ProjectSettings(name="p", skills={"language=de": "german", "*": "basics"}, gold=Gold(share=0))
    create_project(workspace, settings, rubric=rubric, guideline=GUIDE)
    put_tasks(workspace, "p", [NewTask(item("a"), slices={"language": "de"}), NewTask(item("b"), slices={"language": "fr"})])
    assert {row["skill"] for row in rows_of(workspace, review_task)} == {"german", "basics"}


def test_what_is_not_there_or_put_away_takes_no_items(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    with pytest.raises(NotFound, match="no project 'none'"):
        put_tasks(workspace, "none", [NewTask(item("a"))])
    create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline=GUIDE)
    archive_project(workspace, "p")
    with pytest.raises(Refused, match="archived"):
        put_tasks(workspace, "p", [NewTask(item("a"))])


def test_more_than_a_chunk_streams_and_loses_nothing(tmp_path: Any, rubric: Rubric) -> None:
    many = FIRST * 2 + 500
    with Workspace.create(tmp_path) as workspace:
        report = put_tasks(workspace, "bulk", (NewTask(Item("output", str(n), {"n": n})) for n in range(many)), rubric=rubric)
        assert report.put == many == counts(workspace, "bulk").open
        assert [entry.body["put"] for entry in entries(workspace, type="review.put")] == [FIRST, FIRST + 500]
        with workspace.read() as conn:
            assert conn.execute(select(func.count()).select_from(review_task)).scalar_one() == many


def test_batches_grow_to_a_chunk_and_no_further(rubric: Rubric) -> None:
    plan = Plan("ws", "ann", "bulk", rubric, ("",), {"": ("failure",)}, ProjectSettings(name="-"), None)
    sizes = [batch.rows for batch in batches(plan, (NewTask(f"itm_{number}") for number in range(CHUNK * 4)))]
    assert sizes[0] == FIRST and max(sizes) == CHUNK and sum(sizes) == CHUNK * 4
    assert all(later <= earlier * 2 for earlier, later in pairwise(sizes))


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(0, 1)), st.one_of(st.none(), st.floats(-5, 5))), min_size=1, max_size=8))
def test_the_suggestion_shown_is_the_most_probable_else_the_highest_scored_else_the_first(given_: list[tuple[float | None, float | None]]) -> None:
    many = [Suggestion("q", n, score=score, probability=probability) for n, (probability, score) in enumerate(given_)]
    best = shown_of(many)["q"]
    probable = [each for each in many if each.probability is not None]
    if probable:
        assert best.probability == max(each.probability for each in probable if each.probability is not None)
    elif any(each.score is not None for each in many):
        assert best.score == max(each.score for each in many if each.score is not None)
    else:
        assert best is many[0]


def test_an_option_is_checked_without_a_workspace() -> None:
    rubric = Rubric(name="r", questions=(Question(name="q", prompt="?", kind="choice", options=(Option("a"), Option("b"))),))
    assert list(unfit(NewTask(Item("row", "1", {}), [Suggestion("q", "a")]), rubric)) == []
    assert next(unfit(NewTask(Item("row", "1", {}), [Suggestion("q", "c")]), rubric))[0] == "suggestions[0].q"


@given(queue=st.text(min_size=1), item_id=st.text(), purpose=st.sampled_from(["work", "gold", "audit"]), several=st.booleans(), salt=st.text())
def test_ids_put_together_from_halves_are_those_of_the_whole(queue: str, item_id: str, purpose: str, several: bool, salt: str) -> None:
    wanted = ("", "lawyer") if several else ("",)
    questions = tuple(Question(name=role or "q", prompt="?", kind="bool", required_role=role or None) for role in wanted)
    rubric = Rubric(name="r", questions=questions)
    roles = ("", "lawyer") if several else ("",)
    asked = {role: tuple(question.name for question in questions) for role in roles}
    plan = Plan("ws", "ann", queue, rubric, roles, asked, ProjectSettings(name="-"), None, salt)
    item = Item("output", "1", {}, {}, item_id or "x")
    gold = {question.name: True for question in questions} if purpose == "gold" else {}
    rows = list(plan.task_rows(NewTask(item, purpose=purpose, gold=gold), item))
    whole = [task_id(queue, item.id, rubric.id, purpose=purpose, asks=role if several else None, salt=salt) for role in roles]
    assert [row[ID] for row in rows] == whole


def test_a_task_twice_in_a_batch_is_as_it_came_last(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    report = put_tasks(workspace, "bulk", [NewTask(item("a"), authors=["ann"], priority=1), NewTask(item("a"), priority=2)], rubric=rubric)
    assert report.put == 1
    (row,) = rows_of(workspace, review_task)
    assert row["priority"] == 2 and not rows_of(workspace, review_author)


def test_records_and_stored_items_keep_the_order_they_came_in(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    stored = item("stored")
    workspace.write(lambda tx: put_item(tx, stored))
    report = put_tasks(workspace, "bulk", [NewTask(item("first")), NewTask(stored.id), NewTask("itm_nobody"), NewTask(item("last"))], rubric=rubric)
    assert [refused.row for refused in report.refused] == [3]
    asked = [task.payload["conversation"][0]["content"] for task in claim(workspace, "bulk", ANN, n=9)]
    assert asked == ["first", "stored", "last"]


def test_what_was_read_before_the_items_failed_is_put(tmp_path: Any, rubric: Rubric) -> None:
    def items() -> Any:
        yield from (NewTask(Item("output", str(n), {"n": n})) for n in range(FIRST + 1))
        raise ValueError("the file ends in the middle")

    with Workspace.create(tmp_path) as workspace:
        with pytest.raises(ValueError, match="in the middle"):
            put_tasks(workspace, "bulk", items(), rubric=rubric)
        assert counts(workspace, "bulk").open == FIRST


def test_scores_may_be_whole_numbers_others_or_none(workspace: Workspace, rubric: Rubric, item: Make) -> None:
    scores = [1, 0.5, None, -2]
    many = [NewTask(item(f"item {n}"), [Suggestion("failure", "yes", score=score, model="m")]) for n, score in enumerate(scores)]
    put_tasks(workspace, "bulk", many, rubric=rubric)
    assert {row["score"] for row in rows_of(workspace, suggestion)} == set(scores)


def test_long_payloads_make_short_transactions(workspace: Workspace, rubric: Rubric, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pilotage.review.put_batch.CHUNK_BYTES", 1_000)
    put_tasks(workspace, "bulk", (NewTask(Item("output", str(n), {"text": "x" * 600})) for n in range(4)), rubric=rubric)
    assert [entry.body["put"] for entry in entries(workspace, type="review.put")] == [2, 2]


@given(
    value=st.sampled_from(["yes", "no", "maybe", None, 1, ["yes"]]),
    probability=st.one_of(st.none(), st.floats()),
    score=st.one_of(st.none(), st.floats()),
    priority=st.integers(-2_000_000, 2_000_000),
    overlap=st.one_of(st.none(), st.integers(-1, 2)),
)
def test_what_is_told_to_fit_at_a_glance_has_nothing_wrong_with_it(value: Any, probability: Any, score: Any, priority: int, overlap: Any) -> None:
    options = (Option("yes"), Option("no"))
    asked = Rubric(name="r", questions=(Question(name="q", prompt="?", kind="choice", options=options),))
    plan = Plan("ws", "ann", "bulk", asked, ("",), {"": ("q",)}, ProjectSettings(name="-"), None)
    task = NewTask(Item("output", "1", {}), [Suggestion("q", value, score, probability)], priority=priority, overlap=overlap)
    assert plan.fits(task) == (not list(unfit(task, asked)))


ROWS = (item_table, item_payload, review_task, suggestion, review_author)
OWN_TIME = {"created_at", "due_at", "workspace_id"}


def said(workspace: Workspace, table: Any) -> list[dict[str, Any]]:
    """The rows as they lie in the table, but for when and in which workspace; a task's place without its time."""
    found = []
    with workspace.read() as conn:
        for row in conn.execute(
            select(*(type_coerce(column, Text) for column in table.columns)).where(table.c.workspace_id == workspace.id)
        ).mappings():
            plain = {name: value for name, value in row.items() if name not in OWN_TIME}
            if "position" in plain:
                plain["position"] = [part for place, part in enumerate(plain["position"].split(".")) if place != 1]
            found.append(plain)
    return sorted(found, key=str)


def test_the_fast_way_writes_the_very_rows_of_the_plain_one(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    options = (Option("yes"), Option('"no" – ä'))
    rubric = Rubric(name="r", questions=(Question(name="q", prompt="?", kind="choice", options=options), Question(name="t", prompt="?", kind="bool")))

    def many() -> Any:
        for number in range(1_203):  # two statements' worth, and some over
            proposed = [Suggestion("q", options[number % 2].value, 0.5, 0.25 if number % 3 else None, "m" if number % 5 else "", "1")]
            proposed += [Suggestion("t", True, model="n")] if number % 7 == 0 else []
            payload = {"text": f"ü {number}", "authors": ["Ann "]} if number % 11 == 0 else {"text": f"ü {number}"}
            yield NewTask(Item("row", str(number), payload), proposed, slices={"l": "de"} if number % 13 == 0 else {}, priority=number % 3 - 1)

    def fast() -> dict[str, Any]:
        with Workspace.create(tmp_path / "fast") as workspace:
            put_tasks(workspace, "bulk", many(), rubric=rubric)
            return {table.name: said(workspace, table) for table in ROWS}

    def plain() -> dict[str, Any]:
        monkeypatch.setattr(Plan, "fits", lambda *_: False)
        monkeypatch.setattr(Plan, "_shown", lambda self, role, given: json_text({name: one.value for name, one in shown_of(given).items()}))
        monkeypatch.setattr("pilotage.review.put_rows.value_text", json_text)
        monkeypatch.setattr(Plan, "_ids", lambda self, purpose, asks: lambda item_id: task_id(self.queue, item_id, self.rubric.id, purpose=purpose))
        with Workspace.create(tmp_path / "plain") as workspace:
            for one in many():
                put_tasks(workspace, "bulk", [one], rubric=rubric)
            return {table.name: said(workspace, table) for table in ROWS}

    assert fast() == plain()


KILLED = """
import os, signal, sys
from pilotage.judging import Item, Question, Rubric
from pilotage.ledger import open_workspace
from pilotage.review import NewTask, put, put_batch, put_tasks

put_batch.FIRST = put_batch.CHUNK = 50
asked = Rubric(name="r", questions=(Question(name="q", prompt="?", kind="bool"),))
tell, told = put._tell, []

def dying(*given):
    told.append(tell(*given))
    if len(told) == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # all rows of the third batch are written, and not committed

put._tell = dying
with open_workspace(sys.argv[1], actor="tester") as workspace:
    put_tasks(workspace, "bulk", (NewTask(Item("row", str(n), {"n": n})) for n in range(400)), rubric=asked)
"""


@pytest.mark.crash
def test_an_import_killed_in_the_middle_keeps_whole_batches_and_repeats_nothing_when_run_again(location: str) -> None:
    create_workspace(location, actor="tester").close()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", KILLED, location], env=environment, check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    asked = Rubric(name="r", questions=(Question(name="q", prompt="?", kind="bool"),))
    with open_workspace(location, actor="tester") as workspace:
        assert counts(workspace, "bulk").open == len(rows_of(workspace, review_task)) == len(rows_of(workspace, item_payload)) == 100
        again = put_tasks(workspace, "bulk", (NewTask(Item("row", str(n), {"n": n})) for n in range(400)), rubric=asked)
        assert (again.put, again.known) == (300, 100)
        assert sum(entry.body["put"] for entry in entries(workspace, type="review.put")) == 400
        places = {row["item_id"]: row["position"] for row in rows_of(workspace, review_task)}
        payloads = sorted(rows_of(workspace, item_payload), key=lambda row: places[row["item_id"]])
        assert [row["payload"]["n"] for row in payloads] == list(range(400))  # served in the order of the file
        assert verify(workspace).ok
