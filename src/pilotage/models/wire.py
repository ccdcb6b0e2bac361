"""The OpenAI wire format: bodies out, replies in, strictly.

A reply that does not have the declared shape is not guessed at: it is ``unparsable``, with the reason, and counted as such.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from pilotage.models.message import Message, Outcome, Reply, Request, TokenLogprob, ToolCall, Usage
from pilotage.models.target import CompletionTemplate, TargetConfig
from pilotage.models.template import render

# No reply has more: a larger number would overflow the sums that budgets and figures are made of.
Count = Annotated[int, msgspec.Meta(ge=0, le=2**31)]
_BLOCKED_CODES = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
_BYTES_PER_TOKEN = 4


class _Function(msgspec.Struct):
    name: str
    arguments: str


class _Call(msgspec.Struct):
    function: _Function
    id: str = ""


class _ChatMessage(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None


class _Logprob(msgspec.Struct):
    token: str
    logprob: float


class _ChatLogprobs(msgspec.Struct):
    content: list[_Logprob] | None = None


class _ChatChoice(msgspec.Struct):
    message: _ChatMessage
    finish_reason: str | None = None
    logprobs: _ChatLogprobs | None = None


class _WireUsage(msgspec.Struct):
    prompt_tokens: Count
    completion_tokens: Count = 0


class _Chat(msgspec.Struct):
    choices: Annotated[list[_ChatChoice], msgspec.Meta(min_length=1)]
    usage: _WireUsage | None = None


class _CompletionLogprobs(msgspec.Struct):
    tokens: list[str] = []
    token_logprobs: list[float | None] = []


class _CompletionChoice(msgspec.Struct):
    text: str
    finish_reason: str | None = None
    logprobs: _CompletionLogprobs | None = None


class _Completion(msgspec.Struct):
    choices: Annotated[list[_CompletionChoice], msgspec.Meta(min_length=1)]
    usage: _WireUsage | None = None


_chat = msgspec.json.Decoder(_Chat)
_completion = msgspec.json.Decoder(_Completion)
_anything = msgspec.json.Decoder()
_encode = msgspec.json.Encoder().encode


def encode_body(config: TargetConfig, request: Request) -> bytes:
    """The JSON body of ``request``, which must be settled (no field left to the target)."""
    body: dict[str, Any] = {"model": config.model, **config.parameters}
    template = config.template
    stop = request.stop
    if isinstance(template, CompletionTemplate):
        body["prompt"] = render(template.template, request.messages)
        stop = tuple(dict.fromkeys((*template.stop, *stop)))
        if request.logprobs:
            body["logprobs"] = 1
    else:
        body["messages"] = [_wire_message(message) for message in request.messages]
        if request.tools:
            body["tools"] = request.tools
        if request.logprobs:
            body["logprobs"] = True
    body[config.max_tokens_field] = request.max_tokens
    body["temperature"] = request.temperature
    if request.seed is not None:
        body["seed"] = request.seed
    if stop:
        body["stop"] = stop
    return _encode(body)


def estimate_tokens(text: str) -> int:
    """Tokens of ``text`` where nobody counted: one per four bytes of UTF-8, rounded up."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // _BYTES_PER_TOKEN)


def estimate_prompt(request: Request) -> int:
    """Tokens the request's messages may take."""
    return sum(estimate_tokens(message.content) + 4 for message in request.messages)


def parse_reply(config: TargetConfig, request: Request, body: bytes) -> Reply:
    """The reply in ``body``, the body of a 200 response."""
    try:
        return _parse_completion(config.template, request, body) if isinstance(config.template, CompletionTemplate) else _parse_chat(request, body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return unparsable(f"the reply is not well formed: {error}")


def unparsable(reason: str) -> Reply:
    """A reply that could not be read."""
    return Reply("", Outcome.UNPARSABLE, error=reason)


def _parse_chat(request: Request, body: bytes) -> Reply:
    chat = _chat.decode(body)
    choice = chat.choices[0]
    message = choice.message
    calls = tuple(ToolCall(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ())
    finish = choice.finish_reason or ""
    if message.content is None and not calls and not message.refusal and finish not in ("content_filter", "length"):
        return unparsable("the reply holds no content, no tool call and no refusal")
    content = message.content or ""
    logprobs = None
    if choice.logprobs is not None and choice.logprobs.content is not None:
        logprobs = tuple(TokenLogprob(each.token, each.logprob) for each in choice.logprobs.content)
    return Reply(
        content,
        _outcome(finish, message.refusal),
        tool_calls=calls,
        finish_reason=finish,
        usage=_usage(chat.usage, request, content + (message.refusal or "") + "".join(call.arguments for call in calls)),
        refusal=message.refusal or None,
        logprobs=logprobs,
    )


def _parse_completion(template: CompletionTemplate, request: Request, body: bytes) -> Reply:
    completion = _completion.decode(body)
    choice = completion.choices[0]
    finish = choice.finish_reason or ""
    logprobs = None
    if choice.logprobs is not None and len(choice.logprobs.tokens) == len(choice.logprobs.token_logprobs):
        pairs = zip(choice.logprobs.tokens, choice.logprobs.token_logprobs, strict=True)
        logprobs = tuple(TokenLogprob(token, logprob) for token, logprob in pairs if logprob is not None)
    return Reply(
        choice.text.strip() if template.strip else choice.text,
        _outcome(finish, None),
        finish_reason=finish,
        usage=_usage(completion.usage, request, choice.text),
        logprobs=logprobs,
    )


def _outcome(finish: str, refusal: str | None) -> Outcome:
    if finish == "content_filter":
        return Outcome.BLOCKED
    if refusal:
        return Outcome.REFUSED
    return Outcome.TRUNCATED if finish == "length" else Outcome.ANSWERED


def _usage(said: _WireUsage | None, request: Request, answer: str) -> Usage:
    if said is not None:
        return Usage(said.prompt_tokens, said.completion_tokens)
    return Usage(estimate_prompt(request), estimate_tokens(answer), estimated=True)


def _wire_message(message: Message) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        wire["tool_calls"] = [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}} for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        wire["tool_call_id"] = message.tool_call_id
    return wire


class ErrorBody(msgspec.Struct, frozen=True):
    """What an error response says: a text for people, and whether its codes mean a content filter or a spent quota."""

    text: str
    blocked: bool
    quota: bool


def parse_error(body: bytes) -> ErrorBody:
    """Read an error body in the forms OpenAI, Azure, vLLM and llama.cpp use. Never fails: an unknown form is its own text."""
    try:
        said = _anything.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ErrorBody(body[:300].decode("utf-8", "replace").strip(), blocked=False, quota=False)
    error = said.get("error", said) if isinstance(said, dict) else said
    if not isinstance(error, dict):
        return ErrorBody(str(error)[:300], blocked=False, quota=False)
    inner = error.get("innererror")
    said_codes = (error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None)
    codes = {code for code in said_codes if isinstance(code, str)}
    text = error.get("message") or error.get("detail") or error
    return ErrorBody(str(text)[:300], blocked=bool(codes & _BLOCKED_CODES), quota=bool(codes & _QUOTA_CODES))
