"""Canonical JSON on the hot path, and the key of the response cache.

:func:`pilotage.core.canonical_json` takes any value and is written in Python; at thousands of samples a second it would be the largest cost of a
replay. What is hashed here mostly holds only text, small integers, booleans and null under ASCII keys, and for those msgspec's encoder, told to sort,
writes the same RFC 8785 bytes (a test holds the two equal).
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pilotage.core import canonical_json
from pilotage.models.message import Request

_encode = msgspec.json.Encoder(order="sorted").encode
_LARGEST = 2**53 - 1


def fast_canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of ``value``, as :func:`pilotage.core.canonical_json` but ten times sooner where ``value`` is plain."""
    return plain_canonical_json(value) if _is_plain(value) else canonical_json(value)


def _is_plain(value: Any) -> bool:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is dict:
        return all(type(name) is str and name.isascii() for name in value) and all(map(_is_plain, value.values()))
    if kind is list or kind is tuple:
        return all(map(_is_plain, value))
    return kind is int and -_LARGEST <= value <= _LARGEST


def plain_canonical_json(value: Any) -> bytes:
    """The same for a value that is known to be plain: no floats, no integers beyond ±(2**53 - 1), only ASCII keys. Not checked."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return canonical_json(value)  # raises the error that says what is wrong


def cache_key(request: Request, *, fingerprint: str, repeat: int, draw: int = 0) -> str:
    """The SHA-256 (hex) of the canonical request, the model's fingerprint and the repeat index.

    ``request`` must be settled (no field left to the target). ``draw`` tells apart equal requests made within one sample.
    """
    temperature: float | int | None = request.temperature
    plain = not request.tools and (request.seed is None or abs(request.seed) <= _LARGEST)
    if temperature is not None:
        # RFC 8785 writes 1.0 as 1; between 1e-4 and 1e15 Python and ECMAScript write other doubles alike.
        if temperature == int(temperature):
            temperature = int(temperature)
        elif temperature < 1e-3:
            plain = False
    value = {
        "draw": draw,
        "fingerprint": fingerprint,
        "repeat": repeat,
        "request": {
            "logprobs": request.logprobs,
            "max_tokens": request.max_tokens,
            "messages": [message.to_dict() for message in request.messages],
            "seed": request.seed,
            "stop": request.stop,
            "temperature": temperature,
            "tools": request.tools,
        },
    }
    return hashlib.sha256(plain_canonical_json(value) if plain else canonical_json(value)).hexdigest()
