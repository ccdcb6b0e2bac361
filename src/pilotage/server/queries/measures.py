"""Figures of review as its pages show them: the estimate with its interval and n, or why there is none; and where they go in small drawings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pilotage.core import NotFound
from pilotage.evidence import Evidence
from pilotage.judging import Agreement
from pilotage.review.measuring.accuracy import ENOUGH, Accuracy
from pilotage.review.measuring.people import Agrees
from pilotage.review.projects import Project, projects
from pilotage.store import Workspace

RANGE_WIDTH = 150.0
RANGE_EDGE = 6.0
SMALL_WIDTH, SMALL_HEIGHT = 190.0, 72.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 26.0, 8.0, 6.0, 16.0


@dataclass(frozen=True)
class Range:
    """Positions of an interval on the horizontal; ``mark`` is a value to compare with (a floor, no effect), or None."""

    estimate: float
    lower: float
    upper: float
    mark: float | None
    low: float
    high: float
    width: float = RANGE_WIDTH


def draw_range(estimate: float, lower: float, upper: float, *, low: float = 0.0, high: float = 1.0, mark: float | None = None) -> Range:
    """An interval on a scale from ``low`` to ``high``, widened where it does not fit."""
    low, high = min(low, lower, estimate), max(high, upper, estimate)

    def at(value: float) -> float:
        return round(RANGE_EDGE + (value - low) / ((high - low) or 1.0) * (RANGE_WIDTH - 2 * RANGE_EDGE), 1)

    return Range(at(estimate), at(lower), at(upper), None if mark is None or not low <= mark <= high else at(mark), low, high)


@dataclass(frozen=True)
class Figure:
    """One figure. Without an estimate there is a ``reason``, and ``missing`` says how many more it takes where that is known.

    n, unit
        How many of what it was made from. ``note``: what a reader must know besides.
    """

    name: str
    estimate: float | None
    lower: float | None
    upper: float | None
    level: float
    n: int
    unit: str
    reason: str = ""
    missing: int | None = None
    note: str = ""
    drawing: Range | None = None
    id: str = ""

    @property
    def measured(self) -> bool:
        """Whether there is a figure."""
        return self.estimate is not None


def of_accuracy(one: Accuracy, *, floor: float | None = None) -> Figure:
    """How often somebody was right on known items."""
    drawing = None
    if one.estimate is not None and one.lower is not None and one.upper is not None:
        drawing = draw_range(one.estimate, one.lower, one.upper, mark=floor)
    missing = max(0, ENOUGH - one.n) if one.estimate is None else None
    return Figure(one.question, one.estimate, one.lower, one.upper, one.level, one.n, "known items", one.reason, missing, drawing=drawing)


def of_agrees(one: Agrees) -> Figure:
    """How often somebody says what the majority of the others says."""
    drawing = draw_range(one.share, one.lower, one.upper) if one.share is not None and one.lower is not None and one.upper is not None else None
    missing = max(0, ENOUGH - one.n) if one.share is None else None
    return Figure(one.question, one.share, one.lower, one.upper, 0.95, one.n, "items shared with others", one.reason, missing, drawing=drawing)


def of_agreement(one: Agreement, name: str) -> Figure:
    """A coefficient of agreement. Too few units for a verdict is said beside it."""
    drawing = None
    if one.estimate is not None and one.lower is not None and one.upper is not None:
        drawing = draw_range(one.estimate, one.lower, one.upper, low=-0.5, mark=0.0)
    return Figure(
        name,
        one.estimate,
        one.lower,
        one.upper,
        one.level,
        one.n_units,
        "items judged twice",
        one.reason if one.estimate is None else "",
        note="; ".join(filter(None, (one.reason if one.estimate is not None else "", one.warning))),
        drawing=drawing,
    )


def of_evidence(one: Evidence, name: str, unit: str = "answers", *, low: float = 0.0, high: float = 1.0, mark: float | None = None) -> Figure:
    """A figure of the evidence room: its interval accounts for persons where it says so."""
    drawing = None
    if one.estimate is not None and one.lower is not None and one.upper is not None:
        drawing = draw_range(one.estimate, one.lower, one.upper, low=low, high=high, mark=mark)
    needed = one.detail.get("needed")
    missing = None if needed is None or one.measured else max(0, int(needed) - int(one.detail["have"]))
    people = f"{one.n_clusters} people" if one.n_clusters not in (None, one.n) else ""
    return Figure(name, one.estimate, one.lower, one.upper, one.level, one.n, unit, one.reason or "", missing, people, drawing, one.id or "")


@dataclass(frozen=True)
class Spot:
    """A figure in a small drawing over time (or over hours): its place, the ends of its interval, and what it says."""

    x: float
    y: float
    upper: float
    lower: float
    text: str


@dataclass(frozen=True)
class Small:
    """One of several small drawings on the same scales. ``marks``: (y, text) of the scale; ``ends``: what its two ends are called."""

    spots: tuple[Spot, ...]
    line: str
    mark: float | None
    marks: tuple[tuple[float, str], ...]
    ends: tuple[str, str]
    width: float = SMALL_WIDTH
    height: float = SMALL_HEIGHT


def draw_small(
    figures: Sequence[tuple[float, Figure, str]],
    *,
    first: float,
    last: float,
    ends: tuple[str, str],
    mark: float | None = None,
    low: float = 0.0,
    high: float = 1.0,
) -> Small | None:
    """Figures at places from ``first`` to ``last``; those that are not assessable leave a gap. None where none is measured."""
    wide, tall = SMALL_WIDTH - _LEFT - _RIGHT, SMALL_HEIGHT - _TOP - _BOTTOM

    def across(at: float) -> float:
        return round(_LEFT + (wide / 2 if last <= first else (at - first) / (last - first) * wide), 1)

    def down(value: float) -> float:
        return round(_TOP + (high - min(max(value, low), high)) / (high - low) * tall, 1)

    spots = tuple(
        Spot(across(at), down(one.estimate), down(one.upper), down(one.lower), text)
        for at, one, text in figures
        if one.estimate is not None and one.lower is not None and one.upper is not None
    )
    if not spots:
        return None
    marks = tuple((down(value), f"{value:g}") for value in (low, (low + high) / 2, high))
    return Small(spots, " ".join(f"{spot.x},{spot.y}" for spot in spots), None if mark is None else down(mark), marks, ends)


@dataclass(frozen=True)
class Column:
    """A bar of a little column chart."""

    x: float
    y: float
    height: float
    text: str
    value: int


@dataclass(frozen=True)
class Columns:
    """Bars side by side, the largest as high as there is room."""

    bars: tuple[Column, ...]
    step: float
    most: int
    ends: tuple[str, str]
    width: float
    height: float = 56.0


def draw_columns(values: Sequence[tuple[str, int]], *, width: float = 280.0) -> Columns:
    """Bars of counts, in order, each with its words."""
    step = width / max(len(values), 1)
    most = max((value for _, value in values), default=0)
    bars = []
    for place, (text, value) in enumerate(values):
        tall = round(value / most * 40.0, 1) if most else 0.0
        bars.append(Column(round(place * step, 1), round(42.0 - tall, 1), tall, text, value))
    ends = (values[0][0], values[-1][0]) if values else ("", "")
    return Columns(tuple(bars), round(max(step - 1.5, 1.0), 1), most, ends, width)


@dataclass(frozen=True)
class ProjectName:
    """A project to choose from."""

    name: str
    title: str


def choose(workspace: Workspace, wanted: str | None) -> tuple[list[ProjectName], Project | None]:
    """Every project that is not archived, and the one that is wanted (else the first). Raises ``NotFound`` for one there is not."""
    found = projects(workspace)
    names = [ProjectName(one.name, one.title) for one in found]
    if wanted:
        chosen = next((one for one in found if one.name == wanted), None)
        if chosen is None:
            raise NotFound(f"There is no project '{wanted}'.", why="or it is archived", mend="choose one of those on the page")
        return names, chosen
    return names, found[0] if found else None


__all__ = [
    "Columns",
    "Figure",
    "ProjectName",
    "Range",
    "Small",
    "choose",
    "draw_columns",
    "draw_range",
    "draw_small",
    "of_accuracy",
    "of_agreement",
    "of_agrees",
    "of_evidence",
]
