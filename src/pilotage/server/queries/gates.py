"""Questions about gates and the evidence they rest on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from pilotage.core import NotFound
from pilotage.evidence import Evidence, GateResult, Limit, load_evidence
from pilotage.evidence.figure import COUNT
from pilotage.evidence.tables import evidence, gate_result
from pilotage.readiness.tables import pilot
from pilotage.server.queries.drawing import IntervalDrawing, draw_count, draw_interval
from pilotage.server.words import metric_words
from pilotage.store import Workspace

# What weighs most first. A gate is as good as the worst of its limits.
WEIGHT = {"fail": 0, "not_assessable": 1, "inconclusive": 2, "waived": 3, "pass": 4}


@dataclass(frozen=True)
class GateLine:
    """What was decided of one limit, with the figure it rests on and the drawing of it."""

    gate: str
    owner_role: str
    verdict: str
    limit: dict[str, Any]
    limit_text: str
    why: str
    n_needed: int | None
    evidence: Evidence | None
    drawing: IntervalDrawing | None


@dataclass(frozen=True)
class GateGroup:
    """One gate: who answers for it, and its limits. ``verdict`` is the worst of theirs."""

    name: str
    owner_role: str
    verdict: str
    limits: list[GateLine]


@dataclass(frozen=True)
class Use:
    """One time a figure decided something."""

    pilot_name: str | None
    cycle: int
    line: GateLine
    created_at: int


def gates_decided(results: Sequence[GateResult]) -> list[GateGroup]:
    """The gates of a decision, in the order in which they were declared."""
    return [
        GateGroup(
            result.gate.name,
            result.gate.owner_role,
            str(result.verdict),
            [
                _line(result.gate.name, result.gate.owner_role, str(one.verdict), one.limit, one.why, one.n_needed, one.evidence)
                for one in result.limits
            ],
        )
        for result in results
    ]


def gates_of_cycle(workspace: Workspace, *, pilot_id: str, cycle: int, declared: Sequence[dict[str, Any]]) -> list[GateGroup]:
    """The gates as they were decided in a cycle; where it was decided more than once, its last decision.

    ``declared`` are the gates as the pilot declares them now, which gives their order; what is not declared any more comes last.
    """
    with workspace.read() as conn:
        rows = conn.execute(
            select(gate_result)
            .where(gate_result.c.workspace_id == workspace.id, gate_result.c.pilot_id == pilot_id, gate_result.c.cycle == cycle)
            .order_by(gate_result.c.created_at)
        ).all()
    latest = {(row.gate, limit_words(_declared(row.limit))): row for row in rows}
    ids = {row.evidence_id for row in latest.values() if row.evidence_id}
    figures = {one.id: one for one in load_evidence(workspace, ids=ids)} if ids else {}
    place = {
        (gate["name"], limit_words(Limit.from_dict(limit))): number
        for number, (gate, limit) in enumerate((g, one) for g in declared for one in g["limits"])
    }
    groups: dict[str, list[GateLine]] = {}
    for _, row in sorted(latest.items(), key=lambda pair: place.get(pair[0], len(place))):
        groups.setdefault(row.gate, []).append(_stored_line(row, figures.get(row.evidence_id)))
    return [
        GateGroup(name, lines[0].owner_role, min((line.verdict for line in lines), key=lambda verdict: WEIGHT[verdict]), lines)
        for name, lines in groups.items()
    ]


def count_by_cycle(workspace: Workspace, *, pilot_id: str) -> dict[int, dict[str, int]]:
    """What the limits of each cycle's gates said, the last decision only."""
    with workspace.read() as conn:
        rows = conn.execute(
            select(gate_result.c.cycle, gate_result.c.gate, gate_result.c.limit, gate_result.c.verdict)
            .where(gate_result.c.workspace_id == workspace.id, gate_result.c.pilot_id == pilot_id)
            .order_by(gate_result.c.created_at)
        ).all()
    verdicts = {(row.cycle, row.gate, limit_words(_declared(row.limit))): row.verdict for row in rows}
    counts: dict[int, dict[str, int]] = {}
    for (cycle, _, _), verdict in verdicts.items():
        said = counts.setdefault(cycle, {})
        said[verdict] = said.get(verdict, 0) + 1
    return counts


def count_verdicts(groups: Iterable[GateGroup]) -> dict[str, int]:
    """How many gates have each verdict, the weightiest first."""
    said: dict[str, int] = {}
    for group in sorted(groups, key=lambda one: WEIGHT[one.verdict]):
        said[group.verdict] = said.get(group.verdict, 0) + 1
    return said


def find_evidence(workspace: Workspace, evidence_id: str) -> Evidence:
    """One figure. Raises ``NotFound``."""
    try:
        (found,) = load_evidence(workspace, ids=[evidence_id])
    except NotFound as error:
        raise NotFound("There is no such evidence.", where=evidence_id, mend="open it from the gate that rests on it") from error
    return found


def uses_of(workspace: Workspace, figure: Evidence) -> list[Use]:
    """Where this figure decided something, the latest first."""
    with workspace.read() as conn:
        rows = conn.execute(
            select(gate_result, pilot.c.name.label("pilot_name"))
            .outerjoin(pilot, (pilot.c.workspace_id == gate_result.c.workspace_id) & (pilot.c.id == gate_result.c.pilot_id))
            .where(gate_result.c.workspace_id == workspace.id, gate_result.c.evidence_id == figure.id)
            .order_by(gate_result.c.created_at.desc())
            .limit(100)
        ).all()
    return [Use(row.pilot_name, row.cycle, _stored_line(row, figure), row.created_at) for row in rows]


def list_evidence(workspace: Workspace, *, metric: str | None = None, limit: int = 100) -> list[Evidence]:
    """The latest figures."""
    statement = select(evidence.c.id).where(evidence.c.workspace_id == workspace.id).order_by(evidence.c.created_at.desc(), evidence.c.id.desc())
    if metric:
        statement = statement.where(evidence.c.metric == metric)
    with workspace.read() as conn:
        ids = list(conn.execute(statement.limit(limit)).scalars())
    found = {one.id: one for one in load_evidence(workspace, ids=ids)} if ids else {}
    return [found[one] for one in ids]


def limit_words(declared: Limit) -> str:
    """A limit as a sentence: ``attack success rate at most 0.05 (category: canary)``."""
    metric = metric_words(declared.metric)
    if declared.no_worse_than is not None:
        text = f"{metric} no worse than {declared.no_worse_than.against} by more than {declared.no_worse_than.margin:g}"
    elif declared.at_most is not None:
        text = f"{metric} at most {declared.at_most:g}"
    else:
        text = f"{metric} at least {declared.at_least:g}"
    named = ", ".join(f"{name}: {part}" for name, part in declared.slice.items())
    return f"{text} ({named})" if named else text


def _declared(limit: dict[str, Any]) -> Limit:
    return Limit.from_dict({name: value for name, value in limit.items() if name != "owner_role"})


def _stored_line(row: Any, figure: Evidence | None) -> GateLine:
    return _line(row.gate, str(row.limit["owner_role"]), row.verdict, _declared(row.limit), row.why, row.n_needed, figure)


def _line(gate: str, owner_role: str, verdict: str, limit: Limit, why: str, n_needed: int | None, figure: Evidence | None) -> GateLine:
    return GateLine(gate, owner_role, verdict, limit.to_dict(), limit_words(limit), why, n_needed, figure, _draw(figure, limit) if figure else None)


def _draw(figure: Evidence, limit: Limit) -> IntervalDrawing | None:
    if figure.estimate is None or figure.lower is None or figure.upper is None:
        return None
    if limit.no_worse_than is not None:
        # The figure is a difference: where higher is better it may fall to minus the margin, where lower is better rise to the margin.
        upward = figure.detail.get("better") != "lower"
        value = -limit.no_worse_than.margin if upward else limit.no_worse_than.margin
    else:
        upward = limit.at_least is not None
        value = float(limit.at_least if limit.at_least is not None else limit.at_most or 0.0)
    allowed = "above" if upward else "below"
    if figure.method == COUNT:
        return draw_count(figure.estimate, limit=value, allowed=allowed)
    return draw_interval(figure.estimate, figure.lower, figure.upper, limit=value, allowed=allowed)
