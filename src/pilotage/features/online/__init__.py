"""The online store: the features of an entity now, a hundred entities in less than a millisecond.

One blob per view and entity, with the hash of the definition that made it and its event and available time, in the workspace's own database or in
Redis. An older row never replaces a newer one, and a blob of another definition is never served. :func:`materialize` fills it by the batch path; a
stream writes to it in the transaction of its offset (:class:`OnlineOutput`). :func:`get_online` reads values with their age and a flag; windowed
aggregates are kept as suffixes of tiles and a tail of raw rows and are exact to the moment of reading (:mod:`.state`).
"""

from pilotage.features.online.database import DatabaseStore, drop_online, upsert_online
from pilotage.features.online.entity import entity_key, entity_values
from pilotage.features.online.from_stream import OnlineOutput
from pilotage.features.online.get import MISSING, OK, STALE, VERSION, OnlineReader, OnlineRows, OnlineVector, get_online, layout_of
from pilotage.features.online.materialize import Materialized, copy_online, materialize
from pilotage.features.online.opening import open_store
from pilotage.features.online.state import KnownRow, Layout, TailRow, encode_state, in_tail, latest_rows, read_state
from pilotage.features.online.states import online_rows
from pilotage.features.online.store import OnlineRow, OnlineStore, Put, Stored

__all__ = [
    "MISSING",
    "OK",
    "STALE",
    "VERSION",
    "DatabaseStore",
    "KnownRow",
    "Layout",
    "Materialized",
    "OnlineOutput",
    "OnlineReader",
    "OnlineRow",
    "OnlineRows",
    "OnlineStore",
    "OnlineVector",
    "Put",
    "Stored",
    "TailRow",
    "copy_online",
    "drop_online",
    "encode_state",
    "entity_key",
    "entity_values",
    "get_online",
    "in_tail",
    "latest_rows",
    "layout_of",
    "materialize",
    "online_rows",
    "open_store",
    "read_state",
    "upsert_online",
]
