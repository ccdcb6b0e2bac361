"""What the tests of typed tables share: a quick workspace on SQLite where the database makes no difference."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotage.ledger import create_workspace
from pilotage.store import Workspace
from pilotage.store.workspace import DATABASE_FILE


@pytest.fixture
def folder(tmp_path: Path, empty_schema: Path) -> Path:
    """A folder in which a workspace can be opened at once."""
    made = tmp_path / "workspace"
    made.mkdir()
    shutil.copy(empty_schema, made / DATABASE_FILE)
    return made


@pytest.fixture
def folder_workspace(folder: Path) -> Iterator[Workspace]:
    """A workspace in a folder: for tests that no database touches."""
    with create_workspace(folder, actor="tester") as opened:
        yield opened
