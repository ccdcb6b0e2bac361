"""Signing off: a named person, in a named role, says go or no-go to exactly these gate results.

A signature covers the digest of the verdict it was shown; when the evidence changes, the digest does, and old signatures no longer count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import desc, select

from pilotage.core import InputError, Refused, new_id
from pilotage.ledger import record
from pilotage.readiness.cycle import Cycle, load_cycle
from pilotage.readiness.deciding import Decision, decide_cycle
from pilotage.readiness.tables import sign_off
from pilotage.review import counts
from pilotage.store import Workspace, WriteTransaction


class Signer(Protocol):
    """Who signs: an account of :mod:`pilotage.people`, or the local person."""

    @property
    def login(self) -> str: ...

    @property
    def roles(self) -> frozenset[str]: ...


@dataclass(frozen=True)
class Signature:
    """One signature. ``counts`` is False when the evidence changed after it was given. ``signed_at`` is in microseconds since the epoch."""

    role: str
    decision: str
    note: str
    person: str
    signed_at: int
    counts: bool


def sign(workspace: Workspace, cycle_id: str, *, role: str, decision: str, note: str = "", person: Signer) -> Signature:
    """Sign the cycle's current verdict.

    Raises
    ------
    InputError
        If the decision is neither ``go`` nor ``no_go``, or a no-go has no note.
    Refused
        If the person does not hold the role, the pilot asks for no signature in it, or ``go`` is signed while a gate does not pass or items wait
        for review.

    Signing the same decision again changes nothing. The other decision takes the first one's place: both stay on record, and the newest is in force.
    """
    if decision not in ("go", "no_go"):
        raise InputError(f"A decision is 'go' or 'no_go', not '{decision}'.", where="decision")
    if decision == "no_go" and not note.strip():
        raise InputError("A no-go needs a note.", where="note", why="those who build need to know what would change it", mend="say what is missing")
    if role not in person.roles:
        raise Refused(f"{person.login} does not hold the role '{role}'.", mend="sign in a role you hold, or ask an admin for it")
    cycle = load_cycle(workspace, cycle_id)
    current = decide_cycle(workspace, cycle)
    if role not in current.roles:
        raise Refused(f"This pilot asks for no signature of the role '{role}'.", mend=f"it asks for: {', '.join(current.roles)}")
    if decision == "go" and current.outcome != "pass":
        raise Refused(
            f"A go cannot be signed: {current.headline}",
            why="evidence decides; a signature answers for it and does not replace it",
            mend="mend what fails, or have the gate's owner waive it with a reason and an end date",
        )

    if decision == "go" and (waiting := counts(workspace, current.pilot).open):
        raise Refused(
            f"A go cannot be signed while {waiting} {'item waits' if waiting == 1 else 'items wait'} for review.",
            why="what people answer there may change the verdict",
            mend="have them answered, and run the pilot again",
        )

    def job(tx: WriteTransaction) -> Signature:
        newest = tx.conn.execute(
            select(sign_off)
            .where(
                sign_off.c.workspace_id == tx.workspace_id,
                sign_off.c.cycle_id == cycle_id,
                sign_off.c.role == role,
                sign_off.c.created_by == person.login,
                sign_off.c.evidence_digest == current.digest,
            )
            .order_by(desc(sign_off.c.created_at), desc(sign_off.c.id))
            .limit(1)
        ).one_or_none()
        if newest is not None and newest.decision == decision:
            return Signature(newest.role, newest.decision, newest.note, newest.created_by, newest.created_at, True)
        made = new_id("sign", clock=tx.clock)
        row = {"cycle_id": cycle_id, "role": role, "decision": decision, "note": note, "evidence_digest": current.digest}
        tx.insert(sign_off, {"id": made, **row}, actor=person.login)
        record(tx, type="pilot.signed", subject=cycle_id, body={**row, "signature": made, "outcome": current.outcome}, actor=person.login)
        signed_at = tx.conn.execute(
            select(sign_off.c.created_at).where(sign_off.c.workspace_id == tx.workspace_id, sign_off.c.id == made)
        ).scalar_one()
        return Signature(role, decision, note, person.login, signed_at, True)

    return workspace.write(job)


def signatures(workspace: Workspace, cycle: Cycle, decision: Decision) -> list[Signature]:
    """Every signature of the cycle, newest first; of one role the newest that still counts is the one in force."""
    with workspace.read() as conn:
        rows = conn.execute(
            select(sign_off)
            .where(sign_off.c.workspace_id == workspace.id, sign_off.c.cycle_id == cycle.id)
            .order_by(desc(sign_off.c.created_at), desc(sign_off.c.id))
        ).all()
    return [Signature(row.role, row.decision, row.note, row.created_by, row.created_at, row.evidence_digest == decision.digest) for row in rows]
