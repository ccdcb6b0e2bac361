"""What every threshold of a report would do: the points that the lab's handle moves over, each with everything the page tells of it.

All of it is reckoned here, so that a page without script tells the same figures as one with.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pilotage.core import NotFound
from pilotage.server.queries.curves import CurveDrawing, draw_curve

if TYPE_CHECKING:
    from pilotage.judging.calibration import CalibrationReport, Costs, Sample, Threshold
    from pilotage.judging.calibration.operating import OperatingPoint

MOST_LOAD = 300.0  # erlangs: beyond that nobody staffs from a page


@dataclass(frozen=True)
class WhatIf:
    """What the page is asked to reckon with. Money in minor units; ``minutes`` a review takes, ``sla`` minutes until it begins."""

    slice: str = ""
    at: float | None = None
    error: float | None = None
    review: float | None = None
    delay: float | None = None
    missed: int | None = None
    of: int | None = None
    per_hour: float = 60.0
    minutes: float = 2.0
    sla: float = 30.0


@dataclass(frozen=True)
class PointLine:
    """One threshold as the page tells it. ``promise``: certified, stricter (than the certified one) or none."""

    value: float
    promise: str
    x: float
    risk_y: float
    cost_y: float | None
    told: dict[str, str]
    said: str


@dataclass(frozen=True)
class Explorer:
    """Everything the threshold needs that is dragged: its points strict to loose, where it stands, and the two curves."""

    slice: str
    certified: Threshold | None
    reason: str
    points: tuple[PointLine, ...]
    start: int
    risk: CurveDrawing
    cost: CurveDrawing | None
    cost_reason: str
    exact: bool
    what_if: WhatIf
    own: float | None

    @property
    def data(self) -> str:
        """The points as JSON, for the script that moves the threshold."""
        return json.dumps(
            [
                {"value": one.value, "promise": one.promise, "x": one.x, "risk": one.risk_y, "cost": one.cost_y, "told": one.told, "said": one.said}
                for one in self.points
            ],
            separators=(",", ":"),
        )


def explore(report: CalibrationReport, sample: Sample | None, asked: WhatIf, by: tuple[str, ...]) -> Explorer:
    """Every threshold under ``asked``. ``sample``: what certified, mended; None: only what the report holds. ``by``: slices with their own threshold.

    Raises ``NotFound`` for a slice that has none.
    """
    if asked.slice and (asked.slice not in by or sample is None):
        raise NotFound(f"The report has no thresholds of the slice '{asked.slice[:100]}'.", mend="choose one from the report's page")
    asked, costs, cost_reason = _costs(report, asked)
    threshold, reason = report.threshold, report.threshold.reason
    if asked.slice:
        each = next(one for one in report.slices if one.name == asked.slice)
        threshold = each.threshold or report.threshold
        reason = threshold.reason or each.reason
    if sample is not None:
        part = sample.where(sample.in_slice(*asked.slice.split("=", 1))) if asked.slice else sample
        points = _measured(part, threshold, costs, report)
    else:
        points, costs = _kept(report), None
        cost_reason = "the labels of this report are not in the workspace, so costs can be told only as they were declared"
    certified = threshold if threshold.value is not None else None
    risk = draw_curve(
        [one.coverage for one in points],
        [one.rate or 0.0 for one in points],
        upper=[one.bound for one in points],
        lower=[one.rate for one in points],
        lines=[("limit", "limit", report.limits.risk)],
        certified=certified.coverage if certified else None,
        percent=True,
    )
    cost = _cost_curve(points, certified) if costs is not None else None
    own = costs.threshold() if costs is not None else None
    lines = tuple(_line(place, one, report, certified, costs, asked, risk, cost) for place, one in enumerate(points))
    wanted = asked.at if asked.at is not None else certified.value if certified is not None else points[len(points) // 2].threshold
    start = min(range(len(points)), key=lambda place: abs(points[place].threshold - (wanted or 0.0)))
    return Explorer(asked.slice, certified, reason, lines, start, risk, cost, cost_reason, sample is not None, asked, own)


def _costs(report: CalibrationReport, asked: WhatIf) -> tuple[WhatIf, Costs | None, str]:
    """What was asked, filled up with what the report declared; the costs, or why there are none."""
    from pilotage.judging.calibration import Costs, ReviewerError

    said = report.declared_costs
    if said is not None:
        given: dict[str, Any] = {"error": said.error, "review": said.review, "delay": said.delay, "missed": said.missed, "of": said.of}
        asked = replace(asked, **{name: value for name, value in given.items() if getattr(asked, name) is None})
    if report.recalibrator is None:
        return asked, None, "the confidence is raw: a threshold from costs would read it as a probability"
    if asked.error is None or asked.review is None or asked.missed is None or asked.of is None:
        return asked, None, "say what a wrong output and a review cost, and how many gold items reviewers missed of how many"
    made = Costs(error=asked.error, review=asked.review, delay=asked.delay or 0.0, reviewer=ReviewerError(asked.missed, asked.of))
    return asked, made, ""


def _measured(part: Sample, threshold: Threshold, costs: Costs | None, report: CalibrationReport) -> tuple[OperatingPoint, ...]:
    from pilotage.judging.calibration.operating import operating_points

    include = [threshold.value] if threshold.value is not None else []
    return operating_points(part, delta=report.limits.delta, costs=costs, include=include, level=report.limits.level, seed=report.seed)


def _kept(report: CalibrationReport) -> tuple[OperatingPoint, ...]:
    """The points of the curve that the report itself holds."""
    from pilotage.judging.calibration.bounds import clopper_pearson_upper
    from pilotage.judging.calibration.operating import OperatingPoint

    curve, plain = report.risk_coverage, abs(report.effective_n - report.n) < 1e-6
    rows = {
        round(coverage * report.n): (threshold, coverage, risk)
        for coverage, risk, threshold in zip(curve.coverage, curve.risk, curve.threshold, strict=True)
    }
    if report.threshold.value is not None:
        held = report.threshold
        rows[held.accepted] = (float(report.threshold.value), held.coverage, held.errors / max(held.accepted, 1))
    return tuple(
        OperatingPoint(
            threshold, coverage, n, round(risk * n), risk, clopper_pearson_upper(round(risk * n), n, report.limits.delta) if plain else None
        )
        for n, (threshold, coverage, risk) in sorted(rows.items())
        if n
    )


def _cost_curve(points: tuple[OperatingPoint, ...], certified: Threshold | None) -> CurveDrawing:
    found = [one.cost for one in points if one.cost is not None]
    first = points[0]
    auto = _extreme(first.cost, first.against_auto)
    human = _extreme(first.cost, first.against_human)
    return draw_curve(
        [one.coverage for one in points],
        [one.estimate or 0.0 for one in found],
        lower=[one.lower for one in found],
        upper=[one.upper for one in found],
        lines=[("all automatic", "auto", auto), ("all by people", "human", human)],
        certified=certified.coverage if certified else None,
    )


def _extreme(cost: Any, difference: Any) -> float:
    return float(cost.estimate - difference.estimate)


def _line(
    place: int,
    one: OperatingPoint,
    report: CalibrationReport,
    certified: Threshold | None,
    costs: Costs | None,
    asked: WhatIf,
    risk: CurveDrawing,
    cost: CurveDrawing | None,
) -> PointLine:
    limits = report.limits
    promise = "none"
    if certified is not None and certified.value is not None:
        promise = "certified" if one.threshold == certified.value else "stricter" if one.threshold > certified.value else "none"
    promises = {
        "certified": f"certified: of what is accepted at most {_percent(limits.risk)} is wrong, true with probability {_percent(1 - limits.delta)}",
        "stricter": "stricter than the certified threshold: a policy may use it; the certificate is of the certified one",
        "none": "not certified: nothing is promised here, and no policy may use it",
    }
    told = {
        "threshold": f"{one.threshold:.4f}",
        "coverage": _percent(one.coverage),
        "items": f"{one.errors:g} wrong of {one.accepted} accepted",
        "rate": "–" if one.rate is None else _percent(one.rate, 2),
        "bound": "not assessable for items of unequal weight" if one.bound is None else _percent(one.bound, 2),
        "promise": promises[promise],
        **_people(1 - one.coverage, asked),
    }
    if costs is not None and one.cost is not None:
        gain = (1 - one.threshold) * float(costs.error) - float(costs.review) - float(costs.delay) - costs.reviewer.rate * float(costs.error)  # type: ignore[arg-type]
        told |= {
            "cost": _money(one.cost),
            "auto": _money(one.against_auto, sign=True),
            "human": _money(one.against_human, sign=True),
            "pays": _pays(one),
            "shadow": f"{max(0.0, gain) * 60 / asked.minutes:,.0f}".replace(",", "\u202f"),
        }
    said = f"accept from {told['threshold']}: {told['coverage']} accepted, {told['rate']} of the sample's wrong; {promises[promise]}"
    if "cost" in told:
        said += f"; {told['cost']} an output, {told['pays']}"
    return PointLine(one.threshold, promise, risk.xs[place], risk.ys[place], cost.ys[place] if cost else None, told, said)


def _people(reviewed: float, asked: WhatIf) -> dict[str, str]:
    """How many reviewers the flow needs that is not accepted."""
    from pilotage.judging.calibration import reviewers_needed

    flow = reviewed * asked.per_hour
    if flow * asked.minutes / 60 > MOST_LOAD:
        return {"reviewers": f"more than {MOST_LOAD:.0f}", "waiting": "a flow to plan elsewhere"}
    if flow <= 0:
        return {"reviewers": "0", "waiting": "nothing to review"}
    found = reviewers_needed(per_hour=flow, minutes_each=asked.minutes, sla_minutes=asked.sla)
    wait = f"{found.wait_minutes_at_quantile:.1f}" if found.wait_minutes_at_quantile is not None else "–"
    return {"reviewers": str(found.reviewers), "waiting": f"{_percent(found.utilisation)} busy; {found.quantile:.0%} begin within {wait} min"}


def _pays(one: OperatingPoint) -> str:
    auto, human = one.against_auto, one.against_human
    if auto is None or human is None or auto.upper is None or human.upper is None:
        return "not assessable"
    if auto.upper < 0 and human.upper < 0:
        return "shown to be cheaper than either extreme"
    if (auto.lower or 0) > 0 or (human.lower or 0) > 0:
        return "dearer than one of the extremes"
    return "not shown to be cheaper than both extremes"


def _percent(value: float, digits: int = 1) -> str:
    return f"{100 * value:.{digits}f} %"


def _money(measure: Any, *, sign: bool = False) -> str:
    if measure is None or measure.estimate is None:
        return "–"
    form = "+.1f" if sign else ".1f"
    return f"{measure.estimate:{form}} [{measure.lower:{form}}, {measure.upper:{form}}]".replace("-", "−")
