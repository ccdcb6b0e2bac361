"""The disagreement explorer: settled items, most divided first, a page at a time. Reads no payload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Text, exists, select, type_coerce

from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import judgement
from pilotage.review.measuring.tables import review_settlement
from pilotage.review.tables import review_task
from pilotage.store import Workspace
from pilotage.store.schema import json_text

S = review_settlement.c


@dataclass(frozen=True)
class Divided:
    """One item in the explorer.

    ``n`` people answered; ``disagreement`` is 0 to 1; ``pair`` the two answers it is between, where it is between two; ``cause_by`` is ``rule`` or a
    login, '' where no cause was looked for.
    """

    item_id: str
    question: str
    state: str
    method: str
    n: int
    disagreement: float
    pair: str
    cause: str
    cause_by: str


@dataclass(frozen=True)
class DividedPage:
    """One page. ``next`` is handed back as ``after`` for the following page; None at the end."""

    rows: tuple[Divided, ...]
    next: str | None


def explore(
    workspace: Workspace,
    project: str,
    question: str,
    *,
    cause: str | None = None,
    state: str | None = None,
    pair: tuple[str, str] | None = None,
    slices: Mapping[str, str] | None = None,
    at_least: float = 0.0,
    people: tuple[str, str] | None = None,
    waiting: bool | None = None,
    after: str | None = None,
    limit: int = 50,
) -> DividedPage:
    """Items people disagree about, most divided first. Every page costs the same, however deep it lies.

    Parameters
    ----------
    cause
        Only of this cause; '' for those nobody has looked into.
    state
        ``settled`` or ``adjudicate``.
    pair
        Only where it is between these two answers.
    slices
        Only items of these slices.
    at_least
        Only items at least so divided, 0 to 1.
    people
        Only items which these two (rater ids) both answered, and not alike.
    waiting
        Only items about which the project has (or has not) something open: work, or an adjudication.
    """
    where = [S.workspace_id == workspace.id, S.project == project, S.question == question, S.disagreement > 0]
    if cause is not None:
        where.append(S.cause == cause)
    if state is not None:
        where.append(S.state == state)
    if pair is not None:
        where.append(S.pair == " | ".join(sorted(pair)))
    if at_least > 0:
        where.append(S.disagreement >= at_least)
    if people is not None:
        where.append(_differing(*people))
    if waiting is not None:
        t = review_task.c
        open_task = exists().where(t.workspace_id == S.workspace_id, t.item_id == S.item_id, t.queue == S.project, t.state == "open")
        where.append(open_task if waiting else ~open_task)
    if after is not None:
        where.append(S.position > after)
    query = select(review_settlement).where(*where)
    if slices:
        i = item_table.c
        query = query.join(item_table, (i.workspace_id == S.workspace_id) & (i.id == S.item_id))
        for name, value in slices.items():
            # The slices are one flat object of texts, kept as text: each entry stands in it as it is written.
            entry = f"{json_text(name)}:{json_text(value)}"
            query = query.where(type_coerce(i.slices, Text).contains(entry, autoescape=True))
    with workspace.read() as conn:
        rows = conn.execute(query.order_by(S.position).limit(limit + 1)).all()
    page = tuple(
        Divided(row.item_id, row.question, row.state, row.method, row.n, row.disagreement, row.pair, row.cause, row.cause_by) for row in rows[:limit]
    )
    return DividedPage(page, rows[limit - 1].position if len(rows) > limit else None)


def _differing(first: str, second: str) -> ColumnElement[bool]:
    """Whether these two raters' current answers to the row's question are both there, and not the same text."""
    one, other, later = judgement.alias("one"), judgement.alias("other"), judgement.alias("later")
    conditions: list[ColumnElement[bool]] = []
    for said, rater in ((one.c, first), (other.c, second)):
        newer = exists().where(later.c.workspace_id == said.workspace_id, later.c.supersedes == said.id)
        conditions += [
            said.workspace_id == S.workspace_id,
            said.item_id == S.item_id,
            said.question == S.question,
            said.rubric_id == S.rubric_id,
            said.rater_id == rater,
            said.abstained == 0,
            said.purpose.in_(("work", "audit")),
            ~newer,
        ]
    return exists().where(*conditions, type_coerce(one.c.value, Text) != type_coerce(other.c.value, Text))
