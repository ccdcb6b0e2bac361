"""The assistant over HTTP, as an OpenAI-compatible endpoint: ``GET /v1/models`` and ``POST /v1/chat/completions``.

It listens on loopback only. The request's system message stands in for the built-in prompt when it holds a canary of its own. Tools run inside the
service (they change nothing) and are shown as ``tool_calls`` beside the answer. Sampling parameters are accepted and have no effect: the assistant is
deterministic. Streaming is not offered and refused.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilotage.core import InputError, Unavailable, content_id
from pilotage.practice.assistant import Answer, Assistant
from pilotage.practice.conversation import Turn
from pilotage.practice.decoding import words
from pilotage.practice.model import Model, load_model
from pilotage.practice.prompt import CANARY, SYSTEM_PROMPT, canary_in

if TYPE_CHECKING:
    from aiohttp import web

MODEL_NAME = "harbour-assistant"
_HOST = "127.0.0.1"
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


@dataclass
class Serving:
    """A running service. Use it as a context manager, or call :meth:`close`.

    url
        The base URL clients take: ``http://127.0.0.1:<port>/v1``.
    """

    url: str
    model: Model
    _stop: Callable[[], None] = field(repr=False)

    def close(self) -> None:
        """Stop listening and let go of the port."""
        self._stop()

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def make_app(model: Model, *, latency_s: float = 0.0) -> web.Application:
    """The service's aiohttp application. ``latency_s`` is slept before every answer, to play a slower model."""
    from aiohttp import web

    assistant = Assistant(model)

    async def models(_: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [_model_entry(model)]})

    async def one_model(request: web.Request) -> web.Response:
        if request.match_info["name"] != MODEL_NAME:
            return _error(404, f"There is no model '{request.match_info['name']}'.", "model")
        return web.json_response(_model_entry(model))

    async def complete(request: web.Request) -> web.Response:
        try:
            body = await request.json()
        except ValueError:
            return _error(400, "The body is not JSON.", None)
        try:
            system, turns = _read_request(body)
            answer = assistant.answer(turns, canary=canary_in(system) or CANARY)
        except InputError as error:
            return _error(404 if error.where == "model" else 400, error.what, error.where)
        if latency_s:
            await asyncio.sleep(latency_s)
        return web.json_response(_completion(body, model, answer, system, turns))

    async def health(_: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "version": model.version})

    app = web.Application(client_max_size=4 << 20)
    app.add_routes(
        [
            web.get("/healthz", health),
            web.get("/v1/models", models),
            web.get("/v1/models/{name}", one_model),
            web.post("/v1/chat/completions", complete),
        ]
    )
    return app


def serve(model: str | Path | Model, *, port: int = 0, latency_s: float = 0.0) -> Serving:
    """Serve a model version from a background thread, on loopback. ``port`` 0 takes a free one. Returns once it listens.

    Raises
    ------
    Unavailable
        If the port is taken.
    """
    from aiohttp import web

    loaded = model if isinstance(model, Model) else load_model(model)
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(make_app(loaded, latency_s=latency_s), access_log=None)

    async def start() -> int:
        await runner.setup()
        site = web.TCPSite(runner, _HOST, port)
        await site.start()
        return int(runner.addresses[0][1])

    thread = threading.Thread(target=loop.run_forever, name="practice-assistant", daemon=True)
    thread.start()
    closed = threading.Event()

    def stop() -> None:
        if closed.is_set():
            return
        closed.set()
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(timeout=10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(timeout=10)
        loop.close()

    try:
        taken = asyncio.run_coroutine_threadsafe(start(), loop).result(timeout=30)
    except OSError as error:
        stop()
        raise Unavailable(
            f"The practice assistant cannot listen: {error.strerror}",
            where=f"{_HOST}:{port}",
            mend="choose another port, or 0 for a free one",
        ) from error
    return Serving(f"http://{_HOST}:{taken}/v1", loaded, stop)


def _model_entry(model: Model) -> dict[str, Any]:
    return {"id": MODEL_NAME, "object": "model", "created": 0, "owned_by": "practice", "version": model.version}


def _error(status: int, message: str, param: str | None) -> web.Response:
    from aiohttp import web

    return web.json_response({"error": {"message": message, "type": "invalid_request_error", "param": param, "code": None}}, status=status)


def _read_request(body: Any) -> tuple[str, list[Turn]]:
    """The system prompt in force and the conversation. Raises ``InputError`` whose ``where`` names the parameter."""
    if not isinstance(body, dict):
        raise InputError("The body must be a JSON object.")
    if body.get("model", MODEL_NAME) != MODEL_NAME:
        raise InputError(f"There is no model {body['model']!r}; this service has '{MODEL_NAME}'.", where="model")
    if body.get("stream"):
        raise InputError("This service does not stream.", where="stream")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InputError("'messages' must be a list that is not empty.", where="messages")
    system: list[str] = []
    turns: list[Turn] = []
    for position, message in enumerate(messages):
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _ROLES:
            raise InputError(f"Unknown role {role!r}.", where=f"messages[{position}].role")
        text = _text_of(message.get("content"), position)
        if role in ("system", "developer"):
            system.append(text)
        else:
            turns.append(Turn(role, text))
    return "\n".join(system) or SYSTEM_PROMPT, turns


def _text_of(content: Any, position: int) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in content):
        return "\n".join(part["text"] for part in content)
    raise InputError("A message's content must be text.", where=f"messages[{position}].content")


def _completion(body: dict[str, Any], model: Model, answer: Answer, system: str, turns: list[Turn]) -> dict[str, Any]:
    limit = body.get("max_completion_tokens") or body.get("max_tokens")
    text, finish = answer.text, "stop"
    pieces = text.split(" ")
    if isinstance(limit, int) and 0 < limit < len(pieces):
        text, finish = " ".join(pieces[:limit]), "length"
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
    if answer.tools:
        # Named by content, so that the same request has the same answer, byte for byte.
        message["tool_calls"] = [
            {
                "id": content_id("call", [call.name, call.arguments])[:29],
                "type": "function",
                "function": {"name": call.name, "arguments": json.dumps(call.arguments, sort_keys=True)},
            }
            for call in answer.tools
        ]
    prompt_tokens = len(words(system)) + sum(len(words(turn.text)) for turn in turns)
    completion_tokens = len(text.split(" "))
    return {
        "id": content_id("chatcmpl", [model.version, system, [[turn.role, turn.text] for turn in turns]])[:41],
        "object": "chat.completion",
        "created": 0,
        "model": MODEL_NAME,
        "system_fingerprint": f"fp_{model.version[:16]}",
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens, "total_tokens": prompt_tokens + completion_tokens},
    }
