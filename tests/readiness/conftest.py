"""A small pilot in a fresh workspace. Readiness is tested on SQLite; the rooms below are tested on both databases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotage.ledger import create_workspace

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from small_pilot import Small


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Small]:
    with create_workspace(tmp_path / "workspace", actor="tester") as workspace:
        yield Small(workspace, tmp_path / "pilot")
