"""Pages of features in a real browser: nothing wider than the screen, no policy violation, and the way from a cell to its rows by keyboard."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import TOKEN
from feature_workspace import NOW, Bank

from in_a_browser import listening
from pilotage.core import ManualClock
from pilotage.ledger import open_workspace
from pilotage.server import create_app

pytestmark = pytest.mark.browser

PAGES = [
    "/features",
    "/features/activity@2",
    "/features/activity@1/inspect",
    "/features/activity@1/inspect?of=fraud@1&row=60",
    "/features/training-sets",
    "/features/training-sets/fraud/1",
    "/features/skew",
    "/features/skew/{report}",
    "/features/streams",
    "/features/streams/streamed@1",
]


@pytest.fixture(scope="module")
def served(bank_made: tuple[Path, Bank], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(bank_made[0], folder)
    clock = ManualClock(NOW + 90_000_000)
    with open_workspace(folder, actor="ada", clock=clock) as workspace, listening(create_app(workspace, local_token=TOKEN)) as address:
        yield address


@pytest.fixture(scope="module")
def tab(browser: Any, served: str) -> Iterator[Any]:
    page = browser.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.goto(f"{served}/?token={TOKEN}")
    yield page
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, served: str, bank_made: tuple[Path, Bank], width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for page in PAGES:
        tab.goto(served + page.format(report=bank_made[1].reports[1]))
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        assert tab.locator("h1").count() == 1
    assert tab.complaints == []


def test_a_value_is_looked_into_by_keyboard(tab: Any, served: str) -> None:
    tab.set_viewport_size({"width": 1280, "height": 800})
    tab.goto(served + "/features/training-sets/fraud/1?start=60")
    tab.focus("a[href$='#feature-spent_7d']")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/inspect?**#feature-spent_7d")
    assert tab.locator("tr:target").inner_text().startswith("spent_7d")
    assert tab.locator("svg.in-time .won").count() == 1
    tab.fill("input[name='entity.card']", "c2")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**entity.card=c2&**")
    tab.wait_for_selector("h2#values")
