"""The client: one door to a target, whatever its kind.

It settles a request with the target's defaults, looks into the cache, and otherwise tries: within the budget, no more at once than the gate
admits, again after failures that may pass, each try logged. It never raises for what a target does; it returns a
:class:`~pilotage.models.message.Reply` that says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from pilotage.core import Unavailable, canonical_json, sha256_hex
from pilotage.models.account import Account
from pilotage.models.cache import CACHEABLE, ResponseCache, cache_row, insert_cache_rows
from pilotage.models.canonical import cache_key
from pilotage.models.in_process import CallableTransport, InProcess
from pilotage.models.limiter import Gate, Pace
from pilotage.models.message import Message, Outcome, Reply, Request, Try
from pilotage.models.retry import LONGEST_RETRY_AFTER_S, backoff_s
from pilotage.models.target import CompletionTemplate, Target
from pilotage.models.transport import Failure, Transport
from pilotage.models.wire import estimate_prompt
from pilotage.store import Workspace

# Draws of one sample must not meet the seeds of its neighbours' repeats.
_DRAW_STRIDE = 1_000_003
_SEED_SPAN = 2**31


class Client:
    """Asks one target. Make one with :func:`open_client`."""

    def __init__(self, target: Target, workspace: Workspace, transport: Transport, *, cache: bool = True) -> None:
        self.target = target
        self._config = target.config
        self._workspace = workspace
        self._transport = transport
        self._cache = ResponseCache(workspace) if cache else None
        self._gate = Gate(target.config.limits.in_flight)
        self._pace = Pace(target.config.limits.requests_per_s)
        self._account = Account(target.config.limits, target.config.prices, monotonic=time.monotonic)
        self._kept: list[dict[str, Any]] = []
        self._keeping: asyncio.Task[None] | None = None
        self._fingerprint: str | None = None
        self._asking: asyncio.Lock = asyncio.Lock()
        # The sampling settings every request of this target shares, and its declared prompt and tools.
        self._system = Message("system", self._config.system) if self._config.system else None

    @property
    def max_in_flight(self) -> int:
        """The most requests that were on the wire at once so far."""
        return self._gate.max_in_flight

    async def fingerprint(self) -> str:
        """What is being tried, as 64 hex digits: the same model under the same prompt and settings has the same fingerprint.

        SHA-256 over host and path, model, template, system prompt, sampling, tools, and what the server says of the model in ``GET /models``.

        Raises
        ------
        Unavailable
            If the target cannot be reached.
        """
        if self._fingerprint is None:
            async with self._asking:
                if self._fingerprint is None:
                    self._fingerprint = sha256_hex(canonical_json(await self._describe()))
        return self._fingerprint

    async def probe(self) -> None:
        """Raise ``Unavailable`` if the target cannot be reached now."""
        await self._transport.describe()

    async def _describe(self) -> dict[str, Any]:
        config = self._config
        return {
            "kind": config.kind,
            "model": config.model,
            "template": config.template.model_dump(mode="json") if isinstance(config.template, CompletionTemplate) else config.template,
            "system": config.system,
            "sampling": {
                "max_tokens": config.max_tokens,
                "temperature": config.temperature,
                "seed": config.seed,
                "parameters": config.parameters,
            },
            "tools": list(config.tools),
            "said": dict(await self._transport.describe()),
        }

    async def ask(
        self,
        request: Request,
        *,
        repeat: int = 0,
        draw: int = 0,
        account: Account | None = None,
        keep: Callable[[dict[str, Any]], None] | None = None,
    ) -> Reply:
        """Ask, from the cache if this very request under this repeat was answered before.

        Parameters
        ----------
        request
            What to ask.
        repeat, draw
            Which repeat of a sampled request this is, and which of several equal requests within one repeat. Part of the cache key.
        account
            The budget to spend from; by default the target's own limits, for as long as this client is open.
        keep
            Takes the cache's new row, for a caller that writes it together with its own; by default the client writes it itself.

        Raises
        ------
        BudgetReached
            If a limit allows no further request.
        """
        request = self._settle(request, repeat, draw)
        try:
            fingerprint = self._fingerprint or await self.fingerprint()
        except Unavailable as error:
            return Reply("", Outcome.ERROR, error=error.what, target_down=True)
        key = cache_key(request, fingerprint=fingerprint, repeat=repeat, draw=draw)
        if self._cache is not None:
            hit = await self._cache.get(key)
            if hit is not None:
                return hit
        reply = replace(await self._try(request, account or self._account), fingerprint=fingerprint)
        if self._cache is not None and reply.outcome in CACHEABLE:
            (keep or self._keep)(cache_row(key, fingerprint, reply))
        return reply

    def _settle(self, request: Request, repeat: int, draw: int) -> Request:
        config = self._config
        messages = request.messages
        if self._system is not None and not (messages and messages[0].role == "system"):
            messages = (self._system, *messages)
        seed = config.seed if request.seed is None else request.seed
        return Request(
            messages,
            config.max_tokens if request.max_tokens is None else request.max_tokens,
            config.temperature if request.temperature is None else request.temperature,
            None if seed is None else (seed + repeat + draw * _DRAW_STRIDE) % _SEED_SPAN,
            request.stop,
            (*config.tools, *request.tools) if config.tools else request.tools,
            request.logprobs,
        )

    async def _try(self, request: Request, account: Account) -> Reply:
        encoded = self._transport.encode(request)
        prompt_tokens, completion_tokens = estimate_prompt(request), request.max_tokens or 0
        tries: list[Try] = []
        while True:
            await account.reserve(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
            sent, usage = False, None
            overloaded: bool | None = None
            ticket: int | None = None
            try:
                ticket = await self._gate.acquire()
                await self._pace.wait()
                if account is not self._account:
                    await account.pace.wait()
                sent = True
                started = time.perf_counter_ns()
                result = await self._transport.send(encoded, request)
                latency_us = (time.perf_counter_ns() - started) // 1_000
                if isinstance(result, Failure):
                    sent, overloaded = result.sent, result.overloaded or None
                else:
                    usage, overloaded = result.usage, False
            finally:
                if ticket is not None:
                    self._gate.release(ticket, overloaded=overloaded)
                account.settle(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens, sent=sent, usage=usage)
            if isinstance(result, Reply):
                tries.append(Try(200, latency_us, result.error))
                return replace(result, latency_us=latency_us, tries=tuple(tries), cached=False)
            wait_s = self._wait_s(result, len(tries) + 1)
            tries.append(Try(result.status, latency_us, result.error, 0 if wait_s is None else round(wait_s * 1e6)))
            if wait_s is None:
                return Reply("", result.outcome, error=result.error, latency_us=latency_us, tries=tuple(tries), target_down=result.target_down)
            if result.retry_after_s:
                self._gate.hold(result.retry_after_s)
            await asyncio.sleep(wait_s)

    def _wait_s(self, failure: Failure, failures: int) -> float | None:
        """How long to wait before the next try; None if there is to be none."""
        if not failure.retry or failures >= self._config.attempts or (failure.retry_after_s or 0.0) > LONGEST_RETRY_AFTER_S:
            return None
        return backoff_s(failures, base_s=self._config.backoff_s, retry_after_s=failure.retry_after_s)

    def _keep(self, row: dict[str, Any]) -> None:
        self._kept.append(row)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._write_kept())

    async def _write_kept(self) -> None:
        while self._kept:
            rows, self._kept = self._kept, []
            await self._workspace.write_async(lambda tx, rows=rows: insert_cache_rows(tx, rows))  # type: ignore[misc]

    async def close(self) -> None:
        """Write what is left of the cache and let go of connections."""
        try:
            if self._keeping is not None:
                await self._keeping
        finally:
            await self._transport.close()


@asynccontextmanager
async def open_client(
    target: Target, workspace: Workspace, *, callables: Mapping[str, InProcess] | None = None, cache: bool = True
) -> AsyncIterator[Client]:
    """A client of ``target`` for as long as the context lasts.

    Parameters
    ----------
    target
        From :func:`register_target` or :func:`load_target`.
    callables
        In-process functions by name, for a target of kind ``callable``.
    cache
        False: neither look into the response cache nor add to it.

    Raises
    ------
    InputError
        If the key's variable is not set or the function is not among ``callables``.
    Refused
        If the host is not allowed.
    """
    transport: Transport
    if target.config.kind == "callable":
        transport = CallableTransport(target.config, callables)
    else:
        from pilotage.models.http import HttpTransport  # aiohttp takes 0.2 s to import

        transport = HttpTransport(target.config, clock=workspace.clock)
    client = Client(target, workspace, transport, cache=cache)
    try:
        yield client
    finally:
        await client.close()
