"""Plans over in-process functions and over a small local server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pilotage.models import Client, Reply, Request, Target, TargetConfig, open_client, register_target
from pilotage.runs import Plan, SampleSpec, sample_spec
from pilotage.store import Workspace

Answer = Callable[[Request], Awaitable[Reply | str]]


def samples(n: int, *, fingerprint: str, tag: str = "item", repeats: int = 1) -> tuple[SampleSpec, ...]:
    """``n`` single-turn samples, each asking ``<tag> <i>``."""
    return tuple(
        sample_spec(
            f"{tag}-{i}",
            fingerprint=fingerprint,
            repeat=repeat,
            slices={"parity": "even" if i % 2 == 0 else "odd"},
            spec={"messages": [{"role": "user", "content": f"{tag} {i}"}]},
        )
        for i in range(n)
        for repeat in range(repeats)
    )


class Desk:
    """Opens clients of one function, and makes plans for them."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    @asynccontextmanager
    async def client(self, answer: Answer, **fields: Any) -> AsyncIterator[Client]:
        config = {
            "name": "t",
            "kind": "callable",
            "model": "f",
            "owner": "the tests",
            "authorisation": "our own function",
            "limits": {"in_flight": 4},
            "backoff_s": 0.001,
        }
        target: Target = register_target(self.workspace, TargetConfig.model_validate({**config, **fields}))
        answer.fingerprint = "v1"  # type: ignore[attr-defined]
        async with open_client(target, self.workspace, callables={"f": answer}) as client:
            yield client

    async def plan(self, client: Client, n: int, **options: Any) -> Plan:
        fingerprint = await client.fingerprint()
        return Plan("evaluation", "pilot", client.target.id, fingerprint, ("dv_1",), samples(n, fingerprint=fingerprint, **options))


@pytest.fixture
def desk(workspace: Workspace) -> Desk:
    return Desk(workspace)
