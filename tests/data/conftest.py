"""What the tests of the data room share: a quick workspace on SQLite where the database makes no difference."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotage.ledger import create_workspace
from pilotage.store import Workspace


@pytest.fixture
def folder_workspace(tmp_path: Path) -> Iterator[Workspace]:
    """A workspace in a folder: for tests of files and formats, which no database touches."""
    with create_workspace(tmp_path / "workspace", actor="tester") as opened:
        yield opened
