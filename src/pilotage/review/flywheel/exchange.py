"""Reading an item's payload as an exchange: what the model was given, and what it said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pilotage.core import canonical_json

_PROMPTS = ("messages", "conversation", "prompt", "question", "input", "text")
_OUTPUTS = ("output", "response", "completion", "answer")
_MESSAGE = ("role", "content", "name", "tool_calls", "tool_call_id")


@dataclass(frozen=True)
class Exchange:
    """``prompt``: the messages before the output. ``output``: the last thing the model said; None where the payload has only an input."""

    prompt: tuple[dict[str, Any], ...]
    output: str | None


def exchange_of(payload: Any) -> Exchange | None:
    """The exchange a payload shows, or None if it shows none.

    Understood: ``messages`` or ``conversation`` (a list of messages), or ``prompt``, ``question``, ``input`` or ``text`` (messages or text), with the
    output as the last assistant message, or apart as ``output``, ``response``, ``completion`` or ``answer``.
    """
    if not isinstance(payload, Mapping):
        return None
    for name in _PROMPTS:
        if payload.get(name):
            break
    else:
        return None
    given = payload[name]
    if isinstance(given, str):
        messages = [{"role": "user", "content": given}]
    elif isinstance(given, Sequence) and all(isinstance(each, Mapping) and each.get("role") for each in given):
        messages = [{key: each[key] for key in _MESSAGE if each.get(key) is not None} for each in given]
    else:
        return None
    output = next((payload[key] for key in _OUTPUTS if isinstance(payload.get(key), str) and key != name), None)
    if output is None and messages[-1]["role"] == "assistant" and len(messages) > 1:
        output = str(messages.pop().get("content") or "")
    return Exchange(tuple(messages), output)


def as_text(payload: Any) -> str:
    """The payload as one text, for models that label: a conversation line by line, a text as it is, anything else as JSON."""
    found = exchange_of(payload)
    if found is None:
        return payload if isinstance(payload, str) else canonical_json(payload).decode()
    if len(found.prompt) == 1 and found.output is None:
        return str(found.prompt[0].get("content") or "")
    lines = [f"{each['role']}: {each.get('content') or ''}" for each in found.prompt]
    return "\n".join(lines if found.output is None else [*lines, f"assistant: {found.output}"])


def answers_of_pair(payload: Any) -> tuple[tuple[dict[str, Any], ...], str, str] | None:
    """The prompt and the answers a and b of a pair, or None if the payload is no pair of texts."""
    if not isinstance(payload, Mapping):
        return None
    sides = [_answer(payload.get(side)) for side in ("a", "b")]
    found = exchange_of({key: value for key, value in payload.items() if key not in ("a", "b", *_OUTPUTS)})
    if found is None or found.output is not None or sides[0] is None or sides[1] is None:
        return None
    return found.prompt, sides[0], sides[1]


def _answer(given: Any) -> str | None:
    if isinstance(given, str):
        return given or None
    if isinstance(given, Mapping):
        text = next((given[key] for key in ("content", "text", *_OUTPUTS) if isinstance(given.get(key), str)), None)
        return text or None
    if isinstance(given, Sequence) and len(given) == 1:
        return _answer(given[0])
    return None
