"""The audit watched: what people said of accepted outputs feeds a one-sided test per slice, and an alarm tightens the slice by itself.

Each audit is counted once, in the transaction that marks it counted; an alarm, what it tightens, its entry in the ledger and the new assessment it
makes due are that same transaction. So a crash at any moment leaves either all of it or none, and running again counts nothing twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import RowMapping, func, select, update

from pilotage.judging import ABOUT_ITEMS
from pilotage.judging.tables import judgement, rater
from pilotage.ledger import record
from pilotage.review.assessment import assessment_for, at_least, reassess, slice_key, strictest
from pilotage.review.routing.managing import active_version, changes_in_force
from pilotage.review.routing.policy import Policy
from pilotage.review.routing.recording import release_held_in
from pilotage.review.routing.reporting import find_report
from pilotage.review.routing.tables import audit_sample, route_decision, routing_monitor, routing_policy_version
from pilotage.review.routing.tightening import tighten
from pilotage.review.tables import review_task
from pilotage.review.webhooks.outbox import emit
from pilotage.store import Workspace, WriteTransaction

S, M, J, T, V, D = audit_sample.c, routing_monitor.c, judgement.c, review_task.c, routing_policy_version.c, route_decision.c
CHUNK = 500


@dataclass(frozen=True)
class Counted:
    """What one pass counted: audits right, wrong and void (nobody could say), slices whose alarm went off, held outputs that found room."""

    right: int = 0
    wrong: int = 0
    void: int = 0
    alarms: tuple[str, ...] = ()
    released: int = 0

    def __add__(self, other: Counted) -> Counted:
        return Counted(
            self.right + other.right, self.wrong + other.wrong, self.void + other.void, self.alarms + other.alarms, self.released + other.released
        )

    def __str__(self) -> str:
        said = f"{self.right + self.wrong} audits counted, {self.wrong} wrong, {self.void} void"
        if self.alarms:
            said += "; ALARM: " + ", ".join(one or "everything else" for one in self.alarms)
        return said + (f"; {self.released} held outputs released" if self.released else "")


@dataclass(frozen=True)
class SliceState:
    """How the watch of a slice stands. ``e_value`` is the highest it was, and the alarm is at ``1 / alpha``; ``waiting`` audits are unanswered.

    ``restarts_since``: the audit from which the test is also begun anew with every audit.
    """

    policy: str
    slice: str
    version: int
    epoch: int
    limit: float
    alpha: float
    audited: int
    wrong: int
    waiting: int
    void: int
    e_value: float
    error_rate: float | None
    lower: float | None
    upper: float | None
    reason: str
    alarm_at: int | None
    restarts_since: int = 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        of = self.slice or "everything else"
        if self.error_rate is None:
            return f"{of}: {self.reason} ({self.waiting} wait)"
        alarm = " ALARM" if self.alarm_at is not None else ""
        return (
            f"{of}: {self.error_rate:.2%} wrong [{self.lower:.2%}, {self.upper:.2%}] of {self.audited} audited, limit {self.limit:.2%}, "
            f"e = {self.e_value:.3g} (alarm at {1 / self.alpha:.3g}){alarm}; {self.waiting} wait, {self.void} void"
        )


def watch_policy(workspace: Workspace, name: str) -> Counted:
    """Count every audit that has been answered, raise what alarms there are, and let held outputs into the queue where there is room.

    Safe to run at any time, by any number of processes. Cost: one transaction per 500 audits.
    """
    total = Counted()
    while True:
        done = workspace.write(lambda tx: _count_some(tx, name))
        total += done
        if done.right + done.wrong + done.void < CHUNK:
            break
    return total + Counted(released=workspace.write(lambda tx: _release(tx, name)))


def watch_all(workspace: Workspace) -> dict[str, Counted]:
    """Every policy watched, by name: :func:`watch_policy` for each that ever had a version in force. For a scheduler, or a server's background."""
    query = select(V.policy).where(V.workspace_id == workspace.id, V.state != "draft").distinct().order_by(V.policy)
    with workspace.read() as conn:
        names = list(conn.execute(query).scalars())
    return {name: watch_policy(workspace, name) for name in names}


def monitor_states(workspace: Workspace, name: str) -> list[SliceState]:
    """How the watch of each slice stands, by slice: its current epoch."""
    from pilotage.judging.calibration import Watch

    newest = select(M.slice, func.max(M.epoch)).where(M.workspace_id == workspace.id, M.policy == name).group_by(M.slice)
    found = []
    with workspace.read() as conn:
        epochs = {row[0]: row[1] for row in conn.execute(newest)}
        states = select(S.slice, S.epoch, S.state, func.count()).where(S.workspace_id == workspace.id, S.policy == name)
        counts = {(row[0], row[1], row[2]): int(row[3]) for row in conn.execute(states.group_by(S.slice, S.epoch, S.state))}
        for row in conn.execute(select(routing_monitor).where(M.workspace_id == workspace.id, M.policy == name).order_by(M.slice)):
            if epochs.get(row.slice) != row.epoch:
                continue
            watch = Watch.from_dict(row.state)
            shown = watch.interval()
            found.append(
                SliceState(
                    policy=name,
                    slice=row.slice,
                    version=row.number,
                    epoch=row.epoch,
                    limit=watch.limit,
                    alpha=watch.alpha,
                    audited=row.audited,
                    wrong=row.wrong,
                    waiting=counts.get((row.slice, row.epoch, "waiting"), 0),
                    void=counts.get((row.slice, row.epoch, "void"), 0),
                    e_value=_exp(watch.highest),
                    error_rate=shown.estimate,
                    lower=shown.lower,
                    upper=shown.upper,
                    reason=shown.reason,
                    alarm_at=row.alarm_at,
                    restarts_since=watch.restarts_since,
                )
            )
    return found


def _count_some(tx: WriteTransaction, name: str) -> Counted:
    waiting = (S.workspace_id == tx.workspace_id, S.policy == name, S.state == "waiting")
    # Ready: no task of the audit is open any more. In the order they were drawn, so that a replay meets the same wealth.
    opened = select(T.id).where(T.workspace_id == S.workspace_id, T.item_id == S.item_id, T.state == "open", T.purpose.in_(ABOUT_ITEMS)).exists()
    ready = tx.conn.execute(select(audit_sample).where(*waiting, ~opened).order_by(S.created_at, S.route_id).limit(CHUNK)).mappings().all()
    if not ready:
        return Counted()
    policies: dict[int, Policy] = {}
    by_monitor: dict[tuple[str, int], list[tuple[RowMapping, str]]] = defaultdict(list)
    answers = _answers(tx, [row["item_id"] for row in ready])
    tally = {"right": 0, "wrong": 0, "void": 0}
    now = tx.clock.now_us()
    for row in ready:
        if row["number"] not in policies:
            declared = select(V.declared).where(V.workspace_id == tx.workspace_id, V.policy == name, V.number == row["number"])
            policies[row["number"]] = Policy.model_validate(tx.conn.execute(declared).scalar_one())
        outcome = _outcome(answers.get(row["item_id"], []), policies[row["number"]])
        tally[outcome] += 1
        changed = update(audit_sample).where(S.workspace_id == tx.workspace_id, S.route_id == row["route_id"], S.state == "waiting")
        tx.conn.execute(changed.values(state=outcome, judged_at=now))
        if outcome != "void":
            by_monitor[(row["slice"], row["epoch"])].append((row, outcome))
    alarms = [
        slice for (slice, epoch), counted in sorted(by_monitor.items()) if _feed(tx, name, slice, epoch, counted, policies[counted[-1][0]["number"]])
    ]
    body = {"right": tally["right"], "wrong": tally["wrong"], "void": tally["void"], "first": ready[0]["route_id"], "last": ready[-1]["route_id"]}
    record(tx, type="audits.counted", subject=name, body=body)
    return Counted(tally["right"], tally["wrong"], tally["void"], tuple(alarms))


def _answers(tx: WriteTransaction, item_ids: list[str]) -> dict[str, list[tuple[str, Any]]]:
    """Item → (question, value) of what people said of it and stand by, never in a test or to a planted suggestion; abstentions have no value."""
    later = judgement.alias("later")
    same = [later.c[field] == J[field] for field in ("workspace_id", "item_id", "question", "rater_id", "rubric_id")]
    superseded = select(later.c.id).where(*same, later.c.supersedes == J.id).exists()
    query = (
        select(J.item_id, J.question, J.value)
        .join(rater, (rater.c.workspace_id == J.workspace_id) & (rater.c.id == J.rater_id))
        .where(J.workspace_id == tx.workspace_id, J.item_id.in_(item_ids), J.abstained == 0, rater.c.kind == "person", ~superseded)
        .where(J.purpose.in_(ABOUT_ITEMS))
    )
    found: dict[str, list[tuple[str, Any]]] = defaultdict(list)
    for row in tx.conn.execute(query):
        found[row.item_id].append((row.question, row.value))
    return found


def _outcome(answers: Iterable[tuple[str, Any]], policy: Policy) -> str:
    """``wrong`` where as many people say so as say otherwise: an audit that is in doubt is no acquittal. ``void`` where nobody could say."""
    values = [value for question, value in answers if question == policy.audit.question]
    if not values:
        return "void"
    against = sum(any(type(value) is type(one) and value == one for one in policy.audit.wrong) for value in values)
    return "wrong" if 2 * against >= len(values) else "right"


def _feed(tx: WriteTransaction, name: str, slice: str, epoch: int, counted: list[tuple[RowMapping, str]], policy: Policy) -> bool:
    """Take the outcomes into the slice's test; True if its alarm goes off now."""
    from pilotage.judging.calibration import Watch

    mine = (M.workspace_id == tx.workspace_id, M.policy == name, M.slice == slice, M.epoch == epoch)
    standing = tx.conn.execute(select(routing_monitor).where(*mine)).mappings().first()
    if standing is None:  # an output in no slice of the policy is never accepted, so it is never audited
        return False
    before = Watch.from_dict(standing["state"])
    # One rate a slice and epoch: drawn alike, so the audits speak for what was accepted.
    watch = before.see_all(outcome == "wrong" for _, outcome in counted)
    went_off = watch.alarmed and not before.alarmed
    wrong = sum(outcome == "wrong" for _, outcome in counted)
    values: dict[str, Any] = {"state": watch.to_dict(), "audited": M.audited + len(counted), "wrong": M.wrong + wrong}
    if went_off:
        values["alarm_at"] = tx.clock.now_us()
    tx.conn.execute(update(routing_monitor).where(*mine).values(**values))
    if went_off:
        _alarm(tx, name, slice, epoch, standing["number"], watch.n, watch.wrong, policy)
    return went_off


def _alarm(tx: WriteTransaction, name: str, slice: str, epoch: int, number: int, audited: int, wrong: int, policy: Policy) -> None:
    """What an alarm does, all at once: the ledger, a stricter slice, an assessment that is due again."""
    key = f"{name}/{slice}/{epoch}"
    body = {"version": number, "slice": slice, "epoch": epoch, "audited": audited, "wrong": wrong, "limit": policy.contract.error_rate}
    record(tx, type="policy.alarmed", subject=name, body=body)
    emit(tx, "alarm.raised", subject=name, project=policy.project, data=body)
    current = tx.conn.execute(select(func.max(M.epoch)).where(M.workspace_id == tx.workspace_id, M.policy == name, M.slice == slice)).scalar()
    if current == epoch:  # a late audit of what was in force before says nothing about what is now
        standing = changes_in_force(tx.conn, tx.workspace_id, name).get(slice)
        raised = policy.alarm.raise_threshold
        declared = next((one.threshold for one in policy.slices if slice_key(one.slice) == slice), None)
        used = max(declared or 0.0, find_report(tx.conn, tx.workspace_id, policy.report).threshold_for(slice, alone=policy.alone) or 0.0)
        # A threshold that was raised before and alarmed again is no cure, and one that is no higher than what is used is none either.
        if raised is not None and raised > used and (standing is None or standing.direction == "loosened"):
            tighten(tx, name, slice, threshold=raised, cause="alarm", subject=key)
        else:
            version = active_version(tx.conn, tx.workspace_id, name)
            held = (version["levels"] or {}).get(slice, "in_the_loop") if version is not None else "in_the_loop"
            # An alarm that left the level as it was would be none.
            level = policy.alarm.then if not at_least(held, policy.alarm.then) else strictest([held, "in_the_loop"])
            tighten(tx, name, slice, level=level, cause="alarm", subject=key)
    about = assessment_for(tx.conn, tx.workspace_id, policy.category, slice)
    reassess(tx, category=policy.category, slice=about.slice if about else slice, cause="alarm", subject=key)


def _release(tx: WriteTransaction, name: str) -> int:
    version = active_version(tx.conn, tx.workspace_id, name)
    return release_held_in(tx, Policy.model_validate(version["declared"])) if version is not None else 0


def _exp(log_value: float) -> float:
    from math import exp

    return exp(min(log_value, 700.0))
