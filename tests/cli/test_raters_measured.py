"""pilotage raters accuracy, gold, qualify, settle, adjudicate, triage: what each does, and that what it says is so."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal

from pilotage.judging import Item, Option, Question, Rubric, person
from pilotage.ledger import create_workspace
from pilotage.review import answer, claim
from pilotage.review.new_task import NewTask, task_id
from pilotage.review.projects import ProjectSettings, change_project, create_project
from pilotage.review.put import put_tasks

RUBRIC = Rubric("replies", (Question("tone", "Is it right?", "choice", (Option("good"), Option("bad"))),), "Be fair.")
NAME = "support"
_keys: Iterator[int] = itertools.count()


def _item(name: str) -> Item:
    return Item(kind="output", source_id=name, payload={"text": name})


def _answer(workspace: Any, task: str, login: str, value: str) -> None:
    claim(workspace, NAME, person(login), 1)
    answer(workspace, task, person(login), {"tone": value}, idempotency_key=f"k{next(_keys)}")


@pytest.fixture
def project(terminal: Terminal) -> Terminal:
    """A project whose one item people disagree about, and a file of known items beside it."""
    with create_workspace(terminal.workspace, actor="captain") as workspace:
        settings = ProjectSettings.model_validate({"name": NAME, "gold": {"share": 0, "floor": 0.8}})
        project = create_project(workspace, settings, rubric=RUBRIC, salt="salt")
        put_tasks(workspace, NAME, [NewTask(_item("work"), overlap=2)])
        _answer(workspace, task_id(NAME, _item("work").id, RUBRIC.id, salt="salt"), "ann", "good")
        _answer(workspace, task_id(NAME, _item("work").id, RUBRIC.id, salt="salt"), "ben", "bad")
        qualified = ProjectSettings.model_validate({**settings.to_dict(), "qualification": {"skill": "tone", "items": 2}})
        change_project(workspace, NAME, number=project.number, settings=qualified)
    rows = [{"item": {"kind": "output", "source_id": f"g{n}", "payload": {"text": f"g{n}"}}, "values": {"tone": "good"}} for n in range(3)]
    Path("known.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return terminal


def test_gold_is_added_listed_tested_and_retired(project: Terminal) -> None:
    assert "There is no gold" in project("raters", "gold", NAME).out
    assert "3 gold items" in project("raters", "gold", NAME, "--add", "known.jsonl").out
    listed = project("raters", "gold", NAME).out
    assert listed.count("0 of 20") == 3
    assert "not assessable" in project("raters", "gold", NAME, "--leaks").out
    task = next(word for word in listed.split() if word.startswith("task_"))
    assert "1 retired" in project("raters", "gold", NAME, "--retire", task, "--reason", "it was wrong").out
    assert "retired" in project("raters", "gold", NAME).out


def test_a_bad_line_of_known_items_refuses_the_file_with_its_number(project: Terminal) -> None:
    with Path("known.jsonl").open("a", encoding="utf-8") as file:
        file.write('\n{"item": "itm_1"}\n')
    said = project("raters", "gold", NAME, "--add", "known.jsonl", expect=2)
    assert "known.jsonl:4" in said.err
    assert "There is no gold" in project("raters", "gold", NAME).out


def test_an_exam_and_a_round_are_opened_and_shown(project: Terminal) -> None:
    assert "has no exam" in project("raters", "qualify", NAME).out
    assert "draws 2 of 3" in project("raters", "qualify", NAME, "--exam", "known.jsonl").out
    assert "answers 3 of 3" in project("raters", "qualify", NAME, "--calibration", "known.jsonl").out
    shown = project("raters", "qualify", NAME).out
    assert "exam for 'tone'" in shown and "0 of 0 people done" in shown


def test_answers_are_settled_adjudicated_and_their_disagreement_explained(project: Terminal) -> None:
    assert "0 settled, 1 to adjudicate" in project("raters", "settle", NAME).out
    assert "unknown" in project("raters", "triage", NAME, "tone").out
    assert "1 items wait" in project("raters", "adjudicate", NAME).out
    assert "0 items wait" in project("raters", "adjudicate", NAME).out
    assert project("raters", "settle", NAME, "--json").json["questions"][0]["settled"] == 0


def test_accuracy_says_where_it_knows_nothing(project: Terminal) -> None:
    assert "Nobody has answered" in project("raters", "accuracy", NAME).out
    assert project("raters", "accuracy", "nowhere", expect=2).err
