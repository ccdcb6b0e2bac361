"""Fixtures of the server's tests: an empty and a filled workspace, and clients signed in to each."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import demo_workspace
from browserless import TOKEN, Client, sign_in

from pilotage.core import ManualClock
from pilotage.server import create_app
from pilotage.store import Workspace


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def empty(tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    with Workspace.create(tmp_path / "workspace", actor="ada", clock=clock) as made:
        yield made


@pytest.fixture
def filled(empty: Workspace) -> Workspace:
    demo_workspace.fill(empty)
    return empty


@pytest.fixture
def stranger(empty: Workspace) -> Client:
    """Nobody signed in."""
    return Client(create_app(empty, local_token=TOKEN))


@pytest.fixture
def newcomer(empty: Workspace) -> Client:
    """Signed in to an empty workspace."""
    return sign_in(empty)


@pytest.fixture
def regular(filled: Workspace) -> Client:
    """Signed in to the filled workspace."""
    return sign_in(filled)
