"""Questions about gate reports: every check with its limit, how its figure went before, and what accepting the report would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from sqlalchemy import desc, select

from pilotage.core import NotFound
from pilotage.server.queries.drawing import HistoryDrawing, draw_history
from pilotage.server.queries.versions import VersionLine, name_versions
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.data.quality import CheckResult, FailingRow, GateReport

PAST_SHOWN = 24


@dataclass(frozen=True)
class PastFigure:
    """What a check said in an earlier report. ``accepted``: the report passed, or a person accepted it, so limits are learned from it."""

    report_id: str
    figure: float | None
    status: str
    accepted: bool
    by_person: bool
    at: int


@dataclass(frozen=True)
class FailingLine:
    """A failing row and, where it can be named in a version that is there, the address of the page that shows it."""

    row: FailingRow
    address: str | None


@dataclass(frozen=True)
class CheckLine:
    """A check as the page shows it: the result, its failing rows, and for learned checks the figures before it with their drawing."""

    result: CheckResult
    failing: list[FailingLine]
    past: list[PastFigure]
    drawing: HistoryDrawing | None


@dataclass(frozen=True)
class ReportDetail:
    """A report with its checks, worst first. ``columns``: those for which accepting begins a new history ('' is the number of rows).

    ``not_acceptable`` says why nobody can accept it; None where an owner can.
    """

    report: GateReport
    contract: str
    declared: list[CheckLine]
    learned: list[CheckLine]
    version: VersionLine | None
    batch: str | None
    columns: list[str]
    not_acceptable: str | None


@dataclass(frozen=True)
class GateLine:
    """What the gate said of a version, for the version's page."""

    id: str
    headline: str
    verdict: str
    accepted_by: str | None


def gate_line(workspace: Workspace, version_id: str) -> GateLine | None:
    """The newest report on a version, or None where no gate has looked at it."""
    from pilotage.data.quality import gate_of

    report = gate_of(workspace, version_id)
    return None if report is None else GateLine(report.id, report.headline, report.verdict, report.accepted.person if report.accepted else None)


def find_report(workspace: Workspace, report_id: str) -> ReportDetail:
    """One report. Raises ``NotFound``."""
    from pilotage.data.contracts import contract_of
    from pilotage.data.quality import load_report

    report = load_report(workspace, report_id)
    version = _version_of(workspace, report)
    past = _past(workspace, report)
    lines = [_check(each, report, version, past) for each in sorted(report.results, key=_rank)]
    try:
        contract = contract_of(workspace, report.contract_id).ref
    except NotFound:
        contract = report.contract
    return ReportDetail(
        report=report,
        contract=contract,
        declared=[line for line in lines if not line.result.is_learned],
        learned=[line for line in lines if line.result.is_learned],
        version=version,
        batch=report.subject if report.subject.startswith("ib_") else None,
        columns=sorted({each.column or "" for each in report.failed if each.is_learned}),
        not_acceptable=_not_acceptable(report),
    )


def _rank(result: CheckResult) -> int:
    """Failed errors, what an error check could not tell, failed warnings, other gaps, and last what passed. Stable within each."""
    return {("fail", "error"): 0, ("not_assessable", "error"): 1, ("fail", "warning"): 2, ("not_assessable", "warning"): 3}.get(
        (result.status, result.severity), 4
    )


def _not_acceptable(report: GateReport) -> str | None:
    """Why a report is not one that a person may accept; the room says the same when asked to."""
    if report.accepted is not None:
        return "It is accepted already."
    if report.verdict == "pass":
        return "It passed: there is nothing to accept."
    if report.rows == 0:
        return "A table without rows is not a normal one. Find out why nothing came."
    declared = [each.check for each in (*report.failed, *report.undecided) if each.severity == "error" and not each.is_learned]
    if declared:
        return f"The contract itself says otherwise ({declared[0]}). Mend the data, or publish a new version of the contract and gate again."
    return None


def _version_of(workspace: Workspace, report: GateReport) -> VersionLine | None:
    """The version that was gated, or the one that a gated batch became."""
    from pilotage.data.quality.tables import quality_attachment

    wanted = report.version_id
    if wanted is None:
        mine = (quality_attachment.c.workspace_id == workspace.id, quality_attachment.c.report_id == report.id)
        with workspace.read() as conn:
            wanted = conn.execute(select(quality_attachment.c.version_id).where(*mine)).scalar()
    return name_versions(workspace, [wanted]).get(wanted) if wanted else None


def _past(workspace: Workspace, report: GateReport) -> dict[str, list[PastFigure]]:
    """By learned check: its figures in the reports of the dataset before this one, oldest first; of each subject the newest."""
    from pilotage.data.quality.tables import quality_acceptance, quality_report

    of, accepted = quality_report.c, quality_acceptance.c
    here = select(of.scope, of.position).where(of.workspace_id == workspace.id, of.id == report.id)
    found: dict[str, list[PastFigure]] = {}
    with workspace.read() as conn:
        scope, position = conn.execute(here).one()
        rows = conn.execute(
            select(of.id, of.subject_id, of.verdict, of.report, of.created_at, accepted.report_id)
            .outerjoin(quality_acceptance, (accepted.workspace_id == of.workspace_id) & (accepted.report_id == of.id))
            .where(of.workspace_id == workspace.id, of.dataset == report.dataset, of.scope == scope, of.position < position)
            .order_by(desc(of.position), desc(of.created_at), of.id)
            .limit(2 * PAST_SHOWN)
        ).all()
    newest: dict[str, Any] = {}
    for row in rows:
        newest.setdefault(row.subject_id, row)
    for row in reversed(list(newest.values())[:PAST_SHOWN]):
        by_person = row.report_id is not None
        for result in row.report["results"]:
            if str(result["kind"]).startswith("change."):
                past = PastFigure(row.id, result["figure"], result["status"], by_person or row.verdict == "pass", by_person, row.created_at)
                found.setdefault(result["check"], []).append(past)
    return found


def _check(result: CheckResult, report: GateReport, version: VersionLine | None, past: dict[str, list[PastFigure]]) -> CheckLine:
    before = past.get(result.check, []) if result.is_learned else []
    drawing = None
    if any(one.figure is not None for one in before):
        drawing = draw_history([one.figure for one in before], result.figure, limit=result.at_most)
    failing = [FailingLine(row, _row_address(version, row)) for row in result.examples]
    return CheckLine(result, failing, before, drawing)


def _row_address(version: VersionLine | None, row: FailingRow) -> str | None:
    """A row has a page where its version is there (a held batch has none) and it can be named: its key is not personal, and of plain values."""
    from pilotage.data.tabular.keys import key_text

    if version is None or not row.key or not all(isinstance(value, str | int) for value in row.key.values()):
        return None
    return f"/data/{quote(version.dataset)}/{version.number}/row?key={quote(key_text(list(row.key.values())), safe='')}"
