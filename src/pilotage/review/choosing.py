"""Which tasks a person is served: what is theirs to answer, in order, with known items hidden among the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Select, and_, exists, func, or_, select

from pilotage.judging import Rater
from pilotage.judging.tables import item as item_table
from pilotage.review.arms import draw, is_gold_turn
from pilotage.review.measuring.standing_of import calibration_tasks, must_calibrate
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.projects.project import Terms
from pilotage.review.projects.settings import Rotation
from pilotage.review.rows import A, T
from pilotage.review.tables import review_assignment, review_author, review_task

AUTHOR = "author"  # what ``rotation.by`` says to go by whose work it is, not by a slice
_LOOK_AHEAD = 20  # candidates looked at per task wanted, where variety is asked for
_MOST_GOLD = 1000

# What a person may ask for by its purpose. The rest is not theirs to know: who could ask for work alone would be served no known items.
ASKED_BY_PURPOSE = ("adjudication",)

# What serving needs of a task. Not what is judged: that is read once it is chosen.
_WANTED = [T[name] for name in ("id", "queue", "item_id", "rubric_id", "asks", "suggestion", "purpose")]


@dataclass(frozen=True)
class Asking:
    """Who asks for work, and what they may do. ``roles`` and ``skills`` None skip that check; ``purposes`` None is everything."""

    rater: Rater
    queue: str
    roles: Collection[str] | None
    skills: Collection[str] | None
    skipped_too: bool = False
    purposes: Collection[str] | None = None


def _wanted(asking: Asking, *more: Any) -> Select[Any]:
    """The tasks, each with what this person has had to do with it: ``had`` is when they were served it before, ``mine`` how that stands."""
    had = and_(A.workspace_id == T.workspace_id, A.task_id == T.id, A.rater_id == asking.rater.id)
    columns = (*_WANTED, A.state.label("mine"), A.served_at.label("had"), *more)
    return select(*columns).select_from(review_task.outerjoin(review_assignment, had))


def is_open_to(asking: Asking, workspace_id: str) -> list[ColumnElement[bool]]:
    """The conditions under which a task of the queue may be served to this person.

    Not one they hold, answered or skipped; not their own work, which for an adjudication is an item they answered; not one whose places are taken.
    """
    unwanted = ("claimed", "answered") if asking.skipped_too else ("claimed", "answered", "skipped")
    author = review_author.c
    own_work = exists().where(author.workspace_id == T.workspace_id, author.task_id == T.id, author.login == asking.rater.name)
    conditions = [
        T.workspace_id == workspace_id,
        T.queue == asking.queue,
        T.state == "open",
        T.claims + T.answers < T.overlap,
        or_(A.state.is_(None), A.state.not_in(unwanted)),
        ~own_work,
    ]
    if asking.roles is not None:
        conditions.append(T.role.in_(sorted({"", *asking.roles})))
    if asking.skills is not None:
        conditions.append(T.skill.in_(sorted({"", *asking.skills})))
    if asking.purposes is not None:
        conditions.append(T.purpose.in_(sorted(asking.purposes)))
    return conditions


def choose(conn: Connection, workspace_id: str, terms: Terms | None, asking: Asking, n: int) -> list[RowMapping]:
    """Up to ``n`` tasks for this person, in the order they are to be served. While they have to practise the guideline, only its calibration round.

    Cost: an index walk from the head of the queue to the first ``n`` tasks this person may have, so it grows with the open tasks they already
    answered or skipped that still wait for others, not with the queue.
    """
    conditions = is_open_to(asking, workspace_id)
    if (
        terms is not None
        and terms.settings.calibration_round is not None
        and must_calibrate(conn, workspace_id, terms.name, asking.rater.name, terms.guideline_id)
    ):
        practice = T.id.in_(calibration_tasks(conn, workspace_id, terms.name, terms.guideline_id))
        whatever = is_open_to(replace(asking, purposes=None), workspace_id)
        rows = conn.execute(_wanted(asking).where(*whatever, practice)).mappings().all()
        return sorted(rows, key=lambda row: draw(terms.salt, "order", asking.rater.name, row["id"]))[:n]
    # 'not in' and no 'in': an index that begins with the purpose would have to be sorted.
    work = and_(*conditions, T.purpose.not_in(TEST_PURPOSES))
    rotation = terms.settings.rotation if terms is not None else None
    if rotation is None:
        found: Sequence[RowMapping] = conn.execute(_wanted(asking).where(work).order_by(T.position).limit(n)).mappings().all()
    else:
        found = _varied(conn, workspace_id, work, asking, rotation, n)
    if terms is None or not found or asking.purposes is not None or not terms.settings.gold.share:
        return list(found)
    return _with_gold(conn, workspace_id, terms, asking, found, conditions)


def _with_gold(
    conn: Connection, workspace_id: str, terms: Terms, asking: Asking, work: Sequence[RowMapping], conditions: list[ColumnElement[bool]]
) -> list[RowMapping]:
    """The work with known items in the places drawn for them. Only among work: alone they would tell themselves apart."""
    login, share = asking.rater.name, terms.settings.gold.share
    served = select(func.count()).select_from(review_assignment)
    turn = conn.execute(served.where(A.workspace_id == workspace_id, A.rater_id == asking.rater.id, A.queue == terms.name)).scalar_one()
    places = [is_gold_turn(terms.salt, login, turn + place, share) for place in range(len(work))]
    if not any(places):
        return list(work)
    exposed = (T.claims + T.answers).label("exposed")
    query = _wanted(asking, exposed).where(*conditions, T.purpose == "gold", A.state.is_(None)).order_by(exposed, T.id).limit(_MOST_GOLD)
    # The least seen first, and among them another one for each person: what all see at once is soon known to all.
    gold = sorted(conn.execute(query).mappings().all(), key=lambda row: (row["exposed"], draw(terms.salt, "which", login, row["id"])))
    rest = iter(work)
    known = iter(gold[: sum(places)])
    return [(next(known, None) or next(rest)) if place else next(rest) for place in places]


def _varied(conn: Connection, workspace_id: str, work: ColumnElement[bool], asking: Asking, rotation: Rotation, n: int) -> list[RowMapping]:
    """The next tasks, those of a value the person has had too much of put behind the others."""
    i = item_table.c
    of_item = (i.workspace_id == T.workspace_id) & (i.id == T.item_id)
    query = _wanted(asking, i.slices).join(item_table, of_item).where(work).order_by(T.position).limit(max(n * _LOOK_AHEAD, rotation.over))
    candidates = conn.execute(query).mappings().all()
    recent = (
        select(T.id, i.slices)
        .join(review_assignment, (A.workspace_id == T.workspace_id) & (A.task_id == T.id))
        .join(item_table, of_item)
        .where(A.workspace_id == workspace_id, A.rater_id == asking.rater.id, A.queue == asking.queue, A.served_at.is_not(None))
        .order_by(A.served_at.desc())
        .limit(rotation.over)
    )
    had_rows = conn.execute(recent).mappings().all()
    value_of = _values(conn, workspace_id, rotation.by, [*candidates, *had_rows])
    had = Counter(value_of[row["id"]] for row in had_rows)
    most = max(1, int(rotation.most * rotation.over))
    chosen: list[RowMapping] = []
    behind: list[RowMapping] = []
    for row in candidates:
        value = value_of[row["id"]]
        if value and had[value] >= most:
            behind.append(row)
            continue
        had[value] += 1
        chosen.append(row)
        if len(chosen) == n:
            break
    return (chosen + behind)[:n]


def _values(conn: Connection, workspace_id: str, by: str, rows: Sequence[Any]) -> dict[str, str]:
    if by != AUTHOR:
        return {row["id"]: str(row["slices"].get(by, "")) for row in rows}
    c = review_author.c
    ids = [row["id"] for row in rows]
    query = select(c.task_id, func.min(c.login).label("login")).where(c.workspace_id == workspace_id, c.task_id.in_(ids)).group_by(c.task_id)
    authors = {row.task_id: row.login for row in conn.execute(query)}
    return {task_id: authors.get(task_id, "") for task_id in ids}
