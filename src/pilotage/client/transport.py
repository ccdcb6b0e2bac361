"""One HTTP connection to one workbench: JSON there and back, retries, time limits, errors as ours."""

from __future__ import annotations

import http.client
import json
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from pilotage import core
from pilotage.core import Conflict, InputError, NotFound, PilotageError, Refused, Unavailable

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
MOST_ANSWER = 256 * 1024 * 1024  # bytes of an answer that is read whole
PIECE = 64 * 1024
_AGAIN = frozenset({429, 502, 503, 504})
_CLASSES: dict[str, type[PilotageError]] = {
    name: getattr(core, name) for name in ("InputError", "NotFound", "Conflict", "Refused", "IntegrityError", "Unavailable", "PilotageError")
}
_BY_STATUS: dict[int, type[PilotageError]] = {401: Refused, 403: Refused, 404: NotFound, 409: Conflict, 413: InputError, 422: InputError}


class Transport:
    """Sends requests, one at a time, over a connection that is kept."""

    def __init__(self, url: str, *, token: str, timeout_s: float, tries: int, sleep: Callable[[float], None] = time.sleep) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query or parts.fragment:
            raise InputError("Not the address of a workbench.", where=url[:200], mend="give http(s)://host[:port]")
        if parts.scheme == "http" and parts.hostname not in LOOPBACK:
            raise Refused("A token is sent over https only.", where=parts.hostname, why="anybody on the way could read it", mend="use https")
        if not token:
            raise InputError("A token is needed.", mend="make one on the People page, and give it or set PILOTAGE_TOKEN")
        self._parts, self._base = parts, parts.path.rstrip("/")
        self._headers = {"authorization": f"Bearer {token}", "accept": "application/json", "user-agent": "pilotage-client"}
        self._timeout_s, self._tries, self._sleep = timeout_s, max(1, tries), sleep
        self._connection: http.client.HTTPConnection | None = None

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = False,
    ) -> Any:
        """The JSON that is answered. ``repeat`` says that the request may be sent again when nobody knows whether it came through."""
        with self.open(method, path, body=body, raw=raw, query=query, headers=headers, repeat=repeat) as answer:
            data = answer.read(MOST_ANSWER + 1)
            if len(data) > MOST_ANSWER:
                raise InputError("The answer is too large.", where=path, mend="ask for less at once")
        return json.loads(data) if data else None

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        raw: bytes | None = None,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        repeat: bool = False,
    ) -> Iterator[http.client.HTTPResponse]:
        """The answer, to be read by the caller."""
        target = self._base + path + (f"?{urlencode({k: v for k, v in query.items() if v is not None})}" if query else "")
        sent = {**self._headers, **(headers or {})}
        data = raw
        if body is not None:
            data = json.dumps(body, allow_nan=False, ensure_ascii=False).encode()
            sent["content-type"] = "application/json"
        elif raw is not None:
            sent.setdefault("content-type", "application/octet-stream")
        answer = self._send(method, target, data, sent, repeat=repeat or method == "GET")
        try:
            yield answer
        finally:
            if not answer.isclosed():  # not read to its end: the connection cannot be used again
                self.close()

    def _send(self, method: str, target: str, data: bytes | None, headers: Mapping[str, str], *, repeat: bool) -> http.client.HTTPResponse:
        for turn in range(self._tries):
            last = turn + 1 == self._tries
            try:
                connection = self._connect()
                connection.request(method, target, body=data, headers=dict(headers))
                answer = connection.getresponse()
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if last or not repeat:
                    raise Unavailable(
                        f"The workbench cannot be reached ({type(error).__name__}).",
                        where=self._parts.netloc,
                        why=None if repeat else "whether the request came through is not known, so it was not sent again",
                        mend="check the address and that 'pilotage serve' runs",
                    ) from error
                self._wait(turn, None)
                continue
            if answer.status < 300:
                return answer
            wait = answer.headers.get("retry-after", "")
            error_told = _error(answer, target)
            # Whoever says 429 or 503 has not done it.
            if last or answer.status not in _AGAIN or not (repeat or answer.status in (429, 503)):
                raise error_told
            self._wait(turn, float(wait) if wait.isdecimal() else None)
        raise AssertionError("unreachable")

    def _wait(self, turn: int, told_s: float | None) -> None:
        self._sleep(min(60.0, told_s) if told_s is not None else min(10.0, 0.2 * 2**turn) * random.uniform(0.5, 1.0))  # noqa: S311 - spreads retries

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            host, port = self._parts.hostname or "", self._parts.port
            if self._parts.scheme == "https":
                self._connection = http.client.HTTPSConnection(host, port, timeout=self._timeout_s, context=ssl.create_default_context())
            else:
                self._connection = http.client.HTTPConnection(host, port, timeout=self._timeout_s)
        return self._connection

    def close(self) -> None:
        """Let go of the connection; the next request makes a new one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _error(answer: http.client.HTTPResponse, target: str) -> PilotageError:
    try:
        data = answer.read(1 << 20)
        told = json.loads(data)
        said = {name: str(told[name]) if told.get(name) is not None else None for name in ("what", "where", "why", "mend")}
        kind = str(told.get("error", ""))
    except (ValueError, TypeError, AttributeError, KeyError, OSError, http.client.HTTPException):
        said, kind = {"what": f"The server answered with HTTP {answer.status}.", "where": target.partition("?")[0], "why": None, "mend": None}, ""
    if 300 <= answer.status < 400:
        said["what"], said["mend"] = "The server sends elsewhere, and the token does not follow.", "use the address it is served at"
    fallback = Unavailable if answer.status >= 500 else PilotageError
    made = _CLASSES.get(kind, _BY_STATUS.get(answer.status, fallback))
    return made(said["what"] or f"HTTP {answer.status}", where=said["where"], why=said["why"], mend=said["mend"])


def part(text: str) -> str:
    """``text`` as one step of a path."""
    return quote(text, safe="")
