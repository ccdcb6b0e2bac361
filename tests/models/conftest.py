"""A small OpenAI-compatible server in the test's own process, told by each test what to answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web

from pilotage.models import Target, TargetConfig, register_target
from pilotage.store import Workspace

Answer = Callable[[web.Request, dict[str, Any]], Awaitable[web.StreamResponse] | web.StreamResponse]


def chat(content: str | None = "hello", **choice: Any) -> dict[str, Any]:
    """A well-formed chat completion."""
    message = {"role": "assistant", "content": content, **choice.pop("message", {})}
    return {
        "id": "x",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": choice.pop("finish_reason", "stop"), **choice}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }


class FakeServer:
    """Answers ``/chat/completions`` and ``/completions`` with ``answer``, keeps what it was asked, counts how many it answers at once."""

    def __init__(self) -> None:
        self.answer: Answer = lambda request, body: web.json_response(chat())
        self.models: dict[str, Any] | None = {"object": "list", "data": [{"id": "m", "object": "model", "created": 1, "owned_by": "us"}]}
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.paths: list[str] = []
        self.in_flight = 0
        self.max_in_flight = 0
        self.url = ""

    def answers(self, *each: Answer) -> None:
        """Give these answers in turn, the last one for ever."""
        left = list(each)

        def answer(request: web.Request, body: dict[str, Any]) -> Awaitable[web.StreamResponse] | web.StreamResponse:
            return (left.pop(0) if len(left) > 1 else left[0])(request, body)

        self.answer = answer

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.asked.append(body)
        self.headers.append(dict(request.headers))
        self.paths.append(request.path)
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)
        try:
            answer = self.answer(request, body)
            return answer if isinstance(answer, web.StreamResponse) else await answer
        finally:
            self.in_flight -= 1

    async def _list(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(self.models) if self.models is not None else web.Response(status=404)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        app.router.add_get("/v1/models", self._list)
        return app


@pytest_asyncio.fixture
async def server() -> AsyncIterator[FakeServer]:
    fake = FakeServer()
    runner = web.AppRunner(fake.app(), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    fake.url = f"http://127.0.0.1:{port}/v1"
    yield fake
    await runner.cleanup()


@pytest.fixture
def declare(workspace: Workspace) -> Callable[..., Target]:
    """Registers a target with sensible fields, any of them overridden."""

    def declared(**fields: Any) -> Target:
        base: dict[str, Any] = {
            "name": "t",
            "model": "m",
            "owner": "the tests",
            "authorisation": "our own server",
            "allow_hosts": ["127.0.0.1"],
            "backoff_s": 0.01,
            "timeout_s": 5,
        }
        return register_target(workspace, TargetConfig.model_validate({**base, **fields}))

    return declared
