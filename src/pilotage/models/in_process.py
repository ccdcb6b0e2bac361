"""Python functions as targets.

A function takes a :class:`~pilotage.models.message.Request` and returns a :class:`~pilotage.models.message.Reply`, or just the answer's text. An
async one runs in the event loop; a plain one in worker threads, up to ``in_flight`` at once: set ``in_flight: 1`` for one that is not safe to
call so.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from pilotage.core import InputError, sha256_hex
from pilotage.models.message import Outcome, Reply, Request, Usage
from pilotage.models.target import TargetConfig
from pilotage.models.transport import Failure
from pilotage.models.wire import estimate_prompt, estimate_tokens, unparsable

InProcess: TypeAlias = Callable[[Request], "Reply | str | Awaitable[Reply | str]"]


class CallableTransport:
    """Calls one function."""

    def __init__(self, config: TargetConfig, callables: Mapping[str, InProcess] | None) -> None:
        function = (callables or {}).get(config.model)
        if function is None:
            known = ", ".join(sorted(callables or {})) or "none"
            raise InputError(
                f"There is no in-process function '{config.model}'.",
                where=f"target '{config.name}': model",
                mend=f"hand it in with callables={{…}}; given: {known}",
            )
        self._config = config
        self._function = function
        self._is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(getattr(function, "__call__", None))  # noqa: B004

    def encode(self, request: Request) -> Request:
        return request

    async def send(self, encoded: bytes | Request, request: Request) -> Reply | Failure:
        function: Any = self._function
        timeout = self._config.timeout_s
        try:
            answer = await asyncio.wait_for(function(request) if self._is_async else asyncio.to_thread(function, request), timeout)
        except TimeoutError:
            return Failure(f"no answer within {timeout:g} s", target_down=True)
        except Exception as error:  # whatever a foreign function raises is its failure to answer
            return Failure(f"the function raised {type(error).__name__}: {error}", target_down=True)
        if isinstance(answer, str):
            return Reply(
                answer, Outcome.ANSWERED, finish_reason="stop", usage=Usage(estimate_prompt(request), estimate_tokens(answer), estimated=True)
            )
        if not isinstance(answer, Reply):
            return unparsable(f"the function returned {type(answer).__name__}, not a Reply or text")
        return answer

    async def describe(self) -> Mapping[str, Any]:
        """The function's name, and its ``fingerprint`` attribute or else its source."""
        function: Any = self._function
        said = getattr(function, "fingerprint", None)
        if said is None:
            plain = function if inspect.isroutine(function) else type(function)
            try:
                said = sha256_hex(inspect.getsource(plain).encode())
            except (OSError, TypeError):
                said = getattr(plain, "__qualname__", "unknown")
        return {"function": str(said() if callable(said) else said)}

    async def close(self) -> None:
        pass
