"""Questions about what was routed: how each policy and slice does, decisions a page at a time, and one decision with what became of it.

What the monitor tells of traffic is of the latest decisions, at most ``LATEST``: a page costs the same however many there are.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, func, select

from pilotage.core import MICROSECONDS, InputError, NotFound
from pilotage.ledger.tables import ledger_entry
from pilotage.review.assessment import Due, due_assessments, slice_key
from pilotage.review.routing.asking import Routed, load_route
from pilotage.review.routing.managing import Change, PolicyVersion, changes_in_force, changes_of, policies
from pilotage.review.routing.request import ACTIONS
from pilotage.review.routing.tables import audit_sample, route_decision, routing_policy_version
from pilotage.review.routing.watching import SliceState, monitor_states
from pilotage.review.tables import review_counter, review_task
from pilotage.server.queries.assessments import models_in_use
from pilotage.server.queries.drawing import IntervalDrawing, draw_interval
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.watch_drawing import StackDrawing, WatchDrawing, draw_stack, draw_watch
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.evidence import Evidence

D, S, V, N, T, L = route_decision.c, audit_sample.c, routing_policy_version.c, review_counter.c, review_task.c, ledger_entry.c
LATEST = 10_000
AUDITS_DRAWN = 20_000
COLUMNS = ("id", "request_id", "action", "slice", "level", "p", "threshold", "audit", "held", "reasons", "number", "created_at")


@dataclass(frozen=True)
class SliceWatch:
    """One slice of a policy under watch: where the test stands, its way there, and what was decided lately."""

    state: SliceState
    drawing: WatchDrawing | None
    interval: IntervalDrawing | None
    contract: float
    actions: dict[str, int]
    n: int
    tightened: Change | None


@dataclass(frozen=True)
class Monitor:
    """One policy as it does now.

    latest, since_us
        How many decisions the figures of traffic are of, and when the first of them was made; ``cut``: there are older ones.
    open_tasks
        Tasks of the project that wait, beside ``queue_limit``.
    """

    name: str
    names: tuple[str, ...]
    version: PolicyVersion | None
    slices: tuple[SliceWatch, ...]
    stack: StackDrawing | None
    actions: dict[str, int]
    reasons: tuple[tuple[str, int], ...]
    latest: int
    since_us: int | None
    until_us: int | None
    cut: bool
    open_tasks: int
    queue_limit: int
    held: int
    queue_full: int
    low_risk: int
    unwatched: int
    reviewer_error: Evidence | None
    changes: tuple[Change, ...]
    due: tuple[Due, ...]
    counted_at: int | None


@dataclass(frozen=True)
class Wanted:
    """Which decisions to list."""

    policy: str
    action: str | None = None
    slice: str | None = None
    audited: bool = False
    held: bool = False

    def conditions(self, workspace: Workspace) -> list[ColumnElement[bool]]:
        found: list[ColumnElement[bool]] = [D.workspace_id == workspace.id, D.policy == self.policy]
        if self.action:
            found.append(D.action == self.action)
        if self.slice is not None:
            found.append(D.slice == self.slice)
        if self.audited:
            found.append(D.audit == 1)
        if self.held:
            found.append(D.held == 1)
        return found


@dataclass(frozen=True)
class DecisionLine:
    """One decision; never what was in the output."""

    id: str
    request_id: str
    action: str
    slice: str
    level: str
    p: float | None
    threshold: float | None
    audit: int
    held: int
    reasons: list[str]
    number: int
    created_at: int


@dataclass(frozen=True)
class TaskLine:
    """A task of the routed output."""

    id: str
    queue: str
    purpose: str
    state: str
    answers: int
    overlap: int


@dataclass(frozen=True)
class DecisionDetail:
    """One decision: what was known, the slice of the policy that decided, and what became of it."""

    routed: Routed
    version: PolicyVersion | None
    declared: dict[str, Any] | None
    tasks: tuple[TaskLine, ...]


def policy_names(workspace: Workspace) -> tuple[str, ...]:
    """The policies there are, by name."""
    query = select(V.policy).where(V.workspace_id == workspace.id).distinct().order_by(V.policy).limit(500)
    with workspace.read() as conn:
        return tuple(conn.execute(query).scalars())


def find_monitor(workspace: Workspace, name: str | None) -> Monitor | None:
    """How a policy does (default: the first by name that has a version in force); None where there is no policy. Raises ``NotFound``."""
    names = policy_names(workspace)
    if name is None:
        running = select(V.policy).where(V.workspace_id == workspace.id, V.state.in_(("active", "suspended"))).order_by(V.policy).limit(1)
        with workspace.read() as conn:
            name = conn.execute(running).scalar_one_or_none() or (names[0] if names else None)
        if name is None:
            return None
    if name not in names:
        raise NotFound(f"There is no routing policy '{name[:100]}'.", mend="see the list of policies")
    versions = policies(workspace, name=name)
    version = next((one for one in versions if one.state == "active"), None) or next(
        (one for one in reversed(versions) if one.state == "suspended"), None
    )
    latest = (version or versions[-1]).settings
    rows = _latest(workspace, name)
    by_slice: dict[str, Counter[str]] = defaultdict(Counter)
    reasons: Counter[str] = Counter()
    for row in rows:
        by_slice[row.slice][row.action] += 1
        reasons.update(row.reasons)
    states = monitor_states(workspace, name)
    with workspace.read() as conn:
        tightened = {key: one for key, one in changes_in_force(conn, workspace.id, name).items() if one.direction == "tightened"}
        waiting = conn.execute(select(func.sum(N.open)).where(N.workspace_id == workspace.id, N.queue == latest.project)).scalar() or 0
        held = conn.execute(select(func.count()).where(D.workspace_id == workspace.id, D.policy == name, D.held == 1)).scalar() or 0
        counted = select(L.created_at).where(L.workspace_id == workspace.id, L.subject == name, L.type == "audits.counted")
        counted_at = conn.execute(counted.order_by(L.seq.desc()).limit(1)).scalar_one_or_none()
    slices = tuple(
        SliceWatch(
            state=state,
            drawing=_drawn(workspace, state),
            interval=_interval(state),
            contract=state.limit,
            actions=dict(by_slice.get(state.slice, Counter())),
            n=sum(by_slice.get(state.slice, Counter()).values()),
            tightened=tightened.get(state.slice),
        )
        for state in sorted(states, key=lambda one: (one.alarm_at is None, -one.audited, one.slice))
    )
    return Monitor(
        name=name,
        names=names,
        version=version,
        slices=slices,
        stack=draw_stack([(row.created_at, row.action) for row in rows], ACTIONS) if rows else None,
        actions={action: sum(found[action] for found in by_slice.values()) for action in ACTIONS},
        reasons=tuple(reasons.most_common(30)),
        latest=len(rows),
        since_us=min((row.created_at for row in rows), default=None),
        until_us=max((row.created_at for row in rows), default=None),
        cut=len(rows) == LATEST,
        open_tasks=int(waiting),
        queue_limit=latest.fallback.queue_limit,
        held=int(held),
        queue_full=reasons["queue_full"],
        low_risk=sum("queue_full" in row.reasons and row.action == "accept" for row in rows),
        unwatched=sum(state.waiting for state in states),
        reviewer_error=_reviewer_error(workspace, latest.project, latest.audit.question, latest.audit.wrong),
        changes=tuple(changes_of(workspace, name, limit=20)),
        due=tuple(one for one in due_assessments(workspace, models=models_in_use(workspace)) if one.category == (version or versions[-1]).category),
        counted_at=counted_at,
    )


def list_decisions(workspace: Workspace, wanted: Wanted, *, turn: Turn | None = None) -> Page[DecisionLine]:
    """Decisions of a policy, the newest first: a range of one index."""
    with workspace.read() as conn:
        statement = select(*(D[name] for name in COLUMNS)).where(*wanted.conditions(workspace))
        found = turn_page(conn, statement, keys=[D.created_at, D.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: [DecisionLine(**{name: row._mapping[name] for name in COLUMNS}) for row in rows])


def slices_of(workspace: Workspace, name: str) -> list[str]:
    """The slices that any version of the policy names, as keys."""
    return sorted({slice_key(one.slice) for version in policies(workspace, name=name) for one in version.settings.slices})


def find_decision(workspace: Workspace, route_id: str) -> DecisionDetail:
    """One decision. Raises ``NotFound``."""
    routed = load_route(workspace, route_id)
    decision = routed.decision
    version = next((one for one in policies(workspace, name=decision.policy) if one.number == decision.policy_version), None)
    declared = None
    if version is not None:
        said: dict[str, Any] = next((one for one in version.declared["slices"] if slice_key(one["slice"]) == decision.slice), {})
        declared = {name: value for name, value in said.items() if value is not None}
    tasks: tuple[TaskLine, ...] = ()
    if decision.item_id is not None:
        names = list(TaskLine.__dataclass_fields__)
        query = select(*(T[name] for name in names)).where(T.workspace_id == workspace.id, T.item_id == decision.item_id)
        with workspace.read() as conn:
            rows = conn.execute(query.order_by(T.created_at, T.id).limit(50)).all()
        tasks = tuple(TaskLine(**{name: row._mapping[name] for name in names}) for row in rows)
    return DecisionDetail(routed, version, declared, tasks)


def _latest(workspace: Workspace, name: str) -> list[Any]:
    query = select(D.created_at, D.slice, D.action, D.reasons).where(D.workspace_id == workspace.id, D.policy == name)
    with workspace.read() as conn:
        return list(conn.execute(query.order_by(D.created_at.desc(), D.id.desc()).limit(LATEST)))


def _drawn(workspace: Workspace, state: SliceState) -> WatchDrawing | None:
    """The way of the slice's test through its audits, in the order they were counted."""
    if not state.audited:
        return None
    where = (
        S.workspace_id == workspace.id,
        S.policy == state.policy,
        S.slice == state.slice,
        S.epoch == state.epoch,
        S.state.in_(("right", "wrong")),
    )
    query = select(S.state).where(*where).order_by(S.judged_at, S.created_at, S.route_id).limit(AUDITS_DRAWN)
    with workspace.read() as conn:
        outcomes = [said == "wrong" for said in conn.execute(query).scalars()]
    return draw_watch(outcomes, limit=state.limit, alpha=state.alpha, since=state.restarts_since) if outcomes else None


def _interval(state: SliceState) -> IntervalDrawing | None:
    if state.error_rate is None or state.lower is None or state.upper is None:
        return None
    return draw_interval(state.error_rate, state.lower, state.upper, limit=state.limit, allowed="below")


def _reviewer_error(workspace: Workspace, project: str, question: str, wrong: Sequence[Any]) -> Evidence | None:
    """How often reviewers let a wrong output pass, from gold and planted errors. None without such a project, or where it asks otherwise by now."""
    from pilotage.review.routing import count_misses

    try:
        return count_misses(workspace, project, question, wrong=wrong).figure()
    except (NotFound, InputError):
        return None


def per_hour(monitor: Monitor) -> float | None:
    """Decisions an hour over what was looked at; None where that is no stretch of time."""
    if monitor.since_us is None or monitor.until_us is None or monitor.until_us <= monitor.since_us:
        return None
    return monitor.latest * 3600 * MICROSECONDS / (monitor.until_us - monitor.since_us)
