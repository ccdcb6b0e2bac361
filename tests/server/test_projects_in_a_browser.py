"""The pages of projects in a real browser: no page wider than the screen, none that a reader cannot use, keys, and a project made by clicking."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from leading import PASSWORD, staff
from review_workspace import PROJECT, Reviewed
from sqlalchemy import select

from in_a_browser import listening
from pilotage.ledger import open_workspace
from pilotage.review.projects import load_project
from pilotage.review.tables import review_task
from pilotage.server import create_app
from pilotage.server.render import STATIC
from pilotage.store import Workspace

pytestmark = pytest.mark.browser

HERE = f"/review/projects/{PROJECT}"
AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
PAGES = [
    *(
        "/review",
        HERE,
        f"{HERE}/items",
        f"{HERE}/items?purpose=gold",
        f"{HERE}/settings",
        f"{HERE}/versions",
        f"{HERE}/versions/diff?before=1&after=2",
    ),
    *(f"{HERE}/guideline?number=2&since=1", f"{HERE}/import", f"{HERE}/export", f"{HERE}/state?to=paused", "/review/projects/new", "/review/audit"),
]


@pytest.fixture(scope="module")
def served(replies_made: tuple[Path, Reviewed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(replies_made[0], folder)
    with open_workspace(folder, actor="ada") as workspace:
        staff(workspace)
        with listening(create_app(workspace)) as address:
            yield address, workspace


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, Workspace]) -> Iterator[Any]:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=served[0], reduced_motion="reduce").new_page()
    page.set_default_timeout(10_000)
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if "Content Security" in message.text else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto("/login")
    page.fill("[name=login]", "lena")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/")
    yield page
    page.context.close()


def one_item(workspace: Workspace) -> str:
    t = review_task.c
    with workspace.read() as conn:
        return str(conn.execute(select(t.item_id).where(t.workspace_id == workspace.id, t.purpose == "adjudication").limit(1)).scalar_one())


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, served: tuple[str, Workspace], width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    for page in (*PAGES, f"{HERE}/items/{one_item(served[1])}"):
        tab.goto(page)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        assert tab.evaluate("document.querySelectorAll('h1').length") == 1, page
    assert tab.complaints == []


@pytest.mark.parametrize(("theme", "pages"), [("light", PAGES), ("dark", [HERE, f"{HERE}/settings", f"{HERE}/guideline?number=2&since=1"])])
def test_every_page_is_usable_by_those_who_do_not_see_it(tab: Any, served: tuple[str, Workspace], theme: str, pages: list[str]) -> None:
    if not AXE.exists():
        pytest.skip("the accessibility checker was not fetched (python tools/build_web.py --tests)")
    tab.set_viewport_size({"width": 1280, "height": 900})
    tab.emulate_media(color_scheme=theme)
    for page in (*pages, f"{HERE}/items/{one_item(served[1])}"):
        tab.goto(page)
        tab.evaluate(AXE.read_text())
        found = tab.evaluate("axe.run(document, {resultTypes: ['violations']}).then((done) => done.violations)")
        assert [(one["id"], [node["target"] for node in one["nodes"]][:3]) for one in found] == [], page
    tab.emulate_media(color_scheme="light")


def test_reviewing_begins_with_one_key(tab: Any) -> None:
    tab.goto("/review")
    tab.keyboard.press("j")
    assert tab.evaluate("document.activeElement.getAttribute('href')") == HERE
    tab.keyboard.press("1")
    tab.wait_for_url(f"**/review/{PROJECT}")
    tab.goto(HERE)
    tab.keyboard.press("b")
    tab.wait_for_url(f"**/review/{PROJECT}")
    tab.goto("/review")
    tab.keyboard.press("c")
    tab.wait_for_url("**/review/projects/new")
    tab.fill("#title", "")
    tab.focus("#title")
    tab.keyboard.type("b1c")
    assert tab.input_value("#title") == "b1c", "keys are letters while somebody types"


def test_a_project_is_made_by_clicking_and_its_question_is_seen_as_it_is_written(tab: Any, served: tuple[str, Workspace]) -> None:
    if not (STATIC / "vendor" / "htmx.min.js").exists():
        pytest.skip("the browser code was not built (python tools/build_web.py)")
    expect = pytest.importorskip("playwright.sync_api").expect
    tab.goto("/review/projects/new")
    tab.fill("#name", "letters")
    tab.evaluate("window.stays = true")
    tab.locator("#questions-0-prompt").press_sequentially("Is it kind?")
    tab.wait_for_selector("#preview .wb-question:has-text('Is it kind?')")
    tab.get_by_role("button", name="which of two is better").click()
    tab.wait_for_selector("#question-1")
    assert tab.input_value("#name") == "letters" and tab.evaluate("window.stays"), "only the form is drawn again"
    tab.fill("#questions-1-prompt", "Which is better?")
    tab.wait_for_selector("#preview .wb-pair")
    tab.select_option("#questions-1-kind", "rating")
    tab.wait_for_selector("#questions-1-minimum")
    tab.wait_for_selector("#preview .wb-option:nth-child(5)")
    tab.get_by_role("button", name="Move question 2 up").click()
    expect(tab.locator("#questions-0-prompt")).to_have_value("Which is better?")
    expect(tab.locator("#questions-1-prompt")).to_have_value("Is it kind?")
    tab.get_by_role("button", name="Make the project").click()
    tab.wait_for_selector("#guideline-error")
    assert tab.input_value("#questions-0-prompt") == "Which is better?"
    tab.fill("#guideline", "Be kind.")
    tab.get_by_role("button", name="As YAML").click()
    tab.wait_for_selector("#yaml")
    assert "kind: rating" in tab.input_value("#yaml")
    tab.get_by_role("button", name="As fields").click()
    tab.wait_for_selector("#questions-0-prompt")
    tab.get_by_role("button", name="Make the project").click()
    tab.wait_for_url("**/review/projects/letters")
    made = load_project(served[1], "letters").rubric
    assert [(question.kind, question.prompt) for question in made.questions] == [("rating", "Which is better?"), ("choice", "Is it kind?")]
    assert tab.complaints == []


def test_a_file_is_chosen_and_taken_and_an_export_saved(tab: Any, tmp_path: Path) -> None:
    file = tmp_path / "letters.csv"
    file.write_text("task,worker,label\n1,x,yes\n2,x,maybe\n")
    tab.goto(f"{HERE}/import")
    tab.select_option("#format", "table-csv")
    tab.select_option("#question", "failure")
    tab.set_input_files("#file", file)
    tab.get_by_role("button", name="Take it in").click()
    tab.wait_for_selector("text=nothing was")
    assert "maybe" in tab.inner_text("main")
    tab.goto(f"{HERE}/export")
    with tab.expect_download() as caught:
        tab.get_by_role("button", name="Take it").click()
    assert caught.value.suggested_filename == f"{PROJECT}.json"
    assert Path(caught.value.path()).stat().st_size > 10_000, "the whole file came"
