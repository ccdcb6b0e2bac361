"""Going on with a pilot from its page: in the background, once at a time, against the target of the last run, and stopped without harm."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import Client, sign_in
from sqlalchemy import func, select

from pilotage import people
from pilotage.ledger import entries, verify
from pilotage.practice import base_model, serve
from pilotage.practice.service import Serving
from pilotage.readiness import Cycle, advance, advance_async, cycles, find_pilot_id, load_pilot
from pilotage.readiness.deciding import declaration_of
from pilotage.runs import runs
from pilotage.runs.tables import output, sample
from pilotage.server import create_app
from pilotage.server.advances import last_advance, load_as_last_run
from pilotage.server.jobs import Jobs
from pilotage.store import Workspace
from small_pilot import Small, change, make_small_pilot

PAGE = "/pilots/support-assistant"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "v0"
    base_model(folder)
    return folder


@pytest.fixture
def workspace(fresh: Workspace) -> Workspace:
    return fresh


@pytest.fixture
def started(model: Path, workspace: Workspace, tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Serve the practice assistant and begin a small pilot against it, up to the first outputs; as if ``pilotage run --target`` was interrupted."""
    serving: list[Serving] = []

    def start(*, latency_s: float = 0.0, port: int = 0) -> Serving:
        serving.append(serve(model, latency_s=latency_s, port=port))
        return serving[-1]

    yield start
    for one in serving:
        one.close()


def begin(workspace: Workspace, folder: Path, url: str) -> None:
    """Run the pilot from "another process" against ``url`` and stop it at once."""
    pilot = load_pilot(make_small_pilot(folder), target={"url": url, "authorisation": "the test's own service"})

    async def briefly() -> None:
        work = asyncio.create_task(advance_async(workspace, pilot))
        while not runs(workspace):
            await asyncio.sleep(0.005)
        work.cancel()
        await asyncio.wait([work])

    asyncio.run(briefly())


def newest(workspace: Workspace) -> Cycle:
    return cycles(workspace, find_pilot_id(workspace, "support-assistant"))[0]


def wait(client: Client, seconds: float = 20.0) -> None:
    jobs: Jobs = client.app.state.jobs  # type: ignore[attr-defined]
    jobs.wait("pilot", "support-assistant", timeout_s=seconds)
    going = last_advance(jobs, "support-assistant")
    assert going is not None and not going.under_way


def test_one_press_goes_on_to_where_people_are_needed_against_the_target_of_the_last_run(
    workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]
) -> None:
    begin(workspace, tmp_path / "pilot", started().url)
    client = sign_in(workspace)
    text = client.get(PAGE).text
    assert "Paused" in text and f'action="{PAGE}/run"' in text and "Target:" in text
    answer = client.post(f"{PAGE}/run")
    assert (answer.status, answer.headers["location"]) == (303, PAGE)
    assert 'hx-trigger="every 2s"' in client.get(PAGE).text
    wait(client)
    cycle = newest(workspace)
    assert cycle.number == 1 and cycle.steps["review"].state == "waiting"
    live = client.get(f"{PAGE}/live")
    assert live.headers["hx-redirect"] == PAGE and "hx-trigger" not in live.text
    assert "Waiting for people" in client.get(PAGE).text
    assert {entry.actor for entry in entries(workspace, type="run.done", limit=500)} == {"ada"}
    assert verify(workspace).integrity == "ok"


def test_what_the_ledger_says_is_in_the_name_of_who_pressed(workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]) -> None:
    begin(workspace, tmp_path / "pilot", started().url)
    people.add_account(workspace, login="olaf", roles=["operator"], password="correct horse battery")
    client = Client(create_app(workspace))
    assert client.post("/login", {"login": "olaf", "password": "correct horse battery"}, csrf=False).status == 303
    assert client.post(f"{PAGE}/run").status == 303
    wait(client)
    assert {entry.actor for entry in entries(workspace, type="run.done", limit=500)} == {"olaf"}


def test_only_who_may_run_is_offered_it(workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]) -> None:
    begin(workspace, tmp_path / "pilot", started().url)
    people.add_account(workspace, login="ann", roles=["auditor"], password="correct horse battery")
    client = Client(create_app(workspace))
    client.post("/login", {"login": "ann", "password": "correct horse battery"}, csrf=False)
    assert "Go on" not in client.get(PAGE).text
    assert client.post(f"{PAGE}/run").status == 403


def test_a_second_press_says_that_it_is_under_way_and_stopping_the_server_pauses_it(
    workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]
) -> None:
    slow = started(latency_s=0.2)
    begin(workspace, tmp_path / "pilot", slow.url)
    client = sign_in(workspace)
    assert client.post(f"{PAGE}/run").status == 303
    again = client.post(f"{PAGE}/run")
    assert again.status == 409 and "under way already" in again.text and "ada began it from the workbench" in again.text
    while sum(one.done for one in runs(workspace)) < 1:
        time.sleep(0.02)
    client.app.state.jobs.close()  # type: ignore[attr-defined]
    wait(client)
    cycle = newest(workspace)
    assert "paused" in {step.state for step in cycle.steps.values()} and "running" not in {step.state for step in cycle.steps.values()}
    assert {one.state for one in runs(workspace)} <= {"done", "paused"}
    assert "Paused" in client.get(PAGE).text
    assert client.post(f"{PAGE}/run").status == 409, "a server that stops begins nothing"
    assert verify(workspace).integrity == "ok"
    slow.close()
    started(port=int(slow.url.rpartition(":")[2].partition("/")[0]))
    later = sign_in(workspace)
    assert later.post(f"{PAGE}/run").status == 303
    wait(later)
    assert newest(workspace).number == 1 and newest(workspace).steps["review"].state == "waiting"
    with workspace.read() as conn:
        counted: Any = [
            conn.execute(select(func.count()).select_from(table).where(table.c.workspace_id == workspace.id)).scalar() for table in (sample, output)
        ]
    assert counted[0] == counted[1], "nothing was asked twice"


def test_a_target_out_of_reach_is_told_on_the_page(workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]) -> None:
    serving = started()
    begin(workspace, tmp_path / "pilot", serving.url)
    serving.close()
    client = sign_in(workspace)
    assert client.post(f"{PAGE}/run").status == 303
    wait(client)
    text = client.get(PAGE).text
    assert "It could not go on" in text and serving.url.removesuffix("/v1") in text and "<dt>Mend</dt>" in text


def test_a_pilot_file_that_is_gone_is_told_on_the_page_at_once(workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]) -> None:
    begin(workspace, tmp_path / "pilot", started().url)
    (tmp_path / "pilot" / "pilot.yaml").unlink()
    answer = sign_in(workspace).post(f"{PAGE}/run")
    assert answer.status in (404, 422) and "It was not gone on with" in answer.text and "pilot.yaml" in answer.text


def test_where_another_process_is_at_work_nothing_is_begun(small_running: Workspace) -> None:
    client = sign_in(small_running)
    text = client.get(PAGE).text
    assert "Under way" in text and "Another process is at work on it" in text and "Go on</button>" not in text
    assert "another process" in client.post(f"{PAGE}/run").text


@pytest.fixture
def small_running(workspace: Workspace, tmp_path: Path) -> Workspace:
    """A pilot whose attack step says that it runs."""
    from pilotage.readiness.cycle import StepRecord, set_step

    small = Small(workspace, tmp_path / "pilot")
    small.advance()
    workspace.write(lambda tx: set_step(tx, newest(workspace).id, "attack", StepRecord(state="running"), cycle_state="running"))
    return workspace


def test_only_what_the_command_line_replaced_is_taken_from_the_last_run(tmp_path: Path) -> None:
    folder = make_small_pilot(tmp_path / "pilot")
    as_run = load_pilot(folder, target={"url": "http://127.0.0.1:9/v1", "authorisation": "elsewhere"})
    change(folder, "title: Support assistant of Harbour Electronics", "title: Renamed since")
    taken = load_as_last_run(folder, declaration_of(as_run))
    assert taken.declaration.title == "Renamed since"
    assert (taken.declaration.target.url, taken.declaration.target.authorisation) == ("http://127.0.0.1:9/v1", "elsewhere")
    assert load_as_last_run(folder, {"resolved": {"file": "pilot.yaml"}}).declaration == load_pilot(folder).declaration


def test_a_run_begun_on_the_command_line_and_gone_on_with_from_the_page_is_one_cycle(
    workspace: Workspace, tmp_path: Path, started: Callable[..., Serving]
) -> None:
    url = started().url
    begin(workspace, tmp_path / "pilot", url)
    client = sign_in(workspace)
    client.post(f"{PAGE}/run")
    wait(client)
    pilot = load_pilot(tmp_path / "pilot", target={"url": url, "authorisation": "the test's own service"})
    assert advance(workspace, pilot).cycle == 1
