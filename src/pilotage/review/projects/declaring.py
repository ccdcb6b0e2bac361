"""``project.yaml``: the settings, the rubric and the guideline in one file, or in files beside it; and the same as text, both ways."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pilotage.core import Declared, fit, parse_declared, read_declared
from pilotage.judging import Question, Rubric
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
    return _project_from(read_declared(path), path.parent.resolve())


def parse_project(text: str, *, file: str = "project.yaml") -> ProjectFile:
    """As :func:`load_project_file`, from text, which names no other file."""
    return _project_from(parse_declared(text, file=file), None)


def write_project(settings: ProjectSettings, rubric: Rubric, guideline: str) -> str:
    """The YAML that :func:`parse_project` reads back as the same. What has its default is left out."""
    import yaml

    class Writer(yaml.SafeDumper):
        pass

    def text(writer: yaml.SafeDumper, value: str) -> yaml.Node:
        return writer.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Writer.add_representer(str, text)
    declared: dict[str, Any] = {"name": settings.name, **settings.model_dump(mode="json", exclude_defaults=True)}
    questions = [_question_of(question) for question in rubric.questions]
    declared["rubric"] = {"name": rubric.name, **({"guideline": rubric.guideline} if rubric.guideline else {}), "questions": questions}
    declared["guideline"] = guideline
    return yaml.dump(declared, Dumper=Writer, sort_keys=False, allow_unicode=True, width=120)


def _question_of(question: Question) -> dict[str, Any]:
    told = question.to_dict()
    plain = Question(question.name, question.prompt, question.kind, options=question.options).to_dict()
    plain["scale"] = "ordinal" if question.kind == "rating" else "nominal"
    kept = {name: value for name, value in told.items() if name in ("name", "prompt", "kind") or value != plain.get(name)}
    if question.options:
        kept["options"] = [
            {"value": each.value, **({"label": each.label} if each.label != each.value else {}), **({"key": each.key} if each.key else {})}
            for each in question.options
        ]
    return kept


def _project_from(top: Declared, folder: Path | None) -> ProjectFile:
    known = (*ProjectSettings.model_fields, *_OURS)
    fields = top.mapping(known=known, required=("name", "rubric"))
    settings = fit(Declared({name: fields[name] for name in fields if name not in _OURS}, top.file, top.line, ""), ProjectSettings)
    if isinstance(fields["rubric"].value, str):
        rubric = load_rubric_file(_beside(fields["rubric"], folder))
    else:
        if folder is None and isinstance(fields["rubric"].value, dict) and "guideline_file" in fields["rubric"].value:
            _beside(fields["rubric"].value["guideline_file"], folder)
        rubric = rubric_from(fields["rubric"], folder=folder or Path())
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


def _beside(named: Declared, folder: Path | None) -> Path:
    if folder is None:
        named.refuse("No file can be named here.", mend="write what is in it")
    file = (folder / named.text()).resolve()
    if not file.is_relative_to(folder):
        named.refuse("This file lies outside the project's folder.", why="it is shown to raters", mend="move it beside the project")
    return file
