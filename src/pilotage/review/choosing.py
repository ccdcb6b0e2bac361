"""Which tasks a person is served: what is theirs to answer, in order, with known items hidden among the work."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, exists, func, or_, select

from pilotage.judging import Rater
from pilotage.judging.tables import item as item_table
from pilotage.review.arms import draw, is_gold_turn
from pilotage.review.measuring.standing_of import calibration_tasks, elsewhere, must_calibrate
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.projects.project import Terms
from pilotage.review.projects.settings import Rotation
from pilotage.review.rows import A, T
from pilotage.review.tables import review_assignment, review_author, review_task
from pilotage.store import Ready, RowLike

AUTHOR = "author"  # what ``rotation.by`` says to go by whose work it is, not by a slice
_LOOK_AHEAD = 20  # candidates looked at per task wanted, where variety is asked for
_MOST_GOLD = 1000
_SPARE_GOLD = 50
_LET_GO = {False: ("released",), True: ("released", "skipped")}  # by whether what was skipped is offered again

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
        if self.purposes is not None:
            filled["for_purposes"] = sorted(self.purposes)
        return filled


@lru_cache
def open_to(*, by_role: bool, by_skill: bool, skipped_too: bool, had: bool = False) -> Select[Any]:
    """The tasks of a queue that may be served to a person, each with what they have had to do with it: ``had`` is when they were served it before,
    ``mine`` how that stands. Made once and filled in with :meth:`Asking.parameters`: building it costs as much as running it.

    Not one they hold, answered or skipped; not their own work, which for an adjudication is an item they answered; not one about an item they hold or
    answered for another purpose; not one whose places are taken. With ``had`` only tasks they were served before and let go.
    """
    unwanted = ("claimed", "answered") if skipped_too else ("claimed", "answered", "skipped")
    author = review_author.c
    own_work = exists().where(author.workspace_id == T.workspace_id, author.task_id == T.id, author.login == bindparam("by_login"))
    theirs = and_(A.workspace_id == T.workspace_id, A.task_id == T.id, A.rater_id == bindparam("by"))
    conditions = [
        T.workspace_id == bindparam("workspace"),
        T.queue == bindparam("of_queue"),
        T.state == "open",
        T.claims + T.answers < T.overlap,
        and_(A.queue == T.queue, A.state.in_(_LET_GO[skipped_too])) if had else or_(A.state.is_(None), A.state.not_in(unwanted)),
        ~own_work,
        ~elsewhere(bindparam("by")),
    ]
    if by_role:
        conditions.append(T.role.in_(bindparam("in_roles", expanding=True)))
    if by_skill:
        conditions.append(T.skill.in_(bindparam("in_skills", expanding=True)))
    columns = (*_WANTED, A.state.label("mine"), A.served_at.label("had"))
    tasks = review_assignment.join(review_task, theirs) if had else review_task.outerjoin(review_assignment, theirs)
    return select(*columns).select_from(tasks).where(*conditions)


@lru_cache
def work_for(*, by_role: bool, by_skill: bool, skipped_too: bool, by_purpose: bool = False, with_slices: bool = False) -> Ready:
    """As :func:`open_to`, only work, in the order of service, ``most`` of them; ``with_slices``: of the item, for who goes by them."""
    # 'not in' and no 'in': an index that begins with the purpose would have to be sorted.
    query = _work(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too, by_purpose=by_purpose)
    if with_slices:
        i = item_table.c
        query = query.add_columns(i.slices).join(item_table, (i.workspace_id == T.workspace_id) & (i.id == T.item_id))
    return Ready(query.order_by(T.position).limit(bindparam("most")))


@lru_cache
def _work_left(*, by_role: bool, by_skill: bool, skipped_too: bool, by_purpose: bool) -> Ready:
    """How many tasks :func:`work_for` has, up to ``most``, and how many of them the person let go before: counted by the database."""
    query = _work(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too, by_purpose=by_purpose)
    first = query.with_only_columns(T.id, A.state.label("mine")).order_by(T.position).limit(bindparam("most")).subquery()
    numbers: list[Any] = [func.count().label("work_left"), func.count(first.c.mine).label("let_go")]
    return Ready(select(*numbers).select_from(first))


def _work(*, by_role: bool, by_skill: bool, skipped_too: bool, by_purpose: bool) -> Select[Any]:
    query = open_to(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too).where(T.purpose.not_in(TEST_PURPOSES))
    return query.where(T.purpose.in_(bindparam("for_purposes", expanding=True))) if by_purpose else query


@lru_cache
def gold_for(*, by_role: bool, by_skill: bool, skipped_too: bool) -> Ready:
    """As :func:`open_to`, only known items that the person had nothing to do with, the least ``exposed`` first, with the ``cap`` of each."""
    exposed = (T.claims + T.answers).label("exposed")
    query = open_to(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too).add_columns(exposed, T.overlap.label("cap"))
    return Ready(query.where(T.purpose == "gold", A.state.is_(None)).order_by(exposed, T.id).limit(_MOST_GOLD))


@lru_cache
def gold_let_go_by(*, by_role: bool, by_skill: bool, skipped_too: bool) -> Ready:
    """Known items the person was served and let go, which come back to them as work does: one that never came again would be known for a test."""
    query = open_to(by_role=by_role, by_skill=by_skill, skipped_too=skipped_too, had=True).where(T.purpose == "gold")
    return Ready(query.order_by(A.served_at, T.id).limit(bindparam("most")))


@lru_cache
def _served() -> Ready:
    """How many tasks of the queue the person was served so far. One index range, and only asked where known items are hidden among the work."""
    where = (A.workspace_id == bindparam("workspace"), A.rater_id == bindparam("by"), A.queue == bindparam("of_queue"))
    return Ready(select(func.count().label("turn")).where(*where))


def choose(conn: Connection, workspace_id: str, terms: Terms | None, asking: Asking, n: int) -> list[RowLike]:
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
        return list(sorted(rows, key=lambda row: draw(terms.salt, "order", asking.rater.name, row["id"]))[:n])
    rotation = terms.settings.rotation if terms is not None else None
    work = work_for(**kind, by_purpose=asking.purposes is not None, with_slices=rotation is not None)
    if rotation is None:
        found: Sequence[RowLike] = work.rows(conn, {**filled, "most": n})
    else:
        found = _varied(conn, workspace_id, work, filled, asking, rotation, n)
    if terms is None or asking.purposes is not None or not terms.settings.gold.share:
        return list(found)
    back = gold_let_go_by(**kind).rows(conn, {**filled, "most": n})
    found = found[: n - len(back)]
    return [*back, *(_with_gold(conn, workspace_id, terms, asking, kind, filled, found) if found else ())]


def _with_gold(
    conn: Connection, workspace_id: str, terms: Terms, asking: Asking, kind: dict[str, bool], filled: dict[str, Any], found: Sequence[RowLike]
) -> list[RowLike]:
    """The work with known items at the turns drawn for them. What comes back takes no turn, and nothing takes its place: it would be told by that."""
    login = asking.rater.name
    turns = count(_served().rows(conn, filled)[0]["turn"])
    places = [row["mine"] is None and is_gold_turn(terms.salt, login, next(turns), terms.settings.gold.share) for row in found]
    if not any(places):
        return list(found)
    # The least seen first, and among them another one for each person: what all see at once is soon known to all.
    known = gold_for(**kind).rows(conn, filled)
    gold = sorted(known, key=lambda row: (row["exposed"], draw(terms.salt, "which", login, row["id"])))
    return _hidden(found, _under_cap(conn, workspace_id, gold[: sum(places) + _SPARE_GOLD]), places)


def yet_to_come(conn: Connection, workspace_id: str, terms: Terms | None, asking: Asking, most: int) -> int:
    """How many tasks this person would yet be served if nobody else worked, known items among them, counted up to ``most``.

    Known items are drawn by turns, so it is told from the turns to come how many will stand among the work: serving one of either kind lowers this
    by one, and answering changes nothing. Cost: an index walk to the first ``most`` tasks; near the end of a queue, a draw for each turn to come.
    """
    kind = {"by_role": asking.roles is not None, "by_skill": asking.skills is not None, "skipped_too": asking.skipped_too}
    filled = asking.parameters(workspace_id)
    work = _work_left(**kind, by_purpose=asking.purposes is not None).rows(conn, {**filled, "most": most})[0]
    left = int(work["work_left"])
    share = 0.0 if terms is None or asking.purposes is not None else terms.settings.gold.share
    if terms is None or left >= most or not share:
        return left
    back = len(gold_let_go_by(**kind).rows(conn, {**filled, "most": most})) + int(work["let_go"])
    left -= int(work["let_go"])
    if not left or back >= most:
        return min(back, most)
    known = len(_under_cap(conn, workspace_id, gold_for(**kind).rows(conn, filled)))
    turn, total = int(_served().rows(conn, filled)[0]["turn"]), back
    while left and total < most:
        if known and is_gold_turn(terms.salt, asking.rater.name, turn, share):
            known -= 1
        else:
            left -= 1
        turn, total = turn + 1, total + 1
    return total


def _under_cap(conn: Connection, workspace_id: str, gold: Sequence[RowLike]) -> list[RowLike]:
    """Those that fewer people have seen than may: who skipped an item or let it lapse holds no place any more, but knows it."""
    seen = _seen_by().rows(conn, {"workspace": workspace_id, "ids": [row["id"] for row in gold]})
    by = {row["task_id"]: int(row["seen"]) for row in seen}
    return [row for row in gold if by.get(row["id"], 0) < row["cap"]]


@lru_cache
def _seen_by() -> Ready:
    where = (A.workspace_id == bindparam("workspace"), A.task_id.in_(bindparam("ids", expanding=True)))
    return Ready(select(A.task_id, func.count().label("seen")).where(*where).group_by(A.task_id))


def _hidden(work: Sequence[RowLike], gold: Sequence[RowLike], places: Sequence[bool]) -> list[RowLike]:
    """The work with known items in the places drawn for them. Only among work: alone they would tell themselves apart."""
    rest = iter(work)
    known = iter(gold[: sum(places)])
    return [(next(known, None) or next(rest)) if place else next(rest) for place in places]


def _varied(conn: Connection, workspace_id: str, work: Ready, filled: dict[str, Any], asking: Asking, rotation: Rotation, n: int) -> list[RowLike]:
    """The next tasks, those of a value the person has had too much of put behind the others."""
    i = item_table.c
    of_item = (i.workspace_id == T.workspace_id) & (i.id == T.item_id)
    candidates = work.rows(conn, {**filled, "most": max(n * _LOOK_AHEAD, rotation.over)})
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
    chosen: list[RowLike] = []
    behind: list[RowLike] = []
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
