"""From evidence to a verdict: every gate held against the newest figures about exactly this pilot, target and data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from pilotage import __version__
from pilotage.core import digest
from pilotage.readiness.cycle import Cycle, latest_cycle, set_verdict
from pilotage.readiness.tables import pilot as pilot_table
from pilotage.store import Workspace, WriteTransaction

if TYPE_CHECKING:
    from pilotage.evidence import Gate, GateResult
    from pilotage.readiness.pilot import Pilot

# What the conjunction of all gates means for the pilot.
HEADLINES = {
    "pass": "GO: every gate passes",
    "fail": "NO-GO: a gate fails",
    "inconclusive": "NOT KNOWN: the evidence does not decide yet",
    "not_assessable": "NOT KNOWN: evidence is missing or does not fit",
}


@dataclass(frozen=True)
class Decision:
    """The verdict over a cycle.

    outcome
        ``pass``, ``fail``, ``inconclusive`` or ``not_assessable``: the worst of the gates, a waived one counting as passed.
    digest
        Over the gates, their verdicts and the evidence behind them; what a signature signs.
    roles
        Whose signatures the pilot asks for.
    """

    pilot: str
    cycle_id: str
    cycle: int
    outcome: str
    headline: str
    gates: tuple[GateResult, ...]
    digest: str
    roles: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """The decision as plain data."""
        return {
            "pilot": self.pilot,
            "cycle": self.cycle,
            "outcome": self.outcome,
            "headline": self.headline,
            "gates": [gate.to_dict() for gate in self.gates],
            "digest": self.digest,
            "sign_off": list(self.roles),
        }

    def __str__(self) -> str:
        return "\n".join([*(str(gate) for gate in self.gates), self.headline])


def subject_of(pilot_name: str, cycle: Cycle, *, rubric_id: str) -> dict[str, Any]:
    """What the evidence of a cycle was measured on."""
    return {
        "pilot": pilot_name,
        "fingerprint": cycle.fingerprint,
        "versions": sorted(cycle.steps["ingest"].links.get("versions", {}).values()),
        "rubric": rubric_id,
        "code": __version__,
    }


def declaration_of(pilot: Pilot) -> dict[str, Any]:
    """What the catalogue keeps of a pilot: its declaration with every default, and what the files it names said."""
    gates = [{"name": gate.name, "owner_role": gate.owner_role, "limits": [limit.to_dict() for limit in gate.limits]} for gate in pilot.gates]
    return {**pilot.to_dict(), "resolved": {"file": pilot.file, "gates": gates, "rubric": pilot.rubric.id}}


def decide(workspace: Workspace, name: str) -> Decision:
    """The verdict over the newest cycle of the pilot called ``name``, on the evidence there is now. Raises ``NotFound``."""
    return decide_cycle(workspace, latest_cycle(workspace, name))


def decide_cycle(workspace: Workspace, cycle: Cycle) -> Decision:
    """The verdict over ``cycle``, on the evidence there is now. Writes nothing."""
    from pilotage.evidence import evaluate_gate, load_evidence, overall

    with workspace.read() as conn:
        row = conn.execute(
            select(pilot_table.c.name, pilot_table.c.declaration).where(
                pilot_table.c.workspace_id == workspace.id, pilot_table.c.id == cycle.pilot_id
            )
        ).one()
    resolved = row.declaration["resolved"]
    subject = subject_of(row.name, cycle, rubric_id=resolved["rubric"])
    # Only what the cycle's last measuring made: a figure that was right before somebody changed their mind is not evidence now.
    step = cycle.steps["measure"]
    measured = step.links.get("evidence", []) if step.state == "done" else []
    evidence = load_evidence(workspace, ids=measured) if measured else []
    now_us = workspace.clock.now_us()
    results = tuple(evaluate_gate(gate, evidence, subject=subject, now_us=now_us) for gate in _gates(resolved["gates"]))
    outcome = str(overall(results))
    outcome = "pass" if outcome == "waived" else outcome
    signed = {
        "cycle": cycle.id,
        "outcome": outcome,
        "gates": [[result.gate.name, str(result.verdict), sorted(result.evidence_ids)] for result in results],
    }
    return Decision(row.name, cycle.id, cycle.number, outcome, HEADLINES[outcome], results, digest(signed), tuple(row.declaration["sign_off"]))


def put_decision(tx: WriteTransaction, cycle: Cycle, decision: Decision) -> None:
    """Keep the decision: one row a limit, the cycle's verdict, and their ledger entries."""
    from pilotage.evidence import put_gate_result

    for result in decision.gates:
        put_gate_result(tx, result, pilot_id=cycle.pilot_id, cycle=cycle.number)
    set_verdict(tx, cycle.id, decision.outcome)


def _gates(declared: list[dict[str, Any]]) -> list[Gate]:
    from pilotage.evidence import Gate, Limit

    return [Gate(each["name"], each["owner_role"], tuple(Limit.from_dict(limit) for limit in each["limits"])) for each in declared]
