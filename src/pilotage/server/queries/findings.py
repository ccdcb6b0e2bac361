"""Questions about findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from pilotage.core import NotFound
from pilotage.readiness.tables import pilot
from pilotage.redteam.tables import finding, finding_attempt
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.runs import OutputPart, find_outputs
from pilotage.store import Workspace

STATES = ("new", "confirmed", "reopened", "fixed", "dismissed")
OPEN_STATES = ("new", "confirmed", "reopened")


@dataclass(frozen=True)
class FindingLine:
    """One finding with how many attempts it rests on and how many of them breached."""

    id: str
    pilot_id: str
    pilot_name: str | None
    cluster_key: str
    title: str
    severity: str
    state: str
    attempts: int
    breached: int
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class Attempt:
    """One try against one model."""

    attempt_id: str
    objective_key: str
    sample_id: str
    output_id: str
    fingerprint: str
    verdict: str
    judged_by: str
    created_at: int


@dataclass(frozen=True)
class Tally:
    """How one model (a fingerprint) answered a finding's attempts."""

    fingerprint: str
    verdicts: dict[str, int]
    total: int
    last_at: int


@dataclass(frozen=True)
class FindingDetail:
    """A finding with its life, its attempts by model, and the conversation of one of them."""

    line: FindingLine
    history: list[dict[str, Any]]
    tallies: list[Tally]
    attempts: list[Attempt]
    shown: Attempt | None
    output: OutputPart | None


def list_findings(
    workspace: Workspace, *, pilot_id: str | None = None, state: str | None = None, severity: str | None = None, turn: Turn | None = None
) -> Page[FindingLine]:
    """Findings, the latest changed first. ``state`` may also be ``open``: new, confirmed or reopened."""
    statement = _findings(workspace)
    if pilot_id:
        statement = statement.where(finding.c.pilot_id == pilot_id)
    if state == "open":
        statement = statement.where(finding.c.state.in_(OPEN_STATES))
    elif state:
        statement = statement.where(finding.c.state == state)
    if severity:
        statement = statement.where(finding.c.severity == severity)
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[finding.c.updated_at, finding.c.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: [_line(row) for row in rows])


def count_by_state(workspace: Workspace, *, pilot_id: str | None = None) -> dict[str, int]:
    """How many findings are in each state."""
    statement = select(finding.c.state, func.count()).where(finding.c.workspace_id == workspace.id).group_by(finding.c.state)
    if pilot_id:
        statement = statement.where(finding.c.pilot_id == pilot_id)
    with workspace.read() as conn:
        return {row[0]: row[1] for row in conn.execute(statement)}


def find_finding(workspace: Workspace, finding_id: str, *, attempt_id: str | None = None) -> FindingDetail:
    """One finding, showing the attempt asked for, else the latest that breached, else the latest. Raises ``NotFound``."""
    with workspace.read() as conn:
        row = conn.execute(_findings(workspace).where(finding.c.id == finding_id)).first()
        if row is None:
            raise NotFound("There is no such finding.", where=finding_id, mend="see the list of findings")
        history = conn.execute(select(finding.c.history).where(finding.c.workspace_id == workspace.id, finding.c.id == finding_id)).scalar()
        attempts = [
            Attempt(one.attempt_id, one.objective_key, one.sample_id, one.output_id, one.fingerprint, one.verdict, one.judged_by, one.created_at)
            for one in conn.execute(
                select(finding_attempt)
                .where(finding_attempt.c.workspace_id == workspace.id, finding_attempt.c.finding_id == finding_id)
                .order_by(finding_attempt.c.created_at.desc(), finding_attempt.c.attempt_id)
            )
        ]
        shown = next((one for one in attempts if one.attempt_id == attempt_id), None)
        if attempt_id and shown is None:
            raise NotFound("This finding has no such attempt.", where=attempt_id, mend="choose one from the finding's page")
        shown = shown or next((one for one in attempts if one.verdict == "breached"), attempts[0] if attempts else None)
        outputs = find_outputs(conn, workspace, shown.sample_id) if shown else []
    chosen = next((one for one in outputs if shown and one.id == shown.output_id), outputs[0] if outputs else None)
    return FindingDetail(_line(row), [entry for entry in history or [] if isinstance(entry, dict)], _tally(attempts), attempts, shown, chosen)


def _tally(attempts: list[Attempt]) -> list[Tally]:
    """By fingerprint, in the order in which the models were first tried."""
    tallies: dict[str, Tally] = {}
    for one in reversed(attempts):
        known = tallies.get(one.fingerprint)
        verdicts = dict(known.verdicts) if known else {}
        verdicts[one.verdict] = verdicts.get(one.verdict, 0) + 1
        last = max(one.created_at, known.last_at if known else 0)
        tallies[one.fingerprint] = Tally(one.fingerprint, verdicts, sum(verdicts.values()), last)
    return list(tallies.values())


def _findings(workspace: Workspace) -> Any:
    mine = (finding_attempt.c.workspace_id == finding.c.workspace_id) & (finding_attempt.c.finding_id == finding.c.id)
    attempts = select(func.count()).select_from(finding_attempt).where(mine).scalar_subquery()
    breached = select(func.count()).select_from(finding_attempt).where(mine, finding_attempt.c.verdict == "breached").scalar_subquery()
    return (
        select(
            finding.c.id,
            finding.c.pilot_id,
            finding.c.cluster_key,
            finding.c.title,
            finding.c.severity,
            finding.c.state,
            finding.c.created_at,
            finding.c.updated_at,
            pilot.c.name.label("pilot_name"),
            attempts.label("attempts"),
            breached.label("breached"),
        )
        .outerjoin(pilot, (pilot.c.workspace_id == finding.c.workspace_id) & (pilot.c.id == finding.c.pilot_id))
        .where(finding.c.workspace_id == workspace.id)
    )


def _line(row: Any) -> FindingLine:
    return FindingLine(**{name: row._mapping[name] for name in FindingLine.__dataclass_fields__})
