"""Pages of routing in a real browser: the threshold moved by keys, mouse and finger, what comes of an answer as it is given, narrow, dark, axe."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import TOKEN
from routing_workspace import NAME, NOW, Routed

from in_a_browser import listening
from pilotage.core import ManualClock
from pilotage.ledger import open_workspace
from pilotage.server import create_app
from pilotage.server.queries.lab import recent_samples

pytestmark = pytest.mark.browser

AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
PAGES = (
    "/routing/assessments",
    "/routing/assessments/new?from={assessment}",
    "/routing/assessments/{assessment}",
    "/routing/lab?project=refunds",
    "/routing/lab/samples/{sample}",
    "/routing/lab/{report}",
    "/routing/lab/{poor_report}?slice=language%3Dde",
    "/routing/policies",
    f"/routing/policies/{NAME}",
    f"/routing/policies/{NAME}?version=2",
    "/routing/draft?report={report}",
    "/routing/monitor",
    "/routing/decisions",
    "/routing/decisions/{decision}",
)


@pytest.fixture(scope="module")
def served(routed_made: tuple[Path, Routed], tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, dict[str, str]]]:
    folder = tmp_path_factory.mktemp("served") / "workspace"
    shutil.copytree(routed_made[0], folder)
    with open_workspace(folder, actor="ada", clock=ManualClock(NOW)) as workspace:
        has = {**vars(routed_made[1]), "sample": recent_samples(workspace)[0].id}
        with listening(create_app(workspace, local_token=TOKEN)) as address:
            yield address, has


@pytest.fixture(scope="module")
def tab(browser: Any, served: tuple[str, dict[str, str]]) -> Iterator[Any]:
    page = browser.new_page(has_touch=True)
    page.complaints = []
    page.set_default_timeout(10_000)
    page.on("console", lambda message: page.complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.on("dialog", lambda dialog: page.complaints.append(dialog.message))
    page.goto(f"{served[0]}/?token={TOKEN}")
    yield page
    assert page.complaints == []
    page.context.close()


@pytest.fixture
def go(tab: Any, served: tuple[str, dict[str, str]]) -> Any:
    def there(address: str, *, width: int = 1280, theme: str = "light") -> Any:
        tab.set_viewport_size({"width": width, "height": 860})
        tab.emulate_media(color_scheme=theme)
        tab.goto(served[0] + address.format(**served[1]))
        return tab

    return there


def told(page: Any, name: str) -> str:
    return str(page.locator(f"[data-told={name}]").inner_text())


@pytest.mark.parametrize(("width", "theme"), [(1280, "light"), (390, "dark")])
@pytest.mark.parametrize("address", PAGES)
def test_every_page_is_accessible_and_no_wider_than_the_screen(go: Any, address: str, width: int, theme: str) -> None:
    page = go(address, width=width, theme=theme)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.locator("h1").count() == 1
    if not AXE.exists():
        pytest.skip("axe was not fetched: python tools/build_web.py --tests")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate("async () => (await axe.run()).violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))])")
    assert found == []


def test_the_threshold_is_moved_with_keys_alone(go: Any) -> None:
    page = go("/routing/lab/{report}")
    handle = page.get_by_role("slider")
    handle.focus()
    assert "certified: of what is accepted at most 5.0 % is wrong" in handle.get_attribute("aria-valuetext")
    start, most = int(handle.get_attribute("aria-valuenow")), int(handle.get_attribute("aria-valuemax"))
    before = told(page, "coverage")
    page.keyboard.press("ArrowRight")
    assert int(handle.get_attribute("aria-valuenow")) == start + 1 and told(page, "coverage") != before
    assert page.locator("[data-chip]").inner_text() == "no guarantee" and "not certified" in told(page, "promise")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowDown")
    assert int(handle.get_attribute("aria-valuenow")) == start - 1 and page.locator("[data-chip]").inner_text() == "stricter"
    page.keyboard.press("End")
    assert int(handle.get_attribute("aria-valuenow")) == most and told(page, "coverage") == "100.0 %" and told(page, "reviewers") == "0"
    page.keyboard.press("PageDown")
    assert int(handle.get_attribute("aria-valuenow")) == most - 10
    page.keyboard.press("Home")
    page.keyboard.press("ArrowLeft")
    assert handle.get_attribute("aria-valuenow") == "1"
    assert page.locator("[name=at]").input_value() == told(page, "threshold")


def test_the_threshold_is_dragged_with_a_mouse_and_pressed_with_a_finger(go: Any) -> None:
    page = go("/routing/lab/{report}")
    bar = page.locator("[data-track]")
    bar.scroll_into_view_if_needed()
    box = bar.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + box["height"] / 2)
    page.mouse.down()
    middle = told(page, "coverage")
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 4, steps=5)
    page.mouse.up()
    far = told(page, "coverage")
    assert float(middle.split()[0]) < 60 < float(far.split()[0])
    page.mouse.move(box["x"] + box["width"] * 0.2, box["y"])
    assert told(page, "coverage") == far  # let go
    cost = page.locator("svg.curve").nth(1).bounding_box()
    page.touchscreen.tap(cost["x"] + cost["width"] * 0.3, cost["y"] + cost["height"] / 2)
    assert float(told(page, "coverage").split()[0]) < 40
    page.keyboard.press("ArrowRight")  # the handle has the focus
    assert float(told(page, "coverage").split()[0]) < 40


def test_figures_are_those_the_server_tells_without_script(browser: Any, served: tuple[str, dict[str, str]], go: Any) -> None:
    page = go("/routing/lab/{report}")
    page.get_by_role("slider").focus()
    for _ in range(7):
        page.keyboard.press("ArrowLeft")
    scripted = {name: told(page, name) for name in ("threshold", "coverage", "bound", "cost", "human", "reviewers", "shadow")}
    plain = browser.new_page(java_script_enabled=False)
    plain.goto(f"{served[0]}/?token={TOKEN}")
    plain.goto(served[0] + "/routing/lab/{report}".format(**served[1]))
    assert plain.get_by_role("slider").count() == 0
    plain.fill("[name=at]", scripted["threshold"])
    plain.get_by_role("button", name="Reckon").click()
    assert {name: told(plain, name) for name in scripted} == scripted
    plain.context.close()


def test_what_an_answer_comes_to_is_told_as_it_is_given(go: Any) -> None:
    page = go("/routing/assessments/new?from={assessment}")
    assert page.locator(".outcome-level").inner_text() == "On the loop"
    page.get_by_label("critical", exact=True).check()
    page.locator(".outcome-level", has_text="in the loop").wait_for()
    page.select_option("[name=mean]", "")
    page.wait_for_selector("#outcome .missing")
    assert "csrf" not in page.evaluate("performance.getEntriesByType('resource').map((one) => one.name).join()")


def test_an_output_is_tried_without_leaving_the_page(go: Any) -> None:
    page = go(f"/routing/policies/{NAME}")
    page.fill("[name=payload]", "Pay to DE02120300000000202051")
    page.fill("[name=confidence]", "0.99")
    page.fill("[name=slices]", "language=en")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tried .chip.bad")
    assert "pattern:iban" in page.locator("#tried").inner_text()
    assert page.locator("[name=confidence]").input_value() == "0.99"


def test_an_assessment_is_signed_with_keys_alone(go: Any, tab: Any) -> None:
    page = go("/routing/assessments/new?from={assessment}")
    page.locator("[name=slice]").fill("language=nl")
    page.get_by_role("button", name="Sign the assessment").focus()
    page.keyboard.press("Enter")
    page.wait_for_url("**/routing/assessments/asm_*")
    assert "language=nl" in page.locator("main").inner_text()
