"""Questions about runs, samples and outputs. Lists never read what was said; only a sample's own page does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
from sqlalchemy import Connection, Text, select, type_coerce

from pilotage.core import InputError, NotFound
from pilotage.judging.tables import item, judgement, rater
from pilotage.models import Outcome
from pilotage.models.tables import target
from pilotage.readiness.tables import pilot
from pilotage.redteam.tables import finding, finding_attempt
from pilotage.review.tables import review_task
from pilotage.runs.tables import output, run, run_sample, sample
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.store import Workspace

# What an attempt's verdict says where the target did not give way.
HELD_OFF = ("defended", "off_topic")
OUTCOMES = tuple(str(outcome) for outcome in Outcome)


@dataclass(frozen=True)
class RunLine:
    """One run. ``done`` counts outputs of any outcome; ``counts`` are those outcomes."""

    id: str
    kind: str
    pilot_id: str
    pilot_name: str | None
    target_name: str | None
    fingerprint: str
    versions: list[str]
    state: str
    stop_reason: str | None
    planned: int
    done: int
    counts: dict[str, int]
    usage: dict[str, Any]
    created_by: str
    created_at: int
    updated_at: int


@dataclass(frozen=True)
class Said:
    """One judgement as a page shows it: who, of what kind, and what."""

    id: str
    question: str
    value: Any
    abstained: bool
    rater_kind: str
    rater_name: str
    confidence: float | None
    reason: str | None
    superseded: bool
    suggestion: Any
    active_ms: int | None
    created_by: str
    created_at: int


@dataclass(frozen=True)
class SampleLine:
    """One sample of a run, with its latest output if it has one."""

    id: str
    position: int
    item_key: str
    repeat: int
    slices: dict[str, str]
    output_id: str | None
    outcome: str | None
    latency_us: int | None
    cached: bool
    said: list[Said] = field(default_factory=list)


@dataclass(frozen=True)
class OutputPart:
    """One output with its whole conversation."""

    id: str
    attempt: int
    outcome: str
    messages: list[dict[str, Any]]
    tool_calls: list[dict[str, Any]]
    finish_reason: str | None
    error: str | None
    tries: list[Any]
    usage: dict[str, Any]
    latency_us: int
    cached: bool
    digest: str
    created_at: int
    harmful: bool
    said: list[Said]


@dataclass(frozen=True)
class SampleDetail:
    """One sample with every output it has, the latest first."""

    id: str
    item_key: str
    repeat: int
    cluster: str
    slices: dict[str, str]
    spec: dict[str, Any]
    created_at: int
    outputs: list[OutputPart]
    runs: list[dict[str, str]]
    findings: list[dict[str, str]]


def list_runs(workspace: Workspace, *, pilot_id: str | None = None, kind: str | None = None, turn: Turn | None = None) -> Page[RunLine]:
    """Runs, the newest first."""
    statement = _runs(workspace)
    if pilot_id:
        statement = statement.where(run.c.pilot_id == pilot_id)
    if kind:
        statement = statement.where(run.c.kind == kind)
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[run.c.created_at, run.c.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: [_run_line(row) for row in rows])


def find_run(workspace: Workspace, run_id: str) -> RunLine:
    """One run. Raises ``NotFound``."""
    with workspace.read() as conn:
        row = conn.execute(_runs(workspace).where(run.c.id == run_id)).first()
    if row is None:
        raise NotFound("There is no such run.", where=run_id, mend="see the list of runs")
    return _run_line(row)


def _runs(workspace: Workspace) -> Any:
    return (
        select(run, pilot.c.name.label("pilot_name"), target.c.name.label("target_name"))
        .select_from(
            run.outerjoin(pilot, (pilot.c.workspace_id == run.c.workspace_id) & (pilot.c.id == run.c.pilot_id)).outerjoin(
                target, (target.c.workspace_id == run.c.workspace_id) & (target.c.id == run.c.target_id)
            )
        )
        .where(run.c.workspace_id == workspace.id)
    )


def _run_line(row: Any) -> RunLine:
    return RunLine(
        id=row.id,
        kind=row.kind,
        pilot_id=row.pilot_id,
        pilot_name=row.pilot_name,
        target_name=row.target_name,
        fingerprint=row.fingerprint,
        versions=row.versions,
        state=row.state,
        stop_reason=row.stop_reason,
        planned=row.planned,
        done=sum(row.counts.values()),
        counts=row.counts,
        usage=row.usage,
        created_by=row.created_by,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def list_samples(
    workspace: Workspace, run_id: str, *, outcome: str | None = None, slice: str | None = None, turn: Turn | None = None
) -> Page[SampleLine]:
    """The samples of a run in the plan's order.

    ``outcome`` is one of ``OUTCOMES`` or ``waiting`` (no output yet); ``slice`` is ``name:value``.
    """
    statement = (
        select(
            run_sample.c.position,
            sample.c.id,
            sample.c.item_key,
            sample.c.repeat,
            sample.c.slices,
            output.c.id.label("output_id"),
            output.c.outcome,
            output.c.latency_us,
            output.c.cached,
        )
        .select_from(
            run_sample.join(sample, (sample.c.workspace_id == run_sample.c.workspace_id) & (sample.c.id == run_sample.c.sample_id)).outerjoin(
                output, (output.c.workspace_id == run_sample.c.workspace_id) & (output.c.id == run_sample.c.output_id)
            )
        )
        .where(run_sample.c.workspace_id == workspace.id, run_sample.c.run_id == run_id)
    )
    if outcome == "waiting":
        statement = statement.where(run_sample.c.output_id.is_(None))
    elif outcome:
        statement = statement.where(output.c.outcome == outcome)
    if slice:
        name, mark, value = slice.partition(":")
        if not mark:
            raise InputError("A slice is asked for as name:value.", where=f"slice {slice!r}")
        # Slices are stored as compact JSON text, so one pair is one substring on every database.
        pair = msgspec.json.encode({name: value}).decode()[1:-1]
        statement = statement.where(type_coerce(sample.c.slices, Text).contains(pair, autoescape=True))
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[run_sample.c.position], turn=turn or Turn())
        said = _said_of(conn, workspace, [row.output_id for row in found.rows if row.output_id])
    return found.map(
        lambda rows: [
            SampleLine(
                id=row.id,
                position=row.position,
                item_key=row.item_key,
                repeat=row.repeat,
                slices=dict(row.slices or {}),
                output_id=row.output_id,
                outcome=row.outcome,
                latency_us=row.latency_us,
                cached=bool(row.cached),
                said=[one for one in said.get(row.output_id, []) if not one.superseded],
            )
            for row in rows
        ]
    )


def find_sample(workspace: Workspace, sample_id: str) -> SampleDetail:
    """One sample with its conversations, judgements, runs and findings. Raises ``NotFound``."""
    with workspace.read() as conn:
        row = conn.execute(select(sample).where(sample.c.workspace_id == workspace.id, sample.c.id == sample_id)).first()
        if row is None:
            raise NotFound("There is no such sample.", where=sample_id, mend="open it from its run")
        outputs = find_outputs(conn, workspace, sample_id)
        runs = conn.execute(
            select(run.c.id, run.c.kind, run.c.created_at)
            .join(run_sample, (run_sample.c.workspace_id == run.c.workspace_id) & (run_sample.c.run_id == run.c.id))
            .where(run.c.workspace_id == workspace.id, run_sample.c.sample_id == sample_id)
            .order_by(run.c.created_at)
        ).all()
        findings = conn.execute(
            select(finding.c.id, finding.c.title, finding.c.state)
            .join(finding_attempt, (finding_attempt.c.workspace_id == finding.c.workspace_id) & (finding_attempt.c.finding_id == finding.c.id))
            .where(finding.c.workspace_id == workspace.id, finding_attempt.c.sample_id == sample_id)
            .distinct()
        ).all()
    return SampleDetail(
        id=row.id,
        item_key=row.item_key,
        repeat=row.repeat,
        cluster=row.cluster,
        slices=dict(row.slices or {}),
        spec=row.spec if isinstance(row.spec, dict) else {"spec": row.spec},
        created_at=row.created_at,
        outputs=outputs,
        runs=[{"id": one.id, "kind": one.kind} for one in runs],
        findings=[{"id": one.id, "title": one.title, "state": one.state} for one in findings],
    )


def find_outputs(conn: Connection, workspace: Workspace, sample_id: str) -> list[OutputPart]:
    """Every output of a sample, the latest first."""
    rows = conn.execute(
        select(output).where(output.c.workspace_id == workspace.id, output.c.sample_id == sample_id).order_by(output.c.attempt.desc())
    ).all()
    ids = [row.id for row in rows]
    said = _said_of(conn, workspace, ids)
    harmful = _harmful_of(conn, workspace, sample_id, ids)
    return [_output_part(row, said.get(row.id, []), row.id in harmful) for row in rows]


def _output_part(row: Any, said: list[Said], harmful: bool) -> OutputPart:
    body = row.body if isinstance(row.body, dict) else {}
    return OutputPart(
        id=row.id,
        attempt=row.attempt,
        outcome=row.outcome,
        messages=[message for message in body.get("messages") or [] if isinstance(message, dict)],
        tool_calls=[call for call in body.get("tool_calls") or [] if isinstance(call, dict)],
        finish_reason=body.get("finish_reason"),
        error=body.get("error"),
        tries=list(body.get("tries") or []),
        usage=dict(row.usage or {}),
        latency_us=row.latency_us,
        cached=bool(row.cached),
        digest=row.digest,
        created_at=row.created_at,
        harmful=harmful,
        said=said,
    )


def _items_of(conn: Connection, workspace: Workspace, output_ids: list[str]) -> dict[str, str]:
    """Which output each item shows, by item id. Asked first and by itself: joined, a database may begin at the far larger end."""
    if not output_ids:
        return {}
    mine = (item.c.workspace_id == workspace.id, item.c.source_id.in_(output_ids))
    return {row.id: row.source_id for row in conn.execute(select(item.c.id, item.c.source_id).where(*mine))}


def _said_of(conn: Connection, workspace: Workspace, output_ids: list[str]) -> dict[str, list[Said]]:
    """Judgements by output id, the oldest first; a superseded one is marked, not hidden."""
    shows = _items_of(conn, workspace, output_ids)
    if not shows:
        return {}
    rows = conn.execute(
        select(judgement, rater.c.kind.label("rater_kind"), rater.c.name.label("rater_name"))
        .join(rater, (rater.c.workspace_id == judgement.c.workspace_id) & (rater.c.id == judgement.c.rater_id))
        .where(judgement.c.workspace_id == workspace.id, judgement.c.item_id.in_(shows))
        .order_by(judgement.c.created_at, judgement.c.id)
    ).all()
    superseded = {row.supersedes for row in rows if row.supersedes}
    said: dict[str, list[Said]] = {}
    for row in rows:
        said.setdefault(shows[row.item_id], []).append(
            Said(
                id=row.id,
                question=row.question,
                value=row.value,
                abstained=bool(row.abstained),
                rater_kind=row.rater_kind,
                rater_name=row.rater_name,
                confidence=row.confidence,
                reason=row.reason,
                superseded=row.id in superseded,
                suggestion=row.suggestion,
                active_ms=row.active_ms,
                created_by=row.created_by,
                created_at=row.created_at,
            )
        )
    return said


def _harmful_of(conn: Connection, workspace: Workspace, sample_id: str, output_ids: list[str]) -> set[str]:
    """Which outputs of a sample may hurt who reads them: flagged so for review, or an attempt that was not held off."""
    shows = _items_of(conn, workspace, output_ids)
    flagged = select(review_task.c.item_id).where(
        review_task.c.workspace_id == workspace.id, review_task.c.item_id.in_(shows), review_task.c.harmful == 1
    )
    got_through = select(finding_attempt.c.output_id).where(
        finding_attempt.c.workspace_id == workspace.id, finding_attempt.c.sample_id == sample_id, finding_attempt.c.verdict.not_in(HELD_OFF)
    )
    return {*(shows[one] for one in conn.execute(flagged).scalars()), *conn.execute(got_through).scalars()}
