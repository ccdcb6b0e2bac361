"""The pages in a real browser: no policy violation, nothing wider than the screen, keys, theme, live progress."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from browserless import TOKEN
from demo_workspace import Demo
from sqlalchemy import update

from in_a_browser import listening
from pilotage.ledger import open_workspace
from pilotage.runs.tables import output, run, run_sample
from pilotage.server import create_app
from pilotage.server.render import STATIC
from pilotage.store import Workspace

pytestmark = pytest.mark.browser

PAGES = [
    "/",
    "/pilots/support-assistant?cycle=1",
    "/pilots/support-assistant/gates?cycle=1",
    "/runs",
    "/runs/{attack}",
    "/samples/{answer}",
    "/findings",
    "/findings/{finding}?attempt={attempt}",
    "/data/support-safety/1",
    "/evidence/{evidence[findings.open]}",
    "/lineage",
    "/lineage?kind=version&id=support-safety",
    "/lineage/impact",
    "/monitoring",
    "/ledger",
    "/people",
    "/review",
]


@dataclass(frozen=True)
class Served:
    """The filled workspace, served."""

    address: str
    workspace: Workspace
    demo: Demo

    def __call__(self, page: str) -> str:
        return self.address + page.format_map(vars(self.demo))


@pytest.fixture(scope="module")
def served(made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(made.folder, folder)
    with open_workspace(folder, actor="ada") as workspace, listening(create_app(workspace, local_token=TOKEN)) as address:
        yield Served(address, workspace, made.demo)


@pytest.fixture
def tab(browser: Any, served: Served) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"{served.address}/?token={TOKEN}")
    yield page
    context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, served: Served, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for page in PAGES:
        tab.goto(served(page))
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
    assert tab.complaints == []
    assert TOKEN not in tab.url


def test_j_and_k_walk_the_rows_and_n_turns_the_page(tab: Any, served: Served) -> None:
    tab.goto(served("/runs/{live}"))
    for key in ("j", "j", "j", "k"):
        tab.keyboard.press(key)
    assert tab.evaluate("document.activeElement.closest('tr').cells[0].textContent") == "2"
    tab.keyboard.press("n")
    tab.wait_for_url("**after=**")
    tab.keyboard.press("p")
    tab.wait_for_url("**before=**")
    tab.keyboard.press("j")
    tab.keyboard.press("Enter")
    tab.wait_for_url("**/samples/smp_*")


def test_light_and_dark_are_chosen_once_and_kept(tab: Any, served: Served) -> None:
    tab.goto(served("/runs"))
    before = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.click("[data-theme-toggle]")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") != before
    tab.reload()
    assert tab.evaluate("document.documentElement.dataset.theme") == "dark"


def test_a_veiled_conversation_is_uncovered_by_keyboard(tab: Any, served: Served) -> None:
    tab.goto(served("/findings/{finding}?attempt={attempt}"))
    assert tab.evaluate("getComputedStyle(document.querySelector('.veiled .said')).filter") != "none"
    tab.focus(".veil-ask button")
    tab.keyboard.press("Enter")
    tab.wait_for_selector(".conversation:not(.veiled)")
    assert tab.url == served("/findings/{finding}?attempt={attempt}")


@pytest.mark.skipif(not (STATIC / "vendor" / "htmx.min.js").exists(), reason="the browser code was not built: python tools/build_web.py")
def test_progress_and_samples_come_to_the_page_by_themselves_and_the_focus_stays(tab: Any, served: Served) -> None:
    workspace, demo = served.workspace, served.demo
    tab.goto(served("/runs/{live}"))
    assert tab.evaluate("document.querySelector('#progress progress').value") == 51
    tab.keyboard.press("j")
    first = tab.evaluate("document.activeElement.getAttribute('href')").rpartition("/")[2]
    now = workspace.clock.now_us()

    def answer_one(tx: Any) -> None:
        row = {"id": "out_1", "sample_id": first, "attempt": 1, "outcome": "answered", "body": {}, "usage": {}, "latency_us": 7000, "cached": 0}
        tx.insert(output, {**row, "digest": "", "run_id": demo.live, "batch": ""})
        mine = (run_sample.c.workspace_id == tx.workspace_id, run_sample.c.run_id == demo.live, run_sample.c.sample_id == first)
        tx.conn.execute(update(run_sample).where(*mine).values(output_id="out_1"))
        tx.conn.execute(
            update(run).where(run.c.workspace_id == tx.workspace_id, run.c.id == demo.live).values(counts={"answered": 52}, updated_at=now)
        )

    workspace.write(answer_one)
    tab.wait_for_selector('#progress progress[value="52"]', timeout=10_000)
    assert tab.inner_text("tbody tr:first-child td:nth-child(3)") == "answered"
    assert tab.evaluate("document.activeElement.getAttribute('href')").endswith(first)
    ended = update(run).where(run.c.workspace_id == workspace.id, run.c.id == demo.live).values(counts={"answered": 120}, state="done")
    workspace.write(lambda tx: tx.conn.execute(ended) and None)
    tab.wait_for_selector('#progress progress[value="120"]', timeout=10_000)
    assert tab.get_attribute("#live", "hx-trigger") is None
    assert tab.complaints == []


def test_without_script_a_page_about_work_under_way_loads_itself_again(browser: Any, served: Served) -> None:
    ended = update(run).where(run.c.workspace_id == served.workspace.id, run.c.id == served.demo.stuck).values(state="running")
    served.workspace.write(lambda tx: tx.conn.execute(ended) and None)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.address}/?token={TOKEN}")
    page.goto(served("/runs/{stuck}"))
    assert page.locator("noscript meta[http-equiv=refresh]").get_attribute("content") == "4"
    context.close()
