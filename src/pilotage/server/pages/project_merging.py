"""Two changes made from one version: what each changed, where they meet, and both together. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pilotage.core import InputError
from pilotage.judging import Rubric
from pilotage.review.projects import ProjectSettings, ProjectVersion, declared_of
from pilotage.server.pages.project_form import Meant


@dataclass(frozen=True)
class Merged:
    """Theirs with mine on top. ``clashes`` are the fields that both changed, each to something else; mine stands there."""

    both: Meant
    clashes: tuple[str, ...]


def merge(base: ProjectVersion, mine: Meant, theirs: ProjectVersion) -> Merged:
    """Both changes. Where they do not fit together (an overlap below its minimum, say), mine alone."""
    old, own, other = (declared_of(each.settings, each.rubric) for each in (base, mine, theirs))
    mine_changed = {path for path in {*old, *own} if old.get(path) != own.get(path)}
    clashes = sorted(path for path in mine_changed if old.get(path) != other.get(path) and own.get(path) != other.get(path))
    if mine.guideline not in (base.guideline.text, theirs.guideline.text) and theirs.guideline.text != base.guideline.text:
        clashes.append("guideline")
    guideline = mine.guideline if mine.guideline != base.guideline.text else theirs.guideline.text
    try:
        settings = ProjectSettings.model_validate(_both(base.settings.to_dict(), mine.settings.to_dict(), theirs.settings.to_dict()))
        return Merged(Meant(settings, _rubric(base.rubric, mine.rubric, theirs.rubric), guideline), tuple(clashes))
    except (ValueError, InputError):
        return Merged(mine, tuple(clashes or ["settings that depend on each other"]))


def _both(base: Any, mine: Any, theirs: Any) -> Any:
    if mine == base:
        return theirs
    if theirs == base or not all(isinstance(each, dict) for each in (base, mine, theirs)):
        return mine
    return {
        name: made for name in {**theirs, **mine} if (made := _both(base.get(name), mine.get(name), theirs.get(name))) is not None or name in base
    }


def _rubric(base: Rubric, mine: Rubric, theirs: Rubric) -> Rubric:
    old, own, other = ({question.name: question for question in each.questions} for each in (base, mine, theirs))
    wanted = {name: _both(old.get(name), own.get(name), other.get(name)) for name in {**other, **own}}
    order = list(own) if list(own) != list(old) else list(other)
    names = [*order, *(name for name in wanted if name not in order)]
    questions = tuple(wanted[name] for name in names if wanted.get(name) is not None)
    return Rubric(_both(base.name, mine.name, theirs.name), questions, _both(base.guideline, mine.guideline, theirs.guideline))
