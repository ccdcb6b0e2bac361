"""The first version of the assistant, trained once for all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilotage.practice import Model, base_model


@pytest.fixture(scope="session")
def first_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("practice") / "v0"
    base_model(folder)
    return folder


@pytest.fixture(scope="session")
def first_model(first_folder: Path) -> Model:
    return base_model(first_folder)
