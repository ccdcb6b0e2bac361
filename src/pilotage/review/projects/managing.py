"""Making and changing projects. Nothing is edited in place: a change is a version, a new guideline text a guideline version."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from sqlalchemy import func, select, update

from pilotage.core import Conflict, InputError, Refused, content_id
from pilotage.judging import Rubric, put_rubric
from pilotage.judging.rubric import find_rubric
from pilotage.ledger import record
from pilotage.review.projects.project import G, P, Project, Terms, find_guideline, find_project, find_terms, no_project
from pilotage.review.projects.settings import ProjectSettings
from pilotage.review.tables import review_guideline, review_project, review_project_version
from pilotage.store import Workspace, WriteTransaction

MAX_GUIDELINE = 200_000  # characters
# What stands under /review/ and /review/projects/ besides projects, and what is no part of an address: such a project could not be opened.
RESERVED = ("projects", "adjudication", "disagreement", "me", "team", "bias", "audit", "new", ".", "..")


def create_project(workspace: Workspace, settings: ProjectSettings, *, rubric: Rubric | str, guideline: str = "", salt: str = "") -> Project:
    """Make a project.

    Parameters
    ----------
    rubric
        What people are asked: the record, or the id or name of a stored one.
    guideline
        What people go by, Markdown; left out: the rubric's own.
    salt
        What arms, sides and gold turns are drawn from; left out: a new random one.

    Raises
    ------
    InputError
        If there is no guideline, the settings name a question the rubric does not ask, or the name is one of :data:`RESERVED`.
    Conflict
        If there is a project of that name.
    """

    if settings.name.lower() in RESERVED:
        mend = f"take another name than {', '.join(RESERVED)}"
        raise InputError(
            f"A project cannot be called '{settings.name}'.", where="field 'name'", why="a page of the workbench stands there", mend=mend
        )

    def job(tx: WriteTransaction) -> Project:
        if find_terms(tx.conn, tx.workspace_id, settings.name) is not None:
            raise Conflict(f"There is a project '{settings.name}' already.", mend="change it, or take another name")
        asked = _rubric(tx, rubric)
        _check(settings, asked)
        guideline_id = _put_guideline(tx, settings.name, guideline or asked.guideline, number=1)
        tx.insert(review_project, {"id": settings.name, "number": 1, "state": "active", "salt": salt or secrets.token_hex(16)})
        _put_version(tx, settings, 1, asked.id, guideline_id)
        return find_project(tx.conn, tx.workspace_id, settings.name)

    return workspace.write(job)


def change_project(
    workspace: Workspace,
    name: str,
    *,
    number: int,
    settings: ProjectSettings | None = None,
    rubric: Rubric | str | None = None,
    guideline: str | None = None,
) -> Project:
    """Make a new version of the project; what is left out stays as it is. Tasks that wait keep the rubric they were put under.

    Parameters
    ----------
    number
        The version this change was made from.

    Raises
    ------
    Conflict
        If somebody changed the project since version ``number``.
    Refused
        If the project is archived.
    """

    def job(tx: WriteTransaction) -> Project:
        now = _terms(tx, name)
        if now.state == "archived":
            raise Refused(f"The project '{name}' is archived.", mend="resume it first")
        if now.number != number:
            raise Conflict(
                "This project was changed by somebody else in the meantime.",
                where=f"project '{name}' version {now.number}",
                mend="look at it again and repeat the change if it is still wanted",
            )
        wanted = settings or now.settings
        if wanted.name != name:
            raise InputError("A project keeps its name.", where=f"project '{name}'", why="what was judged refers to it", mend="create another")
        asked = _rubric(tx, rubric if rubric is not None else now.rubric_id)
        _check(wanted, asked)
        guideline_id = now.guideline_id
        if guideline is not None and guideline != find_guideline(tx.conn, tx.workspace_id, guideline_id).text:
            guideline_id = _put_guideline(tx, name, guideline, number=_last_guideline(tx, name) + 1)
        if (wanted, asked.id, guideline_id) != (now.settings, now.rubric_id, now.guideline_id):
            tx.conn.execute(update(review_project).where(P.workspace_id == tx.workspace_id, P.id == name).values(number=number + 1))
            _put_version(tx, wanted, number + 1, asked.id, guideline_id)
        return find_project(tx.conn, tx.workspace_id, name)

    return workspace.write(job)


def pause_project(workspace: Workspace, name: str) -> Project:
    """Serve nothing new. What people hold they may finish."""
    return workspace.write(_into(name, "paused", "project.paused"))


def resume_project(workspace: Workspace, name: str) -> Project:
    """Serve again."""
    return workspace.write(_into(name, "active", "project.resumed"))


def archive_project(workspace: Workspace, name: str) -> Project:
    """Put the project away: nothing is served, nothing new is put, and it cannot be changed until it is resumed."""
    return workspace.write(_into(name, "archived", "project.archived"))


def _into(name: str, state: str, event: str) -> Callable[[WriteTransaction], Project]:
    def job(tx: WriteTransaction) -> Project:
        if _terms(tx, name).state != state:
            tx.conn.execute(update(review_project).where(P.workspace_id == tx.workspace_id, P.id == name).values(state=state))
            record(tx, type=event, subject=name, body={"state": state})
        return find_project(tx.conn, tx.workspace_id, name)

    return job


def _terms(tx: WriteTransaction, name: str) -> Terms:
    found = find_terms(tx.conn, tx.workspace_id, name)
    if found is None:
        raise no_project(name)
    return found


def _rubric(tx: WriteTransaction, rubric: Rubric | str) -> Rubric:
    if isinstance(rubric, str):
        return find_rubric(tx.conn, rubric, workspace_id=tx.workspace_id)
    return find_rubric(tx.conn, put_rubric(tx, rubric), workspace_id=tx.workspace_id)


def _check(settings: ProjectSettings, rubric: Rubric) -> None:
    question = settings.overlap.question
    if question is not None:
        rubric.question(question)
    if settings.overlap.until is not None and question is None and len([each for each in rubric.questions if not each.free_text]) != 1:
        raise InputError(
            "Adaptive overlap must say which question it goes by.",
            where=f"project '{settings.name}' field 'overlap.question'",
            why="the rubric asks several",
            mend="name one of: " + ", ".join(each.name for each in rubric.questions if not each.free_text),
        )


def _last_guideline(tx: WriteTransaction, name: str) -> int:
    return int(tx.conn.execute(select(func.max(G.number)).where(G.workspace_id == tx.workspace_id, G.project == name)).scalar() or 0)


def _put_guideline(tx: WriteTransaction, name: str, text: str, *, number: int) -> str:
    if not text.strip():
        raise InputError(
            f"The project '{name}' has no guideline.",
            why="people who go by nothing cannot agree on anything",
            mend="write 'guideline:' (Markdown), or name a 'guideline_file:'",
        )
    if len(text) > MAX_GUIDELINE:
        raise InputError(f"A guideline longer than {MAX_GUIDELINE:,} characters is not read.", where=f"project '{name}'", mend="shorten it")
    made = content_id("gdl", {"project": name, "number": number, "text": text})
    tx.insert(review_guideline, {"id": made, "project": name, "number": number, "text": text, "author": tx.actor})
    record(tx, type="guideline.added", subject=made, body={"project": name, "number": number})
    return made


def _put_version(tx: WriteTransaction, settings: ProjectSettings, number: int, rubric_id: str, guideline_id: str) -> None:
    row = {"settings": settings.to_dict(), "rubric_id": rubric_id, "guideline_id": guideline_id}
    tx.insert(review_project_version, {"project": settings.name, "number": number, "author": tx.actor, **row})
    body = {"number": number, "settings": content_id("set", row["settings"]), "rubric": rubric_id, "guideline": guideline_id}
    record(tx, type="project.created" if number == 1 else "project.changed", subject=settings.name, body=body)
