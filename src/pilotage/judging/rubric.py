"""Rubrics: the questions asked and the guideline, versioned by content.

Two rubrics that ask the same in the same words are one version; any other wording is another. Nothing judged is ever re-read under other words.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import lru_cache

from sqlalchemy import Connection, Text, bindparam, func, select, type_coerce

from pilotage.core import InputError, NotFound, content_id
from pilotage.judging.question import Option, Question, Scale
from pilotage.judging.tables import rubric as rubric_table
from pilotage.ledger import record
from pilotage.store import Ready, Workspace, WriteTransaction

__all__ = ["Option", "Question", "Rubric", "Scale", "find_rubric", "load_rubric", "put_rubric"]


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
    asked = {"workspace": workspace_id, "ref": ref}
    found = _BY_ID.first(conn, asked) or _NEWEST.first(conn, asked)
    if found is None:
        raise NotFound(f"There is no rubric '{ref}'.", mend="put it into the workspace first, or check the name")
    return _rubric(**found)


_R = rubric_table.c
_ALL = select(_R.id, _R.name, _R.number, type_coerce(_R.questions, Text).label("questions"), _R.guideline).where(
    _R.workspace_id == bindparam("workspace")
)
_BY_ID = Ready(_ALL.where(_R.id == bindparam("ref")))
_NEWEST = Ready(_ALL.where(_R.name == bindparam("ref")).order_by(_R.number.desc()).limit(1))


@lru_cache(maxsize=256)
def _rubric(*, id: str, name: str, number: int, questions: str, guideline: str) -> Rubric:
    """Read once for each row there is: checking that the id is that of the content costs more than finding it."""
    asked = tuple(Question.from_dict(question) for question in json.loads(questions))
    return Rubric(name=name, number=number, questions=asked, guideline=guideline, id=id)
