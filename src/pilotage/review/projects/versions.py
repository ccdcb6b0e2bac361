"""The versions a project had, and what changed from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Text, select, type_coerce

from pilotage.core import NotFound
from pilotage.judging import Rubric
from pilotage.judging.rubric import find_rubric
from pilotage.review.projects.project import Guideline, GuidelineDiff, V, _settings, find_guideline, guideline_diff, no_project
from pilotage.review.projects.settings import ProjectSettings
from pilotage.store import Workspace


@dataclass(frozen=True)
class ProjectVersion:
    """One version: what was declared, by whom and when (µs, UTC)."""

    number: int
    settings: ProjectSettings
    rubric: Rubric
    guideline: Guideline
    author: str
    created_at: int


@dataclass(frozen=True)
class Changed:
    """One thing that differs: a setting or a part of a question, by its path. None where it is not there."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class ProjectDiff:
    """What differs between two versions. ``guideline`` is None where the text is the same."""

    changed: tuple[Changed, ...]
    guideline: GuidelineDiff | None

    @property
    def nothing(self) -> bool:
        """Whether the two declare the same."""
        return not self.changed and self.guideline is None


def project_versions(workspace: Workspace, name: str, *, limit: int = 100) -> list[ProjectVersion]:
    """The project's versions, newest first. Raises ``NotFound`` if there is no such project."""
    return _read(workspace, name, None, limit)


def load_version(workspace: Workspace, name: str, number: int) -> ProjectVersion:
    """One version. Raises ``NotFound``."""
    found = _read(workspace, name, number, 1)
    if not found:
        raise NotFound(f"The project '{name}' has no version {number}.", mend="see its versions")
    return found[0]


def project_diff(old: ProjectVersion, new: ProjectVersion) -> ProjectDiff:
    """What changed from one version to another. Pure."""
    before, after = declared_of(old.settings, old.rubric), declared_of(new.settings, new.rubric)
    paths = [*before, *(path for path in after if path not in before)]
    changed = tuple(one for path in paths for one in _changed(path, before.get(path), after.get(path)))
    same = old.guideline.text == new.guideline.text
    return ProjectDiff(changed, None if same else guideline_diff(old.guideline, new.guideline))


def declared_of(settings: ProjectSettings, rubric: Rubric) -> dict[str, Any]:
    """Everything that is declared, by its path; questions by their names, so that moving one is no change of the others."""
    asked = {"order of the questions": [question.name for question in rubric.questions]}
    questions = {f"question {question.name}": question.to_dict() for question in rubric.questions}
    return {**dict(_flat(settings.to_dict(), "")), **asked, **questions}


def _changed(path: str, before: Any, after: Any) -> Iterator[Changed]:
    if before == after:
        return
    if isinstance(before, dict) and isinstance(after, dict) and before and after:  # a question that is in both: which part of it
        for name in (*before, *(name for name in after if name not in before)):
            yield from _changed(f"{path}.{name}", before.get(name), after.get(name))
    else:
        yield Changed(path, before, after)


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, part in value.items():
            yield from _flat(part, f"{path}.{name}" if path else str(name))
    else:
        yield path, value


def _read(workspace: Workspace, name: str, number: int | None, limit: int) -> list[ProjectVersion]:
    query = select(V.number, type_coerce(V.settings, Text).label("settings"), V.rubric_id, V.guideline_id, V.author, V.created_at)
    query = query.where(V.workspace_id == workspace.id, V.project == name)
    if number is not None:
        query = query.where(V.number == number)
    with workspace.read() as conn:
        rows = conn.execute(query.order_by(V.number.desc()).limit(limit)).all()
        if not rows and number is None:
            raise no_project(name)
        return [
            ProjectVersion(
                row.number,
                _settings(row.settings),
                find_rubric(conn, row.rubric_id, workspace_id=workspace.id),
                find_guideline(conn, workspace.id, row.guideline_id),
                row.author,
                row.created_at,
            )
            for row in rows
        ]
