"""Questions about pilots: where each stands in the loop, what waits for whom, and what would bring it further."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from pilotage import data, readiness
from pilotage.core import NotFound
from pilotage.data.exporting import MANIFEST_SUFFIX
from pilotage.ledger.tables import ledger_entry
from pilotage.readiness import Cycle, Decision, Signature
from pilotage.readiness.tables import pilot, pilot_cycle
from pilotage.redteam import finding_counts
from pilotage.review import counts, waiting
from pilotage.runs.tables import run
from pilotage.server.advances import under_way_elsewhere
from pilotage.server.queries.findings import OPEN_STATES, count_attempts
from pilotage.server.queries.gates import GateGroup, count_by_cycle, count_verdicts, gates_decided, gates_of_cycle
from pilotage.server.queries.next_steps import NextStep, next_steps
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


# How a step's detail sets its warnings apart.
WARNING = "; warning: "


@dataclass(frozen=True)
class StepLine:
    """One step of the loop in one cycle."""

    name: str
    meaning: str
    state: str
    detail: str
    warnings: list[str]
    counts: dict[str, int]
    started_at: int | None
    ended_at: int | None
    link: str


@dataclass(frozen=True)
class CycleLine:
    """One time round the loop. ``gates`` counts limits by verdict, ``attempts`` those of the findings by verdict."""

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
class Waits:
    """Something that waits for people, for whom, and where they do it."""

    what: str
    whom: str
    link: str


@dataclass(frozen=True)
class ExportedFile:
    """One file of training data: its format, where it lies, and whether it still does."""

    format: str
    path: str
    manifest: str
    rows: int
    sha256: str
    there: bool


@dataclass(frozen=True)
class TrainingExport:
    """What there is to train on after a cycle: a version, and the files it left as. ``made_in`` is the cycle whose failures it was last added to."""

    dataset: str
    number: int
    rows: int
    made_in: int | None
    files: list[ExportedFile]

    def file(self, format: str) -> ExportedFile | None:
        """The file of this format, if it is there."""
        return next((one for one in self.files if one.format == format and one.there), None)


@dataclass(frozen=True)
class SigningState:
    """Who may still sign, and what.

    roles
        Whose signature the pilot asks for.
    in_force
        The newest signature of each role on the evidence as it is now.
    open
        The roles that nobody has signed in on that.
    go_refused
        Why a go cannot be signed now; None where it can.
    """

    roles: list[str]
    in_force: dict[str, Signature]
    open: list[str]
    go_refused: str | None

    def offered_to(self, roles: Collection[str]) -> list[str]:
        """The roles that somebody who holds ``roles`` may sign in, those that nobody has signed in first. A later signature replaces an earlier."""
        return sorted((role for role in self.roles if role in roles), key=lambda role: role in self.in_force)


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
    """Everything the overview shows of one cycle. ``latest`` tells whether that is the newest; only that one can be signed and gone on with."""

    id: str
    name: str
    title: str
    owner: str | None
    declaration: dict[str, Any]
    folder: str
    latest: bool
    under_way: bool
    cycle: CycleLine | None
    cycles: list[CycleLine]
    steps: list[StepLine]
    gates: list[GateGroup]
    signatures: list[Signature]
    signing: SigningState | None
    findings: dict[str, int]
    open_findings: int
    waits: list[Waits]
    next_steps: list[NextStep]
    training: TrainingExport | None
    headline: str
    reason: str
    tone: str
    runs: list[dict[str, Any]]


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
                row.id, row.name, row.title, row.declaration["owner"]["name"], row.number, row.state, plain_verdict(row.verdict), row.updated_at
            )
            for row in conn.execute(statement)
        ]


def find_pilot(workspace: Workspace, name: str, *, cycle: int | None = None) -> PilotDetail:
    """One pilot in its latest cycle, or in cycle number ``cycle``. Raises ``NotFound``.

    The latest cycle is shown as the evidence decides it now; an earlier one as it was decided then.
    """
    pilot_id = readiness.find_pilot_id(workspace, name)
    cycles = readiness.cycles(workspace, pilot_id)
    chosen = next((one for one in cycles if cycle is None or one.number == cycle), None)
    if cycle is not None and chosen is None:
        raise NotFound(f"The pilot '{name}' has no cycle {cycle}.", mend="choose one from its overview")
    with workspace.read() as conn:
        row = conn.execute(select(pilot).where(pilot.c.workspace_id == workspace.id, pilot.c.id == pilot_id)).one()
        live = conn.execute(
            select(run.c.id, run.c.kind, run.c.state, run.c.stop_reason, run.c.planned, run.c.counts, run.c.updated_at)
            .where(run.c.workspace_id == workspace.id, run.c.pilot_id == pilot_id, run.c.state != "done")
            .order_by(run.c.created_at.desc())
            .limit(5)
        ).all()
        last_entry_at = conn.execute(
            select(ledger_entry.c.created_at).where(ledger_entry.c.workspace_id == workspace.id).order_by(ledger_entry.c.seq.desc()).limit(1)
        ).scalar()
    latest = chosen is not None and chosen is cycles[0]
    decision = readiness.decide_cycle(workspace, chosen) if chosen is not None and latest and _measured(chosen) else None
    gates = (
        gates_decided(decision.gates)
        if decision is not None
        else gates_of_cycle(workspace, pilot_id=pilot_id, cycle=chosen.number, declared=row.declaration["resolved"]["gates"])
        if chosen is not None and not latest
        else []
    )
    signatures = _signatures(workspace, chosen, decision)
    signing = _signing(decision, signatures, waiting=counts(workspace, name).open) if decision is not None else None
    last_word_at = max((last_entry_at or 0, *(one.updated_at for one in live)))
    under_way = chosen is not None and latest and under_way_elsewhere(chosen, last_word_at=last_word_at, now_us=workspace.clock.now_us())
    findings = finding_counts(workspace, pilot_id)
    steps = _steps(name, chosen)
    waits = _waits(workspace, name, steps, signing) if latest else []
    training = _training(workspace, chosen) if chosen is not None else None
    lines = _cycle_lines(workspace, pilot_id, cycles)
    headline, reason, tone = _headline(chosen, steps, gates, decision, signing, waits, under_way=under_way)
    return PilotDetail(
        id=pilot_id,
        name=row.name,
        title=row.title,
        owner=row.declaration["owner"]["name"],
        declaration=row.declaration,
        folder=row.folder,
        latest=latest,
        under_way=under_way,
        cycle=next((one for one in lines if chosen is not None and one.id == chosen.id), None),
        cycles=lines,
        steps=steps,
        gates=gates,
        signatures=signatures,
        signing=signing,
        findings=findings,
        open_findings=sum(findings.get(state, 0) for state in OPEN_STATES),
        waits=waits,
        next_steps=next_steps(name, gates, has_training=training is not None and training.made_in == chosen.number)
        if chosen is not None and decision is not None and decision.outcome != "pass"
        else [],
        training=training,
        headline=headline,
        reason=reason,
        tone=tone,
        runs=[{**one._mapping, "done": sum(one.counts.values())} for one in live],
    )


def plain_verdict(verdict: str | None) -> str | None:
    """A cycle's verdict as people say it: ``go``, ``no_go`` or ``not_known``; None while nothing is decided."""
    return None if verdict is None else {"pass": "go", "fail": "no_go"}.get(verdict, "not_known")


def _measured(cycle: Cycle) -> bool:
    return cycle.steps["measure"].state == "done"


def _cycle_lines(workspace: Workspace, pilot_id: str, cycles: list[Cycle]) -> list[CycleLine]:
    gates = count_by_cycle(workspace, pilot_id=pilot_id)
    attempts = count_attempts(workspace, pilot_id=pilot_id)
    return [
        CycleLine(
            one.id,
            one.number,
            one.fingerprint,
            one.state,
            plain_verdict(one.verdict),
            one.updated_at,
            one.created_at,
            gates.get(one.number, {}),
            attempts.get(one.fingerprint, {}),
        )
        for one in cycles
    ]


def _signatures(workspace: Workspace, chosen: Cycle | None, decision: Decision | None) -> list[Signature]:
    """The cycle's signatures, newest first. Those of an earlier cycle stand as they were given: its evidence is not decided anew."""
    if chosen is None:
        return []
    if decision is None:
        decision = readiness.decide_cycle(workspace, chosen)
    return readiness.signatures(workspace, chosen, decision)


def _signing(decision: Decision, signatures: list[Signature], *, waiting: int) -> SigningState:
    in_force: dict[str, Signature] = {}
    for one in signatures:  # newest first
        if one.counts:
            in_force.setdefault(one.role, one)
    refused = None
    if decision.outcome != "pass":
        refused = decision.headline
    elif waiting:
        refused = f"{waiting} {'item waits' if waiting == 1 else 'items wait'} for review"
    return SigningState(list(decision.roles), in_force, [role for role in decision.roles if role not in in_force], refused)


def _steps(name: str, cycle: Cycle | None) -> list[StepLine]:
    links = {
        "ingest": "/data",
        "evaluate": f"/runs?pilot={name}&kind=evaluation",
        "attack": f"/runs?pilot={name}&kind=attack",
        "judge": f"/findings?pilot={name}",
        "review": f"/review/{name}",
        "curate": f"/pilots/{name}#training" if cycle is not None and cycle.steps["curate"].links.get("version") else "/data",
        "measure": f"/pilots/{name}/gates",
        "decide": f"/pilots/{name}/gates",
    }
    told = cycle.steps if cycle is not None else {step: readiness.StepRecord() for step in STEPS}
    return [
        StepLine(
            name=step,
            meaning=meaning,
            state=told[step].state,
            detail=told[step].detail.split(WARNING)[0],
            warnings=told[step].detail.split(WARNING)[1:],
            counts={key: n for key, n in told[step].counts.items() if n},
            started_at=told[step].started_at,
            ended_at=told[step].ended_at,
            link=links[step],
        )
        for step, meaning in STEPS.items()
    ]


def _waits(workspace: Workspace, name: str, steps: list[StepLine], signing: SigningState | None) -> list[Waits]:
    waits = []
    for one in waiting(workspace, name):
        what = f"{one.open} {'answer waits' if one.open == 1 else 'answers wait'} for judgement"
        waits.append(Waits(what, one.role or "reviewer", f"/review/{name}"))
    for step in steps:
        if step.state in ("paused", "failed"):
            told = f"{step.name} {'is paused' if step.state == 'paused' else 'failed'}: {step.detail or 'see its run'}"
            waits.append(Waits(told, "operator", step.link))
    if signing is not None and signing.go_refused is None and not waits:
        waits += [Waits(f"the {role}'s signature", role, f"/pilots/{name}#sign") for role in signing.open]
    return waits


def _training(workspace: Workspace, cycle: Cycle) -> TrainingExport | None:
    links = cycle.steps["curate"].links
    if "version" not in links:
        return None
    version = data.load_version(workspace, links["version"])
    made = {one.path: one for one in reversed(data.exports(workspace, version.id))}
    files = [
        ExportedFile(one.format, one.path, one.path + MANIFEST_SUFFIX, one.rows, one.sha256, Path(one.path).is_file())
        for path in links.get("exports", {}).values()
        if (one := made.get(path)) is not None
    ]
    return TrainingExport(version.dataset, version.number, version.rows, version.operation.params.get("cycle"), files)


def _headline(
    cycle: Cycle | None,
    steps: list[StepLine],
    gates: list[GateGroup],
    decision: Decision | None,
    signing: SigningState | None,
    waits: list[Waits],
    *,
    under_way: bool,
) -> tuple[str, str, str]:
    """The big word, the sentence under it, and the tone it is said in (good, bad, wait, unknown)."""
    if cycle is None:
        return "Not begun", "This pilot has not gone round the loop yet.", "unknown"
    said = ", ".join(f"{n} {_SAID[verdict]}" for verdict, n in count_verdicts(gates).items())
    gates_say = f"Of {len(gates)} gates: {said}." if gates else "No gate has been decided yet."
    outcome = plain_verdict(decision.outcome if decision is not None else cycle.verdict if gates else None)
    before = {"go": " Before this, it was a go.", "no_go": " Before this, it was a no-go.", "not_known": ""}.get(outcome or "", "")
    halted = next((step for step in steps if step.state in ("failed", "paused")), None)
    if under_way:
        running = next((step.name for step in steps if step.state == "running"), None)
        return "Under way", f"Now: {running}.{before}" if running else f"It goes on.{before}", "wait"
    if halted is not None:
        return ("Failed" if halted.state == "failed" else "Paused"), f"{halted.name.capitalize()}: {halted.detail}.{before}", "wait"
    if cycle.state == "running":
        return "Cut off", f"It stopped on its way and nothing is heard of it. Going on continues where it was.{before}", "wait"
    if any(wait.link.startswith("/review/") for wait in waits):
        return "Waiting for people", f"The gates are decided when everything is answered.{before}" if not gates else gates_say, "wait"
    if outcome == "go":
        against = [role for role, one in (signing.in_force if signing is not None else {}).items() if one.decision == "no_go"]
        if against:
            return "No-go", f"{gates_say} But the {' and the '.join(against)} signed no-go.", "bad"
        return "Go", gates_say, "good"
    if outcome == "no_go":
        return "No-go", gates_say, "bad"
    return "Not known", gates_say, "unknown"


_SAID = {"fail": "failed", "not_assessable": "not assessable", "inconclusive": "inconclusive", "waived": "waived", "pass": "passed"}
