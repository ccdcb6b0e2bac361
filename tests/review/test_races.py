"""Many people and several processes at once, on both databases, and a server that is killed: no place too many, nothing lost, nothing stuck."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import zlib
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from pilotage.core import Conflict, ManualClock, Refused
from pilotage.judging import Item, Rater, Rubric, judgements, person
from pilotage.ledger import create_workspace, open_workspace, verify
from pilotage.review import NewTask, Suggestion, answer, claim, counts, put_tasks, release, skip
from pilotage.review.projects import Arms, Gold, Overlap, ProjectSettings, create_project
from pilotage.review.tables import review_task
from pilotage.store import Workspace

CLIENTS = 32


def fill(workspace: Workspace, rubric: Rubric, *, items: int, overlap: Overlap, seeded: float = 0.0) -> None:
    project = ProjectSettings(name="p", overlap=overlap, arms=Arms(seeded=seeded), gold=Gold(share=0.2, exposure_cap=3))
    create_project(workspace, project, rubric=rubric, guideline="Be fair.", salt="salt")
    proposed = [Suggestion("failure", "yes")]
    put_tasks(workspace, "p", (NewTask(Item("output", str(n), {}), proposed, seed={"failure": "no"}) for n in range(items)))
    put_tasks(workspace, "p", (NewTask(Item("output", f"g{n}", {}), proposed, purpose="gold", gold={"failure": "yes"}) for n in range(3)))


def check(workspace: Workspace, items: int, most: int) -> None:
    """Nobody too many, every answer in its place, the counters true."""
    with workspace.read() as conn:
        rows = conn.execute(select(review_task).where(review_task.c.workspace_id == workspace.id)).mappings().all()
    work = [row for row in rows if row["purpose"] == "work"]
    said = Counter(each.item_id for each in judgements(workspace, question="failure"))
    assert len(work) == items
    assert all(said[row["item_id"]] == row["answers"] <= row["overlap"] <= most for row in work)
    assert all(row["claims"] + row["answers"] <= row["overlap"] and row["claims"] >= 0 for row in rows)
    seen = counts(workspace, "p")
    assert (seen.open, seen.done) == (sum(row["state"] == "open" for row in work), sum(row["state"] == "done" for row in work))
    assert seen.answers == sum(row["answers"] for row in work)


@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    start=st.integers(1, 3),
    more=st.integers(0, 2),
    seeded=st.sampled_from([0.0, 0.3]),
    mix=st.lists(st.sampled_from(["answer", "answer", "answer", "skip", "leave", "release"]), min_size=3, max_size=6),
)
def test_thirty_two_clients_at_once_never_crowd_lose_or_block_an_item(
    tmp_path_factory: pytest.TempPathFactory, rubric: Rubric, start: int, more: int, seeded: float, mix: list[str]
) -> None:
    clock = ManualClock()
    with Workspace.create(tmp_path_factory.mktemp("w"), clock=clock) as workspace:
        race(workspace, rubric, clock, Overlap(start=start, most=start + more, until=0.95 if more else None, question="failure"), seeded, mix)


def test_thirty_two_clients_at_once_on_each_database(location: str, rubric: Rubric) -> None:
    clock = ManualClock()
    with create_workspace(location, clock=clock) as workspace:
        race(workspace, rubric, clock, Overlap(start=2, most=3, until=0.95, question="failure"), 0.2, ["answer", "leave", "answer", "skip"])
        assert verify(workspace).integrity == "ok"


def race(workspace: Workspace, rubric: Rubric, clock: ManualClock, overlap: Overlap, seeded: float, mix: list[str]) -> None:
    items = 20
    fill(workspace, rubric, items=items, overlap=overlap, seeded=seeded)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        rater = person(f"p{number}")
        try:
            for turn, what in enumerate(mix):
                for task in claim(workspace, "p", rater, n=1 + turn % 2, lease_s=10):
                    act(workspace, rater, task.task_id, what)
                if turn % 3 == 2:
                    clock.advance(6)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    check(workspace, items, overlap.limit)
    clock.advance(1_000)
    for number in range(12):  # whatever was left can be finished: nothing is stuck
        while claimed := claim(workspace, "p", person(f"last{number}"), n=50, lease_s=10):
            for task in claimed:
                act(workspace, person(f"last{number}"), task.task_id, "answer")
    check(workspace, items, overlap.limit)
    assert counts(workspace, "p").open == 0


def act(workspace: Workspace, rater: Rater, task_id: str, what: str) -> None:
    try:
        if what == "answer":
            value = ("yes", "no", "unclear")[zlib.crc32(f"{rater.name} {task_id}".encode()) % 3]
            for _ in range(2):  # sent twice
                answer(workspace, task_id, rater, {"failure": value}, idempotency_key=task_id)
        elif what == "skip":
            skip(workspace, task_id, rater)
        elif what == "release":
            release(workspace, [task_id], rater)
    except (Conflict, Refused):
        pass


WORKER = """
import sys
from pilotage.judging import person
from pilotage.ledger import open_workspace
from pilotage.review import answer, claim

with open_workspace(sys.argv[1]) as workspace:
    print("ready", flush=True)
    sys.stdin.readline()
    rater, idle = person(sys.argv[2]), 0
    while idle < 3:
        tasks = claim(workspace, "p", rater, n=2)
        idle = 0 if tasks else idle + 1
        for task in tasks:
            answer(workspace, task.task_id, rater, {"failure": "yes"}, idempotency_key=task.task_id)
            print(task.task_id, flush=True)
"""


def start(location: str, login: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", WORKER, location, login], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def begin(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None and process.stdin is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()


def test_four_processes_on_one_queue_share_it_without_a_place_too_many(location: str, rubric: Rubric) -> None:
    with create_workspace(location) as workspace:
        fill(workspace, rubric, items=30, overlap=Overlap(start=2))
        processes = [start(location, f"w{number}") for number in range(4)]
        for process in processes:
            begin(process)
        done = [process.communicate(timeout=120)[0].split() for process in processes]
        assert all(process.returncode == 0 for process in processes)
        check(workspace, 30, 2)
        assert counts(workspace, "p").open == 0
        assert sum(map(len, done)) >= 60
        assert verify(workspace).integrity == "ok"


@pytest.mark.crash
def test_a_process_killed_in_the_middle_loses_no_answer_it_was_told_of(location: str, rubric: Rubric) -> None:
    with create_workspace(location) as workspace:
        fill(workspace, rubric, items=200, overlap=Overlap(start=1))
    process = start(location, "ann")
    begin(process)
    assert process.stdout is not None
    told = [process.stdout.readline().strip() for _ in range(15)]
    os.kill(process.pid, signal.SIGKILL)
    told += process.communicate()[0].split()
    with open_workspace(location) as workspace:
        kept = {each.idempotency_key.split(":")[1] for each in judgements(workspace, purposes=["work", "gold"])}
        assert len(told) >= 15 and set(told) - {""} <= kept
        check(workspace, 200, 1)
        assert verify(workspace).integrity == "ok"
        assert claim(workspace, "p", person("ben"))


SERVER = """
import sys
from pilotage.cli.server import web_server
from pilotage.ledger import open_workspace

with open_workspace(sys.argv[1]) as workspace:
    web_server(workspace, host="127.0.0.1", port=0, allowed_hosts=[], ready=lambda address: print(address, flush=True)).run()
"""


@pytest.mark.crash
def test_a_server_killed_under_load_loses_no_answer_it_acknowledged(tmp_path: Path, rubric: Rubric) -> None:
    import asyncio

    import aiohttp

    location = str(tmp_path / "workspace")
    with create_workspace(location) as workspace:
        fill(workspace, rubric, items=300, overlap=Overlap(start=1))
    process = subprocess.Popen([sys.executable, "-c", SERVER, location], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    acknowledged: set[str] = set()

    async def load() -> None:
        base = address.partition("?")[0].rstrip("/")
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar, headers={"Origin": base}) as client:
            async with client.get(address) as page:
                text = await page.text()
            token = text.partition('name="csrf-token" content="')[2].partition('"')[0]
            headers = {"X-CSRF-Token": token}

            async def one(name: str) -> None:
                while True:
                    try:
                        async with client.post(f"{base}/api/v1/review/claim", json={"queue": "p", "n": 2, "holder": name}, headers=headers) as got:
                            assert got.status == 200, await got.text()
                            tasks = (await got.json())["tasks"]
                        for task in tasks:
                            body = {"task_id": task["task_id"], "idempotency_key": task["task_id"], "answers": {"failure": "no"}}
                            async with client.post(f"{base}/api/v1/review/answer", json=body, headers=headers) as done:
                                if done.status == 200:
                                    acknowledged.add((await done.json())["task_id"])
                                    if len(acknowledged) == 20:
                                        os.kill(process.pid, signal.SIGKILL)
                    except (aiohttp.ClientError, OSError):
                        return
                    if not tasks:
                        return

            await asyncio.wait_for(asyncio.gather(*(one(f"tab {number}") for number in range(4))), timeout=90)

    try:
        asyncio.run(load())
    finally:
        process.kill()
        process.wait()
    with open_workspace(location) as workspace:
        kept = {each.idempotency_key.split(":")[1] for each in judgements(workspace, purposes=["work", "gold"])}
        assert len(acknowledged) >= 20 and acknowledged <= kept
        check(workspace, 300, 1)
        assert verify(workspace).integrity == "ok"
