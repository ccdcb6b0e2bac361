"""States as bytes and as JSON.

Bytes: MessagePack of the plain values, with whole numbers beyond 64 bits as signed little-endian bytes inside a one-entry map. A sum and a count
take 5 to 20 bytes. Reading gives an equal state, and equal states give equal bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import msgspec

from pilotage.core import IntegrityError
from pilotage.features.algebra.aggregator import State

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode
_LOW, _HIGH = -(2**63), 2**64


def pack(states: Sequence[State]) -> bytes:
    """The states of one tile, in the order of the view's aggregates, as bytes."""
    try:
        return _encode(states)
    except OverflowError:
        return _encode([_narrow(state) for state in states])


def unpack(data: bytes) -> tuple[State, ...]:
    """The states that :func:`pack` wrote. Raises ``IntegrityError`` if the bytes are no states."""
    try:
        return tuple(_wide(state) for state in _decode(data))
    except (msgspec.DecodeError, TypeError, ValueError) as error:
        raise IntegrityError("A stored tile cannot be read.", why=str(error), mend="rebuild the view's tiles from the event log") from error


def state_to_json(state: State) -> Any:
    """``state`` as a value JSON holds exactly: wide whole numbers as text under "i", bytes as base64 under "b"."""
    if isinstance(state, tuple):
        return [state_to_json(part) for part in state]
    if isinstance(state, bytes):
        return {"b": base64.b64encode(state).decode()}
    if isinstance(state, int) and not isinstance(state, bool) and abs(state) >= 2**53:
        return {"i": str(state)}
    return state


def state_from_json(value: Any) -> State:
    """What :func:`state_to_json` wrote, as a state."""
    if isinstance(value, list):
        return tuple(state_from_json(part) for part in value)
    if isinstance(value, dict):
        return base64.b64decode(value["b"]) if "b" in value else int(value["i"])
    return value


def _narrow(state: State) -> Any:
    if isinstance(state, tuple):
        return [_narrow(part) for part in state]
    if type(state) is int and not _LOW <= state < _HIGH:
        return {"i": state.to_bytes((state.bit_length() + 8) // 8, "little", signed=True)}
    return state


def _wide(value: Any) -> State:
    if type(value) is list:
        return tuple([_wide(part) for part in value])
    if type(value) is dict:
        return int.from_bytes(value["i"], "little", signed=True)
    return value
