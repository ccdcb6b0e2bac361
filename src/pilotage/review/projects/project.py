"""The records of a project: what it is now, and the guideline in force."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Text, bindparam, select, type_coerce

from pilotage.core import NotFound
from pilotage.judging import Rubric
from pilotage.judging.rubric import find_rubric
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.tables import review_guideline, review_project, review_project_version
from pilotage.store import Ready, Workspace

P, V, G = review_project.c, review_project_version.c, review_guideline.c
STATES = ("active", "paused", "archived")


@dataclass(frozen=True)
class Guideline:
    """One version of what people are told to go by. ``created_at`` in µs, UTC."""

    id: str
    number: int
    text: str
    author: str = ""
    created_at: int = 0


@dataclass(frozen=True)
class GuidelineDiff:
    """What changed between two guidelines, line by line: each ``(mark, line)`` with mark ``=``, ``+`` or ``-``."""

    lines: tuple[tuple[str, str], ...]
    added: int
    removed: int

    def __str__(self) -> str:
        return "\n".join(f"{'  ' if mark == '=' else mark + ' '}{line}" for mark, line in self.lines)


@dataclass(frozen=True)
class Project:
    """A project as it is now. ``number`` counts the versions of its settings; hand it back when you change them."""

    name: str
    title: str
    number: int
    settings: ProjectSettings
    rubric: Rubric
    guideline: Guideline
    state: str
    created_at: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "number": self.number,
            "state": self.state,
            "settings": self.settings.to_dict(),
            "rubric": self.rubric.id,
            "guideline": {"id": self.guideline.id, "number": self.guideline.number},
        }


@dataclass(frozen=True)
class Terms:
    """What serving needs of a project, read with one look-up. ``salt`` is secret: it never leaves the server."""

    name: str
    number: int
    state: str
    settings: ProjectSettings
    rubric_id: str
    guideline_id: str
    guideline_number: int
    salt: str


def load_project(workspace: Workspace, name: str) -> Project:
    """The project as it is now. Raises ``NotFound``."""
    with workspace.read() as conn:
        return find_project(conn, workspace.id, name)


def find_project(conn: Connection, workspace_id: str, name: str) -> Project:
    """As :func:`load_project`, on a connection that is already open."""
    terms = find_terms(conn, workspace_id, name)
    if terms is None:
        raise no_project(name)
    since = conn.execute(select(P.created_at).where(P.workspace_id == workspace_id, P.id == name)).scalar_one()
    return Project(
        name=name,
        title=terms.settings.title or name,
        number=terms.number,
        settings=terms.settings,
        rubric=find_rubric(conn, terms.rubric_id, workspace_id=workspace_id),
        guideline=find_guideline(conn, workspace_id, terms.guideline_id),
        state=terms.state,
        created_at=since,
    )


def projects(workspace: Workspace, *, archived: bool = False) -> list[Project]:
    """The projects, by name; archived ones too where asked for."""
    with workspace.read() as conn:
        where = [P.workspace_id == workspace.id]
        if not archived:
            where.append(P.state != "archived")
        names = list(conn.execute(select(P.id).where(*where).order_by(P.id)).scalars())
        return [find_project(conn, workspace.id, name) for name in names]


def find_terms(conn: Connection, workspace_id: str, name: str) -> Terms | None:
    """The project's terms, or None for a queue without a project. One look-up by key."""
    row = _TERMS.first(conn, {"workspace": workspace_id, "name": name})
    return None if row is None else Terms(**{**row, "name": name, "settings": _settings(row["settings"])})


def find_guideline(conn: Connection, workspace_id: str, guideline_id: str) -> Guideline:
    """The guideline with this id. Raises ``NotFound``."""
    row = conn.execute(select(review_guideline).where(G.workspace_id == workspace_id, G.id == guideline_id)).first()
    if row is None:
        raise NotFound(f"There is no guideline {guideline_id}.")
    return Guideline(row.id, row.number, row.text, row.author, row.created_at)


def guideline_versions(workspace: Workspace, name: str) -> list[Guideline]:
    """Every guideline the project had, oldest first. Raises ``NotFound`` if there is no such project."""
    query = select(review_guideline).where(G.workspace_id == workspace.id, G.project == name).order_by(G.number)
    with workspace.read() as conn:
        found = [Guideline(row.id, row.number, row.text, row.author, row.created_at) for row in conn.execute(query)]
    if not found:
        raise no_project(name)
    return found


def guideline_diff(old: Guideline, new: Guideline) -> GuidelineDiff:
    """What changed, line by line. Pure."""
    before, after = old.text.splitlines(), new.text.splitlines()
    lines: list[tuple[str, str]] = []
    for what, low, high, start, end in difflib.SequenceMatcher(a=before, b=after, autojunk=False).get_opcodes():
        if what == "equal":
            lines += [("=", line) for line in before[low:high]]
        else:
            lines += [("-", line) for line in before[low:high]]
            lines += [("+", line) for line in after[start:end]]
    marks = [mark for mark, _ in lines]
    return GuidelineDiff(tuple(lines), added=marks.count("+"), removed=marks.count("-"))


def no_project(name: str) -> NotFound:
    return NotFound(f"There is no project '{name}'.", mend="see 'pilotage project list'")


_TERMS = Ready(
    select(
        P.number,
        P.state,
        P.salt,
        type_coerce(V.settings, Text).label("settings"),
        V.rubric_id,
        V.guideline_id,
        G.number.label("guideline_number"),
    )
    .join(review_project_version, (V.workspace_id == P.workspace_id) & (V.project == P.id) & (V.number == P.number))
    .join(review_guideline, (G.workspace_id == P.workspace_id) & (G.id == V.guideline_id))
    .where(P.workspace_id == bindparam("workspace"), P.id == bindparam("name"))
)


@lru_cache(maxsize=256)
def _settings(text: str) -> ProjectSettings:
    return ProjectSettings.model_validate_json(text)
