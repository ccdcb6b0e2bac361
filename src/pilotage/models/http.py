"""OpenAI-compatible HTTP targets, on aiohttp.

Only the registered host is ever spoken to: redirects are not followed (one would lead past the allow-list) and proxies from the environment are
not used. What it answers is not trusted: replies are bounded, unpacked too, and nothing in one can end a run.
"""

from __future__ import annotations

import asyncio
import os
import zlib
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from pilotage.core import Clock, InputError, Unavailable, canonical_json, sha256_hex
from pilotage.models.message import Outcome, Reply, Request
from pilotage.models.redact import Redactor
from pilotage.models.retry import backoff_s, parse_retry_after, worth_retrying
from pilotage.models.target import CompletionTemplate, TargetConfig, check_target
from pilotage.models.transport import Failure
from pilotage.models.wire import encode_body, parse_error, parse_reply, unparsable

_LARGEST_REPLY = 32 * 1024 * 1024
_CONNECT_S = 10.0
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip", "deflate"})
# What a server says of a model that differs from one request to the next without the model being another.
_PASSING = frozenset({"created", "permission", "last_used", "loaded", "status"})


class HttpTransport:
    """Speaks to one registered target."""

    def __init__(self, config: TargetConfig, *, clock: Clock) -> None:
        check_target(config)
        key = _key(config)
        self._config = config
        self._clock = clock
        self._base = str(config.url).rstrip("/")
        self._url = self._base + ("/completions" if isinstance(config.template, CompletionTemplate) else "/chat/completions")
        self._redactor = Redactor(key)
        headers = {"Content-Type": "application/json", "Accept": "application/json", "Accept-Encoding": "gzip, deflate", "User-Agent": "pilotage"}
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=30),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=config.timeout_s, sock_connect=min(_CONNECT_S, config.timeout_s)),
            trust_env=False,
            auto_decompress=False,  # a megabyte can unpack to a gigabyte: _read does it within bounds
        )

    def encode(self, request: Request) -> bytes:
        return encode_body(self._config, request)

    async def send(self, encoded: bytes | Request, request: Request) -> Reply | Failure:
        try:
            async with self._session.post(self._url, data=encoded, allow_redirects=False) as response:
                try:
                    body = await _read(response)
                except _UnreadableError as unreadable:
                    return unparsable(str(unreadable)) if response.status == 200 else self._refused(response, b"")
                if response.status == 200:
                    return self._redactor.reply(parse_reply(self._config, request, self._redactor.body(body)))
                return self._refused(response, body)
        except TimeoutError:
            return Failure(f"no answer within {self._config.timeout_s:g} s", retry=True, overloaded=True, target_down=True)
        except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
            return Failure(self._redactor.text(f"no secure connection: {error}"), target_down=True, sent=False)
        except aiohttp.ClientConnectorError as error:
            return Failure(self._redactor.text(f"cannot connect: {error}"), retry=True, overloaded=True, target_down=True, sent=False)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            text = str(error) or type(error).__name__
            return Failure(self._redactor.text(f"the connection broke: {text}"), retry=True, overloaded=True, target_down=True)

    def _refused(self, response: aiohttp.ClientResponse, body: bytes) -> Failure:
        status = response.status
        if 300 <= status < 400:
            return Failure(
                f"HTTP {status}: the server redirects, and redirects are not followed because they could leave the allowed hosts",
                status,
                target_down=True,
            )
        said = parse_error(self._redactor.body(body))
        text = self._redactor.text(f"HTTP {status}: {said.text}" if said.text else f"HTTP {status}")
        if said.blocked and status in (400, 403, 422):
            return Failure(text, status, Outcome.BLOCKED)
        if said.quota:
            return Failure(text, status, target_down=True)
        retry = worth_retrying(status)
        return Failure(
            text,
            status,
            retry=retry,
            overloaded=status == 429 or status >= 500,
            target_down=retry or status in (401, 402, 403, 404, 405, 501, 505),
            retry_after_s=parse_retry_after(response.headers.get("Retry-After"), now_us=self._clock.now_us()) if retry else None,
        )

    async def describe(self) -> Mapping[str, Any]:
        """The host and path, and what ``GET /models`` says of this model. A server without that endpoint is described as such."""
        place = self._base.partition("://")[2]
        failures = 0
        while True:
            said = await self._models()
            if not isinstance(said, Failure):
                return {"place": place, "listed": said}
            failures += 1
            if not said.retry or failures >= min(3, self._config.attempts):
                raise Unavailable(
                    f"The target '{self._config.name}' cannot be reached: {said.error}",
                    where=self._base,
                    mend=f"check that it runs, and its key in {self._config.api_key_env}" if self._config.api_key_env else "check that it runs",
                )
            await asyncio.sleep(backoff_s(failures, base_s=self._config.backoff_s, retry_after_s=said.retry_after_s))

    async def _models(self) -> dict[str, Any] | Failure | None:
        try:
            async with self._session.get(self._base + "/models", allow_redirects=False) as response:
                try:
                    body = await _read(response)
                except _UnreadableError:
                    body = b""
                if response.status in (404, 405, 501):
                    return None
                if response.status != 200:
                    return self._refused(response, body)
        except TimeoutError:
            return Failure(f"no answer within {self._config.timeout_s:g} s", retry=True)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Failure(self._redactor.text(str(error) or type(error).__name__), retry=True)
        try:
            said = msgspec.json.decode(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return None
        listed = said.get("data") if isinstance(said, dict) else None
        for entry in listed if isinstance(listed, list) else ():
            if isinstance(entry, dict) and entry.get("id") == self._config.model:
                return _plain({name: value for name, value in entry.items() if name not in _PASSING})
        return None

    async def close(self) -> None:
        await self._session.close()


def _plain(listed: dict[str, Any]) -> dict[str, Any]:
    """What a server says of its model; its digest where it holds what has no canonical form (a number too large, nesting without end)."""
    try:
        canonical_json(listed)
    except (InputError, RecursionError):
        return {"digest": sha256_hex(msgspec.json.encode(listed, order="deterministic"))}
    return listed


class _UnreadableError(Exception):
    """The body is larger than any reply should be, or packed in a way that was not asked for."""


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The body, unpacked. Memory: no more than the largest reply, whatever is sent."""
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if encoding not in _ENCODINGS:
        raise _UnreadableError(f"the reply is packed as {encoding[:40]!r}, which was not asked for")
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32) if encoding not in ("", "identity") else None
    if unpacker is None and response.content_length is not None and response.content_length <= _LARGEST_REPLY:
        return await response.read()
    parts: list[bytes] = []
    size = 0
    try:
        async for part in response.content.iter_any():
            parts.append(part if unpacker is None else unpacker.decompress(part, _LARGEST_REPLY + 1 - size))
            size += len(parts[-1])
            if size > _LARGEST_REPLY:
                response.close()
                raise _UnreadableError(f"the reply is larger than {_LARGEST_REPLY} bytes")
    except zlib.error as error:
        raise _UnreadableError(f"the reply cannot be unpacked: {error}") from error
    return b"".join(parts)


def _key(config: TargetConfig) -> str | None:
    if config.api_key_env is None:
        return None
    key = os.environ.get(config.api_key_env, "").strip()
    if not key:
        raise InputError(
            f"The environment variable {config.api_key_env} is not set.",
            where=f"target '{config.name}': api_key_env",
            why="it should hold the key of this target",
            mend=f"export {config.api_key_env}=…",
        )
    if not key.isascii() or not key.isprintable():
        raise InputError(f"The key in {config.api_key_env} holds characters no key has.", where=f"target '{config.name}': api_key_env")
    return key
