"""Redis streams into the log: delivered at least once, taken once; what is no event is set aside with its reason."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pilotage.core import Unavailable
from pilotage.features.streams import EventSource, RedisStream, StreamWorker, declare_source, pump
from pilotage.features.streams.log import read_log
from pilotage.ledger import create_workspace
from pilotage.store import Workspace

from .card_events import CARDS, START, card_view

pytestmark = pytest.mark.redis


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    pytest.importorskip("redis", reason="the redis client is not installed")
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("there is no redis-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tmp_path_factory.mktemp("redis")
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            server.terminate()


@pytest.fixture
def cards(empty_schema: Path, tmp_path: Path) -> Iterator[Workspace]:
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "pilotage.db").write_bytes(empty_schema.read_bytes())
    with create_workspace(str(tmp_path / "ws"), actor="tester") as workspace:
        declare_source(workspace, CARDS)
        yield workspace


@pytest.fixture
def client(redis_url: str) -> Iterator[Any]:
    import redis

    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


def send(client: Any, *names: str) -> None:
    for name in names:
        client.xadd("payments", {"event": json.dumps({"id": name, "at": START, "card": "c", "amount": 1.0, "shop": "s"})})


def logged(workspace: Workspace) -> list[str]:
    with workspace.read() as conn:
        found = read_log(conn, workspace.id, CARDS, from_position=0, limit=10**6)
    return [] if found is None else found["id"].to_list()


def test_messages_become_events_once_and_are_told_as_taken(cards: Workspace, client: Any, redis_url: str) -> None:
    send(client, "a", "b", "a")
    broker = RedisStream(redis_url, stream="payments")
    done = pump(cards, "payments", broker)
    assert (done.delivered, done.taken, done.duplicates) == (3, 2, 1)
    assert pump(cards, "payments", broker).delivered == 0
    assert client.xpending("payments", "pilotage")["pending"] == 0
    assert logged(cards) == ["a", "b"]
    broker.close()


def test_what_was_in_the_log_but_not_told_comes_again_and_is_recognised(
    cards: Workspace, client: Any, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(client, "a", "b")
    dying = RedisStream(redis_url, stream="payments")
    monkeypatch.setattr(dying, "taken", lambda marks: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        pump(cards, "payments", dying)
    again = RedisStream(redis_url, stream="payments")
    done = pump(cards, "payments", again)
    assert (done.delivered, done.taken, done.duplicates) == (2, 0, 2)
    assert logged(cards) == ["a", "b"]


def test_messages_of_a_consumer_that_fell_silent_are_taken_over(cards: Workspace, client: Any, redis_url: str) -> None:
    send(client, "a")
    assert len(RedisStream(redis_url, stream="payments", consumer="gone").read(10)) == 1
    done = pump(cards, "payments", RedisStream(redis_url, stream="payments", consumer="here", take_over_ms=0))
    assert done.taken == 1


def test_what_is_no_event_is_set_aside_and_stops_nobody(cards: Workspace, client: Any, redis_url: str) -> None:
    send(client, "a")
    client.xadd("payments", {"event": "{not json"})
    client.xadd("payments", {"event": json.dumps({"id": "b", "at": START, "amount": "much"})})
    client.xadd("payments", {"other": "field"})
    client.xadd("payments", {"event": json.dumps({"id": "d", "at": START, "known_at": "2999-01-01T00:00:00Z"})})
    send(client, "c")
    done = pump(cards, "payments", RedisStream(redis_url, stream="payments"))
    assert (done.taken, done.set_aside) == (2, 4)
    reasons = [fields[b"reason"].decode() for _, fields in client.xrange("payments:refused")]
    assert "'amount' must be float" in reasons[1] and "in the future" in reasons[3]
    assert logged(cards) == ["a", "c"]


def test_a_full_log_leaves_the_messages_with_redis(cards: Workspace, client: Any, redis_url: str) -> None:
    declare_source(cards, EventSource(**{**CARDS.to_dict(), "backlog": 1}))
    worker = StreamWorker(cards, card_view(), source="payments")
    send(client, "a", "b", "c")
    broker = RedisStream(redis_url, stream="payments")
    assert pump(cards, "payments", broker, limit=2).taken == 2
    assert pump(cards, "payments", broker).busy
    worker.catch_up()
    assert pump(cards, "payments", broker).taken == 1
    assert logged(cards) == ["a", "b", "c"]


def test_a_redis_that_is_not_there_is_said_so() -> None:
    pytest.importorskip("redis")
    with pytest.raises(Unavailable, match="cannot be reached"):
        RedisStream("redis://127.0.0.1:1/0", stream="payments")
