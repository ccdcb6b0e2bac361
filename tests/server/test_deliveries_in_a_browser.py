"""Pages of batches, gates and pipelines in a real browser: nothing wider than the screen, no policy violation, decided from the keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from browserless import TOKEN

from in_a_browser import listening
from pilotage.ledger import open_workspace
from pilotage.server import create_app
from pilotage.store import Workspace

if TYPE_CHECKING:
    from conftest import Delivered

pytestmark = pytest.mark.browser

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
    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(delivered.folder, folder)
    with open_workspace(folder, actor="ada") as workspace, listening(create_app(workspace, local_token=TOKEN)) as address:
        yield address, workspace


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, Workspace]) -> Iterator[Any]:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=served[0]).new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"/?token={TOKEN}")
    yield page
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, delivered: Delivered, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.complaints.clear()
    for page in PAGES:
        tab.goto(page.format_map(vars(delivered.has)))
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        assert tab.evaluate("document.querySelectorAll('h1').length") == 1, page
        fields = "main input:not([type=hidden]), main select, main textarea"
        assert tab.evaluate(f"[...document.querySelectorAll('{fields}')].filter(one => !one.labels.length).length") == 0, page
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
