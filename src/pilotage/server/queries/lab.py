"""Questions of the routing lab: reports, samples that were brought, and what every threshold of a report would do."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from pilotage.core import InputError, NotFound
from pilotage.ledger.tables import ledger_entry
from pilotage.review.assessment.tables import review_assessment
from pilotage.review.routing.reporting import StoredReport, later_look, load_report
from pilotage.review.routing.samples import load_sample
from pilotage.review.routing.tables import calibration_report, routing_policy_version
from pilotage.server.queries.curves import ReliabilityDrawing, draw_reliability
from pilotage.server.queries.paging import Page, Turn, turn_page
from pilotage.server.queries.thresholds import Explorer, WhatIf, explore
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.judging.calibration import CalibrationReport, Candidate, Sample

R, L, V, A = calibration_report.c, ledger_entry.c, routing_policy_version.c, review_assessment.c
SAMPLES_SHOWN = 10


@dataclass(frozen=True)
class ReportLine:
    """A report without its figures."""

    id: str
    category: str
    model: str
    prompt: str
    look: int
    verdict: str
    created_at: int
    created_by: str


@dataclass(frozen=True)
class SampleLine:
    """A sample that somebody brought."""

    id: str
    model: str
    n: int
    source: str
    actor: str
    created_at: int


@dataclass(frozen=True)
class SampleFacts:
    """What can be said of a sample before any label is looked at as a result: counts, and how the confidence is spread."""

    id: str
    model: str
    n: int
    labelled_by: tuple[str, ...]
    weighted: bool
    effective_n: float
    slices: dict[str, list[tuple[str, int]]]
    histogram: tuple[tuple[float, int, float], ...]
    source: str
    notes: dict[str, Any]
    doubts: tuple[str, ...]


@dataclass(frozen=True)
class LabView:
    """One report with everything that is drawn of it. ``report`` is None where only what routing needs was kept."""

    stored: StoredReport
    report: CalibrationReport | None
    reliability: ReliabilityDrawing | None
    candidates: tuple[Candidate, ...]
    explorer: Explorer | None
    slices: tuple[str, ...]
    later: str | None
    policies: tuple[tuple[str, int, str], ...]


def list_reports(workspace: Workspace, *, turn: Turn | None = None) -> Page[ReportLine]:
    """Reports, the newest first."""
    names = list(ReportLine.__dataclass_fields__)
    with workspace.read() as conn:
        statement = select(*(R[name] for name in names)).where(R.workspace_id == workspace.id)
        found = turn_page(conn, statement, keys=[R.created_at, R.id], turn=turn or Turn(), descending=True)
    return found.map(lambda rows: [ReportLine(**{name: row._mapping[name] for name in names}) for row in rows])


def recent_samples(workspace: Workspace) -> list[SampleLine]:
    """The samples brought last."""
    query = select(L.subject, L.actor, L.created_at, L.body).where(L.workspace_id == workspace.id, L.type == "calibration.sampled")
    with workspace.read() as conn:
        rows = conn.execute(query.order_by(L.seq.desc()).limit(SAMPLES_SHOWN)).all()
    told = [(row, json.loads(row.body)) for row in reversed(rows)]
    made = {row.subject: SampleLine(row.subject, body["model"], body["n"], body["source"], row.actor, row.created_at) for row, body in told}
    return list(reversed(made.values()))


def find_sample(workspace: Workspace, sample_id: str) -> SampleFacts:
    """What a sample is, from its confidences, slices and inclusion probabilities; its labels stay closed. Raises ``NotFound``."""
    import numpy as np

    with workspace.read() as conn:
        where = (L.workspace_id == workspace.id, L.type == "calibration.sampled", L.subject == sample_id)
        body = conn.execute(select(L.body).where(*where).order_by(L.seq.desc()).limit(1)).scalar_one_or_none()
    if body is None:
        raise NotFound("There is no such sample.", where=sample_id[:80], mend="bring one to the lab")
    told, sample = json.loads(body), load_sample(workspace, sample_id)
    counts, edges = np.histogram(sample.confidence, bins=20, range=(0.0, 1.0))
    most = int(counts.max())
    slices = {
        name: sorted(
            ((value, int(sample.in_slice(name, value).sum())) for here, value in sample.slice_names() if here == name), key=lambda one: -one[1]
        )
        for name in sorted(sample.slices)
    }
    return SampleFacts(
        id=sample_id,
        model=sample.model,
        n=sample.n,
        labelled_by=sample.labelled_by,
        weighted=not sample.equal_weights,
        effective_n=sample.effective_n,
        slices=slices,
        histogram=tuple((round(float(edge), 2), int(count), round(60 * count / most, 1)) for edge, count in zip(edges, counts, strict=False)),
        source=told["source"],
        notes={name: value for name, value in told.items() if name not in ("n", "model", "source")},
        doubts=_doubts(sample),
    )


def _doubts(sample: Sample) -> tuple[str, ...]:
    """What will keep a verdict away, told before a look is spent on finding out."""
    from pilotage.judging.calibration import ENOUGH_FOR_A_SLICE, ENOUGH_FOR_A_VERDICT

    found = []
    if sample.n < ENOUGH_FOR_A_VERDICT + 100:
        found.append(f"{sample.n} items: {ENOUGH_FOR_A_VERDICT} are needed to certify and 100 more to fit a recalibrator on; label more first.")
    for name, value in sample.slice_names():
        count = int(sample.in_slice(name, value).sum())
        if count < ENOUGH_FOR_A_SLICE:
            found.append(f"{name}={value} has {count} items; below {ENOUGH_FOR_A_SLICE} nothing is said of a slice.")
    return tuple(found[:8])


def find_report(workspace: Workspace, report_id: str, what_if: WhatIf) -> LabView:
    """One report, its drawings, and every threshold under ``what_if``. Raises ``NotFound`` or ``IntegrityError``."""
    from pilotage.judging.calibration import CalibrationReport, Recalibrator

    stored = load_report(workspace, report_id)
    with workspace.read() as conn:
        later = later_look(conn, workspace.id, stored)
        on_it = select(V.policy, V.number, V.state).where(V.workspace_id == workspace.id, V.report_id == report_id).order_by(V.policy, V.number)
        policies = tuple((row[0], row[1], row[2]) for row in conn.execute(on_it.limit(50)))
    kept = stored.report or None
    recalibrator = Recalibrator.from_dict(stored.recalibrator)
    if kept is None:
        return LabView(stored, None, None, recalibrator.table, None, (), later, policies)
    report = CalibrationReport.from_dict(kept)
    try:
        sample = recalibrator.apply_to(load_sample(workspace, stored.labels_hash))
    except NotFound:  # reported from a terminal: the labels stayed there
        sample = None
    by = tuple(each.name for each in report.slices if report.limits.by and each.name.startswith(f"{report.limits.by}="))
    return LabView(
        stored=stored,
        report=report,
        reliability=draw_reliability(report.reliability.bins),
        candidates=recalibrator.table or report.candidates,
        explorer=explore(report, sample, what_if, by),
        slices=by if sample is not None else (),
        later=later,
        policies=policies,
    )


def require_report_name(name: str) -> str:
    """``name`` if it can be a report's id. Raises ``NotFound``."""
    if not name.startswith("cal_"):
        raise NotFound("There is no such calibration report.", where=name[:80], mend="open it from the lab")
    return name


def parse_missed(text: str) -> tuple[int, int] | None:
    """``6/120`` as counts; None for nothing. Raises ``InputError``."""
    if not text.strip():
        return None
    missed, _, of = text.partition("/")
    if not (missed.strip().isdigit() and of.strip().isdigit()) or len(text) > 20:
        raise InputError(
            f"'{text[:40]}' does not say how many of how many.", where="field 'missed'", mend="such as 6/120: wrong gold items passed, of how many"
        )
    return int(missed), int(of)


def categories(workspace: Workspace) -> list[str]:
    """The task categories that were assessed or reported on."""
    assessed = select(A.category).where(A.workspace_id == workspace.id).distinct().limit(200)
    reported = select(R.category).where(R.workspace_id == workspace.id).distinct().limit(200)
    with workspace.read() as conn:
        return sorted({*conn.execute(assessed).scalars(), *conn.execute(reported).scalars()})


def looks_taken(workspace: Workspace, model: str) -> list[ReportLine]:
    """The looks taken at a model, the newest first, at most 20."""
    names = list(ReportLine.__dataclass_fields__)
    query = select(*(R[name] for name in names)).where(R.workspace_id == workspace.id, R.model == model)
    with workspace.read() as conn:
        rows = conn.execute(query.order_by(R.created_at.desc(), R.id).limit(20)).all()
    return [ReportLine(**{name: row._mapping[name] for name in names}) for row in rows]
