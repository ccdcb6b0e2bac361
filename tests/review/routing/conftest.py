"""A workspace with a policy in force."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pilotage.store import Workspace

sys.path.insert(0, str(Path(__file__).parent))
from routed import put_in_force


@pytest.fixture
def live(workspace: Workspace) -> Workspace:
    """A workspace with an active policy."""
    put_in_force(workspace)
    return workspace
