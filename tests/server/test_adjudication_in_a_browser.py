"""Deciding a dispute in a real browser: the others' answers of every kind under letters, one key to take one, or deciding anew; names nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browserless import TOKEN
from disputes import HOSTILE, SAID, dispute

from in_a_browser import listening
from pilotage.judging import judgements
from pilotage.review.measuring import adjudications
from pilotage.server import create_app
from pilotage.store import Workspace

pytestmark = pytest.mark.browser
AXE = Path(__file__).resolve().parents[1] / "vendor" / "axe.min.js"
SECRETS = ("ben", "cleo", "secret-one", "secret-two", "what the machine said")


@pytest.fixture
def address(fresh: Workspace) -> Iterator[str]:
    with listening(create_app(fresh, local_token=TOKEN)) as there:
        yield there


@pytest.fixture
def open_it(browser: Any, address: str) -> Iterator[Callable[..., Any]]:
    """Open the adjudications; the test fails on any error or policy violation, and on any answer of the server that names what must not be named."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def look(answer: Any) -> None:
        if "/api/v1/review/claim" in answer.url:
            told = answer.text()
            complaints.extend(f"told: {secret}" for secret in SECRETS if f'"{secret}"' in told)

    def opened(**how: Any) -> Any:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **how})
        context.set_default_timeout(10_000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if "Content Security" in message.text else None)
        page.on("response", look)
        page.goto(f"{address}/review/disputed?purpose=adjudication&token={TOKEN}")
        page.wait_for_selector(".wb-others")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []


def decided(page: Any, workspace: Workspace, question: str) -> Any:
    page.wait_for_function("() => document.getElementById('wb-status').textContent.startsWith('1 done')")
    page.wait_for_function("() => document.getElementById('wb-status').textContent.includes('outbox 0')")
    [found] = [each for each in judgements(workspace, question=question) if each.purpose == "adjudication"]
    return found.value


def said_by(workspace: Workspace, letter: str, question: str) -> Any:
    return next(one.answers[question] for one in adjudications(workspace, "disputed")[0].answers if one.alias == letter)


@pytest.mark.parametrize(
    ("kind", "question", "at_once"),
    [
        ("choice", "failure", True),
        ("rating", "tone", True),
        ("pair", "better", True),
        ("spans", "names", False),
        ("ranking", "order", False),
        ("edit", "rewrite", False),
    ],
)
def test_an_answer_of_every_kind_is_taken_with_one_key(
    open_it: Callable[..., Any], fresh: Workspace, kind: str, question: str, at_once: bool
) -> None:
    dispute(fresh, kind)
    page = open_it()
    assert page.locator(".wb-alias").count() == 2
    assert not any(secret in page.inner_text("body") for secret in SECRETS)
    wanted = said_by(fresh, "B", question)
    assert wanted in SAID[kind]
    page.keyboard.press("Shift+B")
    if not at_once:
        assert page.locator(".wb-alias.wb-chosen .wb-letter").inner_text() == "B"
        page.keyboard.press("Enter")
    assert decided(page, fresh, question) == wanted


def test_one_may_decide_anew_and_marks_are_drawn_in_the_text_of_each(open_it: Callable[..., Any], fresh: Workspace) -> None:
    dispute(fresh, "spans")
    page = open_it()
    marked = [page.locator(".wb-alias").nth(place).locator(".wb-compared mark").all_inner_texts() for place in range(2)]
    assert sorted(map(len, marked)) == [1, 2] and any("Lisbon" in text for texts in marked for text in texts)
    page.keyboard.press("2")  # the first word as a place: neither said so
    page.keyboard.press("Enter")
    assert decided(page, fresh, "names") == [{"start": 0, "end": 5, "label": "place"}]


def test_only_what_is_disputed_is_asked_question_by_question(open_it: Callable[..., Any], fresh: Workspace) -> None:
    dispute(fresh, "choice", "rating", "pair", agreed=("rating",))
    page = open_it()
    assert page.locator(".wb-disputed").count() == 2
    first, second = said_by(fresh, "A", "failure"), said_by(fresh, "B", "better")
    page.keyboard.press("Shift+A")
    page.keyboard.press("Shift+B")
    page.keyboard.press("Enter")
    assert decided(page, fresh, "failure") == first
    assert decided(page, fresh, "better") == second
    assert not [each for each in judgements(fresh, question="tone") if each.purpose == "adjudication"]


def test_words_of_people_stay_text_and_the_screen_is_usable_on_a_phone(open_it: Callable[..., Any], fresh: Workspace) -> None:
    dispute(fresh, "choice", "edit", items=2)
    page = open_it(viewport={"width": 390, "height": 844}, color_scheme="dark")
    assert HOSTILE in page.inner_text(".wb-others")
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    if AXE.exists():
        page.evaluate(AXE.read_text())
        found = page.evaluate("async () => (await axe.run()).violations.map((one) => [one.id, one.nodes.map((node) => node.html.slice(0, 160))])")
        assert found == []


def test_when_nothing_is_left_it_says_so_and_leads_back(open_it: Callable[..., Any], fresh: Workspace) -> None:
    dispute(fresh, "choice")
    page = open_it()
    page.keyboard.press("y")
    page.wait_for_selector(".wb-empty")
    assert page.locator(".wb-empty a").get_attribute("href") == "/review/adjudication?project=disputed"
