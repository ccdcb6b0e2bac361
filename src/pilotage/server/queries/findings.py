"""Questions about findings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select

from pilotage.core import NotFound
from pilotage.readiness.tables import pilot, pilot_cycle
from pilotage.redteam import AttemptRow, Finding, FindingState, attempts_of, load_finding
from pilotage.redteam.tables import finding, finding_attempt
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.runs import OutputPart, find_outputs
from pilotage.store import Workspace

OPEN_STATES = (FindingState.NEW, FindingState.CONFIRMED, FindingState.REOPENED)
STATES = (*OPEN_STATES, FindingState.FIXED, FindingState.DISMISSED)


@dataclass(frozen=True)
class Wanted:
    """Which findings to list. ``state`` may also be ``open``: new, confirmed or reopened. A cluster is ``clause / technique``."""

    pilot_id: str | None = None
    state: str | None = None
    severity: str | None = None
    clause: str | None = None
    technique: str | None = None

    def conditions(self, workspace: Workspace, *, with_state: bool = True) -> list[ColumnElement[bool]]:
        c = finding.c
        found: list[ColumnElement[bool]] = [c.workspace_id == workspace.id]
        if self.pilot_id:
            found.append(c.pilot_id == self.pilot_id)
        if with_state and self.state:
            found.append(c.state.in_(OPEN_STATES) if self.state == "open" else c.state == self.state)
        if self.severity:
            found.append(c.severity == self.severity)
        if self.clause:
            found.append(c.cluster_key.startswith(f"{self.clause} / ", autoescape=True))
        if self.technique:
            found.append(c.cluster_key.endswith(f" / {self.technique}", autoescape=True))
        return found


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

    @property
    def clause(self) -> str:
        return self.cluster_key.partition(" / ")[0]

    @property
    def technique(self) -> str:
        return self.cluster_key.rpartition(" / ")[2]


@dataclass(frozen=True)
class Kinds:
    """What findings can be chosen by."""

    clauses: list[str]
    techniques: list[str]


@dataclass(frozen=True)
class Model:
    """How one model (a fingerprint) answered a finding's attempts. ``cycle`` is the pilot's latest cycle with it."""

    fingerprint: str
    cycle: int | None
    verdicts: dict[str, int]
    attempts: list[AttemptRow]

    @property
    def breached(self) -> int:
        return self.verdicts.get("breached", 0)


@dataclass(frozen=True)
class FindingDetail:
    """A finding with its life, its attempts by model (in the order in which they were tried), and the conversation of one of them."""

    finding: Finding
    pilot_name: str | None
    models: list[Model]
    shown: AttemptRow | None
    output: OutputPart | None


def list_findings(workspace: Workspace, wanted: Wanted | None = None, *, turn: Turn | None = None) -> Page[FindingLine]:
    """Findings, the latest changed first."""
    mine = (finding_attempt.c.workspace_id == finding.c.workspace_id) & (finding_attempt.c.finding_id == finding.c.id)
    attempts = select(func.count()).select_from(finding_attempt).where(mine).scalar_subquery()
    breached = select(func.count()).select_from(finding_attempt).where(mine, finding_attempt.c.verdict == "breached").scalar_subquery()
    statement = (
        select(
            *(finding.c[name] for name in ("id", "pilot_id", "cluster_key", "title", "severity", "state", "created_at", "updated_at")),
            pilot.c.name.label("pilot_name"),
            attempts.label("attempts"),
            breached.label("breached"),
        )
        .outerjoin(pilot, (pilot.c.workspace_id == finding.c.workspace_id) & (pilot.c.id == finding.c.pilot_id))
        .where(*(wanted or Wanted()).conditions(workspace))
    )
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[finding.c.updated_at, finding.c.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: [FindingLine(**{name: row._mapping[name] for name in FindingLine.__dataclass_fields__}) for row in rows])


def count_by_state(workspace: Workspace, wanted: Wanted | None = None) -> dict[str, int]:
    """How many of the findings that are wanted, whatever their state, are in each."""
    conditions = (wanted or Wanted()).conditions(workspace, with_state=False)
    with workspace.read() as conn:
        return {row[0]: row[1] for row in conn.execute(select(finding.c.state, func.count()).where(*conditions).group_by(finding.c.state))}


def list_kinds(workspace: Workspace, *, pilot_id: str | None = None) -> Kinds:
    """The clauses and techniques there are findings of."""
    conditions = Wanted(pilot_id=pilot_id).conditions(workspace)
    with workspace.read() as conn:
        clusters = list(conn.execute(select(finding.c.cluster_key).where(*conditions).distinct()).scalars())
    return Kinds(sorted({one.partition(" / ")[0] for one in clusters}), sorted({one.rpartition(" / ")[2] for one in clusters}))


def find_finding(workspace: Workspace, finding_id: str, *, sample_id: str | None = None) -> FindingDetail:
    """One finding, showing the attempt (a sample) asked for, else the latest that breached, else the latest. Raises ``NotFound``."""
    try:
        found = load_finding(workspace, finding_id)
    except NotFound as error:
        raise NotFound("There is no such finding.", where=finding_id, mend="see the list of findings") from error
    attempts = attempts_of(workspace, finding_id)
    shown = next((one for one in attempts if one.sample_id == sample_id), None)
    if sample_id and shown is None:
        raise NotFound("This finding has no such attempt.", where=sample_id, mend="choose one from the finding's page")
    shown = shown or next((one for one in reversed(attempts) if one.verdict == "breached"), attempts[-1] if attempts else None)
    with workspace.read() as conn:
        name = conn.execute(select(pilot.c.name).where(pilot.c.workspace_id == workspace.id, pilot.c.id == found.pilot_id)).scalar()
        cycles = {
            row.fingerprint: row.number
            for row in conn.execute(
                select(pilot_cycle.c.fingerprint, pilot_cycle.c.number)
                .where(pilot_cycle.c.workspace_id == workspace.id, pilot_cycle.c.pilot_id == found.pilot_id)
                .order_by(pilot_cycle.c.number)
            )
        }
        outputs = find_outputs(conn, workspace, shown.sample_id) if shown else []
    chosen = next((one for one in outputs if shown and one.id == shown.output_id), None)
    return FindingDetail(found, name, _by_model(attempts, cycles), shown, chosen)


def _by_model(attempts: list[AttemptRow], cycles: dict[str, int]) -> list[Model]:
    models: dict[str, list[AttemptRow]] = {}
    for one in attempts:
        models.setdefault(one.fingerprint, []).append(one)
    return [
        Model(fingerprint, cycles.get(fingerprint), _tally(tried), sorted(tried, key=lambda one: (one.objective_key, one.sample_id)))
        for fingerprint, tried in models.items()
    ]


def _tally(attempts: list[AttemptRow]) -> dict[str, int]:
    verdicts: dict[str, int] = {}
    for one in attempts:
        verdicts[one.verdict] = verdicts.get(one.verdict, 0) + 1
    return verdicts


def count_attempts(workspace: Workspace, *, pilot_id: str) -> dict[str, dict[str, int]]:
    """How the attempts that a pilot's findings rest on ended, by fingerprint and verdict."""
    with workspace.read() as conn:
        rows: Any = conn.execute(
            select(finding_attempt.c.fingerprint, finding_attempt.c.verdict, func.count())
            .join(finding, (finding.c.workspace_id == finding_attempt.c.workspace_id) & (finding.c.id == finding_attempt.c.finding_id))
            .where(finding.c.workspace_id == workspace.id, finding.c.pilot_id == pilot_id)
            .group_by(finding_attempt.c.fingerprint, finding_attempt.c.verdict)
        ).all()
    counts: dict[str, dict[str, int]] = {}
    for fingerprint, verdict, n in rows:
        counts.setdefault(fingerprint, {})[verdict] = n
    return counts
