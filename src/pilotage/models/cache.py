"""The response cache: one reply per canonical request, model fingerprint and repeat index.

Look-ups that are asked for in one turn of the event loop go to the database as one query, so a warm replay costs a fraction of a query per sample.
Errors are never stored: a cache that remembers an outage would repeat it for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from sqlalchemy import Text, bindparam, select, type_coerce

from pilotage.core import IntegrityError
from pilotage.models.message import Outcome, Reply, TokenLogprob, ToolCall, Usage
from pilotage.models.tables import response_cache
from pilotage.store import Workspace, WriteTransaction, insert_missing, json_text

CACHEABLE = frozenset({Outcome.ANSWERED, Outcome.REFUSED, Outcome.BLOCKED, Outcome.TRUNCATED})
_MOST_AT_ONCE = 500
_remember = insert_missing(response_cache)
_find = select(response_cache.c.cache_key, response_cache.c.fingerprint, type_coerce(response_cache.c.reply, Text)).where(
    response_cache.c.workspace_id == bindparam("workspace_id"), response_cache.c.cache_key.in_(bindparam("keys", expanding=True))
)


class _Stored(msgspec.Struct, omit_defaults=True):
    content: str
    outcome: str
    finish_reason: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    usage: Usage = Usage()
    error: str | None = None
    refusal: str | None = None
    logprobs: tuple[TokenLogprob, ...] | None = None
    latency_us: int = 0


_decode = msgspec.json.Decoder(_Stored).decode


def cache_row(key: str, fingerprint: str, reply: Reply) -> dict[str, Any]:
    """The row that remembers ``reply``."""
    stored = _Stored(
        reply.content,
        reply.outcome.value,
        reply.finish_reason,
        reply.tool_calls,
        reply.usage,
        reply.error,
        reply.refusal,
        reply.logprobs,
        reply.latency_us,
    )
    return {"cache_key": key, "fingerprint": fingerprint, "reply": json_text(stored)}


def insert_cache_rows(tx: WriteTransaction, rows: list[dict[str, Any]]) -> None:
    """Write ``rows``; a key that is already there stays as it is, for others may have used it."""
    stamp = tx.stamp()
    _remember.run(tx.conn, [{**stamp, **row} for row in rows])


class ResponseCache:
    """Reads the cache of ``workspace``."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._asked: dict[str, list[asyncio.Future[Reply | None]]] = {}
        self._reading: asyncio.Task[None] | None = None

    async def get(self, key: str) -> Reply | None:
        """The reply under ``key``, marked as cached, or None."""
        answer: asyncio.Future[Reply | None] = asyncio.get_running_loop().create_future()
        self._asked.setdefault(key, []).append(answer)
        if self._reading is None:
            self._reading = asyncio.create_task(self._read())
        return await answer

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._asked:
                asked, self._asked = self._asked, {}
                try:
                    found = await loop.run_in_executor(None, self._fetch, list(asked))
                except Exception as error:  # delivered to everybody who asked
                    for answers in asked.values():
                        for answer in answers:
                            if not answer.done():
                                answer.set_exception(error)
                    continue
                for key, answers in asked.items():
                    reply = found.get(key)
                    for answer in answers:
                        if not answer.done():
                            answer.set_result(reply)
        finally:
            self._reading = None

    def _fetch(self, keys: list[str]) -> dict[str, Reply]:
        found: dict[str, Reply] = {}
        with self._workspace.read() as conn:
            for start in range(0, len(keys), _MOST_AT_ONCE):
                asked = {"workspace_id": self._workspace.id, "keys": keys[start : start + _MOST_AT_ONCE]}
                for key, fingerprint, text in conn.execute(_find, asked):
                    found[key] = _load(key, fingerprint, text)
        return found


def _load(key: str, fingerprint: str, text: str) -> Reply:
    try:
        stored = _decode(text)
        outcome = Outcome(stored.outcome)
    except (msgspec.DecodeError, ValueError) as error:
        raise IntegrityError("A stored reply cannot be read.", where=f"response_cache {key}", why=str(error), mend="delete this row") from error
    return Reply(
        stored.content,
        outcome,
        tool_calls=stored.tool_calls,
        finish_reason=stored.finish_reason,
        usage=stored.usage,
        error=stored.error,
        latency_us=stored.latency_us,
        cached=True,
        refusal=stored.refusal,
        logprobs=stored.logprobs,
        fingerprint=fingerprint,
    )
