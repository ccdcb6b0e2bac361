"""The pages of lineage and monitoring in a real browser: narrow, dark, and by keyboard."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import watched_workspace
from browserless import TOKEN
from watched_workspace import MODEL

from in_a_browser import listening
from pilotage.ledger import create_workspace
from pilotage.server import create_app

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with create_workspace(tmp_path_factory.mktemp("watched") / "workspace", actor="ada") as workspace:
        there = watched_workspace.fill(workspace)
        with listening(create_app(workspace, local_token=TOKEN)) as address:
            PAGES[:] = [page.format_map(there.reports) for page in PAGES]
            yield address


PAGES = [
    "/monitoring",
    "/monitoring?pipeline=card-fraud",
    "/monitoring/{moved}",
    "/monitoring/{drift}",
    "/lineage",
    f"/lineage?kind=model&id={MODEL}",
    "/lineage?kind=version&id=fraud-training&column=spent",
    "/lineage/impact?kind=source&id=bank&since=2025-06-15&until=2025-06-16",
]


@pytest.fixture
def tab(browser: Any, address: str) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"{address}/?token={TOKEN}")
    yield page
    context.close()


def test_nothing_is_wider_than_a_narrow_screen_and_nothing_complains(tab: Any, address: str) -> None:
    for page in PAGES:
        tab.goto(address + page)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        levels = tab.evaluate("[...document.querySelectorAll('h1, h2, h3')].map(each => Number(each.tagName[1]))")
        assert levels[0] == 1 and all(after <= before + 1 for before, after in pairwise(levels)), page
    assert tab.complaints == []


def test_the_graph_is_walked_with_the_keyboard(tab: Any, address: str) -> None:
    tab.goto(f"{address}/lineage?kind=model&id={MODEL}")
    tab.focus(".graph-scroll")
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.getAttribute('aria-label')").startswith("source bank")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**kind=source**")
    assert tab.inner_text("h1") == "bank"


def test_an_incident_is_asked_with_the_keyboard(tab: Any, address: str) -> None:
    tab.goto(f"{address}/lineage/impact")
    for name, text in (("id", "bank"), ("since", "2025-06-15"), ("until", "2025-06-16")):
        tab.focus(f"[name={name}]")
        tab.keyboard.type(text)
    tab.keyboard.press("Enter")
    tab.wait_for_url("**until=**")
    assert "What bank reached" in tab.inner_text("main")
