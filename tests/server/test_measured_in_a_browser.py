"""The pages of people measured in a real browser: narrow and wide, light and dark, by axe, and an exam sat with keys alone."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from leading import PASSWORD, staff
from review_workspace import PROJECT, Reviewed

from in_a_browser import listening
from pilotage.judging import Item
from pilotage.ledger import open_workspace
from pilotage.people import passwords
from pilotage.review.measuring import Known, exam_standing, open_exam, open_round
from pilotage.review.projects import Gold, Qualification, Round, change_project, load_project
from pilotage.server import create_app
from pilotage.server.pages import team as team_page
from pilotage.store import Workspace

pytestmark = pytest.mark.browser

AXE = Path(__file__).parents[1] / "vendor" / "axe.min.js"
HERE = f"/review/projects/{PROJECT}"
PAGES = [
    "/review/me",
    "/review/me/exams/replies",
    "/review/team",
    "/review/team/fay?by=language",
    f"{HERE}/gold?size=5",
    f"{HERE}/exam",
    f"{HERE}/round",
    f"{HERE}/judges",
    "/review/bias?by=language&before=1&after=2",
    "/review/bias/planting?project=replies&question=failure",
]


def known(count: int, name: str) -> list[Known]:
    said = {"conversation": [{"role": "user", "content": "Where is it?"}, {"role": "assistant", "content": f"It is gone, {name}."}]}
    return [Known(Item("reply", f"{name}-{n}", {**said, "number": n}), {"failure": "yes"}, "It is gone for good.") for n in range(count)]


@pytest.fixture(scope="module")
def served(replies_made: tuple[Path, Reviewed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Workspace]]:
    folder = tmp_path_factory.mktemp("measured") / "workspace"
    shutil.copytree(replies_made[0], folder)
    with pytest.MonkeyPatch.context() as patched, open_workspace(folder, actor="ada") as workspace:
        patched.setattr(passwords, "_hasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        staff(workspace)
        project = load_project(workspace, PROJECT)
        changes = {
            "qualification": Qualification(skill="replies", items=3, pass_at=0.6),
            "calibration_round": Round(items=2),
            "gold": Gold(share=0.12, exposure_cap=20, feedback=True, floor=0.9),
        }
        change_project(workspace, PROJECT, number=project.number, settings=project.settings.model_copy(update=changes))
        open_exam(workspace, PROJECT, known(8, "exam"))
        open_round(workspace, PROJECT, known(3, "round"))
        with listening(create_app(workspace)) as address:
            yield address, workspace


def signed_in(browser: Any, address: str, login: str, **context: Any) -> Any:
    page = browser.new_context(viewport={"width": 1280, "height": 900}, base_url=address, **context).new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto("/login")
    page.fill("[name=login]", login)
    page.fill("[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{address}/")
    return page


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, Workspace]) -> Iterator[Any]:
    page = signed_in(browser, served[0], "lena")
    yield page
    page.context.close()


@pytest.mark.parametrize("width", [1280, 390])
def test_no_page_complains_or_is_wider_than_the_screen(tab: Any, width: int) -> None:
    tab.set_viewport_size({"width": width, "height": 800})
    tab.complaints.clear()
    for page in PAGES:
        tab.goto(page)
        assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth"), page
        assert tab.evaluate("document.querySelectorAll('h1').length") == 1, page
        fields = "main input:not([type=hidden]), main select, main textarea"
        assert tab.evaluate(f"[...document.querySelectorAll('{fields}')].filter(one => !one.labels.length).length") == 0, page
    assert tab.complaints == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing(browser: Any, served: tuple[str, Workspace], theme: str) -> None:
    if not AXE.exists():
        pytest.skip("axe was not fetched: python tools/build_web.py --tests")
    page = signed_in(browser, served[0], "lena", color_scheme=theme)
    for address in PAGES:
        page.goto(address)
        page.evaluate(AXE.read_text(encoding="utf-8"))
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        found = page.evaluate("async () => (await axe.run()).violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))])")
        assert found == [], address
    page.context.close()


def test_figures_that_take_long_come_after_the_page(tab: Any, monkeypatch: pytest.MonkeyPatch, served: tuple[str, Workspace]) -> None:
    monkeypatch.setattr(team_page, "AT_ONCE", 10)
    tab.goto(f"/review/bias?project={PROJECT}&by=risk")  # not made before, so not kept
    tab.get_by_role("heading", name="Over the team").wait_for()
    assert tab.locator(".coming").count() == 0 and "By risk" in tab.locator("main").inner_text()


def test_an_exam_is_sat_with_keys_alone(browser: Any, served: tuple[str, Workspace]) -> None:
    address, workspace = served
    page = signed_in(browser, address, "dan")
    page.goto("/review/me/exams/replies")
    page.get_by_role("button", name="Begin the exam").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/replies?held")
    page.get_by_role("button", name="I agree").or_(page.locator("#wb-prompt")).first.wait_for()
    agree = page.get_by_role("button", name="I agree")
    if agree.count():
        agree.focus()
        page.keyboard.press("Enter")
    for left in (2, 1, 0):
        page.locator(".wb-actions").wait_for()
        page.keyboard.press("y")
        page.keyboard.press("4")
        page.keyboard.press("Enter")
        for _ in range(100):
            if (found := exam_standing(workspace, PROJECT, "dan")) is not None and found.left == left:
                break
            page.wait_for_timeout(50)
        assert found is not None and found.left == left
    page.get_by_role("link", name="begin it, or finish it here").wait_for()
    page.get_by_role("link", name="begin it, or finish it here").focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Finish and see how it went").focus()
    page.keyboard.press("Enter")
    page.get_by_text("You passed.").wait_for()
    assert "3 of 3 items right" in page.locator("main").inner_text()
    page.context.close()
