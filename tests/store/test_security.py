"""What a workspace's files let others on the machine read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotage.ledger import create_workspace, record


@pytest.fixture
def open_umask() -> Iterator[None]:
    before = os.umask(0o000)
    yield
    os.umask(before)


@pytest.mark.parametrize("exists", [False, True])
def test_a_workspace_is_for_its_owner_only_even_in_a_folder_that_is_open_to_all(tmp_path: Path, open_umask: None, exists: bool) -> None:
    folder = tmp_path / "workspace"
    if exists:
        folder.mkdir(mode=0o755)
    with create_workspace(folder) as workspace:
        workspace.blobs.put(b"secret")
        workspace.write(lambda tx: record(tx, type="test", subject="x", body={}))
        found = {path: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}
        files = {path.name: mode for path, mode in found.items() if path.is_file()}
        folders = {path.name: mode for path, mode in found.items() if path.is_dir() and (path != folder or not exists)}
    assert {"pilotage.db", "pilotage.db-wal"} <= set(files)
    assert set(files.values()) == {0o600} and set(folders.values()) == {0o700}
