"""Ingest: every declared source becomes a version, or its rows are quarantined with their reasons. Nothing is tried from a path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pilotage.data import Contract, Version, import_file, rows
from pilotage.evaluation import EVALUATION_FIELDS, suite_of
from pilotage.readiness.cycle import StepRecord
from pilotage.readiness.result import StepResult
from pilotage.redteam import OBJECTIVE_FIELDS, objectives_of
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.readiness.voyage import Voyage

# What a row of each kind must have; rows that have not are quarantined.
CONTRACTS: dict[str, Contract] = {"evaluation": EVALUATION_FIELDS, "objectives": OBJECTIVE_FIELDS}


def ingest(voyage: Voyage) -> StepResult:
    """Import every declared source. The value is ``{source: version id}``."""
    workspace, pilot = voyage.workspace, voyage.pilot
    versions: dict[str, str] = {}
    kept = quarantined = 0
    for name, source in pilot.declaration.data.items():
        result = import_file(
            workspace,
            pilot.path(source.path),
            dataset=f"{pilot.name}.{name}",
            kind=source.kind,
            card=source.card(),
            fields=CONTRACTS[source.kind],
            within=pilot.folder,
            on_bad_rows=source.on_bad_rows,
        )
        _read(result.version, kind=source.kind, workspace=workspace, path=source.path)
        versions[name] = result.version.id
        kept += result.kept
        quarantined += result.quarantined
    detail = f"{kept} rows in {len(versions)} versions" + (f", {quarantined} quarantined" if quarantined else "")
    record = StepRecord(state="done", detail=detail, counts={"rows": kept, "quarantined": quarantined}, links={"versions": versions})
    return StepResult(record, versions)


def _read(version: Version, *, kind: str, workspace: Workspace, path: str) -> None:
    """Read the rows as the step that uses them will, so that a malformed one is met here and not when half is done."""
    read = suite_of if kind == "evaluation" else objectives_of
    read(rows(workspace, version.id), where=f"{path} ({version.ref})")
