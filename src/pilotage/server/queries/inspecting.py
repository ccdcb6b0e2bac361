"""Why a feature had its value at a moment: the candidate rows, what became of each, and where they lie in time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError, PilotageError
from pilotage.data import load_version
from pilotage.server.queries.training_sets import iso_of, row_asked
from pilotage.server.queries.views import personal_columns, personal_features, require_features, sees_personal
from pilotage.server.words import exact_time
from pilotage.store import Workspace

if TYPE_CHECKING:
    from pilotage.features import Candidate, Explanation, FeatureView, RegisteredView

SHOWN = 40
AHEAD_SHOWN = 4
WIDTH, LANE, TOP, MARGIN = 720.0, 16.0, 24.0, 10.0
LONGEST = 500
MASK = "masked"


@dataclass(frozen=True)
class Lane:
    """One candidate in the drawing: a bar from when it happened to when it was known."""

    number: int
    y: float
    event: float
    known: float
    state: str
    said: str


@dataclass(frozen=True)
class Timeline:
    """Positions in units of the drawing. ``windows`` are where each aggregate's window begins."""

    width: float
    height: float
    moment: float
    lanes: tuple[Lane, ...]
    windows: tuple[tuple[str, float], ...]
    from_us: int
    to_us: int


@dataclass(frozen=True)
class Value:
    """A feature's value at the moment. ``counted``: how many of the shown rows it was computed from."""

    name: str
    text: str
    masked: bool
    null: bool
    counted: int
    window: str | None


@dataclass(frozen=True)
class Row:
    """A candidate as the table shows it. ``at_moment``: its event is the moment itself, as the row's own is in a training set."""

    number: int
    position: int
    event_us: int
    available_us: int
    state: str
    why: str
    at_moment: bool
    windows: tuple[str, ...]
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Inspection:
    """The form as it was filled, and, where it could be answered, the answer; else ``problem``.

    ``left_out`` rows of the entity are not shown; ``complete``: all of them lie after the moment.
    """

    ref: str
    source: str
    entity: tuple[tuple[str, str], ...]
    at: str
    given_source: str
    values: tuple[Value, ...] = ()
    rows: tuple[Row, ...] = ()
    left_out: int = 0
    complete: bool = True
    at_us: int | None = None
    source_version: str = ""
    timeline: Timeline | None = None
    counts: tuple[tuple[str, int], ...] = ()
    masked: bool = False
    request_only: tuple[str, ...] = ()
    of_row: tuple[str, int] | None = None
    problem: dict[str, str | None] | None = None
    status: int = 200


def inspect(
    workspace: Workspace,
    ref: str,
    *,
    given: Mapping[str, str],
    at: str,
    source: str,
    row: tuple[str, int] | None = None,
    login: str | None = None,
) -> Inspection:
    """Look into one value. ``given`` is column -> text of the entity; nothing given is an empty form.

    ``row`` is a training set and a place in it, which say the entity, the moment and the source's version. Personal values are masked unless
    ``login`` has asked to see those of the source's version. Cost: one pass over the source's keys.
    """
    require_features()
    from pilotage.features import explain_value, registered_view

    found = registered_view(workspace, ref)
    view = found.view
    entity = tuple((column, given.get(column, "")) for column in view.entity)
    form = Inspection(view.ref, view.source, entity, at, source)
    if row is None and not any(text for _, text in entity) and not at:
        return form
    try:
        if row is not None:
            asked, moment, source = row_asked(workspace, *row, view)
        else:
            asked = {column: _key(text, found.source_kinds.get(column, "text"), column) for column, text in entity}
            moment = _moment(at)
        version = load_version(workspace, source or view.source)
        answer = explain_value(workspace, view, asked, moment, source=version.id, limit=SHOWN)
    except PilotageError as error:
        return replace(form, problem=error.to_dict(), status=error.http_status)
    personal = frozenset() if sees_personal(workspace, version.id, login) else personal_columns(workspace, found)
    if row is not None:
        form = replace(form, of_row=row, at=exact_time(moment), given_source=version.ref)
        if not personal.intersection(view.entity):
            form = replace(form, entity=tuple((column, str(value)) for column, value in asked.items()))
    return _shown(form, found, answer, personal)


def _shown(form: Inspection, found: RegisteredView, answer: Explanation, personal: frozenset[str]) -> Inspection:
    from pilotage.features.inspect import NOT_YET_HAPPENED

    view, hidden = found.view, personal_features(found, personal)
    windows = {each.name: each.window for each in view.aggregates}
    ahead = sum(each.state == NOT_YET_HAPPENED for each in answer.candidates)
    # Of what lies after the moment the nearest rows say enough. All behind it are there, unless these are already held back.
    complete = not answer.left_out or ahead > SHOWN // 4
    further = max(ahead - AHEAD_SHOWN, 0)
    answer = replace(answer, candidates=answer.candidates[further:], left_out=answer.left_out + further)
    values = []
    for name, value in answer.features.items():
        masked = name in hidden
        counted = (
            sum(name in each.windows for each in answer.candidates) if name in windows else sum(each.state == "won" for each in answer.candidates)
        )
        values.append(Value(name, MASK if masked else _text(value), masked, value is None, counted, windows.get(name)))
    rows = tuple(_row(number, each, answer, view, personal) for number, each in enumerate(answer.candidates, 1))
    states: dict[str, int] = {}
    for row in rows:
        states[row.state] = states.get(row.state, 0) + 1
    return replace(
        form,
        values=tuple(values),
        rows=rows,
        left_out=answer.left_out,
        complete=complete,
        at_us=answer.at_us,
        source_version=answer.source_version,
        timeline=draw(answer, view) if rows else None,
        counts=tuple(states.items()),
        masked=bool(personal.intersection(view.source_columns())),
        request_only=tuple(view.request),
    )


def _row(number: int, each: Candidate, answer: Explanation, view: FeatureView, personal: frozenset[str]) -> Row:
    plain = {*view.entity, view.event_time, view.available_time}
    values = tuple((name, MASK if name in personal else _text(value)) for name, value in each.values.items() if name not in plain)
    return Row(
        number,
        each.position,
        each.event_us,
        each.available_us,
        each.state,
        each.why,
        each.event_us == answer.at_us,
        each.windows,
        values,
    )


def draw(answer: Explanation, view: FeatureView) -> Timeline:
    """Where the candidates lie. The moment is always inside; so are the beginnings of windows that reach back no further than the rows do."""
    from pilotage.features.windows import window_start

    times = [time for each in answer.candidates for time in (each.event_us, each.available_us)] + [answer.at_us]
    low, high = min(times), max(times)
    room = max((high - low) // 25, 1_000_000)
    low, high = low - room, high + room

    def at(time: int) -> float:
        return round(MARGIN + (time - low) / (high - low) * (WIDTH - 2 * MARGIN), 1)

    import numpy as np

    begins = {each.window: int(window_start(np.array([answer.at_us]), window_us=each.window_us, tile_us=view.tile_us)[0]) for each in view.aggregates}
    lanes = tuple(
        Lane(
            number,
            TOP + (number - 0.5) * LANE,
            at(each.event_us),
            at(each.available_us),
            each.state.replace(" ", "-"),
            f"row {number}: {each.state}, {each.why}",
        )
        for number, each in enumerate(answer.candidates, 1)
    )
    return Timeline(
        WIDTH,
        TOP + len(lanes) * LANE + 26,
        at(answer.at_us),
        lanes,
        tuple((name, at(start)) for name, start in begins.items() if start >= low),
        low,
        high,
    )


def _key(text: str, kind: str, column: str) -> Any:
    if len(text) > LONGEST:
        raise InputError(f"The value of '{column}' is too long.", mend=f"give at most {LONGEST} characters")
    try:
        match kind:
            case "int":
                return int(text)
            case "date":
                return dt.date.fromisoformat(text)
            case "bool":
                return {"true": True, "yes": True, "false": False, "no": False}[text.strip().lower()]
    except (ValueError, KeyError) as error:
        wanted = {"int": "a whole number", "date": "a date, say 2026-03-01", "bool": "true or false"}[kind]
        raise InputError(f"'{column}' is {wanted}, not {text!r}.", mend="mend that field") from error
    if not text:
        raise InputError(f"Say which '{column}'.", mend="fill that field; its values are in the dataset browser")
    return text


def _moment(text: str) -> int:
    from pilotage.features.expression import timestamp_us

    try:
        moment = dt.datetime.fromisoformat(text.strip())
        return timestamp_us(moment)
    except (ValueError, InputError) as error:
        raise InputError(
            f"Not a moment: {text[:80]!r}." if text else "Say which moment.",
            why="a moment without its zone could be any of a day's",
            mend="write it with its zone: 2026-03-01T12:00:00Z",
        ) from error


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, dt.datetime):
        return iso_of(value)
    return str(value)
