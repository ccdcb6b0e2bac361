"""Events from other brokers, into the log.

A broker delivers at least once: what it was not told is taken, it delivers again. So events go into the log first, each once by its id, and only then
the broker is told. Killed in between, the events come again and are recognised. What cannot be read as an event is set aside in the broker's own dead
letters with its reason, and told as taken: one bad message never stops the rest, and none is dropped in silence.

:class:`RedisStream` reads a Redis stream with a consumer group. For Kafka or NATS, write the four methods of :class:`Broker`: ``read`` is a poll of
the consumer (with automatic commits off), ``taken`` its commit or ack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from pilotage.core import InputError, Unavailable
from pilotage.core.extras import require
from pilotage.features.streams.log import Busy, append, source_of
from pilotage.features.streams.source import EventSource
from pilotage.store import Workspace

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Delivery:
    """One message: the broker's own mark for it, and the event as JSON bytes."""

    mark: str
    data: bytes


class Broker(Protocol):
    """A source of messages that delivers at least once."""

    def read(self, limit: int) -> Sequence[Delivery]:
        """At most ``limit`` messages: first those that were delivered to us and never told as taken."""
        ...

    def taken(self, marks: Sequence[str]) -> None:
        """These need not be delivered again."""
        ...

    def set_aside(self, delivery: Delivery, reason: str) -> None:
        """Keep what is no event where a person finds it, durably, before it is told as taken."""
        ...

    def close(self) -> None:
        """Let go of the connection."""
        ...


@dataclass(frozen=True)
class Pumped:
    """What one :func:`pump` did. ``busy``: the log was full; the messages stay with the broker and come again."""

    delivered: int
    taken: int
    duplicates: int
    set_aside: int
    busy: bool = False


def pump(workspace: Workspace, source: str, broker: Broker, *, limit: int = 5_000) -> Pumped:
    """Move the next messages of ``broker`` into the log of ``source``. Call it in turn with the stream's steps, or from a thread of its own.

    Raises
    ------
    Unavailable
        If the broker cannot be reached; nothing is lost, call it again.
    """
    deliveries = broker.read(limit)
    if not deliveries:
        return Pumped(0, 0, 0, 0)
    with workspace.read() as conn:
        declared = source_of(conn, workspace.id, source)
    now = workspace.clock.now_us()
    good, bad = _readable(declared, deliveries, now)
    try:
        done = append(workspace, source, [event for _, event in good]) if good else None
    except Busy:
        return Pumped(len(deliveries), 0, 0, 0, busy=True)
    for delivery, reason in bad:
        broker.set_aside(delivery, reason)
    broker.taken([delivery.mark for delivery, _ in (*good, *bad)])
    return Pumped(len(deliveries), done.taken if done else 0, done.duplicates if done else 0, len(bad))


def _readable(
    source: EventSource, deliveries: Sequence[Delivery], now_us: int
) -> tuple[list[tuple[Delivery, dict[str, Any]]], list[tuple[Delivery, str]]]:
    """Which messages are events of the source, and why the others are not. All at once where all are; one by one where that fails."""
    try:
        events = [_event(delivery) for delivery in deliveries]
        source.require_known(source.frame(events), now_us=now_us)
    except (InputError, msgspec.DecodeError) as error:
        if len(deliveries) == 1:
            return [], [(deliveries[0], str(error))]
        parts = [_readable(source, [delivery], now_us) for delivery in deliveries]
        return [one for good, _ in parts for one in good], [one for _, bad in parts for one in bad]
    return list(zip(deliveries, events, strict=True)), []


def _event(delivery: Delivery) -> dict[str, Any]:
    event = _decode(delivery.data)
    if not isinstance(event, dict):
        raise InputError("A message must be a JSON object.")
    return event


class RedisStream:
    """A Redis stream, read through a consumer group. Each entry holds the event as JSON in the field ``event``.

    Parameters
    ----------
    url
        ``redis://host:port/0``.
    stream, group, consumer
        The stream's key, the group (made where it is missing, from the stream's beginning), and our name in it.
    take_over_ms
        Messages that another consumer of the group was given and has not told as taken for this long are taken over.

    Dead letters go to the stream ``<stream>:refused``, with the reason.
    """

    def __init__(
        self, url: str, *, stream: str, group: str = "pilotage", consumer: str = "pilotage", field: str = "event", take_over_ms: int = 60_000
    ) -> None:
        self._package: Any = require("redis", extra="redis")
        self._redis: Any = self._package.Redis.from_url(url)
        self._stream, self._group, self._consumer, self._field = stream, group, consumer, field
        self._take_over_ms = take_over_ms
        try:
            self._redis.xgroup_create(stream, group, id="0", mkstream=True)
        except self._package.exceptions.ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        except self._package.exceptions.ConnectionError as error:
            raise self._unreachable(error) from error

    def read(self, limit: int) -> Sequence[Delivery]:
        """As :meth:`Broker.read`: our own unfinished ones, then those of a consumer that fell silent, then new ones."""
        try:
            entries = self._entries(limit, "0")
            if not entries:
                entries = self._redis.xautoclaim(self._stream, self._group, self._consumer, self._take_over_ms, count=limit)[1]
            if not entries:
                entries = self._entries(limit, ">")
        except self._package.exceptions.ConnectionError as error:
            raise self._unreachable(error) from error
        # An entry that was trimmed away while it was ours comes without fields; it is told as taken and reported as no event.
        return [Delivery(mark.decode(), (fields or {}).get(self._field.encode(), b"")) for mark, fields in entries]

    def _entries(self, limit: int, after: str) -> list[Any]:
        found = self._redis.xreadgroup(self._group, self._consumer, {self._stream: after}, count=limit)
        pairs = found.items() if isinstance(found, dict) else found or []
        for _, entries in pairs:
            rows: list[Any] = entries[0] if entries and isinstance(entries[0], list) else entries
            return rows
        return []

    def taken(self, marks: Sequence[str]) -> None:
        """As :meth:`Broker.taken`."""
        try:
            if marks:
                self._redis.xack(self._stream, self._group, *marks)
        except self._package.exceptions.ConnectionError as error:
            raise self._unreachable(error) from error

    def set_aside(self, delivery: Delivery, reason: str) -> None:
        """As :meth:`Broker.set_aside`."""
        try:
            self._redis.xadd(f"{self._stream}:refused", {"mark": delivery.mark, "data": delivery.data, "reason": reason})
        except self._package.exceptions.ConnectionError as error:
            raise self._unreachable(error) from error

    def close(self) -> None:
        """Let go of the connection."""
        self._redis.close()

    def _unreachable(self, error: Exception) -> Unavailable:
        return Unavailable(f"Redis cannot be reached: {error}", mend="check the URL and that it runs; nothing is lost, try again")
