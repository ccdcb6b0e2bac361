"""An entity's state as a blob: enough to compute its features at any later moment, exactly as the batch path would.

A blob made *as of* a moment holds

- the row that is the latest known one at that moment, and those that will become known later (a declared lag, a clock that is ahead);
- for aggregates, the *suffixes* of the complete tiles: entry ``i`` is the merge of tile ``i`` and all after it. A window ends now and starts at a
  tile's edge, so it is one suffix, found by bisection and unpacked alone: reading does not grow with the number of tiles in the window;
- the raw rows that are not in a complete tile, or not yet available: the tail. They are added at read time if they are known by then.

Merging is associative and commutative and exact (:mod:`pilotage.features.algebra`), so the result has the bits of the batch path.

Cost: reading one entity takes some 2 µs for row features, and for aggregates 5 to 10 µs a window plus 1 µs a tail row and aggregate. A blob takes
16 bytes and the size of the states for each tile.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from pilotage.core import IntegrityError
from pilotage.features.algebra import Aggregator, Order, State, pack, unpack

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


class KnownRow(msgspec.Struct, frozen=True):
    """One source row of an entity: its three times and the values of the view's row features, timestamps as µs and dates as days since the epoch."""

    event_us: int
    available_us: int
    sequence: int
    values: tuple[Any, ...]


class TailRow(msgspec.Struct, frozen=True):
    """One source row of an entity: its three times and the value each aggregate takes from it (None: none)."""

    event_us: int
    available_us: int
    sequence: int
    inputs: tuple[Any, ...]


@dataclass(frozen=True)
class Layout:
    """What a view says about its states: row features, each aggregate's algebra and window, the tile, whether an event at the moment counts."""

    rows: tuple[str, ...]
    aggregators: Mapping[str, Aggregator]
    windows: tuple[int, ...]
    tile_us: int
    closed_right: bool
    ttl_us: int | None

    def window_start(self, at_us: int, window_us: int) -> int:
        """Where a sawtooth window that ends at ``at_us`` starts."""
        start = at_us - window_us
        return start - start % self.tile_us

    def sees(self, event_us: int, available_us: int, at_us: int) -> bool:
        """Whether a row is part of what is known at ``at_us``."""
        return available_us <= at_us and (event_us <= at_us if self.closed_right else event_us < at_us)


class Read(msgspec.Struct, frozen=True):
    """An entity's features at a moment.

    ``as_of_us`` is the moment: never before ``made_us``, the moment the state was made for. ``row_event_us`` is the latest known row's.
    """

    values: list[Any]
    as_of_us: int
    made_us: int
    row_event_us: int | None
    stale: bool


def latest_rows(rows: Sequence[KnownRow], layout: Layout, as_of_us: int) -> list[KnownRow]:
    """Of an entity's rows those a blob must keep: the latest known one, and those not yet known. In the order of (event, available, sequence)."""
    winner: KnownRow | None = None
    later = []
    for row in sorted(rows, key=lambda row: (row.event_us, row.available_us, row.sequence)):
        if layout.sees(row.event_us, row.available_us, as_of_us):
            winner = row
        else:
            later.append(row)
    if winner is None:
        return later
    floor = (winner.event_us, winner.available_us, winner.sequence)
    # A row that becomes known later but lies before the winner never wins: time only adds candidates.
    return [winner, *(row for row in later if (row.event_us, row.available_us, row.sequence) > floor)]


def in_tail(layout: Layout, event_us: int, available_us: int, as_of_us: int) -> bool:
    """Whether a row must stay raw: its tile is not complete at ``as_of_us``, or it is not yet available."""
    return available_us > as_of_us or event_us - event_us % layout.tile_us + layout.tile_us > as_of_us


def encode_state(
    layout: Layout,
    *,
    as_of_us: int,
    known: Sequence[KnownRow],
    tiles: Mapping[int, Sequence[State]] | None = None,
    tail: Sequence[TailRow] = (),
) -> bytes:
    """The blob of one entity.

    Parameters
    ----------
    known
        As :func:`latest_rows` chooses them.
    tiles
        The states of complete tiles by their start (µs), in the order of the layout's aggregates; those before every window are left out.
    tail
        The rows of :func:`in_tail`.
    """
    rows = [(row.event_us, row.available_us, row.sequence, row.values) for row in known]
    if not layout.aggregators:
        return _encode([as_of_us, rows])
    starts, entries = _suffixes(layout, as_of_us, tiles or {})
    offsets = [0]
    for entry in entries:
        offsets.append(offsets[-1] + len(entry))
    left = [[row.event_us, row.available_us, row.sequence, *row.inputs] for row in tail]
    return _encode([as_of_us, rows, _packed_numbers(starts), _packed_numbers(offsets), b"".join(entries), left])


def read_state(layout: Layout, blob: bytes, now_us: int) -> Read:
    """The features of the entity of ``blob`` at ``now_us``.

    A reader whose clock is behind the writer's reads as of the writer's moment: what is served was known then, and :attr:`Read.as_of_us` says it.

    Raises
    ------
    IntegrityError
        If the bytes are no state of this layout.
    """
    try:
        parts = _decode(blob)
        at_us = max(now_us, parts[0])
        row = _latest(layout, parts[1], at_us)
        stale = row is not None and layout.ttl_us is not None and at_us - row[0] > layout.ttl_us
        values: list[Any] = [None] * len(layout.rows) if row is None or stale else row[3]
        if layout.aggregators:
            values = [*values, *_aggregates(layout, parts, at_us)]
        return Read(values, at_us, parts[0], None if row is None else row[0], stale)
    except (msgspec.DecodeError, IndexError, TypeError, ValueError) as error:
        raise IntegrityError("A stored online state cannot be read.", why=str(error), mend="write it anew: pilotage features materialize") from error


def _latest(layout: Layout, rows: list[Any], at_us: int) -> list[Any] | None:
    if len(rows) == 1 and layout.sees(rows[0][0], rows[0][1], at_us):
        only: list[Any] = rows[0]
        return only
    found: list[Any] | None = None
    for row in rows:  # in order, so the last that is known wins
        if layout.sees(row[0], row[1], at_us):
            found = row
    return found


def _aggregates(layout: Layout, parts: list[Any], at_us: int) -> list[Any]:
    starts, offsets, entries, tail = memoryview(parts[2]).cast("q"), memoryview(parts[3]).cast("q"), parts[4], parts[5]
    seen = [row for row in tail if layout.sees(row[0], row[1], at_us)]
    found: dict[int, tuple[State, ...] | None] = {}
    values = []
    for position, (aggregator, window_us) in enumerate(zip(layout.aggregators.values(), layout.windows, strict=True)):
        start = layout.window_start(at_us, window_us)
        if window_us not in found:
            index = bisect_left(starts, start)
            found[window_us] = unpack(entries[offsets[index] : offsets[index + 1]]) if index < len(starts) else None
        entry = found[window_us]
        state = aggregator.init() if entry is None else entry[position]
        for row in seen:
            if row[0] >= start:
                state = aggregator.update(state, row[3 + position], Order(row[0], row[1], row[2]))
        values.append(aggregator.finalize(state))
    return values


def _suffixes(layout: Layout, as_of_us: int, tiles: Mapping[int, Sequence[State]]) -> tuple[list[int], list[bytes]]:
    # A window only moves on, so a tile before the window of now is never asked for again.
    firsts = [layout.window_start(as_of_us, window_us) for window_us in layout.windows]
    starts = sorted(start for start in tiles if start >= min(firsts))
    aggregators = list(layout.aggregators.values())
    states: list[State] = [aggregator.init() for aggregator in aggregators]
    entries = []
    for start in reversed(starts):
        tile = tiles[start]
        states = [
            aggregator.merge(tile[i], states[i]) if start >= first else aggregator.init()
            for i, (aggregator, first) in enumerate(zip(aggregators, firsts, strict=True))
        ]
        entries.append(pack(states))
    return starts, entries[::-1]


def _packed_numbers(numbers: Sequence[int]) -> bytes:
    return array("q", numbers).tobytes()
