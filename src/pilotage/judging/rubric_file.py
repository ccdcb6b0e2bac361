"""Rubrics written by people: YAML, every mistake named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pilotage.core import Declared, InputError, read_declared
from pilotage.judging.question import FIELDS_OF, KINDS, POLICIES, Option, Question, Scale
from pilotage.judging.rubric import Rubric

_KNOWN = ("name", "prompt", "kind", "scale", "required_role", "policy", "of", "required", *FIELDS_OF)
_WHOLE = ("at_least", "at_most", "strength")
_YES_NO = ("overlapping", "ties", "both_bad", "required")


def load_rubric_file(path: str | Path) -> Rubric:
    """Read a rubric from YAML.

    ``guideline`` is the text itself, or ``guideline_file`` names a text file beside it. Options may be plain words or ``{value, label, key}``.

    Raises
    ------
    InputError
        With ``file:line``, the field and a mend, for anything that is not as it should be.
    """
    path = Path(path)
    return rubric_from(read_declared(path), folder=path.parent)


def rubric_from(declared: Declared, *, folder: Path) -> Rubric:
    """As :func:`load_rubric_file`, of what was read already; ``guideline_file`` lies in ``folder``."""
    fields = declared.mapping(known=("name", "guideline", "guideline_file", "questions"), required=("name", "questions"))
    questions = fields["questions"].entries()
    if not questions:
        fields["questions"].refuse("A rubric without questions asks nothing.", mend="add at least one")
    made: list[Question] = []
    for entry in questions:
        question = _question(entry)
        if any(question.name == other.name for other in made):
            entry.value["name"].refuse(f"There are two questions called '{question.name}'.", mend="rename one")
        made.append(question)
    return Rubric(name=fields["name"].text(), questions=tuple(made), guideline=_guideline(fields, folder))


def _guideline(fields: dict[str, Declared], folder: Path) -> str:
    if "guideline" in fields and "guideline_file" in fields:
        fields["guideline_file"].refuse("A rubric has one guideline.", mend="keep 'guideline' or 'guideline_file'")
    if "guideline" in fields:
        return fields["guideline"].text()
    if "guideline_file" not in fields:
        return ""
    folder = folder.resolve()
    file = (folder / fields["guideline_file"].text()).resolve()
    if not file.is_relative_to(folder):
        fields["guideline_file"].refuse(
            "The guideline lies outside the rubric's folder.", why="it is shown to raters and sent to model judges", mend="move it beside the rubric"
        )
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fields["guideline_file"].refuse(f"The guideline cannot be read: {error}", mend="name a UTF-8 text file beside the rubric")


def _question(entry: Declared) -> Question:
    fields = entry.mapping(known=_KNOWN, required=("name", "prompt", "kind"))
    kind = fields["kind"].text(one_of=KINDS)
    given: dict[str, Any] = {"name": fields["name"].text(), "prompt": fields["prompt"].text(), "kind": kind}
    if "scale" in fields:
        given["scale"] = Scale(fields["scale"].text(one_of=tuple(Scale)))
    elif kind == "rating":
        given["scale"] = Scale.ORDINAL
    if "policy" in fields:
        given["policy"] = fields["policy"].text(one_of=POLICIES)
    for name in ("required_role", "of"):
        if name in fields:
            given[name] = fields[name].text()
    for name, kinds in FIELDS_OF.items():
        if name in fields and kind not in kinds:
            fields[name].refuse(f"Only a {' or '.join(kinds)} has '{name}'; this is a {kind}.", mend=f"remove '{name}'")
    given |= {name: fields[name].number() for name in ("minimum", "maximum") if name in fields}
    given |= {name: fields[name].whole() for name in _WHOLE if name in fields}
    for name in _YES_NO:
        if name in fields:
            if not isinstance(fields[name].value, bool):
                fields[name].refuse("This must be true or false.", mend=f"write '{name}: true' or '{name}: false'")
            given[name] = fields[name].value
    if "options" in fields:
        given["options"] = tuple(_option(option) for option in fields["options"].entries())
    try:
        return Question(**given)
    except InputError as error:
        blamed = next((name for name in FIELDS_OF if name in fields and f"'{name}'" in error.what), "options")
        fields.get(blamed, entry).refuse(error.what, why=error.why, mend=error.mend)


def _option(entry: Declared) -> Option:
    if isinstance(entry.value, bool):
        entry.refuse("YAML reads this as yes/no, not as a word.", mend="put it in quotes")
    if not isinstance(entry.value, dict):
        return Option(value=entry.text(), label=entry.text())
    fields = entry.mapping(known=("value", "label", "key"), required=("value",))
    value = fields["value"].text()
    key = str(fields["key"].value) if "key" in fields else ""
    blank = "label" in fields and fields["label"].value == ""
    return Option(value=value, label="" if blank else fields["label"].text() if "label" in fields else value, key=key)
