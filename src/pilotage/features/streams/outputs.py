"""What a stream gives: an entity's state for an online store, and its features at a moment.

A window that ends at ``T`` is complete tiles and, inside the tile that is not complete, raw rows: the same rows that a training set sees.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection

from pilotage.core import Refused
from pilotage.features.algebra import Order, State
from pilotage.features.definition import FeatureView
from pilotage.features.streams import tiles
from pilotage.features.streams.inputs import Plan
from pilotage.features.streams.lease import stream_row
from pilotage.features.streams.tiles import StoredRow
from pilotage.store import Workspace, WriteTransaction


@dataclass(frozen=True)
class EntityState:
    """Everything an entity's features need from now on: what an online store keeps.

    ``tiles`` are the states of complete tiles in the longest window, by start; ``tail`` the raw rows (inputs of the aggregates) of tiles not yet
    complete; ``latest`` the latest known row and those of the future (values of the row features).
    """

    entity: str
    latest: tuple[StoredRow, ...]
    tiles: Mapping[int, Sequence[State]]
    tail: tuple[StoredRow, ...]


class OnlineWriter(Protocol):
    """Where a stream's outputs go. Called inside the stream's transaction, which may be run again."""

    def write(self, tx: WriteTransaction, view: FeatureView, entities: Sequence[EntityState], *, as_of_us: int) -> None:
        """Keep the states of ``entities`` as of ``as_of_us``, over what was kept before."""
        ...


def latest_rows(rows: Sequence[StoredRow], *, at_us: int, closed: str) -> list[StoredRow]:
    """The last of ``rows`` that lies before ``at_us``, and all after it, in the order of the tie rule."""
    ordered = sorted(rows, key=lambda row: (row.event_us, row.available_us, row.sequence, row.position))
    known = [index for index, row in enumerate(ordered) if is_seen(row.event_us, at_us, closed)]
    return ordered[known[-1] :] if known else ordered


def is_seen(event_us: int, at_us: int, closed: str) -> bool:
    """Whether a window that ends at ``at_us`` holds an event of ``event_us``."""
    return event_us <= at_us if closed == "right" else event_us < at_us


def entity_states(conn: Connection, workspace_id: str, view: FeatureView, entities: Sequence[str], *, clock_us: int) -> list[EntityState]:
    """What the stream knows of ``entities`` as of its clock."""
    first = clock_us - view.longest_window_us
    complete = clock_us - view.tile_us  # a tile that starts here or before has ended
    done = (
        tiles.entity_tiles(conn, workspace_id, view.ref, entities, from_us=first - first % view.tile_us, to_us=complete + 1)
        if view.aggregates
        else {}
    )
    tail = tiles.entity_tail(conn, workspace_id, view.ref, entities, after_us=complete) if view.aggregates else {}
    latest = tiles.load_latest(conn, workspace_id, view.ref, entities) if view.columns else {}
    return [EntityState(entity, tuple(latest.get(entity, ())), done.get(entity, {}), tuple(tail.get(entity, ()))) for entity in entities]


def entity_values(plan: Plan, state: EntityState, *, at_us: int) -> dict[str, Any]:
    """The features of one entity at ``at_us``, which must not lie before the stream's clock. Times are µs, dates days since the epoch."""
    view = plan.view
    values: dict[str, Any] = {}
    known = [row for row in state.latest if is_seen(row.event_us, at_us, view.closed)]
    row = known[-1] if known else None
    expired = row is not None and view.ttl_us is not None and at_us - row.event_us > view.ttl_us
    for index, name in enumerate(view.columns):
        values[name] = None if row is None or expired else row.values[index]
    for index, ((name, aggregator), start) in enumerate(zip(plan.aggregators.items(), plan.window_starts(at_us), strict=True)):
        found = aggregator.init()
        for tile, held in state.tiles.items():
            if tile >= start:
                found = aggregator.merge(found, held[index])
        for raw in state.tail:
            if raw.event_us >= start and is_seen(raw.event_us, at_us, view.closed):
                found = aggregator.update(found, raw.values[index], Order(raw.event_us, raw.available_us, raw.sequence))
        values[name] = aggregator.finalize(found)
    return values


def features_at(workspace: Workspace, plan: Plan, entities: Sequence[str], *, at_us: int) -> list[dict[str, Any]]:
    """The features of ``entities`` (keys as :func:`.inputs.entity_keys` writes them) at ``at_us``, from the stream's tiles and raw rows.

    Raises
    ------
    Refused
        If the stream's clock has passed ``at_us``: a stream knows what is, not what was. Ask the batch path.
    """
    view = plan.view
    with workspace.read() as conn:
        held = stream_row(conn, workspace.id, view.ref)
        if at_us < held.clock_us:
            raise Refused(
                "A stream does not answer for the past.",
                where=f"asked for {at_us}, the stream stands at {held.clock_us}",
                why="its tiles hold what became available since then",
                mend="use a point-in-time join over the source's versions",
            )
        found = entity_states(conn, workspace.id, view, entities, clock_us=held.clock_us)
    return [entity_values(plan, state, at_us=at_us) for state in found]
