"""Projects: declared whole, changed by versions, never without a guideline."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import Conflict, InputError, NotFound, Refused
from pilotage.judging import Rubric
from pilotage.ledger import entries
from pilotage.review.projects import (
    Arms,
    Overlap,
    ProjectSettings,
    archive_project,
    change_project,
    create_project,
    guideline_diff,
    guideline_versions,
    load_project,
    load_project_file,
    pause_project,
    projects,
    resume_project,
)
from pilotage.store import Workspace

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "reply-review" / "project.yaml"


def test_the_example_is_a_whole_project(workspace: Workspace) -> None:
    declared = load_project_file(EXAMPLE)
    made = create_project(workspace, declared.settings, rubric=declared.rubric, guideline=declared.guideline)
    assert (made.number, made.state, made.guideline.number) == (1, "active", 1)
    assert made.settings.overlap.limit == 4 and made.settings.skill_of({"language": "de"}) == "german"
    assert load_project(workspace, "replies") == made
    assert [each.name for each in projects(workspace)] == ["replies"]


@pytest.mark.parametrize(
    ("text", "says", "line"),
    [
        ("name: p\nrubric: rubric.yaml\ngarms: {}\n", "Unknown field 'garms'", 3),
        ("name: p\nrubric: rubric.yaml\narms: {witheld: 0.1}\n", "did you mean 'withheld'", 3),
        ("name: p\nrubric: rubric.yaml\narms: {withheld: 0.7, seeded: 0.7}\n", "add up to more than 1", 3),
        ("name: p\nrubric: rubric.yaml\nlease: ten minutes\n", "Not a duration", 3),
        ("name: p\nrubric: rubric.yaml\nlease: 0s\n", "longer than nothing", 3),
        ("name: p\nrubric: rubric.yaml\noverlap: {start: 3, most: 2}\n", "is below 'start'", 3),
        ("name: p\nrubric: rubric.yaml\noverlap: {start: 2, until: 0.9}\n", "'most' allows none", 3),
        ("name: p\nrubric: rubric.yaml\nskills: {german: x}\n", "names no slice", 3),
        ("name: p\nrubric: ../rubric.yaml\n", "outside the project's folder", 2),
        ("rubric: rubric.yaml\n", "'name' is missing", 1),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, says: str, line: int) -> None:
    (tmp_path / "rubric.yaml").write_text((EXAMPLE.parent / "rubric.yaml").read_text())
    (tmp_path / "project.yaml").write_text(text + "guideline: Be kind.\n")
    with pytest.raises(InputError, match=says) as error:
        load_project_file(tmp_path / "project.yaml")
    assert f"project.yaml:{line}" in str(error.value.where)


def test_a_project_without_a_guideline_is_refused(workspace: Workspace, tmp_path: Path, rubric: Rubric) -> None:
    (tmp_path / "rubric.yaml").write_text((EXAMPLE.parent / "rubric.yaml").read_text())
    (tmp_path / "project.yaml").write_text("name: p\nrubric: rubric.yaml\n")
    with pytest.raises(InputError, match="no guideline"):
        load_project_file(tmp_path / "project.yaml")
    bare = Rubric(name="bare", questions=rubric.questions)
    with pytest.raises(InputError, match="no guideline"):
        create_project(workspace, ProjectSettings(name="p"), rubric=bare)
    assert projects(workspace) == []


def test_every_change_is_a_version_and_every_guideline_text_too(workspace: Workspace, rubric: Rubric) -> None:
    create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline="one\ntwo")
    second = change_project(workspace, "p", number=1, guideline="one\nthree")
    third = change_project(workspace, "p", number=2, settings=ProjectSettings(name="p", arms=Arms(withheld=0.5)))
    assert (second.number, second.guideline.number, third.number, third.guideline) == (2, 2, 3, second.guideline)
    back = change_project(workspace, "p", number=3, guideline="one\ntwo")
    assert back.guideline.number == 3
    first, middle, last = guideline_versions(workspace, "p")
    assert (first.text, last.text) == ("one\ntwo", "one\ntwo") and first.id != last.id
    diff = guideline_diff(first, middle)
    assert (diff.added, diff.removed) == (1, 1) and diff.lines == (("=", "one"), ("-", "two"), ("+", "three"))
    assert [entry.type for entry in entries(workspace, subject="p")] == ["project.created"] + ["project.changed"] * 3


def test_a_change_that_changes_nothing_is_no_version(workspace: Workspace, rubric: Rubric) -> None:
    create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline="one")
    assert change_project(workspace, "p", number=1, guideline="one", settings=ProjectSettings(name="p")).number == 1


def test_of_two_people_who_change_it_at_once_one_is_told(workspace: Workspace, rubric: Rubric) -> None:
    create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline="one")
    outcomes: list[Any] = []

    def change(text: str) -> None:
        try:
            outcomes.append(change_project(workspace, "p", number=1, guideline=text).number)
        except Conflict as error:
            outcomes.append(error)

    threads = [threading.Thread(target=change, args=(text,)) for text in ("two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(isinstance(each, Conflict) for each in outcomes) == [False, True]
    assert load_project(workspace, "p").number == 2


def test_a_paused_or_archived_project_says_so(workspace: Workspace, rubric: Rubric) -> None:
    create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline="one")
    assert pause_project(workspace, "p").state == "paused"
    assert pause_project(workspace, "p").state == "paused"
    assert resume_project(workspace, "p").state == "active"
    assert archive_project(workspace, "p").state == "archived"
    with pytest.raises(Refused, match="archived"):
        change_project(workspace, "p", number=1, guideline="two")
    assert projects(workspace) == [] and len(projects(workspace, archived=True)) == 1
    types = [entry.type for entry in entries(workspace, subject="p")]
    assert types == ["project.created", "project.paused", "project.resumed", "project.archived"]


def test_a_name_once_taken_stays_taken_and_never_changes(workspace: Workspace, rubric: Rubric) -> None:
    create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline="one")
    with pytest.raises(Conflict):
        create_project(workspace, ProjectSettings(name="p"), rubric=rubric, guideline="one")
    with pytest.raises(InputError, match="keeps its name"):
        change_project(workspace, "p", number=1, settings=ProjectSettings(name="q"))
    with pytest.raises(NotFound):
        load_project(workspace, "q")


def test_a_setting_about_a_question_that_is_not_asked_is_refused(workspace: Workspace, rubric: Rubric) -> None:
    settings = ProjectSettings(name="p", overlap=Overlap(start=1, most=3, until=0.9, question="blame"))
    with pytest.raises(InputError, match="does not ask 'blame'"):
        create_project(workspace, settings, rubric=rubric, guideline="one")


def test_settings_come_back_as_they_were_declared() -> None:
    declared = load_project_file(EXAMPLE).settings
    assert ProjectSettings.model_validate(declared.to_dict()) == declared
