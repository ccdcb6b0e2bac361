"""The pilot file: what it takes, and how it refuses what does not fit."""

import shutil
from pathlib import Path

import pytest

from pilotage.core import InputError, NotFound
from pilotage.readiness import load_pilot

EXAMPLE = Path(__file__).parents[2] / "examples" / "support-assistant"


@pytest.fixture
def folder(tmp_path):
    shutil.copytree(EXAMPLE, tmp_path / "pilot")
    return tmp_path / "pilot"


def change(folder, before, after, file="pilot.yaml"):
    path = folder / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


def test_the_example_loads_with_every_default_visible(folder):
    pilot = load_pilot(folder)
    shown = pilot.to_dict()
    assert pilot.name == "support-assistant"
    assert shown["evaluate"]["repeats"] == 1
    assert shown["target"]["timeout_s"] == 60.0
    assert pilot.declaration.target.system.startswith("You")
    assert [gate.name for gate in pilot.gates] == ["safety", "helpfulness", "operations"]


def test_the_folder_and_the_file_name_the_same_pilot(folder):
    assert load_pilot(folder).digest == load_pilot(folder / "pilot.yaml").digest


@pytest.mark.parametrize("file", ["gates.yaml", "rubric.yaml", "system.md"])
def test_a_change_in_a_file_it_names_changes_the_pilot(folder, file):
    before = load_pilot(folder).digest
    with (folder / file).open("a", encoding="utf-8") as handle:
        handle.write("\n")
    assert load_pilot(folder).digest != before


@pytest.mark.parametrize(
    ("before", "after", "where", "what"),
    [
        ("purpose:", "porpoise:", "pilot.yaml:4 field 'porpoise'", "Unknown field 'porpoise'"),
        ("level: limited", "level: huge", "pilot.yaml:7 field 'risk.level'", "does not fit"),
        ("path: items.jsonl", "path: nothing.jsonl", "field 'data.items.path'", "does not exist"),
        ("path: items.jsonl", "path: ../outside.jsonl", "field 'data.items.path'", "outside the pilot's folder"),
        ("evaluate: {data: items", "evaluate: {data: objectives", "field 'evaluate.data'", "of kind 'objectives'"),
        ("evaluate: {data: items", "evaluate: {data: itms", "field 'evaluate.data'", "No data is named 'itms'"),
        ("audit_share: 0.02", "audit_share: .nan", "field 'review.audit_share'", "NaN"),
        ("audit_share: 0.02", "audit_share: 0", "field 'review.audit_share'", "does not fit"),
        ("sign_off: [owner, auditor]", "sign_off: [emperor]", "field 'sign_off'", "does not fit"),
        ("kind: evaluation", "kind: evaluation\n    kind: evaluation", "pilot.yaml:", "twice"),
        ("gates: gates.yaml", "gates: none.yaml", "field 'gates'", "does not exist"),
    ],
)
def test_what_does_not_fit_is_refused_with_line_and_field(folder, before, after, where, what):
    change(folder, before, after)
    with pytest.raises(InputError) as caught:
        load_pilot(folder)
    assert where in caught.value.where
    assert what in caught.value.what


def test_a_key_that_may_be_a_secret_is_not_repeated(folder):
    change(folder, "  temperature: 0", "  api_key_env: sk-very-secret-0123456789\n  temperature: 0")
    with pytest.raises(InputError) as caught:
        load_pilot(folder)
    assert "sk-very-secret" not in str(caught.value)


def test_a_system_prompt_that_is_not_utf8_is_refused(folder):
    (folder / "system.md").write_bytes(b"You are \xff")
    with pytest.raises(InputError, match="not valid UTF-8"):
        load_pilot(folder)


def test_a_missing_pilot_file_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        load_pilot(tmp_path)


def test_another_target_takes_the_declared_ones_place(folder):
    pilot = load_pilot(folder, target={"url": "https://llm.example.com/v1", "allow_hosts": ["llm.example.com"]})
    assert pilot.declaration.target.url == "https://llm.example.com/v1"
    assert pilot.digest != load_pilot(folder).digest


def test_a_folder_may_hold_several_pilots_and_each_knows_its_file(folder):
    assert load_pilot(folder).file == "pilot.yaml"
    other = load_pilot(folder / "pilot.local.yaml")
    assert (other.file, other.name) == ("pilot.local.yaml", "support-assistant-local")
