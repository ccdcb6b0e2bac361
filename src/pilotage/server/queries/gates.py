"""Questions about gates and the evidence they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import NotFound
from pilotage.evidence.tables import evidence, gate_result
from pilotage.readiness.tables import pilot
from pilotage.server.queries.drawing import IntervalDrawing, draw_interval
from pilotage.store import Workspace


@dataclass(frozen=True)
class EvidenceLine:
    """One measured figure, or why there is none."""

    id: str
    metric: str
    status: str
    estimate: float | None
    lower: float | None
    upper: float | None
    level: float
    n: int
    n_clusters: int | None
    method: str
    slice: dict[str, Any]
    subject: dict[str, Any]
    detail: dict[str, Any]
    reason: str | None
    created_by: str
    created_at: int


@dataclass(frozen=True)
class GateLine:
    """What one gate said in one cycle, with the figure it rests on and the drawing of it."""

    id: str
    pilot_id: str
    pilot_name: str | None
    cycle: int
    gate: str
    verdict: str
    limit: dict[str, Any]
    limit_text: str
    owner_role: str | None
    why: str
    n_needed: int | None
    created_at: int
    evidence: EvidenceLine | None
    drawing: IntervalDrawing | None


def list_gates(workspace: Workspace, *, pilot_id: str, cycle: int) -> list[GateLine]:
    """The gates of one cycle: those that block first, then by name. Of a gate measured twice, the latest counts."""
    with workspace.read() as conn:
        rows = conn.execute(
            _gates(workspace).where(gate_result.c.pilot_id == pilot_id, gate_result.c.cycle == cycle).order_by(gate_result.c.created_at)
        ).all()
    # A gate may hold several limits (slices, say); each is a line, and measuring again replaces the line.
    latest: dict[tuple[str, str], GateLine] = {}
    for row in rows:
        line = _gate_line(row)
        latest[(line.gate, line.limit_text)] = line
    return sorted(latest.values(), key=lambda line: (BLOCKING.get(line.verdict, 0), line.gate))


BLOCKING = {"fail": 0, "not_assessable": 1, "inconclusive": 2, "waived": 3, "pass": 4}


def find_evidence(workspace: Workspace, evidence_id: str) -> EvidenceLine:
    """One figure. Raises ``NotFound``."""
    with workspace.read() as conn:
        row = conn.execute(select(evidence).where(evidence.c.workspace_id == workspace.id, evidence.c.id == evidence_id)).first()
    if row is None:
        raise NotFound("There is no such evidence.", where=evidence_id, mend="open it from the gate that rests on it")
    return _evidence_line(row._mapping)


def gates_resting_on(workspace: Workspace, evidence_id: str) -> list[GateLine]:
    """Where this figure decided something."""
    with workspace.read() as conn:
        rows = conn.execute(_gates(workspace).where(gate_result.c.evidence_id == evidence_id).order_by(gate_result.c.created_at.desc())).all()
    return [_gate_line(row) for row in rows]


def list_evidence(workspace: Workspace, *, metric: str | None = None, limit: int = 100) -> list[EvidenceLine]:
    """The latest figures."""
    statement = select(evidence).where(evidence.c.workspace_id == workspace.id).order_by(evidence.c.created_at.desc(), evidence.c.id).limit(limit)
    if metric:
        statement = statement.where(evidence.c.metric == metric)
    with workspace.read() as conn:
        return [_evidence_line(row._mapping) for row in conn.execute(statement)]


def limit_words(limit: dict[str, Any]) -> str:
    """A limit as a sentence: ``attack success rate at most 0.05 (category: canary)``."""
    kind = str(limit.get("kind", "")).replace("_", " ")
    metric = str(limit.get("metric", "figure")).replace("_", " ").replace(".", " ")
    if limit.get("kind") == "no_worse_than":
        against = limit.get("against")
        bound = f"by more than {limit.get('margin', limit.get('value'))}" + (f" than {against}" if against else "")
        text = f"{metric} not worse {bound}"
    else:
        text = f"{metric} {kind} {limit.get('value', '?')}"
    where = limit.get("slice") or {}
    named = ", ".join(f"{name}: {value}" for name, value in where.items()) if isinstance(where, dict) else str(where)
    return f"{text} ({named})" if named else text


def _gates(workspace: Workspace) -> Any:
    return (
        select(gate_result, pilot.c.name.label("pilot_name"), *(column.label(f"e_{column.name}") for column in evidence.c))
        .outerjoin(evidence, (evidence.c.workspace_id == gate_result.c.workspace_id) & (evidence.c.id == gate_result.c.evidence_id))
        .outerjoin(pilot, (pilot.c.workspace_id == gate_result.c.workspace_id) & (pilot.c.id == gate_result.c.pilot_id))
        .where(gate_result.c.workspace_id == workspace.id)
    )


def _gate_line(row: Any) -> GateLine:
    limit = dict(row.limit or {})
    figure = _evidence_line({name: row._mapping[f"e_{name}"] for name in evidence.c.keys()}) if row.e_id else None  # noqa: SIM118
    return GateLine(
        id=row.id,
        pilot_id=row.pilot_id,
        pilot_name=row.pilot_name,
        cycle=row.cycle,
        gate=row.gate,
        verdict=row.verdict,
        limit=limit,
        limit_text=limit_words(limit),
        owner_role=limit.get("owner_role"),
        why=row.why,
        n_needed=row.n_needed,
        created_at=row.created_at,
        evidence=figure,
        drawing=draw_interval(figure.estimate, figure.lower, figure.upper, limit) if figure else None,
    )


def _evidence_line(values: Any) -> EvidenceLine:
    return EvidenceLine(**{name: values[name] for name in EvidenceLine.__dataclass_fields__})
