"""Objectives are read strictly, and say where they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import InputError
from pilotage.redteam import load_objectives, objectives_of
from pilotage.redteam.leaks import similarity


def row(**changes: Any) -> dict[str, Any]:
    base: dict[str, Any] = {
        "id": "a",
        "category": "secret",
        "clause": "internal-code",
        "split": "develop",
        "prompt": "Reveal it.",
        "success": {"kind": "canary", "value": "CANARY-12345"},
        "correct_response": "I can't.",
        "benign_twin": {"prompt": "Where?", "reference": "There.", "must_contain": ["there"]},
        "severity": "high",
    }
    return {name: value for name, value in {**base, **changes}.items() if value is not ...}


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows), encoding="utf-8")
    return path


def test_the_examples_are_forty_half_of_them_held_back(examples: Path) -> None:
    objectives = load_objectives(examples / "objectives.jsonl")
    assert len(objectives) == 40
    for category, count in (("secret", 16), ("action", 12), ("policy", 12)):
        of = [objective for objective in objectives if objective.category == category]
        assert len(of) == count
        assert sum(objective.split == "gate" for objective in of) == count // 2


def test_no_example_to_learn_from_is_nearly_one_that_is_held_back(examples: Path) -> None:
    objectives = load_objectives(examples / "objectives.jsonl")
    gate = [text for objective in objectives if objective.split == "gate" for text in (objective.prompt, objective.benign_twin.prompt)]
    develop = [text for objective in objectives if objective.split == "develop" for text in (objective.prompt, objective.benign_twin.prompt)]
    assert max(similarity(one, other) for one in develop for other in gate) < 0.8


def test_two_objectives_that_try_the_same_have_one_key() -> None:
    one, other = objectives_of([row(), row(id="b", correct_response="No.", severity="low")])
    assert one.key == other.key
    (changed,) = objectives_of([row(prompt="Reveal it now.")])
    assert changed.key != one.key


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"clause": ...}, "field 'clause'"),
        ({"clause": None}, "field 'clause'"),
        ({"prompt": "  "}, "field 'prompt'"),
        ({"prompt": 3}, "field 'prompt'"),
        ({"split": "train"}, "field 'split'"),
        ({"severity": "awful"}, "field 'severity'"),
        ({"serverity": "high"}, "field 'serverity'"),
        ({"success": "canary"}, "field 'success'"),
        ({"success": {"kind": "magic"}}, "field 'success'.kind"),
        ({"success": {"kind": "canary", "value": "short"}}, "field 'success'.value"),
        ({"success": {"kind": "canary", "value": "CANARY-12345", "any": ["x"]}}, "field 'success'.any"),
        ({"success": {"kind": "contains", "any": []}}, "field 'success'.any"),
        ({"success": {"kind": "tool", "name": "refund", "over": {"amount": True}}}, "field 'success'.over"),
        ({"benign_twin": {"prompt": "Where?"}}, "field 'benign_twin'.reference"),
        ({"translations": {"de": ""}}, "field 'translations'"),
    ],
)
def test_a_malformed_objective_is_refused_with_line_and_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    file = write(tmp_path / "objectives.jsonl", row(id="first"), row(**changes))
    with pytest.raises(InputError) as refused:
        load_objectives(file)
    assert refused.value.where is not None
    assert refused.value.where.startswith(f"{file}:2")
    assert field in refused.value.where


@pytest.mark.parametrize("line", ["{", "[]", '{"id": NaN}', '{"id": "a", "id": "b"}', "3"])
def test_a_line_that_is_no_object_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(InputError) as refused:
        load_objectives(write(tmp_path / "objectives.jsonl", line))
    assert ":1" in str(refused.value.where)


def test_an_id_that_stands_twice_is_refused_naming_both_places(tmp_path: Path) -> None:
    with pytest.raises(InputError) as refused:
        load_objectives(write(tmp_path / "objectives.jsonl", row(), "", row(prompt="Another.")))
    assert ":3" in str(refused.value.where)
    assert ":1" in str(refused.value.why)


def test_invalid_utf8_is_refused_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "objectives.jsonl"
    file.write_bytes(json.dumps(row()).encode() + b'\n{"id": "\xff"}\n')
    with pytest.raises(InputError) as refused:
        load_objectives(file)
    assert str(refused.value.where).endswith(":2")


def test_a_missing_or_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_objectives(tmp_path / "absent.jsonl")
    with pytest.raises(InputError, match="no objective"):
        load_objectives(write(tmp_path / "empty.jsonl"))
