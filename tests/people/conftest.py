"""What the tests of this room share: accounts, a clock that is moved by hand, and argon2 at its cheapest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from argon2 import PasswordHasher

from pilotage.core import ManualClock
from pilotage.ledger import create_workspace
from pilotage.people import Account, add_account, passwords
from pilotage.store import Workspace

PASSWORD = "quiet harbour at dawn"


@pytest.fixture(autouse=True)
def _cheap_argon2(monkeypatch: pytest.MonkeyPatch) -> None:
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "_hasher", lambda: hasher)
    passwords._nobodys_hash.cache_clear()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def workspace(location: str, clock: ManualClock) -> Iterator[Workspace]:
    with create_workspace(location, actor="tester", clock=clock) as opened:
        yield opened


@pytest.fixture
def ana(workspace: Workspace) -> Account:
    return add_account(workspace, login="ana", display_name="Ana Lima", roles=["owner", "admin"], password=PASSWORD)


@pytest.fixture
def ben(workspace: Workspace) -> Account:
    return add_account(workspace, login="ben", roles=["reviewer"], password=PASSWORD)
