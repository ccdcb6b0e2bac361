"""Every kind of question answered in a real browser: with keys alone, with a mouse and a finger where text is marked, narrow and dark, and by axe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import TOKEN

from in_a_browser import listening
from pilotage.judging import judgements
from pilotage.ledger import entries
from pilotage.server import create_app
from pilotage.store import Workspace

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "examples" / "review-kinds"))

import put as seeds  # noqa: E402

pytestmark = pytest.mark.browser
AXE = ROOT / "tests" / "vendor" / "axe.min.js"


@pytest.fixture
def address(fresh: Workspace) -> Iterator[str]:
    for kind in seeds.KINDS:
        seeds.put(fresh, kind)
    with listening(create_app(fresh, local_token=TOKEN)) as there:
        yield there


@pytest.fixture
def open_kind(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open the queue of a kind; the test fails on any error or policy violation in the browser's console."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def opened(kind: str, **how: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 860}, **how})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
        page.goto(f"{address}/review/{kind}?token={TOKEN}")
        page.wait_for_selector("#wb-prompt")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def recorded(page: Any, workspace: Workspace, done: int, question: str) -> list[Any]:
    """Wait until ``done`` answers are in, and give those to ``question`` in the order they were made."""
    page.wait_for_function("text => document.getElementById('wb-status').textContent.includes(text)", arg=f"{done} done")
    page.wait_for_function("() => document.getElementById('wb-status').textContent.includes('outbox 0')")
    return [judgement.value for judgement in judgements(workspace, question=question)]


def detail(page: Any, command: str) -> str:
    return str(page.locator(f"[data-command={command}] small").inner_text())


def test_several_labels_are_agreed_to_with_one_key_and_put_right_with_one_each(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("labels")
    assert detail(page, "accept") == "delivery + refund + damage"
    press(page, "a")
    assert recorded(page, fresh, 1, "topics") == [["delivery", "refund", "damage"]]
    press(page, "4", "5", "d", "Enter")  # from the proposal 'account': account off, praise on, delivery on
    assert recorded(page, fresh, 2, "topics")[-1] == ["delivery", "praise"]
    press(page, "Space", "Space")
    page.wait_for_function("() => document.querySelector('.wb-text')?.textContent.includes('lamp')")
    assert page.locator("[data-command=accept]").count() == 0
    press(page, "Enter")  # none of them: allowed here, where nothing is proposed that it would pass over
    assert recorded(page, fresh, 3, "topics")[-1] == []


def test_enter_never_passes_over_a_proposal(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("labels")
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('wb-announce').textContent.includes('agrees')")
    assert judgements(fresh, question="topics") == []


def test_a_text_is_marked_with_keys_alone(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("marks")
    press(page, *["ArrowRight"] * 5, "Shift+ArrowRight", "t")  # the words: Ada Lovelace wrote to us from London on 3 May …
    assert page.locator(".wb-marks li").count() == 2  # 'from London' took the place of London: marks do not overlap here
    press(page, "Backspace")  # nothing is decided yet, so there is nothing to take back
    press(page, "Delete")
    press(page, "o", "ArrowRight", "ArrowRight", "Shift+ArrowRight", "3", "Enter")
    (first,) = recorded(page, fresh, 1, "personal")
    text = "Ada Lovelace wrote to us from London on 3 May about order 1843."
    assert [(text[one["start"] : one["end"]], one["label"]) for one in first] == [("Ada Lovelace", "person"), ("London", "place"), ("3 May", "date")]


def test_places_are_counted_in_code_points_and_walked_in_the_direction_of_the_text(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("marks")
    press(page, "Space")
    page.wait_for_function("() => document.getElementById('wb-marked').textContent.includes('Jemison')")
    press(page, "Home", "1", "ArrowRight", "Shift+ArrowRight", "1", "Enter")
    text = "👩‍🚀 Mae Jemison visited Köln on 12 April with her sister Ada."
    (astronaut,) = recorded(page, fresh, 1, "personal")
    assert [text[one["start"] : one["end"]] for one in astronaut] == ["👩‍🚀", "Mae Jemison"]
    page.wait_for_function("() => getComputedStyle(document.getElementById('wb-marked')).direction === 'rtl'")
    press(page, "ArrowLeft", "1", "ArrowLeft", "ArrowLeft", "2", "Enter")  # in Arabic, left is onwards
    arabic = "كتبت ليلى من القاهرة يوم الأحد تسأل عن طلبها"
    marks = recorded(page, fresh, 2, "personal")[-1]
    assert [arabic[one["start"] : one["end"]] for one in marks] == ["ليلى", "القاهرة"]


def test_a_text_is_marked_with_a_mouse(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("marks")
    box = """word => { const walker = document.createTreeWalker(document.getElementById('wb-marked'), NodeFilter.SHOW_TEXT);
      for (let node; (node = walker.nextNode()); ) { const at = node.data.indexOf(word); if (at < 0) continue;
        const range = document.createRange(); range.setStart(node, at); range.setEnd(node, at + word.length);
        const { left, right, top, bottom } = range.getBoundingClientRect(); return [left, right, (top + bottom) / 2]; } }"""
    left, right, middle = page.evaluate(box, "3 May")
    page.mouse.move(left + 1, middle)
    page.mouse.down()
    page.mouse.move(right - 1, middle, steps=5)
    page.mouse.up()
    assert page.locator(".wb-selected").inner_text() == "3 May"
    page.locator(".wb-option", has_text="Date").click()
    page.locator(".wb-remove").first.click()
    page.locator("[data-command=record]").click()
    (marks,) = recorded(page, fresh, 1, "personal")
    assert [one["label"] for one in marks] == ["place", "date"]


def test_a_text_is_marked_with_a_finger(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("marks", viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True)
    spot = page.evaluate("""() => { const node = document.getElementById('wb-marked').lastChild; const at = node.data.indexOf('order');
      const range = document.createRange(); range.setStart(node, at + 1); range.setEnd(node, at + 3);
      const { left, top, bottom } = range.getBoundingClientRect(); return [left, (top + bottom) / 2]; }""")
    page.touchscreen.tap(*spot)
    page.wait_for_function("() => document.querySelector('.wb-selected')?.textContent === 'order'")
    page.locator(".wb-option", has_text="Date").tap()
    page.locator("[data-command=record]").tap()
    (marks,) = recorded(page, fresh, 1, "personal")
    assert {"start": 52, "end": 57, "label": "date"} in marks


def test_a_pair_is_decided_with_brackets_whichever_side_stands_first(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("preference")
    press(page, "[", "]", "=")
    recorded(page, fresh, 3, "better")
    page.wait_for_selector(".wb-pane")
    press(page, "-")
    values = recorded(page, fresh, 4, "better")
    found = judgements(fresh, question="better")
    assert [value["preferred"] for value in values][2:] == ["tie", "both_bad"]
    for judgement, place in zip(found[:2], (0, 1), strict=True):
        assert judgement.sides in ("ab", "ba")
        assert judgement.value == {"preferred": judgement.sides[place], "strength": None}


def test_dimensions_of_a_pair_have_strengths_and_reasons_of_their_own(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("pair")
    press(page, "]", "]", "]")
    assert "3 of 3" in page.locator(".wb-pane.wb-chosen").inner_text()
    press(page, "2")  # clearly, and on to the next question
    assert "tone" in page.locator("#wb-prompt").inner_text()
    press(page, "-")  # not on offer here
    press(page, "=")
    assert "Why" in page.locator("#wb-prompt").inner_text()
    press(page, "1", "3", "Enter")
    assert recorded(page, fresh, 1, "better")[0]["strength"] == 2
    assert recorded(page, fresh, 1, "tone") == [{"preferred": "tie", "strength": None}]
    assert recorded(page, fresh, 1, "reasons") == [["correct", "clear"]]


def pick(page: Any, *candidates: str) -> None:
    """Press the digits of these candidates: where each stands is drawn for the person."""
    for one in candidates:
        press(page, page.locator(f"[data-candidate={one}] kbd").inner_text().strip())


def test_candidates_are_ranked_in_order_of_preference_tied_and_moved(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("ranking")
    pick(page, "one", "four")
    press(page, "=")
    pick(page, "two")  # the last that is left takes the last place by itself
    assert detail(page, "record") == "one > four = two > three"
    press(page, "ArrowUp", "ArrowUp", "ArrowUp", "Shift+ArrowDown", "Enter")
    assert recorded(page, fresh, 1, "order") == [[["four", "two"], ["one"], ["three"]]]
    pick(page, "y", "x")
    press(page, "Enter")
    assert recorded(page, fresh, 2, "order")[-1] == [["y"], ["x"], ["z"]]


def test_candidates_stand_in_the_order_drawn_for_the_person(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("ranking")
    shown = page.locator("[data-candidate]").evaluate_all("nodes => nodes.map((node) => node.dataset.candidate)")
    pick(page, "one", "two", "three")
    press(page, "Enter")
    assert recorded(page, fresh, 1, "order") == [[["one"], ["two"], ["three"], ["four"]]]
    (kept,) = [each for each in judgements(fresh, question="order") if each.served_order]
    assert kept.served_order == shown and sorted(shown) == ["four", "one", "three", "two"]


def test_a_rubric_goes_from_question_to_question_and_agrees_with_the_rest(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("rubric")
    press(page, "2")  # not true; the rest as proposed
    assert "helpful" in page.locator("#wb-prompt").inner_text()
    assert detail(page, "accept") == "no correct, helpful: 5, plain"
    press(page, "a")
    assert recorded(page, fresh, 1, "correct") == [False]
    assert recorded(page, fresh, 1, "helpful") == [5]
    press(page, ".", ",")
    assert "true" in page.locator("#wb-prompt").inner_text()
    press(page, "1", "4", "1")
    field = page.locator(".wb-number")
    field.wait_for()
    assert field.evaluate("node => node === document.activeElement")
    page.keyboard.type("85")
    press(page, "Enter", "Enter")
    assert recorded(page, fresh, 2, "confidence") == [85]


def test_the_draft_is_agreed_to_or_put_right_with_what_changed_in_sight(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("edit")
    press(page, "e", "End")
    page.keyboard.type(" Sorry again.")
    assert page.locator(".wb-live-difference ins").inner_text().strip() == "Sorry again."
    press(page, "Control+Enter")  # the text is all there is to answer
    assert recorded(page, fresh, 1, "reply")[0].endswith("We send a new one. Sorry again.")
    press(page, "a")
    assert recorded(page, fresh, 2, "reply")[1].startswith("Your order has left us")
    press(page, "j", "j")
    assert page.locator(".wb-difference ins").inner_text().strip() == "Sorry again."


def test_a_free_text_is_written_and_recorded_with_keys(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("writing")
    press(page, "Enter", "a")  # nothing is written: nothing is recorded
    press(page, "e")
    page.keyboard.type("They want their money back.")
    press(page, "Control+Enter")
    assert recorded(page, fresh, 1, "summary") == ["They want their money back."]


def test_a_trajectory_has_turns_to_link_to_and_folded_arguments(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("trajectory")
    assert page.locator("details.wb-call pre").is_hidden()
    press(page, "1")
    link = page.locator("a[href='#turn-3']", has_text="About turn 3")
    assert "what the question is about" in page.locator("#turn-3").inner_text()
    link.focus()
    press(page, "Enter")
    assert page.evaluate("location.hash") == "#turn-3"
    page.locator("details.wb-call summary").focus()
    press(page, "Enter")
    assert "include_history" in page.locator("details.wb-call pre").inner_text()
    press(page, "3", "0")  # the digit of a rating is its value
    press(page, "Enter")
    assert recorded(page, fresh, 1, "safety") == [0]
    assert recorded(page, fresh, 1, "call") == ["wrong"]


def test_what_was_begun_survives_a_reload_and_an_undo(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("ranking")
    pick(page, "two", "three")
    page.reload()
    page.wait_for_selector(".wb-placed")
    assert page.locator(".wb-placed").count() == 2
    pick(page, "one")
    press(page, "Enter")
    assert recorded(page, fresh, 1, "order") == [[["two"], ["three"], ["one"], ["four"]]]
    press(page, "Backspace")
    assert page.locator(".wb-placed").count() == 4
    press(page, "Enter")
    assert recorded(page, fresh, 1, "order") == [[["two"], ["three"], ["one"], ["four"]]]


def test_an_item_is_escalated_with_a_reason(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("labels")
    press(page, "s")
    dialog = page.locator("#wb-ask")
    press(page, "Enter")  # a reason is needed
    assert dialog.is_visible()
    for _ in range(6):
        press(page, "Tab")
        assert page.evaluate("() => document.activeElement === document.body || document.getElementById('wb-ask').contains(document.activeElement)")
    dialog.locator("textarea").focus()
    page.keyboard.type("I do not know this product.")
    press(page, "Enter")
    page.wait_for_function("() => document.getElementById('wb-status').textContent.includes('outbox 0')")
    assert len(entries(fresh, type="review.escalated")) == 1
    assert page.evaluate("() => document.activeElement.id") == "wb-stage"


def test_first_sight_of_each_item_is_on_record_once(open_kind: Callable[..., Any], fresh: Workspace) -> None:
    page = open_kind("preference")
    press(page, "[")
    recorded(page, fresh, 1, "better")
    page.reload()
    page.wait_for_selector("#wb-prompt")
    press(page, "[")
    recorded(page, fresh, 2, "better")
    page.wait_for_function("() => !Object.keys(localStorage).some((name) => name.includes('.outbox.'))")
    seen = [entry.subject for entry in entries(fresh, type="review.viewed")]
    assert len(seen) == len(set(seen)) == 3


def test_an_option_key_that_is_taken_is_not_shown_and_a_conflict_is_refused(open_kind: Callable[..., Any]) -> None:
    page = open_kind("labels")
    press(page, "?")
    page.locator("[data-remap=flag]").press("Enter")
    press(page, "d")  # the key of the answer 'Delivery'
    assert "Delivery" in page.locator(".wb-help [role=alert]").inner_text()
    page.locator("[data-remap=flag]").press("Enter")
    press(page, "ArrowUp")
    assert "moves about" in page.locator(".wb-help [role=alert]").inner_text()


@pytest.mark.parametrize("kind", seeds.KINDS)
def test_the_screen_is_accessible_and_no_wider_than_a_phone(open_kind: Callable[..., Any], kind: str) -> None:
    page = open_kind(kind, viewport={"width": 390, "height": 844}, color_scheme="dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    if not AXE.exists():
        pytest.skip("axe was not fetched: python tools/build_web.py --tests")
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for step in ([], ["e"], ["Escape", "?"]):
        press(page, *step)
        found = page.evaluate("async () => (await axe.run()).violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))])")
        assert found == [], f"after {step}"
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    press(page, "Escape")
    page.set_viewport_size({"width": 1280, "height": 860})
    page.emulate_media(color_scheme="light")
    assert page.evaluate("async () => (await axe.run()).violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))])") == []


def test_fifty_items_with_keys_alone_through_a_network_cut_of_five_seconds_lose_nothing(
    browser: Any, fresh: Workspace, open_kind: Callable[..., Any], address: str
) -> None:
    from pilotage.judging import Item, load_rubric_file
    from pilotage.review import put_task

    rubric = load_rubric_file(ROOT / "examples" / "review-kinds" / "preference.yaml")

    def fill(tx: Any) -> None:
        for number in range(50):
            item = Item(kind="example", source_id=f"many-{number}", payload={"prompt": f"Item {number}", "a": f"a {number}", "b": f"b {number}"})
            put_task(tx, "many", item, rubric, ["example"], priority=100 - number)

    fresh.write(fill)
    page = open_kind("many")
    said: dict[str, str] = {}
    keys = ["[", "]", "=", "-"]
    for number in range(50):
        if number == 20:
            page.context.set_offline(True)
        if number == 23:  # what was prefetched is answered; the rest waits for the network
            assert "no connection" in page.locator("#wb-status").inner_text()
            page.wait_for_timeout(5_000)
            page.context.set_offline(False)
        page.wait_for_function("number => document.querySelector('.wb-facts dd')?.textContent === `Item ${number}`", arg=number, timeout=20_000)
        key = keys[number % 4]
        place = {"[": 0, "]": 1}.get(key)
        panes = page.locator(".wb-pane .wb-text")
        said[f"Item {number}"] = {"=": "tie", "-": "both_bad"}[key] if place is None else panes.nth(place).inner_text()[0]
        press(page, key)
    recorded(page, fresh, 50, "better")
    found = judgements(fresh, question="better", current_only=False)
    assert len(found) == 50
    assert sorted(judgement.value["preferred"] for judgement in found) == sorted(said.values())
