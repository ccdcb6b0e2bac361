"""The key of the response cache, and canonical JSON for what is known to be plain.

:func:`pilotage.core.canonical_json` looks at a value before it trusts the quick encoder with it; what is built here needs no look.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from pilotage.core import canonical_json
from pilotage.models.message import Request

_encode = msgspec.json.Encoder(order="sorted").encode
_LARGEST = 2**53 - 1


def plain_canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of a value that is known to be plain: no floats, no integers beyond ±(2**53 - 1), only ASCII keys. Not checked."""
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
