"""``pilotage exchange`` and ``pilotage webhooks``, as one types them."""

from __future__ import annotations

import json
from pathlib import Path

import yaml
from terminal import Terminal

PROJECT = """name: tickets
rubric:
  name: tone
  questions:
    - {name: polite, prompt: "Is it polite?", kind: choice, options: ["yes", "no"]}
guideline: Polite is polite.
"""
CONFIG = """<View><Text name="t" value="$text"/><Choices name="polite" toName="t"><Choice value="yes"/><Choice value="no"/></Choices>
<RectangleLabels name="boxes" toName="t"><Label value="x"/></RectangleLabels></View>"""


def task(number: int, value: str) -> dict[str, object]:
    told = {"from_name": "polite", "to_name": "t", "type": "choices", "value": {"choices": [value]}}
    return {"id": number, "data": {"text": f"text {number}"}, "annotations": [{"completed_by": "ann", "result": [told]}], "odd": number}


def test_a_file_comes_in_and_goes_out_as_it_came(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT)
    (tmp_path / "in.json").write_text(json.dumps([task(1, "yes"), task(2, "no")]))
    (tmp_path / "labels.xml").write_text(CONFIG)
    terminal("project", "create", str(tmp_path / "project.yaml"))
    assert "label-studio" in terminal("exchange", "formats").out
    words = ("exchange", "import", "tickets", str(tmp_path / "in.json"), "--format", "label-studio")
    said = terminal(*words, "--config", str(tmp_path / "labels.xml"), "--map", "ann=eve")
    assert "2 records, 2 answers of 1 raters" in said.out
    assert "imported before" in terminal(*words, "--config", str(tmp_path / "labels.xml"), "--map", "ann=eve").out
    out = tmp_path / "out.json"
    assert "2 rows of 2 items with 2 answers" in terminal("exchange", "export", "tickets", str(out), "-f", "label-studio").out
    assert json.loads(out.read_text()) == json.loads((tmp_path / "in.json").read_text())
    terminal.refused("exchange", "export", "tickets", str(out), "-f", "label-studio", code=1)


def test_a_file_that_does_not_fit_is_refused_with_its_rows_and_exit_code_1(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "project.yaml").write_text(PROJECT)
    (tmp_path / "in.json").write_text(json.dumps([task(1, "yes"), task(2, "maybe")]))
    terminal("project", "create", str(tmp_path / "project.yaml"))
    words = ("exchange", "import", "tickets", str(tmp_path / "in.json"), "--format", "label-studio")
    said = terminal(*words, expect=1)
    assert "row 2 field annotations[0].result[0].value" in said.out and "nothing was taken" in said.out
    assert "1 records" in terminal(*words, "--skip-refused").out
    terminal.refused("exchange", "import", "tickets", str(tmp_path / "in.json"), "--format", "xml", code=2)
    terminal.refused(*words, "--map", "ann", code=2)
    terminal.refused(*words, "--queue", "some", code=2)


def test_a_rubric_is_proposed_from_a_configuration(terminal: Terminal, tmp_path: Path) -> None:
    (tmp_path / "labels.xml").write_text(CONFIG)
    said = terminal("exchange", "rubric", str(tmp_path / "labels.xml"), "--name", "tone")
    told = yaml.safe_load(said.out)
    assert told["questions"][0]["name"] == "polite" and "boxes" in said.err
    from pilotage.judging import load_rubric_file

    (tmp_path / "rubric.yaml").write_text(said.out)
    assert load_rubric_file(tmp_path / "rubric.yaml").question("polite").kind == "choice"


def test_webhooks_are_added_listed_sent_and_removed(terminal: Terminal) -> None:
    terminal("init", expect=None)
    assert "task.done" in terminal("webhooks", "events").out
    said = terminal("webhooks", "add", "https://example.org/hook", "--event", "task.done")
    assert "shown once" in said.out
    secret, name = said.out.strip().rpartition(" ")[2], said.out.partition(":")[0]
    listed = terminal("webhooks", "list").out
    assert name in listed and secret not in listed
    assert "0 delivered" in terminal("webhooks", "send").out
    terminal.refused("webhooks", "add", "http://127.0.0.1/", "--event", "task.done", code=1)
    terminal("webhooks", "remove", name)
    assert "No webhook" in terminal("webhooks", "list").out
