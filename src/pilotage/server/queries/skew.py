"""Questions about skew reports: what was served, against what the batch path computes for the same entities and moments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import func, select

from pilotage.core import NotFound
from pilotage.server.queries.drawing import IntervalDrawing, draw_interval
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.views import personal_columns, personal_features, require_features, sees_personal
from pilotage.store import Workspace

TREND = 20
SPARK_WIDTH, SPARK_HEIGHT, SPARK_MARGIN = 120.0, 30.0, 4.0


@dataclass(frozen=True)
class Figure:
    """What the macros need of evidence that lies in a report."""

    id: str
    status: str
    estimate: float | None
    lower: float | None
    upper: float | None
    level: float
    n: int
    n_clusters: int | None
    method: str
    reason: str | None


@dataclass(frozen=True)
class ReportLine:
    """A report in a list. ``worst`` is the feature with the highest rate of differing values."""

    id: str
    view: str
    verdict: str
    compared: int
    dropped: int
    from_us: int
    to_us: int
    max_rate: float
    worst: str | None
    worst_rate: float | None
    cause: str | None
    created_at: int


@dataclass(frozen=True)
class Spark:
    """A feature's rate over the reports, the oldest first: points of a line, ``None`` heights left out; ``limit_y`` the limit of the newest."""

    points: tuple[tuple[float, float, str], ...]
    limit_y: float
    line: str
    said: str


@dataclass(frozen=True)
class FeatureLine:
    """One feature of a report."""

    name: str
    figure: Figure
    drawing: IntervalDrawing | None
    verdict: str
    mismatches: int
    missing: int
    extra: int
    smape: float | None
    cause: str | None
    note: str
    causes: tuple[tuple[str, int], ...]
    n_deciding: int | None
    examples: tuple[dict[str, Any], ...]
    personal: bool
    spark: Spark | None


@dataclass(frozen=True)
class ReportDetail:
    """One report."""

    line: ReportLine
    definition: str
    current: bool
    source_version: str
    features: tuple[FeatureLine, ...]
    left_out: tuple[str, ...]
    others: tuple[ReportLine, ...]
    entity_masked: bool


@dataclass(frozen=True)
class Served:
    """What the serving log holds of a view: vectors kept (at most what was counted), and vectors lost before they were written."""

    view: str
    kept: int
    dropped: int
    last_us: int | None


def list_reports(workspace: Workspace, *, view: str | None = None, turn: Turn | None = None) -> Page[ReportLine]:
    """Reports, the newest first."""
    require_features()
    from pilotage.features.online.tables import feature_skew_report as t

    statement = select(t.c.id, t.c.created_at, t.c.report).where(t.c.workspace_id == workspace.id)
    if view:
        statement = statement.where(t.c.view == view)
    with workspace.read() as conn:
        return turn_page(conn, statement, keys=[t.c.created_at, t.c.id], turn=turn or Turn(), descending=True).map(
            lambda rows: [_line(row) for row in rows]
        )


def served_counts(workspace: Workspace) -> list[Served]:
    """Per view, how many served vectors the log holds, and how many it lost. Cost: one pass over the log's index."""
    require_features()
    from pilotage.features.online.tables import feature_served as s
    from pilotage.features.online.tables import feature_served_dropped as d

    with workspace.read() as conn:
        kept = conn.execute(
            select(s.c.view, func.count(), func.max(s.c.at_us)).where(s.c.workspace_id == workspace.id).group_by(s.c.view).order_by(s.c.view)
        ).all()
        rows = conn.execute(select(d.c.view, func.sum(d.c.rows)).where(d.c.workspace_id == workspace.id).group_by(d.c.view))
        lost = {row[0]: int(row[1]) for row in rows}
    found = [Served(view, n, int(lost.pop(view, 0)), last) for view, n, last in kept]
    return found + [Served(view, 0, int(n), None) for view, n in sorted(lost.items())]


def find_report(workspace: Workspace, report_id: str, *, login: str | None = None) -> ReportDetail:
    """One report; personal values masked unless ``login`` has asked to see those of the source's version. Raises ``NotFound``."""
    require_features()
    from pilotage.features import registered_view
    from pilotage.features.online.tables import feature_skew_report as t

    with workspace.read() as conn:
        row = conn.execute(select(t.c.id, t.c.created_at, t.c.report).where(t.c.workspace_id == workspace.id, t.c.id == report_id)).first()
        if row is None:
            raise NotFound(f"There is no skew report {report_id}.", mend="go back to the list of reports")
        earlier = conn.execute(
            select(t.c.id, t.c.created_at, t.c.report)
            .where(t.c.workspace_id == workspace.id, t.c.view == row.report["view"], t.c.created_at <= row.created_at)
            .order_by(t.c.created_at.desc(), t.c.id.desc())
            .limit(TREND)
        ).all()
    report = row.report
    hidden: frozenset[str] = frozenset()
    entity_masked = current = False
    try:
        view = registered_view(workspace, report["view"])
    except NotFound:
        pass  # measured with a view that was never registered: nothing is known to be personal but what the log left out
    else:
        personal = frozenset() if sees_personal(workspace, report["source_version"], login) else personal_columns(workspace, view)
        hidden = personal_features(view, personal) | (personal & set(view.view.request_inputs))
        entity_masked = bool(personal.intersection(view.view.entity))
        current = view.view.hash == report["definition"]
    trend = [each.report for each in reversed(earlier)]
    return ReportDetail(
        line=_line(row),
        definition=report["definition"],
        current=current,
        source_version=report["source_version"],
        features=tuple(_feature(each, report["max_rate"], trend, personal=each["name"] in hidden) for each in report["features"]),
        left_out=tuple(report["left_out"]),
        others=tuple(_line(each) for each in earlier),
        entity_masked=entity_masked,
    )


def _feature(each: dict[str, Any], limit: float, trend: list[dict[str, Any]], *, personal: bool) -> FeatureLine:
    figure = _figure(each["evidence"])
    measured = figure.estimate is not None and figure.lower is not None and figure.upper is not None
    drawing = draw_interval(figure.estimate, figure.lower, figure.upper, limit=limit, allowed="below") if measured else None  # type: ignore[arg-type]
    return FeatureLine(
        name=each["name"],
        figure=figure,
        drawing=drawing,
        verdict=each["verdict"],
        mismatches=each["mismatches"],
        missing=each["missing"],
        extra=each["extra"],
        smape=each["smape"],
        cause=each["cause"],
        note=each["cause_note"],
        causes=tuple(each["causes"].items()),
        n_deciding=each["n_deciding"],
        examples=tuple(each["examples"]),
        personal=personal,
        spark=_spark(each["name"], trend, limit),
    )


def _spark(name: str, trend: list[dict[str, Any]], limit: float) -> Spark | None:
    rates = []
    for report in trend:
        found = next((each["evidence"]["estimate"] for each in report["features"] if each["name"] == name), None)
        rates.append((report["to_us"], found))
    there = [(time, rate) for time, rate in rates if rate is not None]
    if len(there) < 2:
        return None
    top = max(max(rate for _, rate in there), limit, 1e-9) * 1.1

    def y(rate: float) -> float:
        return float(round(SPARK_HEIGHT - SPARK_MARGIN - rate / top * (SPARK_HEIGHT - 2 * SPARK_MARGIN), 1))

    step = (SPARK_WIDTH - 2 * SPARK_MARGIN) / (len(rates) - 1)
    points = tuple(
        (round(SPARK_MARGIN + place * step, 1), y(rate), "over" if rate > limit else "under")
        for place, (_, rate) in enumerate(rates)
        if rate is not None
    )
    said = f"differing values of {name} over {len(there)} reports: " + ", ".join(f"{rate:.1%}" for _, rate in there)
    return Spark(points, y(limit), " ".join(f"{x},{height}" for x, height, _ in points), said)


def _figure(evidence: dict[str, Any]) -> Figure:
    known: dict[str, Any] = {name: evidence.get(name) for name in Figure.__dataclass_fields__}
    return Figure(**known)


def _line(row: Any) -> ReportLine:
    report = row.report
    rated = [(each["evidence"]["estimate"], each) for each in report["features"] if each["evidence"]["estimate"]]
    worst = max(rated, key=lambda pair: pair[0])[1] if rated else None
    return ReportLine(
        row.id,
        report["view"],
        report["verdict"],
        report["compared"],
        report["dropped"],
        report["from_us"],
        report["to_us"],
        report["max_rate"],
        None if worst is None else worst["name"],
        None if worst is None else worst["evidence"]["estimate"],
        None if worst is None else worst["cause"],
        row.created_at,
    )
