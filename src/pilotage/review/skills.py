"""Skills: what a person was found able to do, by exam or by somebody who leads the project. A project's slices may need one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from pilotage.core import InputError
from pilotage.ledger import record
from pilotage.review.tables import review_skill
from pilotage.store import Workspace, WriteTransaction

S = review_skill.c
SOURCES = ("exam", "granted")


@dataclass(frozen=True)
class Skill:
    """One skill of one person. ``expires_at`` (µs, UTC) is None where it does not lapse."""

    login: str
    skill: str
    source: str
    granted_by: str
    expires_at: int | None
    created_at: int


def grant_skill(
    where: Workspace | WriteTransaction,
    login: str,
    skill: str,
    *,
    source: str = "granted",
    expires_at: int | None = None,
    by: str | None = None,
    reason: str | None = None,
) -> None:
    """Say that the person has the skill, from now and until ``expires_at`` (µs, UTC), and why. Granting it again replaces its source and end."""
    if not login or not skill:
        raise InputError("A skill is of somebody and has a name.", mend="give a login and a skill")
    if source not in SOURCES:
        raise InputError(f"'{source}' is no source of a skill.", mend=f"use one of: {', '.join(SOURCES)}")

    def job(tx: WriteTransaction) -> None:
        tx.conn.execute(delete(review_skill).where(S.workspace_id == tx.workspace_id, S.login == login, S.skill == skill))
        who = by or tx.actor
        tx.insert(review_skill, {"login": login, "skill": skill, "source": source, "granted_by": who, "expires_at": expires_at}, actor=who)
        body = {"skill": skill, "source": source, "expires_at": expires_at}
        record(tx, type="review.skill_granted", subject=login, body=body, actor=who, personal={"reason": reason} if reason else None)

    if isinstance(where, Workspace):
        where.write(job)
    else:
        job(where)


def revoke_skill(workspace: Workspace, login: str, skill: str, *, reason: str | None = None) -> bool:
    """Take the skill away, and say why; False if the person did not have it. Tasks they hold they may finish."""

    def job(tx: WriteTransaction) -> bool:
        done = tx.conn.execute(delete(review_skill).where(S.workspace_id == tx.workspace_id, S.login == login, S.skill == skill))
        if done.rowcount:
            personal = {"reason": reason} if reason else None
            record(tx, type="review.skill_revoked", subject=login, body={"skill": skill}, personal=personal)
        return bool(done.rowcount)

    return workspace.write(job)


def skills_of(workspace: Workspace, login: str) -> list[Skill]:
    """The person's skills that have not lapsed, by name."""
    query = select(review_skill).where(S.workspace_id == workspace.id, S.login == login).order_by(S.skill)
    now = workspace.clock.now_us()
    with workspace.read() as conn:
        return [
            Skill(row.login, row.skill, row.source, row.granted_by, row.expires_at, row.created_at)
            for row in conn.execute(query)
            if row.expires_at is None or row.expires_at > now
        ]


def skill_names(conn: Connection, workspace_id: str, login: str, now: int) -> frozenset[str]:
    """The names of the person's skills at ``now``."""
    where = (S.workspace_id == workspace_id, S.login == login, S.expires_at.is_(None) | (S.expires_at > now))
    return frozenset(conn.execute(select(S.skill).where(*where)).scalars())
