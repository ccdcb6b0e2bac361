"""Which tasks a person is served: what is theirs to answer, in order, with known items hidden among the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, and_, bindparam, exists, func, or_, select

from pilotage.judging import Rater
from pilotage.judging.tables import item as item_table
from pilotage.review.arms import draw, is_gold_turn
from pilotage.review.measuring.standing_of import calibration_tasks, elsewhere, must_calibrate
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.projects.project import Terms
from pilotage.review.projects.settings import Rotation
from pilotage.review.rows import A, T
from pilotage.review.tables import review_assignment, review_author, review_task

AUTHOR = "author"  # what ``rotation.by`` says to go by whose work it is, not by a slice
_LOOK_AHEAD = 20  # candidates looked at per task wanted, where variety is asked for
_MOST_GOLD = 1000
_SPARE_GOLD = 50

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

    def parameters(self, workspace_id: str) -> dict[str, Any]:
        """What :func:`open_to` leaves to be filled in."""
        filled: dict[str, Any] = {"workspace": workspace_id, "of_queue": self.queue, "by": self.rater.id, "by_login": self.rater.name}
        if self.roles is not None:
            filled["in_roles"] = sorted({"", *self.roles})
        if self.skills is not None:
            filled["in_skills"] = sorted({"", *self.skills})
        return filled


@lru_cache
def open_to(*, by_role: bool, by_skill: bool, skipped_too: bool) -> Select[Any]:
    """The tasks of a queue that may be served to a person, each with what they have had to do with it: ``had`` is when they were served it before,
    ``mine`` how that stands. Made once and filled in with :meth:`Asking.parameters`: building it costs as much as running it.

    Not one they hold, answered or skipped; not their own work, which for an adjudication is an item they answered; not one about an item they hold or
    answered for another purpose; not one whose places are taken.
    """
    unwanted = ("claimed", "answered") if skipped_too else ("claimed", "answered", "skipped")
    author = review_author.c
    own_work = exists().where(author.workspace_id == T.workspace_id, author.task_id == T.id, author.login == bindparam("by_login"))
    had = and_(A.workspace_id == T.workspace_id, A.task_id == T.id, A.rater_id == bindparam("by"))
    conditions = [
        T.workspace_id == bindparam("workspace"),
        T.queue == bindparam("of_queue"),
        T.state == "open",
        T.claims + T.answers < T.overlap,
        or_(A.state.is_(None), A.state.not_in(unwanted)),
        ~own_work,
        ~elsewhere(bindparam("by")),
    ]
    if by_role:
        conditions.append(T.role.in_(bindparam("in_roles", expanding=True)))
    if by_skill:
        conditions.append(T.skill.in_(bindparam("in_skills", expanding=True)))
    columns = (*_WANTED, A.state.label("mine"), A.served_at.label("had"))
    return select(*columns).select_from(review_task.outerjoin(review_assignment, had)).where(*conditions)


@lru_cache
def work_for(*, by_role: bool, by_skill: bool, skipped_too: bool) -> Select[Any]:
    """As :func:`open_to`, only work, in the order of service, ``most`` of them. ``turn`` counts what the person was served."""
    m = review_assignment.alias("served").c
    served = (m.workspace_id == bindparam("workspace"), m.rater_id == bindparam("by"), m.queue == bindparam("of_queue"))
    turn = select(func.count()).where(*served).scalar_subquery().label("turn")
    query = open_to(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too).add_columns(turn)
    # 'not in' and no 'in': an index that begins with the purpose would have to be sorted.
    return query.where(T.purpose.not_in(TEST_PURPOSES)).order_by(T.position).limit(bindparam("most"))


def choose(conn: Connection, workspace_id: str, terms: Terms | None, asking: Asking, n: int) -> list[RowMapping]:
    """Up to ``n`` tasks for this person, in the order they are to be served. While they have to practise the guideline, only its calibration round.

    Cost: an index walk from the head of the queue to the first ``n`` tasks this person may have, so it grows with the open tasks they already
    answered or skipped that still wait for others, not with the queue.
    """
    kind = {"by_role": asking.roles is not None, "by_skill": asking.skills is not None, "skipped_too": asking.skipped_too}
    filled = asking.parameters(workspace_id)
    if (
        terms is not None
        and terms.settings.calibration_round is not None
        and must_calibrate(conn, workspace_id, terms.name, asking.rater.name, terms.guideline_id, roles=asking.roles)
    ):
        practice = open_to(**kind).where(T.id.in_(calibration_tasks(conn, workspace_id, terms.name, terms.guideline_id)))
        rows = conn.execute(practice, filled).mappings().all()
        return sorted(rows, key=lambda row: draw(terms.salt, "order", asking.rater.name, row["id"]))[:n]
    work = work_for(**kind)
    if asking.purposes is not None:
        work = work.where(T.purpose.in_(sorted(asking.purposes)))
    rotation = terms.settings.rotation if terms is not None else None
    if rotation is None:
        found: Sequence[RowMapping] = conn.execute(work, {**filled, "most": n}).mappings().all()
    else:
        found = _varied(conn, workspace_id, work, filled, asking, rotation, n)
    if terms is None or not found or asking.purposes is not None or not terms.settings.gold.share:
        return list(found)
    login = asking.rater.name
    places = [is_gold_turn(terms.salt, login, found[0]["turn"] + place, terms.settings.gold.share) for place in range(len(found))]
    if not any(places):
        return list(found)
    # The least seen first, and among them another one for each person: what all see at once is soon known to all.
    gold = sorted(
        conn.execute(_known_to(**kind), filled).mappings().all(), key=lambda row: (row["exposed"], draw(terms.salt, "which", login, row["id"]))
    )
    return _hidden(found, _under_cap(conn, workspace_id, gold[: sum(places) + _SPARE_GOLD]), places)


@lru_cache
def _known_to(*, by_role: bool, by_skill: bool, skipped_too: bool) -> Select[Any]:
    """As :func:`open_to`, only known items the person never had, the least seen first."""
    exposed = (T.claims + T.answers).label("exposed")
    query = open_to(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too).add_columns(exposed, T.overlap.label("cap"))
    return query.where(T.purpose == "gold", A.state.is_(None)).order_by(exposed, T.id).limit(_MOST_GOLD)


def yet_to_come(conn: Connection, workspace_id: str, terms: Terms | None, asking: Asking, most: int) -> int:
    """How many tasks this person would yet be served if nobody else worked, known items among them, counted up to ``most``.

    Known items are drawn by turns, so it is told from the turns to come how many will stand among the work: serving one of either kind lowers this
    by one, and answering changes nothing. Cost: an index walk to the first ``most`` tasks; near the end of a queue, a draw for each turn to come.
    """
    kind = {"by_role": asking.roles is not None, "by_skill": asking.skills is not None, "skipped_too": asking.skipped_too}
    filled = asking.parameters(workspace_id)
    work = work_for(**kind)
    if asking.purposes is not None:
        work = work.where(T.purpose.in_(sorted(asking.purposes)))
    found = conn.execute(work, {**filled, "most": most}).all()
    share = 0.0 if terms is None or asking.purposes is not None else terms.settings.gold.share
    if terms is None or not found or len(found) >= most or not share:
        return len(found)
    known = len(_under_cap(conn, workspace_id, conn.execute(_known_to(**kind), filled).mappings().all()))
    turn, left, total = int(found[0].turn), len(found), 0
    while left and total < most:
        if known and is_gold_turn(terms.salt, asking.rater.name, turn, share):
            known -= 1
        else:
            left -= 1
        turn, total = turn + 1, total + 1
    return total


def _under_cap(conn: Connection, workspace_id: str, gold: Sequence[RowMapping]) -> list[RowMapping]:
    """Those that fewer people have seen than may: who skipped an item or let it lapse holds no place any more, but knows it."""
    seen = select(A.task_id, func.count()).where(A.workspace_id == workspace_id, A.task_id.in_([row["id"] for row in gold])).group_by(A.task_id)
    by = {row[0]: int(row[1]) for row in conn.execute(seen)}
    return [row for row in gold if by.get(row["id"], 0) < row["cap"]]


def _hidden(work: Sequence[RowMapping], gold: Sequence[RowMapping], places: Sequence[bool]) -> list[RowMapping]:
    """The work with known items in the places drawn for them. Only among work: alone they would tell themselves apart."""
    rest = iter(work)
    known = iter(gold[: sum(places)])
    return [(next(known, None) or next(rest)) if place else next(rest) for place in places]


def _varied(
    conn: Connection, workspace_id: str, work: Select[Any], filled: dict[str, Any], asking: Asking, rotation: Rotation, n: int
) -> list[RowMapping]:
    """The next tasks, those of a value the person has had too much of put behind the others."""
    i = item_table.c
    of_item = (i.workspace_id == T.workspace_id) & (i.id == T.item_id)
    query = work.add_columns(i.slices).join(item_table, of_item)
    candidates = conn.execute(query, {**filled, "most": max(n * _LOOK_AHEAD, rotation.over)}).mappings().all()
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
