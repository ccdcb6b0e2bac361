"""What is said to a model and what it says back.

Plain immutable records, the same for every kind of target. A :class:`Reply` always says which of six things happened, so that an unreachable server,
a provider's filter and a refusal are never counted as one another.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Outcome(StrEnum):
    """What became of one request."""

    ANSWERED = "answered"
    REFUSED = "refused"  # the provider's own ``refusal`` field; a refusal in prose is a judgement, made later
    BLOCKED = "blocked"  # the provider's content filter stopped the request or the answer
    TRUNCATED = "truncated"  # the answer ran into the token limit
    UNPARSABLE = "unparsable"  # the server answered, but not with a well-formed reply
    ERROR = "error"  # infrastructure: no usable answer was had


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call the model asks for. ``arguments`` is the JSON text as the model wrote it, which may be malformed."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. ``role`` is system, user, assistant or tool; ``tool_call_id`` names the call a tool message answers."""

    role: str
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain data: ``tool_calls`` and ``tool_call_id`` only where there are any."""
        plain: dict[str, Any] = {"role": self.role, "content": self.content}
        if self.tool_calls:
            plain["tool_calls"] = [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in self.tool_calls]
        if self.tool_call_id is not None:
            plain["tool_call_id"] = self.tool_call_id
        return plain

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Message:
        """The inverse of :meth:`to_dict`. Raises ``KeyError`` if role or content is missing."""
        calls = tuple(ToolCall(call["id"], call["name"], call["arguments"]) for call in plain.get("tool_calls") or ())
        return cls(plain["role"], plain["content"], calls, plain.get("tool_call_id"))


@dataclass(frozen=True, slots=True)
class Request:
    """What to ask. A field left None takes the target's own setting.

    seed
        Sent as ``seed + repeat``, so that the repeats of a sampled request are different draws and the same on every run.
    tools
        Tool definitions in the OpenAI form, besides those the target declares.
    """

    messages: tuple[Message, ...]
    max_tokens: int | None = None
    temperature: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[dict[str, Any], ...] = ()
    logprobs: bool = False


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. ``estimated``: the server did not say, so they were counted as one per four bytes of UTF-8."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    estimated: bool = False

    @property
    def total(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Try:
    """One request on the wire: HTTP status (None if none came), how long it took, what went wrong, and how long was then waited."""

    status: int | None
    latency_us: int
    error: str | None = None
    waited_us: int = 0


@dataclass(frozen=True, slots=True)
class TokenLogprob:
    """A token of the answer and its natural-log probability."""

    token: str
    logprob: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back.

    latency_us
        Of the try that was answered, without waiting and earlier tries. For a cached reply: as first measured.
    tries
        Every try of this call; empty for a cached reply.
    target_down
        For ``ERROR``: the fault lies with the target (unreachable, overloaded, wrong key), not with this one request, so others will meet it too.
    """

    content: str
    outcome: Outcome
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: str = ""
    usage: Usage = Usage()
    error: str | None = None
    latency_us: int = 0
    cached: bool = False
    tries: tuple[Try, ...] = ()
    refusal: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    fingerprint: str | None = None
    target_down: bool = False

    @property
    def message(self) -> Message:
        """The reply as the next message of the conversation. A refusal in the provider's own field is its text."""
        return Message("assistant", self.content or self.refusal or "", self.tool_calls)
