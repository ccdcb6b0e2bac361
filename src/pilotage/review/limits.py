"""How much one person is served: the caps of a project, and whether it serves at all just now."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from pilotage.core import earliest_id, parse_duration
from pilotage.review.projects.project import Terms
from pilotage.review.rows import A, D
from pilotage.review.skills import skill_names
from pilotage.review.tables import review_assignment, review_decision

DAY_US = 86_400_000_000


@dataclass(frozen=True)
class Allowance:
    """How many more tasks a person may be served now (None: any number), and what stands in the way where it is none."""

    tasks: int | None
    limit: str | None = None


def until_break(conn: Connection, workspace_id: str, terms: Terms, rater_id: str, now: int) -> int | None:
    """How many more answers the person gives before the project asks for a pause; None where it asks for none. Cost: one index range."""
    caps = terms.settings.caps
    if caps.break_after is None:
        return None
    streak = _streak(conn, workspace_id, rater_id, terms.name, most=caps.break_after, pause_us=parse_duration(caps.break_for), now=now)
    return caps.break_after - streak


def allowance(conn: Connection, workspace_id: str, terms: Terms | None, rater_id: str, login: str, now: int) -> Allowance:
    """What the project lets this person be served at ``now`` (µs, UTC).

    Cost: two index ranges, over the person's answers of today and what they hold; none where the project sets no cap.
    """
    if terms is None:
        return Allowance(None)
    if terms.state != "active":
        return Allowance(0, "paused")
    exam = terms.settings.qualification
    if exam is not None and exam.skill not in skill_names(conn, workspace_id, login, now):
        return Allowance(0, "qualification")
    caps = terms.settings.caps
    if caps.per_day is None and caps.at_once is None and caps.break_after is None:
        return Allowance(None)
    held = _count(conn, workspace_id, rater_id, terms.name)
    left: list[tuple[int, str]] = []
    if caps.at_once is not None:
        left.append((caps.at_once - held, "at_once"))
    if caps.per_day is not None:
        left.append((caps.per_day - _answered_since(conn, workspace_id, rater_id, terms.name, now - now % DAY_US) - held, "per_day"))
    if caps.break_after is not None:
        streak = _streak(conn, workspace_id, rater_id, terms.name, most=caps.break_after, pause_us=parse_duration(caps.break_for), now=now)
        left.append((caps.break_after - streak - held if streak < caps.break_after else 0, "break"))
    least, limit = min(left)
    return Allowance(max(0, least), limit if least <= 0 else None)


def _count(conn: Connection, workspace_id: str, rater_id: str, queue: str) -> int:
    where = (A.workspace_id == workspace_id, A.rater_id == rater_id, A.queue == queue, A.state == "claimed")
    return int(conn.execute(select(func.count()).select_from(review_assignment).where(*where)).scalar_one())


def _answered_since(conn: Connection, workspace_id: str, rater_id: str, queue: str, since: int) -> int:
    where = (
        D.workspace_id == workspace_id,
        D.rater_id == rater_id,
        D.queue == queue,
        D.id >= earliest_id("dec", at_us=since),
        D.kind == "answered",
        D.undone == 0,
    )
    return int(conn.execute(select(func.count()).select_from(review_decision).where(*where)).scalar_one())


def _streak(conn: Connection, workspace_id: str, rater_id: str, queue: str, *, most: int, pause_us: int, now: int) -> int:
    """How many answers the person gave without a pause until ``now``, counted up to ``most``."""
    where = (D.workspace_id == workspace_id, D.rater_id == rater_id, D.queue == queue, D.kind == "answered", D.undone == 0)
    times = conn.execute(select(D.created_at).where(*where).order_by(D.id.desc()).limit(most)).scalars()
    streak, later = 0, now
    for at in times:
        if later - at >= pause_us:
            break
        streak, later = streak + 1, at
    return streak
