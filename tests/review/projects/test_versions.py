"""What a project was and what changed; the same as text and as a record; names that cannot be opened."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pilotage.core import InputError, NotFound
from pilotage.judging import Option, Question, Rubric
from pilotage.review.projects import (
    RESERVED,
    Gold,
    ProjectSettings,
    Sla,
    change_project,
    create_project,
    load_project,
    load_version,
    parse_project,
    project_diff,
    project_versions,
    projects,
    write_project,
)
from pilotage.store import Workspace

YES = Question("kind", "Is it kind?", "choice", options=(Option("yes"), Option("no")))
RUBRIC = Rubric("r", (YES, Question("sure", "Sure?", "bool")))


@pytest.mark.parametrize("name", [*RESERVED, "Audit", "NEW"])
def test_a_name_under_which_another_page_stands_is_refused(workspace: Workspace, name: str) -> None:
    with pytest.raises(InputError, match="cannot be called"):
        create_project(workspace, ProjectSettings(name=name), rubric=RUBRIC, guideline="Be kind.")
    assert projects(workspace) == []


def test_each_version_says_what_it_changed(workspace: Workspace) -> None:
    create_project(workspace.acting_as("ada"), ProjectSettings(name="p"), rubric=RUBRIC, guideline="Be kind.\nAlways.\n")
    settings = ProjectSettings(name="p", gold=Gold(share=0.1), sla=Sla())
    asked = Rubric("r", (Question("sure", "Quite sure?", "bool"), YES, Question("why", "Why?", "text")))
    change_project(workspace.acting_as("ben"), "p", number=1, settings=settings, rubric=asked, guideline="Be kind.\nOften.\n")
    newest, first = project_versions(workspace, "p")
    assert (newest.number, newest.author, first.number, first.author) == (2, "ben", 1, "ada")
    diff = project_diff(first, newest)
    changed = {one.field: (one.before, one.after) for one in diff.changed}
    assert changed["gold.share"] == (0.05, 0.1) and changed["sla.due"] == (None, "24h")
    assert changed["order of the questions"] == (["kind", "sure"], ["sure", "kind", "why"])
    assert changed["question sure.prompt"] == ("Sure?", "Quite sure?") and changed["question why"][0] is None
    assert not any(field.startswith("question kind") for field in changed)
    assert diff.guideline is not None and (diff.guideline.added, diff.guideline.removed) == (1, 1)
    assert project_diff(newest, newest).nothing
    assert load_version(workspace, "p", 1) == first
    with pytest.raises(NotFound):
        load_version(workspace, "p", 3)
    with pytest.raises(NotFound):
        project_versions(workspace, "nothing")


def test_what_is_written_is_read_back_as_the_same_version(workspace: Workspace) -> None:
    made = create_project(workspace, ProjectSettings(name="p", sla=Sla()), rubric=RUBRIC, guideline="a: b\n")
    read = parse_project(write_project(made.settings, made.rubric, made.guideline.text))
    change_project(workspace, "p", number=1, settings=read.settings, rubric=read.rubric, guideline=read.guideline)
    assert load_project(workspace, "p") == made, "nothing changed, so there is no version"
    assert read.rubric == replace(made.rubric, number=0)


@pytest.mark.parametrize(
    "text",
    [
        "name: p\nrubric: rubric.yaml\nguideline: g\n",
        "name: p\nguideline_file: g.md\nrubric: {name: r, questions: [{name: k, prompt: K, kind: bool}]}\n",
        "name: p\nguideline: g\nrubric: {name: r, guideline_file: ../../secret, questions: [{name: k, prompt: K, kind: bool}]}\n",
    ],
)
def test_text_names_no_file(text: str) -> None:
    with pytest.raises(InputError, match="No file can be named here") as refused:
        parse_project(text, file="typed")
    assert (refused.value.where or "").startswith("typed:")
