"""What came of a sample: the whole conversation, its outcome, and a digest over what was said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec

from pilotage.core import canonical_json
from pilotage.models import Message, Outcome, Reply, TokenLogprob, ToolCall, Try, Usage, plain_canonical_json
from pilotage.runs.plan import SampleSpec
from pilotage.store import json_text

_SPOKEN = frozenset({Outcome.ANSWERED, Outcome.REFUSED, Outcome.TRUNCATED})


@dataclass(frozen=True, slots=True)
class Output:
    """What came of one sample.

    messages
        The full conversation as sent and answered. After an error it ends with what was sent.
    tool_calls
        Those of the last reply.
    usage, latency_us, tries
        Summed or joined over all requests of the sample.
    cached
        Every request was answered from the cache.
    detail
        What a solver wants to keep besides: contexts retrieved, branches pruned. Plain JSON data.
    attempt
        1, or more if the sample was tried again after an error: such an output is a re-roll and is counted apart.
    id, digest
        Set when it is written. The digest covers sample, attempt, outcome, messages, error and detail, not timings.
    sample
        The sample, where the output was read together with it.
    """

    sample_id: str
    outcome: Outcome
    messages: tuple[Message, ...]
    tool_calls: tuple[ToolCall, ...] = ()
    error: str | None = None
    usage: Usage = Usage()  # noqa: RUF009 (frozen: shared safely)
    latency_us: int = 0
    cached: bool = False
    tries: tuple[Try, ...] = ()
    id: str = ""
    digest: str = ""
    finish_reason: str = ""
    logprobs: tuple[TokenLogprob, ...] | None = None
    detail: dict[str, Any] = field(default_factory=dict)
    attempt: int = 1
    sample: SampleSpec | None = None

    @property
    def answer(self) -> str:
        """The model's last words; empty if it said nothing."""
        last = self.messages[-1] if self.messages else None
        return last.content if last is not None and last.role == "assistant" else ""

    @classmethod
    def of(
        cls,
        sample: SampleSpec,
        *,
        messages: Sequence[Message],
        replies: Sequence[Reply],
        detail: dict[str, Any] | None = None,
    ) -> Output:
        """The output of a conversation: ``messages`` as sent, before the last of ``replies``, whose outcome is the output's."""
        last = replies[-1]
        spoken = (*messages, last.message) if last.outcome in _SPOKEN else tuple(messages)
        if len(replies) == 1:
            usage, latency_us, tries, cached = last.usage, last.latency_us, last.tries, last.cached
        else:
            usage = sum((reply.usage for reply in replies), Usage())
            latency_us = sum(reply.latency_us for reply in replies)
            tries = tuple(each for reply in replies for each in reply.tries)
            cached = all(reply.cached for reply in replies)
        return cls(
            sample.id,
            last.outcome,
            spoken,
            last.tool_calls,
            last.error,
            usage,
            latency_us,
            cached,
            tries,
            finish_reason=last.finish_reason,
            logprobs=last.logprobs,
            detail=detail or {},
        )


class _Body(msgspec.Struct, omit_defaults=True):
    messages: list[Any]
    tool_calls: tuple[ToolCall, ...] = ()
    error: str | None = None
    tries: tuple[Try, ...] = ()
    finish_reason: str = ""
    logprobs: tuple[TokenLogprob, ...] | None = None
    detail: dict[str, Any] = {}


class _ReadBody(_Body):
    messages: list[Message]


_decode_body = msgspec.json.Decoder(_ReadBody).decode
_decode_usage = msgspec.json.Decoder(Usage).decode


def output_row(output: Output, *, run_id: str) -> dict[str, Any]:
    """The row of ``output``, JSON as text, with its id and digest; without the batch, which the writer knows."""
    messages = [message.to_dict() for message in output.messages]
    return {
        "id": output_id(output.sample_id, output.attempt),
        "sample_id": output.sample_id,
        "attempt": output.attempt,
        "outcome": output.outcome.value,
        "body": json_text(_Body(messages, output.tool_calls, output.error, output.tries, output.finish_reason, output.logprobs, output.detail)),
        "usage": json_text(output.usage),
        "latency_us": output.latency_us,
        "cached": int(output.cached),
        "digest": output_digest(output, messages=messages),
        "run_id": run_id,
    }


def read_output(row: Any, *, body: str, usage: str, sample: SampleSpec | None = None) -> Output:
    """The output in a row of the table, its JSON columns given as text."""
    held = _decode_body(body)
    return Output(
        row.sample_id,
        Outcome(row.outcome),
        tuple(held.messages),
        held.tool_calls,
        held.error,
        _decode_usage(usage),
        row.latency_us,
        bool(row.cached),
        held.tries,
        row.id,
        row.digest,
        held.finish_reason,
        held.logprobs,
        held.detail,
        row.attempt,
        sample,
    )


def output_id(sample_id: str, attempt: int) -> str:
    """One sample and attempt has one output: a second with the same id cannot be stored."""
    return f"out_{hashlib.sha256(f'{sample_id}/{attempt}'.encode()).hexdigest()[:32]}"


def output_digest(output: Output, *, messages: list[dict[str, Any]] | None = None) -> str:
    """SHA-256 (hex) of the canonical JSON of what was said and how it ended."""
    content = {
        "sample": output.sample_id,
        "attempt": output.attempt,
        "outcome": output.outcome.value,
        "messages": [message.to_dict() for message in output.messages] if messages is None else messages,
        "error": output.error,
        "detail": output.detail,
    }
    canonical = canonical_json if output.detail else plain_canonical_json
    return hashlib.sha256(canonical(content)).hexdigest()


def marked(output: Output, *, attempt: int) -> Output:
    """``output`` as the given attempt."""
    return output if output.attempt == attempt else replace(output, attempt=attempt)
