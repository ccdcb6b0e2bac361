"""Reports in the workspace: keeping, finding and listing them, and the accepted history that limits are learned from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import Connection, Select, desc, select

from pilotage.core import Conflict, NotFound, Refused, content_id
from pilotage.data.contracts.contract import Contract
from pilotage.data.quality.learning import LONGEST_HISTORY, Accepted, History
from pilotage.data.quality.policy import Limits
from pilotage.data.quality.profile import Profile
from pilotage.data.quality.report import Acceptance, CheckResult, GateReport
from pilotage.data.quality.tables import quality_acceptance, quality_attachment, quality_report
from pilotage.data.tables import dataset as dataset_table
from pilotage.data.tables import dataset_version
from pilotage.data.version import Version
from pilotage.ledger import record
from pilotage.store import Workspace, WriteTransaction

GATE_CODE = 2
"""Raised whenever the same table, contract and history could give another report."""

Scope = Literal["version", "batch"]


@dataclass(frozen=True)
class HistoryEntry:
    """One line of a dataset's gate history. ``at`` is in microseconds, UTC."""

    report_id: str
    scope: str
    subject: str
    verdict: str
    rows: int
    headline: str
    at: int
    by: str
    accepted: Acceptance | None

    def __str__(self) -> str:
        return f"{self.report_id} {self.subject}: {self.headline}"


def history(workspace: Workspace, dataset: str) -> list[HistoryEntry]:
    """Every gate report of a dataset, newest first, without their profiles."""
    query = _reports(workspace).where(quality_report.c.dataset == dataset).order_by(desc(quality_report.c.created_at), quality_report.c.id)
    with workspace.read() as conn:
        found = conn.execute(query).all()
    reports = [(row, report_of(row, profile=False)) for row in found]
    return [
        HistoryEntry(
            report_id=report.id,
            scope=row.scope,
            subject=report.subject,
            verdict=report.verdict,
            rows=report.rows,
            headline=report.headline,
            at=report.created_at,
            by=report.created_by,
            accepted=report.accepted,
        )
        for row, report in reports
    ]


def load_report(workspace: Workspace, report_id: str) -> GateReport:
    """The report with this id, profile included. Raises ``NotFound``."""
    with workspace.read() as conn:
        found = conn.execute(_reports(workspace, profile=True).where(quality_report.c.id == report_id)).first()
    if found is None:
        raise NotFound(f"There is no gate report {report_id!r}.", mend="see 'pilotage data gate history DATASET'")
    return report_of(found)


def gate_of(workspace: Workspace, version_id: str) -> GateReport | None:
    """The newest report on a version: its own, or that of the batch it came from. None where no gate has looked at it."""
    with workspace.read() as conn:
        return _gate_of(conn, workspace.id, version_id, profile=True)


def history_of(workspace: Workspace, dataset: str, *, scope: Scope = "version", before: int | None = None, limits: Limits | None = None) -> History:
    """The accepted history of a dataset: the reports that passed, and those a person accepted, oldest first; of each subject the newest.

    ``before`` leaves out what is not before it: a version's number, or for batches a time. Versions and batches have histories of their own, since
    a version holds all rows and a batch the new ones.
    """
    query = _reports(workspace, profile=True).where(
        quality_report.c.dataset == dataset,
        quality_report.c.scope == scope,
        (quality_report.c.verdict == "pass") | quality_acceptance.c.report_id.is_not(None),
    )
    if before is not None:
        query = query.where(quality_report.c.position < before)
    query = query.order_by(desc(quality_report.c.position), desc(quality_report.c.created_at), quality_report.c.id).limit(4 * LONGEST_HISTORY)
    with workspace.read() as conn:
        found = conn.execute(query).all()
    newest: dict[str, Any] = {}
    for row in found:
        newest.setdefault(row.subject_id, row)
    accepted = [
        Accepted(report_id=row.id, profile=Profile.from_dict(row.profile), restarts=frozenset(row.accepted_columns or ()))
        for row in reversed(list(newest.values())[:LONGEST_HISTORY])
    ]
    return History(reports=tuple(accepted), limits=limits or Limits())


def report_id(*, subject: str, contract: Contract, history: History | None, limits: Limits | None, now_us: int | None) -> str:
    """The id of a gate: the same subject, contract, history, limits and code have one report."""
    return content_id(
        "qr",
        {
            "subject": subject,
            "contract": contract.id,
            "limits": None if limits is None else limits.to_dict(),
            "history": None if history is None else [[each.report_id, sorted(each.restarts)] for each in history.reports],
            "now": now_us,
            "code": GATE_CODE,
        },
    )


def keep_report(workspace: Workspace, report: GateReport, *, scope: Scope, position: int) -> GateReport:
    """Write a report and its ledger entry, in one transaction; the same report again is the one that is there."""

    def job(tx: WriteTransaction) -> None:
        mine = (quality_report.c.workspace_id == tx.workspace_id, quality_report.c.id == report.id)
        if tx.conn.execute(select(quality_report.c.id).where(*mine)).first() is not None:
            return
        plain = report.to_dict()
        tx.insert(
            quality_report,
            {
                "id": report.id,
                "dataset": report.dataset,
                "scope": scope,
                "subject_id": report.subject,
                "position": position,
                "contract_id": report.contract_id,
                "verdict": report.verdict,
                "rows": report.rows,
                "report": {name: plain[name] for name in ("contract", "results", "limits", "history")},
                "profile": report.profile.to_dict(),
            },
        )
        body = {
            "dataset": report.dataset,
            "subject": report.subject,
            "contract": report.contract_id,
            "verdict": report.verdict,
            "rows": report.rows,
            "failed": [each.check for each in report.failed],
            "undecided": [each.check for each in report.undecided],
        }
        record(tx, type="quality.gated", subject=report.id, body=body)

    workspace.write(job)
    return load_report(workspace, report.id)


def attach_report(tx: WriteTransaction, *, report_id: str, version: Version) -> None:
    """Say that a version is what a batch became, in the transaction that publishes it; the batch's report then speaks for the version.

    Raises
    ------
    Refused
        If the batch has not passed (nor been accepted), or the rows it was added to, a parent of the same dataset, have not.
    Conflict
        If the version already has another batch's report.
    """
    report = _find(tx.conn, tx.workspace_id, report_id)
    if report is None:
        raise NotFound(f"There is no gate report {report_id!r}.")
    if not report.passed:
        raise Refused(f"The batch's gate says {report.verdict}.", where=report_id, mend="mend the batch, or have a person accept it as normal")
    for parent in _unchecked_parents(tx, version):
        raise Refused(
            f"{parent} has not passed its gate, and this batch was added to it.",
            where=version.ref,
            why="a batch's report says nothing of the rows that were there before",
            mend=f"run 'pilotage data gate {parent}' first, or gate {version.ref} whole",
        )
    mine = (quality_attachment.c.workspace_id == tx.workspace_id, quality_attachment.c.version_id == version.id)
    there = tx.conn.execute(select(quality_attachment.c.report_id).where(*mine)).scalar()
    if there is not None and there != report_id:
        raise Conflict(f"{version.ref} already has the report of another batch.", where=str(there))
    if there is None:
        tx.insert(quality_attachment, {"version_id": version.id, "report_id": report_id})
        record(tx, type="quality.attached", subject=version.id, body={"report": report_id, "dataset": version.dataset})


def _unchecked_parents(tx: WriteTransaction, version: Version) -> list[str]:
    """The versions of the same dataset that this one was made from and whose newest report does not let them through."""
    unchecked = []
    for parent in version.parents:
        found = tx.conn.execute(
            select(dataset_version.c.number, dataset_table.c.name)
            .join(
                dataset_table,
                (dataset_table.c.workspace_id == dataset_version.c.workspace_id) & (dataset_table.c.id == dataset_version.c.dataset_id),
            )
            .where(dataset_version.c.workspace_id == tx.workspace_id, dataset_version.c.id == parent)
        ).first()
        if found is not None and found.name == version.dataset:
            report = _gate_of(tx.conn, tx.workspace_id, parent, profile=False)
            if report is None or not report.passed:
                unchecked.append(f"{found.name}@{found.number}")
    return unchecked


def report_of(row: Any, *, profile: bool = True) -> GateReport:
    """The record of a row of :func:`_reports`."""
    kept = row.report
    accepted = None
    if row.accepted_by is not None:
        accepted = Acceptance(person=row.accepted_by, reason=row.accepted_reason, at=row.accepted_at, columns=tuple(row.accepted_columns))
    return GateReport(
        verdict=row.verdict,
        results=tuple(CheckResult.from_dict(each) for each in kept["results"]),
        profile=Profile.from_dict(row.profile) if profile else Profile(rows=row._mapping["rows"], columns={}),
        rows=row._mapping["rows"],
        contract=kept["contract"],
        contract_id=row.contract_id,
        limits=None if kept["limits"] is None else Limits.from_dict(kept["limits"]),
        history=tuple(kept["history"]),
        id=row.id,
        dataset=row.dataset,
        subject=row.subject_id,
        version_id=row.subject_id if row.scope == "version" else None,
        created_at=row.created_at,
        created_by=row.created_by,
        accepted=accepted,
    )


def _gate_of(conn: Connection, workspace_id: str, version_id: str, *, profile: bool) -> GateReport | None:
    attached = select(quality_attachment.c.report_id).where(
        quality_attachment.c.workspace_id == workspace_id, quality_attachment.c.version_id == version_id
    )
    query = _query(workspace_id, profile=profile).where((quality_report.c.subject_id == version_id) | quality_report.c.id.in_(attached))
    found = conn.execute(query.order_by(desc(quality_report.c.created_at), desc(quality_report.c.id)).limit(1)).first()
    return None if found is None else replace(report_of(found, profile=profile), version_id=version_id)


def _find(conn: Connection, workspace_id: str, report_id: str) -> GateReport | None:
    found = conn.execute(_query(workspace_id, profile=False).where(quality_report.c.id == report_id)).first()
    return None if found is None else report_of(found, profile=False)


def _reports(workspace: Workspace, *, profile: bool = False) -> Select[Any]:
    return _query(workspace.id, profile=profile)


def _query(workspace_id: str, *, profile: bool) -> Select[Any]:
    columns: Iterable[Any] = (each for each in quality_report.c if profile or each.name != "profile")
    return (
        select(
            *columns,
            quality_acceptance.c.report_id,
            quality_acceptance.c.created_by.label("accepted_by"),
            quality_acceptance.c.created_at.label("accepted_at"),
            quality_acceptance.c.reason.label("accepted_reason"),
            quality_acceptance.c.columns.label("accepted_columns"),
        )
        .outerjoin(
            quality_acceptance,
            (quality_acceptance.c.workspace_id == quality_report.c.workspace_id) & (quality_acceptance.c.report_id == quality_report.c.id),
        )
        .where(quality_report.c.workspace_id == workspace_id)
    )
