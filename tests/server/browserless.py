"""A client for tests: talks ASGI to the application directly, keeps cookies as a browser would, and lets a test set any header."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from starlette.types import ASGIApp, Message

from pilotage.server import create_app
from pilotage.store import Workspace

TOKEN = "the-printed-token"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    app: ASGIApp
    host: str = "127.0.0.1:8321"
    scheme: str = "http"
    headers: dict[str, str] = field(default_factory=lambda: {"accept": "text/html"})
    cookies: dict[str, str] = field(default_factory=dict)

    def get(self, url: str, **headers: str) -> Answer:
        return self.send("GET", url, headers=headers)

    def follow(self, url: str) -> Answer:
        """GET, and whatever it redirects to."""
        answer = self.get(url)
        for _ in range(5):
            if answer.status not in (302, 303, 307):
                return answer
            answer = self.get(answer.headers["location"])
        raise AssertionError(f"{url} redirects without end")

    def post(self, url: str, data: Mapping[str, str] | None = None, *, csrf: bool = True, **headers: str) -> Answer:
        """POST a form, with the CSRF token of the current session unless told otherwise."""
        fields = dict(data or {})
        if csrf:
            fields.setdefault("csrf_token", self.csrf_token())
        sent = {"content-type": "application/x-www-form-urlencoded", **headers}
        return self.send("POST", url, body=urlencode(fields).encode(), headers=sent)

    def csrf_token(self) -> str:
        found = re.search(r'<meta name="csrf-token" content="([^"]*)"', self.follow("/runs").text)
        assert found, "the page has no CSRF token"
        return found[1]

    def send(self, method: str, url: str, *, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Answer:
        return asyncio.run(self._send(method, url, body, {**self.headers, **(headers or {})}))

    async def _send(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> Answer:
        parts = urlsplit(url)
        sent = {"host": self.host, **{name.lower().replace("_", "-"): value for name, value in headers.items()}}
        if self.cookies:
            sent["cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": self.scheme,
            "path": unquote(parts.path),
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in sent.items()],
            "client": ("127.0.0.1", 50000),
            "server": ("127.0.0.1", 8321),
        }
        messages: list[Message] = []
        given = False

        async def receive() -> Message:
            nonlocal given
            if given:
                await asyncio.sleep(3600)
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self.app(scope, receive, send)
        start = next(message for message in messages if message["type"] == "http.response.start")
        answer_headers: dict[str, str] = {}
        for raw_name, raw_value in start["headers"]:
            name, value = raw_name.decode().lower(), raw_value.decode()
            answer_headers[name] = value
            if name == "set-cookie":
                self._keep(value)
        content = b"".join(message.get("body", b"") for message in messages if message["type"] == "http.response.body")
        return Answer(start["status"], answer_headers, content)

    def _keep(self, header: str) -> None:
        for name, morsel in SimpleCookie(header).items():
            if morsel["max-age"] == "0" or not morsel.value:
                self.cookies.pop(name, None)
            else:
                self.cookies[name] = morsel.value


def sign_in(workspace: Workspace) -> Client:
    """Signed in through the printed address."""
    client = Client(create_app(workspace, local_token=TOKEN))
    assert client.get(f"/?token={TOKEN}").status == 303
    return client
