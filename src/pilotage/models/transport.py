"""One try of one request: what every kind of target must offer the client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pilotage.models.message import Outcome, Reply, Request


@dataclass(frozen=True, slots=True)
class Failure:
    """A try that gave no usable answer.

    retry
        The same request may succeed later.
    overloaded
        The target is short of breath: send less at once.
    target_down
        Other requests will meet the same fault.
    sent
        Something may have reached the target, so the try counts against the budget.
    """

    error: str
    status: int | None = None
    outcome: Outcome = Outcome.ERROR
    retry: bool = False
    overloaded: bool = False
    target_down: bool = False
    retry_after_s: float | None = None
    sent: bool = True


class Transport(Protocol):
    """How to reach one kind of target."""

    def encode(self, request: Request) -> bytes | Request:
        """``request`` in the form :meth:`send` takes; done once for all tries."""
        ...

    async def send(self, encoded: bytes | Request, request: Request) -> Reply | Failure:
        """One try. Raises nothing but cancellation."""
        ...

    async def describe(self) -> Mapping[str, Any]:
        """What identifies the model behind the target, as plain JSON data. Raises ``Unavailable`` if it cannot be asked."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
