"""bias and flywheel: from seeds to rows at a terminal."""

from __future__ import annotations

import sys
from pathlib import Path

from terminal import Terminal

from pilotage.ledger import create_workspace

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "review"))

from team import PROJECT, project, put, source, ticket, work

CARD = "licence: CC-BY-4.0\nconsent: written for this project\npurposes: [training]\ncontains_personal_data: false\n"


def answered(terminal: Terminal) -> None:
    """Thirty tickets, half of them answered by somebody who says otherwise than the model."""
    with create_workspace(terminal.workspace, actor="captain") as workspace:
        source(workspace)
        project(workspace, arms={"seeded": 0.04, "withheld": 0.5})
        put(workspace, [ticket(number) for number in range(30)])
        work(workspace, "ada", lambda _login, _task: {"topic": "other"}, at_most=15)
    (terminal.folder / "card.yaml").write_text(CARD)


def test_seeds_are_planned_planted_and_shown_without_saying_where(terminal: Terminal) -> None:
    answered(terminal)
    assert "97 seeds give ±8% at a miss rate of 20%" in terminal("bias", "plan").out
    assert "48 answers in each arm" in terminal("bias", "plan", "--first", "0.26", "--second", "0.53").out
    terminal.refused("bias", "plan", "--first", "0.26", code=2)
    terminal.refused("bias", "seed", PROJECT, "--question", "topic", "--rate", "0.2", code=2)
    said = terminal("bias", "seed", PROJECT, "--question", "topic", "--rate", "0.04", "--dry-run").out
    assert "15 tasks" in said and "task_" not in said and "planted" not in said
    assert "0 planted" in terminal("bias", "seed", PROJECT, "--question", "topic", "--rate", "0.04").out
    board = terminal("bias", "board", PROJECT).out
    assert "not enough seeds: 0 of 97 needed" in board and "known truths: none" in board
    assert terminal("bias", "board", PROJECT, "--json").json["project"] == PROJECT
    terminal.refused("bias", "board", PROJECT, "--before", "1", code=2)


def test_corrections_become_a_version_and_a_slice_stays_apart(terminal: Terminal) -> None:
    answered(terminal)
    assert "4 of 30 items" in terminal("flywheel", "freeze", PROJECT, "loop", "--n", "4").out
    words = ("flywheel", "corrections", PROJECT, "topic", "--dataset", "learnt", "--card", "card.yaml", "--source", "tickets")
    assert "learnt@1: " in terminal(*words).out
    assert "nothing new: learnt@1 stands" in terminal(*words).out
    terminal.refused(*words[:-2], "--source", "nothing", code=2)
    assert "written" in (terminal.folder / "card.yaml").read_text()
    assert terminal("data", "export", "learnt", "rows.jsonl").out
    report = ("flywheel", "loop-report", PROJECT, "topic", "--slice", "loop", "--old", "m@1", "--new", "m@2", "--trained-on", "learnt")
    assert "error" in terminal(*report, expect=None).err  # the new model has not answered the slice
    terminal.refused(*report[:-3], "m", "--trained-on", "learnt", code=2)


def test_there_is_nothing_to_choose_from_and_no_preference_where_none_was_asked(terminal: Terminal) -> None:
    answered(terminal)
    assert "nothing to choose from" in terminal("flywheel", "select", PROJECT, "topic", "--n", "5", expect=None).err
    assert "0 items judged" in terminal("flywheel", "select", PROJECT, "topic", "--n", "0").out
    assert "share of a strategy" in terminal("flywheel", "select", PROJECT, "topic", "--n", "5", "--by", "luck", expect=None).err
    words = ("flywheel", "preferences", PROJECT, "topic", "--card", "card.yaml", "--out", "pairs.jsonl")
    assert "prefer one of two" in terminal.refused(*words, code=2)
