"""Streams: events as they come, worked off exactly once, into the same features that training sets hold.

Events go into a durable log (:func:`append`), each once, whoever delivers it how often. A :class:`StreamWorker` works a feature view off the log in
micro-batches: position, tiles, outputs and the account of late events change in one transaction, so a worker may be killed at any moment.
:func:`features_at` answers from tiles and raw rows, by the window that training sets use. Other brokers are read into the log by a :class:`Broker`
(:class:`RedisStream` is one). Late events are corrected and accounted for, never dropped; producers are held back (:class:`Busy`) when streams lag.
"""

from pilotage.features.streams.brokers import Broker, Delivery, Pumped, RedisStream, pump
from pilotage.features.streams.inputs import Plan, entity_keys
from pilotage.features.streams.lease import LeaseLost
from pilotage.features.streams.log import Appended, Busy, append, declare_source, forget_ids, source_of
from pilotage.features.streams.outputs import EntityState, OnlineWriter, entity_values, features_at
from pilotage.features.streams.source import EventSource
from pilotage.features.streams.stream import StreamStatus, open_stream, stream_status
from pilotage.features.streams.tiles import StoredRow, stored_tiles
from pilotage.features.streams.worker import Processed, Step, StreamWorker

__all__ = [
    "Appended",
    "Broker",
    "Busy",
    "Delivery",
    "EntityState",
    "EventSource",
    "LeaseLost",
    "OnlineWriter",
    "Plan",
    "Processed",
    "Pumped",
    "RedisStream",
    "Step",
    "StoredRow",
    "StreamStatus",
    "StreamWorker",
    "append",
    "declare_source",
    "entity_keys",
    "entity_values",
    "features_at",
    "forget_ids",
    "open_stream",
    "pump",
    "source_of",
    "stored_tiles",
    "stream_status",
]
