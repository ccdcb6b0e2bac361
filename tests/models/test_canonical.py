"""The key of the response cache is the hash of the standard form."""

from __future__ import annotations

from typing import Any

import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from pilotage.models import Message, Request, ToolCall
from pilotage.models.canonical import cache_key

text = st.text(st.characters(exclude_categories=("Cs",)))

requests = st.builds(
    Request,
    messages=st.lists(st.builds(Message, role=st.sampled_from(["user", "assistant"]), content=text), min_size=1, max_size=3).map(tuple),
    max_tokens=st.integers(1, 10_000),
    temperature=st.sampled_from([0.0, 1e-7, 0.1, 0.3333333333333333, 1.0, 2.0]) | st.floats(0, 10),
    seed=st.none() | st.integers(0, 2**31),
    stop=st.lists(text, max_size=2).map(tuple),
    logprobs=st.booleans(),
)


@given(requests, st.integers(0, 3))
def test_the_key_is_the_hash_of_the_canonical_request(request: Request, repeat: int) -> None:
    from pilotage.core import sha256_hex

    value = {
        "draw": 0,
        "fingerprint": "f",
        "repeat": repeat,
        "request": {
            "logprobs": request.logprobs,
            "max_tokens": request.max_tokens,
            "messages": [message.to_dict() for message in request.messages],
            "seed": request.seed,
            "stop": list(request.stop),
            "temperature": request.temperature,
            "tools": [],
        },
    }
    assert cache_key(request, fingerprint="f", repeat=repeat) == sha256_hex(rfc8785.dumps(value))


def test_everything_that_may_change_the_answer_changes_the_key() -> None:
    message = Message("user", "hi")
    base = {"messages": (message,), "max_tokens": 5, "temperature": 1.0, "seed": 1}
    variants: list[dict[str, Any]] = [
        {},
        {"messages": (Message("user", "ho"),)},
        {"messages": (Message("system", "hi"),)},
        {"messages": (Message("user", "hi", (ToolCall("1", "f", "{}"),)),)},
        {"messages": (Message("user", "hi", (), "1"),)},
        {"max_tokens": 6},
        {"temperature": 0.0},
        {"seed": None},
        {"stop": ("x",)},
        {"tools": ({"type": "function"},)},
        {"logprobs": True},
    ]
    keys = {cache_key(Request(**{**base, **change}), fingerprint="f", repeat=0) for change in variants}
    keys.add(cache_key(Request(**base), fingerprint="g", repeat=0))
    keys.add(cache_key(Request(**base), fingerprint="f", repeat=1))
    keys.add(cache_key(Request(**base), fingerprint="f", repeat=0, draw=1))
    assert len(keys) == len(variants) + 3
