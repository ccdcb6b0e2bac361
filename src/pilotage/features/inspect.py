"""Why did this feature have this value at this moment? The rows that were candidates, and what became of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from pilotage.core import InputError, iso
from pilotage.data import load_version
from pilotage.data.tabular import scan
from pilotage.features.definition import FeatureView
from pilotage.features.expression import timestamp_us
from pilotage.features.point_in_time import SOURCE_ROW, point_in_time
from pilotage.features.registry import registered_view
from pilotage.features.rows import Whole, check_source, known_from
from pilotage.features.windows import window_start
from pilotage.store import Workspace

MOMENT = "__moment"
WON, SUPERSEDED, EXPIRED, NOT_YET_KNOWN, NOT_YET_HAPPENED = "won", "superseded", "expired", "not yet known", "not yet happened"


@dataclass(frozen=True)
class Candidate:
    """One row of the entity.

    ``position`` is its place among the source's rows. ``state`` is won (the column features are its), superseded (a later event, or a correction of
    this one, was known), expired (older than the ttl), not yet known (it had happened, nobody could know) or not yet happened. ``windows`` are the
    aggregates it counts in at the moment. Times are microseconds since the epoch.
    """

    position: int
    event_us: int
    available_us: int
    sequence: int
    state: str
    why: str
    windows: tuple[str, ...]
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Explanation:
    """The features of one entity at one moment, and the rows behind them, latest event first.

    ``left_out`` counts candidates beyond the limit: the oldest, and those long after the moment. ``features`` has no request features, which depend
    on the request.
    """

    view: str
    view_hash: str
    source_version: str
    entity: Mapping[str, Any]
    at_us: int
    features: Mapping[str, Any]
    candidates: tuple[Candidate, ...]
    left_out: int

    def __str__(self) -> str:
        lines = [f"{self.view} of {dict(self.entity)} at {iso(self.at_us)}: {dict(self.features)}"]
        lines += [f"  {iso(each.event_us)} known {iso(each.available_us)}  {each.state}: {each.why}" for each in self.candidates]
        return "\n".join(lines + ([f"  and {self.left_out} more rows"] if self.left_out else []))

    def to_dict(self) -> dict[str, Any]:
        """The explanation as plain data, for the API and the pages."""
        return {
            "view": self.view,
            "view_hash": self.view_hash,
            "source_version": self.source_version,
            "entity": dict(self.entity),
            "at": self.at_us,
            "features": dict(self.features),
            "candidates": [{**vars(each), "windows": list(each.windows), "values": dict(each.values)} for each in self.candidates],
            "left_out": self.left_out,
        }


def explain_value(
    workspace: Workspace,
    view: str | FeatureView,
    entity: Mapping[str, Any],
    at: int | dt.datetime,
    *,
    source: str | None = None,
    limit: int = 200,
) -> Explanation:
    """The features of ``entity`` at the moment ``at`` (microseconds or an aware datetime), and the rows that were candidates.

    Parameters
    ----------
    source
        The version of the source to look at. Default: the latest.
    limit
        At most how many candidates, 1 to 10,000.

    Raises
    ------
    InputError
        If the entity does not name every key, or the moment has no zone.
    NotFound
        If there is no such view or version.

    Cost: one pass over the source's keys.
    """
    definition = registered_view(workspace, view).view if isinstance(view, str) else view
    if set(entity) != set(definition.entity):
        raise InputError(f"An entity of {definition.ref} is named by: {', '.join(definition.entity)}.", where=f"given: {', '.join(entity)}")
    if not 1 <= limit <= 10_000:
        raise InputError(f"The limit is 1 to 10,000, not {limit}.")
    version = load_version(workspace, source or definition.source)
    frame = scan(workspace, version.id, columns=definition.source_columns()).with_row_index("__position")
    rows = frame.filter(*(pl.col(name) == pl.lit(value) for name, value in entity.items())).collect()
    return explain(rows, definition, entity, timestamp_us(at), source_version=version.ref, limit=limit)


def explain(
    rows: pl.DataFrame, view: FeatureView, entity: Mapping[str, Any], at_us: int, *, source_version: str = "", limit: int = 200
) -> Explanation:
    """As :func:`explain_value`, of the entity's ``rows`` (in the source's order; ``__position`` is their place in it, else counted from 0)."""
    from dataclasses import replace

    positions = rows["__position"].to_numpy() if "__position" in rows.columns else np.arange(rows.height)
    checked = check_source(rows, view)
    moment = pl.Series(MOMENT, [at_us]).cast(pl.Datetime("us", "UTC"))
    spine = pl.DataFrame({name: pl.Series([value], dtype=rows.schema[name]) for name, value in entity.items()}).with_columns(moment)
    alone = replace(view, request={}, request_inputs={}) if view.columns or view.aggregates else view
    joined = point_in_time(spine, rows, alone, time=MOMENT, source_rows=True)
    winner = joined[SOURCE_ROW][0]
    known = known_from(checked, view)
    order = np.lexsort((np.arange(rows.height), checked.sequence, checked.available, checked.event))[::-1]
    best = next((place for place in order if known[place] <= at_us), None)
    windows = {each.name: int(window_start(np.array([at_us]), window_us=each.window_us, tile_us=view.tile_us)[0]) for each in view.aggregates}
    candidates = []
    for place in _nearest(order, checked.event, at_us, limit):
        event, available = int(checked.event[place]), int(checked.available[place])
        state, why = _state(
            int(place), event, available, at_us, winner=winner, best=None if best is None else int(best), view=view, events=checked.event
        )
        counted = tuple(name for name, start in windows.items() if known[place] <= at_us and event >= start)
        values = checked.frame.row(int(place), named=True)
        candidates.append(Candidate(int(positions[place]), event, available, int(checked.sequence[place]), state, why, counted, values))
    return Explanation(
        view=view.ref,
        view_hash=view.hash,
        source_version=source_version,
        entity=dict(entity),
        at_us=at_us,
        features={name: joined[name][0] for name in alone.features if name in joined.columns},
        candidates=tuple(candidates),
        left_out=max(rows.height - limit, 0),
    )


def _nearest(order: Whole, event: Whole, at_us: int, limit: int) -> Whole:
    """The latest ``limit`` rows; of those after the moment, which can be many, only the nearest, a quarter of them at most."""
    ahead = order[event[order] > at_us]
    behind = order[event[order] <= at_us]
    shown = ahead[max(ahead.size - max(limit // 4, limit - behind.size), 0) :]
    return np.concatenate([shown, behind[: limit - shown.size]])


def _state(
    place: int, event: int, available: int, at: int, *, winner: int | None, best: int | None, view: FeatureView, events: Any
) -> tuple[str, str]:
    if place == winner:
        return WON, "the latest row known at the moment"
    if event > at or (event == at and view.closed == "left"):
        return (
            NOT_YET_HAPPENED,
            "its event lies after the moment" if event > at else "its event is at the moment itself, which closed=left leaves out",
        )
    if available > at:
        return NOT_YET_KNOWN, f"it became available {_long(available - at)} after the moment"
    if place == best:
        return EXPIRED, f"it was {_long(at - event)} old, and the ttl is {view.ttl}"
    same = best is not None and int(events[best]) == event
    return SUPERSEDED, "a correction of the same event was known" if same else "a later event was known"


def _long(us: int) -> str:
    for unit, size in (("d", 86_400_000_000), ("h", 3_600_000_000), ("min", 60_000_000), ("s", 1_000_000)):
        if us >= size:
            return f"{us / size:.1f} {unit}"
    return f"{us} µs"
