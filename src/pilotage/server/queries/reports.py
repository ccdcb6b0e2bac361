"""Questions about monitoring's reports: what was found, on which figures, and what was decided after it.

Only tables are read, so that the pages work where the extra for tables is not installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import BigInteger, Boolean, Select, Text, column, select, table

from pilotage.core import NotFound
from pilotage.data.tables import dataset
from pilotage.evidence import Evidence, load_evidence
from pilotage.monitoring.tables import monitor_report
from pilotage.readiness.tables import pilot
from pilotage.server.queries.drawing import IntervalDrawing, draw_interval
from pilotage.server.queries.figures import ShapeDrawing, TrendDrawing, TrendPoint, draw_shape, draw_trend
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.versions import VersionLine, name_versions
from pilotage.store import JsonText, Workspace

VERDICTS = ("nothing", "data bug", "covariate shift harmless", "covariate shift harmful", "concept drift", "label shift", "undecided")
KINDS = ("diagnosis", "drift", "estimate", "retrieval", "groups")
TREND_POINTS = 60
_HEADLINES = 2
_FIGURES_READ = 24

# What each rung of the ladder asks, in order; those a diagnosis did not come to are shown as such.
RUNGS = {
    "data": "Is it a bug of the data?",
    "size": "Are there enough rows?",
    "inputs": "Can a classifier tell production from the reference?",
    "estimate": "How much should performance have fallen?",
    "realised": "What do the labels say?",
    "truth given inputs": "Did the truth about the same inputs change?",
    "label shift": "Did the share of positives change while each class looks as it did?",
}
# Which threshold a figure is held against.
LIMITS = {"drift.domain_auc": "negligible_auc", "estimated_drop": "harm", "loss_change.concept": "material", "labels.prior_change": "prior"}
THRESHOLDS = {
    "alpha": "of each test: a smaller p is a change",
    "metric": "what harm is measured in",
    "harm": "a fall of it that hurts",
    "material": "a concept part of the loss that matters",
    "tolerable": "“nothing” only if a larger concept part is ruled out",
    "negligible_auc": "“nothing” only if the domain AUC is surely below",
    "prior": "a change of the share of positives that matters",
    "explains": "p of P(X | Y) from which label shift explains it",
    "min_rows": "rows needed in each window",
}

# By name: the room of pipelines needs an extra that may not be installed; its tables are there all the same.
_DECISION = table(
    "retraining_decision",
    *(column(name, Text) for name in ("workspace_id", "pipeline", "run_id", "report", "held_back_by")),
    column("fired", Boolean),
    column("triggers", JsonText),
    column("created_at", BigInteger),
)
_RUN = table("workflow_run", *(column(name, Text) for name in ("workspace_id", "id", "key", "state")))
_STEP = table("workflow_step", *(column(name, Text) for name in ("workspace_id", "run_id", "name", "state")), column("result", JsonText))


@dataclass(frozen=True)
class Side:
    """One of the two windows compared: a version where its name is one's id, else a name; ``dataset`` where the name begins with that of one."""

    name: str
    rows: int
    version: VersionLine | None = None
    dataset: str | None = None


@dataclass(frozen=True)
class ReportLine:
    """One report. ``said`` is the verdict of a diagnosis, else what is beyond its limit, in words."""

    id: str
    kind: str
    said: str
    why: str
    reference: Side
    production: Side
    pilot_name: str | None
    pipelines: list[str]
    headline: list[Evidence]
    created_by: str
    created_at: int


@dataclass(frozen=True)
class Figure:
    """A figure of a rung, the threshold it is held against, and both as a drawing where there is one."""

    evidence: Evidence
    limit: float | None = None
    limit_text: str | None = None
    drawing: IntervalDrawing | None = None


@dataclass(frozen=True)
class RungShown:
    """A rung of the ladder. ``state``: ``passed`` (went on), ``stopped`` (the verdict was reached here) or ``unreached``."""

    name: str
    asked: str
    found: str | None
    state: str
    figures: list[Figure] = field(default_factory=list)


@dataclass(frozen=True)
class ColumnShown:
    """A column behind it: its rank, how telling it is, and how it looked before and after."""

    name: str
    behind: bool
    alone: float | None
    importance: float | None
    said: str | None
    figures: list[Evidence]
    drawing: ShapeDrawing | None
    missing: tuple[float, float] | None
    n: tuple[int, int] | None


@dataclass(frozen=True)
class Retraining:
    """What was decided about training after a report, and what came of it."""

    pipeline: str
    run_id: str
    tick: str | None
    run_state: str | None
    fired: bool
    triggers: list[dict[str, Any]]
    held_back_by: str | None
    model: str | None
    promoted: bool | None
    outcome: str | None
    created_at: int


@dataclass(frozen=True)
class ReportDetail:
    """A report with its ladder, the columns behind it, and what followed. ``rungs`` is empty where it is no diagnosis."""

    line: ReportLine
    rungs: list[RungShown]
    columns: list[ColumnShown]
    figures: list[Figure]
    notes: list[str]
    bugs: list[dict[str, Any]]
    thresholds: dict[str, Any]
    n_labelled: int | None
    n_needed: int | None
    left_out: dict[str, str]
    retraining: list[Retraining]
    before: ReportLine | None


def list_reports(
    workspace: Workspace,
    *,
    pilot_id: str | None = None,
    pipeline: str | None = None,
    verdict: str | None = None,
    kind: str | None = None,
    turn: Turn | None = None,
) -> Page[ReportLine]:
    """Reports, the newest first. Their bodies are not read."""
    statement = _lines(workspace)
    if pilot_id:
        statement = statement.where(monitor_report.c.pilot_id == pilot_id)
    if pipeline:
        of = select(_DECISION.c.report).where(_DECISION.c.workspace_id == workspace.id, _DECISION.c.pipeline == pipeline)
        statement = statement.where(monitor_report.c.id.in_(of))
    if verdict:
        statement = statement.where(monitor_report.c.said == verdict, monitor_report.c.kind == "diagnosis")
    if kind:
        statement = statement.where(monitor_report.c.kind == kind)
    with workspace.read() as conn:
        found = turn_page(conn, statement, keys=[monitor_report.c.created_at, monitor_report.c.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: _read_lines(workspace, rows))


def list_pipelines(workspace: Workspace) -> list[str]:
    """The pipelines that decided anything."""
    with workspace.read() as conn:
        statement = select(_DECISION.c.pipeline).where(_DECISION.c.workspace_id == workspace.id).distinct().order_by(_DECISION.c.pipeline)
        return list(conn.execute(statement).scalars())


def find_report(workspace: Workspace, report_id: str) -> ReportDetail:
    """One report with all there is to it. Raises ``NotFound``."""
    m = monitor_report
    with workspace.read() as conn:
        row = conn.execute(_lines(workspace).add_columns(m.c.body).where(m.c.id == report_id)).first()
        if row is None:
            raise NotFound("There is no such report.", where=report_id, mend="see the list of reports")
        earlier = conn.execute(
            _lines(workspace)
            .where(m.c.kind == row.kind, m.c.reference == row.reference, m.c.created_at < row.created_at)
            .order_by(m.c.created_at.desc(), m.c.id.desc())
            .limit(1)
        ).all()
    line, *before = _read_lines(workspace, [row, *earlier])
    body = row.body
    figures = {one.id: one for one in load_evidence(workspace, ids=row.evidence_ids)} if row.evidence_ids else {}
    thresholds = {name: value for name, value in (body.get("thresholds") or {}).items() if name in THRESHOLDS}
    rungs = _rungs(body, figures, thresholds) if line.kind == "diagnosis" else []
    columns = _columns(body, figures)
    in_columns = {one.id for each in columns for one in each.figures} | {one.evidence.id for rung in rungs for one in rung.figures}
    return ReportDetail(
        line=line,
        rungs=rungs,
        columns=columns,
        figures=[_figure(one, thresholds) for one in figures.values() if one.id not in in_columns][:200],
        notes=[str(note) for note in body.get("notes") or ()],
        bugs=list(body.get("bugs") or ()),
        thresholds=thresholds,
        n_labelled=body.get("n_labelled"),
        n_needed=body.get("n_needed"),
        left_out=dict(body.get("left_out") or {}),
        retraining=_retraining(workspace, report_id),
        before=before[0] if before else None,
    )


def trend_of(workspace: Workspace, pipeline: str) -> TrendDrawing | None:
    """The watched metric over the latest reports: what was estimated before labels, and what labels said. None where nothing was watched."""
    d, m = _DECISION.c, monitor_report.c
    statement = (
        select(m.id, m.said, m.evidence_ids, _RUN.c.key)
        .select_from(_DECISION)
        .join(monitor_report, (m.workspace_id == d.workspace_id) & (m.id == d.report))
        .join(_RUN, (_RUN.c.workspace_id == d.workspace_id) & (_RUN.c.id == d.run_id))
        .where(d.workspace_id == workspace.id, d.pipeline == pipeline)
        .order_by(_RUN.c.key.desc())
        .limit(TREND_POINTS)
    )
    with workspace.read() as conn:
        rows = list(dict.fromkeys((row.id, row.said, tuple(row.evidence_ids), row.key) for row in conn.execute(statement)))
    rows.reverse()
    figures = _evidence(workspace, [one for _, _, ids, _ in rows for one in ids])
    points = []
    for report_id, said, ids, key in rows:
        mine = {figures[one].metric: figures[one] for one in ids if one in figures}
        estimated, realised = _first(mine, "estimated."), _first(mine, "realised.")
        if estimated is not None or realised is not None:
            points.append(TrendPoint(report_id, said, str(key)[:10], estimated, realised))
    return draw_trend(points)


def _first(figures: Mapping[str, Evidence], prefix: str) -> Evidence | None:
    return next((one for metric, one in figures.items() if metric.startswith(prefix)), None)


def _lines(workspace: Workspace) -> Select[Any]:
    m = monitor_report.c
    wanted = [column for column in m if column.name != "body"]
    named = (pilot.c.workspace_id == m.workspace_id) & (pilot.c.id == m.pilot_id)
    return select(*wanted, pilot.c.name.label("pilot_name")).outerjoin(pilot, named).where(m.workspace_id == workspace.id)


def _read_lines(workspace: Workspace, rows: Iterable[Any]) -> list[ReportLine]:
    rows = list(rows)
    versions = name_versions(
        workspace, list(dict.fromkeys(name for row in rows for name in (row.reference, row.production) if name.startswith("dv_")))
    )
    wanted = {row.id: list(row.evidence_ids)[:_FIGURES_READ] for row in rows}
    figures = _evidence(workspace, [one for ids in wanted.values() for one in ids])
    pipelines = _pipelines_of(workspace, list(wanted))
    datasets = _datasets_of(workspace, [row.production for row in rows])
    return [
        ReportLine(
            id=row.id,
            kind=row.kind,
            said=row.said,
            why=row.why,
            reference=Side(row.reference, row.n_reference, versions.get(row.reference)),
            production=Side(row.production, row.n_production, versions.get(row.production), datasets.get(row.production)),
            pilot_name=row.pilot_name,
            pipelines=pipelines.get(row.id, []),
            headline=_headline(row.kind, [figures[one] for one in wanted[row.id] if one in figures]),
            created_by=row.created_by,
            created_at=row.created_at,
        )
        for row in rows
    ]


def _evidence(workspace: Workspace, ids: list[str]) -> dict[str, Evidence]:
    return {one.id: one for one in load_evidence(workspace, ids=list(dict.fromkeys(ids)))} if ids else {}


def _pipelines_of(workspace: Workspace, ids: list[str]) -> dict[str, list[str]]:
    d = _DECISION.c
    found: dict[str, list[str]] = {}
    with workspace.read() as conn:
        for row in conn.execute(
            select(d.report, d.pipeline).where(d.workspace_id == workspace.id, d.report.in_(ids)).distinct().order_by(d.pipeline)
        ):
            found.setdefault(row.report, []).append(row.pipeline)
    return found


def _datasets_of(workspace: Workspace, names: list[str]) -> dict[str, str]:
    """Of windows named ``<dataset> at <moment>``, the datasets that are there."""
    begin = {name: name.partition(" at ")[0] for name in names}
    with workspace.read() as conn:
        wanted = dataset.c.workspace_id == workspace.id, dataset.c.name.in_(list(begin.values()))
        there = set(conn.execute(select(dataset.c.name).where(*wanted)).scalars())
    return {name: first for name, first in begin.items() if first in there}


def _headline(kind: str, figures: list[Evidence]) -> list[Evidence]:
    """The figures that say most: of a diagnosis the fall and the change of the truth, before how far the inputs moved."""
    if kind != "diagnosis":
        return figures[:_HEADLINES]
    order = ("estimated_drop.", "loss_change.concept", "realised.", "drift.domain_auc")
    ranked = sorted(figures, key=lambda one: next((place for place, prefix in enumerate(order) if one.metric.startswith(prefix)), len(order)))
    return ranked[:_HEADLINES]


def _rungs(body: Mapping[str, Any], figures: Mapping[str, Evidence], thresholds: Mapping[str, Any]) -> list[RungShown]:
    path = list(body.get("path") or ())
    climbed = [
        RungShown(
            name=rung["name"],
            asked=rung["asked"],
            found=rung["found"],
            state="stopped" if place == len(path) - 1 else "passed",
            figures=[_figure(figures[one["id"]], thresholds) for one in rung["figures"] if one["id"] in figures],
        )
        for place, rung in enumerate(path)
    ]
    there = {rung.name for rung in climbed}
    return [*climbed, *(RungShown(name, asked, None, "unreached") for name, asked in RUNGS.items() if name not in there)]


def _figure(one: Evidence, thresholds: Mapping[str, Any]) -> Figure:
    name = LIMITS.get(one.metric) or LIMITS.get(one.metric.partition(".")[0])
    limit = thresholds.get(name) if name else None
    if not isinstance(limit, int | float) or one.estimate is None or one.lower is None or one.upper is None:
        return Figure(one)
    drawing = draw_interval(one.estimate, one.lower, one.upper, limit=float(limit), allowed="below")
    return Figure(one, float(limit), f"{str(name).replace('_', ' ')} from {limit:g}", drawing)


def _columns(body: Mapping[str, Any], figures: Mapping[str, Evidence]) -> list[ColumnShown]:
    """Columns as a diagnosis ranks them, or as drift measured them; each with its picture where the report keeps one."""
    shapes = {shape["column"]: shape for shape in body.get("shapes") or ()}
    ranks = {each["column"]: each for each in body.get("behind") or ()}
    measured = {each["name"]: each for each in body.get("columns") or () if isinstance(each, dict)}
    behind = [name for name in body.get("columns") or () if isinstance(name, str)] or list(body.get("drifted") or ())
    found = []
    for name in list(dict.fromkeys([*behind, *ranks, *measured, *shapes]))[:60]:
        shape, rank, drift = shapes.get(name), ranks.get(name, {}), measured.get(name, {})
        found.append(
            ColumnShown(
                name=name,
                behind=name in behind,
                alone=rank.get("alone"),
                importance=rank.get("importance"),
                said=drift.get("why"),
                figures=[figures[one["id"]] for one in drift.get("figures") or () if one["id"] in figures],
                drawing=draw_shape(shape) if shape else None,
                missing=tuple(shape["missing"]) if shape else None,
                n=tuple(shape["n"]) if shape else None,
            )
        )
    return found


def _retraining(workspace: Workspace, report_id: str) -> list[Retraining]:
    d = _DECISION.c
    with workspace.read() as conn:
        rows = conn.execute(
            select(_DECISION, _RUN.c.key, _RUN.c.state)
            .outerjoin(_RUN, (_RUN.c.workspace_id == d.workspace_id) & (_RUN.c.id == d.run_id))
            .where(d.workspace_id == workspace.id, d.report == report_id)
            .order_by(d.created_at.desc())
            .limit(20)
        ).all()
        results: dict[str, dict[str, Any]] = {}
        for step in conn.execute(
            select(_STEP.c.run_id, _STEP.c.name, _STEP.c.result).where(
                _STEP.c.workspace_id == workspace.id, _STEP.c.run_id.in_([row.run_id for row in rows]), _STEP.c.name.in_(("train", "challenge"))
            )
        ):
            results.setdefault(step.run_id, {})[step.name] = step.result or {}
    made = []
    for row in rows:
        trained, challenged = results.get(row.run_id, {}).get("train", {}), results.get(row.run_id, {}).get("challenge", {})
        model = trained.get("model")
        made.append(
            Retraining(
                pipeline=row.pipeline,
                run_id=row.run_id,
                tick=row.key,
                run_state=row.state,
                fired=row.fired,
                triggers=list(row.triggers or ()),
                held_back_by=row.held_back_by,
                model=model,
                promoted=challenged.get("promoted") if model else None,
                outcome=challenged.get("why") if model else None,
                created_at=row.created_at,
            )
        )
    return made
