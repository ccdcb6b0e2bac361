"""What a stream hands to the online store, in the transaction of its offset."""

from __future__ import annotations

from collections.abc import Sequence

from pilotage.features.definition import FeatureView
from pilotage.features.online.database import upsert_online
from pilotage.features.online.get import layout_of
from pilotage.features.online.state import KnownRow, Layout, TailRow, encode_state, event_stamp
from pilotage.features.online.store import OnlineRow
from pilotage.features.streams import EntityState
from pilotage.store import WriteTransaction


class OnlineOutput:
    """The output of a :class:`pilotage.features.streams.StreamWorker`: touched entities are served as soon as their events are counted, or neither is."""

    def write(self, tx: WriteTransaction, view: FeatureView, entities: Sequence[EntityState], *, as_of_us: int) -> None:
        """Keep the states of ``entities`` as of ``as_of_us``. Cost: one write an entity and the merge of its tiles."""
        layout = layout_of(view)
        rows = [made for state in entities if (made := _row(layout, state, as_of_us)) is not None]
        upsert_online(tx, view.ref, view.hash, rows)


def _row(layout: Layout, state: EntityState, as_of_us: int) -> OnlineRow | None:
    events = [*(row.event_us for row in (*state.latest, *state.tail)), *state.tiles]
    if not events:
        return None  # every window and the latest row have passed by it
    blob = encode_state(
        layout,
        as_of_us=as_of_us,
        known=[KnownRow(row.event_us, row.available_us, row.sequence, row.values) for row in state.latest],
        tiles=state.tiles,
        tail=[TailRow(row.event_us, row.available_us, row.sequence, row.values) for row in state.tail],
    )
    return OnlineRow(state.entity, event_stamp(layout, max(events)), as_of_us, blob)
