"""Adjudication: what people could not settle is put before one who did not take part, with the others' answers under aliases.

The aliases say nothing: no names, no order of time, no hint of who is a machine; they are drawn anew for each item. Who judged the item, or held
it, is an author of its adjudication and is never served it. The decision stands as the item's consensus (``adjudicated``) at the next settlement;
:func:`overturns` says how often it went against the majority. A decision can be reopened for somebody else to decide again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Any

from sqlalchemy import Select, select, update

from pilotage.core import Conflict, InputError, NotFound
from pilotage.evidence import Evidence, Observation, rate
from pilotage.judging import Judgement, consensuses, judgements
from pilotage.judging.rater import RaterKind
from pilotage.judging.rubric import find_rubric
from pilotage.ledger import record
from pilotage.review.arms import draw
from pilotage.review.measuring.combining import combine
from pilotage.review.measuring.known import in_force, judged_by
from pilotage.review.measuring.matching import plain
from pilotage.review.measuring.tables import review_adjudication, review_settlement
from pilotage.review.new_task import task_id
from pilotage.review.questions import roles_of
from pilotage.review.rows import count, load_task, move
from pilotage.review.tables import review_assignment, review_author, review_task
from pilotage.store import Workspace, WriteTransaction

WHY = ["disagreement"]
A, S, T = review_adjudication.c, review_settlement.c, review_task.c


@dataclass(frozen=True)
class Alias:
    """One rater's answers as the adjudicator sees them."""

    alias: str
    answers: dict[str, Any]
    reason: str | None


@dataclass(frozen=True)
class Adjudication:
    """One item before an adjudicator. ``before``: what the majority said of each question, None on a tie. ``state``: open | decided."""

    task_id: str
    item_id: str
    questions: tuple[str, ...]
    answers: tuple[Alias, ...]
    before: dict[str, Any]
    state: str


@dataclass(frozen=True)
class Overturned:
    """How often adjudicators decided against the majority of a question. ``ties`` had no majority to overturn and are not in the rate."""

    question: str
    decided: int
    ties: int
    rate: Evidence

    def __str__(self) -> str:
        return f"{self.question}: {self.decided} decided, {self.ties} of them ties; {self.rate}"


def open_adjudications(
    workspace: Workspace, project: str, *, limit: int = 1000, machines: bool = False, items: Collection[str] | None = None
) -> list[str]:
    """Put what could not be settled before adjudicators, most divided first; the ids of the new tasks.

    Parameters
    ----------
    limit
        At most so many items at once.
    machines
        Whether the answers of model raters are among those shown. Under their aliases they cannot be told from people's.
    items
        Only these, as far as they could not be settled. None: whatever waits.
    """
    with workspace.read() as conn:
        terms = in_force(conn, workspace.id, project)
        rubric = find_rubric(conn, terms.rubric_id, workspace_id=workspace.id)
        waits = select(S.item_id, S.question).where(
            S.workspace_id == workspace.id, S.project == project, S.state == "adjudicate", S.rubric_id == rubric.id
        )
        if items is not None:
            waits = waits.where(S.item_id.in_(sorted(items)))
        rows = conn.execute(waits.order_by(S.position)).all()
        had = {(row.item_id, question) for row in conn.execute(_ours(workspace.id, project)) for question in row.questions}
    several = len(roles_of(rubric)) > 1
    disputed: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in rows:
        if (row.item_id, row.question) not in had:
            disputed[(row.item_id, (rubric.question(row.question).required_role or "") if several else "")].append(row.question)
    chosen = dict(list(disputed.items())[:limit])
    said: dict[str, list[Judgement]] = defaultdict(list)
    for each in judgements(workspace, item_ids={item for item, _ in chosen}, rubric_id=rubric.id, purposes=("work", "audit")):
        if each.rater_kind == RaterKind.PERSON or (machines and each.rater_kind == RaterKind.MODEL):
            said[each.item_id].append(each)

    def job(tx: WriteTransaction) -> list[str]:
        made: list[str] = []
        for (item, asks), questions in chosen.items():
            made_id = task_id(project, item, rubric.id, purpose="adjudication", asks=asks if several else None, salt=terms.salt)
            if tx.conn.execute(select(A.task_id).where(A.workspace_id == tx.workspace_id, A.task_id == made_id)).first() is not None:
                continue
            _put(tx, made_id, project, item, rubric.id, role=terms.settings.adjudicator or asks, asks=asks)
            before: dict[str, Any] = {}
            for name in questions:
                people = {
                    each.rater_id: each.value
                    for each in said[item]
                    if each.question == name and each.rater_kind == RaterKind.PERSON and not each.abstained
                }
                before[name] = combine(replace(rubric.question(name), policy="majority"), people).value if people else None
            shown = aliases(terms.salt, item, questions, said[item])
            row = {"task_id": made_id, "project": project, "item_id": item, "questions": questions, "before": before, "state": "open"}
            tx.insert(review_adjudication, {**row, "answers": [vars(each) for each in shown]})
            made.append(made_id)
        if made:
            record(tx, type="adjudication.opened", subject=project, body={"tasks": made})
        return made

    return workspace.write(job)


def aliases(salt: str, item_id: str, questions: Collection[str], said: list[Judgement]) -> list[Alias]:
    """The answers under letters, in an order drawn from the project's salt: the same for everybody, and no clue to who said what."""
    by_rater: dict[str, list[Judgement]] = defaultdict(list)
    for each in said:
        if each.question in questions and not each.abstained:
            by_rater[each.rater_id].append(each)
    order = sorted(by_rater, key=lambda rater: draw(salt, "alias", item_id, rater))
    return [
        Alias(
            _letters(index),
            {each.question: each.value for each in sorted(by_rater[rater], key=lambda each: each.question)},
            next((each.reason for each in by_rater[rater] if each.reason), None),
        )
        for index, rater in enumerate(order)
    ]


def _letters(index: int) -> str:
    more, last = divmod(index, len(ascii_uppercase))
    return (_letters(more - 1) if more else "") + ascii_uppercase[last]


def _ours(workspace_id: str, project: str) -> Select[Any]:
    return select(A.item_id, A.questions).where(A.workspace_id == workspace_id, A.project == project)


def _put(tx: WriteTransaction, made: str, project: str, item: str, rubric_id: str, *, role: str, asks: str) -> None:
    # Not by put_tasks: who may decide is the project's adjudicator, not whom the question is for.
    row = {"id": made, "queue": project, "item_id": item, "rubric_id": rubric_id, "role": role, "asks": asks, "why": WHY}
    tx.insert(review_task, {**row, "overlap": 1, "state": "open", "purpose": "adjudication"})
    count(tx, project, role, open=1)
    tx.insert(review_author, *({"task_id": made, "login": login} for login in sorted(judged_by(tx.conn, tx.workspace_id, item))))


def adjudications(workspace: Workspace, project: str, *, state: str | None = None, after: str = "", limit: int = 50) -> list[Adjudication]:
    """The project's adjudications, a page at a time by task id; ``after`` is the last one seen."""
    where = [A.workspace_id == workspace.id, A.project == project, A.task_id > after]
    if state is not None:
        where.append(A.state == state)
    with workspace.read() as conn:
        rows = conn.execute(select(review_adjudication).where(*where).order_by(A.task_id).limit(limit)).all()
    return [
        Adjudication(row.task_id, row.item_id, tuple(row.questions), tuple(Alias(**each) for each in row.answers), row.before, row.state)
        for row in rows
    ]


def reopen(workspace: Workspace, task_id: str, *, reason: str) -> None:
    """Have somebody else decide again; who decided before is not served it. Until then the decision stands.

    Raises ``NotFound`` if the item was not adjudicated, and ``Conflict`` if its adjudication is still open.
    """
    if not reason:
        raise InputError("Reopening a decision needs a reason.", mend="say what speaks against it")

    def job(tx: WriteTransaction) -> None:
        where = (A.workspace_id == tx.workspace_id, A.task_id == task_id)
        row = tx.conn.execute(select(A.project, A.item_id).where(*where)).first()
        if row is None:
            raise NotFound("This is no adjudication.", where=task_id)
        task = load_task(tx.conn, tx.workspace_id, task_id)
        if task["state"] != "done":
            raise Conflict("This adjudication is not decided yet.", where=task_id, mend="wait for the decision")
        known = select(review_author.c.login).where(review_author.c.workspace_id == tx.workspace_id, review_author.c.task_id == task_id)
        fresh = judged_by(tx.conn, tx.workspace_id, row.item_id) - set(tx.conn.execute(known).scalars())
        tx.insert(review_author, *({"task_id": task_id, "login": login} for login in sorted(fresh)))
        move(tx, task, overlap=1)
        tx.conn.execute(update(review_adjudication).where(*where).values(state="open"))
        body = {"project": row.project, "item": row.item_id}
        record(tx, type="adjudication.reopened", subject=task_id, body=body, personal={"reason": reason})

    workspace.write(job)


def overturns(workspace: Workspace, project: str, *, level: float = 0.95) -> list[Overturned]:
    """How often adjudicators decided against the majority, per question."""
    with workspace.read() as conn:
        rubric = find_rubric(conn, in_force(conn, workspace.id, project).rubric_id, workspace_id=workspace.id)
        rows = conn.execute(
            select(A.item_id, A.questions, A.before).where(A.workspace_id == workspace.id, A.project == project, A.state == "decided")
        ).all()
    found: list[Overturned] = []
    for question in rubric.questions:
        about = {row.item_id: row.before.get(question.name) for row in rows if question.name in row.questions}
        decided = {
            each.item_id: each.value for each in consensuses(workspace, item_ids=about, question=question.name) if each.method == "adjudicated"
        }
        seen = [Observation(item, plain(question, decided[item]) != plain(question, about[item])) for item in decided if about[item] is not None]
        if decided:
            ties = sum(about[item] is None for item in decided)
            found.append(Overturned(question.name, len(decided), ties, rate(seen, metric=f"overturned:{question.name}", level=level)))
    return found


def adjudicated_by(workspace: Workspace, task_id: str) -> list[str]:
    """Rater ids of those who decided this task, oldest first."""
    a = review_assignment.c
    query = select(a.rater_id).where(a.workspace_id == workspace.id, a.task_id == task_id, a.state == "answered").order_by(a.created_at)
    with workspace.read() as conn:
        return list(conn.execute(query).scalars())
