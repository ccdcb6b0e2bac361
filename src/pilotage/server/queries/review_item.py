"""One item of a project: what it shows, what was proposed and said of it, and what became of that.

How much of it somebody sees follows from whether they may still be asked about it (:func:`sight_of`).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from pilotage.core import NotFound, Refused
from pilotage.judging import ABOUT_ITEMS, Question, Rubric, consensuses, person
from pilotage.judging.rubric import find_rubric
from pilotage.judging.tables import item as item_table
from pilotage.judging.tables import item_payload
from pilotage.judging.tables import judgement as judgement_table
from pilotage.judging.tables import rater as rater_table
from pilotage.ledger.tables import ledger_entry
from pilotage.review.measuring.tables import review_adjudication, review_settlement
from pilotage.review.new_task import TEST_PURPOSES
from pilotage.review.projects.project import find_guideline, find_terms
from pilotage.review.serving import as_served
from pilotage.review.tables import review_assignment, review_task
from pilotage.review.tables import suggestion as suggestion_table
from pilotage.server.context import Person
from pilotage.store import Workspace

A, E, IT, J, P, R, S, T, U, X = (
    table.c
    for table in (
        review_assignment,
        ledger_entry,
        item_table,
        judgement_table,
        item_payload,
        rater_table,
        review_settlement,
        review_task,
        suggestion_table,
        review_adjudication,
    )
)
REVEALED = ("review.revealed", "item.revealed")
MOST_OF_TRAIL = 100


@dataclass(frozen=True)
class Sight:
    """What of an item somebody sees.

    leads
        Everything: names, arms, purposes, tests.
    others
        What other people said (under aliases where they do not lead) and what became of it.
    proposed
        What machines proposed.
    """

    leads: bool
    others: bool
    proposed: bool


@dataclass(frozen=True)
class TaskOf:
    """One task of the item, with what may be changed about it."""

    id: str
    purpose: str
    state: str
    role: str
    asks: tuple[str, ...]
    answers: int
    claims: int
    overlap: int
    flags: int
    priority: int
    due_at: int | None
    escalated_at: int | None
    why: tuple[str, ...]


@dataclass(frozen=True)
class SaidOf:
    """One judgement. ``arm``, ``purpose`` and ``guideline`` are empty for who does not lead; ``who`` is an alias then."""

    id: str
    who: str
    kind: str
    question: str
    value: Any
    abstained: bool
    reason: str | None
    superseded: bool
    current: bool
    shown: Any
    arm: str
    purpose: str
    guideline: int | None
    active_ms: int | None
    created_at: int
    own: bool


@dataclass(frozen=True)
class ProposedOf:
    """What one machine proposed for one question, and for which of those who answered it was what they saw."""

    question: str
    value: Any
    model: str
    model_version: str
    score: float | None
    probability: float | None


@dataclass(frozen=True)
class SettledOf:
    """What the answers to one question became, and how. ``method`` says it; ``state`` ``settled`` or ``adjudicate``."""

    question: str
    policy: str
    state: str
    method: str
    value: Any
    votes: tuple[tuple[Any, int], ...]
    distribution: tuple[tuple[Any, float], ...]
    disagreement: float
    n: int
    cause: str


@dataclass(frozen=True)
class AdjudicationOf:
    """One adjudication of the item: who sees what is that page's; here only where it stands."""

    task_id: str
    state: str
    questions: tuple[str, ...]


@dataclass(frozen=True)
class TrailEntry:
    """One entry of the ledger about the item."""

    seq: int
    type: str
    actor: str
    body: str
    created_at: int


@dataclass(frozen=True)
class OneItem:
    """The page. ``questions`` are those of the rubric it was put under last."""

    id: str
    kind: str
    source_id: str
    slices: dict[str, str]
    payload: Any
    harmful: bool
    revealed: bool
    questions: tuple[Question, ...]
    tasks: tuple[TaskOf, ...]
    said: tuple[SaidOf, ...]
    proposed: tuple[ProposedOf, ...]
    settled: tuple[SettledOf, ...]
    adjudications: tuple[AdjudicationOf, ...]
    trail: tuple[TrailEntry, ...]
    sight: Sight

    @property
    def title(self) -> str:
        """Its name elsewhere, or its id."""
        return self.source_id or self.id


def find_item(workspace: Workspace, project: str, item_id: str, who: Person) -> OneItem:
    """The item as ``who`` may see it.

    Raises
    ------
    NotFound
        If the project holds no such item.
    Refused
        If ``who`` reviews here, does not lead, and was not served it yet.
    """
    with workspace.read() as conn:
        rows = conn.execute(
            select(review_task).where(T.workspace_id == workspace.id, T.item_id == item_id, T.queue == project).order_by(T.created_at, T.id)
        ).all()
        ref = conn.execute(select(IT.kind, IT.source_id, IT.slices).where(IT.workspace_id == workspace.id, IT.id == item_id)).first()
        if not rows or ref is None:
            raise NotFound(f"The project '{project}' holds no such item.", where=item_id, mend="open it from the list of items")
        sight = sight_of(conn, workspace.id, rows, who)
        own = _own_states(conn, workspace.id, rows, who) if who.measured else None
        seen = [row for row in rows if sight.leads or row.purpose in ABOUT_ITEMS] or [rows[-1]]
        if own is not None:
            seen = [row for row in rows if row.id in own]
        payload = conn.execute(select(P.payload).where(P.workspace_id == workspace.id, P.item_id == item_id)).scalar()
        rubrics = {row.rubric_id: find_rubric(conn, row.rubric_id, workspace_id=workspace.id) for row in rows}
        said = _said(conn, workspace.id, item_id, set(rubrics), who, sight)
        proposed = _proposed(conn, workspace.id, item_id) if sight.proposed else ()
        adjudications = (
            tuple(
                AdjudicationOf(row.task_id, row.state, tuple(row.questions))
                for row in conn.execute(select(review_adjudication).where(X.workspace_id == workspace.id, X.project == project, X.item_id == item_id))
            )
            if sight.others
            else ()
        )
        rows_settled = (
            conn.execute(
                select(review_settlement).where(S.workspace_id == workspace.id, S.project == project, S.item_id == item_id).order_by(S.question)
            ).all()
            if sight.others
            else []
        )
        ids = [item_id, *(row.id for row in rows)]
        trail = _trail(conn, workspace.id, ids) if who.may("ledger") and sight.others else ()
        revealed = _revealed(conn, workspace.id, ids, who.login)
    rubric = rubrics[rows[-1].rubric_id]
    served = who.measured and not sight.proposed  # what was withheld, or stands behind a side or a name, is not to be looked up here
    return OneItem(
        id=item_id,
        kind=ref.kind,
        source_id="" if served else ref.source_id,
        slices=ref.slices,
        payload=as_served(payload, rubric) if served else payload,
        harmful=any(row.harmful for row in rows),
        revealed=revealed,
        questions=rubric.questions,
        tasks=tuple(_task(row, rubrics[row.rubric_id], leads=sight.leads, own=own) for row in seen),
        said=said,
        proposed=proposed,
        settled=tuple(_settled(workspace, row, rubric) for row in rows_settled),
        adjudications=adjudications,
        trail=trail,
        sight=sight,
    )


def sight_of(conn: Connection, workspace_id: str, tasks: Any, who: Person) -> Sight:
    """What ``who`` sees of an item with these tasks. Raises ``Refused`` where they have yet to be served it.

    Who leads sees all. Who never answers (an auditor, say) sees all that says nothing of persons or experiments. Who answers sees what machines
    proposed and others said once they have answered themselves and the item waits for nobody, in a project where nothing is planted or known
    beforehand; elsewhere only what they said themselves.
    """
    if who.may("run"):
        return Sight(leads=True, others=True, proposed=True)
    work = [task for task in tasks if task.purpose in ABOUT_ITEMS]
    if not who.may("review"):
        if not work:
            raise NotFound("There is no such item.", mend="open it from the list of items")
        return Sight(leads=False, others=True, proposed=True)
    mine = _own_states(conn, workspace_id, tasks, who)
    if not mine:
        raise Refused(
            "You have not been served this item yet.",
            why="who has seen an item before being asked answers it differently",
            mend="take items from the queue; those you answered can be opened here",
        )
    answered = any(state == "answered" for state in mine.values())
    over = bool(work) and all(task.state != "open" for task in work)
    terms = find_terms(conn, workspace_id, tasks[-1].queue)
    # Where anything is known beforehand or planted, an item that shows more once it is answered was work.
    blind = terms is not None and (terms.settings.gold.share > 0 or terms.settings.arms.seeded > 0)
    over = over and not blind and not any(task.purpose in TEST_PURPOSES for task in tasks)
    return Sight(leads=False, others=answered and over, proposed=answered and over)


def _own_states(conn: Connection, workspace_id: str, tasks: Any, who: Person) -> dict[str, str]:
    """How each task that was served to ``who`` stands for them."""
    where = (A.workspace_id == workspace_id, A.rater_id == person(who.login).id, A.task_id.in_([task.id for task in tasks]))
    return {row.task_id: row.state for row in conn.execute(select(A.task_id, A.state).where(*where))}


def _said(conn: Connection, workspace_id: str, item_id: str, rubrics: set[str], who: Person, sight: Sight) -> tuple[SaidOf, ...]:
    query = (
        select(judgement_table, R.kind.label("rater_kind"), R.name.label("rater_name"))
        .join(rater_table, (R.workspace_id == J.workspace_id) & (R.id == J.rater_id))
        .where(J.workspace_id == workspace_id, J.item_id == item_id, J.rubric_id.in_(sorted(rubrics)))
        .order_by(J.created_at, J.id)
    )
    rows = conn.execute(query).all()
    replaced = {row.supersedes for row in rows if row.supersedes}
    aliases: dict[str, str] = {}
    guidelines: dict[str, int] = {}
    found = []
    for row in rows:
        own = row.rater_kind == "person" and row.rater_name == who.login
        if not sight.leads and not own and (not sight.others or row.purpose not in ABOUT_ITEMS):
            continue
        name = row.rater_name
        if row.rater_kind != "model" and not own and not sight.leads:
            name = aliases.setdefault(row.rater_id, f"somebody {len(aliases) + 1}")
        if sight.leads and row.guideline_id and row.guideline_id not in guidelines:
            guidelines[row.guideline_id] = find_guideline(conn, workspace_id, row.guideline_id).number
        found.append(
            SaidOf(
                id=row.id,
                who=name,
                kind=row.rater_kind,
                question=row.question,
                value=row.value,
                abstained=bool(row.abstained),
                reason=row.reason,
                superseded=row.id in replaced,
                current=row.id not in replaced,
                shown=row.suggestion if sight.leads or own else None,
                arm=(row.arm or "") if sight.leads else "",
                purpose=row.purpose if sight.leads else "",
                guideline=guidelines.get(row.guideline_id or "") if sight.leads else None,
                active_ms=row.active_ms,
                created_at=row.created_at,
                own=own,
            )
        )
    return tuple(found)


def _proposed(conn: Connection, workspace_id: str, item_id: str) -> tuple[ProposedOf, ...]:
    query = (
        select(suggestion_table)
        .where(U.workspace_id == workspace_id, U.item_id == item_id)
        .order_by(U.question, U.created_at, U.model, U.model_version)
    )
    return tuple(ProposedOf(row.question, row.value, row.model, row.model_version, row.score, row.probability) for row in conn.execute(query))


def _settled(workspace: Workspace, row: Any, rubric: Rubric) -> SettledOf:
    made = consensuses(workspace, item_ids=[row.item_id], question=row.question)
    newest = made[-1] if made else None
    policy: dict[str, str] = defaultdict(str, {question.name: question.policy for question in rubric.questions})
    return SettledOf(
        question=row.question,
        policy=policy[row.question],
        state=row.state,
        method=row.method,
        value=newest.value if newest else None,
        votes=tuple((vote.value, vote.count) for vote in newest.votes) if newest else (),
        distribution=newest.distribution if newest else (),
        disagreement=row.disagreement,
        n=row.n,
        cause=row.cause,
    )


def _task(row: Any, rubric: Rubric, *, leads: bool, own: dict[str, str] | None) -> TaskOf:
    from pilotage.review.questions import asked_of

    return TaskOf(
        id=row.id,
        purpose=row.purpose if leads else "",
        # To who answered, a task stands as it stands for them: work that is done, and a test that never is, look alike.
        state=row.state if own is None else own[row.id],
        role=row.role,
        asks=asked_of(rubric, row.asks),
        answers=row.answers if leads else 0,
        claims=row.claims if leads else 0,
        overlap=row.overlap if leads else 0,
        flags=row.flags if own is None else 0,
        priority=row.priority if own is None else 0,
        due_at=row.due_at if own is None else None,
        escalated_at=row.escalated_at if leads else None,
        why=tuple(row.why),
    )


def _trail(conn: Connection, workspace_id: str, subjects: list[str]) -> tuple[TrailEntry, ...]:
    query = select(E.seq, E.type, E.actor, E.body, E.created_at).where(E.workspace_id == workspace_id, E.subject.in_(subjects))
    rows = conn.execute(query.order_by(E.seq.desc()).limit(MOST_OF_TRAIL)).all()
    return tuple(TrailEntry(row.seq, row.type, row.actor, row.body, row.created_at) for row in rows)


def _revealed(conn: Connection, workspace_id: str, subjects: list[str], login: str) -> bool:
    query = select(E.seq).where(E.workspace_id == workspace_id, E.subject.in_(subjects), E.type.in_(REVEALED), E.actor == login)
    return conn.execute(query.limit(1)).first() is not None
