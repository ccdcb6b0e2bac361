"""The pages in a real browser: no policy violation, nothing wider than the screen, keys, theme, live progress."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import demo_workspace
import pytest
from browserless import TOKEN
from sqlalchemy import update

from pilotage.runs.tables import run
from pilotage.server import create_app
from pilotage.server.render import STATIC
from pilotage.store import Workspace

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
PAGES = [
    "/",
    "/pilots/support-assistant/gates",
    "/runs/run_eval",
    "/samples/smp_0012",
    "/findings/fnd_2",
    "/data/support-training/2",
    "/ledger",
    "/people",
]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    import uvicorn

    with Workspace.create(tmp_path_factory.mktemp("served"), actor="ada") as workspace:
        demo_workspace.fill(workspace)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(create_app(workspace, local_token=TOKEN), host="127.0.0.1", port=port, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}", workspace
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS.split())
        yield started
        started.close()


@pytest.fixture
def tab(browser: Any, served: tuple[str, Workspace]) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"{served[0]}/?token={TOKEN}")
    yield page
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, served: tuple[str, Workspace], width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for address in PAGES:
        tab.goto(served[0] + address)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
    assert tab.complaints == []
    assert TOKEN not in tab.url


def test_j_and_k_walk_the_rows_and_n_turns_the_page(tab: Any, served: tuple[str, Workspace]) -> None:
    tab.goto(f"{served[0]}/runs/run_eval")
    for key in ("j", "j", "j", "k"):
        tab.keyboard.press(key)
    assert tab.evaluate("document.activeElement.textContent") == "item-001"
    tab.keyboard.press("n")
    tab.wait_for_url("**after=**")
    tab.keyboard.press("p")
    tab.wait_for_url("**before=**")
    tab.keyboard.press("j")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/samples/smp_0000")


def test_light_and_dark_are_chosen_once_and_kept(tab: Any, served: tuple[str, Workspace]) -> None:
    tab.goto(f"{served[0]}/runs")
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.click("[data-theme-toggle]")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    tab.reload()
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_veiled_conversation_is_shown_by_keyboard(tab: Any, served: tuple[str, Workspace]) -> None:
    tab.goto(f"{served[0]}/samples/smp_0012")
    said = "getComputedStyle(document.querySelector('.veiled .said')).filter"
    assert tab.evaluate(said) != "none"
    tab.focus(".reveal")
    tab.keyboard.press("Space")
    assert tab.evaluate(said) == "none"


@pytest.mark.skipif(not (STATIC / "vendor" / "htmx.min.js").exists(), reason="the browser code was not built: python tools/build_web.py")
def test_progress_comes_to_the_page_by_itself(tab: Any, served: tuple[str, Workspace]) -> None:
    address, workspace = served
    tab.goto(f"{address}/runs/run_live")
    assert tab.evaluate("document.querySelector('#progress progress').value") == 51
    changed = update(run).where(run.c.workspace_id == workspace.id, run.c.id == "run_live").values(counts={"answered": 120}, state="done")
    workspace.write(lambda tx: tx.conn.execute(changed) and None)
    tab.wait_for_selector('#progress progress[value="120"]', timeout=10_000)
    assert tab.get_attribute("#progress", "hx-trigger") is None
    assert tab.complaints == []
