"""The fast canonical form is the standard one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilotage.core import InputError, canonical_json
from pilotage.models import Message, Request, ToolCall, plain_canonical_json
from pilotage.models.canonical import cache_key

text = st.text(st.characters(exclude_categories=("Cs",)))
ascii_key = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=8)
plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_key, inner, max_size=4),
    max_leaves=12,
)


@given(plain)
def test_plain_values_have_the_same_bytes_as_rfc_8785(value: Any) -> None:
    assert plain_canonical_json(value) == canonical_json(value)


@pytest.mark.parametrize("value", ["\ud800", {"a": ["\udfff"]}])
def test_a_lone_surrogate_is_refused(value: Any) -> None:
    with pytest.raises(InputError):
        plain_canonical_json(value)


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
    assert cache_key(request, fingerprint="f", repeat=repeat) == sha256_hex(canonical_json(value))


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
