"""How a sample becomes an output: solvers.

A solver is any async function ``(SampleSpec, Ask) -> Output``. It asks the target through ``ask``, which the engine hands in and which caches,
limits and books; it holds no state between samples.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from pilotage.core import InputError
from pilotage.models import Message, Outcome, Reply, Request
from pilotage.runs.output import Output
from pilotage.runs.plan import SampleSpec

Ask: TypeAlias = Callable[[Request], Awaitable[Reply]]
Solve: TypeAlias = Callable[[SampleSpec, Ask], Awaitable[Output]]
NextTurn: TypeAlias = Callable[[SampleSpec, tuple[Message, ...]], "str | Awaitable[str | None] | None"]

_OVER = frozenset({Outcome.BLOCKED, Outcome.UNPARSABLE, Outcome.ERROR})


async def single_turn(sample: SampleSpec, ask: Ask) -> Output:
    """Ask once, with the request in the sample's spec."""
    request = request_of(sample)
    return Output.of(sample, messages=request.messages, replies=[await ask(request)])


def conversation(next_turn: NextTurn, *, turns: int) -> Solve:
    """A solver that talks for up to ``turns`` turns.

    Parameters
    ----------
    next_turn
        Takes the sample and the conversation so far and gives what the user says next, or None to stop. Plain or async.
    turns
        The most turns of the user.

    The conversation starts with the spec's ``messages``, if any, as its history. It also ends when the target gives no usable reply. The output
    has the outcome of the last reply.
    """
    if turns < 1:
        raise InputError(f"A conversation has at least one turn, not {turns}.")

    async def solve(sample: SampleSpec, ask: Ask) -> Output:
        history = _messages(sample) if "messages" in sample.spec else ()
        replies: list[Reply] = []
        sent = history
        for _ in range(turns):
            said = next_turn(sample, history)
            text = await said if inspect.isawaitable(said) else said
            if text is None:
                break
            sent = (*history, Message("user", text))
            reply = await ask(request_of(sample, messages=sent))
            replies.append(reply)
            if reply.outcome in _OVER:
                break
            history = (*sent, reply.message)
        if not replies:
            raise InputError("The conversation ended before it began.", where=f"sample {sample.id}", mend="let next_turn say something first")
        return Output.of(sample, messages=sent, replies=replies)

    return solve


def request_of(sample: SampleSpec, *, messages: tuple[Message, ...] | None = None) -> Request:
    """The request in ``sample.spec``: ``messages``, and ``max_tokens``, ``temperature``, ``seed``, ``stop``, ``tools``, ``logprobs`` where given.

    Raises
    ------
    InputError
        If the spec holds no well-formed messages.
    """
    spec: dict[str, Any] = sample.spec
    return Request(
        _messages(sample) if messages is None else messages,
        max_tokens=spec.get("max_tokens"),
        temperature=spec.get("temperature"),
        seed=spec.get("seed"),
        stop=tuple(spec.get("stop") or ()),
        tools=tuple(spec.get("tools") or ()),
        logprobs=bool(spec.get("logprobs", False)),
    )


def _messages(sample: SampleSpec) -> tuple[Message, ...]:
    try:
        messages = tuple(Message.from_dict(plain) for plain in sample.spec["messages"])
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "This sample's messages are not well formed.",
            where=f"sample {sample.id} (item '{sample.item_key}')",
            mend='give "messages": [{"role": "user", "content": "…"}]',
        ) from error
    if not all(isinstance(message.content, str) and isinstance(message.role, str) for message in messages) or not messages:
        raise InputError("This sample's messages are empty or not text.", where=f"sample {sample.id} (item '{sample.item_key}')")
    return messages
