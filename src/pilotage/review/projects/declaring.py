"""``project.yaml``: the settings, the rubric and the guideline in one file, or in files beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pilotage.core import Declared, fit, read_declared
from pilotage.judging import Rubric
from pilotage.judging.rubric_file import load_rubric_file, rubric_from
from pilotage.review.projects.settings import ProjectSettings

_OURS = ("rubric", "guideline", "guideline_file")


@dataclass(frozen=True)
class ProjectFile:
    """What a ``project.yaml`` declares. ``guideline`` is never empty: the rubric's own stands in."""

    settings: ProjectSettings
    rubric: Rubric
    guideline: str


def load_project_file(path: str | Path) -> ProjectFile:
    """Read ``project.yaml``.

    ``rubric`` is the rubric itself or the name of a file beside this one; ``guideline`` is Markdown, or ``guideline_file`` names a file.

    Raises
    ------
    InputError
        With ``file:line``, the field and a mend, for anything that is not as it should be.
    """
    path = Path(path)
    top = read_declared(path)
    known = (*ProjectSettings.model_fields, *_OURS)
    fields = top.mapping(known=known, required=("name", "rubric"))
    settings = fit(Declared({name: fields[name] for name in fields if name not in _OURS}, top.file, top.line, ""), ProjectSettings)
    folder = path.parent.resolve()
    if isinstance(fields["rubric"].value, str):
        rubric = load_rubric_file(_beside(fields["rubric"], folder))
    else:
        rubric = rubric_from(fields["rubric"], folder=folder)
    if "guideline" in fields and "guideline_file" in fields:
        fields["guideline_file"].refuse("A project has one guideline.", mend="keep 'guideline' or 'guideline_file'")
    guideline = rubric.guideline
    if "guideline" in fields:
        guideline = fields["guideline"].text()
    elif "guideline_file" in fields:
        try:
            guideline = _beside(fields["guideline_file"], folder).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            fields["guideline_file"].refuse(f"The guideline cannot be read: {error}", mend="name a UTF-8 text file beside the project")
    if not guideline.strip():
        top.refuse(
            "The project has no guideline.",
            why="people who go by nothing cannot agree on anything",
            mend="write 'guideline:' (Markdown), or name a 'guideline_file:'",
        )
    return ProjectFile(settings, rubric, guideline)


def _beside(named: Declared, folder: Path) -> Path:
    file = (folder / named.text()).resolve()
    if not file.is_relative_to(folder):
        named.refuse("This file lies outside the project's folder.", why="it is shown to raters", mend="move it beside the project")
    return file
