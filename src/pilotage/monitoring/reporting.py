"""Keeping what monitoring found: one report, its figures as evidence, and an entry in the ledger, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import select

from pilotage.core import NotFound, content_id
from pilotage.evidence import Evidence, put_evidence
from pilotage.ledger import record
from pilotage.monitoring.diagnosis import Diagnosis
from pilotage.monitoring.distances import DriftReport
from pilotage.monitoring.estimation import PerformanceEstimate
from pilotage.monitoring.gaps import GroupGaps
from pilotage.monitoring.retrieval import RetrievalDrift
from pilotage.monitoring.tables import monitor_report
from pilotage.store import Workspace, WriteTransaction

ReportKind = Literal["diagnosis", "drift", "estimate", "retrieval", "groups"]
Found = Diagnosis | DriftReport | PerformanceEstimate | RetrievalDrift | GroupGaps


@dataclass(frozen=True)
class Report:
    """A kept report. ``said``: the cause of a diagnosis, else in words. ``body``: all of it as plain data. ``created_at``: µs, UTC."""

    id: str
    kind: ReportKind
    pilot_id: str | None
    reference: str
    production: str
    said: str
    why: str
    n_reference: int
    n_production: int
    evidence_ids: tuple[str, ...]
    body: Mapping[str, Any]
    created_at: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**{name: getattr(self, name) for name in self.__dataclass_fields__}, "evidence_ids": list(self.evidence_ids)}

    def __str__(self) -> str:
        return f"{self.kind} of {self.production} against {self.reference}: {self.said}: {self.why}"


def put_report(workspace: Workspace, found: Found, *, reference: str, production: str, pilot_id: str | None = None) -> Report:
    """Keep ``found`` about these windows (version ids, or names). The same again changes nothing and returns the report that is there."""
    report, figures = _report(found, reference, production, pilot_id)

    def job(tx: WriteTransaction) -> None:
        keep_report(tx, report, figures)

    workspace.write(job)
    return load_report(workspace, report.id)


def keep_report(tx: WriteTransaction, report: Report, figures: Iterable[Evidence]) -> str:
    """As :func:`put_report`, within a transaction of the caller's."""
    t = monitor_report
    if tx.conn.execute(select(t.c.id).where(t.c.workspace_id == tx.workspace_id, t.c.id == report.id)).first() is not None:
        return report.id
    for figure in figures:
        put_evidence(tx, figure)
    row = {name: value for name, value in report.to_dict().items() if name != "created_at"}
    tx.insert(t, row)
    record(
        tx,
        type="monitor.reported",
        subject=report.id,
        body={
            "kind": report.kind,
            "reference": report.reference,
            "production": report.production,
            "said": report.said,
            "figures": len(report.evidence_ids),
        },
    )
    return report.id


def load_report(workspace: Workspace, report_id: str) -> Report:
    """The report. Raises ``NotFound``."""
    t = monitor_report
    with workspace.read() as conn:
        row = conn.execute(select(t).where(t.c.workspace_id == workspace.id, t.c.id == report_id)).first()
    if row is None:
        raise NotFound(f"There is no report {report_id}.", mend="pilotage monitor report lists them")
    return _read(row)


def reports(
    workspace: Workspace, *, pilot_id: str | None = None, production: str | None = None, kind: str | None = None, limit: int = 50
) -> list[Report]:
    """The latest reports, newest first."""
    t = monitor_report
    asked = {"pilot_id": pilot_id, "production": production, "kind": kind}
    conditions = [t.c.workspace_id == workspace.id, *(t.c[name] == value for name, value in asked.items() if value is not None)]
    with workspace.read() as conn:
        rows = list(conn.execute(select(t).where(*conditions).order_by(t.c.created_at.desc(), t.c.id.desc()).limit(limit)))
    return [_read(row) for row in rows]


def _read(row: Any) -> Report:
    values = {name: getattr(row, name) for name in Report.__dataclass_fields__}
    return Report(**{**values, "evidence_ids": tuple(row.evidence_ids)})


def _report(found: Found, reference: str, production: str, pilot_id: str | None) -> tuple[Report, tuple[Evidence, ...]]:
    kind: ReportKind
    figures: tuple[Evidence, ...]
    if isinstance(found, Diagnosis):
        kind, figures, said, why, n = "diagnosis", found.figures, str(found.cause), found.why, (found.n_reference, found.n_production)
    elif isinstance(found, DriftReport):
        figures = tuple(figure for column in found.columns for figure in column.figures)
        kind, said, n = "drift", f"{len(found.drifted)} of {len(found.columns)} columns drifted", (found.n_reference, found.n_production)
        why = ", ".join(found.drifted)
    elif isinstance(found, PerformanceEstimate):
        kind, figures, n = "estimate", (*found.figures, *found.drops), (0, found.figures[0].n)
        said, why = "refused" if found.refusals else "estimated", "; ".join(found.refusals or found.notes)
    elif isinstance(found, RetrievalDrift):
        kind, figures, n = "retrieval", found.figures, found.queries
        said, why = f"{len(found.alarms)} beyond their limits", "; ".join(found.alarms)
    else:
        kind, figures, n = "groups", (*found.groups, found.gap_before, found.gap_now, found.change), (found.gap_before.n, found.gap_now.n)
        said, why = "the gap widened" if found.widened else "no wider gap is shown", str(found.change)
    ids = tuple(figure.id for figure in figures)
    made = Report("", kind, pilot_id, reference, production, said, why, n[0], n[1], ids, found.to_dict())
    content = {name: value for name, value in made.to_dict().items() if name not in ("id", "created_at")}
    return replace(made, id=content_id("mr", content)), figures
