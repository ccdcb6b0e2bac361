"""The three online stores, each empty."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilotage.features.online.database import DatabaseStore
from pilotage.features.online.store import OnlineStore
from pilotage.ledger import create_workspace
from pilotage.store import Workspace


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A redis-server of this session's own, on loopback, that keeps nothing on disk."""
    pytest.importorskip("redis", reason="no Redis client: the extra 'redis' is not installed")
    program = shutil.which("redis-server") or "/usr/bin/redis-server"
    if not Path(program).exists():
        pytest.skip("no redis-server on this machine")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir", str(folder)], stdout=subprocess.DEVNULL
    )
    try:
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        else:
            pytest.skip("redis-server did not start")
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        server.terminate()
        server.wait()


@pytest.fixture(
    params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("redis", marks=pytest.mark.redis)],
)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OnlineStore]:
    """An empty store of each kind in turn."""
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
        location = f"{url}{'&' if '?' in url else '?'}workspace=online-{tmp_path.name}&blobs={tmp_path / 'blobs'}"
    else:
        location = str(tmp_path / "workspace")
    with create_workspace(location, actor="tester") as workspace:
        opened = _redis(request, workspace) if request.param == "redis" else DatabaseStore(workspace)
        yield opened
        opened.close()


def _redis(request: pytest.FixtureRequest, workspace: Workspace) -> OnlineStore:
    from pilotage.features.online.redis_store import RedisStore

    return RedisStore(workspace, request.getfixturevalue("redis_url"))
