"""What a project asks of who answers, in a real browser: their own answer first, evidence first, reasons, changed guidelines, practice, consent."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from browserless import TOKEN

from in_a_browser import listening
from pilotage.judging import Item, Option, Question, Rubric, judgements
from pilotage.ledger import entries
from pilotage.review import NewTask, Suggestion, put_tasks
from pilotage.review.measuring.known import Known
from pilotage.review.measuring.rounds import open_round
from pilotage.review.projects import Arms, Countermeasures, ProjectSettings, Round, change_project, create_project
from pilotage.server import create_app
from pilotage.store import Workspace

pytestmark = pytest.mark.browser
RUBRIC = Rubric(
    "tone", (Question("tone", "How is the tone?", "choice", options=(Option("warm", "Warm"), Option("cold", "Cold"), Option("odd", "Odd"))),)
)


def item(number: int, **slices: str) -> Item:
    return Item(kind="example", source_id=f"reply-{number}", payload={"text": f"Reply number {number}."}, slices=slices)


def propose(number: int, **slices: str) -> NewTask:
    return NewTask(
        item(number, **slices),
        suggestions=(Suggestion("tone", "warm", model="toner", model_version="1", probability=0.71),),
        priority=100 - number,
    )


@pytest.fixture
def opened(browser: Any, fresh: Workspace) -> Iterator[Callable[..., Any]]:
    """Make the project 'tone' with these settings and four items, and open its queue."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.set_default_timeout(10_000)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    with listening(create_app(fresh, local_token=TOKEN)) as address:

        def make(*, items: bool = True, **settings: Any) -> Any:
            create_project(fresh, ProjectSettings(name="tone", **settings), rubric=RUBRIC, guideline="# Tone\n\nWarm is kind.")
            if items:
                put_tasks(fresh, "tone", [propose(number, risk="high" if number == 0 else "low") for number in range(4)])
            return page

        def start() -> Any:
            page.goto(f"{address}/review/tone?token={TOKEN}")
            return page

        make.start = start  # type: ignore[attr-defined]
        yield make
        context.close()
    assert complaints == []


def press(page: Any, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def settled(page: Any, done: int) -> None:
    page.wait_for_function("text => document.getElementById('wb-status').textContent.includes(text)", arg=f"{done} done")
    page.wait_for_function("() => document.getElementById('wb-status').textContent.includes('outbox 0')")


def test_ones_own_answer_comes_first_and_is_kept_or_changed_with_one_key(opened: Any, fresh: Workspace) -> None:
    opened(arms=Arms(answer_first=1))
    page = opened.start()
    page.wait_for_selector("#wb-prompt")
    assert page.locator(".wb-verdict").count() == 0
    assert page.locator("[data-command=accept]").count() == 0
    press(page, "2")
    page.wait_for_selector(".wb-verdict")
    assert page.locator("[data-command=accept] small").inner_text() == "warm"
    assert page.locator("[data-command=record] small").inner_text() == "cold"
    press(page, "Enter")
    settled(page, 1)
    press(page, "2")
    page.wait_for_selector(".wb-verdict")
    press(page, "a")
    settled(page, 2)
    press(page, "1")  # as the machine says: nothing is asked twice
    settled(page, 3)
    assert [one.value for one in judgements(fresh, question="tone")] == ["cold", "warm", "warm"]
    assert {one.arm for one in judgements(fresh, question="tone")} == {"answer_first"}


def test_without_a_connection_the_first_answer_stands(opened: Any, fresh: Workspace) -> None:
    opened(arms=Arms(answer_first=1))
    page = opened.start()
    page.wait_for_selector("#wb-prompt")
    page.context.set_offline(True)
    press(page, "2")
    page.wait_for_function("() => document.getElementById('wb-status').textContent.includes('outbox 2')")
    page.context.set_offline(False)
    settled(page, 1)
    assert [one.value for one in judgements(fresh, question="tone")] == ["cold"]


def test_evidence_comes_before_the_proposal_and_agreeing_may_want_a_reason(opened: Any, fresh: Workspace) -> None:
    opened(countermeasures=Countermeasures(evidence_first=True, hide_confidence=True, reason_on_accept=("risk=high",)))
    page = opened.start()
    page.wait_for_selector("#wb-prompt")
    assert "warm" not in page.locator("#wb-beside").inner_text().lower()
    press(page, "a")
    assert page.locator(".wb-proposed").text_content() == "warm"
    assert "71" not in page.locator(".wb-verdict").inner_text()
    press(page, "a")
    page.locator("#wb-ask textarea").wait_for()
    page.keyboard.type("It thanks the customer.")
    press(page, "Enter")
    settled(page, 1)
    (first,) = judgements(fresh, question="tone")
    assert (first.value, first.reason) == ("warm", "It thanks the customer.")
    press(page, "2")  # one's own answer costs one key, and needs no look at the proposal
    settled(page, 2)


def test_a_guideline_that_changed_opens_with_what_changed(opened: Any, fresh: Workspace) -> None:
    opened()
    page = opened.start()
    page.wait_for_function("() => document.getElementById('wb-guideline-text').textContent.includes('Warm is kind.')")
    assert page.locator("#wb-guideline-version").inner_text() == "version 1"
    press(page, "g", "a")
    settled(page, 1)
    assert page.locator("#wb-guideline").is_hidden()  # what was seen does not open again
    change_project(fresh, "tone", number=1, guideline="# Tone\n\nWarm is kind and short.")
    put_tasks(fresh, "tone", [propose(9)])
    press(page, "a", "a", "a")
    page.wait_for_function("() => document.getElementById('wb-guideline-version').textContent === 'version 2'")
    page.wait_for_selector(".wb-changed ins")
    assert page.locator(".wb-changed ins").all_inner_texts() == ["kind and short."]
    assert page.locator(".wb-changed del").all_inner_texts() == ["kind."]


def test_a_calibration_round_says_so_and_tells_after_each_item(opened: Any, fresh: Workspace) -> None:
    opened(items=False, calibration_round=Round(items=2))
    open_round(fresh, "tone", [Known(item(number), {"tone": "cold"}, explanation="It greets nobody.") for number in range(2)], needed=2)
    page = opened.start()
    page.wait_for_selector("#wb-prompt")
    assert "Calibration round" in page.locator(".wb-notice").inner_text()
    press(page, "1")
    page.wait_for_selector(".wb-not-so")
    assert "cold" in page.locator(".wb-not-so").inner_text()
    assert "It greets nobody." in page.locator(".wb-not-so").inner_text()


def test_consent_is_asked_once_and_nothing_is_answered_before(opened: Any, fresh: Workspace) -> None:
    opened(consent="Your answers are kept.\n\nSome suggestions are wrong on purpose.")
    page = opened.start()
    page.locator("#wb-ask", has_text="wrong on purpose").wait_for()
    press(page, "Escape", "Escape")
    page.locator("#wb-ask").wait_for()  # a browser closes it at the second Escape; it is opened again
    press(page, "Enter", "a")
    settled(page, 1)
    page.reload()
    page.wait_for_selector("#wb-prompt")
    assert page.locator("#wb-ask").is_hidden()
    page.wait_for_function("() => !Object.keys(localStorage).some((name) => name.includes('.outbox.'))")
    page.evaluate("() => localStorage.clear()")  # another machine: it is on record with the server
    page.reload()
    page.wait_for_selector("#wb-prompt")
    assert page.locator("#wb-ask").is_hidden()
    (consented,) = entries(fresh, type="review.consented")
    assert (consented.subject, consented.actor) == ("tone", "ada")
