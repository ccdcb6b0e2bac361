"""Calibration reports, kept: content-addressed, about one model and prompt, and numbered by look.

Looking at a model again and again until a look is good enough proves nothing; each look therefore spends its part of delta, and its number is given
out once (:func:`next_look`). A report that was changed after it was stored no longer matches its id, and everything that would stand on it refuses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, RowMapping, func, select

from pilotage.core import Conflict, IntegrityError, NotFound, content_id
from pilotage.ledger import record
from pilotage.people import require
from pilotage.people.permissions import Roles
from pilotage.review.routing.tables import calibration_report
from pilotage.store import Workspace, WriteTransaction

if TYPE_CHECKING:
    from pilotage.judging.calibration import CalibrationReport, Recalibrator

R = calibration_report.c


@dataclass(frozen=True)
class StoredReport:
    """A report as routing uses it; the whole of it is in ``report``.

    thresholds
        Slice → the certified threshold on the mended confidence, '' for the common one; None where nothing was certified.
    reasons
        Slice → why there is none.
    risk, delta
        What a threshold promises: at most ``risk`` wrong among what is accepted, with probability 1 - ``delta``.
    created_at
        µs, UTC.
    """

    id: str
    category: str
    model: str
    prompt: str
    look: int
    labels_hash: str
    verdict: str
    risk: float | None
    delta: float | None
    thresholds: dict[str, float | None]
    reasons: dict[str, str]
    recalibrator: dict[str, Any]
    report: dict[str, Any]
    created_at: int
    created_by: str

    @property
    def why(self) -> str:
        """Why it is not routable; '' where it is."""
        return self.reasons.get("verdict", "")

    def threshold_for(self, slice: str, *, alone: bool = True) -> float | None:
        """The certified threshold of a slice ('' for everything), or None: what was not certified by itself is not covered by the whole.

        ``alone``: whether '' is everything, or what other slices leave over, of which the common threshold promises nothing.
        """
        if self.verdict != "routable" or (not slice and not alone):
            return None
        return self.thresholds.get(slice)

    def why_not(self, slice: str, *, alone: bool = True) -> str:
        """Why a slice has no threshold."""
        if self.verdict != "routable":
            return f"its verdict is {self.verdict}"
        if not slice and not alone:
            return "the common threshold promises something of everything together, not of what the other slices leave over"
        return self.reasons.get(slice) or "it has no such slice"


def next_look(workspace: Workspace, *, category: str, model: str, prompt: str = "") -> int:
    """The number of the next look at this model and prompt, from 1. To be given to ``calibration_report(look=…)``."""
    with workspace.read() as conn:
        return 1 + _looks(conn, workspace.id, category, model, prompt)


def store_report(
    workspace: Workspace, report: CalibrationReport, *, category: str, recalibrator: Recalibrator, prompt: str = "", person: Roles
) -> StoredReport:
    """Keep a report. The same again changes nothing.

    Raises
    ------
    Conflict
        If its look is not the next one: two looks with one number would both claim all of its alpha.
    Refused
        If the person may not run, or the report is not about confidence mended by ``recalibrator``: routing on raw confidence is refused.
    """
    from pilotage.review.routing.reading import body_of

    require(person, "run")
    body = body_of(report, recalibrator)
    return keep_report(workspace, body, category=category, prompt=prompt, person=person)


def keep_report(workspace: Workspace, body: dict[str, Any], *, category: str, prompt: str, person: Roles) -> StoredReport:
    """As :func:`store_report`, from plain data."""
    row = {"category": category, "prompt": prompt, **{name: body[name] for name in ("model", "look", "labels_hash", "verdict")}, "report": body}
    made = report_id(row)

    def job(tx: WriteTransaction) -> None:
        if tx.conn.execute(select(R.id).where(R.workspace_id == tx.workspace_id, R.id == made)).first() is not None:
            return
        looked = _looks(tx.conn, tx.workspace_id, category, body["model"], prompt)
        if body["look"] != looked + 1:
            raise Conflict(
                f"This report is look {body['look']}; {looked} looks at this model are kept, so the next is {looked + 1}.",
                where=f"category '{category}', model '{body['model']}'",
                why="every look spends a part of delta of its own",
                mend="report again with the next look's number: 'pilotage routing report' asks for it itself",
            )
        tx.insert(calibration_report, {"id": made, **row}, actor=person.login)
        said = {name: row[name] for name in ("category", "model", "prompt", "look", "labels_hash", "verdict")}
        said |= {"thresholds": body["thresholds"], "risk": body["risk"], "delta": body["delta"]}
        record(tx, type="calibration.reported", subject=made, body=said, actor=person.login)

    workspace.write(job)
    return load_report(workspace, made)


def load_report(workspace: Workspace, report_id: str) -> StoredReport:
    """The report. Raises ``NotFound``, or ``IntegrityError`` if it does not match its id."""
    with workspace.read() as conn:
        return find_report(conn, workspace.id, report_id)


def find_report(conn: Connection, workspace_id: str, wanted: str) -> StoredReport:
    """As :func:`load_report`, within a transaction of the caller."""
    row = conn.execute(select(calibration_report).where(R.workspace_id == workspace_id, R.id == wanted)).mappings().first()
    if row is None:
        raise NotFound(f"There is no calibration report {wanted}.", mend="make one with 'pilotage routing report'")
    return _stored(row)


def reports(workspace: Workspace, *, category: str | None = None) -> list[StoredReport]:
    """Every report, oldest first."""
    where = [R.workspace_id == workspace.id] + ([R.category == category] if category is not None else [])
    with workspace.read() as conn:
        return [_stored(row) for row in conn.execute(select(calibration_report).where(*where).order_by(R.created_at, R.id)).mappings()]


def later_look(conn: Connection, workspace_id: str, report: StoredReport) -> str | None:
    """A later look at the same model and prompt, or None."""
    same = (R.workspace_id == workspace_id, R.category == report.category, R.model == report.model, R.prompt == report.prompt)
    return conn.execute(select(R.id).where(*same, R.look > report.look).order_by(R.look.desc()).limit(1)).scalar()


def latest_look(conn: Connection, workspace_id: str, category: str, model: str, prompt: str) -> str | None:
    """The latest report of a model and prompt, or None."""
    same = (R.workspace_id == workspace_id, R.category == category, R.model == model, R.prompt == prompt)
    return conn.execute(select(R.id).where(*same).order_by(R.look.desc()).limit(1)).scalar()


def report_id(row: dict[str, Any] | RowMapping) -> str:
    """The id of a report's content. Numbers are hashed as the text JSON gives them."""
    return content_id("cal", {name: row[name] for name in ("category", "model", "prompt", "look", "labels_hash", "verdict", "report")})


def _looks(conn: Connection, workspace_id: str, category: str, model: str, prompt: str) -> int:
    same = (R.workspace_id == workspace_id, R.category == category, R.model == model, R.prompt == prompt)
    return int(conn.execute(select(func.max(R.look)).where(*same)).scalar() or 0)


def _stored(row: RowMapping) -> StoredReport:
    if report_id(row) != row["id"]:
        raise IntegrityError(
            f"The calibration report {row['id']} does not match its own hash.", why="it was changed after it was stored", mend="run 'pilotage verify'"
        )
    body = row["report"]
    return StoredReport(
        id=row["id"],
        category=row["category"],
        model=row["model"],
        prompt=row["prompt"],
        look=row["look"],
        labels_hash=row["labels_hash"],
        verdict=row["verdict"],
        risk=body["risk"],
        delta=body["delta"],
        thresholds=body["thresholds"],
        reasons=body["reasons"],
        recalibrator=body["recalibrator"],
        report=body["report"],
        created_at=row["created_at"],
        created_by=row["created_by"],
    )
