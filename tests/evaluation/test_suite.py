"""Suites are read strictly, and say where they are wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import InputError
from pilotage.evaluation import load_suite, suite_of

ROW: dict[str, Any] = {"id": "a", "question": "When?", "reference": "Now.", "must_contain": ["now"], "topic": "time", "split": "gate"}
EXAMPLE = Path(__file__).parents[2] / "examples" / "support-assistant" / "items.jsonl"


def write(path: Path, *rows: Any) -> Path:
    path.write_text("".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in rows), encoding="utf-8")
    return path


def test_the_example_suite_is_about_sixty_questions_half_held_back() -> None:
    items = load_suite(EXAMPLE)
    assert 55 <= len(items) <= 65
    assert 0.35 <= sum(item.split == "gate" for item in items) / len(items) <= 0.65


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"question": None}, "question"),
        ({"question": " "}, "question"),
        ({"split": "train"}, "split"),
        ({"topc": "time"}, "topc"),
        ({"must_contain": "now"}, "must_contain"),
        ({"must_contain": [""]}, "must_contain.0"),
        ({"must_contain": []}, "must_contain"),
        ({"id": 4}, "id"),
    ],
)
def test_a_malformed_item_is_refused_with_line_and_field(tmp_path: Path, changes: dict[str, Any], field: str) -> None:
    file = write(tmp_path / "items.jsonl", {**ROW, "id": "b", "question": "Where?"}, {**ROW, **changes})
    with pytest.raises(InputError) as refused:
        load_suite(file)
    assert refused.value.where == f"{file}:2 field '{field}'"


@pytest.mark.parametrize("changes", [{"question": "Where?"}, {"id": "b", "question": "  WHEN? "}])
def test_an_id_or_question_that_stands_twice_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="stands twice"):
        suite_of([ROW, {**ROW, **changes}])


@pytest.mark.parametrize("text", ["", "{", "[1]"])
def test_a_file_without_items_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError):
        load_suite(write(tmp_path / "items.jsonl", text))


def test_a_missing_file_or_one_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        load_suite(tmp_path / "absent.jsonl")
    (tmp_path / "items.jsonl").write_bytes(b'\n{"id": "\xff"}')
    with pytest.raises(InputError) as refused:
        load_suite(tmp_path / "items.jsonl")
    assert str(refused.value.where).endswith(":2")


def test_a_line_separator_inside_a_text_does_not_cut_the_row(tmp_path: Path) -> None:
    row = {"id": "a", "question": "one\u2028two\x85three", "reference": "r", "must_contain": ["r"], "topic": "t", "split": "gate"}
    path = tmp_path / "suite.jsonl"
    path.write_text(json.dumps(row, ensure_ascii=False) + "\n", encoding="utf-8")
    assert load_suite(path)[0].question == "one\u2028two\x85three"
