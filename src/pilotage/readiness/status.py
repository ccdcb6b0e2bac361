"""Where a pilot stands: its newest cycle, the verdict if there is one, what waits and for whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.readiness.cycle import Cycle, StepRecord, latest_cycle
from pilotage.readiness.deciding import Decision, decide_cycle
from pilotage.readiness.signing import Signature, signatures
from pilotage.readiness.tables import pilot as pilot_table
from pilotage.review import waiting
from pilotage.store import Workspace


@dataclass(frozen=True)
class PilotStatus:
    """Where a pilot stands.

    decision
        The verdict on the evidence there is; None before anything was measured.
    waits
        One plain line for everything that waits for people, and where.
    """

    name: str
    title: str
    cycle_id: str
    cycle: int
    fingerprint: str
    state: str
    steps: dict[str, StepRecord]
    decision: Decision | None
    signatures: tuple[Signature, ...]
    waits: tuple[str, ...]

    @property
    def paused(self) -> bool:
        """Whether a run stopped before its end, by a budget or an unreachable target."""
        return any(step.state == "paused" for step in self.steps.values())

    def export(self, format: str) -> str | None:
        """The path of the training data exported in this cycle, or None."""
        found = self.steps["curate"].links.get("exports", {}).get(format)
        return None if found is None else str(found)

    def to_dict(self) -> dict[str, Any]:
        """The status as plain data."""
        return {
            "pilot": self.name,
            "title": self.title,
            "cycle": self.cycle,
            "fingerprint": self.fingerprint,
            "state": self.state,
            "steps": {name: step.to_dict() for name, step in self.steps.items()},
            "decision": None if self.decision is None else self.decision.to_dict(),
            "waits": list(self.waits),
        }


def pilot_status(workspace: Workspace, name: str) -> PilotStatus:
    """Where the pilot called ``name`` stands. Raises ``NotFound``."""
    cycle = latest_cycle(workspace, name)
    with workspace.read() as conn:
        title = conn.execute(
            select(pilot_table.c.title).where(pilot_table.c.workspace_id == workspace.id, pilot_table.c.id == cycle.pilot_id)
        ).scalar_one()
    decision = decide_cycle(workspace, cycle) if cycle.steps["measure"].state == "done" else None
    signed = tuple(signatures(workspace, cycle, decision)) if decision is not None else ()
    return PilotStatus(
        name=name,
        title=str(title),
        cycle_id=cycle.id,
        cycle=cycle.number,
        fingerprint=cycle.fingerprint,
        state=cycle.state,
        steps=cycle.steps,
        decision=decision,
        signatures=signed,
        waits=_waits(workspace, name, cycle, decision, signed),
    )


def _waits(workspace: Workspace, name: str, cycle: Cycle, decision: Decision | None, signed: tuple[Signature, ...]) -> tuple[str, ...]:
    lines = [f"{each}; answer on the workbench's page /review/{name}, or with: pilotage review answer {name}" for each in waiting(workspace, name)]
    lines += [f"{step} is paused: {record.detail}" for step, record in cycle.steps.items() if record.state == "paused"]
    if decision is not None and decision.outcome == "pass":
        in_force: dict[str, Signature] = {}
        for each in signed:  # newest first
            if each.counts:
                in_force.setdefault(each.role, each)
        gone = {role for role, each in in_force.items() if each.decision == "go"}
        lines += [
            f"a signature of the role '{role}'; sign on the pilot's page, or with: pilotage sign {name} --role {role} --decision go"
            for role in decision.roles
            if role not in gone
        ]
    return tuple(lines)
