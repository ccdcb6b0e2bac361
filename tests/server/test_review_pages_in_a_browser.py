"""The pages of adjudication, disagreement, truth, preferences and training in a real browser: on a phone, in the dark, and by axe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from review_workspace import Reviewed
from roles import PASSWORD

from in_a_browser import listening
from pilotage import people
from pilotage.ledger import open_workspace
from pilotage.review.measuring import explore, triage
from pilotage.server import create_app

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
REPLIES = (
    "/review/adjudication",
    "/review/disagreement",
    "/review/disagreement?view=answers",
    "/review/disagreement?view=agreement&by=pair",
    "/review/disagreement?view=guidelines",
    "/review/disagreement/replies/{item}?question=failure",
    "/review/projects/replies/truth",
    "/review/projects/replies/truth?question=tone",
    "/review/projects/replies/training",
)
COMPARISONS = ("/review/projects/comparisons/preferences", "/review/disagreement?view=answers")


def served(folder: Path, place: Path) -> Iterator[tuple[str, str]]:
    shutil.copytree(folder, place)
    with open_workspace(place, actor="ada") as workspace:
        people.add_account(workspace, login="olga", roles=["owner"], password=PASSWORD)
        item = ""
        if "replies" in str(folder):
            triage(workspace, "replies", "failure")
            item = explore(workspace, "replies", "failure", waiting=False).rows[0].item_id
        with listening(create_app(workspace)) as address:
            yield address, item


@pytest.fixture(scope="module")
def replies_served(replies_made: tuple[Path, Reviewed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    yield from served(replies_made[0], tmp_path_factory.mktemp("replies-served") / "workspace")


@pytest.fixture(scope="module")
def comparisons_served(comparisons_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    yield from served(comparisons_made, tmp_path_factory.mktemp("comparisons-served") / "workspace")


def walk(browser: Any, address: str, pages: list[str], **how: Any) -> list[tuple[str, Any]]:
    """What is wrong with each page: errors, what is wider than the window, and what axe says."""
    context = browser.new_context(**how)
    page = context.new_page()
    wrong: list[tuple[str, Any]] = []
    page.on("pageerror", lambda error: wrong.append((page.url, str(error))))
    page.on("console", lambda message: wrong.append((page.url, message.text)) if "Content Security" in message.text else None)
    page.goto(f"{address}/login")
    page.fill("[name=login]", "olga")
    page.fill("[name=password]", PASSWORD)
    page.click("button[type=submit]")
    for path in pages:
        page.goto(address + path)
        wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        if wide > 0:
            wrong.append((path, f"{wide} px wider than the window"))
        if AXE.exists():
            page.evaluate(AXE.read_text())
            found = page.evaluate("async () => (await axe.run()).violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))])")
            wrong += [(path, each) for each in found]
    context.close()
    return wrong


@pytest.mark.parametrize("how", [{"viewport": {"width": 390, "height": 844}, "color_scheme": "dark"}, {"viewport": {"width": 1280, "height": 860}}])
def test_the_pages_fit_a_phone_and_a_desk_and_are_clear_to_readers(
    browser: Any, replies_served: tuple[str, str], comparisons_served: tuple[str, str], how: dict[str, Any]
) -> None:
    address, item = replies_served
    assert walk(browser, address, [path.format(item=item) for path in REPLIES], **how) == []
    assert walk(browser, comparisons_served[0], list(COMPARISONS), **how) == []


def test_everything_a_lead_does_here_is_reached_with_the_keyboard(browser: Any, replies_served: tuple[str, str]) -> None:
    address, item = replies_served
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{address}/login")
    page.fill("[name=login]", "olga")
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "login" not in url)
    page.goto(f"{address}/review/disagreement/replies/{item}?question=failure")
    page.focus("input[name=cause]")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    page.keyboard.type("It reads both ways.")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=no longer holds")
    assert "It reads both ways." in page.inner_text("main")
    context.close()
