"""A terminal in a folder of its own, the practice assistant, and workspaces in which a pilot stands here or there."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

for folder in Path(__file__).resolve().parents[:2]:
    sys.path.insert(0, str(folder))

from terminal import Terminal

from pilotage.ledger import create_workspace
from pilotage.practice import base_model, serve
from small_pilot import Small


@pytest.fixture(scope="session")
def assistant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The practice assistant's address."""
    with serve(base_model(tmp_path_factory.mktemp("practice") / "v0")) as serving:
        yield serving.url


@pytest.fixture
def terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], assistant: str) -> Terminal:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PILOTAGE_WORKSPACE", str(tmp_path / "workspace"))
    monkeypatch.setenv("PILOTAGE_ACTOR", "captain")
    monkeypatch.setenv("COLUMNS", "200")
    return Terminal(tmp_path, monkeypatch, capfd, assistant)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Workspaces to copy: one that waits for review, one decided 'fail', one decided 'pass'. Each in a folder with its pilot."""
    found = {}
    for name in ("waiting", "fail", "pass"):
        folder = tmp_path_factory.mktemp(name)
        with create_workspace(folder / "workspace", actor="captain") as workspace:
            small = Small(workspace, folder / "pilot")
            small.desk.weak = name != "pass"
            small.advance() if name == "waiting" else small.to_the_verdict()
        found[name] = folder
    return found


@pytest.fixture
def at(terminal: Terminal, made: dict[str, Path]) -> Any:
    """``at("fail")`` puts the terminal where that pilot stands."""

    def put(name: str) -> Terminal:
        shutil.copytree(made[name], terminal.folder, dirs_exist_ok=True)
        return terminal

    return put
