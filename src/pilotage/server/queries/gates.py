"""Questions about gates and the evidence they rest on."""

from __future__ import annotations

from collections.abc import Iterable
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
            _gates(workspace)
            .where(gate_result.c.pilot_id == pilot_id, gate_result.c.cycle == cycle)
            .order_by(gate_result.c.created_at, gate_result.c.id)
        ).all()
    return sorted(_latest(_gate_line(row) for row in rows), key=lambda line: (BLOCKING.get(line.verdict, 0), line.gate))


def count_by_cycle(workspace: Workspace, *, pilot_id: str) -> dict[int, dict[str, int]]:
    """What the gates of each cycle said, the latest look only."""
    with workspace.read() as conn:
        rows = conn.execute(
            select(gate_result.c.cycle, gate_result.c.gate, gate_result.c.limit, gate_result.c.verdict)
            .where(gate_result.c.workspace_id == workspace.id, gate_result.c.pilot_id == pilot_id)
            .order_by(gate_result.c.created_at, gate_result.c.id)
        ).all()
    verdicts = {(row.cycle, row.gate, limit_words(row.limit or {})): row.verdict for row in rows}
    counts: dict[int, dict[str, int]] = {}
    for (cycle, _, _), verdict in verdicts.items():
        said = counts.setdefault(cycle, {})
        said[verdict] = said.get(verdict, 0) + 1
    return counts


def _latest(lines: Iterable[GateLine]) -> list[GateLine]:
    """A gate may hold several limits, each a line; every look is kept, and the last one counts."""
    latest: dict[tuple[str, str], GateLine] = {}
    for line in lines:
        latest[(line.gate, line.limit_text)] = line
    return list(latest.values())


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


@dataclass(frozen=True)
class Bound:
    """What a limit asks for. ``kind`` is ``at_most``, ``at_least``, ``no_worse_than`` or empty where it cannot be read."""

    kind: str
    value: float | None
    against: str | None = None


def read_bound(limit: dict[str, Any]) -> Bound:
    """The bound of a limit, written either as ``{"at_most": 0.05}`` or as ``{"kind": "at_most", "value": 0.05}``."""
    for kind in ("at_most", "at_least"):
        if limit.get(kind) is not None:
            return Bound(kind, float(limit[kind]))
    margin = limit.get("no_worse_than")
    if isinstance(margin, dict):
        return Bound("no_worse_than", float(margin.get("margin", 0.0)), margin.get("against"))
    value = limit.get("value", limit.get("margin"))
    return Bound(str(limit.get("kind", "")), float(value) if isinstance(value, int | float) else None, limit.get("against"))


def limit_words(limit: dict[str, Any]) -> str:
    """A limit as a sentence: ``attack success rate at most 0.05 (category: canary)``."""
    bound = read_bound(limit)
    metric = str(limit.get("metric", "figure")).replace("_", " ")
    value = "?" if bound.value is None else f"{bound.value:g}"
    if bound.kind == "no_worse_than":
        text = f"{metric} no worse than {bound.against or 'before'} by more than {value}"
    else:
        text = f"{metric} {bound.kind.replace('_', ' ')} {value}"
    where = limit.get("slice") or {}
    named = ", ".join(f"{name}: {part}" for name, part in where.items()) if isinstance(where, dict) else str(where)
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
        drawing=_draw(figure, read_bound(limit)) if figure else None,
    )


def _draw(figure: EvidenceLine, bound: Bound) -> IntervalDrawing | None:
    if figure.estimate is None or figure.lower is None or figure.upper is None or bound.value is None:
        return None
    upward, value = bound.kind == "at_least", bound.value
    if bound.kind == "no_worse_than":
        # The figure is a difference: where higher is better it may fall to minus the margin, where lower is better rise to the margin.
        upward = figure.detail.get("better") != "lower"
        value = -bound.value if upward else bound.value
    return draw_interval(figure.estimate, figure.lower, figure.upper, limit=value, allowed="above" if upward else "below")


def _evidence_line(values: Any) -> EvidenceLine:
    return EvidenceLine(**{name: values[name] for name in EvidenceLine.__dataclass_fields__})
