"""Rubrics: the questions asked, their scales and the guideline, versioned by content.

Two rubrics that ask the same in the same words are one version; any other wording is another. Nothing judged is ever re-read under other words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal, get_args

from sqlalchemy import Connection, func, select

from pilotage.core import Declared, InputError, NotFound, content_id, read_declared
from pilotage.judging.tables import rubric as rubric_table
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

QuestionKind = Literal["choice", "rating", "text", "bool"]
Policy = Literal["majority", "adjudicate", "soft"]
KINDS: tuple[QuestionKind, ...] = get_args(QuestionKind)
POLICIES: tuple[Policy, ...] = get_args(Policy)


class Scale(StrEnum):
    """What differences between answers mean (Stevens 1946); it chooses the disagreement measure of agreement figures."""

    NOMINAL = "nominal"
    ORDINAL = "ordinal"
    INTERVAL = "interval"
    RATIO = "ratio"


@dataclass(frozen=True)
class Option:
    """One answer of a choice. ``key`` is the keyboard key that gives it, if it has one."""

    value: str
    label: str = ""
    key: str = ""


@dataclass(frozen=True)
class Question:
    """One question of a rubric.

    kind
        ``choice`` (one of ``options``), ``rating`` (a number from ``minimum`` to ``maximum``; whole unless the scale is interval or ratio),
        ``text`` or ``bool``.
    scale
        What differences between answers mean. Ordinal choices are ordered as their options are.
    required_role
        Who may answer it, or None for any reviewer.
    policy
        How answers become one: ``majority``; ``adjudicate`` (facts: somebody decides); ``soft`` (opinions: the distribution is the answer).
    """

    name: str
    prompt: str
    kind: QuestionKind
    options: tuple[Option, ...] = ()
    scale: Scale = Scale.NOMINAL
    required_role: str | None = None
    policy: Policy = "majority"
    minimum: float = 1
    maximum: float = 5

    def __post_init__(self) -> None:
        where = f"question '{self.name}'"
        if not self.name or not self.prompt:
            raise InputError("A question needs a name and a prompt.", where=where)
        if self.kind not in KINDS:
            raise InputError(f"'{self.kind}' is not a kind of question.", where=where, mend=f"use one of: {', '.join(KINDS)}")
        if self.policy not in POLICIES:
            raise InputError(f"'{self.policy}' is not a policy.", where=where, mend=f"use one of: {', '.join(POLICIES)}")
        if self.kind == "choice":
            values = [option.value for option in self.options]
            if len(values) < 2 or len(set(values)) != len(values):
                raise InputError("A choice needs at least two options, each with its own value.", where=where, mend="list them under 'options'")
            keys = [option.key for option in self.options if option.key]
            if len(set(keys)) != len(keys):
                raise InputError("Two options have the same key.", where=where, mend="give each its own key, or leave 'key' out")
        elif self.options:
            raise InputError(f"Only a choice has options; this is a {self.kind}.", where=where, mend="remove 'options' or make it a choice")
        if self.kind == "rating" and not (math.isfinite(self.minimum) and math.isfinite(self.maximum) and self.minimum < self.maximum):
            raise InputError("A rating's minimum must be below its maximum.", where=where, mend="set 'minimum' and 'maximum'")

    def check(self, value: Any) -> Any:
        """``value`` if it answers this question. Raises ``InputError`` naming the question otherwise."""
        where = f"question '{self.name}'"
        if self.kind == "choice":
            allowed = [option.value for option in self.options]
            if not isinstance(value, str) or value not in allowed:
                raise InputError(f"{value!r} is not an option of this question.", where=where, mend=f"use one of: {', '.join(allowed)}")
        elif self.kind == "bool":
            if not isinstance(value, bool):
                raise InputError(f"{value!r} is not yes or no.", where=where, mend="use true or false")
        elif self.kind == "text":
            if not isinstance(value, str) or not value.strip():
                raise InputError("The answer must be text and not empty.", where=where, mend="write an answer, or abstain")
        else:
            if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
                raise InputError(f"{value!r} is not a finite number.", where=where, mend=f"use a number from {self.minimum:g} to {self.maximum:g}")
            if not self.minimum <= value <= self.maximum:
                raise InputError(
                    f"{value:g} is outside the rating's range.", where=where, mend=f"use a number from {self.minimum:g} to {self.maximum:g}"
                )
            if self.scale in (Scale.NOMINAL, Scale.ORDINAL) and value != int(value):
                raise InputError(f"{value:g} is not a whole number.", where=where, mend="use a whole number, or declare the scale interval")
        return value

    def to_dict(self) -> dict[str, Any]:
        """Plain data, every default written out."""
        return {
            "name": self.name,
            "prompt": self.prompt,
            "kind": self.kind,
            "options": [{"value": option.value, "label": option.label, "key": option.key} for option in self.options],
            "scale": str(self.scale),
            "required_role": self.required_role,
            "policy": self.policy,
            "minimum": self.minimum,
            "maximum": self.maximum,
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Question:
        """The inverse of :meth:`to_dict`."""
        return cls(**{**value, "options": tuple(Option(**option) for option in value["options"]), "scale": Scale(value["scale"])})


@dataclass(frozen=True)
class Rubric:
    """The questions and the guideline raters follow. ``id`` is made from the content; ``number`` counts the versions of one name (0: not stored)."""

    name: str
    questions: tuple[Question, ...]
    guideline: str = ""
    number: int = 0
    id: str = field(default="")

    def __post_init__(self) -> None:
        names = [question.name for question in self.questions]
        if not self.name or not names or len(set(names)) != len(names):
            raise InputError("A rubric needs a name and at least one question, each with its own name.", where=f"rubric '{self.name}'")
        made = content_id("rub", {"name": self.name, "questions": [question.to_dict() for question in self.questions], "guideline": self.guideline})
        if self.id and self.id != made:
            raise InputError(
                "This rubric's id is not that of its content.", where=f"rubric {self.id}", mend="leave the id out: it is made from the content"
            )
        object.__setattr__(self, "id", made)

    def question(self, name: str) -> Question:
        """The question called ``name``. Raises ``InputError`` if the rubric does not ask it."""
        for question in self.questions:
            if question.name == name:
                return question
        raise InputError(
            f"This rubric does not ask '{name}'.",
            where=f"rubric '{self.name}' field '{name}'",
            why="an answer to a question that was not asked would be lost in silence",
            mend=f"use one of: {', '.join(question.name for question in self.questions)}",
        )


def put_rubric(tx: WriteTransaction, rubric: Rubric) -> str:
    """Keep ``rubric`` and return its id. The same content again is no new version."""
    t = rubric_table
    if tx.conn.execute(select(t.c.id).where(t.c.workspace_id == tx.workspace_id, t.c.id == rubric.id)).first() is not None:
        return rubric.id
    number = 1 + (tx.conn.execute(select(func.max(t.c.number)).where(t.c.workspace_id == tx.workspace_id, t.c.name == rubric.name)).scalar() or 0)
    row = {"name": rubric.name, "questions": [question.to_dict() for question in rubric.questions], "guideline": rubric.guideline}
    tx.insert(t, {"id": rubric.id, "number": number, **row})
    record(tx, type="rubric.added", subject=rubric.id, body={"name": rubric.name, "number": number})
    return rubric.id


def load_rubric(workspace: Workspace, ref: str) -> Rubric:
    """The rubric with this id, or the newest with this name. Raises ``NotFound``."""
    with workspace.read() as conn:
        return find_rubric(conn, ref, workspace_id=workspace.id)


def find_rubric(conn: Connection, ref: str, *, workspace_id: str) -> Rubric:
    """As :func:`load_rubric`, on a connection that is already open (a job's, say)."""
    t = rubric_table
    found = conn.execute(
        select(t).where(t.c.workspace_id == workspace_id, (t.c.id == ref) | (t.c.name == ref)).order_by(t.c.number.desc()).limit(1)
    ).first()
    if found is None:
        raise NotFound(f"There is no rubric '{ref}'.", mend="put it into the workspace first, or check the name")
    return Rubric(
        name=found.name,
        number=found.number,
        questions=tuple(Question.from_dict(question) for question in found.questions),
        guideline=found.guideline,
        id=found.id,
    )


def load_rubric_file(path: str | Path) -> Rubric:
    """Read a rubric from YAML.

    ``guideline`` is the text itself, or ``guideline_file`` names a text file beside it. Options may be plain words or ``{value, label, key}``.

    Raises
    ------
    InputError
        With ``file:line``, the field and a mend, for anything that is not as it should be.
    """
    path = Path(path)
    return read_rubric(read_declared(path), folder=path.parent)


def read_rubric(top: Declared, *, folder: Path) -> Rubric:
    """As :func:`load_rubric_file`, from a mapping that was read already; ``folder`` is where a guideline's file is looked for."""
    fields = top.mapping(known=("name", "guideline", "guideline_file", "questions"), required=("name", "questions"))
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
    known = ("name", "prompt", "kind", "options", "scale", "required_role", "policy", "minimum", "maximum")
    fields = entry.mapping(known=known, required=("name", "prompt", "kind"))
    kind = fields["kind"].text(one_of=KINDS)
    given: dict[str, Any] = {"name": fields["name"].text(), "prompt": fields["prompt"].text(), "kind": kind}
    if "scale" in fields:
        given["scale"] = Scale(fields["scale"].text(one_of=tuple(Scale)))
    elif kind == "rating":
        given["scale"] = Scale.ORDINAL
    if "policy" in fields:
        given["policy"] = fields["policy"].text(one_of=POLICIES)
    if "required_role" in fields:
        given["required_role"] = fields["required_role"].text()
    for bound in ("minimum", "maximum"):
        if bound in fields:
            if kind != "rating":
                fields[bound].refuse(f"Only a rating has a {bound}; this is a {kind}.", mend=f"remove '{bound}'")
            given[bound] = fields[bound].number()
    if "options" in fields:
        given["options"] = tuple(_option(option) for option in fields["options"].entries())
    try:
        return Question(**given)
    except InputError as error:
        fields.get("options", entry).refuse(error.what, why=error.why, mend=error.mend)


def _option(entry: Declared) -> Option:
    if isinstance(entry.value, bool):
        entry.refuse("YAML reads this as yes/no, not as a word.", mend="put it in quotes")
    if not isinstance(entry.value, dict):
        return Option(value=entry.text(), label=entry.text())
    fields = entry.mapping(known=("value", "label", "key"), required=("value",))
    value = fields["value"].text()
    key = str(fields["key"].value) if "key" in fields else ""
    return Option(value=value, label=fields["label"].text() if "label" in fields else value, key=key)
