"""What became of a routed output: the decision, what people said of it, and what somebody outside reported."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import Conflict, InputError, NotFound, new_id
from pilotage.judging import ABOUT_ITEMS
from pilotage.judging.tables import judgement, rater
from pilotage.ledger import record
from pilotage.review.routing.recording import decision_of
from pilotage.review.routing.request import RouteDecision
from pilotage.review.routing.tables import audit_sample, route_decision, route_outcome
from pilotage.review.tables import review_task
from pilotage.store import Workspace, WriteTransaction

D, T, J, O, S = route_decision.c, review_task.c, judgement.c, route_outcome.c, audit_sample.c  # noqa: E741
LONGEST_SOURCE = 100


@dataclass(frozen=True)
class Outcome:
    """What somebody outside says came of an output. Kept and shown; complaints are no random sample, so it is never counted as an audit."""

    source: str
    wrong: bool
    created_at: int


@dataclass(frozen=True)
class Routed:
    """A decision and what became of it.

    state
        ``out`` (accepted, or blocked: nothing waits), ``held`` (waits for room in the queue), ``waiting`` (people have it), ``answered``,
        ``withdrawn``.
    answers
        Question → what each person said, where they say so; test answers and planted ones are never among them. Abstentions are None.
    audit
        How an audit came out (waiting, right, wrong, void); None where none was drawn.
    """

    decision: RouteDecision
    state: str
    answers: dict[str, list[Any]]
    outcomes: tuple[Outcome, ...]
    audit: str | None
    created_at: int

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "decision": self.decision.to_dict()}


def load_route(workspace: Workspace, route_id: str) -> Routed:
    """The decision with this id, and what became of it. Raises ``NotFound``. Cost: four look-ups by key."""
    with workspace.read() as conn:
        row = conn.execute(select(route_decision).where(D.workspace_id == workspace.id, D.id == route_id)).first()
        if row is None:
            raise NotFound(f"There is no routed output {route_id}.", mend="one that was recorded behind may take a moment")
        decision = decision_of(row)
        outcomes = conn.execute(
            select(route_outcome).where(O.workspace_id == workspace.id, O.route_id == route_id).order_by(O.created_at, O.id)
        ).all()
        answers: dict[str, list[Any]] = {}
        state, audit = "held" if decision.held else "out", None
        if decision.item_id is not None:
            states = list(conn.execute(select(T.state).where(T.workspace_id == workspace.id, T.item_id == decision.item_id)).scalars())
            if states and not decision.audit:
                state = "waiting" if "open" in states else "answered" if "done" in states else "withdrawn"
            later = judgement.alias("later")
            same = [later.c[field] == J[field] for field in ("workspace_id", "item_id", "question", "rater_id", "rubric_id")]
            said = (
                select(J.question, J.value)
                .join(rater, (rater.c.workspace_id == J.workspace_id) & (rater.c.id == J.rater_id))
                .where(J.workspace_id == workspace.id, J.item_id == decision.item_id, J.purpose.in_(ABOUT_ITEMS), rater.c.kind == "person")
                .where(~select(later.c.id).where(*same, later.c.supersedes == J.id).exists())
            )
            for one in conn.execute(said.order_by(J.created_at, J.id)):
                answers.setdefault(one.question, []).append(one.value)
        if decision.audit:
            audit = conn.execute(select(S.state).where(S.workspace_id == workspace.id, S.route_id == route_id)).scalar()
    told = tuple(Outcome(one.source, bool(one.wrong), one.created_at) for one in outcomes)
    return Routed(decision, state, answers, told, audit, row.created_at)


def routes(workspace: Workspace, policy: str, *, after: str = "", limit: int = 100, action: str | None = None) -> list[RouteDecision]:
    """Decisions of a policy by id, at most ``limit`` (1 to 1,000) after the id ``after``: one index range."""
    if not 1 <= limit <= 1_000:
        raise InputError(f"A page of {limit} is none.", mend="ask for 1 to 1,000")
    where = [D.workspace_id == workspace.id, D.policy == policy, D.id > after] + ([D.action == action] if action is not None else [])
    with workspace.read() as conn:
        return [decision_of(row) for row in conn.execute(select(route_decision).where(*where).order_by(D.id).limit(limit))]


def report_outcome(workspace: Workspace, route_id: str, *, wrong: bool, source: str) -> Outcome:
    """Keep what somebody outside found out: ``source`` names who or what (``customer_complaint``, ``chargeback``). The same again changes nothing.

    Raises
    ------
    NotFound
        If there is no such decision.
    Conflict
        If the same source said otherwise before.
    """
    if not 0 < len(source) <= LONGEST_SOURCE or not source.isprintable():
        raise InputError(f"A source is 1 to {LONGEST_SOURCE} printable characters.", where="field 'source'")

    def job(tx: WriteTransaction) -> Outcome:
        if tx.conn.execute(select(D.id).where(D.workspace_id == tx.workspace_id, D.id == route_id)).first() is None:
            raise NotFound(f"There is no routed output {route_id}.")
        before = tx.conn.execute(select(route_outcome).where(O.workspace_id == tx.workspace_id, O.route_id == route_id, O.source == source)).first()
        if before is not None:
            if bool(before.wrong) != wrong:
                raise Conflict("This source said otherwise before.", where=f"{route_id}, source '{source}'", mend="name the correction's own source")
            return Outcome(source, wrong, before.created_at)
        row = {"id": new_id("out", clock=tx.clock), "route_id": route_id, "wrong": int(wrong), "source": source}
        tx.insert(route_outcome, row)
        record(tx, type="outcome.reported", subject=route_id, body={"wrong": wrong, "source": source})
        return Outcome(source, wrong, tx.clock.now_us())

    return workspace.write(job)
