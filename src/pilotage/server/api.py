"""The HTTP API: the same nouns as the pages, as JSON. Described by ``/api/openapi.json``.

Lists come a page at a time: ``{"rows": […], "next": cursor, "previous": cursor}``; hand a cursor back as ``after`` or ``before``.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from pilotage import ledger
from pilotage.data import load_version
from pilotage.data.version import TABLE
from pilotage.evidence import Evidence
from pilotage.readiness import find_pilot_id
from pilotage.server.context import PersonDep, WorkspaceDep, require
from pilotage.server.pages.asking import TurnDep
from pilotage.server.queries import acts, findings, gates, pilots, queues, runs, tables, versions
from pilotage.server.queries.paging import Page
from pilotage.server.queries.rows import ROWS_A_PAGE, Rows, list_rows

router = APIRouter(prefix="/api/v1", dependencies=[require("view")])


@router.get("/me", tags=["people"])
def me(person: PersonDep) -> dict[str, Any]:
    """Who you are here."""
    return {"login": person.login, "display_name": person.display_name, "roles": sorted(person.roles)}


@router.get("/pilots", tags=["pilots"])
def list_pilots(workspace: WorkspaceDep) -> list[pilots.PilotLine]:
    """Every pilot with its latest cycle."""
    return pilots.list_pilots(workspace)


@router.get("/pilots/{name}", tags=["pilots"])
def get_pilot(workspace: WorkspaceDep, name: str, cycle: int | None = None) -> pilots.PilotDetail:
    """One pilot: verdict, what waits, steps, gates, cycles, signatures."""
    return pilots.find_pilot(workspace, name, cycle=cycle)


@router.get("/pilots/{name}/gates", tags=["gates"])
def get_gates(workspace: WorkspaceDep, name: str, cycle: int | None = None) -> list[gates.GateGroup]:
    """One pilot's gates, in the order in which they were declared."""
    return pilots.find_pilot(workspace, name, cycle=cycle).gates


@router.get("/evidence", tags=["gates"])
def list_evidence(workspace: WorkspaceDep, metric: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 100) -> list[Evidence]:
    """The latest figures."""
    return gates.list_evidence(workspace, metric=metric, limit=limit)


@router.get("/evidence/{evidence_id}", tags=["gates"])
def get_evidence(workspace: WorkspaceDep, evidence_id: str) -> Evidence:
    """One figure with its interval, n, slice, method and subject."""
    return gates.find_evidence(workspace, evidence_id)


@router.get("/runs", tags=["runs"])
def list_runs(workspace: WorkspaceDep, turn: TurnDep, pilot: str | None = None, kind: str | None = None) -> Page[runs.RunLine]:
    """Runs, the newest first."""
    return runs.list_runs(workspace, pilot_id=find_pilot_id(workspace, pilot) if pilot else None, kind=kind, turn=turn)


@router.get("/runs/{run_id}", tags=["runs"])
def get_run(workspace: WorkspaceDep, run_id: str) -> runs.RunLine:
    """One run with its counts."""
    return runs.find_run(workspace, run_id)


@router.get("/runs/{run_id}/samples", tags=["runs"])
def list_samples(workspace: WorkspaceDep, turn: TurnDep, run_id: str, outcome: str | None = None, slice: str | None = None) -> Page[runs.SampleLine]:
    """The samples of a run, without what was said."""
    runs.find_run(workspace, run_id)
    return runs.list_samples(workspace, run_id, outcome=outcome, slice=slice, turn=turn)


@router.get("/samples/{sample_id}", tags=["runs"])
def get_sample(workspace: WorkspaceDep, sample_id: str) -> runs.SampleDetail:
    """One sample with its conversations and judgements."""
    return runs.find_sample(workspace, sample_id)


@router.get("/findings", tags=["findings"])
def list_findings(
    workspace: WorkspaceDep,
    turn: TurnDep,
    pilot: str | None = None,
    state: str | None = None,
    severity: str | None = None,
    clause: str | None = None,
    technique: str | None = None,
) -> Page[findings.FindingLine]:
    """Findings, the latest changed first."""
    wanted = findings.Wanted(find_pilot_id(workspace, pilot) if pilot else None, state, severity, clause, technique)
    return findings.list_findings(workspace, wanted, turn=turn)


@router.get("/findings/{finding_id}", tags=["findings"])
def get_finding(workspace: WorkspaceDep, finding_id: str, attempt: str | None = None) -> findings.FindingDetail:
    """One finding with its attempts and one conversation."""
    return findings.find_finding(workspace, finding_id, sample_id=attempt)


@router.get("/versions", tags=["data"])
def list_datasets(workspace: WorkspaceDep) -> list[versions.DatasetLine]:
    """Every dataset with its latest version."""
    return versions.list_datasets(workspace)


@router.get("/versions/{dataset}/{number}", tags=["data"])
def get_version(workspace: WorkspaceDep, dataset: str, number: int) -> versions.VersionDetail:
    """One version: card, operation, lineage, quarantine."""
    return versions.find_version(workspace, dataset, number)


@router.get("/versions/{dataset}/{number}/rows", tags=["data"])
def get_rows(
    workspace: WorkspaceDep,
    dataset: str,
    number: int,
    start: Annotated[int, Query(ge=0)] = 0,
    size: Annotated[int, Query(ge=1, le=500)] = ROWS_A_PAGE,
    where: Annotated[str | None, Query(max_length=5000, description="of tables: column op value, joined by AND")] = None,
    order_by: Annotated[str | None, Query(max_length=400, description="of tables: a column")] = None,
    descending: bool = False,
) -> Rows:
    """Some rows of a version. Of a table personal columns are left out, and binary cells are their size and hash."""
    version = load_version(workspace, f"{dataset}@{number}")
    if version.kind != TABLE:
        return list_rows(workspace, version.id, start=start, size=size)
    return tables.plain_rows(workspace, version, tables.Wanted(start, order_by, descending, where), size=size)


@router.get("/queues", tags=["review"])
def list_queues(workspace: WorkspaceDep, person: PersonDep) -> list[queues.QueueLine]:
    """The review queues with what is left in each; to who answers and does not lead, their own share of it (`mine`)."""
    return queues.list_queues(workspace, who=person)


@router.get("/ledger", tags=["ledger"], dependencies=[require("ledger")])
def list_entries(
    workspace: WorkspaceDep, turn: TurnDep, type: str | None = None, actor: str | None = None, subject: str | None = None
) -> Page[acts.Act]:
    """Entries, the newest first."""
    return acts.list_acts(workspace, type=type, actor=actor, subject=subject, turn=turn)


@router.post("/ledger/verify", tags=["ledger"], dependencies=[require("verify")])
def verify_ledger(workspace: WorkspaceDep) -> dict[str, Any]:
    """Check the whole chain now: integrity, signer and anchor are three separate answers."""
    return ledger.verify(workspace).to_dict()
