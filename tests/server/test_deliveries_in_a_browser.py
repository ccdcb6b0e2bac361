"""Pages of batches, gates and pipelines in a real browser: nothing wider than the screen, no policy violation, decided from the keyboard."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from browserless import TOKEN

from pilotage.ledger import open_workspace
from pilotage.server import create_app
from pilotage.store import Workspace

if TYPE_CHECKING:
    from conftest import Delivered

pytestmark = pytest.mark.browser

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync"
UNNAMED = """
[...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')].filter(one => !one.labels.length).length
"""
PAGES = [
    "/data/batches",
    "/data/batches?state=held",
    "/data/batches/{dirty}",
    "/data/batches/{changed}",
    "/data/batches/{refused}",
    "/data/gates/{failed}",
    "/data/gates/{passed}",
    "/pipelines",
    "/pipelines/card-fraud",
    "/pipelines/card-fraud/deliveries",
    "/pipelines/card-fraud/runs/{done}",
    "/pipelines/card-fraud/runs/{failed_run}",
]


@pytest.fixture(scope="module")
def served(delivered: Delivered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    import uvicorn

    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(delivered.folder, folder)
    with open_workspace(folder, actor="ada") as workspace:
        server = uvicorn.Server(uvicorn.Config(create_app(workspace, local_token=TOKEN), host="127.0.0.1", port=0, log_level="warning"))
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        while not (server.started and server.servers):
            time.sleep(0.02)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", workspace
        server.should_exit = True
        thread.join(timeout=10)


@pytest.fixture(scope="module")
def tab(served: tuple[str, Workspace]) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium on this machine")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS.split())
        page = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=served[0]).new_page()
        page.complaints = []
        page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"/?token={TOKEN}")
        yield page
        browser.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, delivered: Delivered, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.complaints.clear()
    for page in PAGES:
        tab.goto(page.format_map(vars(delivered.has)))
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        assert tab.evaluate("document.querySelectorAll('h1').length") == 1, page
        unnamed = (
            "[...document.querySelectorAll('main input:not([type=hidden]), main select, main textarea')].filter(one => !one.labels.length).length"
        )
        assert tab.evaluate(unnamed) == 0, page
    assert tab.complaints == []


def test_a_held_batch_is_found_and_discarded_from_the_keyboard(tab: Any, delivered: Delivered) -> None:
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto("/data/batches?state=held")
    tab.keyboard.press("j")
    assert delivered.has.spare in tab.evaluate("document.activeElement.getAttribute('href')")
    tab.keyboard.press("Enter")
    tab.wait_for_url(f"**/{delivered.has.spare}")
    tab.get_by_role("textbox", name="Reason").last.focus()
    tab.keyboard.type("the sender took it back")
    tab.keyboard.press("Tab")
    tab.keyboard.press("Enter")
    tab.get_by_text("Discarded:").wait_for()
    assert "the sender took it back" in tab.locator("main").inner_text()
