"""Rubrics: versions by content, and a file whose every mistake is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pilotage.core import InputError, NotFound
from pilotage.judging import Option, Question, Rubric, Scale, load_rubric, load_rubric_file, put_rubric
from pilotage.store import Workspace

GOOD = """\
name: support
guideline: |
  Judge what was said, not what was meant.
questions:
  - name: correct
    prompt: Is the answer right?
    kind: bool
    policy: adjudicate
  - name: tone
    prompt: How is the tone?
    kind: choice
    options: [good, {value: bad, label: Off-putting, key: b}]
    required_role: reviewer
  - name: help
    prompt: How helpful is it?
    kind: rating
    maximum: 7
  - name: note
    prompt: Anything else?
    kind: text
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "rubric.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_rubric_file_is_read(tmp_path: Path) -> None:
    rubric = load_rubric_file(written(tmp_path, GOOD))
    assert [question.name for question in rubric.questions] == ["correct", "tone", "help", "note"]
    assert rubric.question("tone").options == (Option("good", "good"), Option("bad", "Off-putting", "b"))
    assert rubric.question("help").scale == Scale.ORDINAL
    assert rubric.question("help").maximum == 7
    assert rubric.question("correct").policy == "adjudicate"
    assert rubric.guideline.startswith("Judge what")
    assert [Question.from_dict(question.to_dict()) for question in rubric.questions] == list(rubric.questions)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("kind: bool", "kind: boole", 7, "not known here"),
        ("policy: adjudicate", "polcy: adjudicate", 8, "polcy"),
        ("options: [good, {value: bad, label: Off-putting, key: b}]", "options: [good]", 12, "two options"),
        ("options: [good, {value: bad, label: Off-putting, key: b}]", "options: [good, good]", 12, "two options"),
        ("{value: bad, label: Off-putting, key: b}", "{label: bad}", 12, "value"),
        ("name: tone", "name: correct", 9, "two questions"),
        ("maximum: 7", "maximum: 1", 14, "below its maximum"),
        ("maximum: 7", "maximum: many", 17, "finite number"),
        ("kind: bool", "kind: bool\n    minimum: 3", 8, "Only a rating"),
        ("    prompt: Anything else?\n", "", 18, "prompt"),
        ("guideline: |", "guideline_file: nowhere.md\nguideline: |", 2, "one guideline"),
    ],
)
def test_a_mistake_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in GOOD
    with pytest.raises(InputError, match=what) as caught:
        load_rubric_file(written(tmp_path, GOOD.replace(old, new, 1)))
    assert f"rubric.yaml:{line}" in str(caught.value.where)


KINDS = """\
name: kinds
questions:
  - {name: tags, prompt: Which, kind: choices, options: [one, two], at_least: 0, required: false}
  - {name: entities, prompt: Where, kind: spans, of: text, options: [who, where], overlapping: true}
  - {name: better, prompt: Which is better, kind: pair, strength: 3, both_bad: false}
  - {name: order, prompt: In which order, kind: ranking, ties: false}
  - {name: fixed, prompt: How should it read, kind: edit, of: draft, required: true}
"""


def test_every_kind_is_read_from_a_file(tmp_path: Path) -> None:
    tags, entities, better, order, fixed = load_rubric_file(written(tmp_path, KINDS)).questions
    assert (tags.fewest, tags.required) == (0, False)
    assert (entities.about, entities.overlapping, [option.value for option in entities.options]) == ("text", True, ["who", "where"])
    assert (better.strength, better.ties, better.both_bad) == (3, True, False)
    assert (order.about, order.ties) == ("candidates", False)
    assert (fixed.about, fixed.required) == ("draft", True)


@pytest.mark.parametrize(
    ("old", "new", "line", "what"),
    [
        ("at_least: 0", "at_least: -1", 3, "at least 0"),
        ("at_least: 0", "at_least: 3", 3, "only 2 options"),
        ("required: false", "required: 0", 3, "true or false"),
        ("overlapping: true", "overlaping: true", 4, "overlaping"),
        ("options: [who, where], ", "", 4, "at least one label"),
        ("strength: 3", "strength: 1", 5, "told apart"),
        ("ties: false", "both_bad: false", 6, "Only a pair"),
        ("kind: edit", "kind: correct", 7, "not known here"),
    ],
)
def test_a_mistake_in_a_kind_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, what: str) -> None:
    assert old in KINDS
    with pytest.raises(InputError, match=what) as caught:
        load_rubric_file(written(tmp_path, KINDS.replace(old, new, 1)))
    assert f"rubric.yaml:{line}" in str(caught.value.where)


def test_the_guideline_may_lie_beside_the_rubric(tmp_path: Path) -> None:
    text = "name: r\nguideline_file: guide.md\nquestions:\n  - {name: q, prompt: Q, kind: bool}\n"
    with pytest.raises(InputError, match="guideline cannot be read"):
        load_rubric_file(written(tmp_path, text))
    (tmp_path / "guide.md").write_text("Be kind.", encoding="utf-8")
    assert load_rubric_file(written(tmp_path, text)).guideline == "Be kind."


CHOICE = Question("q", "Q?", "choice", options=(Option("a"), Option("b")))
RATING = Question("q", "Q?", "rating", scale=Scale.ORDINAL)


@pytest.mark.parametrize(
    ("question", "good", "bad"),
    [
        (CHOICE, ["a", "b"], ["c", True, None, 1, ["a"]]),
        (RATING, [1, 5, 3.0], [0, 6, 2.5, "3", True, float("nan"), float("inf")]),
        (Question("q", "Q?", "rating", scale=Scale.INTERVAL, minimum=0, maximum=1), [0, 0.25, 1], [-0.1, 1.1]),
        (Question("q", "Q?", "bool"), [True, False], [1, 0, "yes", None]),
        (Question("q", "Q?", "text"), ["words"], ["", "  ", 3, None]),
    ],
)
def test_only_an_answer_to_the_question_is_taken(question: Question, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert question.check(value) == value
    for value in bad:
        with pytest.raises(InputError) as caught:
            question.check(value)
        assert "question 'q'" in str(caught.value.where)


def test_other_words_are_another_version(workspace: Workspace) -> None:
    first = Rubric("r", (CHOICE,), "Be kind.")
    second = Rubric("r", (CHOICE,), "Be very kind.")
    for rubric in (first, first, second, second):
        assert workspace.write(lambda tx, rubric=rubric: put_rubric(tx, rubric)) == rubric.id
    assert load_rubric(workspace, first.id).number == 1
    assert load_rubric(workspace, "r").id == second.id
    assert load_rubric(workspace, "r").number == 2
    with pytest.raises(NotFound):
        load_rubric(workspace, "none")


def test_a_question_nobody_asked_is_refused_with_its_name() -> None:
    with pytest.raises(InputError, match="does not ask 'tonne'") as caught:
        Rubric("r", (CHOICE,)).question("tonne")
    assert "field 'tonne'" in str(caught.value.where)


def test_a_rubric_that_asks_nothing_cannot_be_made() -> None:
    with pytest.raises(InputError):
        Rubric("r", ())
    with pytest.raises(InputError):
        Rubric("r", (CHOICE, CHOICE))
    with pytest.raises(InputError, match="not that of its content"):
        Rubric("r", (CHOICE,), id="rub_other")
