"""What a stream hands to the online store, in the transaction of its offset."""

from __future__ import annotations

from collections.abc import Sequence

from pilotage.features.definition import FeatureView
from pilotage.features.online.database import upsert_online
from pilotage.features.online.get import layout_of
from pilotage.features.online.state import KnownRow, Layout, TailRow, encode_state
from pilotage.features.online.store import OnlineRow
from pilotage.features.streams import EntityState
from pilotage.store import WriteTransaction


class OnlineOutput:
    """The output of a :class:`~pilotage.features.streams.StreamWorker`: touched entities are served once their events are counted, or neither is.

    A state is stamped with the stream's clock, which only goes forward: a correction that takes the newest event back stands too, and a filling by
    the batch path replaces a stream's state only where it knows of later events.
    """

    def write(self, tx: WriteTransaction, view: FeatureView, entities: Sequence[EntityState], *, as_of_us: int) -> None:
        """Keep the states of ``entities`` as of ``as_of_us``. Cost: one write an entity and the merge of its tiles."""
        layout = layout_of(view)
        upsert_online(tx, view.ref, view.hash, [OnlineRow(each.entity, as_of_us, as_of_us, _blob(layout, each, as_of_us)) for each in entities])


def _blob(layout: Layout, state: EntityState, as_of_us: int) -> bytes:
    return encode_state(
        layout,
        as_of_us=as_of_us,
        known=[KnownRow(row.event_us, row.available_us, row.sequence, row.values) for row in state.latest],
        tiles=state.tiles,
        tail=[TailRow(row.event_us, row.available_us, row.sequence, row.values) for row in state.tail],
    )
