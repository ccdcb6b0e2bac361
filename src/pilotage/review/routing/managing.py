"""The life of a policy: draft, active, suspended, retired. People loosen; a machine may only tighten.

What activates a policy is read again inside the transaction that activates it: the report and its hash, its verdict for every slice that would be
automated, its age, whether a later look says otherwise, the assessments, who asks. A check made beforehand could be out of date by then.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection, RowMapping, func, select, update

from pilotage.core import NotFound, Refused
from pilotage.ledger import record
from pilotage.people import require_another_person, require_role
from pilotage.people.permissions import Roles
from pilotage.review.assessment import slice_key
from pilotage.review.projects.project import find_terms
from pilotage.review.routing.fitness import check_fits, require_current, require_levels
from pilotage.review.routing.policy import Policy
from pilotage.review.routing.reporting import find_report, latest_look
from pilotage.review.routing.tables import routing_change, routing_monitor, routing_policy, routing_policy_version
from pilotage.store import Workspace, WriteTransaction

P, V, C, M = routing_policy.c, routing_policy_version.c, routing_change.c, routing_monitor.c
STATES = ("draft", "active", "suspended", "retired")


@dataclass(frozen=True)
class PolicyVersion:
    """One version of a policy. Times in µs, UTC."""

    policy: str
    number: int
    state: str
    category: str
    declared: dict[str, Any]
    report_id: str
    author: str
    activated_by: str | None
    activated_at: int | None
    created_at: int

    @property
    def settings(self) -> Policy:
        return Policy.model_validate(self.declared)

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def __str__(self) -> str:
        by = f", activated by {self.activated_by}" if self.activated_by else ""
        return f"{self.policy} v{self.number} {self.state} ({self.category}, report {self.report_id}, by {self.author}{by})"


@dataclass(frozen=True)
class Change:
    """What a slice was made stricter by beyond its policy, or that this was taken back."""

    slice: str
    number: int
    direction: str
    level: str
    threshold: float | None
    cause: str
    subject: str
    created_by: str
    created_at: int


def draft_policy(workspace: Workspace, policy: Policy, *, person: Roles, salt: str = "") -> PolicyVersion:
    """Keep a draft: the next version. Nothing routes on a draft.

    ``salt``: what the audit of a new policy is drawn from; left out: a new random one. Give one only to repeat a run: who knows it foresees audits.

    Raises
    ------
    NotFound
        If its report or its project is not there.
    Refused
        If the person is neither owner nor operator.
    InputError
        If the report is about another category, model or prompt, or a threshold or level is laxer than what was shown.
    """
    require_role(person, "owner", "operator")

    def job(tx: WriteTransaction) -> int:
        about = (policy.category, policy.model.fingerprint, policy.model.prompt)
        found = latest_look(tx.conn, tx.workspace_id, *about) if policy.report == "latest" else policy.report
        report = find_report(tx.conn, tx.workspace_id, found or "of this category, model and prompt")
        if find_terms(tx.conn, tx.workspace_id, policy.project) is None:
            raise NotFound(f"There is no project '{policy.project}'.", where="field 'project'", mend="make it with 'pilotage project create'")
        check_fits(policy, report)
        number = 1 + (tx.conn.execute(select(func.max(V.number)).where(V.workspace_id == tx.workspace_id, V.policy == policy.policy)).scalar() or 0)
        if tx.conn.execute(select(P.id).where(P.workspace_id == tx.workspace_id, P.id == policy.policy)).first() is None:
            tx.insert(routing_policy, {"id": policy.policy, "salt": salt or secrets.token_hex(32), "revision": 1}, actor=person.login)
        row = {
            "policy": policy.policy,
            "number": number,
            "state": "draft",
            "category": policy.category,
            "declared": {**policy.to_dict(), "report": report.id},
            "report_id": report.id,
            "author": person.login,
        }
        tx.insert(routing_policy_version, row, actor=person.login)
        body = {"version": number, "category": policy.category, "report": report.id, "declared": row["declared"]}
        record(tx, type="policy.drafted", subject=policy.policy, body=body, actor=person.login)
        return number

    return policy_version(workspace, policy.policy, workspace.write(job))


def activate_policy(workspace: Workspace, name: str, number: int, *, person: Roles) -> PolicyVersion:
    """Put a draft (or a suspended version) into force; the one before is retired. What an alarm tightened stays tightened: see :func:`loosen`.

    Raises
    ------
    Refused
        If the person is no owner or wrote the policy; if the report's verdict does not allow what the policy automates, the report is too old, there
        is a later look, or it is about another model or prompt; if a slice has no assessment or one that is due; if a slice would be laxer than its
        assessment.
    IntegrityError
        If the stored report does not match its own hash.
    """
    require_role(person, "owner")

    def job(tx: WriteTransaction) -> None:
        version = find_version(tx.conn, tx.workspace_id, name, number)
        if version["state"] not in ("draft", "suspended"):
            raise Refused(f"{name} v{number} is {version['state']}.", mend="draft a new version")
        require_another_person(person, author=version["author"], act="activate")
        policy = Policy.model_validate(version["declared"])
        report = find_report(tx.conn, tx.workspace_id, policy.report)
        now = tx.clock.now_us()
        require_current(tx.conn, tx.workspace_id, policy, report, now_us=now)
        levels = require_levels(tx.conn, tx.workspace_id, policy, report, now_us=now)
        mine = (V.workspace_id == tx.workspace_id, V.policy == name)
        tx.conn.execute(update(routing_policy_version).where(*mine, V.state.in_(("active", "suspended"))).values(state="retired"))
        held = {key: level for key, (level, _) in levels.items()}
        done = {"state": "active", "activated_by": person.login, "activated_at": now, "levels": held}
        tx.conn.execute(update(routing_policy_version).where(*mine, V.number == number).values(**done))
        for one in policy.slices:
            begin_monitor(tx, policy, number, slice_key(one.slice))
        move_on(tx, name)
        body = {
            "version": number,
            "author": version["author"],
            "report": report.id,
            "verdict": report.verdict,
            "look": report.look,
            "model": report.model,
            "prompt": report.prompt,
            "slices": {key: {"level": level, "assessment": about.id} for key, (level, about) in levels.items()},
        }
        record(tx, type="policy.activated", subject=name, body=body, actor=person.login)

    workspace.write(job)
    return policy_version(workspace, name, number)


def suspend_policy(workspace: Workspace, name: str, *, person: Roles, reason: str = "") -> PolicyVersion:
    """Send everything to people from now on. Whoever runs the system may: it only tightens. Raises ``Refused`` if nothing is active."""
    require_role(person, "owner", "operator")

    def job(tx: WriteTransaction) -> int:
        mine = (V.workspace_id == tx.workspace_id, V.policy == name, V.state == "active")
        number = tx.conn.execute(select(V.number).where(*mine)).scalar()
        if number is None:
            raise Refused(f"No version of '{name}' is active.", mend="see 'pilotage routing policies'")
        tx.conn.execute(update(routing_policy_version).where(*mine).values(state="suspended"))
        move_on(tx, name)
        personal = {"reason": reason} if reason else None
        record(tx, type="policy.suspended", subject=name, body={"version": number}, actor=person.login, personal=personal)
        return int(number)

    return policy_version(workspace, name, workspace.write(job))


def retire_policy(workspace: Workspace, name: str, number: int, *, person: Roles) -> PolicyVersion:
    """End a version. A retired version never comes back. Routers of a policy whose every version is retired send everything to people."""
    require_role(person, "owner")

    def job(tx: WriteTransaction) -> None:
        version = find_version(tx.conn, tx.workspace_id, name, number)
        mine = (V.workspace_id == tx.workspace_id, V.policy == name, V.number == number)
        tx.conn.execute(update(routing_policy_version).where(*mine).values(state="retired"))
        move_on(tx, name)
        record(tx, type="policy.retired", subject=name, body={"version": number, "was": version["state"]}, actor=person.login)

    workspace.write(job)
    return policy_version(workspace, name, number)


def changes_in_force(conn: Connection, workspace_id: str, name: str) -> dict[str, Change]:
    """Slice → its last change."""
    query = select(routing_change).where(C.workspace_id == workspace_id, C.policy == name).order_by(C.slice, C.number)
    return {row["slice"]: Change(**{field: row[field] for field in Change.__dataclass_fields__}) for row in conn.execute(query).mappings()}


def active_version(conn: Connection, workspace_id: str, name: str) -> RowMapping | None:
    """The version in force: active, else the suspended one, else None."""
    where = (V.workspace_id == workspace_id, V.policy == name, V.state.in_(("active", "suspended")))
    return conn.execute(select(routing_policy_version).where(*where).order_by(V.state, V.number.desc()).limit(1)).mappings().first()


def policy_version(workspace: Workspace, name: str, number: int) -> PolicyVersion:
    """One version. Raises ``NotFound``."""
    with workspace.read() as conn:
        return _record(find_version(conn, workspace.id, name, number))


def policies(workspace: Workspace, *, name: str | None = None) -> list[PolicyVersion]:
    """Every version, by policy and number."""
    where = [V.workspace_id == workspace.id] + ([V.policy == name] if name is not None else [])
    with workspace.read() as conn:
        return [_record(row) for row in conn.execute(select(routing_policy_version).where(*where).order_by(V.policy, V.number)).mappings()]


def changes_of(workspace: Workspace, name: str, *, limit: int = 200) -> list[Change]:
    """What tightened the policy's slices and was taken back, the newest first."""
    query = select(routing_change).where(C.workspace_id == workspace.id, C.policy == name).order_by(C.created_at.desc(), C.slice, C.number.desc())
    with workspace.read() as conn:
        rows = conn.execute(query.limit(limit)).mappings()
        return [Change(**{field: row[field] for field in Change.__dataclass_fields__}) for row in rows]


def policy_changes(workspace: Workspace, name: str) -> dict[str, Change]:
    """Slice → what is in force beyond the policy."""
    with workspace.read() as conn:
        return {key: change for key, change in changes_in_force(conn, workspace.id, name).items() if change.direction == "tightened"}


def move_on(tx: WriteTransaction, name: str) -> None:
    """Tell every router that something changed."""
    tx.conn.execute(update(routing_policy).where(P.workspace_id == tx.workspace_id, P.id == name).values(revision=P.revision + 1))


def begin_monitor(tx: WriteTransaction, policy: Policy, number: int, slice: str) -> int:
    """Begin the slice's test anew and return its epoch."""
    from pilotage.judging.calibration import Watch

    mine = (M.workspace_id == tx.workspace_id, M.policy == policy.policy, M.slice == slice)
    epoch = 1 + (tx.conn.execute(select(func.max(M.epoch)).where(*mine)).scalar() or 0)
    state = Watch(limit=policy.contract.error_rate, alpha=policy.alarm.alpha).to_dict()
    tx.insert(routing_monitor, {"policy": policy.policy, "slice": slice, "epoch": epoch, "number": number, "state": state})
    return int(epoch)


def change_slice(
    tx: WriteTransaction,
    name: str,
    slice: str,
    standing: Change | None,
    direction: str,
    level: str,
    threshold: float | None,
    cause: str,
    subject: str,
    actor: str | None,
    reason: str = "",
) -> int:
    """Write what is in force for a slice from now on, tell routers and the ledger, and return the change's number."""
    number = (standing.number if standing else 0) + 1
    row = {
        "id": f"{name}/{slice}/{number}",
        "policy": name,
        "slice": slice,
        "number": number,
        "direction": direction,
        "level": level,
        "threshold": threshold,
        "cause": cause,
        "subject": subject,
    }
    tx.insert(routing_change, row, actor=actor)
    move_on(tx, name)
    body: Mapping[str, Any] = {field: row[field] for field in ("slice", "number", "level", "threshold", "cause")} | {"about": subject}
    personal = {"reason": reason} if reason else None
    record(tx, type=f"policy.{direction}", subject=name, body=dict(body), actor=actor, personal=personal)
    return number


def find_version(conn: Connection, workspace_id: str, name: str, number: int) -> RowMapping:
    """The row of one version. Raises ``NotFound``."""
    where = (V.workspace_id == workspace_id, V.policy == name, V.number == number)
    found = conn.execute(select(routing_policy_version).where(*where)).mappings().first()
    if found is None:
        raise NotFound(f"There is no version {number} of the policy '{name}'.", mend="see 'pilotage routing policies'")
    return found


def _record(row: RowMapping) -> PolicyVersion:
    return PolicyVersion(**{field: row[field] for field in PolicyVersion.__dataclass_fields__})
