"""Questions about pilots: where each stands in the loop, and what waits for whom."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, select

from pilotage.core import NotFound
from pilotage.readiness.tables import pilot, pilot_cycle, sign_off
from pilotage.redteam.tables import finding_attempt
from pilotage.review.tables import review_task
from pilotage.runs.tables import run
from pilotage.server.queries.findings import OPEN_STATES, count_by_state
from pilotage.server.queries.gates import GateLine, count_by_cycle, list_gates
from pilotage.store import Workspace

# The loop, in its order, with what each step does.
STEPS = {
    "ingest": "the declared data becomes versions",
    "evaluate": "the suite asks the target",
    "attack": "the campaign tries to break it",
    "judge": "rules and models say what they see",
    "review": "people decide what needs people",
    "curate": "corrections become a dataset version",
    "measure": "figures with intervals",
    "decide": "gates, then signatures",
}
STEP_STATES = ("done", "running", "waiting", "paused", "failed", "pending")


@dataclass(frozen=True)
class StepLine:
    """One step of the loop in one cycle. ``state`` is one of ``STEP_STATES``."""

    name: str
    meaning: str
    state: str
    detail: str
    counts: dict[str, int]
    started_at: int | None
    ended_at: int | None
    link: str


@dataclass(frozen=True)
class CycleLine:
    """One time round the loop."""

    id: str
    number: int
    fingerprint: str
    state: str
    verdict: str | None
    updated_at: int
    created_at: int
    gates: dict[str, int]
    attempts: dict[str, int]


@dataclass(frozen=True)
class Signature:
    """Who signed what."""

    role: str
    decision: str
    note: str
    evidence_digest: str
    created_by: str
    created_at: int


@dataclass(frozen=True)
class Waits:
    """Something that waits for people, for whom, and where they do it."""

    what: str
    whom: str
    link: str


@dataclass(frozen=True)
class PilotLine:
    """A pilot with its latest cycle, for lists."""

    id: str
    name: str
    title: str
    owner: str | None
    cycle: int | None
    state: str | None
    verdict: str | None
    updated_at: int | None


@dataclass(frozen=True)
class PilotDetail:
    """Everything the overview shows of one cycle."""

    id: str
    name: str
    title: str
    owner: str | None
    declaration: dict[str, Any]
    folder: str
    cycle: CycleLine | None
    cycles: list[CycleLine]
    steps: list[StepLine]
    gates: list[GateLine]
    signatures: list[Signature]
    roles_to_sign: list[str]
    findings: dict[str, int]
    open_findings: int
    waits: list[Waits]
    headline: str
    reason: str
    tone: str
    runs: list[dict[str, Any]] = field(default_factory=list)


def list_pilots(workspace: Workspace) -> list[PilotLine]:
    """Every pilot by name, with its latest cycle."""
    newest = (
        select(pilot_cycle.c.pilot_id, func.max(pilot_cycle.c.number).label("number"))
        .where(pilot_cycle.c.workspace_id == workspace.id)
        .group_by(pilot_cycle.c.pilot_id)
        .subquery()
    )
    statement = (
        select(pilot, pilot_cycle.c.number, pilot_cycle.c.state, pilot_cycle.c.verdict, pilot_cycle.c.updated_at)
        .outerjoin(newest, newest.c.pilot_id == pilot.c.id)
        .outerjoin(
            pilot_cycle,
            (pilot_cycle.c.workspace_id == pilot.c.workspace_id) & (pilot_cycle.c.pilot_id == pilot.c.id) & (pilot_cycle.c.number == newest.c.number),
        )
        .where(pilot.c.workspace_id == workspace.id)
        .order_by(pilot.c.name)
    )
    with workspace.read() as conn:
        return [
            PilotLine(
                row.id,
                row.name,
                row.title,
                _text((row.declaration or {}).get("owner")),
                row.number,
                row.state,
                plain_verdict(row.verdict),
                row.updated_at,
            )
            for row in conn.execute(statement)
        ]


def pilot_id_of(workspace: Workspace, name: str) -> str:
    """The id of the pilot called ``name``. Raises ``NotFound``."""
    with workspace.read() as conn:
        found = conn.execute(select(pilot.c.id).where(pilot.c.workspace_id == workspace.id, pilot.c.name == name)).scalar()
    if found is None:
        raise NotFound(f"There is no pilot named '{name}'.", mend="see the overview for those there are, or run 'pilotage run' on its pilot.yaml")
    return str(found)


def find_pilot(workspace: Workspace, name: str, *, cycle: int | None = None) -> PilotDetail:
    """One pilot in its latest cycle, or in cycle number ``cycle``. Raises ``NotFound``."""
    pilot_id = pilot_id_of(workspace, name)
    gate_counts = count_by_cycle(workspace, pilot_id=pilot_id)
    with workspace.read() as conn:
        row = conn.execute(select(pilot).where(pilot.c.workspace_id == workspace.id, pilot.c.id == pilot_id)).one()
        cycle_rows = conn.execute(
            select(pilot_cycle)
            .where(pilot_cycle.c.workspace_id == workspace.id, pilot_cycle.c.pilot_id == pilot_id)
            .order_by(pilot_cycle.c.number.desc())
        ).all()
        attempt_counts = _tally(
            conn.execute(
                select(finding_attempt.c.fingerprint, finding_attempt.c.verdict, func.count())
                .where(
                    finding_attempt.c.workspace_id == workspace.id,
                    finding_attempt.c.fingerprint.in_([one.fingerprint for one in cycle_rows]),
                )
                .group_by(finding_attempt.c.fingerprint, finding_attempt.c.verdict)
            )
        )
        cycles = [
            CycleLine(
                one.id,
                one.number,
                one.fingerprint,
                one.state,
                plain_verdict(one.verdict),
                one.updated_at,
                one.created_at,
                gate_counts.get(one.number, {}),
                attempt_counts.get(one.fingerprint, {}),
            )
            for one in cycle_rows
        ]
        chosen = next((one for one in cycle_rows if cycle is None or one.number == cycle), None)
        if cycle is not None and chosen is None:
            raise NotFound(f"The pilot '{name}' has no cycle {cycle}.", mend="choose one from its overview")
        signatures = (
            [
                Signature(one.role, one.decision, one.note, one.evidence_digest, one.created_by, one.created_at)
                for one in conn.execute(
                    select(sign_off).where(sign_off.c.workspace_id == workspace.id, sign_off.c.cycle_id == chosen.id).order_by(sign_off.c.created_at)
                )
            ]
            if chosen
            else []
        )
        open_tasks = conn.execute(
            select(review_task.c.queue, func.count())
            .where(review_task.c.workspace_id == workspace.id, review_task.c.queue.in_((pilot_id, name)), review_task.c.state == "open")
            .group_by(review_task.c.queue)
        ).all()
        live = conn.execute(
            select(run.c.id, run.c.kind, run.c.state, run.c.stop_reason)
            .where(run.c.workspace_id == workspace.id, run.c.pilot_id == pilot_id, run.c.state != "done")
            .order_by(run.c.created_at.desc())
            .limit(5)
        ).all()
    line = next((one for one in cycles if chosen is not None and one.number == chosen.number), None)
    declaration = dict(row.declaration or {})
    gates = list_gates(workspace, pilot_id=pilot_id, cycle=line.number) if line else []
    findings = count_by_state(workspace, pilot_id=pilot_id)
    roles = roles_to_sign(declaration)
    latest = line is not None and line is cycles[0]
    queue = open_tasks[0][0] if open_tasks else name
    waiting = sum(n for _, n in open_tasks)
    steps = _steps(name, queue, dict(chosen.steps or {}) if chosen else {})
    waits = _waits(name, queue, waiting, line, roles, signatures, gates) + _paused(name, steps) if latest else []
    headline, reason, tone = _headline(line, gates, waits)
    return PilotDetail(
        id=pilot_id,
        name=row.name,
        title=row.title,
        owner=_text(declaration.get("owner")),
        declaration=declaration,
        folder=row.folder,
        cycle=line,
        cycles=cycles,
        steps=steps,
        gates=gates,
        signatures=signatures,
        roles_to_sign=roles,
        findings=findings,
        open_findings=sum(findings.get(state, 0) for state in OPEN_STATES),
        waits=waits,
        headline=headline,
        reason=reason,
        tone=tone,
        runs=[dict(one._mapping) for one in live],
    )


def plain_verdict(verdict: str | None) -> str | None:
    """``go``, ``no_go`` or ``not_known``, however it was written; None while nothing is decided."""
    if not verdict:
        return None
    word = verdict.lower().replace("-", "_").replace(" ", "_")
    return {"pass": "go", "ship": "go", "fail": "no_go"}.get(word, word if word in ("go", "no_go") else "not_known")


def roles_to_sign(declaration: dict[str, Any]) -> list[str]:
    """The roles whose signature the pilot file asks for; the owner's where it names none."""
    declared = declaration.get("sign_off") or declaration.get("signoff") or {}
    roles = declared.get("roles") if isinstance(declared, dict) else declared
    if not isinstance(roles, list):
        return ["owner"]
    return [str(role.get("role")) if isinstance(role, dict) else str(role) for role in roles] or ["owner"]


def _steps(name: str, queue: str, steps: dict[str, Any]) -> list[StepLine]:
    links = {
        "ingest": "/data",
        "evaluate": f"/runs?pilot={name}&kind=evaluation",
        "attack": f"/runs?pilot={name}&kind=attack",
        "judge": f"/findings?pilot={name}",
        "review": f"/review/{queue}",
        "curate": "/data",
        "measure": f"/pilots/{name}/gates",
        "decide": f"/pilots/{name}/gates",
    }
    lines = []
    for step, meaning in STEPS.items():
        told = steps.get(step) or {}
        state = told.get("state", "pending")
        lines.append(
            StepLine(
                name=step,
                meaning=meaning,
                state=state if state in STEP_STATES else "pending",
                detail=str(told.get("detail") or ""),
                counts={str(key): n for key, n in (told.get("counts") or {}).items() if isinstance(n, int)},
                started_at=told.get("started_at"),
                ended_at=told.get("ended_at"),
                link=links[step],
            )
        )
    return lines


def _waits(
    name: str, queue: str, waiting: int, line: CycleLine | None, roles: list[str], signatures: list[Signature], gates: list[GateLine]
) -> list[Waits]:
    waits = []
    if waiting:
        waits.append(Waits(f"{waiting} {'answer waits' if waiting == 1 else 'answers wait'} for judgement", "reviewer", f"/review/{queue}"))
    if line is not None and gates and not waiting:
        signed = {signature.role for signature in signatures}
        waits += [Waits(f"the {role}'s signature", role, f"/pilots/{name}#sign") for role in roles if role not in signed]
    return waits


def _paused(name: str, steps: list[StepLine]) -> list[Waits]:
    """Steps that stopped before their end, by a budget or a target out of reach."""
    return [
        Waits(f"{step.name} is paused: {step.detail or 'see its run'}; the same command goes on", "operator", step.link)
        for step in steps
        if step.state == "paused"
    ]


def _headline(line: CycleLine | None, gates: list[GateLine], waits: list[Waits]) -> tuple[str, str, str]:
    """The big word, the sentence under it, and the tone it is said in (good, bad, wait, unknown)."""
    if line is None:
        return "Not begun", "This pilot has not gone round the loop yet.", "unknown"
    said: dict[str, int] = {}
    for gate in gates:
        said[gate.verdict] = said.get(gate.verdict, 0) + 1
    words = ", ".join(
        f"{n} {label}"
        for verdict, label in (
            ("fail", "failed"),
            ("not_assessable", "not assessable"),
            ("inconclusive", "inconclusive"),
            ("waived", "waived"),
            ("pass", "passed"),
        )
        if (n := said.get(verdict))
    )
    gates_say = f"Of {len(gates)} gates: {words}." if gates else "No gate has been evaluated yet."
    if line.verdict == "no_go":
        return "No-go", gates_say, "bad"
    if line.verdict == "go":
        return "Go", gates_say, "good"
    if any(wait.whom == "operator" for wait in waits):
        return "Paused", gates_say, "wait"
    if line.state == "waiting" or (waits and line.state != "running"):
        return "Waiting for people", gates_say, "wait"
    if line.state == "running":
        return "Under way", gates_say, "wait"
    return "Not known", gates_say, "unknown"


def _tally(rows: Any) -> dict[Any, dict[str, int]]:
    tally: dict[Any, dict[str, int]] = {}
    for key, verdict, n in rows:
        tally.setdefault(key, {})[verdict] = n
    return tally


def _text(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name") or value.get("login")
    return None if value is None else str(value)
