"""The room in SQLite's log: there once a process goes on writing, and nobody sees anything of it."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest
from sqlalchemy import select

from pilotage.models.tables import response_cache
from pilotage.store import Workspace, writer
from pilotage.store.journal import ROOM, make_room


@pytest.fixture
def here(tmp_path):
    with Workspace.create(tmp_path / "workspace") as workspace:
        yield workspace


def log_of(workspace):
    return Path(f"{workspace.engine.url.database}-wal")


def write(workspace, number):
    workspace.write(lambda tx: tx.insert(response_cache, {"cache_key": f"{number}", "fingerprint": "f", "reply": number}))


def numbers(workspace):
    with workspace.read() as conn:
        return sorted(conn.execute(select(response_cache.c.reply)).scalars())


def test_who_goes_on_writing_writes_into_a_log_that_does_not_grow(here, monkeypatch):
    monkeypatch.setattr(writer, "_GOES_ON", 32)
    for number in range(40):
        write(here, number)
    size = log_of(here).stat().st_size
    assert size >= ROOM
    for number in range(40, 80):
        write(here, number)
    assert log_of(here).stat().st_size == size
    assert numbers(here) == list(range(80))


def test_a_server_has_its_room_when_it_starts(here):
    here.expect_writing()
    size = log_of(here).stat().st_size
    assert size >= ROOM
    for number in range(20):
        write(here, number)
    assert log_of(here).stat().st_size == size


def test_who_writes_a_little_leaves_the_log_small(here):
    for number in range(20):
        write(here, number)
    assert log_of(here).stat().st_size < ROOM // 10


def test_nothing_of_it_stays_in_the_database(here):
    write(here, 1)
    make_room(here.engine)
    write(here, 2)
    here.close()
    with sqlite3.connect(here.engine.url.database) as conn:
        assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert conn.execute("SELECT count(*) FROM sqlite_master WHERE name LIKE 'room%'").fetchone() == (0,)
    assert Path(here.engine.url.database).stat().st_size < ROOM // 10


def test_what_is_committed_before_beside_and_after_is_all_there(here, monkeypatch):
    monkeypatch.setattr(writer, "_GOES_ON", 16)
    ready = threading.Barrier(2)

    def other():
        ready.wait()
        with Workspace.open(here.location) as again:
            for number in range(100, 140):
                write(again, number)

    thread = threading.Thread(target=other)
    thread.start()
    ready.wait()
    for number in range(60):
        write(here, number)
    thread.join()
    assert numbers(here) == [*range(60), *range(100, 140)]
    with Workspace.open(here.location) as again:
        assert numbers(again) == [*range(60), *range(100, 140)]


def test_it_is_made_once(here):
    write(here, 1)
    make_room(here.engine)
    size = log_of(here).stat().st_size
    make_room(here.engine)
    assert log_of(here).stat().st_size == size
