"""Keeping decisions: the row, the task where a person must look, the audit that was drawn, and the ledger; all in one transaction.

A payload is stored only where somebody will look at it, and only as an item's payload, where it can be erased. Everywhere else stands a keyed digest.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, func, select, update

from pilotage.core import InputError
from pilotage.judging import Item, put_item
from pilotage.ledger import record
from pilotage.review.new_task import NewTask
from pilotage.review.put import put_tasks
from pilotage.review.routing.deciding import CompiledPolicy
from pilotage.review.routing.policy import Policy
from pilotage.review.routing.request import RouteDecision, RouteRequest
from pilotage.review.routing.tables import audit_sample, route_decision
from pilotage.review.tables import review_counter
from pilotage.store import WriteTransaction, insert_missing, json_text

D, S, N = route_decision.c, audit_sample.c, review_counter.c
_INSERT = insert_missing(route_decision)


@dataclass(frozen=True)
class Entry:
    """A decision to be written, with the digest of its request and when it was made (µs, UTC)."""

    decision: RouteDecision
    digest: str
    at: int


def find_decision(conn: Connection, workspace_id: str, route_id: str) -> tuple[str, RouteDecision] | None:
    """(digest of the request, the decision) as it was answered first, or None."""
    row = conn.execute(select(route_decision).where(D.workspace_id == workspace_id, D.id == route_id)).first()
    return None if row is None else (row.request, decision_of(row))


def decision_of(row: Any) -> RouteDecision:
    """The record of a row."""
    return RouteDecision(
        id=row.id,
        request_id=row.request_id,
        action=row.action,
        reasons=tuple(row.reasons),
        policy=row.policy,
        policy_version=row.number,
        slice=row.slice,
        level=row.level,
        p=row.p,
        threshold=row.threshold,
        audit=bool(row.audit),
        inclusion=row.inclusion,
        held=bool(row.held),
        item_id=row.item_id,
        recorded="before",
    )


def is_full(conn: Connection, workspace_id: str, policy: Policy) -> bool:
    """Whether the project's queue holds as many open tasks as the policy allows."""
    waiting = conn.execute(select(func.sum(N.open)).where(N.workspace_id == workspace_id, N.queue == policy.project)).scalar() or 0
    return bool(waiting >= policy.fallback.queue_limit)


def write_one(tx: WriteTransaction, compiled: CompiledPolicy, request: RouteRequest, decision: RouteDecision, digest: str) -> RouteDecision:
    """Write a decision with all that follows from it; what is returned is what was written."""
    policy = compiled.policy
    if decision.action in ("review", "two_person", "people_only") or decision.audit:
        item = item_of(policy, request, decision)
        decision = replace(decision, item_id=item.id)
        if decision.held:
            put_item(tx, item)
        else:
            _put(tx, policy, [task_of(decision, item, authors=request.authors)])
    tx.insert(route_decision, _row(decision, digest))
    if decision.audit:
        epoch = next((rule.epoch for rule in compiled.rules if rule.key == decision.slice), 0)
        sample = {"route_id": decision.id, "policy": decision.policy, "number": decision.policy_version, "slice": decision.slice, "epoch": epoch}
        tx.insert(audit_sample, {**sample, "inclusion": decision.inclusion, "item_id": decision.item_id, "state": "waiting"})
    body = {
        "policy": decision.policy,
        "version": decision.policy_version,
        "action": decision.action,
        "reasons": list(decision.reasons),
        "slice": decision.slice,
        "level": decision.level,
        "p": decision.p,
        "threshold": decision.threshold,
        "audit": decision.audit,
        "held": decision.held,
    }
    record(tx, type="output.routed", subject=decision.id, body=body)
    return decision


def write_batch(tx: WriteTransaction, compiled: CompiledPolicy, entries: list[Entry]) -> None:
    """Write accepted, unaudited decisions: one statement, and one entry in the ledger with a digest of the rows. What stands already stays."""
    known = _known(tx, [entry.decision.id for entry in entries])
    rows = [{**_row(entry.decision, entry.digest), "created_at": entry.at} for entry in entries if entry.decision.id not in known]
    if not rows:
        return
    stamp = tx.stamp()
    _INSERT.run(tx.conn, [{**stamp, **row, "reasons": json_text(row["reasons"])} for row in rows])
    told = "\n".join(f"{row['id']} {row['request']} {row['action']} {row['p']!r} {row['threshold']!r} {row['number']}" for row in rows)
    body = {
        "routed": len(rows),
        "actions": dict(Counter(str(row["action"]) for row in rows)),
        "versions": sorted({int(row["number"]) for row in rows}),
        "first": rows[0]["id"],
        "last": rows[-1]["id"],
        "digest": hashlib.sha256(told.encode()).hexdigest(),
    }
    record(tx, type="outputs.routed", subject=compiled.policy.policy, body=body)


def release_held_in(tx: WriteTransaction, policy: Policy, *, most: int = 500) -> int:
    """Put held outputs into the queue, oldest first, while there is room; return how many."""
    waiting = tx.conn.execute(select(func.sum(N.open)).where(N.workspace_id == tx.workspace_id, N.queue == policy.project)).scalar() or 0
    room = min(most, policy.fallback.queue_limit - int(waiting))
    if room <= 0:
        return 0
    held = (D.workspace_id == tx.workspace_id, D.policy == policy.policy, D.held == 1)
    rows = tx.conn.execute(select(route_decision).where(*held).order_by(D.created_at, D.id).limit(room)).all()
    if not rows:
        return 0
    _put(tx, policy, [task_of(decision_of(row), str(row.item_id)) for row in rows])
    tx.conn.execute(update(route_decision).where(D.workspace_id == tx.workspace_id, D.id.in_([row.id for row in rows])).values(held=0))
    record(tx, type="outputs.released", subject=policy.policy, body={"released": len(rows), "first": rows[0].id, "last": rows[-1].id})
    return len(rows)


def item_of(policy: Policy, request: RouteRequest, decision: RouteDecision) -> Item:
    """What people are shown. Where only people may decide, what the machine made is taken out."""
    payload: Mapping[str, Any] = request.payload
    if decision.action == "people_only":
        payload = {name: value for name, value in payload.items() if name not in policy.output_fields}
    return Item(
        kind="output",
        source_id=decision.id,
        payload={**payload, **({"authors": list(request.authors)} if request.authors else {})},
        slices=dict(request.slices),
    )


def task_of(decision: RouteDecision, item: Item | str, *, authors: tuple[str, ...] = ()) -> NewTask:
    """The task. Why it is there is left out: who knows that the machine was sure, or that this is an audit, judges otherwise."""
    return NewTask(
        item,
        purpose="audit" if decision.audit else "work",
        overlap=2 if decision.action == "two_person" else None,
        route_id=decision.id,
        selected_by="audit" if decision.audit else "routing",
        authors=authors,
        priority=0,
    )


def _put(tx: WriteTransaction, policy: Policy, tasks: list[NewTask]) -> None:
    refused = put_tasks(tx, policy.project, tasks).refused
    if refused:  # a decision that sends an output to people and reaches none must not stand
        raise InputError(f"The project '{policy.project}' does not take this output: {refused[0]}.", where=f"policy '{policy.policy}'")


def _known(tx: WriteTransaction, ids: list[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), 500):
        part = ids[start : start + 500]
        found.update(tx.conn.execute(select(D.id).where(D.workspace_id == tx.workspace_id, D.id.in_(part))).scalars())
    return found


def _row(decision: RouteDecision, digest: str) -> dict[str, Any]:
    return {
        "id": decision.id,
        "policy": decision.policy,
        "number": decision.policy_version,
        "request_id": decision.request_id,
        "request": digest,
        "action": decision.action,
        "reasons": list(decision.reasons),
        "slice": decision.slice,
        "level": decision.level,
        "p": decision.p,
        "threshold": decision.threshold,
        "audit": int(decision.audit),
        "inclusion": decision.inclusion,
        "held": int(decision.held),
        "item_id": decision.item_id,
    }
