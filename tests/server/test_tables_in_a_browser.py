"""Pages of tables and contracts in a real browser: nothing wider than the screen, no policy violation, keys, and a change of a source answered."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import TOKEN
from tables_workspace import CANARY, Tables

from in_a_browser import listening
from pilotage.judging import judgements
from pilotage.ledger import open_workspace
from pilotage.server import create_app
from pilotage.store import Workspace

pytestmark = pytest.mark.browser

PAGES = [
    "/data",
    "/data/payments/1",
    "/data/payments/1?where=nonsense",
    "/data/payments/1/row?key=p0001",
    "/data/payments/3/row?key=p0020",
    "/data/payments/versions",
    "/data/payments/diff?before=1&after=2",
    "/data/payments/diff?before=2&after=3",
    "/data/contracts",
    "/data/contracts/payments",
    "/data/contracts/payments/diff?before=1&after=2",
]


@pytest.fixture(scope="module")
def served(made_tables: tuple[Path, Tables], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(made_tables[0], folder)
    with open_workspace(folder, actor="ada") as workspace, listening(create_app(workspace, local_token=TOKEN)) as address:
        yield address, workspace


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, Workspace]) -> Iterator[Any]:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=served[0]).new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"/?token={TOKEN}")
    yield page
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for page in PAGES:
        tab.goto(page)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        assert tab.evaluate("document.querySelectorAll('h1').length") == 1, page
    assert tab.complaints == []


def test_the_navigation_is_worked_with_the_keyboard_at_390_pixels(tab: Any) -> None:
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.goto("/runs")
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.textContent") == "Data":
            break
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/data")
    assert tab.locator("nav[aria-label=Main] [aria-current]").inner_text() == "Data"
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.textContent") == "Contracts":
            break
    box = tab.evaluate("(({left, right}) => [left, right])(document.activeElement.getBoundingClientRect())")
    assert box[0] >= 0 and box[1] <= 390
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/data/contracts")
    assert tab.locator("nav[aria-label=Data] [aria-current=page]").inner_text() == "Contracts"


def test_rows_are_walked_filtered_and_opened_with_keys(tab: Any) -> None:
    tab.goto("/data/payments/1")
    tab.keyboard.press("n")
    tab.wait_for_url("**start=50**")
    for key in ("j", "j", "k"):
        tab.keyboard.press(key)
    assert tab.evaluate("document.activeElement.textContent") == "p0050"
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/row?key=p0050")
    tab.goto("/data/payments/1")
    tab.get_by_label("Filter").fill("amount >= 49")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**where=**")
    assert "of 130 rows keep the filter" in tab.inner_text("main")


def test_a_change_of_a_source_is_shown_with_its_evidence_and_answered_with_a_key(tab: Any, served: tuple[str, Workspace]) -> None:
    tab.goto("/review/card-fraud")
    tab.wait_for_selector(".wb-change")
    shown = tab.inner_text("#wb-stage")
    assert CANARY in tab.inner_text(".wb-change")  # as text
    assert "payments/monday.csv" in shown and "Share of the values" in shown and "0.02" in shown
    assert tab.get_attribute(".wb-card a", "href").startswith("/data/contracts/payments#cp_")
    tab.keyboard.press("2")
    tab.wait_for_selector(".wb-change", state="detached")
    said = []
    for _ in range(100):
        said = [one.value for one in judgements(served[1], question="accept", rater_kind="person")]
        if said:
            break
        time.sleep(0.05)
    assert said == ["no"]
    assert tab.complaints == []
